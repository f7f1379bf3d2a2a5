//! The metrics that CloudWatch extracts from the logs: every relay is counted once, with its outcome.

use std::collections::BTreeMap;

use http::StatusCode;
use local_altinn::Stage;
use local_aws::lambda::Function;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse};
use tests::{CASEWORK, ROUTE, Story, binaries, eventually, permit_alone, posts};

/// The built functions at the least verbose log level.
async fn story() -> Story {
    let plan = permit_alone();
    let mut plan = plan
        .setting("AWS_LAMBDA_LOG_LEVEL", "ERROR")
        .setting("STAFETT_SETTLE_SECONDS", "1")
        .setting("STAFETT_RECONCILE_GRACE_SECONDS", "0");
    plan.code = binaries().code();
    Story::begin(plan).await
}

/// The sum of each metric by its dimensions, such as `Failed{Route=…,Reason=…}`, as CloudWatch reads a function's log.
fn sums(function: &Function) -> BTreeMap<String, f64> {
    let processes = function.processes().expect("it runs in processes");
    let lines = processes.log().into_iter().map(|line| line.text);
    let records = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let mut sums = BTreeMap::new();
    for record in records {
        for directive in list(&record["_aws"]["CloudWatchMetrics"]) {
            let namespace = directive["Namespace"].as_str();
            assert!(namespace.is_some_and(|it| it.starts_with("Stafett")));
            for set in list(&directive["Dimensions"]) {
                let dimension = |name: &Value| {
                    let name = name.as_str().unwrap_or_default();
                    format!("{name}={}", record[name].as_str().unwrap_or_default())
                };
                let dimensions: Vec<String> = list(set).map(dimension).collect();
                for metric in list(&directive["Metrics"]) {
                    let name = metric["Name"].as_str().unwrap_or_default();
                    let sum = sums.entry(format!("{name}{{{}}}", dimensions.join(",")));
                    *sum.or_default() += record[name].as_f64().expect("a number");
                }
            }
        }
    }
    sums
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn of_the_route(metric: &str) -> String {
    format!("{metric}{{Route={ROUTE}}}")
}

/// Waits until a function has reported exactly these counts for the route.
async fn told(function: &Function, expected: &[(&str, f64)]) -> BTreeMap<String, f64> {
    eventually(&format!("{expected:?} is told"), async || {
        let sums = sums(function);
        let is = |(metric, count): &(&str, f64)| {
            sums.get(&of_the_route(metric)).copied().unwrap_or_default() == *count
        };
        let are = expected.iter().all(is);
        are.then(|| sums.clone()).ok_or_else(|| format!("{sums:?}"))
    })
    .await
}

#[tokio::test]
async fn every_relay_is_counted_by_outcome_at_any_log_level() {
    let story = story().await;
    let [made, found] = [story.fill_in(Stage::Ended), story.fill_in(Stage::Ended)];
    let early = story.fill_in(Stage::Task("Task_1".to_owned()));
    let gone = story.fill_in(Stage::Ended);
    story.altinn.delete(&gone, true).expect("it can be deleted");
    story.trigger(&made).await;
    story.reaches(ROUTE, &made, "done").await;
    // B's response is lost, and B is found.
    let lost = posts().nth(1);
    story.altinn_wire.faults().add(lost, Action::ResetAfter);
    for a in [&found, &early, &gone] {
        story.trigger(a).await;
    }
    story.reaches(ROUTE, &found, "done").await;
    story.reaches(ROUTE, &gone, "failed").await;
    story.reaches(ROUTE, &early, "waiting").await;
    let expected = [
        ("Created", 1.0),
        ("Adopted", 1.0),
        ("Failed", 1.0),
        ("Doubles", 0.0),
    ];
    let sums = told(&story.instantiate, &expected).await;
    let by_reason = format!("Failed{{Route={ROUTE},Reason=source_deleted}}");
    assert_eq!(sums.get(&by_reason), Some(&1.0), "{sums:?}");
    assert!(sums.contains_key(&of_the_route("Waiting")), "{sums:?}");
    assert!(sums[&of_the_route("SecondsToB")] > 0.0);
    let calls = story.altinn_wire.journal().all();
    let tokens = calls.iter().filter(|call| {
        let path = call.path();
        path.contains("maskinporten") || path.contains("well-known")
    });
    let counted = sums[&of_the_route("AltinnCalls")];
    let most = calls.len() - tokens.count();
    assert!(
        counted >= 8.0 && counted <= most as f64,
        "{counted} of {most} calls"
    );
    assert!(sums[&of_the_route("AltinnMilliseconds")] > 0.0);
    story.end().await;
}

#[tokio::test]
async fn a_run_of_reconcile_is_counted_with_its_findings() {
    let story = story().await;
    let a = story.fill_in(Stage::Ended);
    for runs in [1.0, 2.0] {
        let answer = story.reconcile.invoke(&json!({})).await;
        answer.expect("it answers");
        story.reaches(ROUTE, &a, "done").await;
        let expected = [("Missed", 1.0), ("Reconciled", runs), ("Doubles", 0.0)];
        let sums = told(&story.reconcile, &expected).await;
        assert_eq!(sums["RunsFinished{}"], runs, "of all routes together");
        assert_eq!(sums["Missed{}"], 1.0);
    }
    let dry_run = story.reconcile.invoke(&json!({ "dryRun": true })).await;
    dry_run.expect("it answers");
    assert_eq!(sums(&story.reconcile)["RunsFinished{}"], 2.0);
    story.end().await;
}

#[tokio::test]
async fn a_b_that_is_down_is_counted_once_and_as_quiet_in_each_run_of_reconcile() {
    let story = story().await;
    let run = async || {
        let answer = story.reconcile.invoke(&json!({})).await;
        answer.expect("it answers");
        sums(&story.reconcile)
    };
    let quiet = |sums: &BTreeMap<String, f64>| sums.get("Quiet{}").copied();
    eventually("a run tells that no B is quiet", async || {
        let sums = run().await;
        (quiet(&sums) == Some(0.0))
            .then_some(())
            .ok_or_else(|| format!("{sums:?}"))
    })
    .await;
    let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    let faults = story.altinn_wire.faults();
    faults.add(posts(), Action::Answer(down));
    let all: Vec<String> = (0..10).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(all.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    eventually("a run tells that B is quiet", async || {
        let sums = run().await;
        quiet(&sums)
            .filter(|quiet| *quiet > 0.0)
            .map(|_| ())
            .ok_or_else(|| format!("{sums:?}"))
    })
    .await;
    let opened = format!("BreakerOpened{{App={CASEWORK}}}");
    eventually("the breaker has opened once", async || {
        let sums = sums(&story.instantiate);
        (sums.get(&opened) == Some(&1.0))
            .then_some(())
            .ok_or_else(|| format!("{sums:?}"))
    })
    .await;
    story.end().await;
}
