//! The ledger is lost while only some B of a set are made.

use std::path::PathBuf;

use http::{Method, StatusCode};
use local_world::deployment::{Plan, sample_apps};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, Gate, HookOutcome, On};
use tests::{DEADLINE, Story};

use super::{HOUR, MINUTE, empty, items, nothing_is_left, pass, replace};

const ESTATE: &str = "ttd/estate";
const INHERITANCE: &str = "ttd/inheritance";
const ROUTE: &str = "estate-to-inheritance";

fn sample() -> PathBuf {
    sample_apps().join(ESTATE).join("samples/three-heirs")
}

fn posts() -> On {
    On::request(Method::POST, "^/ttd/inheritance/instances$")
}

/// The samples, with an estate of three heirs.
async fn begin() -> (Story, String) {
    let mut plan = Plan::samples().expect("the samples can be read");
    plan.schedule = true;
    let story = Story::begin(plan).await;
    let a = story.import_from(&sample());
    (story, a)
}

async fn trigger(story: &Story, a: &str) {
    assert_eq!(story.trigger_of(ESTATE, a).await, 202);
}

/// The next notice is made.
fn the_next_is_made(story: &Story) {
    let made = Action::before(|_| async { HookOutcome::Continue });
    story.altinn_wire.faults().add(posts().next(1), made);
}

/// The first notice is made, the answer to the second request is lost after its notice was made, and B takes no other.
async fn half_of_a_set(story: &Story, a: &str) {
    the_next_is_made(story);
    let faults = story.altinn_wire.faults();
    faults.add(posts().next(1), Action::ResetAfter);
    let busy = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    faults.add(posts(), Action::Answer(busy));
    trigger(story, a).await;
    let set = story.reaches(ROUTE, a, "waiting").await;
    assert_eq!(set["reason"], "parts_open");
    assert_eq!(story.altinn.instances(INHERITANCE).len(), 2);
}

/// B takes requests again, and everything comes to its end.
async fn each_heir_gets_one_notice(story: &Story, a: &str) {
    story.altinn_wire.faults().clear();
    trigger(story, a).await;
    pass(story, 2 * HOUR).await;
    story.reaches(ROUTE, a, "done").await;
    let form = std::fs::read(sample().join("model.json")).expect("the sample can be read");
    let form: Value = serde_json::from_slice(&form).expect("the sample is JSON");
    let heirs = form["arvinger"].as_array().into_iter().flatten();
    let mut heirs: Vec<&Value> = heirs.map(|heir| &heir["fodselsnummer"]).collect();
    let notices = story.altinn.instances(INHERITANCE);
    let mut owners: Vec<&Value> = notices
        .iter()
        .map(|b| &b["instanceOwner"]["personNumber"])
        .collect();
    for sorted in [&mut heirs, &mut owners] {
        sorted.sort_unstable_by_key(|number| number.as_str());
    }
    assert_eq!(owners, heirs);
    for b in &notices {
        let b = story.b(b["id"].as_str().expect("it has an id"));
        assert_eq!(b.attachments.len(), 2);
        assert_eq!(b.field("bo/referanse"), [a]);
    }
    let made = story.altinn.creations().into_iter();
    let made = made.filter(|it| it.app == INHERITANCE).count();
    assert_eq!(made, 3, "none was made and deleted");
    nothing_is_left(story, ROUTE).await;
}

#[tokio::test]
async fn a_set_whose_ledger_is_emptied_halfway_gives_each_heir_one_notice() {
    let (story, a) = begin().await;
    half_of_a_set(&story, &a).await;
    empty(&story).await;
    pass(&story, 2 * MINUTE).await;
    trigger(&story, &a).await;
    pass(&story, HOUR).await;
    assert_eq!(story.altinn.instances(INHERITANCE).len(), 2);
    each_heir_gets_one_notice(&story, &a).await;
}

#[tokio::test]
async fn a_set_whose_ledger_is_restored_to_where_one_notice_was_on_record_gives_each_heir_one_notice()
 {
    let (story, a) = begin().await;
    half_of_a_set(&story, &a).await;
    let earlier = items(&story).await;
    pass(&story, 2 * HOUR).await;
    replace(&story, earlier).await;
    pass(&story, HOUR).await;
    each_heir_gets_one_notice(&story, &a).await;
}

#[tokio::test]
async fn a_set_that_is_at_work_while_its_ledger_is_replaced_gives_each_heir_one_notice() {
    let (story, a) = begin().await;
    for _ in 0..2 {
        the_next_is_made(&story);
    }
    let gate = Gate::default();
    let held = Action::HoldBefore(gate.clone());
    story.altinn_wire.faults().add(posts().next(1), held);
    trigger(&story, &a).await;
    gate.arrived(1, DEADLINE).await.expect("it is asked for");
    replace(&story, Vec::new()).await;
    // Until the function looks at the birth again.
    story
        .altinn
        .clock()
        .shift((2 * MINUTE).try_into().expect("a short time"));
    trigger(&story, &a).await;
    let waits = |item: &Value| item["reason"] == json!("ledger_rebuilding");
    story.reaches_with(ROUTE, &a, "waiting", waits).await;
    gate.open();
    each_heir_gets_one_notice(&story, &a).await;
}
