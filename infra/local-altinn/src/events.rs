//! Events, at `/events/api/v1`: subscriptions and delivery.
//!
//! What Stafett calls and gets called by is here. Polling, and publishing over HTTP as the apps' own library
//! does, are not: neither Stafett nor an app in the playground gets there. The times are those of the Service
//! Bus sender of Altinn/altinn-events (d7232ac8, src/Events/), which gives up sooner than the older
//! one of src/Events.Functions/: that one waits 300 s, and tries for 46.8 hours.

mod delivery;
mod subscriptions;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::app::AppDefinition;
use super::faults::Fault;
use super::instance::Instance;
use super::world::World;
use subscriptions::Subscription;

/// How Events keeps time. The defaults are the real ones.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// How long subscription lookups are remembered: a new subscription may miss events, a deleted one may still get them.
    pub subscription_cache: Duration,
    /// Factor on every pause before another attempt to deliver or to validate. Both schedules follow the clock.
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
            subscription_cache: Duration::from_secs(3600),
            retry_scale: 1.0,
            timeout: Duration::from_secs(45),
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
    log: Vec<Value>,
    subscriptions: BTreeMap<i64, Subscription>,
    last_subscription: i64,
    lookups: HashMap<LookupKey, Lookup>,
    /// When each failed delivery or validation is tried again.
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

pub(crate) fn routes() -> Router<Arc<World>> {
    subscriptions::routes()
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
        self.lock().log.clone()
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

    /// Gives an event its id and time, keeps it, and delivers it.
    fn register_event(self: &Arc<Self>, event: Value) {
        let at = self.clock.now();
        let mut registered = json!({ "id": Uuid::new_v4() });
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
        self.events.lock().log.push(registered.clone());
        delivery::deliver(self, &registered, at);
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
