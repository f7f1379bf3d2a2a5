//! A request to an app, after its app and its caller were found.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::engine::Engine;
use crate::app::{AppDefinition, Decision};
use crate::faults::Fault;
use crate::instance::Instance;
use crate::responses::{self, Refusal};
use crate::token::Caller;
use crate::world::World;

/// A request to an app by a known caller.
#[derive(Clone)]
pub(super) struct AppRequest {
    pub(super) world: Arc<World>,
    pub(super) app: Arc<AppDefinition>,
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
}

impl AppRequest {
    pub(super) fn new(
        world: Arc<World>,
        org: &str,
        app: &str,
        method: &Method,
        headers: HeaderMap,
    ) -> Result<Self, Refusal> {
        let app = world
            .app(org, app)
            .ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
        let caller = world.caller(&headers)?;
        let scope = app.metadata.api_scopes.as_ref().and_then(|scopes| {
            if *method == Method::GET {
                scopes.read.as_deref()
            } else {
                scopes.write.as_deref()
            }
        });
        if scope.is_some_and(|scope| !caller.has_scope(scope)) {
            return Err(responses::problem(
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

    pub(super) fn strikes(&self, fault: &Fault) -> bool {
        self.world.faults.strikes(Some(&self.app.id), fault)
    }

    /// Whether the policy permits the action on an instance of the party `owner`.
    pub(super) fn permits(&self, owner: u32, action: &str) -> bool {
        self.world
            .permits_on(&self.app, &self.caller, owner, action)
    }

    /// Authorizes as an `[Authorize]` attribute does: a denial has an empty body, and an unreachable decision point is an exception
    /// (measured, tests/recorded/down-pdp-complete.json).
    pub(super) fn authorize(&self, owner: u32, action: &str) -> Result<(), Refusal> {
        match self.world.decide(&self.app, &self.caller, owner, action) {
            Decision::Permit => Ok(()),
            Decision::Deny | Decision::LevelTooLow(_) => {
                Err(responses::empty(StatusCode::FORBIDDEN).into())
            }
            Decision::Unavailable => Err(self
                .exception("System.InvalidOperationException: PDP returned null-response")
                .into()),
        }
    }

    /// Authorizes as a controller does that asks the decision point itself: a denial has problem details, an unreachable decision point
    /// counts as a denial, and an obligation is named in the body (measured, tests/recorded/create-low-level.json and
    /// down-pdp-create.json).
    pub(super) fn require(&self, owner: u32, action: &str) -> Result<(), Refusal> {
        match self.world.decide(&self.app, &self.caller, owner, action) {
            Decision::Permit => Ok(()),
            Decision::Deny | Decision::Unavailable => {
                Err(responses::client_error(StatusCode::FORBIDDEN).into())
            }
            Decision::LevelTooLow(level) => Err(responses::json_value(
                StatusCode::FORBIDDEN,
                &json!({ "RequiredAuthenticationLevel": level.to_string() }),
            )
            .into()),
        }
    }

    /// The response to an unhandled exception in the app.
    pub(super) fn exception(&self, exception: impl Into<String>) -> Response {
        responses::unhandled(self.app.settings.production, exception)
    }

    /// An instance of this app. The party of the path is not checked
    /// (measured, tests/recorded/app-instance-wrong-party.json).
    pub(super) fn instance(&self, guid: &str) -> Option<Instance> {
        let instance = self.world.store.get(guid.parse::<Uuid>().ok()?)?;
        (instance.app_id == self.app.id).then_some(instance)
    }

    pub(super) fn view(&self, instance: &Instance) -> Value {
        self.world.app_view(instance, &self.headers)
    }

    pub(super) fn engine(&self) -> Engine<'_> {
        Engine {
            world: &self.world,
            app: &self.app,
        }
    }
}
