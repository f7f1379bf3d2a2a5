//! The files of an Altinn app, read as far as a route or a local Altinn depends on them.
//!
//! Three layouts are known, and may be mixed; where two files tell the same, the first one wins:
//!
//! | what | an app's repository | flat, as the app itself publishes it |
//! |---|---|---|
//! | metadata | `App/config/applicationmetadata.json` | `applicationmetadata.json` |
//! | tasks | `App/config/process/process.bpmn` | `process.bpmn` |
//! | policy | `App/config/authorization/policy.xml` | `policy.xml` |
//! | schemas | `App/models/{class or data type}.schema.json` | `models/{data type}.schema.json` |
//! | prefill | `App/models/{data type}.prefill.json` | `models/{data type}.prefill.json` |
//! | XML root elements | `App/models/*.cs`, `*.xsd` | `roots` of `app.yaml` |
//! | events | `App/appsettings.json` | `events` of `app.yaml` |
//!
//! (The repository's layout: Altinn/altinn-studio: src/App/template/v8/src/App.)

mod code;
pub mod dates;
mod error;
mod layout;
pub mod model;
mod models;
mod policy;
mod process;
mod settings;
mod text;
mod xml;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use stafett_core::{id::AppId, metadata::ApplicationMetadata};

pub use error::AppFilesError;

use code::Code;
use layout::Layout;

/// What the files of an Altinn app say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AppFiles {
    /// The app.
    pub id: AppId,
    /// The folder: the repository's, or the flat one.
    pub folder: PathBuf,
    /// Its `applicationmetadata.json`.
    pub metadata_file: PathBuf,
    /// `applicationmetadata.json` as it is written.
    pub document: Value,
    /// The same, typed.
    pub metadata: ApplicationMetadata,
    /// JSON schema by form data type.
    pub schemas: BTreeMap<String, Value>,
    /// The file that each of those schemas stands in.
    pub schema_files: BTreeMap<String, PathBuf>,
    /// `process.bpmn` as it is written.
    pub bpmn: Option<String>,
    /// `policy.xml` as it is written.
    pub xacml: Option<String>,
    /// The tasks of the process, in order; `None` where no file tells.
    pub tasks: Option<Vec<Task>>,
    /// The tasks that can be rejected, and behind which no gateway tells a rejection from a confirmation.
    pub unheeded_rejections: Vec<String>,
    /// Who may do what; `None` where no file tells.
    pub policy: Option<Policy>,
    /// Of the service owner's actions those that the policy permits in some tasks or end events
    /// only, and in which. A local Altinn permits them everywhere.
    pub limited_actions: BTreeMap<String, BTreeSet<String>>,
    /// XML root element by form data type, where a file tells.
    pub roots: BTreeMap<String, String>,
    /// Prefill by form data type.
    pub prefill: BTreeMap<String, Prefill>,
    /// Whether the app publishes events; `None` where no file tells.
    pub events: Option<bool>,
    /// Whether the app runs in ASP.NET's environment `Production`, which lays no details open.
    pub production: bool,
    /// Whether data elements may be written only in the task that owns them.
    pub enforce_tasks: bool,
    /// What the files say and a local Altinn cannot do.
    pub unheeded: Vec<Unheeded>,
    /// The files that are not there, and whose content nothing else tells.
    pub absent: Vec<Absent>,
}

/// A file of an app that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Where it would be.
    pub file: PathBuf,
    /// What it would tell.
    pub what: Told,
}

/// What a file of an app tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The tasks of the process.
    Tasks,
    /// Who may do what.
    Policy,
    /// The fields of this form data type.
    Fields(String),
}

/// A task of an app's process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its element id in the BPMN, such as `Task_1`.
    pub id: String,
    /// Altinn's task type, such as `data` or `confirmation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its shown name.
    pub name: String,
    /// Whether a gateway follows: `reject` then goes back. Without one it goes forward, as every
    /// action does (measured, tests/recorded/app-process-next-reject.json).
    #[serde(default)]
    pub gateway: bool,
}

/// The actions that an app's policy permits, in some task at least.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Policy {
    /// Actions of the organisation that owns the app. Default: `read, write, instantiate,
    /// complete`, and no `delete`
    /// (Altinn/altinn-studio: src/App/template/v8/src/App/config/authorization/policy.xml).
    pub service_owner: BTreeSet<String>,
    /// Actions of every other organisation, service owner or not. Default: none.
    pub others: BTreeSet<String>,
    /// Actions of a person with an instance of their own, by whatever role. Default: `read, write,
    /// delete, instantiate, confirm, reject`.
    pub persons: BTreeSet<String>,
    /// The lowest level of authentication that the policy takes, from its obligations. Default: 0.
    pub minimum_level: u8,
}

impl Default for Policy {
    fn default() -> Self {
        let service_owner = ["read", "write", "instantiate", "complete"];
        let persons = [
            "read",
            "write",
            "delete",
            "instantiate",
            "confirm",
            "reject",
        ];
        Self {
            service_owner: service_owner.map(str::to_owned).into(),
            others: BTreeSet::new(),
            persons: persons.map(str::to_owned).into(),
            minimum_level: 0,
        }
    }
}

/// How a form is prefilled from the registers when it comes into being (`{data type}.prefill.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prefill {
    /// Whether values that are there already are replaced.
    pub allow_overwrite: bool,
    /// From a field of an organisation in the Central Coordinating Register (`OrgNumber`, `Name`,
    /// …) to the path in the form.
    #[serde(rename = "ER")]
    pub organisation: BTreeMap<String, String>,
    /// From a field of a person in the National Population Register (`SSN`, `Name`, …) to the path
    /// in the form.
    #[serde(rename = "DSF")]
    pub person: BTreeMap<String, String>,
}

/// Something in an app's files that cannot be honoured outside Altinn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unheeded {
    /// The file.
    pub file: PathBuf,
    /// What it is, one line.
    pub what: String,
}

impl AppFiles {
    /// Reads the app in a folder.
    ///
    /// # Errors
    /// When the folder holds no app, or a file cannot be read or understood; names the file, and
    /// the line where there is one.
    pub fn read(folder: &Path) -> Result<Self, AppFilesError> {
        let layout = Layout::of(folder).ok_or_else(|| AppFilesError::NoApp {
            folder: folder.to_owned(),
        })?;
        let (document, metadata) = read_metadata(&layout.metadata)?;
        let settings = settings::read(&layout.settings)?;
        let code = match &layout.project {
            Some(project) => Code::read(project)?,
            None => Code::default(),
        };
        let forms: Vec<_> = metadata
            .data_types
            .iter()
            .filter(|one| one.is_form())
            .collect();
        let models = models::read(&layout.models, &forms, &code)?;
        let mut unheeded = code.unheeded;
        unheeded.extend(models.unheeded);
        let (mut tasks, mut unheeded_rejections) = (settings.tasks, Vec::new());
        let bpmn = text::read_if_there(&layout.process)?;
        if let Some(bpmn) = &bpmn {
            let process = process::read(&layout.process, bpmn)?;
            unheeded.extend(process.unheeded);
            tasks = Some(process.tasks);
            unheeded_rejections = process.unheeded_rejections;
        }
        let (mut policy, mut limited_actions) = (settings.policy, BTreeMap::new());
        let xacml = text::read_if_there(&layout.policy)?;
        if let Some(xacml) = &xacml {
            let file = policy::read(&layout.policy, &metadata.id, xacml)?;
            unheeded.extend(file.unheeded);
            (policy, limited_actions) = (Some(file.policy), file.limited);
        }
        let events = match &layout.project {
            Some(project) => settings::events(&project.join("appsettings.json"))?,
            None => None,
        };
        if !document["eFormidling"].is_null() {
            unheeded.push(Unheeded {
                file: layout.metadata.clone(),
                what: "nothing is sent by eFormidling here".to_owned(),
            });
        }
        for (data_type, task) in tasks_of_data_types(&document) {
            let known = tasks.iter().flatten().any(|known| known.id == task);
            if tasks.is_some() && !known {
                unheeded.push(Unheeded {
                    file: layout.metadata.clone(),
                    what: format!(
                        "the data type `{data_type}` belongs to the task `{task}`, to which the \
                         process does not come here"
                    ),
                });
            }
        }
        unheeded.sort();
        let mut absent: Vec<Absent> = forms
            .iter()
            .filter(|form| !models.schemas.contains_key(&form.id))
            .map(|form| Absent {
                file: layout.models.join(format!("{}.schema.json", form.id)),
                what: Told::Fields(form.id.clone()),
            })
            .collect();
        for (is_absent, file, what) in [
            (tasks.is_none(), layout.process, Told::Tasks),
            (policy.is_none(), layout.policy, Told::Policy),
        ] {
            if is_absent {
                absent.push(Absent { file, what });
            }
        }
        let (mut roots, mut prefill) = (settings.roots, settings.prefill);
        roots.extend(models.roots);
        prefill.extend(models.prefill);
        Ok(Self {
            id: metadata.id.clone(),
            folder: folder.to_owned(),
            metadata_file: layout.metadata,
            document,
            metadata,
            schemas: models.schemas,
            schema_files: models.schema_files,
            bpmn,
            xacml,
            tasks,
            unheeded_rejections,
            policy,
            limited_actions,
            roots,
            prefill,
            events: events.or(settings.events),
            production: settings.production,
            enforce_tasks: settings.enforce_tasks,
            unheeded,
            absent,
        })
    }
}

fn tasks_of_data_types(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    let types = document["dataTypes"].as_array().map(Vec::as_slice);
    types
        .unwrap_or_default()
        .iter()
        .filter_map(|one| one["id"].as_str().zip(one["taskId"].as_str()))
}

fn read_metadata(path: &Path) -> Result<(Value, ApplicationMetadata), AppFilesError> {
    let text = text::read(path)?;
    let document = text::json(path, &text)?;
    if !document.is_object() {
        return Err(AppFilesError::content(path, None, "no JSON object"));
    }
    let metadata: ApplicationMetadata = text::typed(path, &text, &document)?;
    Ok((document, metadata))
}

/// Apps by their ids.
#[derive(Debug, Clone, Default)]
pub struct Apps(BTreeMap<AppId, AppFiles>);

impl Apps {
    /// Reads all apps in these folders. Each folder may be an app, or hold apps up to two folders
    /// deeper: `{repository}` or `{org}/{app}`. Of an app that several of the folders hold, the
    /// first folder's is taken.
    ///
    /// # Errors
    /// As [`AppFiles::read`]; and when one folder holds the same app twice, or none at all.
    pub fn read_all(folders: &[PathBuf]) -> Result<Self, AppFilesError> {
        let mut apps = BTreeMap::new();
        for folder in folders {
            for app in Self::read_folder(folder)? {
                apps.entry(app.id.clone()).or_insert(app);
            }
        }
        Ok(Self(apps))
    }

    fn read_folder(folder: &Path) -> Result<Vec<AppFiles>, AppFilesError> {
        let mut apps: Vec<AppFiles> = Vec::new();
        for found in layout::app_folders(folder)? {
            let app = AppFiles::read(&found)?;
            if let Some(first) = apps.iter().find(|first| first.id == app.id) {
                return Err(AppFilesError::Twice {
                    id: app.id,
                    first: first.folder.clone(),
                    second: found,
                });
            }
            apps.push(app);
        }
        if apps.is_empty() {
            return Err(AppFilesError::NoApp {
                folder: folder.to_owned(),
            });
        }
        Ok(apps)
    }

    /// An app.
    #[must_use]
    pub fn get(&self, id: &AppId) -> Option<&AppFiles> {
        self.0.get(id)
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &AppFiles> {
        self.0.values()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<AppFiles> for Apps {
    fn from_iter<I: IntoIterator<Item = AppFiles>>(apps: I) -> Self {
        Self(apps.into_iter().map(|app| (app.id.clone(), app)).collect())
    }
}

impl IntoIterator for Apps {
    type Item = AppFiles;
    type IntoIter = std::collections::btree_map::IntoValues<AppId, AppFiles>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

#[cfg(test)]
mod tests;
