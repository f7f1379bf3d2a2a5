//! `app.yaml`, which gives what the other files of a flat folder do not, and the switch for events in `appsettings.json`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{error::AppFilesError, model_files::Prefill, policy::Policy, process::Task, text};

/// The content of `app.yaml`. Every field is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Settings {
    /// Whether the app publishes events: `AppSettings:RegisterEventsWithEventsComponent`.
    pub(super) events: Option<bool>,
    /// Whether the app runs in the ASP.NET environment `Production`.
    pub(super) production: bool,
    /// Whether a data element may be written only in the task it belongs to.
    pub(super) enforce_tasks: bool,
    /// The tasks, in order; used if there is no `process.bpmn`.
    pub(super) tasks: Option<Vec<Task>>,
    /// Who may do what; used if there is no `policy.xml`.
    pub(super) policy: Option<Policy>,
    /// XML root element by form data type; used if there is no C#.
    pub(super) roots: BTreeMap<String, String>,
    /// Prefill by form data type; used if there is no `models/{data type}.prefill.json`.
    pub(super) prefill: BTreeMap<String, Prefill>,
}

pub(super) fn read(path: &Path) -> Result<Settings, AppFilesError> {
    let Some(yaml) = text::read_if_there(path)? else {
        return Ok(Settings::default());
    };
    if yaml.trim().is_empty() {
        return Ok(Settings::default());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(&yaml, options).map_err(|error| {
        let line = error.location().and_then(|it| it.line().try_into().ok());
        let problem = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // The error already begins with the line.
        let problem = problem
            .rsplit_once(" at line ")
            .map_or(&*problem, |(it, _)| it);
        AppFilesError::content(path, line, problem)
    })
}

/// Whether `appsettings.json` turns on events. The files for single environments (`appsettings.{name}.json`) are not
/// read: they configure the app on Altinn's servers.
pub(super) fn events(path: &Path) -> Result<Option<bool>, AppFilesError> {
    let Some(json) = text::read_if_there(path)? else {
        return Ok(None);
    };
    // The file often has comments, so it is not an error if it is not plain JSON.
    let Ok(settings) = serde_json::from_str::<serde_json::Value>(&json) else {
        return Ok(None);
    };
    Ok(settings["AppSettings"]["RegisterEventsWithEventsComponent"].as_bool())
}
