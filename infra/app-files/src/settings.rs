//! `app.yaml`: what a flat folder's other files do not tell.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{AppFilesError, Policy, Prefill, Task, text};

/// The content of `app.yaml`. Everything in it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Settings {
    /// Whether the app publishes events: `AppSettings:RegisterEventsWithEventsComponent`.
    pub(super) events: Option<bool>,
    /// Whether the app runs in ASP.NET's environment `Production`.
    pub(super) production: bool,
    /// Whether data elements may be written only in the task that owns them.
    pub(super) enforce_tasks: bool,
    /// The tasks, in order, where there is no `process.bpmn`.
    pub(super) tasks: Option<Vec<Task>>,
    /// Who may do what, where there is no `policy.xml`.
    pub(super) policy: Option<Policy>,
    /// XML root element by form data type, where there is no C#.
    pub(super) roots: BTreeMap<String, String>,
    /// Prefill by form data type, where there is no `models/{data type}.prefill.json`.
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
        // The place stands before it already.
        let problem = problem
            .rsplit_once(" at line ")
            .map_or(&*problem, |(it, _)| it);
        AppFilesError::content(path, line, problem)
    })
}

/// Whether `appsettings.json` switches on events; the environments' own files of that name are for
/// Altinn's machines.
pub(super) fn events(path: &Path) -> Result<Option<bool>, AppFilesError> {
    let Some(json) = text::read_if_there(path)? else {
        return Ok(None);
    };
    // Comments are common in it: a file that is not plain JSON is no reason to refuse the app.
    let Ok(settings) = serde_json::from_str::<serde_json::Value>(&json) else {
        return Ok(None);
    };
    Ok(settings["AppSettings"]["RegisterEventsWithEventsComponent"].as_bool())
}
