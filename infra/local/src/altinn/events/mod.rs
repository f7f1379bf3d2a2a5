//! Events, at `/events/api/v1`: the log, subscriptions, delivery and polling.
//!
//! Source of the rules: Altinn/altinn-events: src/Events/, src/Events.Functions/.

mod delivery;
mod polling;
mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::{self, Answer};
use super::app::AppDefinition;
use super::faults::Fault;
use super::instance::Instance;
use super::token::Caller;
use super::world::World;
use subscriptions::Subscription;

/// Events are kept this long.
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How Events keeps time. The defaults are the real ones.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// From the registration of an event to its appearance in polls.
    pub visibility: Duration,
    /// How long subscription lookups are remembered: a new subscription may miss events, a deleted one may still get them.
    pub subscription_cache: Duration,
    /// Factor on every step of the delivery schedule (10 s, 30 s, 1 min, …). The schedule follows the clock.
    pub retry_scale: f64,
    /// How long a delivery waits for its answer.
    pub timeout: Duration,
    /// Deliveries start up to this much later than they could, each by chance, so that nothing is in order.
    pub disorder: Duration,
    /// Whether `http://127.0.0.1` is accepted as an endpoint. The real one takes https only.
    pub allow_local_http: bool,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(30),
            subscription_cache: Duration::from_secs(3600),
            retry_scale: 1.0,
            timeout: Duration::from_secs(300),
            disorder: Duration::from_millis(20),
            allow_local_http: true,
        }
    }
}

pub(crate) struct Events {
    settings: EventSettings,
    state: Mutex<Memory>,
    client: reqwest::Client,
    /// Turns true when the server stops.
    stopped: watch::Receiver<bool>,
}

#[derive(Default)]
struct Memory {
    log: Vec<Registered>,
    subscriptions: BTreeMap<i64, Subscription>,
    last_subscription: i64,
    lookups: HashMap<LookupKey, Lookup>,
    /// When each failed delivery is tried again.
    due: HashMap<Uuid, Timestamp>,
    /// Deliveries that have not been tried yet.
    untried: usize,
}

/// Resource, subject and type of an event: what a subscription lookup is remembered by.
type LookupKey = (String, String, String);

struct Lookup {
    until: Timestamp,
    subscriptions: Vec<Subscription>,
}

#[derive(Clone)]
struct Registered {
    event: Value,
    at: Timestamp,
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/events/api/v1/app", post(register))
        .merge(subscriptions::routes())
        .merge(polling::routes())
}

impl Events {
    pub(crate) fn new(
        settings: EventSettings,
        stopped: watch::Receiver<bool>,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .build()?;
        Ok(Self {
            settings,
            state: Mutex::default(),
            client,
            stopped,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next failed delivery is tried again.
    pub(crate) fn next_delivery(&self) -> Option<Timestamp> {
        self.lock().due.values().min().copied()
    }

    /// Whether a delivery is under way, or is to be tried again at `now` or before.
    pub(crate) fn is_delivering(&self, now: Timestamp) -> bool {
        let memory = self.lock();
        memory.untried > 0 || memory.due.values().any(|at| *at <= now)
    }

    /// Every event registered so far, oldest first.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.lock()
            .log
            .iter()
            .map(|registered| registered.event.clone())
            .collect()
    }
}

impl World {
    /// Publishes an event as an app does: after the state is saved, and a failure is only logged.
    pub(crate) fn publish(self: &Arc<Self>, app: &AppDefinition, instance: &Instance, kind: &str) {
        if !app.publishes_events() || self.faults.strikes(Some(&app.id), &Fault::EventsOff) {
            return;
        }
        if self.faults.strikes(Some(&app.id), &Fault::EventLost) {
            tracing::warn!(app = %app.id, event.kind = kind, "an app could not publish an event");
            return;
        }
        let owner = &instance.owner;
        let alternative = match (&owner.organisation_number, &owner.person_number) {
            (Some(number), _) => Some(format!("/org/{number}")),
            (None, Some(number)) => Some(format!("/person/{number}")),
            (None, None) => None,
        };
        let id = instance.id();
        let event = json!({
            "source": format!("https://{}.apps.{}/{}/instances/{id}", app.org, self.domain, app.id), "specversion": "1.0", "type": kind,
            "subject": format!("/party/{}", owner.party_id), "alternativesubject": alternative,
            "resource": resource_of(&app.id), "resourceinstance": id,
        });
        self.register_event(event);
    }

    /// Gives an event its id and time, keeps it, and delivers it. Returns the id.
    fn register_event(self: &Arc<Self>, event: Value) -> String {
        let at = self.clock.now();
        let id = Uuid::new_v4().to_string();
        let mut registered = json!({ "id": id });
        for name in [
            "source",
            "specversion",
            "type",
            "subject",
            "alternativesubject",
            "resource",
            "resourceinstance",
        ] {
            if !event[name].is_null() {
                registered[name] = event[name].clone();
            }
        }
        registered["time"] = json!(at);
        self.events.lock().log.push(Registered {
            event: registered.clone(),
            at,
        });
        delivery::deliver(self, &registered, at);
        id
    }
}

/// The resource of an app's events.
fn resource_of(app_id: &str) -> String {
    format!("urn:altinn:resource:app_{}", app_id.replace('/', "_"))
}

/// The app that a resource stands for.
fn app_of_resource(world: &World, resource: &str) -> Option<Arc<AppDefinition>> {
    world
        .apps
        .values()
        .find(|app| resource_of(app.id()) == resource)
        .map(|app| Arc::clone(&app.0))
}

/// Registration of an app's event over HTTP.
async fn register(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Answer {
    Caller::of(&world, &headers)?;
    let refuse = |text: &str| answer::text(StatusCode::BAD_REQUEST, text);
    let mut event: Value =
        serde_json::from_slice(&body).map_err(|_| refuse("The body is not JSON"))?;
    let has = |name: &str| event[name].as_str().is_some_and(|text| !text.is_empty());
    if !["source", "specversion", "type", "subject"]
        .into_iter()
        .all(has)
    {
        return Err(refuse(
            "Missing parameter values: source, specversion, type and subject must be set",
        )
        .into());
    }
    if event["resource"].is_null() {
        let path = event["source"]
            .as_str()
            .and_then(|source| source.split_once("://"))
            .map(|(_, rest)| rest.split('/'));
        let mut path = path.into_iter().flatten().skip(1);
        if let (Some(org), Some(app)) = (path.next(), path.next()) {
            event["resource"] = json!(resource_of(&format!("{org}/{app}")));
        }
    }
    let id = world.register_event(event);
    Ok(answer::json_value(StatusCode::CREATED, &json!(id)))
}
