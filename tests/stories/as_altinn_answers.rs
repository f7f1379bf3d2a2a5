//! Altinn answers as its own code was recorded: whatever it says, and whenever, there is one B in the end.
//!
//! Time passes by the story's clock, so that lease and settling time are the template's.

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
use tests::{B, CASEWORK, ROUTE, Story};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The samples; B's policy lets its service owner delete, or not.
async fn story(may_delete: bool) -> Story {
    let story = Story::of_the_permit().await;
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

/// The next creation of a B meets this.
fn b_meets(story: &Story, fault: Fault) {
    story.altinn.faults().next(1, Some(CASEWORK), fault);
}

async fn pass(story: &Story, span: Duration) {
    story.pass(span).await.expect("time passes");
}

/// A submitted permit whose relay has been triggered.
async fn triggered(story: &Story) -> String {
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    a
}

async fn item(story: &Story, a: &str) -> Value {
    let item = story.ledger_item(a, ROUTE).await;
    item.expect("the ledger answers")
}

/// The cases that are there, whoever made them.
fn live(story: &Story) -> usize {
    let cases = story.altinn.instances(CASEWORK).into_iter();
    cases
        .filter(|b| b["status"]["isHardDeleted"] != true)
        .count()
}

/// The one live B of this A has all that a clean one has, the start of its process aside. Returns it and the ledger's item.
async fn whole(story: &Story, a: &str) -> (B, Value) {
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
    // What was never started is told, and nothing else is.
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
async fn clean(story: &Story, a: &str) -> B {
    let (b, item) = whole(story, a).await;
    assert_eq!(item["reason"], Value::Null, "{item}");
    assert_eq!(story.altinn.history(&b.id).len(), 2);
    b
}

/// Nobody was called: no message is left anywhere.
async fn nothing_is_left(story: &Story) {
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
}
