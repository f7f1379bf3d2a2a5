//! Drafts that would be rejected: B is not called, and they are relayed once they are corrected.

use bytes::Bytes;
use http::{Method, StatusCode};
use local_altinn::{Attachment, Stage};
use local_world::deployment::Plan;
use serde_json::Value;
use testbed::wire::{Action, CannedResponse, On};
use tests::{DEADLINE, PERMIT, ROUTE, Story, binaries, permit_alone, permit_route, posts, routes};

/// A broken route, and what the ledger records for it.
struct Broken {
    name: &'static str,
    /// The replacement in the sample route.
    instead: [&'static str; 2],
    reason: &'static str,
    /// What the detail contains.
    named: &'static [&'static str],
}

const DRAWING: &str = "{ from: tegning, to: tegning }";
const BROKEN: [Broken; 8] = [
    Broken {
        name: "unknown-data-type",
        instead: [DRAWING, "{ from: tegning, to: brev }"],
        reason: "draft_refused",
        named: &["`brev`", "`vedlegg`"],
    },
    Broken {
        name: "foreign-media-type",
        instead: [DRAWING, "{ from: tegning, to: vedlegg }"],
        reason: "draft_refused",
        named: &["`vedlegg`", "image/png"],
    },
    Broken {
        name: "too-large",
        instead: [DRAWING, DRAWING],
        reason: "draft_refused",
        named: &["`tegning`", "25 MiB"],
    },
    Broken {
        name: "path-that-a-lacks",
        instead: [
            "innsender: data.model.soker.navn",
            "innsender: data.model.soker.telefon | upper",
        ],
        reason: "mapping_failed",
        named: &[
            "route path-that-a-lacks",
            "soknad.innsender",
            "data.model.soker.telefon",
        ],
    },
    Broken {
        name: "owner-without-nine-digits",
        instead: ["\"'310075728'\"", "data.model.soker.fodselsnummer"],
        reason: "mapping_failed",
        named: &[
            "route owner-without-nine-digits",
            "to.owner.organisation",
            "nine digits",
        ],
    },
    Broken {
        name: "character-that-xml-lacks",
        instead: ["\"'Byggesøknad fra '", r#""'Bygge\u0007søknad fra '"#],
        reason: "draft_refused",
        named: &["soknad.tittel"],
    },
    Broken {
        name: "against-the-schema",
        instead: ["kode: tiltak.kode", "kode: tiltak.beskrivelse"],
        reason: "draft_refused",
        named: &["soknad", "vedtak", "kode"],
    },
    Broken {
        name: "foreign-owner-type",
        instead: [
            "organisation: \"'310075728'\"",
            "person: data.model.soker.fodselsnummer",
        ],
        reason: "draft_refused",
        named: &["person", "partyTypesAllowed"],
    },
];

/// The sample route without drawings, under another name.
fn route(name: &str) -> String {
    permit_route()
        .replace(DRAWING, "")
        .replace("  - \n", "")
        .replace(ROUTE, name)
}

impl Broken {
    fn route(&self) -> String {
        let [from, to] = self.instead;
        let sample = permit_route().replace(ROUTE, self.name);
        assert!(sample.contains(from), "{}", self.name);
        let changed = sample.replace(from, to);
        // The large drawing goes only to the route that asks for it: it is too large for B.
        if from == DRAWING {
            changed
        } else {
            changed.replace(&format!("  - {DRAWING}\n"), "")
        }
    }
}

/// What must be nowhere but in Altinn: number, name, remark.
const PERSONAL: [&str; 3] = ["12837832290", "Kari Bygger", "Nabovarsel er sendt"];

fn assert_impersonal(what: &str, text: &str) {
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{what} has {personal:?}: {text}");
    }
}

/// The built functions at the most verbose log level.
fn talkative() -> Plan {
    let plan = permit_alone();
    let mut plan = plan.setting("AWS_LAMBDA_LOG_LEVEL", "TRACE");
    plan.code = binaries().code();
    plan
}

#[tokio::test]
async fn an_invalid_draft_is_never_sent_and_is_relayed_once_corrected() {
    let broken = BROKEN.iter().map(|it| (it.name, it.route()));
    let folder = routes(broken.chain([(ROUTE, route(ROUTE))]));
    let mut plan = talkative();
    plan.routes = folder.path().to_owned();
    let story = Story::begin(plan).await;
    let drawing = Attachment {
        data_type: "tegning".to_owned(),
        filename: "tegning.png".to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from(vec![0x50; 26 * 1024 * 1024]),
    };
    let a = story.fill_in_with(Stage::Ended, vec![drawing]);

    // One trigger becomes a message for each route.
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    for broken in &BROKEN {
        let item = story.reaches(broken.name, &a, "failed").await;
        assert_eq!(item["reason"], broken.reason, "{item}");
        assert_eq!(item["attempts"], 1);
        let detail = item["detail"].as_str().unwrap_or_default();
        for named in broken.named {
            assert!(detail.contains(named), "{}: {detail}", broken.name);
        }
    }
    let dead = story.dead_letters(BROKEN.len()).await;
    let mut names: Vec<String> = dead.iter().map(|body| route_of(body)).collect();
    names.sort();
    let mut expected: Vec<&str> = BROKEN.iter().map(|it| it.name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(story.posts().len(), 1, "only the good route's");
    // Each message was delivered forty times and processed once.
    let journal = story.altinn_wire.journal();
    let reads = On::request(Method::GET, &format!("^/storage/api/v1/instances/{a}$"));
    assert_eq!(journal.count(&reads), BROKEN.len() + 1);
    let forms = On::request(Method::GET, &format!("^/{PERMIT}/instances/{a}/data/"));
    assert_eq!(journal.count(&forms), BROKEN.len() + 1);

    // The author corrects the routes and deploys; the operator redrives the messages.
    for broken in &BROKEN {
        folder.write(&format!("{}.yaml", broken.name), route(broken.name));
    }
    story
        .instantiate
        .processes()
        .expect("it runs in processes")
        .kill_all()
        .await;
    story.send(dead.clone()).await;
    for broken in &BROKEN {
        story.reaches(broken.name, &a, "done").await;
        story.the_b(broken.name, &a);
    }
    story.settled().await;
    assert_eq!(story.creations(), BROKEN.len() + 1);

    assert_impersonal("the queue", &dead.join("\n"));
    assert_impersonal("the ledger", &story.whole_ledger().await);
    assert_impersonal("the log", &story.logs().join("\n"));
    story.end().await;
}

fn route_of(body: &str) -> String {
    let message: Value = serde_json::from_str(body).expect("a trigger");
    message["route"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn personal_data_in_altinns_errors_is_repeated_nowhere() {
    let mut plan = talkative();
    plan = plan.setting("STAFETT_SETTLE_SECONDS", "1");
    let story = Story::begin(plan).await;
    // As an app responds: with the number that it was sent, and the name of its holder.
    let gossip =
        "Cannot lookup party: Failed to lookup party by personNumber: 12837832290 (Kari Bygger)";
    let answers = [StatusCode::NOT_FOUND, StatusCode::INTERNAL_SERVER_ERROR];
    for (turn, status) in (1..).zip(answers) {
        let answer = CannedResponse::status(status).body(gossip);
        story
            .altinn_wire
            .faults()
            .add(posts().nth(turn), Action::Answer(answer));
    }
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "owner_unknown");
    assert_impersonal("the ledger", &item.to_string());
    let processes = story.instantiate.processes().expect("it runs in processes");
    let unknown = processes.logged(DEADLINE, |line| line.text.contains("outcome_unknown"));
    unknown.await.expect("the second answer tells nothing of B");
    assert_impersonal("the ledger", &story.whole_ledger().await);
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_impersonal("the ledger", &story.whole_ledger().await);
    let log = story.logs();
    assert!(
        log.iter().any(|line| line.contains("\"level\":\"DEBUG\"")),
        "it is talkative"
    );
    assert_impersonal("the log", &log.join("\n"));
    story.end().await;
}
