//! Making an app from its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use app_files::form::{CsharpModels, Model};
use app_files::{AppFiles, Apps, Task};
use serde_json::Value;
use stafett_core::tolerant;

use super::metadata::Metadata;
use super::{App, AppDefinition, AppSettings};
use crate::load::LoadError;

impl App {
    /// Loads an app from its folder. The folder may have any layout that [`AppFiles`] reads.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        Self::from_files(&AppFiles::read(folder).map_err(LoadError::App)?)
    }

    /// Loads every app that [`Apps::read_all`] finds in a folder.
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

    /// Makes an app from its files.
    ///
    /// # Errors
    /// When the files do not fit together; the error names file and field.
    pub fn from_files(files: &AppFiles) -> Result<Self, LoadError> {
        Self::made(files, &mut Gaps::Refused)
    }

    /// Makes an app from its files, without the forms of which no class can be made. If no file describes the process, it is
    /// one task, `Task_1`.
    ///
    /// # Errors
    /// When the files do not fit together in any other way; the error names file and field.
    pub fn from_incomplete_files(files: &AppFiles) -> Result<IncompleteApp, LoadError> {
        let mut gaps = Gaps::Noted(Vec::new());
        let app = Self::made(files, &mut gaps)?;
        let Gaps::Noted(gaps) = gaps else {
            return Ok(IncompleteApp {
                app,
                gaps: Vec::new(),
            });
        };
        Ok(IncompleteApp { app, gaps })
    }

    fn made(files: &AppFiles, gaps: &mut Gaps) -> Result<Self, LoadError> {
        let settings = AppSettings::from(files);
        let xacml = files
            .xacml
            .clone()
            .map(|text| (settings.policy.clone(), text));
        let definition = AppDefinition {
            bpmn: files.bpmn.clone(),
            xacml,
            ..AppDefinition::new(
                files.document.clone(),
                settings,
                files.schemas.clone(),
                &files.csharp,
                gaps,
            )
            .map_err(|error| {
                error.in_file(|file| match file {
                    AppPart::Metadata => files.metadata_file.clone(),
                    AppPart::Schema(data_type) => files
                        .schema_files
                        .get(data_type)
                        .cloned()
                        .unwrap_or_else(|| files.folder.clone()),
                    AppPart::Process => files.folder.clone(),
                })
            })?
        };
        Ok(Self(Arc::new(definition)))
    }

    /// Makes an app from its parts: applicationmetadata.json, the settings, and a JSON schema per form data type.
    ///
    /// # Errors
    /// When the parts are wrong or do not fit together; the error names the field, and the file that the part would be read from.
    pub fn new(
        document: Value,
        settings: AppSettings,
        models: BTreeMap<String, Value>,
    ) -> Result<Self, LoadError> {
        let csharp = CsharpModels::default();
        AppDefinition::new(document, settings, models, &csharp, &mut Gaps::Refused)
            .map(|definition| Self(Arc::new(definition)))
            .map_err(|error| {
                error.in_file(|part| match part {
                    AppPart::Metadata => "applicationmetadata.json".into(),
                    AppPart::Schema(data_type) => format!("models/{data_type}.schema.json").into(),
                    AppPart::Process => "process.bpmn".into(),
                })
            })
    }
}

/// An app, and what its files leave out.
#[derive(Debug, Clone)]
pub struct IncompleteApp {
    /// The app.
    pub app: App,
    /// What is left out.
    pub gaps: Vec<Gap>,
}

/// What an app's files leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// No class can be made of this form data type.
    Form {
        /// The data type.
        data_type: String,
        /// Why.
        why: String,
    },
    /// No file describes the process.
    Process,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form { data_type, why } => {
                write!(
                    f,
                    "its form `{data_type}` cannot be read or written here: {why}"
                )
            }
            Self::Process => write!(
                f,
                "it has no process.bpmn: its process is one task here, {ONLY_TASK}"
            ),
        }
    }
}

/// The task of an app whose process no file describes, named as in Altinn's app template.
const ONLY_TASK: &str = "Task_1";

/// What to do about what an app's files leave out.
enum Gaps {
    /// The app is refused.
    Refused,
    /// The app is made without.
    Noted(Vec<Gap>),
}

impl Gaps {
    /// Notes the gap, or refuses it.
    fn note<E>(&mut self, gap: impl FnOnce() -> Gap, error: E) -> Result<(), E> {
        match self {
            Self::Refused => Err(error),
            Self::Noted(gaps) => {
                gaps.push(gap());
                Ok(())
            }
        }
    }
}

/// A part of an app's definition.
enum AppPart {
    Metadata,
    Schema(String),
    Process,
}

/// An error in one part of an app's definition.
struct DefinitionError {
    part: AppPart,
    message: String,
}

impl DefinitionError {
    fn new(part: AppPart, message: impl Into<String>) -> Self {
        Self {
            part,
            message: message.into(),
        }
    }

    fn in_file(self, file: impl FnOnce(&AppPart) -> PathBuf) -> LoadError {
        LoadError::Content {
            path: file(&self.part),
            message: self.message,
        }
    }
}

impl AppDefinition {
    fn new(
        document: Value,
        mut settings: AppSettings,
        schemas: BTreeMap<String, Value>,
        csharp: &CsharpModels,
        gaps: &mut Gaps,
    ) -> Result<Self, DefinitionError> {
        let in_metadata = |message: String| DefinitionError::new(AppPart::Metadata, message);
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
        let mut knows_tasks = true;
        if settings.tasks.is_empty() {
            let message = "a process needs at least one task: give the app its process.bpmn, or \
                           `tasks` in an app.yaml";
            let error = DefinitionError::new(AppPart::Process, message);
            gaps.note(|| Gap::Process, error)?;
            settings.tasks = vec![Task {
                id: ONLY_TASK.to_owned(),
                kind: "data".to_owned(),
                name: ONLY_TASK.to_owned(),
                gateway: false,
            }];
            knows_tasks = false;
        }
        let mut models = BTreeMap::new();
        for data_type in metadata.data_types.iter().filter(|one| one.is_form()) {
            let id = &data_type.id;
            let given = settings.roots.get(id);
            let root = given.map_or_else(|| data_type.class_name(), String::as_str);
            let compiled = match schemas.get(id) {
                None => Err(in_metadata(format!(
                    "data type `{id}` has app logic, but there is no models/{id}.schema.json"
                ))),
                Some(schema) => Model::compile(root, schema.clone()).map_err(|error| {
                    DefinitionError::new(AppPart::Schema(id.clone()), error.to_string())
                }),
            };
            let model = match compiled {
                Ok(model) => model,
                Err(error) => {
                    let gap = Gap::Form {
                        data_type: id.clone(),
                        why: error.message.clone(),
                    };
                    gaps.note(|| gap, error)?;
                    continue;
                }
            };
            let model = model.with_class(csharp, data_type.class_name());
            let model = if given.is_some() {
                model
            } else {
                model.with_any_root()
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
            knows_tasks,
            models,
        })
    }
}
