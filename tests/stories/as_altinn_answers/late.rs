//! The caller or a gateway gives up while the app goes on.

use std::time::Duration;

use http::StatusCode;
use local_altinn::{CallFault, CreationStep, Fault};
use serde_json::json;
use testbed::wire::{Action, CannedResponse};
use tests::{CASEWORK, ROUTE, Story, eventually, permit_alone, posts};

use super::{
    HOUR, MINUTE, b_meets, clean, item, live, may_delete, nothing_is_left, pass, story, triggered,
};

/// Longer than the lease, shorter than the settle time.
const LATE: Duration = Duration::from_secs(15 * 60);

/// The responses of gateways and clients that give up on an app.
fn impatient() -> Vec<CannedResponse> {
    let status = |status: u16| StatusCode::from_u16(status).expect("a status");
    let mut answers: Vec<CannedResponse> =
        [408, 499].map(status).map(CannedResponse::status).into();
    answers.extend([502, 503, 504].map(status).map(CannedResponse::gateway));
    answers
}

/// Relays one permit. Its first request is answered at once, and its app reaches `step` a quarter of an hour later.
async fn answered_while_the_app_goes_on(answer: CannedResponse, step: CreationStep, delete: bool) {
    let story = story(delete).await;
    b_meets(&story, Fault::at(step, CallFault::Delayed(LATE)));
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::AnswerMeanwhile(answer));
    let a = triggered(&story).await;
    pass(&story, LATE - MINUTE).await;
    let waiting = item(&story, &a).await;
    assert_eq!(
        (&waiting["state"], &waiting["reason"]),
        (&json!("waiting"), &json!("outcome_unknown")),
        "{waiting}"
    );
    pass(&story, 2 * MINUTE).await;
    the_app_makes_the_only_case(&story, &a).await;
}

/// Waits until the app has made its case, which is the only one ever after.
async fn the_app_makes_the_only_case(story: &Story, a: &str) {
    eventually("the app comes to its end", async || {
        let history = story.altinn.creations().pop();
        let history = history.map_or(0, |b| story.altinn.history(&b.instance).len());
        (history == 2)
            .then_some(())
            .ok_or_else(|| history.to_string())
    })
    .await;
    pass(story, HOUR).await;
    clean(story, a).await;
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(story).await;
}

#[tokio::test]
async fn a_gateway_timeout_creates_no_second_case_while_the_app_goes_on() {
    for answer in impatient() {
        answered_while_the_app_goes_on(answer, CreationStep::ElementsFrom(0), false).await;
    }
}

#[tokio::test]
async fn an_instance_created_long_after_the_timeout_is_the_only_one() {
    for delete in [false, true] {
        let answer = CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT);
        answered_while_the_app_goes_on(answer, CreationStep::Instance, delete).await;
    }
}

#[tokio::test]
async fn an_app_that_responds_after_the_lease_has_created_the_only_case() {
    // The lease runs in real time, so this waits for it.
    let story = Story::begin(permit_alone().setting("STAFETT_LEASE_SECONDS", "3")).await;
    b_meets(
        &story,
        Fault::at(CreationStep::PresentationTexts, CallFault::Delayed(LATE)),
    );
    let a = triggered(&story).await;
    story.reaches(ROUTE, &a, "waiting").await;
    pass(&story, LATE + MINUTE).await;
    the_app_makes_the_only_case(&story, &a).await;
}

#[tokio::test]
async fn an_adopted_case_that_its_app_then_deletes_is_created_again() {
    let story = story(true).await;
    let fault = Fault::at(CreationStep::Process, CallFault::DoneThen(503));
    b_meets(
        &story,
        fault.and(CreationStep::CleanUp, CallFault::Delayed(5 * MINUTE)),
    );
    let faults = story.altinn_wire.faults();
    let impatient = CannedResponse::gateway(StatusCode::GATEWAY_TIMEOUT);
    faults.add(posts().nth(1), Action::AnswerMeanwhile(impatient));
    let a = triggered(&story).await;
    let first = eventually("the first case is complete", async || {
        let made = story.altinn.creations().pop().ok_or("there is none")?;
        let history = story.altinn.history(&made.instance).len();
        (history == 2)
            .then_some(made.instance)
            .ok_or_else(|| history.to_string())
    })
    .await;
    pass(&story, MINUTE).await;
    let adopted = item(&story, &a).await;
    assert_eq!(
        (&adopted["state"], &adopted["instance"]),
        (&json!("created"), &json!(first)),
        "{adopted}"
    );
    pass(&story, 5 * MINUTE).await;
    eventually("its app deletes it", async || match live(&story) {
        0 => Ok(()),
        live => Err(format!("{live} live")),
    })
    .await;
    pass(&story, HOUR).await;
    let b = clean(&story, &a).await;
    assert_ne!(b.id, first);
    assert_eq!((live(&story), story.creations()), (1, 2));
    nothing_is_left(&story).await;
}

/// The same app, but its service owner may not delete: the adopted case stays.
#[tokio::test]
async fn an_adopted_case_that_is_not_deleted_is_done_once_its_app_is_quiet() {
    let story = story(false).await;
    b_meets(
        &story,
        Fault::at(CreationStep::Process, CallFault::DoneThen(503)),
    );
    let a = triggered(&story).await;
    pass(&story, MINUTE / 2).await;
    assert_eq!(item(&story, &a).await["state"], "created");
    pass(&story, HOUR).await;
    clean(&story, &a).await;
    // A later change of the policy has no effect.
    may_delete(&story);
    story.trigger(&a).await;
    pass(&story, HOUR).await;
    clean(&story, &a).await;
    assert_eq!(story.altinn.instances(CASEWORK).len(), 1);
}
