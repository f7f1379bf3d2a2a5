//! The API that every Altinn app has, at `/{org}/{app}`, as far as Stafett calls it.

mod calls;
mod create;
mod creation;
mod data;
mod engine;
mod form;
mod instances;
mod instantiation;
mod metadata;
mod owner;
mod parts;
mod process;
mod template;
mod upload;
mod validation;
mod workflow;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Refusal};
use super::app::{AppDefinition, Decision};
use super::faults::Fault;
use super::instance::Instance;
use super::token::Caller;
use super::world::World;

pub(crate) use engine::{Actor, Engine, PROCESS_COMPLETED, StepError, moved_to};
pub(crate) use form::store_form;
pub(crate) use instances::mark_deleted;
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
        .merge(metadata::routes())
        .layer(middleware::from_fn(answer::constrain_ids))
        .layer(middleware::from_fn(app_headers))
}

/// Every answer of an app carries these, but for an exception's.
async fn app_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions().get::<answer::Unhandled>().is_some() {
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

    fn strikes(&self, fault: &Fault) -> bool {
        self.world.faults.strikes(Some(&self.app.id), fault)
    }

    /// Whether the policy permits the action on an instance of the party `owner`.
    fn permits(&self, owner: u32, action: &str) -> bool {
        self.world
            .permits_on(&self.app, &self.caller, owner, action)
    }

    /// What an `[Authorize]` attribute answers: a denial has an empty body, and a decision point that cannot be reached is an exception
    /// (measured, tests/recorded/down-pdp-complete.json).
    fn authorize(&self, owner: u32, action: &str) -> Result<(), Refusal> {
        match self.world.decide(&self.app, &self.caller, owner, action) {
            Decision::Permit => Ok(()),
            Decision::Deny | Decision::LevelTooLow(_) => {
                Err(answer::empty(StatusCode::FORBIDDEN).into())
            }
            Decision::None => Err(self
                .exception("System.InvalidOperationException: PDP returned null-response")
                .into()),
        }
    }

    /// What a controller answers that asks itself: a denial has problem details, also where the decision point cannot be reached, and an
    /// obligation is told (measured, tests/recorded/create-low-level.json and down-pdp-create.json).
    fn require(&self, owner: u32, action: &str) -> Result<(), Refusal> {
        match self.world.decide(&self.app, &self.caller, owner, action) {
            Decision::Permit => Ok(()),
            Decision::Deny | Decision::None => {
                Err(answer::client_error(StatusCode::FORBIDDEN).into())
            }
            Decision::LevelTooLow(level) => Err(answer::json_value(
                StatusCode::FORBIDDEN,
                &json!({ "RequiredAuthenticationLevel": level.to_string() }),
            )
            .into()),
        }
    }

    /// An exception that nothing in the app catches.
    fn exception(&self, exception: impl Into<String>) -> Response {
        answer::unhandled(self.app.settings.production, exception)
    }

    /// An instance of this app, as Storage tells the app: the party of the path is not checked
    /// (measured, tests/recorded/app-instance-wrong-party.json).
    fn instance(&self, guid: &str) -> Option<Instance> {
        let instance = self.world.store.get(guid.parse::<Uuid>().ok()?)?;
        (instance.app_id == self.app.id).then_some(instance)
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
