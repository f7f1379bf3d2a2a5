//! Delivery to webhooks: concurrent, in no order, retried for a day and a half.
//!
//! Altinn/altinn-events: src/Events/Services/WebhookService.cs. The pauses of its Service Bus sender were measured.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::app_of_resource;
use crate::world::World;
use crate::world::events::{Lookup, Subscription};

/// The pause before each retry in seconds, 34.8 hours in total. After that, the event goes to a dead-letter queue that nobody reads.
const RETRIES: [u64; 11] = [
    10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200,
];
/// The pause before each retry of the validation of an endpoint in seconds, 8 min 46 s in total.
const VALIDATION_RETRIES: [u64; 7] = [1, 5, 10, 30, 60, 120, 300];

/// Delivers an event to all its subscribers.
pub(super) fn deliver(world: &Arc<World>, event: &Value, at: Timestamp) {
    for subscription in look_up(world, event, at) {
        // Each subscriber is authorized for each event. If it is denied, the event is silently dropped.
        let resource = event["resource"].as_str().unwrap_or_default();
        let denied = app_of_resource(world, resource)
            .is_some_and(|app| !app.permits(Some(&subscription.consumer), "read"));
        if denied {
            continue;
        }
        let end_point = subscription.request.end_point;
        let body = body_for(&end_point, event);
        let untried = Untried::new(world);
        tokio::spawn(keep_trying(Arc::clone(world), end_point, body, untried));
    }
}

/// The subscriptions for an event. Uses the cache if the same lookup was made recently.
fn look_up(world: &World, event: &Value, at: Timestamp) -> Vec<Subscription> {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let key = (text("resource"), text("subject"), text("type"));
    let mut memory = world.events.lock();
    if let Some(lookup) = memory.lookups.get(&key).filter(|lookup| lookup.until > at) {
        return lookup.subscriptions.clone();
    }
    let subscriptions: Vec<Subscription> = memory
        .subscriptions
        .values()
        .filter(|subscription| subscription.validated && subscription.takes(event))
        .cloned()
        .collect();
    let cache = SignedDuration::try_from(world.events.settings.subscription_cache)
        .unwrap_or(SignedDuration::MAX);
    let until = at.checked_add(cache).unwrap_or(Timestamp::MAX);
    memory.lookups.insert(
        key,
        Lookup {
            until,
            subscriptions: subscriptions.clone(),
        },
    );
    subscriptions
}

fn body_for(end_point: &str, event: &Value) -> String {
    if end_point.contains("hooks.slack.com") {
        json!({ "text": event.to_string() }).to_string()
    } else {
        event.to_string()
    }
}

/// Counts a delivery as not yet attempted, until it is dropped.
struct Untried(Arc<World>);

impl Untried {
    fn new(world: &Arc<World>) -> Self {
        world.events.lock().untried += 1;
        Self(Arc::clone(world))
    }
}

impl Drop for Untried {
    fn drop(&mut self) {
        self.0.events.lock().untried -= 1;
    }
}

async fn keep_trying(world: Arc<World>, end_point: String, body: String, untried: Untried) {
    let mut stopped = world.events.stopped.clone();
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = attempt_all(&world, &end_point, &body, untried) => {}
    }
}

async fn attempt_all(world: &World, end_point: &str, body: &str, untried: Untried) {
    let share = world
        .rng
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .f64();
    tokio::time::sleep(world.events.settings.disorder.mul_f64(share)).await;
    if !attempt(world, end_point, body, &RETRIES, Some(untried)).await {
        tracing::warn!(
            attempts = RETRIES.len() + 1,
            "an event was given up: no attempt to deliver it succeeded"
        );
    }
}

/// Posts an event until the endpoint accepts it. `pauses` are the seconds before each retry. Returns whether the event was accepted.
async fn attempt(
    world: &World,
    end_point: &str,
    body: &str,
    pauses: &[u64],
    mut untried: Option<Untried>,
) -> bool {
    let delivery = Uuid::new_v4();
    for pause in pauses.iter().map(Some).chain([None]) {
        let arrived = post(world, end_point, body).await;
        world.events.lock().due.remove(&delivery);
        drop(untried.take());
        if arrived {
            return true;
        }
        if let Some(seconds) = pause {
            let at = later(world, *seconds);
            world.events.lock().due.insert(delivery, at);
            world.clock.wait_until(at).await;
        }
    }
    false
}

/// When a pause that starts now ends.
fn later(world: &World, seconds: u64) -> Timestamp {
    let pause = Duration::from_secs(seconds).mul_f64(world.events.settings.retry_scale.max(0.0));
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    let at = world.clock.now().checked_add(pause);
    at.unwrap_or(Timestamp::MAX)
}

async fn post(world: &World, end_point: &str, body: &str) -> bool {
    let request = world
        .events
        .client
        .post(end_point)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.to_owned());
    request
        .send()
        .await
        .is_ok_and(|response| response.status().is_success())
}

/// Calls the endpoint of a new subscription. A 2xx response validates the subscription.
pub(super) fn validate(world: &Arc<World>, subscription: &Subscription) {
    let world = Arc::clone(world);
    let (id, end_point) = (subscription.id, subscription.request.end_point.clone());
    let event = json!({
        "id": Uuid::new_v4(), "source": format!("{}/events/api/v1/subscriptions/{id}", world.public_url), "specversion": "1.0",
        "type": "platform.events.validatesubscription",
    });
    tokio::spawn(async move {
        let mut stopped = world.events.stopped.clone();
        let body = body_for(&end_point, &event);
        let attempts = async {
            if attempt(&world, &end_point, &body, &VALIDATION_RETRIES, None).await
                && let Some(subscription) = world.events.lock().subscriptions.get_mut(&id)
            {
                subscription.validated = true;
            }
        };
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = attempts => {}
        }
    });
}
