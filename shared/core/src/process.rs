//! Reads whether an instance's process was started, and the state of its workflow engine.
//!
//! An app that stopped early leaves an instance with a current task and an empty history. Its start hooks never ran, and
//! it neither created further forms nor sent the created event (measured on app-lib 8.12.7). Apps from version 9 on run
//! these steps in a workflow engine, and show its state in the process (measured: tests/recorded/v9/v9-process).

use serde::Deserialize;
use serde_json::Value;

use crate::{relay::decide::Engine, tolerant};

/// How far the process of an instance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Its history contains the start of a task.
    pub started: bool,
    /// The state of its workflow engine.
    pub engine: Engine,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    #[serde(default)]
    process_history: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    event_type: Option<String>,
}

#[derive(Deserialize)]
struct Process {
    #[serde(default)]
    workflow: Option<Workflow>,
}

#[derive(Deserialize)]
struct Workflow {
    #[serde(default)]
    status: Option<String>,
}

impl Progress {
    /// Reads the documents in which the app shows an instance's process and its history.
    ///
    /// # Errors
    /// If one of them is not of that form.
    pub fn read(process: &Value, history: &Value) -> serde_json::Result<Self> {
        let process: Process = tolerant::read(process)?;
        let history: History = tolerant::read(history)?;
        Ok(Self {
            started: history.is_started(),
            engine: process.engine(),
        })
    }
}

impl History {
    fn is_started(&self) -> bool {
        let starts = |event: &Event| event.event_type.as_deref() == Some("process_StartTask");
        self.process_history.iter().any(starts)
    }
}

impl Process {
    fn engine(&self) -> Engine {
        let workflow = self.workflow.as_ref();
        match workflow.and_then(|workflow| workflow.status.as_deref()) {
            None | Some("idle") => Engine::Idle,
            Some("failed") => Engine::Stopped,
            // `processing`, or a status of a later version.
            Some(_) => Engine::Working,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;

    fn recorded(name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recorded");
        let case = fs::read(folder.join(format!("{name}.json"))).unwrap();
        serde_json::from_slice(&case).unwrap()
    }

    fn engine(process: Value) -> Engine {
        tolerant::read::<Process>(&process).unwrap().engine()
    }

    #[test]
    fn a_recorded_history_contains_the_start_of_a_task() {
        for name in ["app-process-history", "v9/v9-process-history"] {
            let history = recorded(name)["answer"]["body"].clone();
            assert!(
                tolerant::read::<History>(&history).unwrap().is_started(),
                "{name}"
            );
        }
        for empty in [
            json!({"processHistory": []}),
            json!({"processHistory": null}),
            json!({}),
        ] {
            assert!(!tolerant::read::<History>(&empty).unwrap().is_started());
        }
    }

    #[test]
    fn an_engine_is_idle_working_or_stopped_and_apps_without_one_count_as_idle() {
        assert_eq!(
            engine(recorded("app-process-owner")["answer"]["body"].clone()),
            Engine::Idle
        );
        assert_eq!(
            engine(recorded("v9/v9-process")["answer"]["body"].clone()),
            Engine::Idle
        );
        let failed = &recorded("v9/v9-create-step-failed")["then"]["GET /process"]["body"];
        assert_eq!(engine(failed.clone()), Engine::Stopped);
        assert_eq!(
            engine(json!({"workflow": {"status": "processing"}})),
            Engine::Working
        );
    }
}
