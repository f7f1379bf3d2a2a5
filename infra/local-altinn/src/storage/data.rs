//! Data elements in Storage. Storage does not change their bytes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post, put};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::instances::{not_found, parameter};
use super::{find, require};
use crate::app::AppDefinition;
use crate::content_disposition::{self, ContentDisposition};
use crate::faults::Fault;
use crate::instance::{Element, Instance};
use crate::responses::{self, HandlerResult, Refusal};
use crate::token::Caller;
use crate::world::World;

type ElementPath = Path<(String, String, String)>;

/// Kestrel's default limit, which applies to PUT.
const LARGEST_REPLACEMENT: usize = 30_000_000;
/// 2000 MiB.
const LARGEST_UPLOAD: usize = 2000 * 1024 * 1024;

pub(super) fn routes() -> Router<Arc<World>> {
    const INSTANCE: &str = "/storage/api/v1/instances/{party}/{guid}";
    Router::new()
        .route(&format!("{INSTANCE}/dataelements"), get(list))
        .route(&format!("{INSTANCE}/data"), post(add))
        .route(
            &format!("{INSTANCE}/data/{{data}}"),
            get(read).put(replace).delete(delete),
        )
        .route(
            &format!("{INSTANCE}/data/{{data}}/lock"),
            put(lock).delete(unlock),
        )
}

fn enter(
    world: &World,
    headers: &HeaderMap,
    guid: &str,
    action: &str,
) -> Result<(Instance, Arc<AppDefinition>, Caller), Refusal> {
    let caller = world.caller(headers)?;
    let (instance, app) =
        find(world, guid).ok_or_else(|| not_found(&format!("instance {guid}")))?;
    require(world, &app, &caller, instance.owner.party_id, action)?;
    Ok((instance, app, caller))
}

fn element_of<'i>(instance: &'i Instance, data: &str) -> Result<&'i Element, Refusal> {
    let element = data
        .parse::<Uuid>()
        .ok()
        .and_then(|id| instance.element(id));
    element.ok_or_else(|| not_found(&format!("any data element with id: {data}.")).into())
}

async fn list(
    State(world): State<Arc<World>>,
    Path((_party, guid)): Path<(String, String)>,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, _, _) = enter(&world, &headers, &guid, "read")?;
    let elements: Vec<Value> = instance
        .data
        .iter()
        .map(|element| instance.changed_element_storage_view(element))
        .collect();
    let mut view = json!({ "data": elements });
    world.shuffle_data(&mut view);
    Ok(responses::json_value(
        StatusCode::OK,
        &json!({ "dataElements": view["data"] }),
    ))
}

async fn read(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, app, _) = enter(&world, &headers, &guid, "read")?;
    if world
        .faults
        .strikes(Some(&app.id), &Fault::StorageDataNotFound)
    {
        return Err(not_found("any blob").into());
    }
    let element = element_of(&instance, &data)?;
    let response = responses::with_body(
        StatusCode::OK,
        Some(&element.content_type),
        Body::from(element.bytes.clone()),
    );
    let Some(filename) = &element.filename else {
        return Ok(response);
    };
    Ok(responses::with_header(
        response,
        header::CONTENT_DISPOSITION,
        &content_disposition::attachment(filename),
    ))
}

async fn body_of(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let collected = http_body_util::Limited::new(body, limit).collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| responses::empty(StatusCode::PAYLOAD_TOO_LARGE).into())
}

fn content_type_of(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_else(|| "application/octet-stream".to_owned())
}

fn filename_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get(header::CONTENT_DISPOSITION)
        .and_then(ContentDisposition::parse)
        .and_then(|disposition| content_disposition::stored_filename(&disposition.filename?))
}

async fn add(
    State(world): State<Arc<World>>,
    Path((_party, guid)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let (instance, app, caller) = enter(&world, &headers, &guid, "write")?;
    let data_type = parameter(query.as_deref(), "dataType")
        .filter(|data_type| app.data_type(data_type).is_some());
    let data_type = data_type.ok_or_else(|| {
        responses::json_string(
            StatusCode::BAD_REQUEST,
            "Requested element type is not declared in application metadata",
        )
    })?;
    let bytes = body_of(body, LARGEST_UPLOAD).await?;
    if bytes.is_empty() {
        return Err(
            responses::json_string(StatusCode::BAD_REQUEST, "No data attachments found.").into(),
        );
    }
    let now = world.clock.now();
    let element = Element {
        id: Uuid::new_v4(),
        data_type,
        filename: filename_of(&headers),
        content_type: content_type_of(&headers),
        bytes,
        locked: false,
        is_read: false,
        tags: Vec::new(),
        generated_from: parameter(query.as_deref(), "generatedFromTask"),
        created: now,
        created_by: caller.actor().to_owned(),
        last_changed: now,
        last_changed_by: caller.actor().to_owned(),
    };
    let view = instance.element_storage_view(&element, &world.public_url);
    let location = view["selfLinks"]["platform"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let added = world.store.change(instance.guid, |stored| {
        stored.data.push(element);
        stored.touch(now, caller.actor());
    });
    added.ok_or_else(|| not_found("the instance"))?;
    Ok(responses::with_header(
        responses::json_value(StatusCode::CREATED, &view),
        header::LOCATION,
        &location,
    ))
}

async fn replace(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): ElementPath,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let (instance, _, caller) = enter(&world, &headers, &guid, "write")?;
    let id = element_of(&instance, &data)?.id;
    let bytes = body_of(body, LARGEST_REPLACEMENT).await?;
    if bytes.is_empty() {
        return Err(
            responses::json_string(StatusCode::UNPROCESSABLE_ENTITY, "The body is empty").into(),
        );
    }
    let now = world.clock.now();
    change(&world, &instance, id, &caller, |element| {
        if element.locked {
            return Err(StatusCode::CONFLICT);
        }
        element.bytes = bytes;
        element.content_type = content_type_of(&headers);
        element.filename = filename_of(&headers).or_else(|| element.filename.take());
        element.last_changed = now;
        caller.actor().clone_into(&mut element.last_changed_by);
        Ok(())
    })
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> HandlerResult {
    let (instance, _, caller) = enter(&world, &headers, &guid, "write")?;
    let element = element_of(&instance, &data)?;
    if element.locked {
        return Err(responses::empty(StatusCode::CONFLICT).into());
    }
    let (id, view) = (
        element.id,
        instance.element_storage_view(element, &world.public_url),
    );
    let now = world.clock.now();
    world.store.change(instance.guid, |stored| {
        stored.data.retain(|element| element.id != id);
        stored.touch(now, caller.actor());
    });
    Ok(responses::json_value(StatusCode::OK, &view))
}

async fn lock(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> HandlerResult {
    set_locked(&world, &headers, &guid, &data, true)
}

async fn unlock(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> HandlerResult {
    set_locked(&world, &headers, &guid, &data, false)
}

fn set_locked(
    world: &World,
    headers: &HeaderMap,
    guid: &str,
    data: &str,
    locked: bool,
) -> HandlerResult {
    let (instance, _, caller) = enter(world, headers, guid, "write")?;
    let id = element_of(&instance, data)?.id;
    change(world, &instance, id, &caller, |element| {
        element.locked = locked;
        Ok(())
    })
}

fn change(
    world: &World,
    instance: &Instance,
    id: Uuid,
    caller: &Caller,
    change: impl FnOnce(&mut Element) -> Result<(), StatusCode>,
) -> HandlerResult {
    let now = world.clock.now();
    let changed = world.store.change(instance.guid, |stored| {
        let element = stored
            .data
            .iter_mut()
            .find(|element| element.id == id)
            .ok_or(StatusCode::NOT_FOUND)?;
        change(element)?;
        stored.touch(now, caller.actor());
        let element = stored.element(id).ok_or(StatusCode::NOT_FOUND)?;
        Ok(stored.element_storage_view(element, &world.public_url))
    });
    match changed.unwrap_or(Err(StatusCode::NOT_FOUND)) {
        Ok(view) => Ok(responses::json_value(StatusCode::OK, &view)),
        Err(status) => Err(responses::empty(status).into()),
    }
}
