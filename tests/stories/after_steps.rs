//! What happens to A once B exists: its substatus and its completion.

use http::{Method, StatusCode};
use local_altinn::Stage;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};
use tests::{CASEWORK, Folder, PERMIT, ROUTE, Story, permit_route, posts, routes};

const THEN: &str = "
then:
  substatus: { label: Sent to case handling, description: Casework has received it }
  complete: true
";

async fn story_with(route: String) -> (Story, Folder) {
    let folder = routes([(ROUTE, route)]);
    (Story::on(&folder).await, folder)
}

async fn story() -> (Story, Folder) {
    story_with(permit_route() + THEN).await
}

fn substatus_calls() -> On {
    On::request(Method::PUT, "^/ttd/permit/instances/.*/substatus$")
}

fn complete_calls() -> On {
    On::request(Method::POST, "^/ttd/permit/instances/.*/complete$")
}

/// A's substatus as its owner sees it, and the parties that have confirmed A.
fn shown_on(story: &Story, a: &str) -> (Value, Vec<Value>) {
    let a = story.altinn.instance(a).expect("A is there");
    let confirmations = a["completeConfirmations"].as_array().into_iter().flatten();
    let confirmed = confirmations.map(|it| it["stakeholderId"].clone());
    (a["status"]["substatus"].clone(), confirmed.collect())
}

fn followed() -> (Value, Vec<Value>) {
    let substatus =
        json!({ "label": "Sent to case handling", "description": "Casework has received it" });
    (substatus, vec![json!("ttd")])
}

fn calls(story: &Story, on: &On) -> usize {
    story.altinn_wire.journal().matching(on).len()
}

#[tokio::test]
async fn a_sent_permit_shows_a_substatus_to_the_citizen_and_is_confirmed() {
    let (story, _routes) = story().await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(shown_on(&story, &a), followed());
    assert_eq!(item["instance"], story.the_b(ROUTE, &a).id);
    // A second trigger changes nothing.
    story.trigger(&a).await;
    story.settled().await;
    assert_eq!(calls(&story, &substatus_calls()), 1);
    assert_eq!(calls(&story, &complete_calls()), 1);
}

#[tokio::test]
async fn a_failed_after_step_is_retried_without_calling_b() {
    for (step, status, reason) in [
        (substatus_calls(), 503, "after_step_unavailable"),
        (complete_calls(), 500, "after_step_unavailable"),
        (substatus_calls(), 403, "after_step_refused"),
    ] {
        let (story, _routes) = story().await;
        let status = StatusCode::from_u16(status).expect("a status");
        let faults = story.altinn_wire.faults();
        faults.add(step.next(1), Action::Answer(CannedResponse::status(status)));
        let a = story.fill_in(Stage::Ended);
        story.trigger(&a).await;
        let item = story.reaches(ROUTE, &a, "created").await;
        let b = story.the_b(ROUTE, &a);
        assert_eq!(item["instance"], b.id);
        let item = story
            .reaches_with(ROUTE, &a, "created", |item| item["reason"] == reason)
            .await;
        assert!(item["detail"].as_str().is_some_and(|it| it.contains(&a)));
        let done = story.reaches(ROUTE, &a, "done").await;
        story.settled().await;
        assert_eq!(done["reason"], Value::Null, "nothing is wrong any more");
        assert_eq!(done["instance"], b.id);
        assert_eq!(shown_on(&story, &a), followed());
        assert_eq!(calls(&story, &posts()), 1);
        assert_eq!(
            story.altinn.instance(&b.id).expect("B is there"),
            b.instance,
            "B was not touched"
        );
        assert!(story.dead_letters(0).await.is_empty());
    }
}

#[tokio::test]
async fn an_after_step_whose_response_was_lost_is_not_repeated() {
    let (story, _routes) = story().await;
    let faults = story.altinn_wire.faults();
    faults.add(substatus_calls().next(1), Action::ResetAfter);
    faults.add(complete_calls().next(1), Action::ResetAfter);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(shown_on(&story, &a), followed());
    assert_eq!(
        calls(&story, &substatus_calls()),
        1,
        "each repeat would publish an event to the subscribers"
    );
    assert_eq!(calls(&story, &complete_calls()), 1);
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn a_policy_that_forbids_confirming_does_not_fail_the_relay() {
    let (story, _routes) = story().await;
    let permit = story.altinn.app(PERMIT).expect("it runs");
    permit.forbid("complete");
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story
        .reaches_with(ROUTE, &a, "created", |item| {
            item["reason"] == "after_step_refused"
        })
        .await;
    assert_eq!(shown_on(&story, &a), (followed().0, Vec::new()));
    permit.permit("complete");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(shown_on(&story, &a), followed());
    assert_eq!(calls(&story, &substatus_calls()), 1);
    story.the_b(ROUTE, &a);
}

#[tokio::test]
async fn a_permit_deleted_after_b_was_created_gets_no_after_steps() {
    let (story, _routes) = story().await;
    let faults = story.altinn_wire.faults();
    faults.add(
        substatus_calls().next(1),
        Action::Answer(CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE)),
    );
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "created").await;
    story.altinn.delete(&a, true).expect("it can be deleted");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(calls(&story, &complete_calls()), 0);
    story.the_b(ROUTE, &a);
}

/// A is confirmed only once all of its B exist.
#[tokio::test]
async fn a_permit_with_several_cases_is_confirmed_once_all_exist() {
    let text = format!(
        "name: {ROUTE}
from: {{ app: {PERMIT}, when: {{ process: completed }} }}
to:
  app: {CASEWORK}
  owner: {{ organisation: \"'310075728'\" }}
  root: melding
model:
  soknad: {{ tittel: tiltak.beskrivelse, referanse: instance.id }}
each: tiltak in data.model.tiltak
key: tiltak.kode
{THEN}"
    );
    let (story, _routes) = story_with(text).await;
    let busy = CannedResponse::status(StatusCode::TOO_MANY_REQUESTS);
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(2), Action::Answer(busy));
    let a = story.import("two-measures");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(story.creations(), 1);
    assert_eq!(shown_on(&story, &a), (Value::Null, Vec::new()));
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(story.creations(), 2);
    assert_eq!(shown_on(&story, &a), followed());
    assert_eq!(calls(&story, &complete_calls()), 1);
}
