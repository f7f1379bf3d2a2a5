//! What a call leaves in the logs.

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use stafett_runtime::telemetry;
use testbed::wire::{Action, CannedResponse, On};
use tracing::{Dispatch, dispatcher::DefaultGuard};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    issuer::ORGANISATION,
    system::{Call, INSTANCE, SECRET, System},
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that `receive` wrote since the last time.
    fn take(&self) -> Vec<Value> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["target"].as_str().unwrap().starts_with("receive"))
            .collect()
    }
}

/// Has `subscriber` get what this thread logs. Another thread's first use of a log statement, at the same moment and
/// without a subscriber, would switch the statement off for all; with one that takes everything it cannot.
fn listen(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    static EVERYTHING: Once = Once::new();
    EVERYTHING.call_once(|| {
        let everything = telemetry::subscriber(LevelFilter::TRACE, io::sink);
        // Nobody else in this program sets one.
        tracing::subscriber::set_global_default(everything).unwrap();
    });
    tracing::dispatcher::set_default(&subscriber.into())
}

#[tokio::test]
async fn each_call_leaves_one_line_with_ids_and_nothing_else() {
    let system = System::start().await;
    let written = Written::default();
    let writer = written.clone();
    let subscriber = telemetry::subscriber(LevelFilter::INFO, move || writer.clone());
    let _logging = listen(subscriber);

    let trigger = json!({ "app": "ttd/permit", "instance": INSTANCE });
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    let traced = format!("{trace};CalledFrom=hemmelig");
    system.call(system.trigger(&trigger).traced(&traced)).await;
    let [line] = &written.take()[..] else {
        panic!("one call, one line");
    };
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["route_key"], "POST /triggers");
    assert_eq!(line["status"], 202);
    assert_eq!(line["cause"], "app");
    assert_eq!(line["caller"], ORGANISATION);
    assert_eq!(line["instance"], INSTANCE);
    assert_eq!(line["relays"], 2);
    assert_eq!(line["trace"], trace);
    assert!(line["ms"].as_f64().unwrap() > 0.0);

    let unknown = json!({ "app": "ttd/other", "instance": INSTANCE });
    system.call(system.trigger(unknown)).await;
    let [line] = &written.take()[..] else {
        panic!("one call, one line");
    };
    assert_eq!(
        (&line["level"], &line["status"]),
        (&json!("INFO"), &json!(404))
    );
    assert_eq!(line["problem"], "no-route");
    assert_eq!(line["instance"], INSTANCE);

    system.call(system.relays(INSTANCE)).await;
    let [line] = &written.take()[..] else {
        panic!("one call, one line");
    };
    assert_eq!(line["route_key"], "GET /relays/{party}/{guid}");
    assert_eq!(line["status"], 404);
    assert_eq!(line["caller"], ORGANISATION);
    assert_eq!(line["instance"], INSTANCE);

    system.wire.faults().add(
        On::any(),
        Action::Answer(CannedResponse::status(StatusCode::BAD_GATEWAY)),
    );
    system.call(system.trigger(&trigger)).await;
    let [line] = &written.take()[..] else {
        panic!("one call, one line");
    };
    assert_eq!(
        (&line["level"], &line["status"]),
        (&json!("ERROR"), &json!(503))
    );
    let reason = line["reason"].as_str().unwrap();
    assert!(
        reason.contains("2 of 2 triggers were not queued"),
        "{reason}"
    );
    assert!(
        reason.contains("STAFETT_QUEUE_URL"),
        "for the operator: {reason}"
    );
}

#[tokio::test]
async fn neither_the_secret_path_nor_a_token_nor_a_body_is_ever_logged() {
    let system = System::start().await;
    let written = Written::default();
    let writer = written.clone();
    let subscriber = telemetry::subscriber(LevelFilter::TRACE, move || writer.clone());
    let _logging = listen(subscriber);

    let token = system.issuer.token(Timestamp::now());
    let wrong = "another-secret-that-somebody-tries-out";
    let event = json!({
        "id": "1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
        "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": INSTANCE,
        "alternativesubject": "/person/hemmelig"
    });
    let bearer = format!("Bearer {token}");
    let calls = [
        Call::event(&event),
        Call::event("{\"hemmelig\""),
        Call::new("GET", &format!("/events/{SECRET}")),
        Call::new("POST", &format!("/events/{wrong}")).json(&event),
        Call::new("POST", &format!("/{SECRET}")),
        Call::new("GET", &format!("/relays/hemmelig/{SECRET}")).header("authorization", &bearer),
        Call::new("POST", "/triggers")
            .header("authorization", &bearer)
            .json("{\"hemmelig\":1}"),
        Call::new("POST", "/triggers")
            .header("authorization", format!("{bearer}x"))
            .json("{}"),
    ];
    for call in calls {
        for fault in [false, true] {
            system.wire.faults().clear();
            if fault {
                system.wire.faults().add(On::any(), Action::ResetBefore);
            }
            system.call(call.clone()).await;
        }
    }
    let text = written.text();
    assert_eq!(
        text.matches("\"route_key\"").count(),
        16,
        "each call was logged"
    );
    assert!(!text.contains(SECRET) && !text.contains(wrong));
    assert!(!text.contains("hemmelig"));
    for part in token.split('.') {
        assert!(!text.contains(part));
    }
}
