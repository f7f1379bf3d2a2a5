//! Single instances in Storage.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{find, lock, require};
use crate::answer::{self, Answer, Refusal};
use crate::app::AppDefinition;
use crate::apps::{confirm, is_too_young, mark_deleted, parse_substatus};
use crate::faults::Fault;
use crate::instance::Instance;
use crate::served;
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
) -> Answer {
    let app = world
        .app(&org, &app)
        .ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
    Ok(answer::json_value(
        StatusCode::OK,
        &served::by_storage(&app.document, world.started),
    ))
}

async fn read_by_guid(
    State(world): State<Arc<World>>,
    Path(guid): Path<String>,
    headers: HeaderMap,
) -> Answer {
    answer_instance(&world, &headers, &guid)
}

/// The party in the path is not checked.
async fn read(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    answer_instance(&world, &headers, &guid)
}

fn answer_instance(world: &World, headers: &HeaderMap, guid: &str) -> Answer {
    let caller = Caller::of(world, headers)?;
    let missing = |why: &str| {
        answer::sentence(
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
    // The order of elements is none.
    let mut view = instance.storage_view(&world.public_url);
    world.shuffle_data(&mut view);
    Ok(answer::json_value(StatusCode::OK, &view))
}

/// Finds instance, app and caller of a write.
fn enter(
    world: &World,
    headers: &HeaderMap,
    guid: &str,
    missing: StatusCode,
) -> Result<(Instance, Arc<AppDefinition>, Caller), Refusal> {
    let caller = Caller::of(world, headers)?;
    let (instance, app) = find(world, guid).ok_or_else(|| answer::empty(missing))?;
    Ok((instance, app, caller))
}

fn change(world: &World, instance: &Instance, change: impl FnOnce(&mut Instance)) -> Answer {
    let changed = world.store.change(instance.guid, |stored| {
        change(stored);
        stored.storage_view(&world.public_url)
    });
    let view = changed.ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
    Ok(answer::json_value(StatusCode::OK, &view))
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require(&world, &app, &caller, instance.owner.party_id, "delete")?;
    let now = world.clock.now();
    if is_too_young(
        app.metadata.prevent_instance_deletion_for_days,
        &instance,
        now,
    ) {
        return Err(
            answer::sentence(StatusCode::FORBIDDEN, "The instance cannot be deleted yet").into(),
        );
    }
    let hard =
        parameter(query.as_deref(), "hard").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    change(&world, &instance, |stored| {
        mark_deleted(stored, hard, now);
        stored.touch(now, caller.actor());
    })
}

async fn complete(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::FORBIDDEN)?;
    require(&world, &app, &caller, instance.owner.party_id, "complete")?;
    let Some(org) = caller.org.clone() else {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    };
    let now = world.clock.now();
    change(&world, &instance, |stored| {
        confirm(stored, &org, now, caller.actor())
    })
}

async fn substatus(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (instance, _, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    let substatus = parse_substatus(&body)
        .ok_or_else(|| answer::sentence(StatusCode::BAD_REQUEST, "Invalid sub status"))?;
    if !caller.owns(&instance.org) {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
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
) -> Answer {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require(&world, &app, &caller, instance.owner.party_id, "read")?;
    let status = match parameter(query.as_deref(), "status")
        .map(|status| status.to_ascii_lowercase())
        .as_deref()
    {
        Some("unread") => 0,
        Some("read") => 1,
        Some("updatedsincelastreview") => 2,
        _ => return Err(answer::sentence(StatusCode::BAD_REQUEST, "Invalid read status").into()),
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
) -> Answer {
    let (instance, app, caller) =
        enter(&world, &headers, &guid, StatusCode::INTERNAL_SERVER_ERROR)?;
    let values = texts(&body, "values", "dataValues")?;
    if !caller.has_scope("altinn:storage/instances.syncadapter") {
        require_task_action(&world, &app, &caller, &instance)?;
    }
    // An empty string does not remove a key: the merge keeps it. The document's `lastChanged` does not move.
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
) -> Answer {
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

/// Writes what was merged into the instance as it was read: the column `lastChanged` becomes what it was then, even where the
/// process has moved on since, and another's newer value of a key is undone (measured on Storage d9364e40; Altinn/altinn-storage:
/// src/Storage/Migration/FunctionsAndProcedures/updateinstance.sql).
async fn write_back(world: &World, read: &Instance, change: impl FnOnce(&mut Instance)) -> Answer {
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
    let view = changed.ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
    Ok(answer::json_value(StatusCode::OK, &view))
}

/// Any action of the current task admits; after the end it is `write`.
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
    Err(answer::empty(StatusCode::FORBIDDEN).into())
}

/// Empty and null values are left out: what was there stays (measured, tests/recorded/storage-datavalues-empty.json).
fn texts(body: &[u8], field: &str, meant: &str) -> Result<Vec<(String, String)>, Refusal> {
    let refuse = || {
        answer::sentence(
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
) -> Answer {
    let (instance, app, caller) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    require_task_action(&world, &app, &caller, &instance)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| answer::binding_problem("$", "The JSON value could not be converted"))?;
    let seconds = body["ttlSeconds"].as_i64().filter(|seconds| *seconds >= 0);
    let seconds =
        seconds.ok_or_else(|| answer::binding_problem("ttlSeconds", "The value is not valid."))?;
    match lock(&world, instance.guid, SignedDuration::from_secs(seconds)) {
        Some(lock) => Ok(answer::json_value(
            StatusCode::OK,
            &json!({ "lockToken": lock.token }),
        )),
        None => {
            Err(answer::problem(StatusCode::CONFLICT, "Conflict", "The instance is locked").into())
        }
    }
}

/// A new time to live; 0 releases.
async fn change_lock(
    State(world): State<Arc<World>>,
    Path((_party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (instance, _, _) = enter(&world, &headers, &guid, StatusCode::NOT_FOUND)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| answer::binding_problem("$", "The JSON value could not be converted"))?;
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
    Ok(answer::empty(changed.unwrap_or(StatusCode::NOT_FOUND)))
}

pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
}

/// Storage's answer to something that is not there.
pub(super) fn not_found(what: &str) -> Response {
    answer::sentence(StatusCode::NOT_FOUND, format!("Unable to find {what}"))
}
