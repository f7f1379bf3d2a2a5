//! Storage misbehaves: an instance that a run cannot examine is examined by a later one.

use std::time::Duration;

use http::{Method, StatusCode};
use local_altinn::Stage;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, Gate, On};
use tests::{PERMIT, ROUTE, Story, eventually, guid, permit_route, routes};

use super::{GRACE, HOUR, Observed, PLENTY, ago, lists, old_permit, position};

fn lists_of(app: &str) -> On {
    On::request(
        Method::GET,
        &format!(r"^/storage/api/v1/instances\?appId={app}&"),
    )
}

fn status(status: u16) -> Action {
    Action::Answer(CannedResponse::status(
        StatusCode::from_u16(status).expect("a status"),
    ))
}

#[tokio::test]
async fn a_failing_storage_is_reported_and_called_again_by_the_next_run() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |_| {});
    for (action, told) in [
        (status(500), "status 500"),
        (status(403), "status 403"),
        (
            Action::Answer(CannedResponse::status(StatusCode::OK).body("{}")),
            "a page of instances",
        ),
        (Action::Truncate(20), "broken off"),
        (Action::ResetAfter, "connection lost"),
    ] {
        let broken = story.altinn_wire.faults().add(lists_of(PERMIT), action);
        let report = observed.run().await;
        let trouble = report["trouble"].as_str().unwrap_or_default();
        assert!(trouble.contains(told), "{report}");
        assert!(
            trouble.contains("list the instances of ttd/permit"),
            "{report}"
        );
        assert_eq!(report["finished"], false);
        story.altinn_wire.faults().remove(broken);
    }
    assert_eq!(position(&story, ROUTE).await, None);
    assert_eq!(observed.run().await["missing"], 1);
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn an_unreadable_instance_is_named_and_the_others_are_processed() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |_| {});
    let broken = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    let page = json!({"instances": [
        {"id": broken, "appId": 7}, story.altinn.instance(&a), "no instance at all", null,
    ]});
    story.altinn_wire.faults().add(
        lists_of(PERMIT).nth(1),
        Action::Answer(CannedResponse::status(StatusCode::OK).body(page.to_string())),
    );
    let report = observed.run().await;
    assert_eq!(
        (&report["finished"], &report["trouble"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&report["unreadable"], &report["unreadableExamples"]),
        (&json!(3), &json!([broken]))
    );
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn a_short_failure_is_not_reported() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _a = old_permit(&story, ago(&story, HOUR), |_| {});
    for action in [
        status(500),
        status(502),
        Action::ResetAfter,
        Action::ResetBefore,
    ] {
        story.altinn_wire.faults().add(lists().nth(1), action);
    }
    let report = observed.run().await;
    assert_eq!(
        (&report["finished"], &report["missing"]),
        (&json!(true), &json!(1))
    );
}

#[tokio::test]
async fn a_token_failure_only_delays_what_is_found() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _a = old_permit(&story, ago(&story, HOUR), |_| {});
    let tokens = On::any().path("/token$");
    let refused = story.altinn_wire.faults().add(tokens, status(400));
    let report = observed.run().await;
    assert!(
        report["trouble"]
            .as_str()
            .is_some_and(|it| it.contains("no token")),
        "{report}"
    );
    story.altinn_wire.faults().remove(refused);
    // A failed token request is not repeated for a moment.
    eventually("the permit is found", async || match observed.run().await {
        report if report["missing"] == 1 => Ok(()),
        report => Err(report.to_string()),
    })
    .await;
}

#[tokio::test]
async fn the_failure_of_one_route_does_not_affect_the_others() {
    let other = permit_route().replace(ROUTE, "another-route");
    let folder = routes([(ROUTE, permit_route()), ("another-route", other)]);
    let story = Story::on(&folder).await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |_| {});
    // Fails the first list of the first route, including all quick repeats.
    story.altinn_wire.faults().add(lists().next(3), status(500));
    let reports = observed.runs_for(PLENTY, json!({})).await;
    assert_eq!(
        (&reports[0]["route"], &reports[0]["finished"]),
        (&json!("another-route"), &json!(false))
    );
    assert_eq!(
        (&reports[1]["route"], &reports[1]["finished"]),
        (&json!(ROUTE), &json!(true))
    );
    assert_eq!(
        (&reports[0]["missing"], &reports[1]["missing"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn a_storage_timeout_is_not_reported_and_loses_nothing() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _a = old_permit(&story, ago(&story, HOUR), |_| {});
    let gate = Gate::default();
    let held = story
        .altinn_wire
        .faults()
        .add(lists_of(PERMIT), Action::HoldBefore(gate.clone()));
    let reports = observed.runs_for(Duration::from_secs(2), json!({})).await;
    assert_eq!(
        (&reports[0]["finished"], &reports[0]["trouble"]),
        (&json!(false), &Value::Null)
    );
    story.altinn_wire.faults().remove(held);
    gate.open();
    assert_eq!(observed.run().await["missing"], 1);
}

#[tokio::test]
async fn an_empty_page_with_a_next_link_is_not_the_end() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |_| {});
    // We do not call the host of the link; everything else of it is sent back unchanged.
    let next = "https://platform.elsewhere.example/storage/api/v1/instances?appId=ttd%2Fpermit\
                &process.isComplete=true&order=asc%3AlastChanged&size=100&continuationToken=0%253b0";
    let page = json!({"count": 0, "instances": [], "next": next}).to_string();
    story.altinn_wire.faults().add(
        lists_of(PERMIT).nth(1),
        Action::Answer(CannedResponse::status(StatusCode::OK).body(page)),
    );
    let report = observed.run().await;
    assert_eq!(
        (&report["missing"], &report["pages"]),
        (&json!(1), &json!(4)),
        "A as it changed in two pages, A as it ended, B"
    );
    assert_eq!(observed.enqueued().await, [a]);
    let lists = story.altinn_wire.journal().matching(&lists());
    let (_, query) = next.split_once('?').expect("it has a query");
    assert!(
        lists.iter().any(|it| it.path().ends_with(query)),
        "verbatim"
    );
}

#[tokio::test]
async fn a_list_whose_next_links_form_a_circle_is_recognised() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _a = old_permit(&story, ago(&story, HOUR), |_| {});
    let page = json!({
        "instances": [],
        "next": "https://platform.altinn.no/storage/api/v1/instances?continuationToken=1%253b1",
    });
    let circle = Action::Answer(CannedResponse::status(StatusCode::OK).body(page.to_string()));
    story.altinn_wire.faults().add(lists(), circle);
    let report = observed.run().await;
    assert!(
        report["trouble"]
            .as_str()
            .is_some_and(|it| it.contains("a list that goes on")),
        "{report}"
    );
}

#[tokio::test]
async fn a_filter_that_storage_ignores_enqueues_nothing_and_moves_nothing() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let asked_for = old_permit(&story, ago(&story, HOUR), |_| {});
    let unfinished = story.fill_in(Stage::Task("Task_1".to_owned()));
    let case = super::doubles::by_hand(&story, json!({}));
    for (uninvited, filter) in [(unfinished, "process.isComplete"), (case, "appId")] {
        let list =
            [&asked_for, &uninvited].map(|id| story.altinn.instance(id).expect("it is there"));
        let page = json!({"count": 2, "instances": list}).to_string();
        let ignoring = story.altinn_wire.faults().add(
            lists_of(PERMIT),
            Action::Answer(CannedResponse::status(StatusCode::OK).body(page)),
        );
        let report = observed.run().await;
        let trouble = report["trouble"].as_str().unwrap_or_default();
        assert!(
            trouble.contains(&format!("ignores the filter `{filter}`")),
            "{report}"
        );
        assert!(trouble.contains(&uninvited), "{report}");
        assert_eq!(report["missing"], 0);
        story.altinn_wire.faults().remove(ignoring);
    }
    assert!(observed.enqueued().await.is_empty());
    assert_eq!(position(&story, ROUTE).await, None);
    assert_eq!(observed.run().await["missing"], 1);
    assert_eq!(observed.enqueued().await, [asked_for]);
}

#[tokio::test]
async fn a_failing_queue_leaves_the_position_unchanged() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let a = old_permit(&story, ago(&story, HOUR), |_| {});
    let down = story
        .sqs_wire
        .faults()
        .add(On::operation("SendMessageBatch"), status(503));
    let report = observed.run().await;
    assert!(
        report["trouble"]
            .as_str()
            .is_some_and(|it| it.contains("1 of 1 triggers were not queued")),
        "{report}"
    );
    assert_eq!(report["missing"], 0);
    assert_eq!(position(&story, ROUTE).await, None);
    story.sqs_wire.faults().remove(down);
    // It was put on record before it was to be enqueued, and is due after an hour.
    story.pass(HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["due"]["told"], 1);
    assert_eq!(observed.enqueued().await, [a]);
}

#[tokio::test]
async fn a_failing_ledger_leads_to_no_enqueued_message() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    let _a = old_permit(&story, ago(&story, HOUR), |_| {});
    let down = story
        .dynamodb_wire
        .faults()
        .add(On::operation("BatchGetItem"), status(500));
    let report = observed.run().await;
    assert!(
        report["trouble"]
            .as_str()
            .is_some_and(|it| it.contains("BatchGetItem")),
        "{report}"
    );
    assert!(observed.enqueued().await.is_empty());
    story.dynamodb_wire.faults().remove(down);
    assert_eq!(observed.run().await["missing"], 1);
}

/// DynamoDB returns keys unprocessed when a table has no capacity left (Amazon DynamoDB API Reference, BatchGetItem,
/// UnprocessedKeys).
#[tokio::test]
async fn unprocessed_ledger_keys_are_read_again_and_not_taken_for_missing() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.pass(GRACE).await.expect("time passes");

    let table = story.aws.resources().table.as_str();
    let key = json!({"pk": {"S": guid(&a)}, "sk": {"S": ROUTE}});
    let unprocessed = json!({"Responses": {}, "UnprocessedKeys": {table: {"Keys": [key]}}});
    let asked = On::operation("BatchGetItem");
    story.dynamodb_wire.faults().add(
        asked.clone().nth(1),
        Action::Answer(CannedResponse::status(StatusCode::OK).body(unprocessed.to_string())),
    );
    let observed = Observed::new(&story).await;
    let report = observed.run().await;
    assert_eq!(report["trouble"], Value::Null, "{report}");
    assert_eq!(
        (&report["missing"], &report["done"]),
        (&json!(0), &json!(1)),
        "{report}"
    );
    assert!(observed.enqueued().await.is_empty());
    // Two calls for the list of changed A, one for that of ended A, and one for that of B.
    assert_eq!(story.dynamodb_wire.journal().count(&asked), 4);
}
