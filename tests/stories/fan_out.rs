//! One A with several B: a route with `each`.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};
use local_altinn::{App, FormContent, Stage, Submission, SubmissionOwner};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse};
use tests::{
    BInstance, CASEWORK, DEADLINE, Folder, Story, app, binaries, measures_route, permit_alone,
    posts, routes, stamp,
};

const ESTATE: &str = "ttd/estate";
const ROUTE: &str = "estate-to-heirs";

/// Heirs; one has a number with a leading zero.
const HEIRS: [(&str, &str); 3] = [
    ("Kari Bygger", "12837832290"),
    ("Åse Øvregård", "29919041380"),
    ("Ola Minst", "05866511588"),
];

/// An app for the settlement of an estate: the deceased, and the heirs.
fn estate() -> (App, Folder) {
    let metadata = json!({
        "id": ESTATE,
        "org": "ttd",
        "title": { "nb": "Skifte av dødsbo" },
        "dataTypes": [{
            "id": "model",
            "allowedContentTypes": ["application/xml"],
            "appLogic": { "autoCreate": true, "classRef": "Altinn.App.Models.Model" },
            "taskId": "Task_1",
            "maxCount": 1,
            "minCount": 1,
        }],
        "partyTypesAllowed": { "person": true, "organisation": false, "subUnit": false, "bankruptcyEstate": false },
    });
    let text = json!({ "type": "string" });
    let heir = json!({ "type": "object", "properties": { "navn": text, "fodselsnummer": text } });
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "avdod": text, "arvinger": { "type": "array", "items": heir } },
    });
    let settings = "
events: true
tasks:
  - { id: Task_1, type: data, name: Utfylling }
  - { id: Task_2, type: confirmation, name: Bekreft }
";
    let folder = Folder::empty()
        .with("applicationmetadata.json", metadata.to_string())
        .with("app.yaml", settings);
    std::fs::create_dir(folder.path().join("models")).expect("a folder can be created");
    folder.write("models/model.schema.json", schema.to_string());
    (App::load(folder.path()).expect("it is an app"), folder)
}

/// A route that gives each heir a case.
fn route(when: &str) -> String {
    format!(
        "name: {ROUTE}
from: {{ app: {ESTATE}, when: {{ {when} }}, since: 2026-11-01 }}
to:
  app: {CASEWORK}
  owner: {{ person: heir.fodselsnummer }}
  dataType: model
  root: melding
model:
  soknad:
    tittel: \"'Arv etter ' ~ data.model.avdod\"
    referanse: instance.id
    innsender: heir.navn
each: heir in data.model.arvinger
key: heir.fodselsnummer
"
    )
}

/// The built functions at the most verbose log level, with this gate.
async fn story(when: &str) -> (Story, [Folder; 2]) {
    let plan = permit_alone();
    let mut plan = plan
        .setting("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .setting("STAFETT_SETTLE_SECONDS", "1");
    plan.code = binaries().code();
    let routes = routes([(ROUTE, route(when))]);
    plan.routes = routes.path().to_owned();
    let (estate, folder) = estate();
    let casework = app(CASEWORK, |b| b["partyTypesAllowed"]["person"] = json!(true));
    plan.altinn.apps = vec![estate, casework];
    (Story::begin(plan).await, [routes, folder])
}

fn form(heirs: &[(&str, &str)]) -> Value {
    let heirs: Vec<Value> = heirs
        .iter()
        .map(|(name, number)| match *number {
            "" => json!({ "navn": name }),
            number => json!({ "navn": name, "fodselsnummer": number }),
        })
        .collect();
    json!({ "avdod": "Gammel Bygger", "arvinger": heirs })
}

fn fill_in(story: &Story, heirs: &[(&str, &str)], until: Stage) -> String {
    let submission = Submission {
        app: ESTATE.to_owned(),
        owner: SubmissionOwner::Person(HEIRS[0].1.to_owned()),
        forms: vec![("model".to_owned(), FormContent::Json(form(heirs)))],
        attachments: Vec::new(),
        until,
    };
    story
        .altinn
        .submit(&submission)
        .expect("an heir can fill it in")
}

/// Every B that was ever created for this A, by the key digest in its stamp.
fn cases(story: &Story, a: &str) -> BTreeMap<String, BInstance> {
    let set = stamp(ROUTE, a) + ":";
    let made = story.altinn.creations().into_iter();
    let stamped = made.filter_map(|it| {
        let digest = it.data_values.get("stafett.relay")?.strip_prefix(&set)?;
        Some((digest.to_owned(), it.instance))
    });
    let stamped: Vec<(String, String)> = stamped.collect();
    let by_digest: BTreeMap<String, BInstance> = stamped
        .iter()
        .map(|(digest, id)| (digest.clone(), story.b(id)))
        .collect();
    assert_eq!(by_digest.len(), stamped.len(), "one B for each stamp");
    by_digest
}

fn number(b: &BInstance) -> &str {
    let number = b.instance["instanceOwner"]["personNumber"].as_str();
    number.expect("a person owns it")
}

/// Asserts that no number and no name is stored or logged outside Altinn.
async fn assert_impersonal(story: &Story, messages: &[String]) {
    let places = [
        ("the queue", messages.join("\n")),
        ("the ledger", story.whole_ledger().await),
        ("the log", story.logs().join("\n")),
    ];
    for (place, text) in places {
        for (name, number) in HEIRS {
            assert!(!text.contains(number), "{place} has a key");
            assert!(!text.contains(name), "{place} has a name");
        }
    }
}

#[tokio::test]
async fn each_heir_gets_one_case_and_no_number_leaves_altinn() {
    let (story, _folders) = story("process: completed").await;
    let a = fill_in(&story, &HEIRS, Stage::Ended);
    let message = Story::message(ROUTE, &a);
    story.send([message.clone(), message.clone()]).await;
    let set = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_eq!(set["instance"], Value::Null, "the set itself has no B");

    let cases = cases(&story, &a);
    let mut heirs: Vec<(&str, &str)> = cases
        .values()
        .map(|b| (b.field("soknad/innsender")[0], number(b)))
        .collect();
    heirs.sort_unstable();
    let mut expected = HEIRS;
    expected.sort_unstable();
    assert_eq!(heirs, expected);
    for (digest, b) in &cases {
        assert_eq!(digest.len(), 16);
        assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(b.instance["dataValues"]["stafett.source"], a);
        assert_eq!(b.field("soknad/referanse"), [&a]);
        let own = story
            .reaches(&format!("{ROUTE}#{digest}"), &a, "done")
            .await;
        assert_eq!(own["instance"], b.id);
    }
    assert_eq!(story.posts().len(), HEIRS.len());
    assert_impersonal(&story, &[message]).await;
    assert!(story.dead_letters(0).await.is_empty());
    story.end().await;
}

/// B rejects the second heir with `status`, and asks not to be called again soon.
fn b_refuses_the_second(story: &Story, status: StatusCode) {
    let answer =
        CannedResponse::status(status).header(header::RETRY_AFTER, HeaderValue::from_static("8"));
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(2), Action::Answer(answer));
}

#[tokio::test]
async fn after_a_partial_failure_only_the_unfinished_cases_are_requested_again() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::GATEWAY_TIMEOUT] {
        let (story, _folders) = story("process: completed").await;
        b_refuses_the_second(&story, status);
        let a = fill_in(&story, &HEIRS, Stage::Ended);
        story.send([Story::message(ROUTE, &a)]).await;
        let set = story.reaches(ROUTE, &a, "waiting").await;
        assert_eq!(set["reason"], "parts_open");
        assert_eq!(cases(&story, &a).len(), 2);
        story.reaches(ROUTE, &a, "done").await;
        story.settled().await;
        assert_eq!(cases(&story, &a).len(), 3);
        assert_eq!(story.posts().len(), 4, "three, and one again");
        assert_impersonal(&story, &[]).await;
        assert!(story.dead_letters(0).await.is_empty());
        story.end().await;
    }
}

#[tokio::test]
async fn heirs_without_a_unique_key_get_no_case() {
    let (story, _folders) = story("process: completed").await;
    let [kari, ase, _] = HEIRS;
    let mut messages = Vec::new();
    for heirs in [
        [kari, ase, ("Kari B.", kari.1)],
        [kari, ("Uten Nummer", ""), ase],
    ] {
        let a = fill_in(&story, &heirs, Stage::Ended);
        story.send([Story::message(ROUTE, &a)]).await;
        let set = story.reaches(ROUTE, &a, "failed").await;
        assert_eq!(set["reason"], "keys_ambiguous");
        messages.extend(story.dead_letters(1).await);
    }
    assert!(story.posts().is_empty());
    assert_impersonal(&story, &messages).await;
    story.end().await;
}

#[tokio::test]
async fn an_heir_removed_during_the_relay_keeps_the_case_and_is_reported() {
    let (story, _folders) = story("task: Task_1").await;
    b_refuses_the_second(&story, StatusCode::TOO_MANY_REQUESTS);
    let task = Stage::Task("Task_1".to_owned());
    let a = fill_in(&story, &HEIRS, task);
    story.send([Story::message(ROUTE, &a)]).await;
    story.reaches(ROUTE, &a, "waiting").await;
    let early = cases(&story, &a);
    let (digest, gone) = early.iter().next().expect("some are done");
    let left: Vec<(&str, &str)> = HEIRS
        .into_iter()
        .filter(|heir| heir.1 != number(gone))
        .collect();
    story.replace_form(ESTATE, &a, &form(&left)).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;

    let cases = cases(&story, &a);
    assert_eq!(cases.len(), 3);
    let kept = &cases[digest];
    assert_eq!(kept.id, gone.id);
    assert_ne!(kept.instance["status"]["isHardDeleted"], true);
    assert_eq!(story.posts().len(), 4, "three, and one again");
    let processes = story.instantiate.processes().expect("it runs in processes");
    let reported = processes.logged(DEADLINE, |line| {
        line.text.contains("is gone") && line.text.contains(&format!("{ROUTE}#{digest}"))
    });
    reported.await.expect("it is in the log");
    assert_impersonal(&story, &[]).await;
    story.end().await;
}

/// The permit's measures: one case each, all with the same owner. It uses the sample apps, and each case gets the PDF.
#[tokio::test]
async fn each_measure_of_a_permit_gets_one_case_with_the_permit_attached() {
    const ROUTE: &str = "measures";
    let attached = "attachments:\n  - { from: ref-data-as-pdf, to: vedlegg, required: true }\n";
    let text = measures_route(ROUTE) + attached;
    let folder = routes([(ROUTE, text)]);
    let story = Story::on(&folder).await;
    let a = story.import("two-measures");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let mut codes = Vec::new();
    for b in story.altinn.instances(CASEWORK) {
        let b = story.b(b["id"].as_str().expect("it has an id"));
        codes.extend(b.field("soknad/merknad").into_iter().map(str::to_owned));
        let pdf = story.files_for_b(&a);
        let pdf: Vec<_> = pdf.iter().filter(|it| it.data_type == "vedlegg").collect();
        assert_eq!(b.attachments.iter().collect::<Vec<_>>(), pdf);
    }
    codes.sort_unstable();
    assert_eq!(codes, ["GA", "TB"]);
    assert_eq!(story.posts().len(), 2);
    assert!(story.dead_letters(0).await.is_empty());
}
