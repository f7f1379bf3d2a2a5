//! What Altinn refuses now and takes later.

use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::{CallFault, CreationStep, Fault};
use testbed::wire::{Action, CannedResponse, On};
use tests::{CASEWORK, posts};

use super::{HOUR, MINUTE, b_meets, clean, item, nothing_is_left, pass, story, triggered, whole};

fn status(status: u16) -> CannedResponse {
    CannedResponse::status(StatusCode::from_u16(status).expect("a status"))
}

#[tokio::test]
async fn a_policy_service_out_of_reach_is_waited_for() {
    let story = story(false).await;
    let faults = story.altinn.faults();
    faults.always(Some(CASEWORK), Fault::DecisionPointDown);
    let a = triggered(&story).await;
    pass(&story, HOUR).await;
    let waiting = item(&story, &a).await;
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert_eq!(waiting["reason"], "b_forbidden", "{waiting}");
    faults.clear();
    pass(&story, 2 * HOUR).await;
    clean(&story, &a).await;
    assert_eq!(story.creations(), 1);
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_storage_or_a_register_out_of_reach_is_waited_for() {
    for fault in [Fault::StorageDown, Fault::RegisterDown] {
        let story = story(false).await;
        let faults = story.altinn.faults();
        faults.always(Some(CASEWORK), fault);
        let a = triggered(&story).await;
        pass(&story, HOUR).await;
        let waiting = item(&story, &a).await;
        assert_eq!(waiting["state"], "waiting", "{waiting}");
        faults.clear();
        pass(&story, 2 * HOUR).await;
        clean(&story, &a).await;
        assert_eq!(story.creations(), 1);
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn an_attachment_that_arrived_too_slowly_is_sent_again() {
    let story = story(false).await;
    for _ in 0..3 {
        b_meets(&story, Fault::SenderTooSlow);
    }
    let a = triggered(&story).await;
    pass(&story, 10 * MINUTE).await;
    clean(&story, &a).await;
    assert_eq!((story.posts().len(), story.creations()), (4, 1));
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_creation_that_is_refused_in_words_of_nobody_in_particular_is_tried_again() {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let page = "<html><body>Request blocked</body></html>";
    let problem = r#"{"title":"Conflict","status":409,"detail":"Somebody was faster."}"#;
    let answers = [
        status(409),
        status(404),
        status(403),
        status(409).body(problem),
        status(403)
            .header(header::CONTENT_TYPE, html.clone())
            .body(page),
        status(400).header(header::CONTENT_TYPE, html).body(page),
    ];
    for answer in answers {
        let story = story(false).await;
        let faults = story.altinn_wire.faults();
        faults.add(posts().nth(1), Action::Answer(answer));
        let a = triggered(&story).await;
        pass(&story, 2 * HOUR).await;
        clean(&story, &a).await;
        assert_eq!((story.posts().len(), story.creations()), (2, 1));
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn a_half_made_case_is_finished_whatever_its_app_says_meanwhile() {
    let add = || {
        let path = format!("^/{CASEWORK}/instances/[^/]+/[^/]+/data");
        On::request(Method::POST, &path)
    };
    let write = || {
        let path = format!("^/{CASEWORK}/instances/[^/]+/[^/]+/data/");
        On::request(Method::PUT, &path)
    };
    // Its form is missing, its attachment is, or only what its app makes of the form.
    for (step, on) in [
        (CreationStep::Element(0), add as fn() -> On),
        (CreationStep::Element(1), add),
        (CreationStep::PresentationTexts, write),
    ] {
        let story = story(false).await;
        b_meets(&story, Fault::at(step, CallFault::Refused(429)));
        let faults = story.altinn_wire.faults();
        let rules: Vec<_> = (1..)
            .zip([403, 404, 409, 429, 503])
            .map(|(nth, code)| faults.add(on().nth(nth), Action::Answer(status(code))))
            .collect();
        let a = triggered(&story).await;
        pass(&story, 12 * HOUR).await;
        whole(&story, &a).await;
        for rule in rules {
            assert_eq!(faults.applied(rule), 1, "{step:?}");
        }
        assert_eq!((story.posts().len(), story.creations()), (1, 1));
        nothing_is_left(&story).await;
    }
}
