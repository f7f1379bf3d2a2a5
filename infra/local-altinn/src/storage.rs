//! Storage, at `/storage/api/v1`: reading only, since Stafett writes through the apps. What writes, and what Stafett does not read, is not
//! served.
//!
//! Source of the rules: Altinn/altinn-storage: src/Storage/Controllers/.

mod query;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use uuid::Uuid;

use crate::content_disposition;
use crate::instance::Instance;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    const INSTANCE: &str = "/storage/api/v1/instances/{party}/{guid}";
    Router::new()
        .merge(query::routes())
        .route(INSTANCE, get(read))
        .route(&format!("{INSTANCE}/data/{{data}}"), get(read_data))
        .layer(middleware::from_fn(responses::constrain_ids))
        .layer(middleware::from_fn(responses::produce_json))
}

/// An instance that the caller may read. The party in the path is not checked.
fn enter(world: &World, headers: &HeaderMap, guid: &str) -> Result<Instance, Refusal> {
    let caller = world.caller(headers)?;
    let found = guid.parse().ok().and_then(|guid| world.store.get(guid));
    let found = found.and_then(|instance| Some((world.app_by_id(&instance.app_id)?, instance)));
    let (app, instance) = found.ok_or_else(|| not_found(&format!("instance {guid}")))?;
    if !world.permits_on(&app, &caller, instance.owner.party_id, "read") {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    Ok(instance)
}

fn not_found(what: &str) -> Response {
    responses::json_string(StatusCode::NOT_FOUND, format!("Unable to find {what}"))
}

async fn read(
    State(world): State<Arc<World>>,
    Path((_party, guid)): Path<(String, String)>,
    headers: HeaderMap,
) -> HandlerResult {
    let instance = enter(&world, &headers, &guid)?;
    // The order of elements is none.
    let mut view = instance.storage_view(&world.public_url);
    world.shuffle_data(&mut view);
    Ok(responses::json_value(StatusCode::OK, &view))
}

/// The bytes exactly as stored: no app code is in between.
async fn read_data(
    State(world): State<Arc<World>>,
    Path((_party, guid, data)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> HandlerResult {
    let instance = enter(&world, &headers, &guid)?;
    let id = data.parse::<Uuid>().ok();
    let element = id
        .and_then(|id| instance.element(id))
        .ok_or_else(|| not_found(&format!("any data element with id: {data}.")))?;
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
