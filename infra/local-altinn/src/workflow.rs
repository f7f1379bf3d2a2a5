//! The state of an instance in the workflow engine of the next generation of apps.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// The workflow that starts a process. Apps before v9 have no engine, so they are always idle.
#[derive(Clone, Default)]
pub(crate) enum Workflow {
    /// There is no unfinished workflow.
    #[default]
    Idle,
    /// The engine is moving the process to this task.
    Processing { task: String },
    /// A step failed permanently. The workflow waits for a call of `resume`.
    Failed(FailedWorkflow),
}

#[derive(Clone)]
pub(crate) struct FailedWorkflow {
    pub(crate) id: Uuid,
    pub(crate) task: String,
    pub(crate) at: Timestamp,
    /// Values for the forms that were not created yet.
    pub(crate) prefill: Vec<(String, String)>,
}

impl Workflow {
    /// The field `workflow` of `GET …/process` (measured, tests/recorded/v9/v9-create-step-failed.json; for `processing`
    /// Altinn/altinn-studio: src/App/backend/src/Altinn.App.Core/Internal/Process/Elements/AppProcessWorkflowStatus.cs).
    pub(crate) fn view(&self) -> Value {
        match self {
            Self::Idle => json!({ "status": "idle" }),
            Self::Processing { task } => json!({ "status": "processing", "targetTask": task }),
            Self::Failed(failed) => json!({
                "status": "failed", "targetTask": failed.task,
                "failure": { "kind": "stepFailed", "workflowId": failed.id, "occurredAt": engine_time(failed.at) },
            }),
        }
    }
}

/// A time as the engine writes it: with an offset instead of Z (measured, tests/recorded/v9/v9-create-step-failed.json).
pub(crate) fn engine_time(at: Timestamp) -> String {
    let at = at.to_string();
    format!("{}+00:00", at.trim_end_matches('Z'))
}
