//! Reading, deleting and confirming instances through their app.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware;
use axum::routing::{get, post, put};
use serde_json::Value;

use super::Visit;
use super::template::field;
use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::instance::{Confirmation, Instance, Mark, Substatus};
use crate::altinn::world::World;

/// What an app throws whose Storage cannot be reached.
pub(super) const STORAGE_UNREACHABLE: &str = "System.Net.Http.HttpRequestException: Connection refused (127.0.0.1:5010)\n ---> System.Net.Sockets.SocketException (111): Connection refused";

type InstancePath = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const INSTANCE: &str = "/{org}/{app}/instances/{party}/{guid}";
    Router::new()
        .route(INSTANCE, get(read).delete(delete))
        .route(&format!("{INSTANCE}/complete"), post(complete))
        .route(&format!("{INSTANCE}/substatus"), put(substatus))
        .layer(middleware::from_fn(answer::produce_json))
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::GET, headers)?;
    let mut instance = visit
        .instance(&guid)
        .ok_or_else(|| answer::client_error(StatusCode::NOT_FOUND))?;
    let owner = instance.owner.party_id;
    visit.require(owner, "read")?;
    // Storage notes it when it has answered the app.
    if visit.caller.user.is_some() {
        visit
            .world
            .store
            .change(instance.guid, |stored| stored.status.read_status = 1);
    }
    let readable = |data_type: &str| {
        let action = visit
            .app
            .data_type(data_type)
            .and_then(|data_type| data_type.action_required_to_read.as_deref());
        action.is_none_or(|action| visit.permits(owner, action))
    };
    instance.data.retain(|element| readable(&element.data_type));
    let mut view = visit.world.app_response(&instance, &visit.headers);
    // The app looks up the party of the path (measured, tests/recorded/app-instance-wrong-party.json).
    if let Ok(party) = party.parse() {
        view["instanceOwner"]["party"] = visit.world.party_view(party);
    }
    Ok(answer::json_value(StatusCode::OK, &view))
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::DELETE, headers)?;
    // The policy is decided on the instance's state, so a missing instance is a denial.
    let instance = visit
        .instance(&guid)
        .ok_or_else(|| answer::empty(StatusCode::FORBIDDEN))?;
    visit.authorize(instance.owner.party_id, "delete")?;
    if visit.world.faults.storage_is_down(&visit.app.id) {
        let text = format!("Deleting instance {} failed.", instance.id());
        return Err(answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text).into());
    }
    let hard = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            name.eq_ignore_ascii_case("hard") && value.eq_ignore_ascii_case("true")
        })
    });
    let now = visit.world.clock.now();
    if is_too_young(
        visit.app.metadata.prevent_instance_deletion_for_days,
        &instance,
        now,
    ) {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    }
    let changed = change(&visit, &instance, |stored| {
        mark_deleted(stored, hard, now);
        stored.touch(now, visit.caller.actor());
    })?;
    Ok(answer::json_value(
        StatusCode::OK,
        &visit.world.deleted_view(&changed, &visit.headers),
    ))
}

/// Whether `preventInstanceDeletionForDays` still protects an archived instance.
fn is_too_young(days: Option<u32>, instance: &Instance, now: jiff::Timestamp) -> bool {
    let Some((days, archived)) = days.zip(instance.status.archived.at) else {
        return false;
    };
    now.duration_since(archived) < jiff::SignedDuration::from_hours(24 * i64::from(days))
}

pub(crate) fn mark_deleted(instance: &mut Instance, hard: bool, now: jiff::Timestamp) {
    if !instance.status.soft_deleted.set {
        instance.status.soft_deleted = Mark::at(now);
    }
    if hard && !instance.status.hard_deleted.set {
        instance.status.hard_deleted = Mark::at(now);
    }
}

async fn complete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::POST, headers)?;
    let instance = visit
        .instance(&guid)
        .ok_or_else(|| answer::empty(StatusCode::FORBIDDEN))?;
    visit.authorize(instance.owner.party_id, "complete")?;
    if visit.world.faults.storage_is_down(&visit.app.id) {
        let id = instance.id();
        let text = format!("Adding complete confirmation to instance {id} failed");
        return Err(answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text).into());
    }
    let Some(stakeholder) = visit.caller.org.clone() else {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    };
    let now = visit.world.clock.now();
    let changed = change(&visit, &instance, |stored| {
        confirm(stored, &stakeholder, now, visit.caller.actor())
    })?;
    Ok(answer::json_value(StatusCode::OK, &visit.view(&changed)))
}

/// Adds a confirmation; a repeat changes nothing.
fn confirm(instance: &mut Instance, stakeholder: &str, now: jiff::Timestamp, actor: &str) {
    if instance
        .confirmations
        .iter()
        .all(|known| known.stakeholder != stakeholder)
    {
        instance.confirmations.push(Confirmation {
            stakeholder: stakeholder.to_owned(),
            at: now,
        });
        instance.touch(now, actor);
    }
}

async fn substatus(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::PUT, headers)?;
    let substatus = parse_substatus(&body).ok_or_else(|| {
        let text = "Invalid sub status: {\"label\":null,\"description\":null}. Substatus must be defined and include a label.";
        answer::sentence(StatusCode::BAD_REQUEST, text)
    })?;
    if !visit.caller.owns(&visit.app.org) {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    }
    if visit.world.faults.storage_is_down(&visit.app.id) {
        return Err(visit.exception(STORAGE_UNREACHABLE).into());
    }
    let instance = visit.instance(&guid).ok_or_else(|| {
        visit.exception(format!(
            "Altinn.App.Core.Helpers.PlatformHttpException: 404 - Not Found - \"Unable to find instance {guid}\""
        ))
    })?;
    let now = visit.world.clock.now();
    let changed = change(&visit, &instance, |stored| {
        stored.status.substatus = Some(substatus);
        stored.touch(now, visit.caller.actor());
    })?;
    visit
        .world
        .publish(&visit.app, &instance, "app.instance.substatus.changed");
    Ok(answer::json_value(
        StatusCode::OK,
        &visit.world.passed_on_view(&changed),
    ))
}

/// None without a label.
fn parse_substatus(body: &[u8]) -> Option<Substatus> {
    let Value::Object(object) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let text = |name| {
        field(&object, name)
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Some(Substatus {
        label: text("label")?,
        description: text("description"),
    })
}

fn change(
    visit: &Visit,
    instance: &Instance,
    change: impl FnOnce(&mut Instance),
) -> Result<Instance, Refusal> {
    let changed = visit.world.store.change(instance.guid, |stored| {
        change(stored);
        stored.clone()
    });
    changed.ok_or_else(|| answer::empty(StatusCode::NOT_FOUND).into())
}
