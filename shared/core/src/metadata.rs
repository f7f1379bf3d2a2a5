//! An app's metadata: its `applicationmetadata.json`.
//!
//! (Altinn/altinn-storage: src/Storage.Interface/Models/Application.cs, DataType.cs.)

use serde::Deserialize;
use serde_json::Value;

use crate::{id::AppId, tolerant};

/// An app's metadata, as far as creating an instance depends on it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationMetadata {
    /// The app.
    pub id: AppId,
    /// Its data types.
    #[serde(default)]
    pub data_types: Vec<DataType>,
    /// The fields of its forms that it copies to `dataValues` when a form is saved.
    #[serde(default)]
    pub data_fields: Vec<DataField>,
    /// The fields of its forms that it copies to `presentationTexts` when a form is saved.
    #[serde(default)]
    pub presentation_fields: Vec<DataField>,
    /// Who may own its instances; if all four are false or absent, anybody may.
    #[serde(default)]
    pub party_types_allowed: PartyTypesAllowed,
}

/// A field of a form that an app copies to `dataValues` or `presentationTexts`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataField {
    /// The key in `dataValues` or `presentationTexts`.
    pub id: String,
    /// The field, as a dotted path.
    #[serde(default)]
    pub path: Option<String>,
    /// The form's data type.
    #[serde(default)]
    pub data_type_id: Option<String>,
}

/// A data type of an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub struct DataType {
    /// Its id, which is also the name of the part in a multipart request; case-sensitive.
    pub id: String,
    /// The allowed media types, compared exactly; an empty list allows all.
    pub allowed_content_types: Vec<String>,
    /// Who may add elements: `org:{code}`, `orgno:{number}`, `app:owned`; an empty list allows everybody.
    pub allowed_contributors: Vec<String>,
    /// Set for form data.
    pub app_logic: Option<AppLogic>,
    /// The maximum size of an element in MiB; 0 means no limit.
    pub max_size: u64,
    /// The maximum number of elements; 0 means no limit.
    pub max_count: u64,
}

/// The JSON of a data type. Libraries before 8.6.0 write `allowedContributers`, later ones both spellings, usually with
/// one of them null (measured, tests/recorded/app-metadata-casework.json).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    #[serde(default)]
    allowed_content_types: Vec<String>,
    #[serde(default)]
    allowed_contributers: Vec<String>,
    #[serde(default)]
    allowed_contributors: Vec<String>,
    #[serde(default)]
    app_logic: Option<AppLogic>,
    /// Zero or less means no limit, also in `max_count`.
    #[serde(default)]
    max_size: i64,
    #[serde(default)]
    max_count: i64,
}

impl From<Wire> for DataType {
    fn from(wire: Wire) -> Self {
        let limit = |limit: i64| u64::try_from(limit).unwrap_or_default();
        Self {
            id: wire.id,
            allowed_content_types: wire.allowed_content_types,
            allowed_contributors: contributors(
                &wire.allowed_contributors,
                &wire.allowed_contributers,
            )
            .to_vec(),
            app_logic: wire.app_logic,
            max_size: limit(wire.max_size),
            max_count: limit(wire.max_count),
        }
    }
}

/// Who may add elements of a data type: `allowedContributors`, or the older spelling `allowedContributers` if that list is
/// empty.
#[must_use]
pub fn contributors<'a>(
    allowed_contributors: &'a [String],
    allowed_contributers: &'a [String],
) -> &'a [String] {
    if allowed_contributors.is_empty() {
        allowed_contributers
    } else {
        allowed_contributors
    }
}

impl ApplicationMetadata {
    /// Reads the metadata of an app on a library of any age.
    ///
    /// # Errors
    /// If the JSON is not an app's metadata.
    pub fn from_json(json: &Value) -> serde_json::Result<Self> {
        tolerant::read(json)
    }
}

impl DataType {
    /// Whether an instance may have several elements of it.
    #[must_use]
    pub fn may_be_several(&self) -> bool {
        self.max_count != 1
    }

    /// The name of its model's class, without its namespace; empty for attachments.
    #[must_use]
    pub fn class_name(&self) -> &str {
        let logic = self.app_logic.as_ref();
        let class = logic
            .and_then(|logic| logic.class_ref.as_deref())
            .unwrap_or_default();
        class.rsplit_once('.').map_or(class, |(_, name)| name)
    }

    /// Whether its elements are form data, which the app reads as a class.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.class_ref.is_some())
    }

    /// Whether its elements can be read as data: form data, and JSON, which the app gives as it is stored (measured,
    /// tests/recorded/app-data-json-attachment.json).
    #[must_use]
    pub fn is_data(&self) -> bool {
        let mut allowed = self.allowed_content_types.iter();
        self.is_form() || allowed.any(|it| it.eq_ignore_ascii_case("application/json"))
    }
}

/// How an app processes the elements of a form data type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppLogic {
    /// The class of its model; present for form data.
    #[serde(default)]
    pub class_ref: Option<String>,
}

/// Who may own instances of an app.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartyTypesAllowed {
    /// Persons and self-identified users.
    pub person: bool,
    /// Organisations that are not subunits.
    pub organisation: bool,
    /// Subunits.
    pub sub_unit: bool,
    /// Bankruptcy estates.
    pub bankruptcy_estate: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data_type(fields: Value) -> DataType {
        let metadata = json!({"id": "ttd/app", "dataTypes": [fields]});
        let metadata = ApplicationMetadata::from_json(&metadata).unwrap();
        metadata.data_types.into_iter().next().unwrap()
    }

    #[test]
    fn both_spellings_of_the_contributors_are_read_and_the_newer_takes_precedence() {
        for (newer, older, expected) in [
            (json!(["org:ttd"]), json!(null), "org:ttd"),
            (json!(null), json!(["org:ttd"]), "org:ttd"),
            (json!([]), json!(["org:ttd"]), "org:ttd"),
            (json!(["org:ttd"]), json!(["org:skd"]), "org:ttd"),
        ] {
            for older_first in [true, false] {
                let mut fields = vec![
                    ("allowedContributors".to_owned(), newer.clone()),
                    ("allowedContributers".to_owned(), older.clone()),
                    ("id".to_owned(), json!("vedlegg")),
                ];
                if older_first {
                    fields.reverse();
                }
                let read = data_type(fields.into_iter().collect());
                assert_eq!(read.allowed_contributors, [expected]);
            }
        }
        assert!(
            data_type(json!({"id": "a"}))
                .allowed_contributors
                .is_empty()
        );
    }

    #[test]
    fn a_limit_below_zero_means_no_limit() {
        let read = data_type(json!({"id": "a", "maxCount": -1, "maxSize": -1}));
        assert_eq!((read.max_count, read.max_size), (0, 0));
    }
}
