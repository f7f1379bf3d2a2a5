//! DynamoDB and SQS fail.

use std::time::Duration;

use http::StatusCode;
use local_altinn::Stage;
use testbed::wire::{Action, CannedResponse, Gate, On};
use tests::{DEADLINE, ROUTE, Story, permit_alone, posts};

fn writes() -> On {
    On::operation("PutItem")
}

fn down() -> Action {
    Action::Answer(CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Relays one permit while the response to one write to the ledger is lost.
async fn relayed_with_a_lost_answer(write: usize) {
    let story = Story::of_the_permit().await;
    let lost = story
        .dynamodb_wire
        .faults()
        .add(writes().nth(write), Action::ResetAfter);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(story.dynamodb_wire.faults().applied(lost), 1);
    assert_eq!(
        item["attempts"], 1,
        "the same holder knows its own write again"
    );
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_claim_whose_response_is_lost_is_still_held() {
    relayed_with_a_lost_answer(1).await;
}

#[tokio::test]
async fn a_record_whose_response_is_lost_is_still_written() {
    relayed_with_a_lost_answer(2).await;
}

#[tokio::test]
async fn without_a_claim_no_case_is_created() {
    let story = Story::of_the_permit().await;
    let faults = story.dynamodb_wire.faults();
    let rule = faults.add(writes(), down());
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story
        .mapping
        .wait_until(DEADLINE, |it| it.left >= 1)
        .await
        .expect("it is delayed");
    assert!(faults.applied(rule) > 1, "a write is tried more than once");
    assert!(story.posts().is_empty());
    faults.remove(rule);
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_case_that_could_not_be_recorded_is_adopted() {
    let plan = permit_alone();
    let plan = plan
        .setting("STAFETT_LEASE_SECONDS", "6")
        .setting("STAFETT_SETTLE_SECONDS", "1");
    let story = Story::begin(plan).await;
    let gate = Gate::default();
    story
        .altinn_wire
        .faults()
        .add(posts(), Action::HoldAfter(gate.clone()));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    gate.arrived(1, DEADLINE)
        .await
        .expect("the request is sent");
    let faults = story.dynamodb_wire.faults();
    let rule = faults.add(writes(), down());
    gate.open();
    story
        .mapping
        .wait_until(DEADLINE, |it| it.left >= 1)
        .await
        .expect("it is delayed");
    faults.remove(rule);
    let item = story.reaches(ROUTE, &a, "done").await;
    assert_eq!(item["attempts"], 2);
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_message_that_could_not_be_delayed_is_redelivered_anyway() {
    let mut plan = permit_alone();
    // Longer than the relay waits, as in the template.
    plan.stack.queue.visibility_timeout = Duration::from_secs(8);
    let story = Story::begin(plan).await;
    let put_back = On::operation("ChangeMessageVisibility");
    let rule = story.sqs_wire.faults().add(put_back, Action::ResetBefore);
    let a = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    story.altinn.advance(&a).expect("the form is complete");
    story.altinn.advance(&a).expect("she confirms");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert!(story.sqs_wire.faults().applied(rule) > 0);
}
