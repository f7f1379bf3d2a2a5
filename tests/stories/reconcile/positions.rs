//! A run stops before its deadline, and the next one goes on: nothing is left out in between.

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

/// So many permits, submitted a second after each other.
fn permits(story: &Story, count: i64) -> BTreeSet<String> {
    let began = ago(story, 40 * HOUR);
    (0..count)
        .map(|second| old_permit(story, began + SignedDuration::from_secs(second), |_| {}))
        .collect()
}

/// Every list takes as long as this from now on.
fn slow(story: &Story, by: Duration) -> RuleId {
    story.altinn_wire.faults().add(lists(), Action::Latency(by))
}

fn set(ids: Vec<String>) -> BTreeSet<String> {
    ids.into_iter().collect()
}

#[tokio::test]
async fn a_run_stops_before_its_deadline_and_the_next_one_goes_on_from_there() {
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
async fn a_position_of_another_version_is_no_position() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let all = permits(&story, 3);
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
            (&json!(3), &json!(true)),
            "{kept}"
        );
        assert_eq!(set(observed.enqueued().await), all);
        let position = position(&story, ROUTE).await.expect("it is kept");
        assert_eq!(position["v"], 2);
        // Until then they would be left alone: they were enqueued a moment ago.
        story.pass(25 * HOUR).await.expect("time passes");
    }
}

#[tokio::test]
async fn a_position_of_the_version_before_goes_on_where_its_last_window_ended() {
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
    // The list of what ended lately was looked through a moment ago.
    let ended = json!({
        "v": 2, "of": "appId=ttd/permit&process.isComplete=true", "since": "2026-11-01T00:00:00Z",
        "whole": ago(&story, 11 * super::MINUTE),
    });
    super::keep(&story, &format!("{ROUTE}#ended"), &ended.to_string()).await;
    let report = observed.run().await;
    assert_eq!(report["missing"], 1, "{report}");
    assert_eq!(observed.enqueued().await, [after]);
}

/// A run is stopped after a page or two of five.
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
async fn a_list_that_storage_does_not_go_on_with_is_begun_anew() {
    let page = json!({"count": 0, "instances": []}).to_string();
    for (refused, times) in [
        (CannedResponse::status(StatusCode::BAD_REQUEST), 1),
        // A failure is asked for again at once, twice.
        (CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR), 3),
        // A continuation that Storage cannot read gives nothing.
        (CannedResponse::status(StatusCode::OK).body(page), 1),
    ] {
        let story = story_of_pages(100).await;
        let observed = Observed::new(&story).await;
        let at = ago(&story, 40 * HOUR);
        let all: BTreeSet<String> = (0..450).map(|_| old_permit(&story, at, |_| {})).collect();
        // All at once: only then is Storage's own continuation kept.
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
async fn what_stopped_for_a_day_reaches_today_all_the_same() {
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
async fn a_routes_since_that_is_moved_back_takes_in_what_lies_behind_it() {
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

/// What happens to a list while it is looked through.
#[derive(Debug, Clone)]
struct History {
    /// How many permits were submitted in each of some seconds: many a tie goes over a page's end.
    seconds: Vec<u16>,
    /// For each run, who fails it, and from which of its calls on.
    interruptions: Vec<(Broken, usize)>,
    /// Permits that are changed between the runs, by their number.
    touched: Vec<u16>,
}

/// Who does not answer any more.
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

/// From the call with this number on, counted from 0, they are not answered any more.
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

/// All permits of a history, and those that are enqueued in the end.
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
            deleted.expect("it can be put into the bin");
        }
    }
    story.pass(GRACE).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["finished"], &report["trouble"]),
        (&json!(true), &Value::Null)
    );
    (all.into_iter().collect(), set(observed.enqueued().await))
}

#[test]
fn every_permit_is_found_whatever_its_history_and_wherever_the_runs_stop() {
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
