//! The process of an instance over HTTP.
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

use super::engine::{Actor, StepError};
use super::instances::STORAGE_UNREACHABLE;
use super::template::field;
use super::{Visit, workflow};
use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::faults::Fault;
use crate::altinn::instance::Instance;
use crate::altinn::library::Library;
use crate::altinn::world::World;

type InstancePath = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const PROCESS: &str = "/{org}/{app}/instances/{party}/{guid}/process";
    Router::new()
        .route(PROCESS, get(read))
        .route(&format!("{PROCESS}/history"), get(history))
        .route(&format!("{PROCESS}/resume"), post(resume))
        .route(&format!("{PROCESS}/next"), put(next))
}

fn enter(visit: &Visit, guid: &str) -> Result<Instance, Refusal> {
    if visit.world.faults.storage_is_down(&visit.app.id) {
        return Err(visit.exception(STORAGE_UNREACHABLE).into());
    }
    visit
        .instance(guid)
        .ok_or_else(|| answer::empty(StatusCode::NOT_FOUND).into())
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::GET, headers)?;
    let instance = enter(&visit, &guid)?;
    visit.authorize(instance.owner.party_id, "read")?;
    Ok(answer::json_value(
        StatusCode::OK,
        &state(&visit, &instance),
    ))
}

async fn history(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::GET, headers)?;
    let instance = enter(&visit, &guid)?;
    visit.authorize(instance.owner.party_id, "read")?;
    let entries = instance.history.view();
    Ok(answer::json_value(
        StatusCode::OK,
        &json!({ "processHistory": entries }),
    ))
}

async fn resume(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::POST, headers)?;
    let instance = enter(&visit, &guid)?;
    visit.authorize(instance.owner.party_id, "write")?;
    let instance = workflow::resume(&visit, &instance).await?;
    Ok(answer::json_value(
        StatusCode::OK,
        &state(&visit, &instance),
    ))
}

async fn next(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::PUT, headers)?;
    let instance = enter(&visit, &guid)?;
    let action = match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => field(&object, "action").as_str().map(str::to_owned),
        _ if body.iter().all(u8::is_ascii_whitespace) => None,
        _ => {
            return Err(answer::binding_problem(
                "$",
                "The JSON value could not be converted",
            ));
        }
    };
    workflow::require_idle(&instance)?;
    let instance = step(&visit, &instance, action.as_deref())?;
    Ok(answer::json_value(
        StatusCode::OK,
        &state(&visit, &instance),
    ))
}

fn step(visit: &Visit, instance: &Instance, action: Option<&str>) -> Result<Instance, Refusal> {
    if visit.strikes(&Fault::DecisionPointDown) {
        let exception = "System.InvalidOperationException: PDP returned null-response";
        return Err(visit.exception(exception).into());
    }
    let task = instance.current_task().cloned();
    if let Some(task) = &task
        && !is_permitted(visit, instance.owner.party_id, &task.kind, action)
    {
        let asked = action.unwrap_or_else(|| actions_of(&task.kind)[0]);
        let detail = format!(
            "User is not authorized to perform process next. Task ID: {}. Task type: {}. Action: {asked}.",
            task.element_id, task.kind
        );
        return Err(answer::problem(StatusCode::FORBIDDEN, "Unauthorized", &detail).into());
    }
    // Without actions, whatever was sent moves on.
    let action = action.filter(|_| visit.app.library() >= Library::HAS_ACTIONS);
    let name = task.map(|task| task.element_id).unwrap_or_default();
    let stepped = visit.world.store.change(instance.guid, |stored| {
        let mut moved = stored.clone();
        let event = visit
            .engine()
            .step(&mut moved, action, &Actor::of(&visit.caller))?;
        *stored = moved.clone();
        Ok::<_, StepError>((moved, event))
    });
    match stepped {
        None => Err(answer::empty(StatusCode::NOT_FOUND).into()),
        Some(Ok((instance, event))) => {
            visit.world.publish(&visit.app, &instance, &event);
            Ok(instance)
        }
        Some(Err(StepError::Ended)) if visit.app.library() < Library::NAMES_PROBLEMS => {
            Err(ended_before(visit.app.library()).into())
        }
        Some(Err(error)) => {
            let (status, title, detail) = error.describe(&name);
            let issues = error.issues();
            let response = if matches!(error, StepError::Ended) {
                // The one refusal without a title (measured, tests/recorded/app-process-next-ended.json).
                answer::untitled_problem(answer::status(status), &detail, "validationIssues")
            } else if matches!(error, StepError::Invalid(_)) {
                answer::problem_with(
                    answer::status(status),
                    title,
                    &detail,
                    [("validationIssues", issues)],
                )
            } else {
                answer::problem(answer::status(status), title, &detail)
            };
            Err(response.into())
        }
    }
}

/// What older libraries say to a process that has ended (measured, tests/recorded/older/v7.15.3-app-process-next-ended.json and
/// v8.0.0-app-process-next-ended.json).
fn ended_before(library: Library) -> Response {
    if library < Library::HAS_ACTIONS {
        return answer::text(StatusCode::CONFLICT, "Process is ended.");
    }
    let problem = json!({ "title": "Process is not started. Use start!", "status": 409 });
    let body = axum::body::Body::from(problem.to_string());
    let media_type = Some("application/problem+json; charset=utf-8");
    answer::with_body(StatusCode::CONFLICT, media_type, body)
}

fn is_permitted(visit: &Visit, owner: u32, kind: &str, action: Option<&str>) -> bool {
    match action.filter(|_| visit.app.library() >= Library::HAS_ACTIONS) {
        Some(action) => visit.permits(owner, action),
        None => actions_of(kind)
            .iter()
            .any(|action| visit.permits(owner, action)),
    }
}

/// The actions of which a task type wants one, where the caller names none.
fn actions_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "confirmation" => &["confirm"],
        "signing" => &["sign", "write"],
        "payment" => &["pay", "write"],
        _ => &["write"],
    }
}

/// `AppProcessState`.
fn state(visit: &Visit, instance: &Instance) -> Value {
    let Some(process) = &instance.process else {
        return json!({ "currentTask": null, "processTasks": [] });
    };
    let mut view = process.view();
    if visit.app.library() < Library::HAS_ACTIONS {
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
        let permits = |action: &str| visit.permits(owner, action);
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
    let tasks: Value = visit
        .app
        .settings
        .tasks
        .iter()
        .map(|task| json!({ "altinnTaskType": task.kind, "elementId": task.id, "elementType": "Task" }))
        .collect();
    view["processTasks"] = tasks;
    if visit.app.library().has_engine() {
        view["workflow"] = instance.workflow.view();
    }
    view
}
