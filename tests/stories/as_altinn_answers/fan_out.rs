//! One A with six B; Storage is too busy for two of them.

use std::collections::BTreeSet;

use local_altinn::{
    CallFault, CreationStep, Fault, FormContent, Stage, Submission, SubmissionOwner,
};
use serde_json::{Value, json};
use tests::{CASEWORK, PERMIT, Story, measures_route, routes};

use super::{HOUR, b_meets, live, nothing_is_left, pass};

const ROUTE: &str = "measures";
const CODES: [&str; 6] = ["TB", "GA", "NB", "RI", "FA", "BR"];

/// A permit with six measures.
fn fill_in(story: &Story) -> String {
    let measures = CODES
        .map(|code| json!({ "kode": code, "beskrivelse": format!("Tiltak {code}"), "areal": 10 }));
    let form = json!({
        "soker": { "navn": "Kari Bygger", "fodselsnummer": "12837832290" },
        "tiltak": measures,
        "merknad": "Seks tiltak",
    });
    let submission = Submission {
        app: PERMIT.to_owned(),
        owner: SubmissionOwner::Person("12837832290".to_owned()),
        forms: vec![("model".to_owned(), FormContent::Json(form))],
        attachments: Vec::new(),
        until: Stage::Ended,
    };
    let a = story.altinn.submit(&submission);
    a.expect("a citizen can fill in a permit")
}

#[tokio::test]
async fn six_cases_are_created_although_storage_answers_two_with_429() {
    let folder = routes([(ROUTE, measures_route(ROUTE))]);
    let story = Story::on(&folder).await;
    for step in [CreationStep::PresentationTexts, CreationStep::Process] {
        b_meets(&story, Fault::at(step, CallFault::Refused(429)));
    }
    let a = fill_in(&story);
    story.trigger(&a).await;
    pass(&story, HOUR).await;
    story.reaches(ROUTE, &a, "done").await;
    let cases: Vec<Value> = story.altinn.instances(CASEWORK);
    let measures: BTreeSet<String> = cases
        .iter()
        .map(|b| story.b(b["id"].as_str().expect("it has an id")))
        .map(|b| b.field("soknad/merknad").concat())
        .collect();
    assert_eq!(measures, CODES.map(str::to_owned).into());
    assert!(
        cases
            .iter()
            .all(|b| b["presentationTexts"]["title"].is_string())
    );
    assert_eq!(
        (story.posts().len(), story.creations(), live(&story)),
        (6, 6, 6)
    );
    nothing_is_left(&story).await;
}
