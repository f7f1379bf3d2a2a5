//! The same with the functions' executable files, in real time.

use std::time::Duration;

use http::StatusCode;
use local_altinn::{CallFault, CreationStep, Fault, Library, Stage};
use testbed::wire::{Action, CannedResponse};
use tests::{CASEWORK, ROUTE, Story, binaries, permit_alone, posts};

use super::{b_meets, clean, live, may_delete, nothing_is_left, whole};

/// Settling takes three seconds, so that an app that is late by less is waited for.
const SETTLE: &str = "3";
const LATE: Duration = Duration::from_millis(1_500);

async fn story() -> Story {
    let mut plan = permit_alone()
        .setting("STAFETT_LEASE_SECONDS", "20")
        .setting("STAFETT_SETTLE_SECONDS", SETTLE);
    plan.code = binaries().code();
    plan.stack.queue.visibility_timeout = Duration::from_secs(25);
    Story::begin(plan).await
}

async fn relayed(story: &Story, count: usize) -> Vec<String> {
    let permits: Vec<String> = (0..count).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
    }
    permits
}

#[tokio::test]
async fn statuses_of_storage_leave_one_case_each() {
    let story = story().await;
    let troubles = [
        (CreationStep::Element(0), 400),
        (CreationStep::Element(1), 413),
        (CreationStep::PresentationTexts, 401),
        (CreationStep::DataValues, 429),
        (CreationStep::Process, 429),
        (CreationStep::Process, 503),
    ];
    for (step, status) in troubles {
        b_meets(&story, Fault::at(step, CallFault::Refused(status)));
    }
    let permits = relayed(&story, troubles.len()).await;
    for a in &permits {
        whole(&story, a).await;
    }
    assert_eq!(story.posts().len(), permits.len(), "no second request");
    assert_eq!(story.creations(), permits.len());
    nothing_is_left(&story).await;
    story.end().await;
}

#[tokio::test]
async fn impatient_gateways_leave_one_case_each() {
    let story = story().await;
    let answers = [
        CannedResponse::status(StatusCode::REQUEST_TIMEOUT),
        CannedResponse::gateway(StatusCode::BAD_GATEWAY),
        CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT),
    ];
    let count = answers.len();
    for (nth, answer) in (1..).zip(answers) {
        b_meets(
            &story,
            Fault::at(CreationStep::ElementsFrom(0), CallFault::Delayed(LATE)),
        );
        let faults = story.altinn_wire.faults();
        faults.add(posts().nth(nth), Action::AnswerMeanwhile(answer));
    }
    for a in relayed(&story, count).await {
        clean(&story, &a).await;
    }
    assert_eq!((story.posts().len(), story.creations()), (count, count));
    nothing_is_left(&story).await;
    story.end().await;
}

#[tokio::test]
async fn what_its_app_deletes_after_it_was_adopted_is_made_anew() {
    let story = story().await;
    may_delete(&story);
    let fault = Fault::at(CreationStep::Process, CallFault::DoneThen(503));
    b_meets(
        &story,
        fault.and(CreationStep::CleanUp, CallFault::Delayed(LATE)),
    );
    let impatient = CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT);
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::AnswerMeanwhile(impatient));
    let permits = relayed(&story, 1).await;
    clean(&story, &permits[0]).await;
    assert_eq!(live(&story), 1);
    nothing_is_left(&story).await;
    story.end().await;
}

#[tokio::test]
async fn a_workflow_engine_that_stopped_is_resumed() {
    let story = story().await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.run_on(Library::NEXT);
    b_meets(
        &story,
        Fault::at(CreationStep::Process, CallFault::Refused(400)),
    );
    let permits = relayed(&story, 1).await;
    clean(&story, &permits[0]).await;
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(&story).await;
    story.end().await;
}
