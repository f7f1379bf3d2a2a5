//! The sample of an estate: several heirs, and a notice for each.

use http::StatusCode;
use local_world::deployment::{Deployment, Plan, sample_apps};
use serde_json::{Value, json};
use tests::{Attachment, B, Folder, Story};

const ESTATE: &str = "ttd/estate";
const INHERITANCE: &str = "ttd/inheritance";
const ROUTE: &str = "estate-to-inheritance";

/// With all samples, as they are.
async fn begin() -> Story {
    Story::begin(Plan::samples().expect("the samples can be read")).await
}

async fn trigger(story: &Story, a: &str) {
    let answer = Deployment::trigger(story, ESTATE, a).await;
    let answer = answer.expect("the API answers");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

/// The notices, by the number of the heir who got it.
fn notices(story: &Story) -> Vec<(String, B)> {
    let made = story.altinn.instances(INHERITANCE).into_iter();
    let mut notices: Vec<(String, B)> = made
        .map(|b| {
            let owner = b["instanceOwner"]["personNumber"].as_str();
            let owner = owner.expect("a person owns it").to_owned();
            (owner, story.b(b["id"].as_str().expect("it has an id")))
        })
        .collect();
    notices.sort_by(|one, other| one.0.cmp(&other.0));
    notices
}

/// What A's form says of each heir, in the order of their numbers.
fn heirs(form: &Value) -> Vec<(String, String, String)> {
    let heirs = form["arvinger"].as_array().expect("it has heirs");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut heirs: Vec<_> = heirs
        .iter()
        .map(|heir| {
            let share = heir["andel"].to_string();
            (text(&heir["fodselsnummer"]), text(&heir["navn"]), share)
        })
        .collect();
    heirs.sort();
    heirs
}

/// The files that A's instance folder holds for each notice.
fn files(folder: &Folder) -> Vec<Attachment> {
    let file = |data_type: &str, name: &str| Attachment {
        data_type: data_type.to_owned(),
        filename: name.to_owned(),
        content_type: "application/pdf".to_owned(),
        bytes: std::fs::read(folder.path().join(name))
            .expect("the sample can be read")
            .into(),
    };
    vec![
        file("melding", "estate.pdf"),
        file("testament", "testament.pdf"),
    ]
}

#[tokio::test]
async fn each_heir_gets_one_notice_with_the_papers_and_nothing_of_another_heir() {
    let sample = Folder::copy(&sample_apps().join(ESTATE).join("samples/three-heirs"));
    let form = std::fs::read(sample.path().join("model.json")).expect("the sample can be read");
    let form: Value = serde_json::from_slice(&form).expect("the sample is JSON");
    let story = begin().await;
    let a = story.import_from(sample.path());
    trigger(&story, &a).await;
    story.reaches(ROUTE, &a, "done").await;
    trigger(&story, &a).await;
    story.settled().await;

    let (notices, heirs) = (notices(&story), heirs(&form));
    assert_eq!(notices.len(), 3, "the second trigger made none");
    for ((owner, notice), (number, name, share)) in notices.iter().zip(&heirs) {
        assert_eq!(owner, number);
        assert_eq!(notice.field("arving/navn"), [name]);
        assert_eq!(notice.field("arving/andel"), [share]);
        assert_eq!(notice.field("bo/medarvinger"), ["2"]);
        assert_eq!(notice.field("bo/dodsdato"), ["2026-10-02"]);
        assert_eq!(notice.field("bo/referanse"), [&a]);
        assert_eq!(notice.attachments, files(&sample));
        assert_eq!(
            notice.instance["presentationTexts"]["deceased"],
            json!("Astrid Østli")
        );
        let others = heirs.iter().filter(|heir| heir.0 != *number);
        for (other, its_name, _) in others {
            let texts = notice.form.iter().map(|(_, text)| text);
            let mut told = texts.filter(|text| text.contains(other) || *text == its_name);
            assert_eq!(told.next(), None, "of another heir");
        }
    }
    assert!(story.dead_letters(0).await.is_empty());
    story.end().await;
}

#[tokio::test]
async fn an_only_heir_gets_one_notice_without_the_testament_that_there_is_not() {
    let story = begin().await;
    let a = story.import_from(&sample_apps().join(ESTATE).join("samples/one-heir"));
    trigger(&story, &a).await;
    story.reaches(ROUTE, &a, "done").await;
    let notices = notices(&story);
    let [(_, notice)] = &notices[..] else {
        panic!("{} notices", notices.len())
    };
    assert_eq!(notice.field("bo/medarvinger"), ["0"]);
    let types: Vec<&str> = notice.attachments.iter().map(|it| &*it.data_type).collect();
    assert_eq!(types, ["melding"]);
    story.end().await;
}
