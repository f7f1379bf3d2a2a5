//! applicationmetadata.json, as far as the local Altinn follows it.

use serde::Deserialize;
use serde_json::Value;
use stafett_core::metadata::contributors;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(super) id: String,
    pub(super) org: String,
    #[serde(default)]
    pub(crate) data_types: Vec<DataType>,
    #[serde(default)]
    pub(crate) party_types_allowed: Value,
    #[serde(default)]
    pub(crate) auto_delete_on_process_end: bool,
    #[serde(default)]
    pub(crate) disallow_user_instantiation: bool,
    #[serde(default)]
    pub(crate) data_fields: Vec<DataField>,
    #[serde(default)]
    pub(crate) presentation_fields: Vec<DataField>,
    #[serde(default)]
    pub(crate) copy_instance_settings: CopyInstanceSettings,
    #[serde(default)]
    pub(crate) prevent_instance_deletion_for_days: Option<u32>,
    #[serde(default)]
    pub(crate) api_scopes: Option<ApiScopes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CopyInstanceSettings {
    pub(crate) enabled: bool,
    pub(crate) excluded_data_types: Vec<String>,
    pub(crate) excluded_data_fields: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ApiScopes {
    pub(crate) read: Option<String>,
    pub(crate) write: Option<String>,
}

/// A form field that the app copies to the instance whenever the form is saved.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataField {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) data_type_id: String,
}

/// A data type of an app's metadata.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataType {
    /// Its id.
    pub id: String,
    #[serde(default)]
    allowed_content_types: Option<Vec<String>>,
    #[serde(default)]
    allowed_contributors: Vec<String>,
    /// The old, misspelled name. Altinn still reads it.
    #[serde(default)]
    allowed_contributers: Vec<String>,
    #[serde(default)]
    app_logic: Option<AppLogic>,
    #[serde(default)]
    pub(crate) task_id: Option<String>,
    #[serde(default)]
    max_size: i64,
    /// Zero or less means no limit.
    #[serde(default)]
    max_count: i64,
    /// Zero or less means that none is required.
    #[serde(default)]
    min_count: i64,
    #[serde(default = "yes")]
    pub(crate) enable_pdf_creation: bool,
    #[serde(default)]
    pub(crate) action_required_to_read: Option<String>,
    #[serde(default)]
    pub(crate) action_required_to_write: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AppLogic {
    auto_create: bool,
    class_ref: Option<String>,
    disallow_user_create: bool,
    disallow_user_delete: bool,
    auto_delete_on_process_end: bool,
}

fn yes() -> bool {
    true
}

impl DataType {
    /// The media types that are allowed. `None` allows any.
    #[must_use]
    pub fn allowed_content_types(&self) -> Option<&[String]> {
        self.allowed_content_types
            .as_deref()
            .filter(|types| !types.is_empty())
    }

    /// Who may write elements of this type. `None` allows everybody.
    #[must_use]
    pub fn allowed_contributors(&self) -> Option<&[String]> {
        let named = contributors(&self.allowed_contributors, &self.allowed_contributers);
        Some(named).filter(|contributors| !contributors.is_empty())
    }

    /// Whether its elements are forms, which have a model class in the app.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.class_ref.is_some())
    }

    /// The name of the model class, without namespace.
    pub(super) fn class_name(&self) -> &str {
        let class = self
            .app_logic
            .as_ref()
            .and_then(|logic| logic.class_ref.as_deref())
            .unwrap_or_default();
        class.rsplit_once('.').map_or(class, |(_, name)| name)
    }

    pub(crate) fn is_auto_created(&self) -> bool {
        self.is_form()
            && self
                .app_logic
                .as_ref()
                .is_some_and(|logic| logic.auto_create)
    }

    pub(crate) fn disallows_user_create(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.disallow_user_create)
    }

    pub(crate) fn disallows_user_delete(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.disallow_user_delete)
    }

    pub(crate) fn is_deleted_on_process_end(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.auto_delete_on_process_end)
    }

    /// The largest size of an element in bytes. `None` means no limit.
    #[must_use]
    pub fn max_bytes(&self) -> Option<u64> {
        let mebibytes = u64::try_from(self.max_size).unwrap_or_default();
        (mebibytes > 0).then(|| mebibytes.saturating_mul(1024 * 1024))
    }

    /// The largest number of elements. `None` means no limit.
    #[must_use]
    pub fn max_count(&self) -> Option<usize> {
        usize::try_from(self.max_count)
            .ok()
            .filter(|count| *count > 0)
    }

    /// The smallest number of elements.
    pub(crate) fn min_count(&self) -> usize {
        usize::try_from(self.min_count).unwrap_or_default()
    }

    /// Whether this is the main form of the app, which cannot be deleted.
    pub(crate) fn is_main_form(&self) -> bool {
        self.is_form() && self.max_count == 1 && self.min_count == 1
    }
}
