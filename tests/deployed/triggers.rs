//! What is told to the deployed API becomes a case.

use std::time::Instant;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ROUTE, guid};

use crate::deployed::{Deployed, say, tell};

/// Milliseconds from the call of the API to `done` in the ledger.
async fn relay(deployed: &Deployed) -> u128 {
    let a = deployed.submit();
    let token = deployed.token();
    let began = Instant::now();
    let answer = deployed.trigger(&a, &token).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    deployed.done(&a).await;
    let taken = began.elapsed().as_millis();
    deployed.the_one_complete_b(&a);
    taken
}

#[test]
fn a_trigger_becomes_one_complete_case() {
    tell(async |deployed| {
        deployed.configure_functions().await;
        let first = relay(deployed).await;
        let mut more = Vec::new();
        for _ in 0..9 {
            more.push(relay(deployed).await);
        }
        more.sort_unstable();
        say(format!(
            "from trigger to done: {first} ms with cold functions, then {} ms in the median of {} ({} to {})",
            more[more.len() / 2],
            more.len(),
            more[0],
            more[more.len() - 1],
        ));
    });
}

#[test]
fn an_event_becomes_one_complete_case() {
    tell(async |deployed| {
        let a = deployed.submit();
        let event = json!({
            "id": "7f8d6a4e-5a83-4c1b-a1e2-8b3f0c9d2e10",
            "source": format!("https://ttd.apps.tt02.altinn.no/ttd/permit/instances/{a}"),
            "specversion": "1.0",
            "type": "app.instance.process.completed",
            "subject": "/party/50085321",
            "resource": "urn:altinn:resource:app_ttd_permit",
            "resourceinstance": a,
            "time": "2026-11-22T10:12:44.7712345Z",
        });
        let path = format!("/events/{}", deployed.named("/eventsSecret"));
        let answer = deployed.call(Method::POST, &path).json(&event).send().await;
        assert_eq!(answer.expect("the API answers").status(), StatusCode::OK);
        deployed.done(&a).await;
        deployed.the_one_complete_b(&a);
    });
}

#[test]
fn the_api_tells_how_a_relay_stands() {
    tell(async |deployed| {
        let a = deployed.submit();
        deployed.trigger(&a, &deployed.token()).await;
        deployed.done(&a).await;
        let b = deployed.the_one_complete_b(&a);
        let call = deployed.call(Method::GET, &format!("/relays/{a}"));
        let answer = call.bearer_auth(deployed.token()).send().await;
        let answer: Value = answer.expect("the API answers").json().await.expect("JSON");
        let [relay] = answer["relays"].as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("one relay of {}: {answer}", guid(&a))
        };
        assert_eq!(relay["route"], ROUTE);
        assert_eq!(relay["state"], "done");
        assert_eq!(relay["instance"], b["id"]);
    });
}

#[test]
fn the_api_is_healthy_with_the_routes_of_the_layer() {
    tell(async |deployed| {
        let answer = deployed.call(Method::GET, "/health").send().await;
        let health: Value = answer.expect("the API answers").json().await.expect("JSON");
        assert_eq!(health["status"], "ok");
        assert_eq!(health["routes"], 2);
    });
}
