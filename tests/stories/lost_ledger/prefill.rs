//! The ledger of a route with `mode: prefill` is lost. Its B carry their stamp in a field of the form.

use local_altinn::{CallFault, CreationStep, Fault, Library, Stage};
use testbed::wire::Action;
use tests::{CASEWORK, Folder, ROUTE, Story, permit_alone};

use super::{HOUR, MINUTE, empty, nothing_is_left, pass};
use crate::prefill::{assert_complete, assert_left_to_an_operator, posts, route, sent};

async fn begin() -> (Story, Folder) {
    let routes = route();
    let mut plan = permit_alone();
    plan.routes = routes.path().to_owned();
    plan.schedule = true;
    (Story::begin(plan).await, routes)
}

/// A permit that somebody tells of, until its relay is in this state.
async fn told(story: &Story, state: &str) -> String {
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, state).await;
    a
}

/// Everybody tells again, and in the end each A has its one B.
async fn told_again(story: &Story, permits: &[String]) {
    pass(story, 2 * MINUTE).await;
    for a in permits {
        story.trigger(a).await;
    }
    pass(story, 2 * HOUR).await;
    for a in permits {
        story.reaches(ROUTE, a, "done").await;
        assert_complete(story, a);
    }
    nothing_is_left(story, ROUTE).await;
}

#[tokio::test]
async fn prefilled_cases_are_found_by_their_form_when_the_ledger_is_lost() {
    let (story, _routes) = begin().await;
    let mut permits = vec![told(&story, "done").await];
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::ResetAfter);
    permits.push(told(&story, "waiting").await);
    empty(&story).await;
    told_again(&story, &permits).await;
    assert_eq!((sent(&story), story.creations()), (2, 2));
}

#[tokio::test]
async fn a_prefilled_case_whose_form_comes_after_the_ledger_was_lost_is_the_only_one() {
    let (story, _routes) = begin().await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.run_on(Library::NEXT);
    let late = Fault::at(CreationStep::FurtherForms, CallFault::Delayed(10 * MINUTE));
    let late = late.and(CreationStep::Poll, CallFault::Refused(502));
    story.altinn.faults().next(1, Some(CASEWORK), late);
    let a = told(&story, "waiting").await;
    empty(&story).await;
    told_again(&story, &[a]).await;
    assert_eq!((sent(&story), story.creations()), (1, 1));
}

#[tokio::test]
async fn a_prefilled_case_in_doubt_that_never_got_its_form_is_left_to_an_operator_after_the_loss() {
    let (story, _routes) = begin().await;
    let formless = Fault::at(CreationStep::Instance, CallFault::AnswerLost);
    story.altinn.faults().next(1, Some(CASEWORK), formless);
    let a = told(&story, "waiting").await;
    empty(&story).await;
    pass(&story, 2 * HOUR).await;
    // Nothing shows whose it is, and the function had not seen yet that the ledger is new when it claimed the relay again.
    assert_left_to_an_operator(&story, &a).await;
    assert_eq!((sent(&story), story.creations()), (1, 1));
}
