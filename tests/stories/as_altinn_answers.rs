//! Altinn responds as recorded from its own code: whatever it responds, and whenever, exactly one B exists in the end.
//!
//! Time passes by the story's clock, so lease and settle time are those of the template.

mod binaries;
mod engine;
mod fan_out;
mod late;
mod passing;
mod refused;
mod repaired;
mod statuses;
mod unreadable;

use std::time::Duration;

use local_altinn::{Fault, Stage};
use serde_json::Value;
use tests::{BInstance, CASEWORK, ROUTE, Story, permit_alone};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The samples, and reconcile as scheduled, which wakes the relays that wait for long. B's policy may allow its service
/// owner to delete.
async fn story(may_delete: bool) -> Story {
    let mut plan = permit_alone();
    plan.schedule = true;
    let story = Story::begin(plan).await;
    if may_delete {
        self::may_delete(&story);
    }
    story
}

fn may_delete(story: &Story) {
    story
        .altinn
        .app(CASEWORK)
        .expect("it runs")
        .permit("delete");
}

/// Injects a fault into the next creation of a B.
fn b_meets(story: &Story, fault: Fault) {
    story.altinn.faults().next(1, Some(CASEWORK), fault);
}

async fn pass(story: &Story, span: Duration) {
    story.pass(span).await.expect("time passes");
}

/// Submits a permit and triggers its relay.
async fn triggered(story: &Story) -> String {
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    a
}

async fn item(story: &Story, a: &str) -> Value {
    let item = story.ledger_item(a, ROUTE).await;
    item.expect("the ledger answers")
}

/// The number of live cases, however they were created.
fn live(story: &Story) -> usize {
    let cases = story.altinn.instances(CASEWORK).into_iter();
    cases
        .filter(|b| b["status"]["isHardDeleted"] != true)
        .count()
}

/// Asserts that the one live B of this A has everything a clean one has, except perhaps a started process. Returns it
/// with the ledger's item.
async fn whole(story: &Story, a: &str) -> (BInstance, Value) {
    let item = item(story, a).await;
    assert_eq!(item["state"], "done", "{item}");
    let b = story.the_live_b(ROUTE, a);
    assert_eq!(item["instance"], b.id, "{item}");
    assert_eq!(b.field("soknad/referanse"), [a]);
    assert_eq!(b.attachments, story.files_for_b(a));
    let elements = b.instance["data"].as_array().into_iter().flatten();
    let forms = elements.filter(|it| it["dataType"] == "model").count();
    assert_eq!(forms, 1, "{}", b.instance);
    assert_eq!(b.instance["dataValues"]["casework.referanse"], *a);
    assert!(b.instance["presentationTexts"]["title"].is_string());
    // The detail names a process that was never started, and nothing else.
    let has_started = !story.altinn.history(&b.id).is_empty();
    let told = if has_started {
        Value::Null
    } else {
        "incomplete".into()
    };
    assert_eq!(item["reason"], told, "{item}");
    (b, item)
}

/// The same, and its process was started.
async fn clean(story: &Story, a: &str) -> BInstance {
    let (b, item) = whole(story, a).await;
    assert_eq!(item["reason"], Value::Null, "{item}");
    assert_eq!(story.altinn.history(&b.id).len(), 2);
    b
}

/// Asserts that both queues are empty: no operator is needed.
async fn nothing_is_left(story: &Story) {
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
}
