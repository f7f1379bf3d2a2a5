//! Apps of the next generation, whose processes a workflow engine starts.

use std::time::Duration;

use http::{Method, StatusCode};
use local_altinn::{CallFault, CreationStep, Fault, Library};
use serde_json::json;
use testbed::wire::{Action, CannedResponse, On};
use tests::{CASEWORK, ROUTE, Story, posts};

use super::{HOUR, MINUTE, b_meets, clean, item, live, nothing_is_left, pass, triggered, whole};

/// The samples, B of the next generation.
async fn story(may_delete: bool) -> Story {
    let story = super::story(may_delete).await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.run_on(Library::NEXT);
    story
}

fn resumed(story: &Story) -> usize {
    let path = format!("^/{CASEWORK}/instances/.*/process/resume$");
    let journal = story.altinn_wire.journal();
    journal.count(&On::request(Method::POST, &path))
}

#[tokio::test]
async fn a_case_costs_what_it_costs_before() {
    let story = story(false).await;
    let a = triggered(&story).await;
    pass(&story, MINUTE).await;
    clean(&story, &a).await;
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
}

#[tokio::test]
async fn a_workflow_that_was_not_accepted_is_made_anew_where_its_app_has_deleted_it() {
    let story = story(true).await;
    b_meets(
        &story,
        Fault::at(CreationStep::Submission, CallFault::Refused(503)),
    );
    let a = triggered(&story).await;
    pass(&story, HOUR).await;
    clean(&story, &a).await;
    assert_eq!((story.creations(), live(&story)), (2, 1));
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_workflow_that_was_not_accepted_and_must_stay_is_adopted_and_told() {
    let story = story(false).await;
    b_meets(
        &story,
        Fault::at(CreationStep::Submission, CallFault::Refused(503)),
    );
    let a = triggered(&story).await;
    pass(&story, HOUR).await;
    let (_, item) = whole(&story, &a).await;
    assert_eq!(item["reason"], "incomplete");
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn where_nobody_knows_whether_the_workflow_was_accepted_there_is_one_case() {
    for trouble in [CallFault::AnswerLost, CallFault::Unreachable] {
        for delete in [false, true] {
            let story = story(delete).await;
            b_meets(&story, Fault::at(CreationStep::Submission, trouble));
            let a = triggered(&story).await;
            pass(&story, 2 * HOUR).await;
            let (b, _) = whole(&story, &a).await;
            let started = trouble == CallFault::AnswerLost || delete;
            let history = story.altinn.history(&b.id);
            assert_eq!(!history.is_empty(), started, "{trouble:?}, {delete}");
            assert_eq!(live(&story), 1);
            nothing_is_left(&story).await;
        }
    }
}

#[tokio::test]
async fn a_workflow_that_stopped_at_a_step_is_resumed() {
    for delete in [false, true] {
        let story = story(delete).await;
        b_meets(
            &story,
            Fault::at(CreationStep::Process, CallFault::Refused(400)),
        );
        let a = triggered(&story).await;
        pass(&story, HOUR).await;
        clean(&story, &a).await;
        assert_eq!(resumed(&story), 1);
        assert_eq!((story.posts().len(), story.creations()), (1, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn a_workflow_that_is_still_at_work_is_waited_for() {
    let hours = 5 * HOUR;
    for delete in [false, true] {
        let story = story(delete).await;
        b_meets(
            &story,
            Fault::at(CreationStep::Process, CallFault::Delayed(hours)),
        );
        let faults = story.altinn_wire.faults();
        let impatient = CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT);
        faults.add(posts().nth(1), Action::AnswerMeanwhile(impatient));
        let a = triggered(&story).await;
        pass(&story, 2 * HOUR).await;
        let waiting = item(&story, &a).await;
        assert_eq!(
            (&waiting["state"], &waiting["reason"]),
            (&json!("waiting"), &json!("outcome_unknown")),
            "{waiting}"
        );
        pass(&story, hours).await;
        story.reaches(ROUTE, &a, "done").await;
        clean(&story, &a).await;
        assert_eq!((story.posts().len(), story.creations()), (1, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn a_poll_that_failed_is_no_failed_workflow() {
    let late = Duration::from_secs(600);
    for delete in [false, true] {
        let story = story(delete).await;
        let fault = Fault::at(CreationStep::Poll, CallFault::Refused(502));
        b_meets(
            &story,
            fault.and(CreationStep::Process, CallFault::Delayed(late)),
        );
        let a = triggered(&story).await;
        pass(&story, 3 * HOUR).await;
        clean(&story, &a).await;
        assert_eq!(live(&story), 1);
        nothing_is_left(&story).await;
    }
}
