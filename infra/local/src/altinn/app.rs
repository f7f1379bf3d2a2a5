//! An Altinn app: its metadata, form data models, process and policy.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use super::model::Model;

/// Why an app, the register or a folder cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in the file, and what is wrong there.
        message: String,
    },
}

/// An app as loaded. Apps are started with [`super::LocalAltinn::start`].
#[derive(Clone)]
pub struct App(pub(crate) Arc<AppDefinition>);

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("App").field(&self.0.id).finish()
    }
}

pub(crate) struct AppDefinition {
    /// `org/app`.
    pub(crate) id: String,
    pub(crate) org: String,
    /// applicationmetadata.json as it was written.
    pub(crate) document: Value,
    pub(crate) metadata: Metadata,
    pub(crate) settings: AppSettings,
    pub(crate) models: BTreeMap<String, Model>,
    policy: Mutex<Policy>,
    events: AtomicBool,
}

/// What Altinn keeps outside applicationmetadata.json; the content of `app.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AppSettings {
    /// Whether the app publishes events: `AppSettings:RegisterEventsWithEventsComponent`, false in Altinn's templates.
    pub events: bool,
    /// Whether the app runs in ASP.NET's environment `Production`.
    pub production: bool,
    /// Whether data elements may be written only in the task that owns them.
    pub enforce_tasks: bool,
    /// Who may do what.
    pub policy: Policy,
    /// The tasks of the process, in order.
    pub tasks: Vec<TaskSettings>,
    /// XML root element by data type; `model` where none is given.
    pub roots: BTreeMap<String, String>,
    /// Prefill by data type.
    pub prefill: BTreeMap<String, PrefillSettings>,
}

/// A task of a process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TaskSettings {
    /// Element id in the BPMN, e.g. `Task_1`.
    pub id: String,
    /// Altinn's task type, e.g. `data`, `confirmation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Shown name.
    pub name: String,
}

/// JSON-configured prefill of one data type from the register of the instance owner (in Altinn: `{dataType}.prefill.json`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct PrefillSettings {
    /// Whether values already present are replaced.
    pub allow_overwrite: bool,
    /// From the register field of an organisation (`OrgNumber`, `Name`, `UnitType`) to the path in the form.
    #[serde(rename = "ER")]
    pub organisation: BTreeMap<String, String>,
    /// From the register field of a person (`SSN`, `Name`) to the path in the form.
    #[serde(rename = "DSF")]
    pub person: BTreeMap<String, String>,
}

/// Actions that an app's XACML policy permits.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Policy {
    /// Actions of the organisation that owns the app. Default: `read, write, instantiate, complete`, and no `delete`
    /// (Altinn/altinn-studio: src/App/template/v8/src/App/config/authorization/policy.xml).
    pub service_owner: BTreeSet<String>,
    /// Actions of every other organisation, service owner or not. Default: none.
    pub others: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        let service_owner = ["read", "write", "instantiate", "complete"]
            .map(str::to_owned)
            .into();
        Self {
            service_owner,
            others: BTreeSet::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    id: String,
    org: String,
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

/// A field of form data that Altinn copies to the instance at each save.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataField {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) data_type_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataType {
    pub(crate) id: String,
    #[serde(default)]
    allowed_content_types: Option<Vec<String>>,
    /// The old spelling is still read.
    #[serde(default, alias = "allowedContributers")]
    allowed_contributors: Option<Vec<String>>,
    #[serde(default)]
    app_logic: Option<AppLogic>,
    #[serde(default)]
    pub(crate) task_id: Option<String>,
    #[serde(default)]
    max_size: Option<u64>,
    #[serde(default)]
    max_count: usize,
    #[serde(default)]
    pub(crate) min_count: usize,
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
    /// The list, where it is non-empty.
    pub(crate) fn allowed_content_types(&self) -> Option<&[String]> {
        self.allowed_content_types
            .as_deref()
            .filter(|types| !types.is_empty())
    }

    pub(crate) fn allowed_contributors(&self) -> Option<&[String]> {
        self.allowed_contributors
            .as_deref()
            .filter(|contributors| !contributors.is_empty())
    }

    pub(crate) fn is_form(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.class_ref.is_some())
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

    /// Largest size in bytes; none = no limit.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        self.max_size
            .filter(|mebibytes| *mebibytes > 0)
            .map(|mebibytes| mebibytes.saturating_mul(1024 * 1024))
    }

    /// Largest number of elements; none = no limit.
    pub(crate) fn max_count(&self) -> Option<usize> {
        Some(self.max_count).filter(|count| *count > 0)
    }

    /// The main form of an app cannot be deleted.
    pub(crate) fn is_main_form(&self) -> bool {
        self.is_form() && self.max_count == 1 && self.min_count == 1
    }
}

impl App {
    /// Loads an app from its folder: `applicationmetadata.json`, `app.yaml`, `models/<data type>.schema.json`.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let path = folder.join("applicationmetadata.json");
        let document = read_json(&path)?;
        let settings_path = folder.join("app.yaml");
        let settings = serde_saphyr::from_str(&read_text(&settings_path)?).map_err(|error| {
            LoadError::Content {
                path: settings_path,
                message: error.to_string(),
            }
        })?;
        let mut models = BTreeMap::new();
        let models_folder = folder.join("models");
        let files = std::fs::read_dir(&models_folder).map_err(|source| LoadError::Read {
            path: models_folder.clone(),
            source,
        })?;
        for file in files {
            let file = file.map_err(|source| LoadError::Read {
                path: models_folder.clone(),
                source,
            })?;
            let name = file.file_name();
            if let Some(data_type) = name
                .to_str()
                .and_then(|name| name.strip_suffix(".schema.json"))
            {
                models.insert(data_type.to_owned(), read_json(&file.path())?);
            }
        }
        Self::new(document, settings, models).map_err(|error| match error {
            LoadError::Content {
                path: file,
                message,
            } => LoadError::Content {
                path: folder.join(file),
                message,
            },
            error => error,
        })
    }

    /// Loads every app below a folder that holds `{org}/{app}` folders.
    ///
    /// # Errors
    /// As [`App::load`].
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, LoadError> {
        let mut apps = Vec::new();
        for org in subfolders(folder)? {
            for app in subfolders(&org)? {
                if app.join("applicationmetadata.json").exists() {
                    apps.push(Self::load(&app)?);
                }
            }
        }
        Ok(apps)
    }

    /// Makes an app from its parts: applicationmetadata.json, the settings, and a JSON schema per form data type.
    ///
    /// # Errors
    /// When the parts are wrong or do not fit together; the error names the file they would stand in, and the field.
    pub fn new(
        document: Value,
        settings: AppSettings,
        models: BTreeMap<String, Value>,
    ) -> Result<Self, LoadError> {
        let wrong = |path: &str, message: String| LoadError::Content {
            path: path.into(),
            message,
        };
        let in_metadata = |message: String| wrong("applicationmetadata.json", message);
        let metadata: Metadata = serde_json::from_value(document.clone())
            .map_err(|error| in_metadata(error.to_string()))?;
        if metadata
            .id
            .split_once('/')
            .is_none_or(|(org, app)| org != metadata.org || app.is_empty() || app.contains('/'))
        {
            return Err(in_metadata(format!(
                "field `id`: `{}` is not `{}/<app>`",
                metadata.id, metadata.org
            )));
        }
        if settings.tasks.is_empty() {
            return Err(wrong(
                "app.yaml",
                "field `tasks`: a process needs at least one task".to_owned(),
            ));
        }
        for data_type in &metadata.data_types {
            if let Some(task) = &data_type.task_id
                && !settings.tasks.iter().any(|known| known.id == *task)
            {
                return Err(in_metadata(format!(
                    "field `taskId` of data type `{}`: no task `{task}` in app.yaml",
                    data_type.id
                )));
            }
            if data_type.is_form() && !models.contains_key(&data_type.id) {
                return Err(in_metadata(format!(
                    "data type `{0}` has app logic, but there is no models/{0}.schema.json",
                    data_type.id
                )));
            }
        }
        let mut compiled = BTreeMap::new();
        for (data_type, schema) in models {
            let file = format!("models/{data_type}.schema.json");
            if !metadata
                .data_types
                .iter()
                .any(|known| known.id == data_type && known.is_form())
            {
                return Err(wrong(
                    &file,
                    "no form data type of that name in applicationmetadata.json".to_owned(),
                ));
            }
            let root = settings
                .roots
                .get(&data_type)
                .map_or("model", String::as_str);
            let model =
                Model::compile(root, schema).map_err(|error| wrong(&file, error.to_string()))?;
            compiled.insert(data_type, model);
        }
        Ok(Self(Arc::new(AppDefinition {
            id: metadata.id.clone(),
            org: metadata.org.clone(),
            document,
            policy: Mutex::new(settings.policy.clone()),
            events: AtomicBool::new(settings.events),
            metadata,
            settings,
            models: compiled,
        })))
    }

    /// `org/app`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another policy in force, from the next request on.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// Lets the service owner perform one more action, e.g. `delete`.
    pub fn permit(&self, action: &str) {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .service_owner
            .insert(action.to_owned());
    }

    /// Takes an action from the service owner.
    pub fn forbid(&self, action: &str) {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .service_owner
            .remove(action);
    }

    /// Switches the publishing of events on or off.
    pub fn set_events(&self, on: bool) {
        self.0.events.store(on, Ordering::Relaxed);
    }
}

impl AppDefinition {
    pub(crate) fn data_type(&self, id: &str) -> Option<&DataType> {
        self.metadata
            .data_types
            .iter()
            .find(|data_type| data_type.id == id)
    }

    pub(crate) fn publishes_events(&self) -> bool {
        self.events.load(Ordering::Relaxed)
    }

    pub(crate) fn permits(&self, org: Option<&str>, action: &str) -> bool {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        let actions = if org == Some(&self.org) {
            &policy.service_owner
        } else {
            &policy.others
        };
        actions.contains(action)
    }

    pub(crate) fn task(&self, id: &str) -> Option<&TaskSettings> {
        self.settings.tasks.iter().find(|task| task.id == id)
    }

    /// The app's name without the organisation.
    pub(crate) fn name(&self) -> &str {
        self.id
            .split_once('/')
            .map_or(self.id.as_str(), |(_, name)| name)
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.into(),
        source,
    })
}

pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    serde_json::from_str(&read_text(path)?).map_err(|error| LoadError::Content {
        path: path.into(),
        message: format!("not JSON: {error}"),
    })
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let read = |source| LoadError::Read {
        path: folder.into(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
