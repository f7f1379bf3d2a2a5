//! Whether an instance's process was started, and whether its workflow engine is done.
//!
//! An app that stopped early has made an instance with a current task and an empty history: its start hooks never ran, nor
//! did it make further forms or tell of the instance (measured on app-lib 8.12.7). Apps from version 9 on run these
//! steps in an engine, and show its state in the process (measured: tests/recorded/v9/v9-process).

use serde::Deserialize;

use super::{Altinn, AltinnError, Budget, Trouble, tolerant};
use crate::{
    id::{AppId, InstanceId},
    relay::decide::Engine,
};

/// How far the process of an instance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Its history has the start of a task.
    pub started: bool,
    /// Where its workflow engine stands.
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
            // `processing`, or a word of a later version.
            Some(_) => Engine::Working,
        }
    }
}

impl Altinn {
    /// Reads how far the process of an instance has come, through its app: two calls, side by side.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn progress(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
    ) -> Result<Progress, AltinnError> {
        let doing = format!("read the process of instance {id} through {app}");
        let malformed = || AltinnError::new(&doing, Trouble::Malformed("a process"));
        let process = self.app(app, &format!("instances/{id}/process"));
        let history = format!("{process}/history");
        let (process, history) = tokio::try_join!(
            self.read_json(budget, &doing, || self.0.http.get(&process)),
            self.read_json(budget, &doing, || self.0.http.get(&history)),
        )?;
        let process: Process = tolerant::read(&process).map_err(|_| malformed())?;
        let history: History = tolerant::read(&history).map_err(|_| malformed())?;
        Ok(Progress {
            started: history.is_started(),
            engine: process.engine(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::{Value, json};

    use super::*;

    fn recorded(name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded");
        let case = fs::read(folder.join(format!("{name}.json"))).unwrap();
        serde_json::from_slice(&case).unwrap()
    }

    fn engine(process: Value) -> Engine {
        tolerant::read::<Process>(&process).unwrap().engine()
    }

    #[test]
    fn a_recorded_history_has_the_start_of_a_task() {
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
    fn an_engine_is_idle_at_work_or_stopped_and_older_apps_have_none() {
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
