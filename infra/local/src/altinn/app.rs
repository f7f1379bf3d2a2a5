//! An Altinn app: its metadata, form data models, process and policy.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use author::apps::{AppFiles, AppFilesError, Apps, Policy, Prefill, Task};
use serde::Deserialize;
use serde_json::Value;
use stafett_core::{metadata::contributors, tolerant};

use super::library::Library;
use super::model::{CsharpModels, Model};
use super::token::Caller;

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
    /// The files of an app.
    #[error(transparent)]
    App(AppFilesError),
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
    /// `process.bpmn`, where it was read from one.
    pub(crate) bpmn: Option<String>,
    /// `policy.xml`, where it was read from one, and what it says.
    xacml: Option<(Policy, String)>,
    policy: Mutex<Policy>,
    library: Mutex<Library>,
    /// Data types that Storage's own copy of the metadata lacks.
    unknown_to_storage: Mutex<BTreeSet<String>>,
    events: AtomicBool,
}

/// What Altinn keeps outside applicationmetadata.json.
#[derive(Clone, Debug, Default)]
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
    pub tasks: Vec<Task>,
    /// XML root element by data type. Where none is given, any is read, and the name of the class is written.
    pub roots: BTreeMap<String, String>,
    /// Prefill by data type.
    pub prefill: BTreeMap<String, Prefill>,
}

impl From<&AppFiles> for AppSettings {
    /// Where no file tells, it is as in Altinn's template.
    fn from(files: &AppFiles) -> Self {
        Self {
            events: files.events.unwrap_or_default(),
            production: files.production,
            enforce_tasks: files.enforce_tasks,
            policy: files.policy.clone().unwrap_or_default(),
            tasks: files.tasks.clone().unwrap_or_default(),
            roots: files.roots.clone(),
            prefill: files.prefill.clone(),
        }
    }
}

/// The answer of the policy decision point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Permit,
    Deny,
    /// Permitted, with the obligation of a higher level of authentication.
    LevelTooLow(u8),
    /// The decision point cannot be reached.
    None,
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
    #[serde(default)]
    allowed_contributors: Vec<String>,
    /// The old spelling, which is still read.
    #[serde(default)]
    allowed_contributers: Vec<String>,
    #[serde(default)]
    app_logic: Option<AppLogic>,
    #[serde(default)]
    pub(crate) task_id: Option<String>,
    #[serde(default)]
    max_size: i64,
    /// Zero or below is without limit.
    #[serde(default)]
    max_count: i64,
    /// Zero or below asks for none.
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
    /// The list, where it is non-empty.
    pub(crate) fn allowed_content_types(&self) -> Option<&[String]> {
        self.allowed_content_types
            .as_deref()
            .filter(|types| !types.is_empty())
    }

    pub(crate) fn allowed_contributors(&self) -> Option<&[String]> {
        let named = contributors(&self.allowed_contributors, &self.allowed_contributers);
        Some(named).filter(|contributors| !contributors.is_empty())
    }

    pub(crate) fn is_form(&self) -> bool {
        self.app_logic
            .as_ref()
            .is_some_and(|logic| logic.class_ref.is_some())
    }

    /// The class of its model, without namespace.
    fn class_name(&self) -> &str {
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

    /// Largest size in bytes; none = no limit.
    pub(crate) fn max_bytes(&self) -> Option<u64> {
        let mebibytes = u64::try_from(self.max_size).unwrap_or_default();
        (mebibytes > 0).then(|| mebibytes.saturating_mul(1024 * 1024))
    }

    /// Largest number of elements; none = no limit.
    pub(crate) fn max_count(&self) -> Option<usize> {
        usize::try_from(self.max_count)
            .ok()
            .filter(|count| *count > 0)
    }

    /// Smallest number of elements.
    pub(crate) fn min_count(&self) -> usize {
        usize::try_from(self.min_count).unwrap_or_default()
    }

    /// The main form of an app cannot be deleted.
    pub(crate) fn is_main_form(&self) -> bool {
        self.is_form() && self.max_count == 1 && self.min_count == 1
    }
}

impl App {
    /// Loads an app from its folder, in any of the layouts that [`AppFiles`] reads.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        Self::from_files(&AppFiles::read(folder).map_err(LoadError::App)?)
    }

    /// Loads every app in a folder, as [`Apps::read_all`] finds them.
    ///
    /// # Errors
    /// As [`App::load`].
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, LoadError> {
        Apps::read_all(&[folder.to_owned()])
            .map_err(LoadError::App)?
            .iter()
            .map(Self::from_files)
            .collect()
    }

    /// Makes an app of its files.
    ///
    /// # Errors
    /// When they do not fit together; the error names file and field.
    pub fn from_files(files: &AppFiles) -> Result<Self, LoadError> {
        let settings = AppSettings::from(files);
        let xacml = files
            .xacml
            .clone()
            .map(|text| (settings.policy.clone(), text));
        let csharp = read_csharp(files)?;
        let definition = AppDefinition {
            bpmn: files.bpmn.clone(),
            xacml,
            ..AppDefinition::new(
                files.document.clone(),
                settings,
                files.schemas.clone(),
                &csharp,
            )
            .map_err(|error| {
                error.in_file(|file| match file {
                    Part::Metadata => files.metadata_file.clone(),
                    Part::Schema(data_type) => files
                        .schema_files
                        .get(data_type)
                        .cloned()
                        .unwrap_or_else(|| files.folder.clone()),
                    Part::Process => files.folder.clone(),
                })
            })?
        };
        Ok(Self(Arc::new(definition)))
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
        AppDefinition::new(document, settings, models, &CsharpModels::default())
            .map(|definition| Self(Arc::new(definition)))
            .map_err(|error| {
                error.in_file(|part| match part {
                    Part::Metadata => "applicationmetadata.json".into(),
                    Part::Schema(data_type) => format!("models/{data_type}.schema.json").into(),
                    Part::Process => "process.bpmn".into(),
                })
            })
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

    /// Lets the app run on this version of app-lib, from the next request on. Default: [`Library::TODAY`].
    pub fn run_on(&self, library: Library) {
        *self
            .0
            .library
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = library;
    }

    /// Lets Storage's copy of the app's metadata lack a data type, as it does for up to five minutes after a deployment
    /// (Altinn/altinn-storage: src/Storage/Repository/ApplicationRepository.cs, cached).
    pub fn hide_from_storage(&self, data_type: &str) {
        self.0.unknown_to_storage().insert(data_type.to_owned());
    }

    /// Lets Storage read the app's metadata anew.
    pub fn show_to_storage(&self) {
        self.0.unknown_to_storage().clear();
    }

    /// Switches the publishing of events on or off.
    pub fn set_events(&self, on: bool) {
        self.0.events.store(on, Ordering::Relaxed);
    }
}

/// Which of an app's parts is wrong.
enum Part {
    Metadata,
    Schema(String),
    Process,
}

/// What is wrong with which part.
struct Flaw {
    part: Part,
    message: String,
}

impl Flaw {
    fn new(part: Part, message: impl Into<String>) -> Self {
        Self {
            part,
            message: message.into(),
        }
    }

    fn in_file(self, file: impl FnOnce(&Part) -> PathBuf) -> LoadError {
        LoadError::Content {
            path: file(&self.part),
            message: self.message,
        }
    }
}

impl AppDefinition {
    fn new(
        document: Value,
        settings: AppSettings,
        schemas: BTreeMap<String, Value>,
        csharp: &CsharpModels,
    ) -> Result<Self, Flaw> {
        let in_metadata = |message: String| Flaw::new(Part::Metadata, message);
        let metadata: Metadata =
            tolerant::read(&document).map_err(|error| in_metadata(error.to_string()))?;
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
            let message = "a process needs at least one task: give the app its process.bpmn, or \
                           `tasks` in an app.yaml";
            return Err(Flaw::new(Part::Process, message));
        }
        let mut models = BTreeMap::new();
        for data_type in metadata.data_types.iter().filter(|one| one.is_form()) {
            let id = &data_type.id;
            let schema = schemas.get(id).ok_or_else(|| {
                in_metadata(format!(
                    "data type `{id}` has app logic, but there is no models/{id}.schema.json"
                ))
            })?;
            let told = settings.roots.get(id);
            let root = told.map_or_else(|| data_type.class_name(), String::as_str);
            let model = Model::compile(root, schema.clone())
                .map_err(|error| Flaw::new(Part::Schema(id.clone()), error.to_string()))?;
            let model = model.of_class(csharp, data_type.class_name());
            let model = if told.is_some() {
                model
            } else {
                model.with_open_root()
            };
            models.insert(id.clone(), model);
        }
        Ok(Self {
            id: metadata.id.clone(),
            org: metadata.org.clone(),
            document,
            bpmn: None,
            xacml: None,
            policy: Mutex::new(settings.policy.clone()),
            library: Mutex::default(),
            unknown_to_storage: Mutex::default(),
            events: AtomicBool::new(settings.events),
            metadata,
            settings,
            models,
        })
    }

    pub(crate) fn library(&self) -> Library {
        *self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Storage's copy of the metadata has a data type.
    pub(crate) fn storage_knows(&self, data_type: &str) -> bool {
        self.data_type(data_type).is_some() && !self.unknown_to_storage().contains(data_type)
    }

    fn unknown_to_storage(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.unknown_to_storage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `policy.xml` as it was written, as long as the policy in force is what it says.
    pub(crate) fn xacml(&self) -> Option<&str> {
        let (said, text) = self.xacml.as_ref()?;
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        (*policy == *said).then_some(text)
    }

    pub(crate) fn data_type(&self, id: &str) -> Option<&DataType> {
        self.metadata
            .data_types
            .iter()
            .find(|data_type| data_type.id == id)
    }

    pub(crate) fn publishes_events(&self) -> bool {
        self.events.load(Ordering::Relaxed)
    }

    /// What the policy in force says to an action on an instance of the party `owner`.
    pub(crate) fn decide(&self, caller: &Caller, owner: u32, action: &str) -> Decision {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        let permitted = match &caller.user {
            // Nobody acts for another party here.
            Some(user) => user.party == owner && policy.persons.contains(action),
            None => permits_organisation(&policy, caller.owns(&self.org), action),
        };
        if !permitted {
            Decision::Deny
        } else if caller.level < policy.minimum_level {
            Decision::LevelTooLow(policy.minimum_level)
        } else {
            Decision::Permit
        }
    }

    /// Whether the policy in force permits an organisation the action.
    pub(crate) fn permits(&self, org: Option<&str>, action: &str) -> bool {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        permits_organisation(&policy, org == Some(&self.org), action)
    }

    pub(crate) fn task(&self, id: &str) -> Option<&Task> {
        self.settings.tasks.iter().find(|task| task.id == id)
    }

    /// The app's name without the organisation.
    pub(crate) fn name(&self) -> &str {
        self.id
            .split_once('/')
            .map_or(self.id.as_str(), |(_, name)| name)
    }
}

/// The classes beside an app's schemas.
fn read_csharp(files: &AppFiles) -> Result<CsharpModels, LoadError> {
    let mut models = CsharpModels::default();
    let folders: BTreeSet<&Path> = files
        .schema_files
        .values()
        .filter_map(|file| file.parent())
        .collect();
    for folder in folders {
        let cannot_list = |source| LoadError::Read {
            path: folder.into(),
            source,
        };
        for entry in std::fs::read_dir(folder).map_err(cannot_list)? {
            let path = entry.map_err(cannot_list)?.path();
            if path.extension().is_some_and(|extension| extension == "cs") {
                models.add(&read_text(&path)?);
            }
        }
    }
    Ok(models)
}

fn permits_organisation(policy: &Policy, is_owner: bool, action: &str) -> bool {
    let actions = if is_owner {
        &policy.service_owner
    } else {
        &policy.others
    };
    actions.contains(action)
}

pub(crate) fn read_text(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.into(),
        source,
    })
}

pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let text = read_text(path)?;
    // Some editors put a byte order mark before it.
    let json = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(json).map_err(|error| LoadError::Content {
        path: path.into(),
        message: format!("not JSON: {error}"),
    })
}
