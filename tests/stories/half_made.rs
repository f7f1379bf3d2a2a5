//! B fails when its instance is there already: nothing is left half-made that can be made whole.

use bytes::Bytes;
use local::altinn::{Attachment, Fault, Stage, Step, Trouble};
use serde_json::Value;
use stories::{CASEWORK, ROUTE, Story, permit_alone, posts};

/// A deployment in which B is soon left alone by a request that was given up.
async fn story() -> Story {
    let plan = permit_alone();
    Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", "1")).await
}

fn may_delete(story: &Story) {
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.permit("delete");
}

/// The next B fails like this.
fn b_fails(story: &Story, fault: Fault) {
    story.altinn.faults().next(1, Some(CASEWORK), fault);
}

/// Drawings whose names try to be taken for each other, and one that B stores under another name.
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
async fn wherever_b_stops_each_element_is_added_exactly_once() {
    let story = story().await;
    // The form, the PDF and five drawings are seven parts; each permit meets one of these.
    for after in 0..=7 {
        b_fails(
            &story,
            Fault::at(Step::ElementsFrom(after), Trouble::Refused(500)),
        );
    }
    b_fails(&story, Fault::at(Step::Instance, Trouble::AnswerLost));
    b_fails(&story, Fault::at(Step::Process, Trouble::Refused(500)));
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

#[tokio::test]
async fn a_half_made_case_that_somebody_has_worked_on_is_completed_and_not_deleted() {
    let story = story().await;
    let after_the_form = Fault::at(Step::ElementsFrom(1), Trouble::Refused(500));
    b_fails(&story, after_the_form);
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "claimed").await;
    let doubtful = stories::eventually("it is in doubt", async || {
        let item = story.ledger_item(&a, ROUTE).await.expect("it is there");
        let is_doubtful = item["doubt"] == true;
        is_doubtful
            .then_some(())
            .ok_or_else(|| item["state"].to_string())
    });
    doubtful.await;
    assert_eq!(item["attempts"], 1);
    // A case officer takes what lies in the inbox a step further; and now it could be deleted.
    let half = story.altinn.creations().pop().expect("it is half-made");
    story
        .altinn
        .advance(&half.instance)
        .expect("its form is there");
    may_delete(&story);
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.id, half.instance);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(story.posts().len(), 1);
}

#[tokio::test]
async fn a_half_made_case_that_nobody_has_touched_is_deleted_where_that_is_allowed() {
    let story = story().await;
    let after_the_form = Fault::at(Step::ElementsFrom(1), Trouble::Refused(500));
    b_fails(&story, after_the_form);
    let a = story.import("two-measures");
    story.trigger(&a).await;
    stories::eventually("it is half-made", async || match story.creations() {
        1 => Ok(()),
        made => Err(format!("{made} cases")),
    })
    .await;
    let half = story.altinn.creations().pop().expect("it is half-made");
    story.reaches(ROUTE, &a, "claimed").await;
    // Only now: B would have cleaned up behind itself.
    story
        .altinn_wire
        .journal()
        .ended(&posts(), 1, stories::DEADLINE)
        .await
        .expect("B has answered");
    may_delete(&story);
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_live_b(ROUTE, &a);
    assert_ne!(b.id, half.instance);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(story.creations(), 2);
}

/// B refuses one permit for good when its instance is there.
async fn refused_for_good(story: &Story) -> (String, Value, Vec<String>) {
    let refusal = Fault::PartsRefused(400);
    b_fails(story, refusal);
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    let dead = story.dead_letters(1).await;
    assert_eq!(story.posts().len(), 1, "the same would be refused again");
    (a, item, dead)
}

fn live(story: &Story) -> usize {
    let cases = story.altinn.instances(CASEWORK).into_iter();
    cases
        .filter(|b| b["status"]["isHardDeleted"] != true)
        .count()
}

#[tokio::test]
async fn a_draft_that_is_refused_for_good_leaves_an_orphan_on_record_where_it_may_not_be_deleted() {
    let story = story().await;
    let (_, item, _) = refused_for_good(&story).await;
    assert_eq!(item["reason"], "orphan_left");
    assert!(item["detail"].as_str().is_some_and(|it| it.contains("400")));
    assert_eq!(live(&story), 1);
}

#[tokio::test]
async fn an_orphan_that_was_left_is_deleted_by_a_redrive_when_that_is_allowed() {
    let story = story().await;
    let (a, _, dead) = refused_for_good(&story).await;
    may_delete(&story);
    story.send(dead).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let b = story.the_live_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(live(&story), 1);
}

#[tokio::test]
async fn an_orphan_that_was_left_and_must_stay_is_completed_by_a_redrive() {
    let story = story().await;
    let (a, _, dead) = refused_for_good(&story).await;
    story.send(dead).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(live(&story), 1);
}

#[tokio::test]
async fn a_draft_that_is_refused_for_good_leaves_nothing_where_it_may_be_deleted() {
    let story = story().await;
    may_delete(&story);
    let (a, item, dead) = refused_for_good(&story).await;
    assert_eq!(item["reason"], "b_refused");
    assert_eq!(live(&story), 0);
    // When B takes it, there is one.
    story.send(dead).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_live_b(ROUTE, &a);
    assert_eq!(story.creations(), 2);
}
