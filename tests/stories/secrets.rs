//! Form data, names, numbers and files of people are in Altinn and in transit to it, and nowhere else:
//! not in a log at any level, not in the ledger, the queues, a metric, or an answer.
//!
//! Each story has everything go through that people write, lets all fail that can, and then searches
//! all that can be seen from outside.

mod answers;
mod inbound;
mod markers;
mod routes;

use std::fmt::Write;

use bytes::Bytes;
use local_altinn::{Attachment, FormContent, Stage, Submission, SubmissionOwner};
use local_aws::lambda::Function;
use serde_json::{Value, json};
use tests::{B, CASEWORK, Folder, PERMIT, Story, app, binaries, permit_alone};

use markers::{AREA, CODE, CONTENT, DESCRIPTION, FILE, NAME, NUMBER, REMARK, assert_none_in};

/// The built functions, as talkative as they can be, with these routes.
async fn story(routes: &Folder) -> Story {
    let plan = permit_alone();
    let mut plan = plan
        .setting("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .setting("RUST_LOG", "trace,hyper=trace,aws_smithy_runtime=trace")
        .setting("RUST_BACKTRACE", "full")
        .setting("STAFETT_RECONCILE_GRACE_SECONDS", "0")
        .setting("STAFETT_SETTLE_SECONDS", "1");
    plan.code = binaries().code();
    plan.routes = routes.path().to_owned();
    let casework = app(CASEWORK, |b| b["partyTypesAllowed"]["person"] = json!(true));
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(casework);
    Story::begin(plan).await
}

/// A citizen fills in a permit that is personal from end to end.
fn fill_in(story: &Story) -> String {
    let form = json!({
        "soker": { "navn": NAME, "fodselsnummer": NUMBER },
        "tiltak": [
            { "kode": CODE, "beskrivelse": DESCRIPTION, "areal": AREA },
            { "kode": "TB", "beskrivelse": format!("{DESCRIPTION} også"), "areal": 24.5 },
        ],
        "merknad": REMARK,
    });
    let drawing = Attachment {
        data_type: "tegning".to_owned(),
        filename: FILE.to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from_static(CONTENT),
    };
    let submission = Submission {
        app: PERMIT.to_owned(),
        owner: SubmissionOwner::Person(NUMBER.to_owned()),
        forms: vec![("model".to_owned(), FormContent::Json(form))],
        attachments: vec![drawing],
        until: Stage::Ended,
    };
    let submitted = story.altinn.submit(&submission);
    submitted.expect("a citizen can fill in a permit")
}

/// All of it has come to B: what is found nowhere else was there to be found.
fn assert_has_it_all(b: &B) {
    assert_eq!(b.field("soknad/innsender"), [NAME]);
    assert_eq!(b.field("soknad/merknad"), [REMARK]);
    assert_eq!(b.field("soknad/vedtak/kode"), [CODE, "TB"]);
    assert_eq!(b.field("soknad/vedtak/beskrivelse")[0], DESCRIPTION);
    assert_eq!(b.field("soknad/vedtak/areal")[0], AREA.to_string());
    let drawing = b.attachments.iter().find(|it| it.filename == FILE);
    assert_eq!(drawing.expect("the drawing is there").bytes, CONTENT);
}

fn functions(story: &Story) -> [(&'static str, &Function); 4] {
    [
        ("receive", &story.receive),
        ("instantiate", &story.instantiate),
        ("reconcile", &story.reconcile),
        ("redrive", &story.redrive),
    ]
}

/// Searches what the functions have written, and what lies in the ledger.
async fn assert_no_trace(story: &Story) {
    for (name, function) in functions(story) {
        let processes = function.processes().expect("it runs in processes");
        let lines = processes.log().into_iter().map(|line| line.text);
        let log: Vec<String> = lines.collect();
        let is_at = |level: &str| {
            let level = format!("\"level\":\"{level}\"");
            log.iter().any(|line| line.contains(&level))
        };
        if name == "instantiate" {
            assert!(is_at("DEBUG") && is_at("INFO"), "it is talkative");
            assert!(
                log.iter().any(|line| line.contains("\"_aws\"")),
                "metrics are told"
            );
        }
        assert_none_in(&format!("the log of {name}"), &log.join("\n"));
    }
    assert_none_in("the ledger", &story.whole_ledger().await);
}

/// What an operator is told of all this, and the clock.
async fn assert_no_trace_for_operators(story: &Story) {
    let questions: [(&Function, Value); 4] = [
        (&story.reconcile, json!({ "dryRun": true })),
        (&story.redrive, json!({ "action": "inspect" })),
        (
            &story.redrive,
            json!({ "action": "redrive", "dryRun": true }),
        ),
        (&story.reconcile, json!({})),
    ];
    let mut answers = String::new();
    for (function, question) in questions {
        let answer = function.invoke(&question).await;
        let answer = answer.expect("an operator's function answers");
        writeln!(answers, "{answer}").expect("a text takes more text");
    }
    assert_none_in("an answer to an operator", &answers);
}
