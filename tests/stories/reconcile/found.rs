//! A instances without a relay.

use std::time::Duration;

use local_altinn::Stage;
use serde_json::json;
use tests::{ROUTE, Story, permit_route};

use super::{
    GRACE, HOUR, MINUTE, Observed, ago, lists, old_permit, position, route_with, run, story_with,
};

const THEN: &str = "
then:
  complete: true
";

#[tokio::test]
async fn a_permit_without_a_trigger_is_found_and_relayed() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(report["finished"], true);
    assert_eq!(report["missing"], 1);
    assert_eq!(report["examples"], json!([a]));
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    let report = run(&story).await;
    assert_eq!(
        (&report["missing"], &report["done"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test]
async fn an_instance_whose_trigger_may_be_on_its_way_is_left_alone() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["missing"], 0);
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(observed.run().await["missing"], 1);
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn instances_from_before_the_routes_since_are_not_relayed() {
    let (story, _routes) = story_with(route_with("2026-11-01", "2026-11-15")).await;
    let on = |day: &str| format!("{day}T10:00:00Z").parse().expect("a moment");
    let archived = old_permit(&story, on("2026-11-14"), |_| {});
    let touched_since = old_permit(&story, on("2026-11-13"), |it| {
        it["lastChanged"] = json!("2026-11-16T10:00:00Z");
    });
    let deleted = old_permit(&story, on("2026-11-17"), |it| {
        it["status"] = json!({"isHardDeleted": true});
    });
    let of_now = old_permit(&story, on("2026-11-18"), |_| {});
    let observed = Observed::new(&story).await;
    let report = observed.run().await;
    assert_eq!(observed.enqueued().await, [of_now]);
    // The first one was not even listed.
    assert_eq!(
        report["skipped"], 2,
        "{archived}, {touched_since}, {deleted}: {report}"
    );
}

#[tokio::test]
async fn what_was_read_once_costs_nothing_in_the_next_run() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    for _ in 0..250 {
        let _ = old_permit(&story, ago(&story, 50 * HOUR), |_| {});
    }
    let first = observed.run().await;
    assert_eq!(
        (&first["missing"], &first["pages"], &first["finished"]),
        (&json!(250), &json!(3), &json!(true)),
        "A as it changed, A as it ended, B"
    );
    let told: Vec<String> = (0..10)
        .map(|_| old_permit(&story, ago(&story, MINUTE), |_| {}))
        .collect();
    story.pass(GRACE).await.expect("time passes");
    observed.enqueued().await;
    story.altinn_wire.journal().clear();
    story.dynamodb_wire.journal().clear();
    let report = observed.run().await;
    assert_eq!(report["missing"], 10);
    assert_eq!(sorted(observed.enqueued().await), sorted(told));
    assert_eq!(report["calls"], 2, "one page of A, one of B");
    assert_eq!(story.altinn_wire.journal().count(&lists()), 2);
    let dynamodb = story.dynamodb_wire.journal().all().len();
    assert!(
        dynamodb <= 12 + 10,
        "{dynamodb} calls of DynamoDB, one for B's pace and one for each that is told of"
    );
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn a_route_that_completes_its_permits_searches_unconfirmed_ones() {
    let route = permit_route().replace(
        "  since: 2026-11-01                 # reconcile looks no further back\n",
        "",
    );
    assert!(!route.contains("since"));
    let (story, _routes) = story_with(route + THEN).await;
    let observed = Observed::new(&story).await;
    let years_ago = old_permit(&story, ago(&story, 30_000 * HOUR), |_| {});
    let confirmed = old_permit(&story, ago(&story, 20_000 * HOUR), |it| {
        it["completeConfirmations"] =
            json!([{"stakeholderId": "ttd", "confirmedOn": "2026-01-01T00:00:00Z"}]);
    });
    let report = observed.run().await;
    assert_eq!(
        observed.enqueued().await,
        std::slice::from_ref(&years_ago),
        "{confirmed} is dealt with"
    );
    assert_eq!(report["finished"], true);
    // Its message is still in the queue: enqueuing it in every run would only lengthen the queue.
    story.pass(5 * MINUTE).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["calls"]),
        (&json!(0), &json!(2))
    );
    // Whatever happened to that message, it is enqueued again.
    story.pass(HOUR).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["due"]["told"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(observed.enqueued().await, [years_ago]);
}

#[tokio::test]
async fn a_permit_that_is_confirmed_leaves_the_list() {
    let (story, _routes) = story_with(permit_route() + THEN).await;
    let a = story.fill_in(Stage::Ended);
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(run(&story).await["missing"], 1);
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.pass(2 * HOUR).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["missing"], &report["done"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(report["finished"], true);
}

#[tokio::test]
async fn a_route_that_starts_at_a_task_finds_permits_in_or_past_it() {
    let route = route_with("{ process: completed }", "{ task: Task_2 }")
        .replace("    mottatt: instance.process.ended\n", "");
    let (story, _routes) = story_with(route).await;
    let task = |id: &str| Stage::Task(id.to_owned());
    let _too_early = story.fill_in(task("Task_1"));
    let in_it = story.fill_in(task("Task_2"));
    let behind_it = story.fill_in(Stage::Ended);
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(report["missing"], 2);
    for a in [&in_it, &behind_it] {
        story.reaches(ROUTE, a, "done").await;
    }
    for name in [
        "permit-to-casework",
        "permit-to-casework#task",
        "permit-to-casework#b",
    ] {
        assert!(position(&story, name).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_dry_run_reports_what_it_would_do_and_does_nothing() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = story.fill_in(Stage::Ended);
    story.pass(GRACE).await.expect("time passes");
    let before = story.whole_ledger().await;
    let event = json!({"route": ROUTE, "dryRun": true});
    for _ in 0..2 {
        let reports = observed.runs_for(super::PLENTY, event.clone()).await;
        assert_eq!(reports[0]["missing"], 1);
        assert_eq!(reports[0]["examples"], json!([a]));
    }
    assert!(observed.enqueued().await.is_empty());
    assert_eq!(story.whole_ledger().await, before);
    assert_eq!(position(&story, ROUTE).await, None);
}

#[tokio::test]
async fn an_invalid_event_is_refused_by_name() {
    let story = Story::of_the_permit().await;
    let refused = story.reconcile.invoke(&json!({"route": "permit"})).await;
    let error = refused.expect_err("no such route").to_string();
    assert!(error.contains("no deployed route is called"), "{error}");
}

#[tokio::test]
async fn a_backlog_is_told_of_once_however_often_reconcile_runs() {
    const BACKLOG: usize = 60;
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let permits: Vec<String> = (0..BACKLOG)
        .map(|_| old_permit(&story, ago(&story, HOUR), |_| {}))
        .collect();
    // Their triggers wait, since nobody receives from this queue.
    for a in &permits {
        observed.send(Story::message(ROUTE, a)).await;
    }
    let mut missing = Vec::new();
    for _ in 0..3 {
        let report = observed.run().await;
        assert_eq!(
            (&report["trouble"], &report["due"]["told"]),
            (&json!(null), &json!(0))
        );
        missing.push(report["missing"].clone());
        story.pass(5 * MINUTE).await.expect("time passes");
    }
    assert_eq!(missing, [BACKLOG, 0, 0]);
    assert_eq!(observed.depth().await, 2 * BACKLOG);
    let item = story.ledger_item(&permits[0], ROUTE).await;
    let item = item.expect("it answers");
    assert_eq!(
        (&item["state"], &item["attempts"]),
        (&json!("told"), &json!(0))
    );

    // They are due again, and their messages still wait.
    story.pass(HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["due"]["told"], 0);
    assert_eq!(observed.depth().await, 2 * BACKLOG);

    // The messages are gone, as if a run had crashed before it sent them.
    observed.received().await;
    story.pass(HOUR).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["due"]["told"]),
        (&json!(0), &json!(BACKLOG))
    );
    assert_eq!(observed.run().await["due"]["told"], 0);
    assert_eq!(observed.enqueued().await.len(), BACKLOG);

    let a = story.fill_in(Stage::Ended);
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(observed.run().await["missing"], 1);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn what_may_still_wait_in_a_long_queue_is_not_missed() {
    const BACKLOG: usize = 120;
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["finished"], true);
    for _ in 0..BACKLOG {
        let a = old_permit(&story, ago(&story, Duration::ZERO), |_| {});
        observed.send(Story::message(ROUTE, &a)).await;
    }
    for span in [GRACE + 5 * MINUTE, 3 * HOUR] {
        story.pass(span).await.expect("time passes");
        let report = observed.run().await;
        assert_eq!(
            (&report["missing"], &report["finished"]),
            (&json!(0), &json!(true))
        );
    }
    assert_eq!(observed.depth().await, BACKLOG);

    // A queue that is never empty hides nothing for good.
    story.pass(10 * HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["missing"], BACKLOG);
    assert_eq!(observed.depth().await, 2 * BACKLOG);
}

#[tokio::test]
async fn two_concurrent_runs_create_one_case_for_each_permit() {
    let story = Story::of_the_permit().await;
    let permits: Vec<String> = (0..25).map(|_| story.fill_in(Stage::Ended)).collect();
    story.pass(GRACE).await.expect("time passes");
    let (one, other) = tokio::join!(run(&story), run(&story));
    let missing = [&one, &other].map(|report| report["missing"].as_u64());
    assert_eq!(
        missing.into_iter().flatten().sum::<u64>(),
        25,
        "one of them tells of each"
    );
    assert_eq!(
        (&one["finished"], &other["finished"]),
        (&json!(true), &json!(true))
    );
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
    }
    story.settled().await;
    for a in &permits {
        story.the_b(ROUTE, a);
    }
    assert_eq!(run(&story).await["doubles"], 0);
}
