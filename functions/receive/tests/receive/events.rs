//! `POST /events/{secret}`, as Altinn Events calls it.

use std::path::Path;

use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};

use crate::system::{Call, INSTANCE, REQUEST_ID, SECRET, System};

const EVENT_ID: &str = "7f8d6a4e-5a83-4c1b-a1e2-8b3f0c9d2e10";

/// An event as Altinn delivers it, with one field changed.
fn event(field: &str, value: impl Into<Value>) -> Value {
    let mut event = json!({
        "id": EVENT_ID,
        "source": format!("https://ttd.apps.tt02.altinn.no/ttd/permit/instances/{INSTANCE}"),
        "specversion": "1.0",
        "type": "app.instance.process.completed",
        "subject": "/party/50085321",
        "alternativesubject": "/person/hemmelig",
        "resource": "urn:altinn:resource:app_ttd_permit",
        "resourceinstance": INSTANCE,
        "time": "2026-08-22T10:12:44.7712345Z"
    });
    event[field] = value.into();
    event
}

fn completed() -> Value {
    event("type", "app.instance.process.completed")
}

#[tokio::test]
async fn an_event_of_altinn_triggers_each_route_and_carries_no_person_into_the_queue() {
    let system = System::start().await;
    let reply = system.call(Call::event(completed())).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let routes: Vec<_> = reply.json()["relays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|relay| relay["route"].clone())
        .collect();
    assert_eq!(routes, ["permit-to-archive", "permit-to-casework"]);

    let queued = system.queued(2).await;
    for (route, message) in queued {
        assert_eq!(
            message,
            json!({
                "v": 1, "route": route, "instance": INSTANCE,
                "cause": "event", "id": EVENT_ID, "at": message["at"],
            })
        );
    }
}

#[tokio::test]
async fn an_event_may_come_as_cloudevents_json_in_base64() {
    let system = System::start().await;
    let call = Call::event(completed()).header("content-type", "application/cloudevents+json");
    let reply = system.call(call.in_base64()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    system.queued(2).await;
}

#[tokio::test]
async fn an_event_that_starts_nothing_is_accepted() {
    let system = System::start().await;
    let validation = json!({
        "id": "1", "source": "https://platform.tt02.altinn.no/events/api/v1/subscriptions/4711",
        "specversion": "1.0", "type": "platform.events.validatesubscription"
    });
    let mut foreign_app = event("resource", "urn:altinn:resource:app_ttd_unheard-of");
    foreign_app["source"] = "urn:x".into();
    for event in [
        validation,
        event("type", "app.instance.created"),
        event("type", "app.instance.substatus.changed"),
        event("type", "dialogporten.dialog.created.v1"),
        event("resourceinstance", "3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"),
        event("resource", "urn:altinn:resource:app_hemmelig"),
        event("resource", "urn:altinn:resource:app_ttd_hemmelig"),
        foreign_app,
    ] {
        let reply = system.call(Call::event(&event)).await;
        assert_eq!(reply.status, 200, "{event}: {}", reply.text);
        assert_eq!(reply.json(), json!({ "relays": [] }));
    }
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn an_event_with_a_strange_id_triggers_under_the_id_of_the_request() {
    let system = System::start().await;
    let reply = system
        .call(Call::event(event("id", "hem\u{feff}melig")))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    for (_, message) in system.queued(2).await {
        assert_eq!(message["id"], REQUEST_ID);
    }
}

#[tokio::test]
async fn every_recorded_event_of_altinn_is_answered_as_it_should_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let system = System::with_routes(&root.join("tests/routes")).await;
    let (mut sent, mut triggered) = (0, 0);
    let folder = root.join("tests/recorded/events");
    for file in std::fs::read_dir(folder).unwrap() {
        let recorded = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let case: Value = serde_json::from_str(&recorded).unwrap();
        let (name, request) = (&case["name"], &case["request"]);
        if request["at"] != "receive" {
            continue;
        }
        sent += 1;
        // The answer was recorded before an event that is none of ours was left alone.
        let answer = match name.as_str() {
            Some("events-webhook-dialogporten") => {
                json!({ "status": 200, "body": { "relays": [] } })
            }
            _ => case["answer"].clone(),
        };
        let path = request["path"].as_str().unwrap();
        let mut call = Call::new("POST", &path.replace("{secret}", SECRET));
        call = call.body(filled(request["exact"].as_str().unwrap()));
        for header in ["Content-Type", "traceparent"] {
            if let Some(value) = request["headers"][header].as_str() {
                call = call.header(&header.to_lowercase(), filled(value));
            }
        }
        let reply = system.call(call).await;
        assert_eq!(answer["status"], reply.status, "{name}: {}", reply.text);
        let body: Value = serde_json::from_str(&filled(&answer["body"].to_string())).unwrap();
        assert_eq!(reply.json(), body, "{name}");
        triggered += usize::from(!reply.json()["relays"].is_null() && body["relays"] != json!([]));
    }
    assert_eq!(sent, 9, "recordings of what Events sends");
    assert_eq!(system.sends(), triggered);
    assert_ne!(triggered, 0);
}

/// A recorded text with values in place of its placeholders.
fn filled(text: &str) -> String {
    let guid = |number| format!("3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e7{number}");
    text.replace("{guid1}", &guid(1))
        .replace("{guid2}", &guid(2))
        .replace("{time:1-7Z}", "2026-08-22T10:12:44.7712345Z")
        .replace("{host}", "platform.tt02.altinn.no")
        .replace(
            "{trace}",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
}

#[tokio::test]
async fn a_wrong_secret_is_answered_like_a_path_that_does_not_exist() {
    let system = System::start().await;
    let nowhere = system
        .call(Call::new("POST", "/nowhere").json(completed()))
        .await;
    nowhere.problem(404, "not-found");
    let almost = format!("{}x", &SECRET[..SECRET.len() - 1]);
    let guesses = [
        "x".to_owned(),
        almost,
        SECRET[..SECRET.len() - 1].to_owned(),
        format!("{SECRET}x"),
        SECRET.to_uppercase(),
        format!("{SECRET}/"),
        format!("x/{SECRET}"),
        "{secret}".to_owned(),
        String::new(),
    ];
    for guess in guesses {
        for method in ["POST", "GET", "PUT"] {
            let path = format!("/events/{guess}");
            let call = Call::new(method, &path).json(completed());
            assert_eq!(system.call(call.clone()).await, nowhere, "{method} {guess}");
            assert_eq!(
                system.call(call.by_default_route()).await,
                nowhere,
                "{method} {guess}"
            );
        }
    }
    assert_eq!(
        system.call(Call::new("POST", "/events").json("{}")).await,
        nowhere
    );
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_a_cloud_event_is_refused_with_the_reason() {
    let system = System::start().await;
    let cases = [
        ("{\"hemmelig\"".to_owned(), "ends too early"),
        ("[]".to_owned(), "one JSON object"),
        (
            event("specversion", "hemmelig").to_string(),
            "`specversion` must be",
        ),
        (event("type", Value::Null).to_string(), "`type` is missing"),
        (event("id", "").to_string(), "`id` must be"),
        (
            event("source", Value::Null).to_string(),
            "`source` is missing",
        ),
        (
            event("resource", json!(["hemmelig"])).to_string(),
            "`resource` must be a text",
        ),
    ];
    for (body, says) in cases {
        let reply = system.call(Call::event(body)).await;
        let detail = reply.problem(400, "malformed-body");
        assert!(detail.contains(says), "{detail}");
        assert!(!reply.text.contains("hemmelig"), "{}", reply.text);
    }
    let oversized = format!("{}{}", completed(), " ".repeat(65_536));
    system
        .call(Call::event(oversized))
        .await
        .problem(413, "body-too-large");
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn a_queue_that_is_down_makes_altinn_repeat_the_event() {
    let system = System::start().await;
    let down = CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR);
    system.wire.faults().add(On::any(), Action::Answer(down));
    let reply = system.call(Call::event(completed())).await;
    reply.problem(503, "queue-unavailable");

    system.wire.faults().clear();
    assert_eq!(system.call(Call::event(completed())).await.status, 200);
    system.queued(2).await;
}
