//! Storage, at `/storage/api/v1`.
//!
//! Source of the rules: Altinn/altinn-storage: src/Storage/Controllers/.

mod data;
mod instances;
mod query;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::json;

use crate::app::AppDefinition;
use crate::instance::Instance;
use crate::responses::{self, Refusal};
use crate::token::Caller;
use crate::world::World;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .merge(query::routes())
        .merge(instances::routes())
        .merge(data::routes())
        .layer(middleware::from_fn(responses::constrain_ids))
        .layer(middleware::from_fn(responses::produce_json))
        .layer(middleware::from_fn_with_state(Arc::clone(world), gateway))
}

/// Refuses writes without the subscription key that apps have, as the API gateway does (Altinn/altinn-studio issue 4871).
async fn gateway(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let writes = ![Method::GET, Method::HEAD].contains(request.method());
    if writes
        && world.gateway_guards_storage
        && !request.headers().contains_key("ocp-apim-subscription-key")
    {
        let message = "Access denied. Operation requires a subscription associated with the AppsAccess product.";
        return responses::json_value(
            StatusCode::UNAUTHORIZED,
            &json!({ "statusCode": 401, "message": message }),
        );
    }
    next.run(request).await
}

/// Finds an instance and its app.
fn find(world: &World, guid: &str) -> Option<(Instance, Arc<AppDefinition>)> {
    let instance = world.store.get(guid.parse().ok()?)?;
    let app = world.app_by_id(&instance.app_id)?;
    Some((instance, app))
}

fn require(
    world: &World,
    app: &AppDefinition,
    caller: &Caller,
    owner: u32,
    action: &str,
) -> Result<(), Refusal> {
    if world.permits_on(app, caller, owner, action) {
        Ok(())
    } else {
        Err(responses::empty(StatusCode::FORBIDDEN).into())
    }
}
