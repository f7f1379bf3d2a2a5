//! Delivery to webhooks: parallel, unordered, tried again for a day and a half.
//!
//! Altinn/altinn-events: src/Events/Services/WebhookService.cs, with the pauses that were measured of its
//! Service Bus sender.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::header;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::subscriptions::Subscription;
use super::{Lookup, app_of_resource};
use crate::altinn::world::World;

/// Seconds before each further attempt, 34.8 hours together; then the event goes to a queue that nobody replays.
const RETRIES: [u64; 11] = [
    10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200,
];
/// The same for the validation of an address, 8 min 46 s together.
const VALIDATION_RETRIES: [u64; 7] = [1, 5, 10, 30, 60, 120, 300];

/// Sends an event to everyone who subscribed to it.
pub(super) fn deliver(world: &Arc<World>, event: &Value, at: Timestamp) {
    for subscription in look_up(world, event, at) {
        // Each event is authorized per subscriber, and a denial drops it silently.
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

/// The subscriptions for an event, from memory where the same was looked up lately.
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

/// A delivery that has not been tried yet; dropped when it has.
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

/// Posts until the endpoint accepts, with a pause of so many seconds before each further attempt; whether it did.
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

/// When a pause of so many seconds is over.
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

/// Calls the endpoint of a new subscription; only a 2xx validates it.
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
