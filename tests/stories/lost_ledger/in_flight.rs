//! The ledger is lost while messages wait in the queue, and while requests are on their way.

use http::{Method, StatusCode};
use local_altinn::{CallFault, CreationStep, Fault, Stage};
use serde_json::json;
use testbed::wire::{Action, CannedResponse, Faults, Gate, HookOutcome, On};
use tests::{CASEWORK, DEADLINE, ROUTE, Story, posts};

use super::{HOUR, MINUTE, empty, nothing_is_left, pass, relayed, replace, with_reconcile};

/// The function has made a B, so that none of the next ones waits for the first to be read back.
async fn begin() -> (Story, Vec<String>) {
    let story = with_reconcile().await;
    let permits = relayed(&story, 1).await;
    (story, permits)
}

/// A permit that is told of while B answers so.
async fn waiting(story: &Story, how: Action) -> String {
    let faults = story.altinn_wire.faults();
    let rule = faults.add(posts(), how);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    faults.remove(rule);
    a
}

/// Everybody tells again when the function has seen that the ledger is new, and in the end each A has its one B.
async fn each_has_one_b(story: &Story, permits: &[String]) {
    pass(story, 2 * MINUTE).await;
    for a in permits {
        story.trigger(a).await;
    }
    pass(story, 2 * HOUR).await;
    for a in permits {
        story.reaches(ROUTE, a, "done").await;
        let b = story.the_b(ROUTE, a);
        assert_eq!(b.attachments, story.files_for_b(a));
    }
    assert_eq!(story.creations(), permits.len());
    nothing_is_left(story, ROUTE).await;
}

#[tokio::test]
async fn what_waits_in_the_queue_while_the_ledger_is_emptied_is_relayed_once() {
    let (story, mut permits) = begin().await;
    permits.push(waiting(&story, Action::ResetAfter).await);
    permits.push(waiting(&story, Action::ResetBefore).await);
    let busy = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    permits.push(waiting(&story, Action::Answer(busy)).await);
    // The gateway gives up at once, and the app makes its case a quarter of an hour later.
    let late = Fault::at(CreationStep::Instance, CallFault::Delayed(15 * MINUTE));
    story.altinn.faults().next(1, Some(CASEWORK), late);
    let gave_up = CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT);
    permits.push(waiting(&story, Action::AnswerMeanwhile(gave_up)).await);
    assert_eq!(story.messages().await, 4);
    empty(&story).await;
    each_has_one_b(&story, &permits).await;
}

#[tokio::test]
async fn what_is_told_again_in_the_moment_after_the_ledger_was_emptied_is_relayed_once() {
    let (story, mut permits) = begin().await;
    pass(&story, 2 * MINUTE).await;
    permits.extend(relayed(&story, 2).await);
    empty(&story).await;
    for a in &permits {
        story.trigger(a).await;
        let item = story.reaches(ROUTE, a, "waiting").await;
        assert_eq!(item["reason"], json!("ledger_rebuilding"));
    }
    each_has_one_b(&story, &permits).await;
}

/// From the next claim on, no item of the ledger can be read.
fn cannot_be_read_after_a_claim(story: &Story) -> &Faults {
    let faults = story.dynamodb_wire.faults();
    let later = faults.clone();
    let claimed = Action::after(move |_| {
        let refusal = CannedResponse::status(StatusCode::BAD_REQUEST);
        later.add(On::operation("GetItem"), Action::Answer(refusal));
        async { HookOutcome::Continue }
    });
    faults.add(On::operation("PutItem").nth(1), claimed);
    faults
}

#[tokio::test]
async fn while_the_ledger_does_not_tell_its_birth_again_nothing_is_relayed() {
    for is_emptied in [true, false] {
        let (story, mut permits) = begin().await;
        let older = if is_emptied {
            permits[0].clone()
        } else {
            story.fill_in(Stage::Ended)
        };
        pass(&story, 2 * MINUTE).await;
        permits.extend(relayed(&story, 1).await);
        let made = story.creations();
        if is_emptied {
            empty(&story).await;
        }
        let faults = cannot_be_read_after_a_claim(&story);
        story.trigger(&older).await;
        let item = story.reaches(ROUTE, &older, "waiting").await;
        assert_eq!(item["reason"], json!("ledger_rebuilding"));
        assert_eq!((story.creations(), story.posts().len()), (made, made));
        faults.clear();
        if is_emptied {
            each_has_one_b(&story, &permits).await;
        } else {
            story.reaches(ROUTE, &older, "done").await;
            story.the_b(ROUTE, &older);
            story.settled().await;
            assert_eq!(story.creations(), made + 1);
        }
    }
}

#[tokio::test]
async fn what_is_at_work_while_the_ledger_is_emptied_is_relayed_once() {
    let form = On::request(Method::GET, "/data/");
    let before = Action::HoldBefore as fn(Gate) -> Action;
    let holds = [
        (form, before, false),
        (posts(), before, false),
        (posts(), before, true),
        (posts(), Action::HoldAfter, true),
    ];
    for (on, hold, is_replaced) in holds {
        let (story, mut permits) = begin().await;
        let gate = Gate::default();
        let held = hold(gate.clone());
        story.altinn_wire.faults().add(on.nth(1), held);
        let a = story.fill_in(Stage::Ended);
        story.trigger(&a).await;
        gate.arrived(1, DEADLINE).await.expect("it is asked for");
        if is_replaced {
            replace(&story, Vec::new()).await;
        } else {
            empty(&story).await;
        }
        gate.open();
        permits.push(a);
        each_has_one_b(&story, &permits).await;
    }
}

#[tokio::test]
async fn a_relay_that_failed_before_the_ledger_was_emptied_is_relayed_once_when_it_is_redriven() {
    let (story, mut permits) = begin().await;
    let refused = Fault::InstantiationRefused("Saken er stengt".to_owned());
    story.altinn.faults().next(1, Some(CASEWORK), refused);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "failed").await;
    let dead = story.dead_letters(1).await;
    empty(&story).await;
    pass(&story, 2 * MINUTE).await;
    story.send(dead).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], json!("ledger_rebuilding"));
    permits.push(a);
    each_has_one_b(&story, &permits).await;
}
