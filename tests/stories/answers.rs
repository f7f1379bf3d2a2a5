//! B's answer is bad, late or lost.

use http::{HeaderValue, StatusCode, header};
use local_altinn::{CallFault, CreationStep, Fault, Stage};
use testbed::wire::{Action, CannedResponse};
use tests::{B, CASEWORK, ROUTE, Story, permit_alone, posts};

fn status(status: u16) -> CannedResponse {
    CannedResponse::status(StatusCode::from_u16(status).expect("a status"))
}

fn come_back(code: u16, seconds: &'static str) -> CannedResponse {
    status(code).header(header::RETRY_AFTER, HeaderValue::from_static(seconds))
}

/// Relays one permit while `action` happens to the first request that makes B.
async fn relayed_through(action: Action) -> (Story, B) {
    let plan = permit_alone();
    let story = Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", "1")).await;
    story.altinn_wire.faults().add(posts().nth(1), action);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments.len(), 1);
    (story, b)
}

#[tokio::test]
async fn a_case_whose_answer_is_lost_is_adopted() {
    let (story, _) = relayed_through(Action::ResetAfter).await;
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_case_that_was_answered_with_an_error_all_the_same_is_adopted() {
    let (story, _) = relayed_through(Action::AnswerAfter(status(500))).await;
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_names_the_case_in_its_head() {
    let (story, _) = relayed_through(Action::Truncate(40)).await;
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_made_again() {
    let (story, _) = relayed_through(Action::ResetBefore).await;
    assert_eq!(story.posts().len(), 2);
    assert_eq!(story.creations(), 1);
}

#[tokio::test]
async fn a_busy_case_handling_gets_its_case_when_it_said_to_come_back() {
    let (story, _) = relayed_through(Action::Answer(come_back(429, "1"))).await;
    let posts = story.posts();
    assert_eq!(posts.len(), 2);
    assert!(posts[1].started - posts[0].started >= std::time::Duration::from_secs(1));
    assert_eq!(story.creations(), 1);
}

#[tokio::test]
async fn an_overloaded_case_handling_is_searched_before_it_is_asked_again() {
    let (story, _) = relayed_through(Action::Answer(come_back(503, "1"))).await;
    assert_eq!(story.posts().len(), 2);
    assert_eq!(story.creations(), 1);
}

#[tokio::test]
async fn a_half_made_case_that_nobody_may_delete_is_completed() {
    let plan = permit_alone();
    let story = Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", "1")).await;
    story.altinn.faults().next(
        1,
        Some(CASEWORK),
        Fault::at(CreationStep::Instance, CallFault::AnswerLost),
    );
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert_eq!(b.field("soknad/innsender"), ["Kari Bygger"]);
    assert_eq!(b.attachments.len(), 1);
}

#[tokio::test]
async fn a_half_made_case_that_may_be_deleted_gives_way_to_a_whole_one() {
    let plan = permit_alone();
    let story = Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", "1")).await;
    story
        .altinn
        .app(CASEWORK)
        .expect("it runs")
        .permit("delete");
    story.altinn.faults().next(
        1,
        Some(CASEWORK),
        Fault::at(CreationStep::Instance, CallFault::AnswerLost),
    );
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(story.creations(), 2);
    let b = story.the_live_b(ROUTE, &a);
    assert_eq!(b.field("soknad/innsender"), ["Kari Bygger"]);
    assert_eq!(b.attachments.len(), 1);
}
