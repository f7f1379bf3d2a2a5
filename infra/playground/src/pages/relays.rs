//! Relays as they happen.

mod timeline;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use minijinja::{Value as Shown, context};

use crate::{Site, visit::Visit};
use local_world::timeline::{Delivery, Journey};

use super::{party_name, title};

/// So many relays are listed.
const LISTED: usize = 100;

pub(super) async fn all(State(site): State<Site>, visit: Visit) -> Response {
    let content = context! { relays => latest(&site, LISTED) };
    site.page(&visit, "relays.html", content)
}

/// The relays of one A instance.
pub(super) async fn one(
    State(site): State<Site>,
    visit: Visit,
    Path((party, guid)): Path<(String, String)>,
) -> Response {
    let instance = format!("{party}/{guid}");
    let journey = site.timeline.journey(&instance);
    let app = site.deployment.altinn.app_of(&instance);
    if journey.is_none() && app.is_none() {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-instance");
    }
    let deliveries = match &journey {
        Some(journey) => timeline::deliveries(&site, journey),
        None => Vec::new(),
    };
    let mut relays: Vec<&str> = Vec::new();
    for delivery in journey.iter().flat_map(|it| &it.deliveries) {
        if !relays.contains(&delivery.relay.as_str()) {
            relays.push(&delivery.relay);
        }
    }
    let mut records = Vec::new();
    for relay in relays {
        records.push(record(&site, &instance, relay).await);
    }
    let told: Vec<Shown> = journey
        .iter()
        .flat_map(|it| &it.told)
        .map(|told| {
            let at = told.at.strftime("%H:%M:%S").to_string();
            context! { at, cause => told.cause.clone(), status => told.status, ms => milliseconds(told.ms) }
        })
        .collect();
    let content = context! {
        instance => instance.as_str(),
        party => party.as_str(),
        party_name => party_name(&site, &party),
        title => app.as_deref().map(|app| title(&site, &visit, app)),
        app,
        exists => site.deployment.altinn.instance(&instance).is_some(),
        told,
        records,
        deliveries,
        cost => journey.map(|it| context! { tries => it.cost.tries, calls => it.cost.calls, ms => it.cost.ms }),
    };
    site.page(&visit, "relay.html", content)
}

/// What the ledger has of a relay.
async fn record(site: &Site, instance: &str, relay: &str) -> Shown {
    let mut parts = relay.split(':');
    let route = parts.next().unwrap_or_default();
    let key = match parts.nth(1) {
        Some(digest) => format!("{route}#{digest}"),
        None => route.to_owned(),
    };
    let item = site.deployment.ledger_item(instance, &key).await;
    let item = item.unwrap_or_default();
    let state = item["state"].as_str().unwrap_or("none");
    context! {
        relay,
        route,
        state => badge(state),
        reason => item["reason"].as_str(),
        detail => item["detail"].as_str(),
        attempts => item["attempts"].as_u64(),
        b => item["instance"].as_str(),
    }
}

/// A state with the key of its name, and how it looks.
fn badge(state: &str) -> Shown {
    let (key, look) = match state {
        "done" => ("relay-done", "good"),
        "created" => ("relay-created", "wait"),
        "claimed" => ("relay-claimed", "wait"),
        "waiting" => ("relay-waiting", "wait"),
        "failed" => ("relay-failed", "bad"),
        "cut" => ("relay-cut", "bad"),
        "working" => ("relay-working", "wait"),
        "told" => ("relay-told", "wait"),
        _ => ("relay-none", "plain"),
    };
    context! { key, look, state }
}

/// The relays that were seen last.
pub(super) fn latest(site: &Site, count: usize) -> Vec<Shown> {
    let journeys = site.timeline.latest(count);
    // The timeline is that of the process, which may play more than one deployment.
    let here = journeys
        .iter()
        .filter(|it| site.deployment.altinn.app_of(&it.instance).is_some());
    here.map(|journey| line(site, journey)).collect()
}

fn line(site: &Site, journey: &Journey) -> Shown {
    let party = journey.instance.split('/').next().unwrap_or_default();
    let last = journey.deliveries.back();
    let outcome = last.and_then(|it| it.outcome.as_ref());
    context! {
        instance => journey.instance.clone(),
        guid => guid(&journey.instance),
        who => party_name(site, party),
        app => site.deployment.altinn.app_of(&journey.instance),
        route => last.map(|it| it.route.as_str()),
        state => badge(last.map_or("told", standing)),
        reason => outcome.and_then(|it| it.reason.as_deref()),
        b => outcome.and_then(|it| it.b.as_deref()),
        b_guid => outcome.and_then(|it| it.b.as_deref()).map(guid),
        tries => journey.cost.tries,
        ms => journey.cost.ms,
        calls => journey.cost.calls,
    }
}

fn guid(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// What a delivery has come to.
fn standing(delivery: &Delivery) -> &str {
    match &delivery.outcome {
        Some(outcome) => &outcome.state,
        None if delivery.is_cut_short() => "cut",
        None => "working",
    }
}

/// Milliseconds as they are shown: whole ones.
fn milliseconds(ms: f64) -> String {
    format!("{ms:.0}")
}
