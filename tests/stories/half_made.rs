//! B fails after its instance has been created: a half-made instance is completed where possible.

use std::time::Duration;

use bytes::Bytes;
use local_altinn::{Attachment, CallFault, CreationStep, Fault, Stage};
use serde_json::{Value, json};
use tests::{
    BInstance, CASEWORK, ROUTE, Story, mistaken_route, permit_alone, permit_route, routes,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A deployment with a short settle time.
async fn story() -> Story {
    let plan = permit_alone();
    Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", "1")).await
}

fn may_delete(story: &Story) {
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.permit("delete");
}

/// Injects a fault into the next creation of a B.
fn b_fails(story: &Story, fault: Fault) {
    story.altinn.faults().next(1, Some(CASEWORK), fault);
}

/// Drawings with names that are easily confused, and one that B stores under another name.
fn drawings() -> Vec<Attachment> {
    let files = [
        ("plan.png", "the ground floor"),
        ("plan.png", "the first floor"),
        ("plan (1).png", "the ground floor"),
        ("snitt a:b?.png", "a section"),
        ("Fasade mot sør & øst.png", "a face"),
    ];
    let drawing = |(name, content): (&str, &'static str)| Attachment {
        data_type: "tegning".to_owned(),
        filename: name.to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from_static(content.as_bytes()),
    };
    files.map(drawing).to_vec()
}

#[tokio::test]
async fn each_element_is_added_exactly_once_wherever_b_stops() {
    let story = story().await;
    // The form, the PDF and five drawings are seven elements; each permit fails at another one.
    for after in 0..=7 {
        b_fails(
            &story,
            Fault::at(CreationStep::ElementsFrom(after), CallFault::Refused(500)),
        );
    }
    b_fails(
        &story,
        Fault::at(CreationStep::Instance, CallFault::AnswerLost),
    );
    b_fails(
        &story,
        Fault::at(CreationStep::Process, CallFault::Refused(500)),
    );
    let permits: Vec<String> = (0..10)
        .map(|_| story.fill_in_with(Stage::Ended, drawings()))
        .collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
        let mut expected = story.files_for_b(a);
        for file in &mut expected {
            file.filename = file.filename.replace([':', '?'], "_");
        }
        expected.sort();
        let b = story.the_b(ROUTE, a);
        assert_eq!(b.attachments, expected);
        assert_eq!(b.field("soknad/referanse"), [a]);
        let forms = b.instance["data"].as_array().into_iter().flatten();
        assert_eq!(forms.filter(|it| it["dataType"] == "model").count(), 1);
    }
    assert_eq!(story.posts().len(), permits.len(), "no B is made twice");
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
}

/// A permit whose B has only its form, and whose relay waits until B's app and Storage are quiet.
async fn half_made() -> (Story, String, String) {
    let story = Story::of_the_permit().await;
    let after_the_form = Fault::at(CreationStep::ElementsFrom(1), CallFault::Refused(500));
    b_fails(&story, after_the_form);
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "outcome_unknown");
    for sent in ["sent_from", "sent_ended", "sent_quiet"] {
        assert!(item[sent].is_i64(), "{sent}: {item}");
    }
    assert_eq!(item["attempts"], 1);
    let half = story
        .altinn
        .creations()
        .pop()
        .expect("a half-made instance exists");
    (story, a, half.instance)
}

/// B's files except the PDF that its own app generates at the end of a task.
fn relayed_files(b: BInstance) -> Vec<tests::Attachment> {
    let files = b.attachments.into_iter();
    files
        .filter(|it| it.data_type != "ref-data-as-pdf")
        .collect()
}

#[tokio::test]
async fn a_half_made_case_that_a_user_has_worked_on_is_completed_and_not_deleted() {
    let (story, a, half) = half_made().await;
    // A case officer moves the case to the next task; from then on the policy would allow deleting it.
    story.altinn.advance(&half).expect("its form is there");
    may_delete(&story);
    story.pass(HOUR).await.expect("time passes");
    let item = story.reaches(ROUTE, &a, "done").await;
    // The form is locked, so its title in the inbox can no longer be derived.
    assert_eq!(item["reason"], "incomplete");
    let detail = item["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("presentation texts"), "{detail}");
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.id, half);
    assert_eq!(relayed_files(b), story.files_for_b(&a));
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn an_ended_half_made_case_is_reported_with_its_missing_parts() {
    let (story, a, half) = half_made().await;
    for _ in 0..2 {
        story.altinn.advance(&half).expect("its form is there");
    }
    may_delete(&story);
    story.pass(HOUR).await.expect("time passes");
    let item = story.reaches(ROUTE, &a, "done").await;
    assert_eq!(
        (&item["reason"], &item["instance"]),
        (&json!("incomplete"), &json!(half))
    );
    let detail = item["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("2 attachments"), "{detail}");
    assert_eq!(relayed_files(story.the_b(ROUTE, &a)), []);
    assert_eq!(story.posts().len(), 1);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn an_untouched_half_made_case_is_deleted_if_allowed() {
    let (story, a, half) = half_made().await;
    // Not earlier, because B's app would have deleted it itself.
    may_delete(&story);
    story.pass(HOUR).await.expect("time passes");
    let item = story.reaches(ROUTE, &a, "done").await;
    assert_eq!(item["reason"], Value::Null);
    let b = story.the_live_b(ROUTE, &a);
    assert_ne!(b.id, half);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(story.creations(), 2);
}

/// Relays one permit with a form that B's model class cannot deserialise: the area is a text, which B's schema allows.
async fn refused_for_good(may_delete: bool) -> (Story, String, Value, Vec<String>) {
    let (folder, b) = mistaken_route();
    let mut plan = permit_alone().setting("STAFETT_SETTLE_SECONDS", "1");
    plan.routes = folder.path().to_owned();
    let story = Story::begin(plan).await;
    story.altinn.deploy(b);
    if may_delete {
        self::may_delete(&story);
    }
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    let dead = story.dead_letters(1).await;
    assert_eq!(story.posts().len(), 1, "the same would be refused again");
    (story, a, item, dead)
}

/// The route is corrected, and the operator redrives the message.
async fn redriven(story: &Story, a: &str, dead: Vec<String>) {
    let right = routes([(ROUTE, permit_route())]);
    story
        .deploy(right.path())
        .await
        .expect("the route is corrected");
    story.send(dead).await;
    story.reaches(ROUTE, a, "done").await;
    story.settled().await;
    let b = story.the_live_b(ROUTE, a);
    assert_eq!(b.attachments, story.files_for_b(a));
    assert!(!b.form.is_empty());
    assert_eq!(live(story), 1);
}

fn live(story: &Story) -> usize {
    let cases = story.altinn.instances(CASEWORK).into_iter();
    cases
        .filter(|b| b["status"]["isHardDeleted"] != true)
        .count()
}

#[tokio::test]
async fn a_permanently_refused_draft_leaves_a_recorded_orphan_if_it_may_not_be_deleted() {
    let (story, _, item, _) = refused_for_good(false).await;
    assert_eq!(item["reason"], "orphan_left");
    let detail = item["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("its class cannot read the form"),
        "{detail}"
    );
    assert_eq!(live(&story), 1);
}

#[tokio::test]
async fn a_redrive_deletes_a_recorded_orphan_if_allowed() {
    let (story, a, _, dead) = refused_for_good(false).await;
    may_delete(&story);
    redriven(&story, &a, dead).await;
    assert_eq!(story.creations(), 2);
}

#[tokio::test]
async fn a_redrive_completes_an_orphan_that_may_not_be_deleted() {
    let (story, a, _, dead) = refused_for_good(false).await;
    redriven(&story, &a, dead).await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_permanently_refused_draft_leaves_nothing_if_it_may_be_deleted() {
    let (story, a, item, dead) = refused_for_good(true).await;
    assert_eq!(item["reason"], "b_refused");
    assert_eq!(live(&story), 0);
    // Once B accepts the draft, there is exactly one case.
    redriven(&story, &a, dead).await;
    assert_eq!(story.creations(), 2);
}
