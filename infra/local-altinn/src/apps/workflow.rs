//! The start of a process by the workflow engine, in apps of the next generation (v9).
//!
//! Responses: measured, tests/recorded/v9; the response to a timeout: Altinn/altinn-studio:
//! src/App/backend/src/Altinn.App.Api/Models/WorkflowInitializationProblemDetails.cs.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::AppRequest;
use super::calls::{CallError, Calls};
use super::creation::{CleanUp, Creation, CreationError};
use crate::faults::CreationStep;
use crate::instance::Instance;
use crate::responses::{self, HandlerResult, Refusal};
use crate::workflow::{FailedWorkflow, Workflow, engine_time};

/// How long the app waits for the engine (Altinn/altinn-studio: src/App/backend, `WorkflowPollingTimeoutMs`).
const ENGINE_TIMEOUT: Duration = Duration::from_secs(100);

/// A step of the engine that failed permanently.
struct FailedStep {
    workflow: FailedWorkflow,
    error: CallError,
}

/// Hands the start of the process to the engine, waits for the outcome and returns the response.
pub(super) async fn start(creation: Creation) -> HandlerResult {
    let creation = Arc::new(creation);
    let (ended, outcome) = oneshot::channel();
    let mut is_accepted = false;
    let accept = || {
        is_accepted = true;
        creation.set_workflow(Workflow::Processing {
            task: creation.task(),
        })?;
        let engine = Arc::clone(&creation);
        tokio::spawn(async move {
            let _ = ended.send(run(&engine).await);
        });
        Ok(())
    };
    let submitted = creation.calls.call(CreationStep::Submission, accept).await;
    match submitted {
        Ok(()) => {}
        Err(CallError::Answered(status, _)) if !is_accepted => {
            return Err(not_accepted(&creation, status).await.into());
        }
        Err(_) => return Err(acceptance_unknown(&creation).into()),
    }
    if creation
        .calls
        .call(CreationStep::Poll, || Ok(()))
        .await
        .is_err()
    {
        // The app treats this as its own failure, and cleans up while the workflow is still running.
        let failure = CreationError::Exception(CallError::NoAnswer);
        return Err(creation.fail(failure).await.into());
    }
    tokio::select! {
        outcome = outcome => match outcome {
            Ok(Ok(instance)) => Ok(creation.created_response(&instance)),
            Ok(Err(failed)) => Err(step_failed(&creation, &failed).into()),
            Err(_) => Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into()),
        },
        () = creation.calls.wait(ENGINE_TIMEOUT) => Err(timed_out(&creation).into()),
    }
}

/// Runs the engine's callbacks into the app. The engine retries failures that may be temporary, but not client errors.
async fn run(creation: &Creation) -> Result<Instance, FailedStep> {
    let done = match start_process(creation, &creation.calls).await {
        Err(CallError::Answered(500.., _) | CallError::NoAnswer) => {
            start_process(creation, &Calls::without_faults(&creation.request)).await
        }
        done => done,
    };
    done.and_then(|()| finish(creation)).map_err(|error| {
        let workflow = FailedWorkflow {
            id: Uuid::new_v4(),
            task: creation.task(),
            at: creation.now(),
            prefill: creation.prefill.clone(),
        };
        // If the instance is gone, its workflow is not visible either.
        let _ = creation.set_workflow(Workflow::Failed(workflow.clone()));
        FailedStep { workflow, error }
    })
}

async fn start_process(creation: &Creation, calls: &Calls) -> Result<(), CallError> {
    creation.create_forms(calls).await?;
    creation.write_process(calls).await
}

fn finish(creation: &Creation) -> Result<Instance, CallError> {
    creation.set_workflow(Workflow::Idle)?;
    creation.publish()
}

/// `POST …/process/resume`: repeats the failed step, and runs the steps after it.
pub(super) async fn resume(request: &AppRequest, instance: &Instance) -> Result<Instance, Refusal> {
    let failed = match &instance.workflow {
        Workflow::Failed(failed) => failed,
        Workflow::Processing { .. } => return Err(still_processing().into()),
        Workflow::Idle => return Err(nothing_to_resume().into()),
    };
    let creation = Creation::of(request, instance, failed.prefill.clone());
    let done = start_process(&creation, &creation.calls).await;
    done.and_then(|()| finish(&creation)).map_err(|error| {
        let text = "Process resume failed.";
        error.into_response(text).into()
    })
}

/// A process whose creation stopped before the workflow was accepted cannot be resumed (measured).
pub(super) fn nothing_to_resume() -> Response {
    responses::problem(
        StatusCode::CONFLICT,
        "Conflict",
        "The current task has no failed workflow that could be resumed.",
    )
}

/// Refuses `next` while the engine has an unfinished workflow for the instance.
pub(super) fn require_idle(instance: &Instance) -> Result<(), Refusal> {
    match instance.workflow {
        Workflow::Idle => Ok(()),
        Workflow::Processing { .. } => Err(still_processing().into()),
        Workflow::Failed(_) => Err(blocked(
            "Task must be resumed before it can continue.",
            "The current task has a failed workflow that must be resumed before it can continue.",
            "resumeRequired",
        )
        .into()),
    }
}

/// Altinn/altinn-studio: src/App/backend/src/Altinn.App.Core/Internal/Process/ProcessEngine.cs, CreateCurrentTaskWorkflowBlockedResult.
fn still_processing() -> Response {
    blocked(
        "Task is still being processed.",
        "The current task is still being processed by the workflow engine. Wait for automatic retries to finish before trying again.",
        "retrying",
    )
}

fn blocked(title: &str, detail: &str, state: &str) -> Response {
    let extensions = [
        ("validationIssues", Value::Null),
        ("processNextState", json!(state)),
    ];
    responses::problem_with(StatusCode::CONFLICT, title, detail, extensions)
}

async fn not_accepted(creation: &Creation, status: u16) -> Response {
    let is_deleted = creation.clean_up().await == CleanUp::Deleted;
    let (then, action) = if is_deleted {
        let then =
            "The created instance was deleted, so the client can safely retry instance creation.";
        (then, "retryInstanceCreation")
    } else {
        let then = "Runtime could not delete the created instance, so inspect the instance before retrying instance creation.";
        (then, "inspectInstance")
    };
    let detail = format!(
        "Runtime created the instance, but the initial workflow was not accepted by the workflow engine. {then}"
    );
    let members = json!({
        "initializationState": "workflowNotAccepted", "recommendedAction": action, "instanceDeleted": is_deleted,
        "workflowSubmissionFailureKind": "notAccepted", "workflowSubmissionStatusCode": status,
        "workflowCollectionKey": creation.guid,
    });
    problem(creation, &detail, members)
}

fn acceptance_unknown(creation: &Creation) -> Response {
    let detail = "Runtime submitted the initial workflow, but could not determine whether the workflow engine accepted it. Inspect the \
                  instance and workflow state before retrying instance creation.";
    let members = json!({
        "initializationState": "workflowAcceptanceUnknown", "recommendedAction": "inspectInstance", "instanceDeleted": false,
        "workflowSubmissionFailureKind": "unknown", "workflowCollectionKey": creation.guid,
    });
    problem(creation, detail, members)
}

fn step_failed(creation: &Creation, failed: &FailedStep) -> Response {
    let (status, body) = match &failed.error {
        CallError::Answered(status, body) => (responses::status(*status), body.as_str()),
        CallError::NoAnswer => (StatusCode::INTERNAL_SERVER_ERROR, ""),
    };
    let reason = status
        .canonical_reason()
        .unwrap_or_default()
        .replace(' ', "");
    let workflow = &failed.workflow;
    failed_problem(
        creation,
        &json!({
            "kind": "stepFailed", "workflowId": workflow.id,
            "workflowOperationId": format!("Process next: StartEvent_1 -> {}", workflow.task),
            "stepOperationId": "OnTaskStartingHook", "commandType": "app", "retryCount": 0,
            "lastError": {
                "timestamp": engine_time(workflow.at), "message": format!("AppCommand failed with client error {reason}: {body}"),
                "httpStatusCode": status.as_u16(), "wasRetryable": false,
            },
            "retryAction": "resumeWorkflow", "retryTargetWorkflowId": workflow.id,
        }),
    )
}

/// The response while the engine still retries, which it does for up to a day.
fn timed_out(creation: &Creation) -> Response {
    failed_problem(creation, &json!({ "kind": "timeout" }))
}

fn failed_problem(creation: &Creation, failure: &Value) -> Response {
    let detail = "The workflow engine accepted the initial workflow, but the workflow failed before instance initialization completed. Do \
                  not create a duplicate instance; resolve the workflow failure and call the resume endpoint.";
    let path = format!(
        "/{}/instances/{}/{}/process/resume",
        creation.request.app.id, creation.party, creation.guid
    );
    let members = json!({
        "initializationState": "workflowFailed", "recommendedAction": "resumeCurrentTask",
        "resumeEndpoint": { "method": "POST", "path": path }, "workflowAccepted": true, "workflowFailure": failure,
    });
    problem(creation, detail, members)
}

fn problem(creation: &Creation, detail: &str, mut members: Value) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    members["title"] = json!("Instance initialization failed.");
    members["status"] = json!(status.as_u16());
    members["detail"] = json!(detail);
    members["instanceId"] = json!(format!("{}/{}", creation.party, creation.guid));
    members["instanceOwnerPartyId"] = json!(creation.party);
    members["instanceGuid"] = json!(creation.guid);
    responses::json_value(status, &members)
}
