//! Two bursts of triggers: for a B that handles five creations at a time and also rejects one in ten, and for a healthy B
//! beside one that hangs.
//!
//! `cargo bench --profile dev -p tests --bench burst -- 10000`; the second burst has a fifth of that many relays.
//!
//! The functions run in this process on a movable clock, so that waiting takes no real time: the story's clock
//! gives the duration, the real clock the processing time.
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use local_altinn::{CallFault, CreationStep, Fault, Stage};
use testbed::wire::{Action, Gate, On};
use tests::{CASEWORK, ROUTE, Story, app, permit_alone, permit_route, posts, routes, stamp};

/// The app of the other B.
const SECOND: &str = "ttd/second";

const TRIGGERS: usize = 10_000;
const AT_A_TIME: usize = 5;
const RETRY_AFTER_S: u64 = 1;
const TURNED_AWAY: f64 = 0.1;
/// The minimum time that B takes for a creation.
const WORK: Duration = Duration::from_millis(20);
const SEED: u64 = 0x5EED;
const STEP: Duration = Duration::from_secs(5);
/// The longest that the burst may take.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

#[tokio::main]
async fn main() {
    let count = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count = count.unwrap_or(TRIGGERS);
    limited(count).await;
    println!(
        "{} relays, half of them of another B, each from the sending of its message to its end:",
        count / 5
    );
    beside_another("answers", Other::Answers, count / 5).await;
    beside_another("hangs", Other::Hangs, count / 5).await;
}

/// A burst for a B that handles a few creations at a time and also rejects some.
async fn limited(count: usize) {
    let mut plan = permit_alone();
    // What waits for long has no message until reconcile sends one.
    plan.schedule = true;
    let story = Story::begin(plan).await;
    let faults = story.altinn.faults();
    faults.limit_creations(CASEWORK, AT_A_TIME, RETRY_AFTER_S);
    faults.disturb_creations(TURNED_AWAY, SEED);
    faults.always(
        Some(CASEWORK),
        Fault::at(CreationStep::Instance, CallFault::Delayed(WORK)),
    );
    let all: Vec<String> = (0..count).map(|_| story.fill_in(Stage::Ended)).collect();

    let clock = story.altinn.clock();
    let (began, began_at) = (Instant::now(), clock.now());
    story
        .send(all.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    loop {
        story.rest().await.expect("the deployment comes to rest");
        let (messages, _) = story.aws.outlook(&story.aws.resources().queue).await;
        let is_over = messages == 0 && all_are_closed(&states(&story).await);
        if is_over || clock.now().duration_since(began_at) > LONGEST {
            break;
        }
        story.pass(STEP).await.expect("time passes");
    }
    let (worked, passed) = (began.elapsed(), clock.now().duration_since(began_at));

    let states = states(&story).await;
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for creation in story.altinn.creations() {
        if let Some(stamp) = creation.data_values.get("stafett.relay") {
            *made.entry(stamp.clone()).or_default() += 1;
        }
    }
    let made_once = all
        .iter()
        .filter(|a| made.get(&stamp(ROUTE, a)) == Some(&1));
    let doubled = made.values().filter(|count| **count > 1).count();
    let delivered = story.mapping.delivered();
    println!(
        "{count} triggers in a burst; B takes {AT_A_TIME} at a time and turns away one in ten:"
    );
    println!("  relays by state      {states:?}");
    println!("  with exactly one B   {}", made_once.count());
    println!("  doubled              {doubled}");
    println!("  dead-lettered        {}", story.dead_letters_now().await);
    println!(
        "  requests to make a B {}",
        story.altinn_wire.journal().count(&posts())
    );
    println!(
        "  messages received    {}",
        delivered.deleted + delivered.left
    );
    println!(
        "  seconds              {:.0} by the clock, {:.0} of them worked",
        passed.as_secs_f64(),
        worked.as_secs_f64()
    );
    story.end().await;
}

/// How the other B behaves.
#[derive(Clone, Copy, PartialEq)]
enum Other {
    Answers,
    /// It takes requests, and does not answer until the healthy B's relays are done.
    Hangs,
}

/// A burst for a healthy B and for another one, half of the relays each. Prints how long the healthy B's relays took.
async fn beside_another(what: &str, other: Other, count: usize) {
    let second = permit_route()
        .replace(ROUTE, "permit-to-second")
        .replace(CASEWORK, SECOND);
    let folder = routes([(ROUTE, permit_route()), ("permit-to-second", second)]);
    let story = Story::on(&folder).await;
    let second_app = app(CASEWORK, |metadata| metadata["id"] = SECOND.into());
    story.altinn.deploy(second_app);
    let gate = Gate::default();
    if other == Other::Hangs {
        let posts = On::request(Method::POST, "^/ttd/second/instances$");
        let faults = story.altinn_wire.faults();
        faults.add(posts, Action::HoldBefore(gate.clone()));
    }
    let all: Vec<String> = (0..count / 2)
        .map(|_| story.fill_in(Stage::Ended))
        .collect();
    let clock = story.altinn.clock();
    let began = clock.now();
    let messages = all
        .iter()
        .flat_map(|a| [ROUTE, "permit-to-second"].map(|route| Story::message(route, a)));
    story.send(messages).await;
    let mut took;
    loop {
        took = times(&story, began).await;
        if took.len() == all.len() || clock.now().duration_since(began) > LONGEST {
            break;
        }
        // While a request hangs the deployment does not come to rest, and time passes by itself.
        if story.rest().await.is_ok() {
            story.pass(STEP).await.ok();
        }
    }
    took.sort_unstable();
    let percentile = |of: usize| {
        let last = took.len().saturating_sub(1);
        took.get(last * of / 100).copied().unwrap_or_default()
    };
    println!(
        "  the other {what:8} {} of {} done, p50 {:.1} s, p99 {:.1} s",
        took.len(),
        all.len(),
        percentile(50) as f64 / 1000.0,
        percentile(99) as f64 / 1000.0,
    );
    gate.open();
    story.end().await;
}

/// After how many milliseconds each relay of the healthy B was done.
async fn times(story: &Story, began: Timestamp) -> Vec<i64> {
    let mut items = story
        .dynamodb()
        .scan()
        .table_name(&story.aws.resources().table)
        .filter_expression("sk = :route AND #state = :done")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":route", AttributeValue::S(ROUTE.to_owned()))
        .expression_attribute_values(":done", AttributeValue::S("done".to_owned()))
        .into_paginator()
        .items()
        .send();
    let mut times = Vec::new();
    while let Some(item) = items.next().await {
        let item = item.expect("DynamoDB answers");
        let updated = item["updated"]
            .as_n()
            .ok()
            .and_then(|it| it.parse::<i64>().ok());
        times.extend(updated.map(|updated| updated - began.as_millisecond()));
    }
    times
}

fn all_are_closed(states: &BTreeMap<String, usize>) -> bool {
    states
        .keys()
        .all(|state| matches!(state.as_str(), "done" | "failed"))
}

/// The number of relays in each state of the ledger.
async fn states(story: &Story) -> BTreeMap<String, usize> {
    let mut items = story
        .dynamodb()
        .scan()
        .table_name(&story.aws.resources().table)
        .projection_expression("#state")
        .expression_attribute_names("#state", "state")
        .into_paginator()
        .items()
        .send();
    let mut states = BTreeMap::new();
    while let Some(item) = items.next().await {
        let item = item.expect("DynamoDB answers");
        // The notes have none.
        if let Some(Ok(state)) = item.get("state").map(AttributeValue::as_s) {
            *states.entry(state.clone()).or_default() += 1;
        }
    }
    states
}
