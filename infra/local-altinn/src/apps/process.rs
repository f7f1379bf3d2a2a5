//! The endpoints of an instance's process.
//!
//! Source of the rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/ProcessController.cs.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use super::engine::{Actor, ProcessError};
use super::instances::STORAGE_UNREACHABLE;
use super::{AppRequest, workflow};
use crate::faults::Fault;
use crate::instance::Instance;
use crate::instance::document::field;
use crate::library::Library;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

type InstancePath = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const PROCESS: &str = "/{org}/{app}/instances/{party}/{guid}/process";
    Router::new()
        .route(PROCESS, get(read))
        .route(&format!("{PROCESS}/history"), get(history))
        .route(&format!("{PROCESS}/resume"), post(resume))
        .route(&format!("{PROCESS}/next"), put(next))
}

fn enter(request: &AppRequest, guid: &str) -> Result<Instance, Refusal> {
    if request.world.faults.storage_is_down(&request.app.id) {
        return Err(request.exception(STORAGE_UNREACHABLE).into());
    }
    request
        .instance(guid)
        .ok_or_else(|| responses::empty(StatusCode::NOT_FOUND).into())
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::GET, headers)?;
    let instance = enter(&request, &guid)?;
    request.authorize(instance.owner.party_id, "read")?;
    Ok(responses::json_value(
        StatusCode::OK,
        &state(&request, &instance),
    ))
}

async fn history(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::GET, headers)?;
    let instance = enter(&request, &guid)?;
    request.authorize(instance.owner.party_id, "read")?;
    let entries = instance.history.view();
    Ok(responses::json_value(
        StatusCode::OK,
        &json!({ "processHistory": entries }),
    ))
}

async fn resume(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::POST, headers)?;
    let instance = enter(&request, &guid)?;
    request.authorize(instance.owner.party_id, "write")?;
    let instance = workflow::resume(&request, &instance).await?;
    Ok(responses::json_value(
        StatusCode::OK,
        &state(&request, &instance),
    ))
}

async fn next(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::PUT, headers)?;
    let instance = enter(&request, &guid)?;
    let action = match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => field(&object, "action").as_str().map(str::to_owned),
        _ if body.iter().all(u8::is_ascii_whitespace) => None,
        _ => {
            return Err(responses::binding_problem(
                "$",
                "The JSON value could not be converted",
            ));
        }
    };
    workflow::require_idle(&instance)?;
    let instance = step(&request, &instance, action.as_deref())?;
    Ok(responses::json_value(
        StatusCode::OK,
        &state(&request, &instance),
    ))
}

fn step(
    request: &AppRequest,
    instance: &Instance,
    action: Option<&str>,
) -> Result<Instance, Refusal> {
    if request.strikes(&Fault::DecisionPointDown) {
        let exception = "System.InvalidOperationException: PDP returned null-response";
        return Err(request.exception(exception).into());
    }
    let task = instance.current_task().cloned();
    if let Some(task) = &task
        && !is_permitted(request, instance.owner.party_id, &task.kind, action)
    {
        let asked = action.unwrap_or_else(|| actions_of(&task.kind)[0]);
        let detail = format!(
            "User is not authorized to perform process next. Task ID: {}. Task type: {}. Action: {asked}.",
            task.element_id, task.kind
        );
        return Err(responses::problem(StatusCode::FORBIDDEN, "Unauthorized", &detail).into());
    }
    // Libraries without actions ignore the action that was sent.
    let action = action.filter(|_| request.app.library() >= Library::HAS_ACTIONS);
    let name = task.map(|task| task.element_id).unwrap_or_default();
    let stepped = request.world.store.change(instance.guid, |stored| {
        let mut moved = stored.clone();
        let event = request
            .engine()
            .step(&mut moved, action, &Actor::of(&request.caller))?;
        *stored = moved.clone();
        Ok::<_, ProcessError>((moved, event))
    });
    match stepped {
        None => Err(responses::empty(StatusCode::NOT_FOUND).into()),
        Some(Ok((instance, event))) => {
            request.world.publish(&request.app, &instance, &event);
            Ok(instance)
        }
        Some(Err(ProcessError::Ended)) if request.app.library() < Library::NAMES_PROBLEMS => {
            Err(ended_before(request.app.library()).into())
        }
        Some(Err(error)) => {
            let (status, title, detail) = error.describe(&name);
            let issues = error.issues();
            let response = if matches!(error, ProcessError::Ended) {
                // Only this refusal has no title (measured, tests/recorded/app-process-next-ended.json).
                responses::untitled_problem(responses::status(status), &detail, "validationIssues")
            } else if matches!(error, ProcessError::Invalid(_)) {
                responses::problem_with(
                    responses::status(status),
                    title,
                    &detail,
                    [("validationIssues", issues)],
                )
            } else {
                responses::problem(responses::status(status), title, &detail)
            };
            Err(response.into())
        }
    }
}

/// The response of older libraries for a process that has ended (measured, tests/recorded/older/v7.15.3-app-process-next-ended.json and
/// v8.0.0-app-process-next-ended.json).
fn ended_before(library: Library) -> Response {
    if library < Library::HAS_ACTIONS {
        return responses::text(StatusCode::CONFLICT, "Process is ended.");
    }
    let problem = json!({ "title": "Process is not started. Use start!", "status": 409 });
    let body = axum::body::Body::from(problem.to_string());
    let media_type = Some("application/problem+json; charset=utf-8");
    responses::with_body(StatusCode::CONFLICT, media_type, body)
}

fn is_permitted(request: &AppRequest, owner: u32, kind: &str, action: Option<&str>) -> bool {
    match action.filter(|_| request.app.library() >= Library::HAS_ACTIONS) {
        Some(action) => request.permits(owner, action),
        None => actions_of(kind)
            .iter()
            .any(|action| request.permits(owner, action)),
    }
}

/// The actions of a task type. A caller that names no action must be permitted one of them.
fn actions_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "confirmation" => &["confirm"],
        "signing" => &["sign", "write"],
        "payment" => &["pay", "write"],
        _ => &["write"],
    }
}

/// `AppProcessState`.
fn state(request: &AppRequest, instance: &Instance) -> Value {
    let Some(process) = &instance.process else {
        return json!({ "currentTask": null, "processTasks": [] });
    };
    let mut view = process.view();
    if request.app.library() < Library::HAS_ACTIONS {
        return view;
    }
    if let Some(task) = &process.current {
        let names: &[&str] = match task.kind.as_str() {
            "confirmation" => &["read", "write", "confirm", "reject"],
            "signing" => &["read", "write", "sign", "reject"],
            "payment" => &["read", "write", "pay", "reject"],
            _ => &["read", "write"],
        };
        let owner = instance.owner.party_id;
        let permits = |action: &str| request.permits(owner, action);
        let actions: Value = names
            .iter()
            .map(|name| ((*name).to_owned(), json!(permits(name))))
            .collect();
        let user_actions: Value = names
            .iter()
            .map(|name| json!({ "id": name, "authorized": permits(name), "type": "ProcessAction" }))
            .collect();
        let current = &mut view["currentTask"];
        current["actions"] = actions;
        current["userActions"] = user_actions;
        current["read"] = json!(permits("read"));
        current["write"] = json!(permits("write"));
        current["elementType"] = json!("Task");
    }
    let tasks: Value = request
        .app
        .settings
        .tasks
        .iter()
        .map(|task| json!({ "altinnTaskType": task.kind, "elementId": task.id, "elementType": "Task" }))
        .collect();
    view["processTasks"] = tasks;
    if request.app.library().has_engine() {
        view["workflow"] = instance.workflow.view();
    }
    view
}
