//! B by the simplified request of Altinn's guide, with the stamp in a field of its form.

use std::time::Duration;

use http::Method;
use local::altinn::{Fault, Stage, Step, Trouble};
use local::deployment::Plan;
use local::wire::{Action, Gate, On};
use stories::{
    B, CASEWORK, DEADLINE, Folder, PERMIT, ROUTE, Story, app, binaries, permit_alone, routes, stamp,
};

/// The field that carries the relay's id; B shows it among its data values.
const STAMP: &str = "casework.referanse";

fn route() -> Folder {
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
    mottatt: instance.process.ended
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

fn posts() -> On {
    On::request(Method::POST, "^/ttd/casework/instances/create$")
}

/// The requests that make a B, of either kind.
fn sent(story: &Story) -> usize {
    let any = On::request(Method::POST, "^/ttd/casework/instances(/create)?$");
    story.altinn_wire.journal().count(&any)
}

/// Every B that shows the relay's stamp.
fn stamped(story: &Story, a: &str) -> Vec<B> {
    let stamp = stamp(ROUTE, a);
    let cases = story.altinn.instances(CASEWORK).into_iter();
    let stamped = cases.filter(|b| b["dataValues"][STAMP] == stamp);
    stamped
        .map(|b| story.b(b["id"].as_str().unwrap_or_default()))
        .collect()
}

/// The one B of this A is complete.
fn assert_complete(story: &Story, a: &str) {
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
async fn a_prefilled_case_whose_answer_is_lost_is_found_by_its_form_and_adopted() {
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
async fn a_prefilled_case_whose_maker_was_killed_is_adopted() {
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

#[tokio::test]
async fn a_prefilled_case_without_a_form_is_nobodys_and_another_is_made() {
    let routes = route();
    let story = Story::begin(plan(&routes)).await;
    let faults = story.altinn.faults();
    faults.next(
        1,
        Some(CASEWORK),
        Fault::at(Step::Instance, Trouble::AnswerLost),
    );
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    // The simplified request cannot stamp at creation: what is left carries nothing that names its relay.
    assert_eq!(story.creations(), 2);
    assert_complete(&story, &a);
}

#[tokio::test]
async fn a_case_that_would_not_show_the_stamp_is_not_made() {
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
