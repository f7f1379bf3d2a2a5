//! Reading, deleting and confirming instances through their app.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware;
use axum::routing::{get, post, put};

use super::AppRequest;
use crate::instance::Instance;
use crate::instance::document::parse_substatus;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

/// The app's exception when Storage cannot be reached.
pub(super) const STORAGE_UNREACHABLE: &str = "System.Net.Http.HttpRequestException: Connection refused (127.0.0.1:5010)\n ---> System.Net.Sockets.SocketException (111): Connection refused";

type InstancePath = Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const INSTANCE: &str = "/{org}/{app}/instances/{party}/{guid}";
    Router::new()
        .route(INSTANCE, get(read).delete(delete))
        .route(&format!("{INSTANCE}/complete"), post(complete))
        .route(&format!("{INSTANCE}/substatus"), put(substatus))
        .layer(middleware::from_fn(responses::produce_json))
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::GET, headers)?;
    let mut instance = request
        .instance(&guid)
        .ok_or_else(|| responses::client_error(StatusCode::NOT_FOUND))?;
    let owner = instance.owner.party_id;
    request.require(owner, "read")?;
    // Storage sets the read status after it has answered the app.
    if request.caller.user.is_some() {
        request
            .world
            .store
            .change(instance.guid, |stored| stored.status.read_status = 1);
    }
    let readable = |data_type: &str| {
        let action = request
            .app
            .data_type(data_type)
            .and_then(|data_type| data_type.action_required_to_read.as_deref());
        action.is_none_or(|action| request.permits(owner, action))
    };
    instance.data.retain(|element| readable(&element.data_type));
    let mut view = request.world.app_response(&instance, &request.headers);
    // The app looks up the party of the path (measured, tests/recorded/app-instance-wrong-party.json).
    if let Ok(party) = party.parse() {
        view["instanceOwner"]["party"] = request.world.party_view(party);
    }
    Ok(responses::json_value(StatusCode::OK, &view))
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::DELETE, headers)?;
    // The policy decision depends on the instance's state, so a missing instance is a denial.
    let instance = request
        .instance(&guid)
        .ok_or_else(|| responses::empty(StatusCode::FORBIDDEN))?;
    request.authorize(instance.owner.party_id, "delete")?;
    if request.world.faults.storage_is_down(&request.app.id) {
        let text = format!("Deleting instance {} failed.", instance.id());
        return Err(responses::json_string(StatusCode::INTERNAL_SERVER_ERROR, text).into());
    }
    let hard = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            name.eq_ignore_ascii_case("hard") && value.eq_ignore_ascii_case("true")
        })
    });
    let now = request.world.clock.now();
    if instance.is_protected(request.app.metadata.prevent_instance_deletion_for_days, now) {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    let changed = change(&request, &instance, |stored| {
        stored.mark_deleted(hard, now);
        stored.touch(now, request.caller.actor());
    })?;
    Ok(responses::json_value(
        StatusCode::OK,
        &request.world.deleted_view(&changed, &request.headers),
    ))
}

async fn complete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::POST, headers)?;
    let instance = request
        .instance(&guid)
        .ok_or_else(|| responses::empty(StatusCode::FORBIDDEN))?;
    request.authorize(instance.owner.party_id, "complete")?;
    if request.world.faults.storage_is_down(&request.app.id) {
        let id = instance.id();
        let text = format!("Adding complete confirmation to instance {id} failed");
        return Err(responses::json_string(StatusCode::INTERNAL_SERVER_ERROR, text).into());
    }
    let Some(stakeholder) = request.caller.org.clone() else {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    };
    let now = request.world.clock.now();
    let changed = change(&request, &instance, |stored| {
        stored.confirm(&stakeholder, now, request.caller.actor())
    })?;
    Ok(responses::json_value(
        StatusCode::OK,
        &request.view(&changed),
    ))
}

async fn substatus(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::PUT, headers)?;
    let substatus = parse_substatus(&body).ok_or_else(|| {
        let text = "Invalid sub status: {\"label\":null,\"description\":null}. Substatus must be defined and include a label.";
        responses::json_string(StatusCode::BAD_REQUEST, text)
    })?;
    if !request.caller.owns(&request.app.org) {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    if request.world.faults.storage_is_down(&request.app.id) {
        return Err(request.exception(STORAGE_UNREACHABLE).into());
    }
    let instance = request.instance(&guid).ok_or_else(|| {
        request.exception(format!(
            "Altinn.App.Core.Helpers.PlatformHttpException: 404 - Not Found - \"Unable to find instance {guid}\""
        ))
    })?;
    let now = request.world.clock.now();
    let changed = change(&request, &instance, |stored| {
        stored.status.substatus = Some(substatus);
        stored.touch(now, request.caller.actor());
    })?;
    request
        .world
        .publish(&request.app, &instance, "app.instance.substatus.changed");
    Ok(responses::json_value(
        StatusCode::OK,
        &request.world.passed_on_view(&changed),
    ))
}

fn change(
    request: &AppRequest,
    instance: &Instance,
    change: impl FnOnce(&mut Instance),
) -> Result<Instance, Refusal> {
    let changed = request.world.store.change(instance.guid, |stored| {
        change(stored);
        stored.clone()
    });
    changed.ok_or_else(|| responses::empty(StatusCode::NOT_FOUND).into())
}
