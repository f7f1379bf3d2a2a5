//! One app: what its files say, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use stafett_core::{
    id::AppId,
    metadata::{ApplicationMetadata, DataType},
    preflight::TargetApp,
    schema::Schema,
};

use crate::{
    code::Code,
    error::AppFilesError,
    form::CsharpModels,
    layout::{self, Layout},
    model_files::{self, ModelFiles, Prefill},
    policy::{self, Policy},
    process::{self, Task},
    settings, text,
    unsupported::Unsupported,
};

/// What the files of an Altinn app say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AppFiles {
    /// The app.
    pub id: AppId,
    /// The folder that was read: the repository, or the flat folder.
    pub folder: PathBuf,
    /// The path of its `applicationmetadata.json`.
    pub metadata_file: PathBuf,
    /// The JSON of `applicationmetadata.json`, unchanged.
    pub document: Value,
    /// The same metadata, typed.
    pub metadata: ApplicationMetadata,
    /// JSON schema by form data type.
    pub schemas: BTreeMap<String, Value>,
    /// The file of each schema, by form data type.
    pub schema_files: BTreeMap<String, PathBuf>,
    /// The C# in the folders of the schemas.
    pub csharp: Arc<CsharpModels>,
    /// The text of `process.bpmn`, unchanged.
    pub bpmn: Option<String>,
    /// The text of `policy.xml`, unchanged.
    pub xacml: Option<String>,
    /// The tasks of the process, in order; `None` if no file describes them.
    pub tasks: Option<Vec<Task>>,
    /// The ids of the tasks that can be rejected but have no gateway after them, so that a rejection moves the process
    /// forward as a confirmation does.
    pub ignored_rejections: Vec<String>,
    /// Who may do what; `None` if no file describes it.
    pub policy: Option<Policy>,
    /// The service owner's actions that the policy permits only in certain tasks or end events, with the ids of those.
    /// A local Altinn permits them everywhere.
    pub limited_actions: BTreeMap<String, BTreeSet<String>>,
    /// XML root element by form data type, where a file gives it.
    pub roots: BTreeMap<String, String>,
    /// Prefill by form data type.
    pub prefill: BTreeMap<String, Prefill>,
    /// Whether the app publishes events; `None` if no file says.
    pub events: Option<bool>,
    /// Whether the app runs in the ASP.NET environment `Production`, where error responses carry no details.
    pub production: bool,
    /// Whether a data element may be written only in the task it belongs to.
    pub enforce_tasks: bool,
    /// What the files ask for and a local Altinn cannot do.
    pub unsupported: Vec<Unsupported>,
    /// The files that are missing and whose content no other file gives.
    pub missing: Vec<MissingFile>,
}

/// A file that an app does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// The path where it is expected.
    pub file: PathBuf,
    /// What it would contain.
    pub content: MissingContent,
}

/// What a missing file would contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingContent {
    /// The tasks of the process.
    Tasks,
    /// Who may do what.
    Policy,
    /// The fields of this form data type.
    Fields(String),
}

impl AppFiles {
    /// Reads the app in a folder.
    ///
    /// # Errors
    /// If the folder contains no app, or a file cannot be read or parsed. The error names the file, and the line where
    /// it is known.
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
            .filter(|data_type| data_type.is_form())
            .collect();
        let models = model_files::read(&layout.models, &forms, &code)?;
        let mut unsupported = code.unsupported;
        unsupported.extend(models.unsupported.iter().cloned());
        let (mut tasks, mut ignored_rejections) = (settings.tasks, Vec::new());
        let bpmn = text::read_if_there(&layout.process)?;
        if let Some(bpmn) = &bpmn {
            let process = process::read(&layout.process, bpmn)?;
            unsupported.extend(process.unsupported);
            tasks = Some(process.tasks);
            ignored_rejections = process.ignored_rejections;
        }
        let (mut policy, mut limited_actions) = (settings.policy, BTreeMap::new());
        let xacml = text::read_if_there(&layout.policy)?;
        if let Some(xacml) = &xacml {
            let file = policy::read(&layout.policy, &metadata.id, xacml)?;
            unsupported.extend(file.unsupported);
            (policy, limited_actions) = (Some(file.policy), file.limited);
        }
        let events = match &layout.project {
            Some(project) => settings::events(&project.join("appsettings.json"))?,
            None => None,
        };
        unsupported.extend(unsupported_metadata(
            &layout.metadata,
            &document,
            tasks.as_deref(),
        ));
        unsupported.sort();
        let missing = missing_files(&layout, &forms, &models, tasks.is_some(), policy.is_some());
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
            csharp: Arc::new(csharp(models.schema_files.values())?),
            schema_files: models.schema_files,
            bpmn,
            xacml,
            tasks,
            ignored_rejections,
            policy,
            limited_actions,
            roots,
            prefill,
            events: events.or(settings.events),
            production: settings.production,
            enforce_tasks: settings.enforce_tasks,
            unsupported,
            missing,
        })
    }

    /// What the app tells everybody of itself, as its files say.
    #[must_use]
    pub fn target_app(&self) -> TargetApp {
        let schemas = self.schemas.iter().map(|(form, document)| {
            let file = self.schema_files.get(form);
            let name = file.map_or_else(
                || format!("the schema of {}'s form `{form}`", self.id),
                |file| file.display().to_string(),
            );
            let schema = Schema::compile(document.clone(), name).map(Arc::new);
            (form.clone(), schema)
        });
        TargetApp {
            schemas: schemas.collect(),
            metadata: Arc::new(self.metadata.clone()),
        }
    }
}

/// The C# beside the schemas.
fn csharp<'f>(schemas: impl Iterator<Item = &'f PathBuf>) -> Result<CsharpModels, AppFilesError> {
    let folders: BTreeSet<&Path> = schemas.filter_map(|file| file.parent()).collect();
    let mut models = CsharpModels::default();
    for folder in folders {
        for file in layout::entries(folder)? {
            if file.extension().is_some_and(|extension| extension == "cs") {
                models.add(&text::read(&file)?);
            }
        }
    }
    Ok(models)
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

/// What the metadata asks for and a local Altinn cannot do.
fn unsupported_metadata(path: &Path, document: &Value, tasks: Option<&[Task]>) -> Vec<Unsupported> {
    let unsupported = |what: String| Unsupported {
        file: path.to_owned(),
        what,
    };
    let mut found = Vec::new();
    if !document["eFormidling"].is_null() {
        found.push(unsupported(
            "nothing is sent by eFormidling here".to_owned(),
        ));
    }
    let Some(tasks) = tasks else { return found };
    for (data_type, task) in tasks_of_data_types(document) {
        if !tasks.iter().any(|known| known.id == task) {
            found.push(unsupported(format!(
                "the data type `{data_type}` belongs to the task `{task}`, which the process does not reach here"
            )));
        }
    }
    found
}

/// The data types that belong to a task, each with the id of the task.
fn tasks_of_data_types(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    let types = document["dataTypes"].as_array().map(Vec::as_slice);
    types
        .unwrap_or_default()
        .iter()
        .filter_map(|data_type| data_type["id"].as_str().zip(data_type["taskId"].as_str()))
}

fn missing_files(
    layout: &Layout,
    forms: &[&DataType],
    models: &ModelFiles,
    has_tasks: bool,
    has_policy: bool,
) -> Vec<MissingFile> {
    let mut missing: Vec<MissingFile> = forms
        .iter()
        .filter(|form| !models.schemas.contains_key(&form.id))
        .map(|form| MissingFile {
            file: layout.models.join(format!("{}.schema.json", form.id)),
            content: MissingContent::Fields(form.id.clone()),
        })
        .collect();
    for (is_there, file, content) in [
        (has_tasks, &layout.process, MissingContent::Tasks),
        (has_policy, &layout.policy, MissingContent::Policy),
    ] {
        if !is_there {
            missing.push(MissingFile {
                file: file.clone(),
                content,
            });
        }
    }
    missing
}
