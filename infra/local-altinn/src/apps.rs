//! The API of the apps, at `/{org}/{app}`.

mod calls;
mod create;
mod creation;
mod data;
mod data_rules;
mod engine;
mod form;
mod instances;
mod instantiation;
mod metadata;
mod new_instance;
mod owner;
mod parts;
mod patch;
mod process;
mod request;
mod template;
mod validation;
mod workflow;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::responses;
use crate::world::World;
use request::AppRequest;

pub(crate) use engine::{Actor, Engine, PROCESS_COMPLETED, ProcessError, moved_to};
pub(crate) use form::store_form;
pub(crate) use new_instance::new_user_instance;
pub(crate) use validation::Issue;

/// The event type of a new instance.
pub(crate) const CREATED: &str = "app.instance.created";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(create::routes())
        .merge(instances::routes())
        .merge(process::routes())
        .merge(data::routes())
        .merge(validation::routes())
        .merge(metadata::routes())
        .layer(middleware::from_fn(responses::constrain_ids))
        .layer(middleware::from_fn(app_headers))
}

/// Adds the headers that an app sends with every response except that of an unhandled exception.
async fn app_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response
        .extensions()
        .get::<responses::Unhandled>()
        .is_some()
    {
        return response;
    }
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store,no-cache"));
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "deny"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
