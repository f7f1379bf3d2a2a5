//! A run stops before its deadline, and the next one continues: no instance in between is missed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On, RuleId};
use tests::{ROUTE, Story, permit_alone};
use tokio::runtime::Runtime;

use super::{GRACE, HOUR, Observed, PLENTY, ago, lists, old_permit, position, story_of_pages};

/// This many permits, submitted one second apart.
fn permits(story: &Story, count: i64) -> BTreeSet<String> {
    let began = ago(story, 40 * HOUR);
    (0..count)
        .map(|second| old_permit(story, began + SignedDuration::from_secs(second), |_| {}))
        .collect()
}

/// Delays every list response by this much from now on.
fn slow(story: &Story, by: Duration) -> RuleId {
    story.altinn_wire.faults().add(lists(), Action::Latency(by))
}

fn set(ids: Vec<String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

#[tokio::test]
async fn a_run_stops_before_its_deadline_and_the_next_one_continues() {
    let story = story_of_pages(100).await;
    let observed = Observed::new(&story).await;
    let all = permits(&story, 650);
    let slowly = slow(&story, Duration::from_millis(300));
    let (mut runs, mut pages) = (0, 0);
    loop {
        let began = std::time::Instant::now();
        let reports = observed
            .runs_for(Duration::from_millis(1500), json!({}))
            .await;
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "long before the deadline"
        );
        assert_eq!(reports[0]["trouble"], Value::Null);
        pages += reports[0]["pages"].as_u64().unwrap_or_default();
        runs += 1;
        if reports[0]["finished"] == true {
            break;
        }
        assert!(runs < 40, "it gets on");
    }
    assert!(runs > 1, "one run has no time for nine pages of 300 ms");
    let enqueued = observed.enqueued().await;
    assert_eq!(
        enqueued.len(),
        all.len(),
        "none twice: {runs} runs, {pages} pages"
    );
    assert_eq!(set(enqueued), all);
    story.altinn_wire.faults().remove(slowly);
    let position = position(&story, ROUTE).await.expect("it is kept");
    assert_eq!(position["stopped"], Value::Null);
}

#[tokio::test]
async fn a_run_without_time_does_nothing_and_says_so() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _all = permits(&story, 1);
    let reports = observed.runs_for(Duration::ZERO, json!({})).await;
    assert_eq!(
        (&reports[0]["finished"], &reports[0]["calls"]),
        (&json!(false), &json!(0))
    );
}

#[tokio::test]
async fn a_position_of_an_unknown_version_is_ignored() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let all = permits(&story, 3);
    let mut missing = 3;
    for kept in [
        r#"{"v":0,"cursor":"2026-11-22T00:00:00Z"}"#,
        r#"{"v":3,"of":{"app":"ttd/permit"},"until":"2026-11-22T00:00:00Z"}"#,
        "2026-11-22T00:00:00Z",
        "",
    ] {
        super::keep(&story, ROUTE, kept).await;
        let report = observed.run().await;
        assert_eq!(
            (&report["missing"], &report["finished"]),
            (&json!(missing), &json!(true)),
            "{kept}"
        );
        // All are looked at in each run, and told of in the first one.
        assert_eq!(report["inHand"], 3 - missing, "{kept}");
        if missing > 0 {
            assert_eq!(set(observed.enqueued().await), all);
        }
        missing = 0;
        let position = position(&story, ROUTE).await.expect("it is kept");
        assert_eq!(position["v"], 2);
        // What was just enqueued is not enqueued again before then.
        story.pass(25 * HOUR).await.expect("time passes");
    }
}

#[tokio::test]
async fn a_position_of_the_previous_version_continues_where_its_last_window_ended() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _before = permits(&story, 3);
    let until = ago(&story, 20 * HOUR);
    let after = old_permit(&story, ago(&story, 10 * HOUR), |_| {});
    let kept = json!({
        "v": 1,
        "of": "appId=ttd/permit&process.isComplete=true&includeDataElements=false&order=asc:lastChanged&size=100",
        "since": "2026-11-01T00:00:00Z", "until": until,
        "stopped": {"until": ago(&story, HOUR), "next": "appId=ttd%2Fpermit&continuationToken=1%253b2"},
    });
    super::keep(&story, ROUTE, &kept.to_string()).await;
    // The list of recently ended instances was just read.
    let ended = json!({
        "v": 2, "of": "appId=ttd/permit&process.isComplete=true", "since": "2026-11-01T00:00:00Z",
        "whole": ago(&story, 11 * super::MINUTE),
    });
    super::keep(&story, &format!("{ROUTE}#ended"), &ended.to_string()).await;
    let report = observed.run().await;
    assert_eq!(report["missing"], 1, "{report}");
    assert_eq!(observed.enqueued().await, [after]);
}

/// Runs once and stops after a page or two of five.
async fn stopped(story: &Story, observed: &Observed<'_>) -> BTreeSet<String> {
    let slowly = slow(story, Duration::from_millis(600));
    let reports = observed
        .runs_for(Duration::from_millis(2500), json!({}))
        .await;
    assert_eq!(reports[0]["finished"], false);
    story.altinn_wire.faults().remove(slowly);
    let kept = position(story, ROUTE).await.expect("it is kept");
    assert!(kept["stopped"]["place"].is_object(), "{kept}");
    set(observed.enqueued().await)
}

#[tokio::test]
async fn a_list_that_storage_does_not_continue_is_started_again() {
    let page = json!({"count": 0, "instances": []}).to_string();
    for (refused, times) in [
        (CannedResponse::status(StatusCode::BAD_REQUEST), 1),
        // A failed request is repeated at once, twice at most.
        (CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR), 3),
        // For a continuation token that it cannot read, Storage returns an empty list.
        (CannedResponse::status(StatusCode::OK).body(page), 1),
    ] {
        let story = story_of_pages(100).await;
        let observed = Observed::new(&story).await;
        let at = ago(&story, 40 * HOUR);
        let all: BTreeSet<String> = (0..450).map(|_| old_permit(&story, at, |_| {})).collect();
        // All three together: only then is Storage's own continuation stored.
        let next = "appId=ttd%2Fpermit&order=asc%3AlastChanged&size=100&continuationToken=1%253b2";
        let kept = json!({
            "v": 2, "of": "appId=ttd/permit&process.isComplete=true", "since": "2026-11-01T00:00:00Z",
            "stopped": {"until": ago(&story, HOUR), "place": {"from": at, "next": next}},
        });
        super::keep(&story, ROUTE, &kept.to_string()).await;
        let old = lists().path("continuationToken=1%253b2").next(times);
        let rule = story.altinn_wire.faults().add(old, Action::Answer(refused));
        let report = observed.run().await;
        assert_eq!(story.altinn_wire.faults().applied(rule), times);
        assert_eq!(
            (&report["finished"], &report["trouble"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(set(observed.enqueued().await), all);
    }
}

#[tokio::test]
async fn a_list_that_stopped_for_a_day_catches_up_with_today() {
    let story = story_of_pages(100).await;
    let observed = Observed::new(&story).await;
    let mut all = permits(&story, 450);
    let mut seen = stopped(&story, &observed).await;
    all.insert(old_permit(&story, story.altinn.clock().now(), |_| {}));
    story.pass(24 * HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["finished"], true);
    seen.extend(observed.enqueued().await);
    assert_eq!(seen, all);
}

#[tokio::test]
async fn moving_a_routes_since_back_includes_older_instances() {
    let mut plan = permit_alone();
    let later = super::route_with("2026-11-01", "2026-11-15");
    let folder = tests::routes([(ROUTE, later)]);
    plan.routes = folder.path().to_owned();
    let story = Story::begin(plan).await;
    let a = old_permit(
        &story,
        "2026-11-10T10:00:00Z".parse().expect("a moment"),
        |_| {},
    );
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["missing"], 0);
    drop(observed);
    folder.write(
        &format!("{ROUTE}.yaml"),
        super::route_with("2026-11-01", "2026-11-05"),
    );
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["missing"], 1);
    assert_eq!(observed.enqueued().await, [a]);
}

/// What happens to a list while reconcile reads it.
#[derive(Debug, Clone)]
struct History {
    /// The number of permits submitted in each of several seconds, so that ties cross the ends of pages.
    seconds: Vec<u16>,
    /// For each run, the service that fails, and the number of the first call that fails.
    interruptions: Vec<(Broken, usize)>,
    /// Permits that change between the runs, by their number.
    touched: Vec<u16>,
}

/// The service that stops answering.
#[derive(Debug, Clone, Copy)]
enum Broken {
    Storage,
    Ledger,
    Queue,
    Positions,
}

fn histories() -> impl Strategy<Value = History> {
    const BROKEN: &[Broken] = &[
        Broken::Storage,
        Broken::Ledger,
        Broken::Queue,
        Broken::Positions,
    ];
    (
        vec(0u16..160, 1..5),
        vec((select(BROKEN), 0usize..12), 0..4),
        vec(any::<u16>(), 0..4),
    )
        .prop_map(|(seconds, interruptions, touched)| History {
            seconds,
            interruptions,
            touched,
        })
}

/// From the call with this number on, counted from 0, calls fail.
fn breaks(story: &Story, broken: Broken, call: usize) {
    let (wire, on) = match broken {
        Broken::Storage => (&story.altinn_wire, lists()),
        Broken::Ledger => (&story.dynamodb_wire, On::operation("BatchGetItem")),
        Broken::Queue => (&story.sqs_wire, On::operation("SendMessageBatch")),
        Broken::Positions => (&story.dynamodb_wire, On::operation("PutItem")),
    };
    let calls = AtomicUsize::new(0);
    let on = on.when(move |_| calls.fetch_add(1, Ordering::Relaxed) >= call);
    let gone = CannedResponse::status(StatusCode::BAD_GATEWAY);
    wire.faults().add(on, Action::Answer(gone));
}

/// Plays a history; returns all its permits, and those that were enqueued in the end.
async fn look_through(history: &History) -> (BTreeSet<String>, BTreeSet<String>) {
    let story = story_of_pages(100).await;
    let observed = Observed::new(&story).await;
    let began: Timestamp = ago(&story, 40 * HOUR);
    let mut all = Vec::new();
    for (second, count) in (0i64..).zip(&history.seconds) {
        let at = began + SignedDuration::from_secs(second);
        all.extend((0..*count).map(|_| old_permit(&story, at, |_| {})));
    }
    for (run, (broken, call)) in history.interruptions.iter().enumerate() {
        breaks(&story, *broken, *call);
        observed.runs_for(PLENTY, json!({})).await;
        for wire in [&story.altinn_wire, &story.dynamodb_wire, &story.sqs_wire] {
            wire.faults().clear();
        }
        if let Some(touched) = history.touched.get(run).filter(|_| !all.is_empty()) {
            let id = &all[usize::from(*touched) % all.len()];
            let deleted = story.altinn.delete(id, false);
            deleted.expect("it can be soft-deleted");
        }
    }
    let mut enqueued = set(observed.enqueued().await);
    // What was put on record and not enqueued is due after an hour, if no backlog is in the queue.
    story.pass(GRACE + HOUR).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["finished"], &report["trouble"]),
        (&json!(true), &Value::Null)
    );
    enqueued.extend(observed.enqueued().await);
    (all.into_iter().collect(), enqueued)
}

#[test]
fn every_permit_is_found_wherever_the_runs_stop_and_whatever_changes() {
    let runtime = Runtime::new().expect("a runtime");
    let config = Config {
        cases: 12,
        failure_persistence: None,
        max_shrink_iters: 32,
        ..Config::default()
    };
    let holds = TestRunner::new(config).run(&histories(), |history| {
        let (all, found) = runtime.block_on(look_through(&history));
        prop_assert_eq!(found, all);
        Ok(())
    });
    holds.expect("it holds for every history");
}
