//! A relay that cannot proceed yet waits, and continues by itself.

use std::time::Duration;

use bytes::Bytes;
use local_altinn::{Fault, Stage};
use local_world::deployment::sample_apps;
use tests::{Attachment, CASEWORK, Folder, PERMIT, ROUTE, Story, permit_route, routes};

const MINUTE: Duration = Duration::from_secs(60);

fn task(id: &str) -> Stage {
    Stage::Task(id.to_owned())
}

/// The sample route for an A whose process continues.
fn route_at(task: &str) -> String {
    permit_route()
        .replace("{ process: completed }", &format!("{{ task: {task} }}"))
        .replace("    mottatt: instance.process.ended\n", "")
}

async fn story_with(route: String) -> (Story, Folder) {
    let folder = routes([(ROUTE, route)]);
    (Story::on(&folder).await, folder)
}

#[tokio::test]
async fn a_permit_that_is_triggered_too_early_is_relayed_when_it_is_submitted() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(task("Task_1"));
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "gate_closed");
    assert!(story.posts().is_empty());
    story.altinn.advance(&a).expect("the form is complete");
    story.altinn.advance(&a).expect("she confirms");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn the_trigger_that_comes_when_the_gate_opens_is_relayed_at_once() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(task("Task_1"));
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    story.pass(20 * MINUTE).await.expect("time passes");
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(item["reason"], "gate_closed");
    let not_before = item["not_before"].as_i64().expect("it waits");
    story.altinn.advance(&a).expect("the form is complete");
    story.altinn.advance(&a).expect("she confirms");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    let now = story.altinn.clock().now().as_millisecond();
    assert!(now < not_before, "it has not waited");
    story.the_b(ROUTE, &a);
    // The message of the first trigger finds nothing left to do.
    story.pass(40 * MINUTE).await.expect("time passes");
    story.settled().await;
    assert_eq!(story.creations(), 1);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_route_can_start_when_a_task_is_reached() {
    let (story, _routes) = story_with(route_at("Task_2")).await;
    let a = story.fill_in(task("Task_1"));
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "gate_closed");
    story.altinn.advance(&a).expect("the form is complete");
    story.reaches(ROUTE, &a, "done").await;
    let in_a = story.altinn.instance(&a).expect("A is there");
    assert_eq!(in_a["process"]["currentTask"]["elementId"], "Task_2");
    assert_eq!(
        story.the_b(ROUTE, &a).attachments.len(),
        1,
        "the PDF of Task_1"
    );
}

#[tokio::test]
async fn a_required_attachment_is_waited_for() {
    let route = route_at("Task_1")
        .replace(
            "  - { from: ref-data-as-pdf, to: vedlegg, required: true }\n",
            "",
        )
        .replace("to: tegning }", "to: tegning, required: true }");
    let (story, _routes) = story_with(route).await;
    let a = story.fill_in(task("Task_1"));
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "attachment_missing");
    assert!(
        item["detail"]
            .as_str()
            .is_some_and(|it| it.contains("`tegning`")),
        "{item}"
    );
    assert!(story.posts().is_empty());
    let drawing = Attachment {
        data_type: "tegning".to_owned(),
        filename: "tegning.png".to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from_static(b"\x89PNG\r\n\x1a\n, or so it begins"),
    };
    story.upload(PERMIT, &a, &drawing).await;
    story.reaches(ROUTE, &a, "done").await;
    assert_eq!(story.the_b(ROUTE, &a).attachments, [drawing]);
}

#[tokio::test]
async fn an_owner_that_the_register_does_not_know_may_be_known_later() {
    let story = Story::of_the_permit().await;
    story
        .altinn
        .faults()
        .next(1, Some(CASEWORK), Fault::RegisterDown);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "owner_unknown");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 2);
}

#[tokio::test]
async fn an_instance_that_storage_does_not_find_is_looked_for_again() {
    let story = Story::of_the_permit().await;
    let sample = sample_apps().join(PERMIT).join("samples/two-measures");
    let a = "51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    story.trigger(a).await;
    let item = story.reaches(ROUTE, a, "waiting").await;
    assert_eq!(item["reason"], "source_missing");
    assert_eq!(story.import_from(&sample), a);
    story.reaches(ROUTE, a, "done").await;
    story.the_b(ROUTE, a);
}

#[tokio::test]
async fn a_permit_that_was_deleted_for_good_is_given_up() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    story.altinn.delete(&a, true).expect("it can be deleted");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(item["reason"], "source_deleted");
    assert_eq!(story.dead_letters(1).await.len(), 1);
    assert!(story.posts().is_empty());
}
