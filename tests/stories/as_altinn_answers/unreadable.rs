//! An A that Altinn gives in a form that cannot be read.

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use testbed::wire::{Action, CannedResponse, On};
use tests::PERMIT;

use super::{HOUR, MINUTE, clean, item, nothing_is_left, pass, story, triggered};

/// What is no JSON, given as JSON.
fn broken() -> Action {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    let answer = CannedResponse::status(StatusCode::OK).header(header::CONTENT_TYPE, json);
    Action::Answer(answer.body(r#"{"soker":{"navn":"Kari"#))
}

fn forms() -> On {
    On::request(
        Method::GET,
        &format!("^/{PERMIT}/instances/[^/]+/[^/]+/data/"),
    )
}

fn instances() -> On {
    On::request(Method::GET, "^/storage/api/v1/instances/[^/]+/[^/]+$")
}

#[tokio::test]
async fn an_a_that_is_never_readable_fails_in_the_end_and_says_so() {
    for what in [forms(), instances()] {
        let story = story(false).await;
        let rule = story.altinn_wire.faults().add(what, broken());
        let a = triggered(&story).await;
        pass(&story, HOUR).await;
        let waiting = item(&story, &a).await;
        assert_eq!(
            (&waiting["state"], &waiting["reason"]),
            (&json!("waiting"), &json!("source_unreadable")),
            "{waiting}"
        );
        pass(&story, 8 * HOUR).await;
        let failed = item(&story, &a).await;
        assert_eq!(
            (&failed["state"], &failed["reason"]),
            (&json!("failed"), &json!("source_unreadable")),
            "{failed}"
        );
        let detail = failed["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&a) && !detail.contains("Kari"), "{detail}");
        assert!(story.posts().is_empty());
        // Somebody mends it, and redrives.
        story.altinn_wire.faults().remove(rule);
        let dead = story.dead_letters(1).await;
        story.send(dead).await;
        pass(&story, HOUR).await;
        clean(&story, &a).await;
        nothing_is_left(&story).await;
    }
}

#[tokio::test]
async fn an_a_whose_answer_broke_off_once_is_read_again() {
    let story = story(false).await;
    let faults = story.altinn_wire.faults();
    faults.add(forms().next(3), broken());
    let a = triggered(&story).await;
    pass(&story, 10 * MINUTE).await;
    clean(&story, &a).await;
    assert_eq!(story.posts().len(), 1);
    nothing_is_left(&story).await;
}
