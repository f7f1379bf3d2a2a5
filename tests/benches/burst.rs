//! A burst of triggers for a B that takes five creations at a time and turns away one in ten besides.
//!
//! `cargo bench --profile dev -p tests --bench burst -- 10000`
//!
//! The functions run in this process, so that waiting costs nothing: the time by the clock is what it would
//! have taken, the time of the machine what was worked.
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use local_altinn::{CallFault, CreationStep, Fault, Stage};
use tests::{CASEWORK, ROUTE, Story, posts, stamp};

const TRIGGERS: usize = 10_000;
const AT_A_TIME: usize = 5;
const RETRY_AFTER_S: u64 = 1;
const TURNED_AWAY: f64 = 0.1;
/// What B works on a creation at the least.
const WORK: Duration = Duration::from_millis(20);
const SEED: u64 = 0x5EED;
const STEP: Duration = Duration::from_secs(5);
/// Nothing is to wait longer than a night.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

#[tokio::main]
async fn main() {
    let count = std::env::args().skip(1).find_map(|it| it.parse().ok());
    let count = count.unwrap_or(TRIGGERS);
    let story = Story::of_the_permit().await;
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
        story.rest().await.expect("it comes to rest");
        let (open, _) = story.aws.outlook(&story.aws.resources().queue).await;
        if open == 0 || clock.now().duration_since(began_at) > LONGEST {
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

/// How many relays the ledger has in each state.
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
        let state = item["state"].as_s().cloned().unwrap_or_default();
        *states.entry(state).or_default() += 1;
    }
    states
}
