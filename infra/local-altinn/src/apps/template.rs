//! The instance template in the body of a creation.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::instance::Status;
use crate::instance::document::{Unreadable, field, parse_status, text, texts, time};

/// The fields of a template that have an effect.
#[derive(Default)]
pub(super) struct Template {
    pub(super) owner: Option<OwnerReference>,
    pub(super) due_before: Option<Timestamp>,
    pub(super) visible_after: Option<Timestamp>,
    pub(super) status: Status,
    pub(super) data_values: Option<BTreeMap<String, String>>,
}

#[derive(Default)]
pub(super) struct OwnerReference {
    pub(super) party_id: Option<String>,
    pub(super) external_identifier: Option<String>,
    pub(super) person_number: Option<String>,
    pub(super) organisation_number: Option<String>,
    pub(super) username: Option<String>,
}

impl Template {
    /// Reads a template as Newtonsoft does: field names in any case, unknown fields ignored, numbers accepted as text.
    pub(super) fn parse(document: &[u8]) -> Result<Self, Unreadable> {
        let Value::Object(object) = serde_json::from_slice(document).map_err(|_| Unreadable)?
        else {
            return Err(Unreadable);
        };
        Ok(Self {
            owner: OwnerReference::parse(field(&object, "instanceOwner"))?,
            due_before: time(field(&object, "dueBefore"))?,
            visible_after: time(field(&object, "visibleAfter"))?,
            status: parse_status(field(&object, "status"))?,
            data_values: texts(field(&object, "dataValues"))?,
        })
    }
}

impl OwnerReference {
    pub(super) fn parse(value: &Value) -> Result<Option<Self>, Unreadable> {
        let Value::Object(object) = value else {
            return if value.is_null() {
                Ok(None)
            } else {
                Err(Unreadable)
            };
        };
        let text =
            |name| text(field(object, name)).map(|text| text.filter(|text| !text.is_empty()));
        Ok(Some(Self {
            party_id: text("partyId")?,
            external_identifier: text("externalIdentifier")?,
            person_number: text("personNumber")?,
            organisation_number: text("organisationNumber")?,
            username: text("username")?,
        }))
    }

    pub(super) fn is_empty(&self) -> bool {
        [
            &self.party_id,
            &self.external_identifier,
            &self.person_number,
            &self.organisation_number,
            &self.username,
        ]
        .into_iter()
        .all(Option::is_none)
    }
}
