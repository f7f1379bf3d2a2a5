//! Events, at `/events/api/v1`: subscriptions and delivery.
//!
//! There is no polling and no publishing over HTTP, because neither Stafett nor the apps here use them. The times are those of the
//! Service Bus sender of Altinn/altinn-events (d7232ac8, src/Events/). The older sender of src/Events.Functions/ waits 300 s for an
//! answer and retries for 46.8 hours.

mod delivery;
mod subscriptions;

use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::AppDefinition;
use crate::faults::Fault;
use crate::instance::Instance;
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    subscriptions::routes()
}

impl World {
    /// Publishes an event as an app does: after the instance was saved, and a failure is only logged.
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

    /// Gives an event its id and time, records it, and delivers it.
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

/// The resource in the events of an app.
fn resource_of(app_id: &str) -> String {
    format!("urn:altinn:resource:app_{}", app_id.replace('/', "_"))
}

/// The app with this resource.
fn app_of_resource(world: &World, resource: &str) -> Option<Arc<AppDefinition>> {
    let mut apps = world.apps().into_iter();
    apps.find(|app| resource_of(app.id()) == resource)
        .map(|app| app.0)
}
