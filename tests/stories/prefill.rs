//! B is created by the simplified request of Altinn's guide, with the stamp in a field of its form.

use std::time::Duration;

use http::Method;
use local_altinn::{CallFault, CreationStep, Fault, Library, Stage};
use local_world::deployment::Plan;
use testbed::wire::{Action, Gate, On};
use tests::{
    BInstance, CASEWORK, DEADLINE, Folder, PERMIT, ROUTE, Story, app, binaries, eventually,
    permit_alone, routes, stamp,
};

/// The field that carries the relay's id; B copies it to its data values.
const STAMP: &str = "casework.referanse";

pub(crate) fn route() -> Folder {
    let text = format!(
        "name: {ROUTE}
from: {{ app: {PERMIT}, when: {{ process: completed }}, since: 2026-11-01 }}
to:
  app: {CASEWORK}
  owner: {{ organisation: \"'310075728'\" }}
  mode: prefill
  stamp: soknad.referanse
model:
  soknad:
    tittel: \"'Byggesøknad fra ' ~ data.model.soker.navn\"
    innsender: data.model.soker.navn
due: P30D
"
    );
    routes([(ROUTE, text)])
}

fn plan(routes: &Folder) -> Plan {
    let plan = permit_alone();
    let mut plan = plan
        .setting("STAFETT_LEASE_SECONDS", "6")
        .setting("STAFETT_SETTLE_SECONDS", "1");
    plan.routes = routes.path().to_owned();
    plan
}

pub(crate) fn posts() -> On {
    On::request(Method::POST, "^/ttd/casework/instances/create$")
}

/// The number of requests that create a B, of either kind.
pub(crate) fn sent(story: &Story) -> usize {
    let any = On::request(Method::POST, "^/ttd/casework/instances(/create)?$");
    story.altinn_wire.journal().count(&any)
}

/// Every B with the relay's stamp.
fn stamped(story: &Story, a: &str) -> Vec<BInstance> {
    let stamp = stamp(ROUTE, a);
    let cases = story.altinn.instances(CASEWORK).into_iter();
    let stamped = cases.filter(|b| b["dataValues"][STAMP] == stamp);
    stamped
        .map(|b| story.b(b["id"].as_str().unwrap_or_default()))
        .collect()
}

/// Asserts that the one B of this A is complete.
pub(crate) fn assert_complete(story: &Story, a: &str) {
    let cases = stamped(story, a);
    let [b] = cases.as_slice() else {
        panic!("{} cases", cases.len())
    };
    let relay = stamp(ROUTE, a);
    assert_eq!(b.field("soknad/referanse"), [&relay]);
    assert_eq!(b.field("soknad/tittel"), ["Byggesøknad fra Kari Bygger"]);
    assert_eq!(b.field("soknad/innsender"), ["Kari Bygger"]);
    assert_eq!(b.instance["process"]["currentTask"]["elementId"], "Task_1");
    assert_eq!(
        b.instance["instanceOwner"]["organisationNumber"],
        "310075728"
    );
    assert!(b.instance["dueBefore"].is_string());
}

#[tokio::test]
async fn a_prefilled_case_carries_the_relays_id_in_its_form() {
    let routes = route();
    let story = Story::begin(plan(&routes)).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    assert_complete(&story, &a);
    assert_eq!(item["instance"], stamped(&story, &a)[0].id);
    assert_eq!(sent(&story), 1);
    assert_eq!(story.altinn_wire.journal().count(&posts()), 1);
}

#[tokio::test]
async fn a_prefilled_case_whose_response_is_lost_is_found_by_its_form_and_adopted() {
    let routes = route();
    let story = Story::begin(plan(&routes)).await;
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::ResetAfter);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(item["attempts"], 2);
    assert_complete(&story, &a);
    assert_eq!(story.creations(), 1);
    assert_eq!(sent(&story), 1);
}

#[tokio::test]
async fn a_prefilled_case_whose_creator_was_killed_is_adopted() {
    let routes = route();
    let mut plan = plan(&routes);
    plan.code = binaries().code();
    plan.stack.queue.visibility_timeout = Duration::from_secs(2);
    let story = Story::begin(plan).await;
    let gate = Gate::default();
    let held = Action::HoldAfter(gate.clone());
    story.altinn_wire.faults().add(posts().nth(1), held);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    gate.arrived(1, DEADLINE).await.expect("it is asked for");
    let processes = story.instantiate.processes().expect("it runs in processes");
    processes.kill_all().await;
    gate.open();
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_complete(&story, &a);
    assert_eq!(sent(&story), 1);
    story.end().await;
}

/// Asserts that the relay of this A has failed, with a detail that says what an operator is to look for.
pub(crate) async fn assert_left_to_an_operator(story: &Story, a: &str) {
    let item = story.reaches(ROUTE, a, "failed").await;
    assert_eq!(item["reason"], "outcome_unknown");
    let detail = item["detail"].as_str().unwrap_or_default();
    for said in [CASEWORK, "without a form", "created from"] {
        assert!(detail.contains(said), "{detail}");
    }
    assert_eq!(story.dead_letters(1).await.len(), 1);
}

#[tokio::test]
async fn a_prefilled_case_without_a_form_cannot_be_found_and_is_not_created_again() {
    let routes = route();
    let story = Story::begin(plan(&routes)).await;
    let faults = story.altinn.faults();
    faults.next(
        1,
        Some(CASEWORK),
        Fault::at(CreationStep::Instance, CallFault::AnswerLost),
    );
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    assert_left_to_an_operator(&story, &a).await;
    // The simplified request cannot stamp at creation: a remaining instance has no trace of its relay.
    assert_eq!(story.creations(), 1);
    assert_eq!(sent(&story), 1);
}

#[tokio::test]
async fn a_prefilled_case_that_storage_stored_in_part_is_never_requested_twice() {
    let steps = [
        CreationStep::Instance,
        CreationStep::FurtherForms,
        CreationStep::Process,
    ];
    for step in steps {
        for status in [400, 401, 429, 503] {
            let routes = route();
            let story = Story::begin(plan(&routes)).await;
            let fault = Fault::at(step, CallFault::Refused(status));
            story.altinn.faults().next(1, Some(CASEWORK), fault);
            let a = story.fill_in(Stage::Ended);
            story.trigger(&a).await;
            story.settled().await;
            let item = story.ledger_item(&a, ROUTE).await.expect("it is there");
            let found = stamped(&story, &a).len();
            assert!(story.creations() <= 1, "{step:?}, {status}");
            assert_eq!(sent(&story), 1, "{step:?}, {status}");
            let state = if found == 1 { "done" } else { "failed" };
            assert_eq!(item["state"], state, "{step:?}, {status}: {item}");
            if found == 0 {
                assert_left_to_an_operator(&story, &a).await;
            }
        }
    }
}

#[tokio::test]
async fn a_prefilled_case_whose_form_the_engine_stores_late_is_adopted() {
    let routes = route();
    let story = Story::begin(plan(&routes).setting("STAFETT_SETTLE_SECONDS", "1200")).await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.run_on(Library::NEXT);
    let minutes = Duration::from_secs(600);
    let late = Fault::at(CreationStep::FurtherForms, CallFault::Delayed(minutes));
    let fault = late.and(CreationStep::Poll, CallFault::Refused(502));
    story.altinn.faults().next(1, Some(CASEWORK), fault);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.pass(minutes / 2).await.expect("time passes");
    assert_eq!(story.creations(), 1, "it is made");
    assert!(stamped(&story, &a).is_empty(), "and has no form yet");
    story.pass(minutes).await.expect("time passes");
    eventually("the engine has stored its form", async || {
        let found = stamped(&story, &a).len();
        (found == 1).then_some(()).ok_or_else(|| found.to_string())
    })
    .await;
    story.pass(6 * minutes).await.expect("time passes");
    story.reaches(ROUTE, &a, "done").await;
    assert_complete(&story, &a);
    assert_eq!((sent(&story), story.creations()), (1, 1));
}

#[tokio::test]
async fn a_case_without_a_visible_stamp_is_not_created() {
    let routes = route();
    let mut plan = plan(&routes);
    let blind = app(CASEWORK, |b| b["dataFields"] = serde_json::json!([]));
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(blind);
    let story = Story::begin(plan).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(item["reason"], "draft_refused");
    let detail = item["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("soknad.referanse"), "{detail}");
    assert_eq!(story.dead_letters(1).await.len(), 1);
    assert_eq!(sent(&story), 0);
}
