//! Relays that no worker holds and that have no message left.

use bytes::Bytes;
use http::{Method, StatusCode};
use local_altinn::{Fault, Stage};
use local_aws::Endpoints;
use serde_json::json;
use stafett_core::{
    id::InstanceId,
    relay::{Holder, Record, RelayId, State},
};
use stafett_runtime::{
    ledger::{Ledger, Put},
    settings::{Environment, LedgerSettings},
};
use testbed::wire::{Action, CannedResponse, On};
use tests::{Attachment, CASEWORK, PERMIT, ROUTE, Story, permit_route};
use uuid::Uuid;

use super::{GRACE, HOUR, MINUTE, Observed, ago, route_with, run, story_with};

/// Longer than a message is retried.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

#[tokio::test]
async fn a_relay_without_a_message_continues_once_its_gate_has_opened() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    story.pass(DAY).await.expect("time passes");
    story.settled().await;
    story.altinn.advance(&a).expect("the form is complete");
    story.altinn.advance(&a).expect("she confirms");
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(report["missing"], 0);
    assert!(report["due"]["waiting"].as_u64() >= Some(1), "{report}");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn a_relay_that_waits_for_something_else_is_retried_later() {
    let required = "  - { from: tegning, to: tegning, required: true }";
    let route = route_with("  - { from: tegning, to: tegning }", required)
        .replace("{ process: completed }", "{ task: Task_1 }")
        .replace("    mottatt: instance.process.ended\n", "")
        .replace(
            "  - { from: ref-data-as-pdf, to: vedlegg, required: true }\n",
            "",
        );
    let (story, _routes) = story_with(route).await;
    let a = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    story.pass(DAY).await.expect("time passes");
    story.settled().await;
    let drawing = Attachment {
        data_type: "tegning".to_owned(),
        filename: "tegning.png".to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from_static(b"\x89PNG\r\n\x1a\n, or so it begins"),
    };
    story.upload(PERMIT, &a, &drawing).await;
    story.pass(DAY).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        report["due"],
        json!({"claimed": 0, "told": 0, "waiting": 1, "created": 0})
    );
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn a_long_expired_claim_is_taken_over() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    claimed(&story, &a).await;
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        report["due"],
        json!({"claimed": 1, "told": 0, "waiting": 0, "created": 0})
    );
    assert_eq!(report["missing"], 0);
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn an_enqueued_relay_is_not_enqueued_again_at_once() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    claimed(&story, &a).await;
    story.pass(GRACE).await.expect("time passes");
    let observed = Observed::new(&story).await;
    assert_eq!(observed.run().await["due"]["claimed"], 1);
    story.pass(5 * MINUTE).await.expect("time passes");
    assert_eq!(observed.run().await["due"]["claimed"], 0);
    story.pass(HOUR).await.expect("time passes");
    assert_eq!(observed.run().await["due"]["claimed"], 1);
    assert_eq!(observed.enqueued().await, [a.clone(), a]);
}

/// Claims the relay as a function would have an hour ago; function and message are gone.
async fn claimed(story: &Story, a: &str) {
    let settings = &story.instantiate.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let settings = LedgerSettings::read(&source).expect("the settings are complete");
    let direct: &Endpoints = story.aws.endpoints();
    let ledger = Ledger::new(&direct.sdk_config(), &settings);
    let source: InstanceId = a.parse().expect("an instance id");
    let record = Record {
        rev: 1,
        state: State::Claimed,
        holder: Holder(Uuid::new_v4()),
        lease_until: ago(story, HOUR),
        not_before: None,
        sent: None,
        first: ago(story, HOUR),
        attempts: 1,
        targets: [CASEWORK.parse().expect("an app")].into(),
        instance: None,
        reason: None,
        detail: None,
        updated: ago(story, HOUR),
    };
    let relay = RelayId::new(ROUTE.parse().expect("a route"), source);
    let put = ledger
        .put(&relay, source, &record, None, Some(ago(story, MINUTE)))
        .await;
    assert_eq!(put.expect("DynamoDB answers"), Put::Written);
}

#[tokio::test]
async fn after_steps_that_were_given_up_are_retried() {
    let (story, _routes) = story_with(permit_route() + "\nthen:\n  complete: true\n").await;
    let a = story.fill_in(Stage::Ended);
    let refused = story.altinn_wire.faults().add(
        On::request(Method::POST, "/ttd/permit/instances/.*/complete$"),
        Action::Answer(CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE)),
    );
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "created").await;
    story.pass(2 * DAY).await.expect("time passes");
    story.settled().await;
    story.altinn_wire.faults().remove(refused);
    let report = run(&story).await;
    assert_eq!(
        report["due"],
        json!({"claimed": 0, "told": 0, "waiting": 0, "created": 1})
    );
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_failed_relay_is_counted_and_left_to_the_operator() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    let refusal = Fault::InstantiationRefused("not today".to_owned());
    story.altinn.faults().next(1, Some(CASEWORK), refusal);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(story.dead_letters(1).await.len(), 1);
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["failed"], &report["missing"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        report["due"],
        json!({"claimed": 0, "told": 0, "waiting": 0, "created": 0})
    );
    assert!(story.dead_letters(0).await.is_empty());
    assert_eq!(story.posts().len(), 1);
}
