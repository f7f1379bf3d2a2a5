//! The ledger is lost while a B is only half made.

use local_altinn::{CallFault, CreationStep, Fault, Stage};
use serde_json::json;
use testbed::wire::{Action, CannedResponse};
use tests::{CASEWORK, ROUTE, Story, eventually, posts};

use super::{HOUR, MINUTE, empty, nothing_is_left, pass, with_reconcile};

/// A permit whose B lacks its form, or all that comes after it.
async fn half_made(story: &Story, missing: CreationStep) -> String {
    let fault = Fault::at(missing, CallFault::Refused(500));
    story.altinn.faults().next(1, Some(CASEWORK), fault);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "outcome_unknown");
    a
}

/// The ledger is rebuilt. Each A has one live B, and it is complete.
async fn each_is_complete(story: &Story, permits: &[String]) {
    pass(story, 2 * HOUR).await;
    for a in permits {
        let item = story.reaches(ROUTE, a, "done").await;
        let b = story.the_live_b(ROUTE, a);
        assert_eq!(item["instance"], json!(b.id));
        assert_eq!(b.attachments, story.files_for_b(a));
        assert_eq!(b.field("soknad/referanse"), [a]);
    }
    nothing_is_left(story, ROUTE).await;
}

async fn halves(story: &Story) -> Vec<String> {
    let mut permits = Vec::new();
    for missing in [
        CreationStep::ElementsFrom(0),
        CreationStep::ElementsFrom(1),
        CreationStep::Process,
    ] {
        permits.push(half_made(story, missing).await);
    }
    permits
}

#[tokio::test]
async fn a_half_made_case_whose_record_is_lost_is_finished() {
    let story = with_reconcile().await;
    let permits = halves(&story).await;
    empty(&story).await;
    each_is_complete(&story, &permits).await;
    assert_eq!(story.creations(), permits.len(), "none is made again");
}

#[tokio::test]
async fn a_half_made_case_whose_record_is_lost_is_replaced_if_it_may_be_deleted() {
    let story = with_reconcile().await;
    let permits = halves(&story).await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.permit("delete");
    empty(&story).await;
    each_is_complete(&story, &permits).await;
}

#[tokio::test]
async fn a_case_that_its_app_deletes_after_the_rebuild_has_recorded_it_is_made_again() {
    let story = with_reconcile().await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.permit("delete");
    let fault = Fault::at(CreationStep::Process, CallFault::DoneThen(503));
    let fault = fault.and(CreationStep::CleanUp, CallFault::Delayed(15 * MINUTE));
    story.altinn.faults().next(1, Some(CASEWORK), fault);
    let gave_up = CannedResponse::gateway(http::StatusCode::GATEWAY_TIMEOUT);
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::AnswerMeanwhile(gave_up));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    let first = eventually("the first case is complete", async || {
        let made = story.altinn.creations().pop().ok_or("there is none")?;
        let history = story.altinn.history(&made.instance).len();
        (history == 2)
            .then_some(made.instance)
            .ok_or_else(|| history.to_string())
    })
    .await;
    empty(&story).await;
    pass(&story, 12 * MINUTE).await;
    let item = story.reaches(ROUTE, &a, "created").await;
    assert_eq!(
        item["instance"],
        json!(first),
        "the rebuild has recorded it"
    );
    pass(&story, 5 * MINUTE).await;
    eventually("its app deletes it", async || {
        let first = story.altinn.instance(&first).expect("it is there");
        match first["status"]["isHardDeleted"] == true {
            true => Ok(()),
            false => Err(first["status"].to_string()),
        }
    })
    .await;
    each_is_complete(&story, &[a]).await;
    assert_eq!(story.creations(), 2);
}
