//! Storage's own last-changed column lags behind the document's time: an instance that a window misses is still found,
//! and only once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use local_altinn::Stage;
use serde_json::{Value, json};
use stafett_core::relay::{Holder, Record, RelayId, State};
use stafett_runtime::{
    ledger::{Ledger, Put},
    settings::{Environment, LedgerSettings},
};
use tests::{ROUTE, Story, permit_route};
use uuid::Uuid;

use super::{
    GRACE, HOUR, MINUTE, Observed, PLENTY, ago, old_permit, route_with, story_of_pages, story_with,
};

const DAY: Duration = Duration::from_secs(86_400);
/// The number of A in a long list, unless `STAFETT_STORIES_MANY` sets another. A run with 100,000 takes
/// an hour.
const MANY: usize = 2_000;

fn many() -> usize {
    let named = std::env::var("STAFETT_STORIES_MANY").ok();
    named.map_or(MANY, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn an_instance_that_fell_behind_the_last_window_is_found_within_the_hour() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["finished"], true);
    story.pass(HOUR).await.expect("time passes");
    let a = story.fill_in(Stage::Ended);
    assert!(story.altinn.drift(&a, 30 * HOUR));
    story.pass(GRACE).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["trouble"]),
        (&json!(1), &Value::Null),
        "{report}"
    );
    assert_eq!(observed.enqueued().await, [a]);
    // Nothing consumes the message.
    for _ in 0..3 {
        story.pass(HOUR).await.expect("time passes");
        assert_eq!(observed.run().await["missing"], 0);
    }
    // It is on record as told, and is enqueued again while nobody works on it; it is not missing.
    story.pass(HOUR).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["due"]["told"]),
        (&json!(0), &json!(1)),
        "{report}"
    );
}

#[tokio::test]
async fn the_second_list_skips_instances_that_the_first_has_enqueued() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let permits: BTreeSet<String> = (0..20).map(|_| story.fill_in(Stage::Ended)).collect();
    story.pass(GRACE).await.expect("time passes");
    for run in 0..5 {
        let report = observed.run().await;
        assert_eq!(report["finished"], true);
        assert_eq!(report["missing"], if run == 0 { 20 } else { 0 });
        // They are on record as told, and are due after an hour.
        story.pass(HOUR / 6).await.expect("time passes");
    }
    let enqueued = observed.enqueued().await;
    assert_eq!(enqueued.len(), 20);
    assert_eq!(enqueued.into_iter().collect::<BTreeSet<_>>(), permits);
}

#[tokio::test]
async fn both_lists_leave_a_just_ended_instance_to_its_trigger() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = story.fill_in(Stage::Ended);
    // It is old enough by Storage's column, but not by the document's time.
    assert!(story.altinn.drift(&a, 5 * DAY));
    story.pass(2 * MINUTE).await.expect("time passes");
    super::keep(&story, ROUTE, &kept_until(ago(&story, HOUR))).await;
    assert_eq!(observed.run().await["missing"], 0);
}

/// A position that says that the list of changes was read until this time.
fn kept_until(until: Timestamp) -> String {
    json!({
        "v": 2, "of": "appId=ttd/permit&process.isComplete=true", "since": "2026-11-01T00:00:00Z", "until": until,
    })
    .to_string()
}

#[tokio::test]
async fn a_permit_confirmed_by_another_system_of_its_owner_is_still_relayed() {
    let (story, _routes) = story_with(permit_route() + "\nthen:\n  complete: true\n").await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |it| {
        it["completeConfirmations"] =
            json!([{"stakeholderId": "ttd", "confirmedOn": "2026-11-20T00:00:00Z"}]);
    });
    let report = observed.run().await;
    assert_eq!(report["missing"], 1, "{report}");
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn a_permit_in_the_routes_task_is_found_wherever_its_column_is() {
    let route = route_with("{ process: completed }", "{ task: Task_2 }")
        .replace("    mottatt: instance.process.ended\n", "");
    let (story, _routes) = story_with(route).await;
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["finished"], true);
    story.pass(HOUR).await.expect("time passes");
    let a = story.fill_in(Stage::Task("Task_2".to_owned()));
    assert!(story.altinn.drift(&a, 90 * DAY));
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(observed.run().await["missing"], 1);
    assert_eq!(observed.enqueued().await, [a]);
    story.pass(HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["missing"], 0, "it lies in the queue");
}

#[tokio::test]
async fn a_document_newer_than_its_position_is_counted_and_stops_nothing() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let began = ago(&story, 40 * HOUR);
    let permits: BTreeSet<String> = (0..30)
        .map(|second| old_permit(&story, began + SignedDuration::from_secs(second), |_| {}))
        .collect();
    let drifted = permits.iter().next().expect("there are some");
    let late = old_permit(&story, ago(&story, HOUR), |_| {});
    assert!(story.altinn.drift(drifted, 3600 * MINUTE));
    assert!(story.altinn.drift(&late, 39 * HOUR));
    let report = observed.run().await;
    assert_eq!(
        (&report["finished"], &report["trouble"], &report["missing"]),
        (&json!(true), &Value::Null, &json!(31))
    );
    assert!(report["drifted"].as_u64() >= Some(1), "{report}");
}

/// Records these in the ledger as relayed.
async fn relayed<'i>(story: &Story, instances: impl Iterator<Item = &'i String>) {
    let settings = &story.instantiate.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let settings = LedgerSettings::read(&source).expect("the settings are complete");
    let ledger = Ledger::new(&story.aws.endpoints().sdk_config(), &settings);
    let now = story.altinn.clock().now();
    let puts = instances.map(|id| {
        let ledger = &ledger;
        async move {
            let source = id.parse().expect("an instance id");
            let relay = RelayId::new(ROUTE.parse().expect("a route"), source);
            let record = Record {
                rev: 2,
                state: State::Done,
                holder: Holder(Uuid::new_v4()),
                lease_until: now,
                not_before: None,
                sent: None,
                first: now,
                attempts: 1,
                targets: Default::default(),
                instance: None,
                reason: None,
                detail: None,
                updated: now,
            };
            // Reconcile has told of it.
            let put = ledger.put(&relay, source, &record, Some(1), None).await;
            assert_eq!(put.expect("DynamoDB answers"), Put::Written);
        }
    });
    let puts: Vec<_> = puts.collect();
    stream::iter(puts)
        .buffer_unordered(32)
        .collect::<Vec<()>>()
        .await;
}

/// Reads a long list in pages of `size`, in runs that stop early, while columns fall behind and are corrected. One in a
/// hundred instances is listed elsewhere than its document's time says. Each A must be enqueued once.
async fn many_drifting_instances_are_enqueued_once_each(size: usize) {
    let many = many();
    let story = story_of_pages(size).await;
    let observed = Observed::new(&story).await;
    let mut random = fastrand::Rng::with_seed(size as u64);
    let began = ago(&story, 40 * HOUR);
    let all: Vec<String> = (0..many)
        .map(|number| {
            let at = began + SignedDuration::from_millis(17 * number as i64);
            old_permit(&story, at, |_| {})
        })
        .collect();
    for id in &all {
        if random.u8(..100) == 0 {
            let by = Duration::from_millis(random.u64(1..200_000_000));
            assert!(story.altinn.drift(id, by));
        }
    }
    let mut enqueued: BTreeMap<String, usize> = BTreeMap::new();
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 100 + many / 10, "it gets on");
        let run = observed.runs_for(Duration::from_millis(1_500), json!({}));
        let races = async {
            for _ in 0..20 {
                let id = &all[random.usize(..all.len())];
                let by = Duration::from_millis(random.u64(1..200_000_000));
                match random.bool() {
                    true => assert!(story.altinn.drift(id, by)),
                    false => assert!(story.altinn.drift(id, Duration::ZERO)),
                }
                tokio::task::yield_now().await;
            }
        };
        let (reports, ()) = tokio::join!(run, races);
        assert_eq!(reports[0]["trouble"], Value::Null, "{reports:?}");
        for id in observed.enqueued().await {
            *enqueued.entry(id).or_default() += 1;
        }
        if reports[0]["finished"] == true {
            break;
        }
    }
    relayed(&story, enqueued.keys()).await;
    // What fell behind the cursor is found by the second list, once no worker can still be relaying it.
    story.pass(25 * HOUR).await.expect("time passes");
    for run in 1.. {
        assert!(run < 10 + many / 1_000, "it gets on");
        let report = observed.runs_for(PLENTY, json!({})).await;
        for id in observed.enqueued().await {
            *enqueued.entry(id).or_default() += 1;
        }
        if report[0]["finished"] == true {
            break;
        }
    }
    assert_eq!(enqueued.len(), many, "pages of {size}");
    assert!(
        enqueued.values().all(|times| *times == 1),
        "pages of {size}"
    );
}

#[tokio::test]
async fn many_drifting_instances_are_enqueued_once_each_in_pages_of_100() {
    many_drifting_instances_are_enqueued_once_each(100).await;
}

#[tokio::test]
async fn many_drifting_instances_are_enqueued_once_each_in_pages_of_1000() {
    many_drifting_instances_are_enqueued_once_each(1_000).await;
}

#[tokio::test]
async fn many_drifting_instances_are_enqueued_once_each_in_pages_of_5000() {
    many_drifting_instances_are_enqueued_once_each(5_000).await;
}
