//! What an app says of itself: its `applicationmetadata.json`.
//!
//! (Altinn/altinn-storage: src/Storage.Interface/Models/Application.cs, DataType.cs.)

use serde::Deserialize;

use super::instance::null_is_default;
use crate::id::AppId;

/// An app's metadata, as far as creation depends on it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationMetadata {
    /// The app.
    pub id: AppId,
    /// Its data types.
    #[serde(default, deserialize_with = "null_is_default")]
    pub data_types: Vec<DataType>,
    /// Fields of its forms that it copies to `dataValues` when a form is saved.
    #[serde(default, deserialize_with = "null_is_default")]
    pub data_fields: Vec<DataField>,
    /// Whose instances it may have; all four false or absent admits everybody.
    #[serde(default, deserialize_with = "null_is_default")]
    pub party_types_allowed: PartyTypesAllowed,
}

/// A field of a form that an app copies to `dataValues`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataField {
    /// The key in `dataValues`.
    pub id: String,
    /// The field, dotted.
    #[serde(default)]
    pub path: Option<String>,
    /// The form's data type.
    #[serde(default)]
    pub data_type_id: Option<String>,
}

/// A data type of an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataType {
    /// Its id, which names the part of a multipart request, case-sensitive.
    pub id: String,
    /// Media types that it admits, compared exactly; an empty list admits all.
    #[serde(default, deserialize_with = "null_is_default")]
    pub allowed_content_types: Vec<String>,
    /// Who may add elements: `org:{code}`, `orgno:{number}`, `app:owned`; an empty list admits all.
    #[serde(
        default,
        alias = "allowedContributers",
        deserialize_with = "null_is_default"
    )]
    pub allowed_contributors: Vec<String>,
    /// Set for form data.
    #[serde(default)]
    pub app_logic: Option<AppLogic>,
    /// The largest element in MiB; 0 is without limit.
    #[serde(default, deserialize_with = "null_is_default")]
    pub max_size: u64,
    /// The most elements; 0 is without limit.
    #[serde(default, deserialize_with = "null_is_default")]
    pub max_count: u64,
}

impl DataType {
    /// Whether its elements are form data: typed, and read by the app's model.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.class_ref.is_some())
    }
}

/// How an app treats the elements of a form data type.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppLogic {
    /// The class of its model; present for form data.
    #[serde(default)]
    pub class_ref: Option<String>,
}

/// Whose instances an app may have.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartyTypesAllowed {
    /// Persons and self-identified users.
    pub person: bool,
    /// Organisations that are no subunit.
    pub organisation: bool,
    /// Subunits.
    pub sub_unit: bool,
    /// Bankruptcy estates.
    pub bankruptcy_estate: bool,
}
