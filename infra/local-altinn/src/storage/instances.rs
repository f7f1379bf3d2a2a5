//! The endpoints for single instances in Storage.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{find, require};
use crate::app::AppDefinition;
use crate::app_metadata;
use crate::faults::Fault;
use crate::instance::Instance;
use crate::instance::document::parse_substatus;
use crate::responses::{self, HandlerResult, Refusal};
use crate::token::Caller;
use crate::world::World;

type InstancePath = Path<(String, String)>;

const LOCK_TOKEN: &str = "altinn-storage-lock-token";

pub(super) fn routes() -> Router<Arc<World>> {
    const INSTANCE: &str = "/storage/api/v1/instances/{party}/{guid}";
    Router::new()
        .route("/storage/api/v1/applications/{org}/{app}", get(application))
        .route("/storage/api/v1/instances/{party}", get(read_by_guid))
        .route(INSTANCE, get(read).delete(delete))
        .route(&format!("{INSTANCE}/complete"), post(complete))
        .route(&format!("{INSTANCE}/substatus"), put(substatus))
        .route(&format!("{INSTANCE}/readstatus"), put(read_status))
        .route(&format!("{INSTANCE}/datavalues"), put(data_values))
        .route(
            &format!("{INSTANCE}/presentationtexts"),
            put(presentation_texts),
        )
        .route(
            &format!("{INSTANCE}/lock"),
            post(take_lock).patch(change_lock),
        )
}

async fn application(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
) -> HandlerResult {
    let app = world
        .app(&org, &app)
        .ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
    Ok(responses::json_value(
        StatusCode::OK,
        &app_metadata::from_storage(&app.document, world.started),
    ))
}

async fn read_by_guid(
    State(world): State<Arc<World>>,
    Path(guid): Path<String>,
    headers: HeaderMap,
) -> HandlerResult {
    instance_response(&world, &headers, &guid)
}

/// The party in the path is not checked.
async fn read(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    instance_response(&world, &headers, &guid)
}

fn instance_response(world: &World, headers: &HeaderMap, guid: &str) -> HandlerResult {
    let caller = world.caller(headers)?;
    let missing = |why: &str| {
        responses::json_string(
            StatusCode::NOT_FOUND,
            format!("Unable to find instance {guid}{why}"),
        )
    };
    let Some((instance, app)) = find(world, guid) else {
        return Err(missing("").into());
    };
    if world
        .faults
        .strikes(Some(&app.id), &Fault::StorageReadNotFound)
    {
        return Err(
            missing(": Npgsql.NpgsqlException: Exception while reading from stream").into(),
        );
    }
    require(world, &app, &caller, instance.owner.party_id, "read")?;
    // Storage promises no order of the elements.
    let mut view = instance.storage_view(&world.public_url);
    world.shuffle_data(&mut view);
    Ok(responses::json_value(StatusCode::OK, &view))
}

/// Finds the instance, the app and the caller of a write.
fn enter(
    world: &World,
    headers: &HeaderMap,
    guid: &str,
    missing: StatusCode,
) -> Result<(Instance, Arc<AppDefinition>, Caller), Refusal> {
    let caller = world.caller(headers)?;
    let (instance, app) = find(world, guid).ok_or_else(|| responses::empty(missing))?;
    Ok((instance, app, caller))
}

fn change(world: &World, instance: &Instance, change: impl FnOnce(&mut Instance)) -> HandlerResult {
    let changed = world.store.change(instance.guid, |stored| {
        change(stored);
        stored.storage_view(&world.public_url)
    });
    let view = changed.ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
    Ok(responses::json_value(StatusCode::OK, &view))
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require(&world, &app, &caller, instance.owner.party_id, "delete")?;
    let now = world.clock.now();
    if instance.is_protected(app.metadata.prevent_instance_deletion_for_days, now) {
        return Err(responses::json_string(
            StatusCode::FORBIDDEN,
            "The instance cannot be deleted yet",
        )
        .into());
    }
    let hard =
        parameter(query.as_deref(), "hard").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    change(&world, &instance, |stored| {
        stored.mark_deleted(hard, now);
        stored.touch(now, caller.actor());
    })
}

async fn complete(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::FORBIDDEN)?;
    require(&world, &app, &caller, instance.owner.party_id, "complete")?;
    let Some(org) = caller.org.clone() else {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    };
    let now = world.clock.now();
    change(&world, &instance, |stored| {
        stored.confirm(&org, now, caller.actor())
    })
}

async fn substatus(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let (instance, _, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    let substatus = parse_substatus(&body)
        .ok_or_else(|| responses::json_string(StatusCode::BAD_REQUEST, "Invalid sub status"))?;
    if !caller.owns(&instance.org) {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    let now = world.clock.now();
    change(&world, &instance, |stored| {
        stored.status.substatus = Some(substatus);
        stored.touch(now, caller.actor());
    })
}

async fn read_status(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require(&world, &app, &caller, instance.owner.party_id, "read")?;
    let status = match parameter(query.as_deref(), "status")
        .map(|status| status.to_ascii_lowercase())
        .as_deref()
    {
        Some("unread") => 0,
        Some("read") => 1,
        Some("updatedsincelastreview") => 2,
        _ => {
            return Err(
                responses::json_string(StatusCode::BAD_REQUEST, "Invalid read status").into(),
            );
        }
    };
    change(&world, &instance, |stored| {
        stored.status.read_status = status
    })
}

async fn data_values(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let (instance, app, caller) =
        enter(&world, &headers, &guid, StatusCode::INTERNAL_SERVER_ERROR)?;
    let values = texts(&body, "values", "dataValues")?;
    if !caller.has_scope("altinn:storage/instances.syncadapter") {
        require_task_action(&world, &app, &caller, &instance)?;
    }
    // An empty string does not remove a key, because the values are merged. `lastChanged` of the document does not change.
    let mut merged = instance.data_values.clone().unwrap_or_default();
    merged.extend(values);
    write_back(&world, &instance, |stored| {
        stored.data_values.get_or_insert_default().extend(merged)
    })
    .await
}

async fn presentation_texts(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let (instance, app, caller) =
        enter(&world, &headers, &guid, StatusCode::INTERNAL_SERVER_ERROR)?;
    let texts = texts(&body, "texts", "presentationTexts")?;
    require_task_action(&world, &app, &caller, &instance)?;
    let mut merged = instance.presentation_texts.clone().unwrap_or_default();
    merged.extend(texts);
    write_back(&world, &instance, |stored| {
        stored
            .presentation_texts
            .get_or_insert_default()
            .extend(merged)
    })
    .await
}

/// Writes values that were merged with the instance as it was read. Later changes are lost: the column `lastChanged` is set back even if
/// the process has moved since, and a key that another client has changed gets its old value (measured on Storage d9364e40; Altinn/altinn-storage:
/// src/Storage/Migration/FunctionsAndProcedures/updateinstance.sql).
async fn write_back(
    world: &World,
    read: &Instance,
    change: impl FnOnce(&mut Instance),
) -> HandlerResult {
    let delayed = |fault: &Fault| match fault {
        Fault::WriteBackDelayed(by) => Some(*by),
        _ => None,
    };
    if let Some(by) = world.faults.take(Some(&read.app_id), delayed) {
        tokio::time::sleep(by).await;
    }
    let changed = world.store.change_row(read.guid, |row| {
        change(&mut row.instance);
        row.changed = read.last_changed;
        row.instance.changed_storage_view()
    });
    let view = changed.ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
    Ok(responses::json_value(StatusCode::OK, &view))
}

/// Requires that the caller may perform one action of the current task, or `write` after the process has ended.
fn require_task_action(
    world: &World,
    app: &AppDefinition,
    caller: &Caller,
    instance: &Instance,
) -> Result<(), Refusal> {
    let actions: &[&str] = match instance.current_task().map(|task| task.kind.as_str()) {
        None | Some("data" | "feedback") => &["write"],
        Some("confirmation") => &["confirm", "reject"],
        Some("signing") => &["sign", "write", "reject"],
        Some("payment") => &["pay", "write", "reject"],
        Some(_) => &["write"],
    };
    if actions
        .iter()
        .any(|action| world.permits_on(app, caller, instance.owner.party_id, action))
    {
        return Ok(());
    }
    Err(responses::empty(StatusCode::FORBIDDEN).into())
}

/// Reads the new values. Empty and null values are ignored, so that the old value stays (measured, tests/recorded/storage-datavalues-empty.json).
fn texts(body: &[u8], field: &str, meant: &str) -> Result<Vec<(String, String)>, Refusal> {
    let refuse = || {
        responses::json_string(
            StatusCode::BAD_REQUEST,
            format!("Missing parameter value: {meant} is misformed or empty"),
        )
    };
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| refuse())?;
    let values = body
        .get(field)
        .and_then(Value::as_object)
        .ok_or_else(refuse)?;
    let entry = |(name, value): (&String, &Value)| match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Ok((name.clone(), text.clone()))),
        Value::Null => None,
        _ => Some(Err(Refusal::from(refuse()))),
    };
    values.iter().filter_map(entry).collect()
}

async fn take_lock(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require_task_action(&world, &app, &caller, &instance)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| responses::binding_problem("$", "The JSON value could not be converted"))?;
    let seconds = body["ttlSeconds"].as_i64().filter(|seconds| *seconds >= 0);
    let seconds = seconds
        .ok_or_else(|| responses::binding_problem("ttlSeconds", "The value is not valid."))?;
    let ttl = SignedDuration::from_secs(seconds);
    match world.store.take_lock(instance.guid, world.clock.now(), ttl) {
        Some(lock) => Ok(responses::json_value(
            StatusCode::OK,
            &json!({ "lockToken": lock.token }),
        )),
        None => Err(
            responses::problem(StatusCode::CONFLICT, "Conflict", "The instance is locked").into(),
        ),
    }
}

/// Sets a new time to live. 0 releases the lock.
async fn change_lock(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let (instance, _, _) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| responses::binding_problem("$", "The JSON value could not be converted"))?;
    let seconds = body["ttlSeconds"].as_i64().unwrap_or(0).max(0);
    let token = headers
        .get(LOCK_TOKEN)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let now = world.clock.now();
    let changed = world
        .store
        .change(instance.guid, |stored| match &mut stored.lock {
            Some(lock) if lock.token == token && lock.until > now => {
                lock.until = now
                    .checked_add(SignedDuration::from_secs(seconds))
                    .unwrap_or(jiff::Timestamp::MAX);
                StatusCode::NO_CONTENT
            }
            Some(_) => StatusCode::FORBIDDEN,
            None => StatusCode::NOT_FOUND,
        });
    Ok(responses::empty(changed.unwrap_or(StatusCode::NOT_FOUND)))
}

pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
}

/// Storage's response for something that does not exist.
pub(super) fn not_found(what: &str) -> Response {
    responses::json_string(StatusCode::NOT_FOUND, format!("Unable to find {what}"))
}
