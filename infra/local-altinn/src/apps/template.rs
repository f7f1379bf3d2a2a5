//! The instance template that a creator sends.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::instance::{Mark, Status, Substatus};

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

/// The document is no template.
pub(crate) struct NotATemplate;

impl Template {
    /// Newtonsoft's reading: names in any case, unknown ones ignored, numbers accepted as text.
    pub(super) fn parse(document: &[u8]) -> Result<Self, NotATemplate> {
        let Value::Object(object) = serde_json::from_slice(document).map_err(|_| NotATemplate)?
        else {
            return Err(NotATemplate);
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
    pub(super) fn parse(value: &Value) -> Result<Option<Self>, NotATemplate> {
        let Value::Object(object) = value else {
            return if value.is_null() {
                Ok(None)
            } else {
                Err(NotATemplate)
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

/// A field under its name in any case; null where there is none.
pub(super) fn field<'v>(object: &'v Map<String, Value>, name: &str) -> &'v Value {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(&Value::Null, |(_, value)| value)
}

fn text(value: &Value) -> Result<Option<String>, NotATemplate> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(yes) => Ok(Some(yes.to_string())),
        Value::Array(_) | Value::Object(_) => Err(NotATemplate),
    }
}

/// Times become UTC; one without offset is taken as UTC.
pub(super) fn time(value: &Value) -> Result<Option<Timestamp>, NotATemplate> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => app_files::dates::parse(text).map(Some).ok_or(NotATemplate),
        _ => Err(NotATemplate),
    }
}

fn texts(value: &Value) -> Result<Option<BTreeMap<String, String>>, NotATemplate> {
    let Value::Object(object) = value else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err(NotATemplate)
        };
    };
    // Nulls are dropped (measured, tests/recorded/create-datavalues-null.json).
    let entry = |(name, value): (&String, &Value)| {
        text(value)
            .map(|text| text.map(|text| (name.clone(), text)))
            .transpose()
    };
    object
        .iter()
        .filter_map(entry)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A status survives as it was sent. Reads both serializations.
pub(crate) fn parse_status(value: &Value) -> Result<Status, NotATemplate> {
    let Value::Object(object) = value else {
        return if value.is_null() {
            Ok(Status::default())
        } else {
            Err(NotATemplate)
        };
    };
    let mark = |flag: &str, at: &str| {
        Ok(Mark {
            set: field(object, flag).as_bool().unwrap_or(false),
            at: time(field(object, at))?,
        })
    };
    let read_status = match field(object, "readStatus") {
        Value::Null => 0,
        Value::Number(number) => number
            .as_u64()
            .filter(|status| *status <= 2)
            .ok_or(NotATemplate)? as u8,
        Value::String(name) => match name.to_ascii_lowercase().as_str() {
            "unread" => 0,
            "read" => 1,
            "updatedsincelastreview" => 2,
            _ => return Err(NotATemplate),
        },
        _ => return Err(NotATemplate),
    };
    let substatus = match field(object, "substatus") {
        Value::Object(substatus) => Some(Substatus {
            label: text(field(substatus, "label"))?.unwrap_or_default(),
            description: text(field(substatus, "description"))?,
        }),
        _ => None,
    };
    Ok(Status {
        archived: mark("isArchived", "archived")?,
        soft_deleted: mark("isSoftDeleted", "softDeleted")?,
        hard_deleted: mark("isHardDeleted", "hardDeleted")?,
        read_status,
        substatus,
    })
}
