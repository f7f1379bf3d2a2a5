//! A found B becomes what a clean one is.

use bytes::Bytes;
use http::{Method, StatusCode};
use local_altinn::{Attachment, CallFault, CreationStep, Fault, Stage};
use testbed::wire::{Action, CannedResponse, On};
use tests::{B, CASEWORK, Story, posts};

use super::{HOUR, b_meets, clean, live, nothing_is_left, pass, story, triggered, whole};

fn drawing(name: &str, content: &'static str) -> Attachment {
    Attachment {
        data_type: "tegning".to_owned(),
        filename: name.to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from_static(content.as_bytes()),
    }
}

/// The contents of B's drawings.
fn drawn(b: &B) -> Vec<Bytes> {
    let drawings = b.attachments.iter().filter(|it| it.data_type == "tegning");
    let mut drawn: Vec<Bytes> = drawings.map(|it| it.bytes.clone()).collect();
    drawn.sort();
    drawn
}

fn additions(story: &Story) -> usize {
    let path = format!("^/{CASEWORK}/instances/[^/]+/[^/]+/data");
    let journal = story.altinn_wire.journal();
    journal.count(&On::request(Method::POST, &path))
}

#[tokio::test]
async fn a_complete_case_whose_file_got_another_name_is_adopted_as_it_is() {
    for delete in [false, true] {
        let story = story(delete).await;
        let lost = CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR);
        let faults = story.altinn_wire.faults();
        faults.add(posts().nth(1), Action::AnswerAfter(lost));
        let files = vec![drawing("a+b.png", "one"), drawing("50%25.png", "two")];
        let a = story.fill_in_with(Stage::Ended, files);
        story.trigger(&a).await;
        pass(&story, HOUR).await;
        let done = super::item(&story, &a).await;
        assert_eq!(done["state"], "done", "{done}");
        let b = story.the_b(tests::ROUTE, &a);
        assert_eq!(drawn(&b), ["one", "two"]);
        assert_eq!(additions(&story), 0, "nothing is added");
        assert_eq!((story.posts().len(), live(&story)), (1, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn of_files_of_one_size_the_one_that_is_missing_is_added() {
    // The form, the PDF, and the drawings come in this order.
    for missing in [2, 3, 4] {
        let story = story(false).await;
        b_meets(
            &story,
            Fault::at(CreationStep::Element(missing), CallFault::Refused(429)),
        );
        let files = vec![
            drawing("plan.png", "one"),
            drawing("plan.png", "two"),
            drawing("plan.png", "six"),
        ];
        let a = story.fill_in_with(Stage::Ended, files);
        story.trigger(&a).await;
        pass(&story, HOUR).await;
        let (b, _) = whole(&story, &a).await;
        assert_eq!(drawn(&b), ["one", "six", "two"]);
        assert_eq!(additions(&story), 1);
        assert_eq!((story.posts().len(), story.creations()), (1, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn texts_and_values_that_the_app_did_not_make_are_made_of_the_form() {
    for step in [CreationStep::PresentationTexts, CreationStep::DataValues] {
        let story = story(false).await;
        b_meets(&story, Fault::at(step, CallFault::Refused(429)));
        let a = triggered(&story).await;
        pass(&story, HOUR).await;
        let (b, item) = whole(&story, &a).await;
        let path = format!("^/{CASEWORK}/instances/{}/data/", b.id);
        let written = On::request(Method::PUT, &path);
        assert_eq!(story.altinn_wire.journal().count(&written), 1);
        let detail = item["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("the start of its process"), "{detail}");
        assert_eq!((story.posts().len(), story.creations()), (1, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn a_case_that_was_never_started_is_made_anew_where_that_is_allowed() {
    let story = story(false).await;
    b_meets(
        &story,
        Fault::at(CreationStep::Process, CallFault::Refused(503)),
    );
    let a = triggered(&story).await;
    story.reaches(tests::ROUTE, &a, "waiting").await;
    // Only now: its app would have deleted it by itself.
    super::may_delete(&story);
    pass(&story, HOUR).await;
    clean(&story, &a).await;
    assert_eq!((story.creations(), live(&story)), (2, 1));
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_case_that_was_never_started_and_must_stay_is_adopted_and_told() {
    let story = story(false).await;
    b_meets(
        &story,
        Fault::at(CreationStep::Process, CallFault::Refused(429)),
    );
    let a = triggered(&story).await;
    pass(&story, HOUR).await;
    let (b, item) = whole(&story, &a).await;
    assert!(story.altinn.history(&b.id).is_empty());
    assert_eq!(item["reason"], "incomplete");
    let detail = item["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("the start of its process"), "{detail}");
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(&story).await;
}
