//! Compressed responses are not unpacked, and oversized ones are not read in.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::Stage;
use testbed::wire::{Action, CannedResponse, On};
use tests::{
    CASEWORK, PERMIT, ROUTE, Story, binaries, eventually, peak_memory, permit_alone, posts,
    sqs_event,
};

const MIB: usize = 1024 * 1024;
/// The memory that a response may cost on top of what a relay needs anyway: the longest text that is read, and its
/// parsed value.
const MARGIN: u64 = 64 * 1024 * 1024;

/// The call of a relay that gets an unexpected response.
#[derive(Clone, Copy, Debug)]
enum Place {
    Grant,
    Exchange,
    Instance,
    Form,
    Metadata,
    Schema,
    Creation,
    Search,
}

impl Place {
    const ALL: [Self; 8] = [
        Self::Grant,
        Self::Exchange,
        Self::Instance,
        Self::Form,
        Self::Metadata,
        Self::Schema,
        Self::Creation,
        Self::Search,
    ];

    fn on(self) -> On {
        let get = |path: &str| On::request(Method::GET, path);
        match self {
            Self::Grant => On::request(Method::POST, "^/maskinporten/token$"),
            Self::Exchange => get("^/authentication/api/v1/exchange"),
            Self::Instance => get("^/storage/api/v1/instances/[^/]+/[^/]+$"),
            Self::Form => get(&format!("^/{PERMIT}/instances/.*/data/")),
            Self::Metadata => get(&format!("^/{CASEWORK}/api/v1/applicationmetadata")),
            Self::Schema => get(&format!("^/{CASEWORK}/api/jsonschema/model$")),
            Self::Creation => posts(),
            Self::Search => get(r"^/storage/api/v1/instances\?"),
        }
    }
}

/// 200 MiB of JSON, compressed to less than 1 MiB.
fn bomb() -> CannedResponse {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let blank = vec![b' '; MIB];
    for _ in 0..200 {
        packed.write_all(&blank).expect("it can be packed");
    }
    packed.write_all(b"{}").expect("it can be packed");
    let packed = packed.finish().expect("it can be packed");
    assert!(packed.len() < MIB);
    let gzip = HeaderValue::from_static("gzip");
    json_text(packed).header(header::CONTENT_ENCODING, gzip)
}

/// Five million values in ten million bytes, which parse to hundreds of MiB.
fn many() -> CannedResponse {
    json_text(format!("[{}0]", "0,".repeat(5_000_000)))
}

/// One text, longer than any document.
fn long() -> CannedResponse {
    json_text(format!("\"{}\"", "x".repeat(128 * MIB)))
}

fn json_text(body: impl Into<Bytes>) -> CannedResponse {
    let json = HeaderValue::from_static("application/json");
    CannedResponse::status(StatusCode::OK)
        .header(header::CONTENT_TYPE, json)
        .body(body)
}

/// Delivers the relay's message until the relay is done.
async fn relay(story: &Story, a: &str) {
    let event = sqs_event([Story::message(ROUTE, a)]);
    eventually("the relay is done", async || {
        let answer = story.instantiate.invoke(&event).await;
        let answer = answer.expect("the function answers");
        match story.ledger_item(a, ROUTE).await {
            Ok(item) if item["state"] == "done" => Ok(()),
            _ => Err(answer.to_string()),
        }
    })
    .await;
    story.the_b(ROUTE, a);
}

fn peak(story: &Story) -> u64 {
    let processes = story.instantiate.processes().expect("it runs in processes");
    let [pid] = processes.pids()[..] else {
        panic!("one process, from the first delivery to the last")
    };
    peak_memory(pid)
}

#[tokio::test]
async fn no_response_exhausts_the_memory() {
    let plan = permit_alone();
    let mut plan = plan.setting("STAFETT_SETTLE_SECONDS", "0");
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    relay(&story, &story.fill_in(Stage::Ended)).await;
    let usual = peak(&story);
    let processes = story.instantiate.processes().expect("it runs in processes");
    let faults = story.altinn_wire.faults();
    let answers = [("packed", bomb()), ("many", many()), ("long", long())];
    for place in Place::ALL {
        for (kind, answer) in &answers {
            // A new process has no cached token, metadata or schema.
            processes.kill_all().await;
            let action = match place {
                Place::Creation => Action::AnswerAfter(answer.clone()),
                _ => Action::Answer(answer.clone()),
            };
            if let Place::Search = place {
                // Only a function that does not know whether B was created searches for it.
                faults.add(posts().nth(1), Action::ResetAfter);
            }
            let rule = faults.add(place.on().nth(1), action);
            relay(&story, &story.fill_in(Stage::Ended)).await;
            assert_eq!(faults.applied(rule), 1, "{place:?}");
            faults.clear();
            let peak = peak(&story);
            assert!(
                peak < usual + MARGIN,
                "{} MiB instead of {} after {kind} at {place:?}",
                peak / MIB as u64,
                usual / MIB as u64,
            );
        }
    }
    story.end().await;
}
