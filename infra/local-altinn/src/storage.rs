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
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::app::AppDefinition;
use super::instance::{Instance, Lock};
use super::token::Caller;
use super::world::World;

pub(crate) fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .merge(query::routes())
        .merge(instances::routes())
        .merge(data::routes())
        .layer(middleware::from_fn(answer::constrain_ids))
        .layer(middleware::from_fn(answer::produce_json))
        .layer(middleware::from_fn_with_state(Arc::clone(world), gateway))
}

/// The API gateway lets nobody write without the apps' subscription (Altinn/altinn-studio issue 4871).
async fn gateway(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let writes = ![Method::GET, Method::HEAD].contains(request.method());
    if writes
        && world.gateway_guards_storage
        && !request.headers().contains_key("ocp-apim-subscription-key")
    {
        let message = "Access denied. Operation requires a subscription associated with the AppsAccess product.";
        return answer::json_value(
            StatusCode::UNAUTHORIZED,
            &json!({ "statusCode": 401, "message": message }),
        );
    }
    next.run(request).await
}

/// Takes an instance's lock; none while somebody else holds it, or without instance.
pub(crate) fn lock(world: &World, guid: Uuid, time_to_live: SignedDuration) -> Option<Lock> {
    let now = world.clock.now();
    world.store.change(guid, |instance| {
        if instance.lock.as_ref().is_some_and(|lock| lock.until > now) {
            return None;
        }
        let until = now
            .checked_add(time_to_live)
            .unwrap_or(jiff::Timestamp::MAX);
        let lock = Lock {
            token: Uuid::new_v4().simple().to_string(),
            until,
        };
        instance.lock = Some(lock.clone());
        Some(lock)
    })?
}

/// An instance and its app.
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
        Err(answer::empty(StatusCode::FORBIDDEN).into())
    }
}
