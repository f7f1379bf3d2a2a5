//! The API that every Altinn app has, at `/{org}/{app}`.

mod create;
mod data;
mod engine;
mod form;
mod instances;
mod instantiation;
mod metadata;
mod owner;
mod parts;
mod patch;
mod process;
mod template;
mod upload;
mod validation;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::app::AppDefinition;
use super::instance::Instance;
use super::token::Caller;
use super::world::World;

pub(crate) use engine::{Engine, PROCESS_COMPLETED, StepError, moved_to};
pub(crate) use form::store_form;
pub(crate) use instances::{confirm, is_too_young, mark_deleted, parse_substatus};
pub(crate) use instantiation::new_user_instance;
pub(crate) use template::parse_status;
pub(crate) use validation::Issue;

/// The event of a new instance.
pub(crate) const CREATED: &str = "app.instance.created";

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .merge(create::routes())
        .merge(instances::routes())
        .merge(process::routes())
        .merge(data::routes())
        .merge(validation::routes())
        .merge(metadata::routes())
        .layer(middleware::from_fn(app_headers))
}

/// Every answer of an app carries these.
async fn app_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store, no-cache"),
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

/// A request inside an app, its caller known.
#[derive(Clone)]
struct Visit {
    world: Arc<World>,
    app: Arc<AppDefinition>,
    caller: Caller,
    headers: HeaderMap,
}

impl Visit {
    fn new(
        world: Arc<World>,
        org: &str,
        app: &str,
        method: &Method,
        headers: HeaderMap,
    ) -> Result<Self, Refusal> {
        let app = world
            .app(org, app)
            .ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
        let caller = Caller::of(&world, &headers)?;
        let scope = app.metadata.api_scopes.as_ref().and_then(|scopes| {
            if *method == Method::GET {
                scopes.read.as_deref()
            } else {
                scopes.write.as_deref()
            }
        });
        if scope.is_some_and(|scope| !caller.has_scope(scope)) {
            return Err(answer::problem(
                StatusCode::FORBIDDEN,
                "Insufficient scope",
                "The token lacks the app's scope",
            )
            .into());
        }
        Ok(Self {
            world,
            app,
            caller,
            headers,
        })
    }

    fn permits(&self, action: &str) -> bool {
        self.world.permits(&self.app, &self.caller, action)
    }

    /// The app's own check of a policy: a denial has an empty body.
    fn require(&self, action: &str) -> Result<(), Refusal> {
        if self.permits(action) {
            Ok(())
        } else {
            Err(answer::empty(StatusCode::FORBIDDEN).into())
        }
    }

    /// An instance of this app, as Storage tells the app.
    fn instance(&self, party: &str, guid: &str) -> Option<Instance> {
        let instance = self.world.store.get(guid.parse::<Uuid>().ok()?)?;
        (instance.app_id == self.app.id && instance.owner.party_id.to_string() == party)
            .then_some(instance)
    }

    fn view(&self, instance: &Instance) -> Value {
        self.world.app_view(instance, &self.headers)
    }

    fn engine(&self) -> Engine<'_> {
        Engine {
            world: &self.world,
            app: &self.app,
        }
    }
}
