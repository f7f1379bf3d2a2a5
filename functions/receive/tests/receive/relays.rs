//! `GET /relays/{party}/{guid}`: what app A sees of the relays of one of its instances.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use stafett_core::{
    id::InstanceId,
    relay::{Holder, Reason, Record, RelayId, State},
};
use testbed::wire::{Action, CannedResponse, On};
use uuid::Uuid;

use crate::system::{Call, INSTANCE, System};

const OTHER: &str = "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10";
const B: &str = "51200043/7d8f1c52-9b3e-4a6d-8c11-5e2f7a9b0c34";

fn record(state: State, reason: Option<Reason>, b: Option<&str>) -> Record {
    let written = Timestamp::from_millisecond(1_795_341_600_250).unwrap();
    Record {
        rev: 2,
        state,
        holder: Holder(Uuid::nil()),
        lease_until: written,
        not_before: None,
        sent: None,
        first: Timestamp::UNIX_EPOCH,
        attempts: 3,
        targets: BTreeSet::new(),
        instance: b.map(|id| id.parse().unwrap()),
        reason,
        detail: Some("hemmelig: for the operator only".to_owned()),
        updated: written,
    }
}

/// Puts on record how a relay of the instance stands.
async fn stands(system: &System, route: &str, key: Option<&str>, record: Record) -> RelayId {
    let source: InstanceId = INSTANCE.parse().unwrap();
    let route = route.parse().unwrap();
    let relay = match key {
        None => RelayId::new(route, source),
        Some(key) => RelayId::keyed(route, source, key),
    };
    let ledger = system.ledger();
    ledger
        .put(&relay, source, &record, None, None)
        .await
        .unwrap();
    relay
}

/// Puts on record that the permit's case is made.
async fn is_done(system: &System) {
    let done = record(State::Done, None, Some(B));
    stands(system, "permit-to-casework", None, done).await;
}

fn relay(
    route: &str,
    key: Option<&str>,
    state: &str,
    b: Option<&str>,
    reason: Option<&str>,
) -> Value {
    json!({
        "route": route, "key": key, "state": state, "instance": b, "reason": reason,
        "attempts": 3, "updatedAt": "2026-11-22T10:00:00.25Z",
    })
}

#[tokio::test]
async fn app_a_sees_the_status_of_each_relay_of_its_instance_and_no_key() {
    let system = System::start().await;
    let waiting = record(State::Waiting, Some(Reason::GateClosed), None);
    stands(&system, "permit-to-archive", None, waiting).await;
    is_done(&system).await;
    let failed = record(State::Failed, Some(Reason::OwnerUnknown), None);
    let heir = stands(&system, "permit-to-heirs", Some("12837832290"), failed).await;
    let reply = system.call(system.relays(INSTANCE)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        reply.json(),
        json!({ "relays": [
            relay("permit-to-archive", None, "waiting", None, Some("gate_closed")),
            relay("permit-to-casework", None, "done", Some(B), None),
            relay("permit-to-heirs", heir.digest(), "failed", None, Some("owner_unknown")),
        ]})
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.text.contains("12837832290") && !reply.text.contains("hemmelig"));
    assert_eq!(system.sends(), 0, "a question triggers nothing");

    let upper = system.relays(&INSTANCE.to_uppercase());
    let mounted = [
        upper,
        system.relays(INSTANCE).below("/stafett"),
        system.relays(INSTANCE).by_default_route(),
    ];
    for call in mounted {
        assert_eq!(
            system.call(call).await.text,
            reply.text,
            "the same instance"
        );
    }
}

#[tokio::test]
async fn a_malformed_instance_id_and_an_unknown_instance_get_the_same_answer() {
    let system = System::start().await;
    is_done(&system).await;
    let unknown = system.call(system.relays(OTHER)).await;
    let detail = unknown.problem(404, "no-relay");
    assert!(detail.contains("on record"), "{detail}");
    let guid = INSTANCE.split('/').next_back().unwrap();
    for instance in [
        format!("50085322/{guid}"),
        format!("hemmelig/{guid}"),
        format!("+50085321/{guid}"),
        format!("99999999999/{guid}"),
        format!("50085321/{}", guid.replace('-', "")),
        "50085321/hemmelig".to_owned(),
        "50085321/%3Chemmelig%3E".to_owned(),
        "50085321/".to_owned(),
        "/".to_owned(),
    ] {
        for call in [
            system.relays(&instance),
            system.relays(&instance).by_default_route(),
        ] {
            assert_eq!(system.call(call).await, unknown, "{instance}");
        }
    }
    let deeper = system.relays(&format!("{INSTANCE}/data"));
    system.call(deeper).await.problem(404, "not-found");
}

#[tokio::test]
async fn the_caller_is_checked_before_anything_is_looked_up() {
    let system = System::start().await;
    is_done(&system).await;
    let now = Timestamp::now();
    let bearer = |changes: Value| {
        let mut claims = system.issuer.claims(now);
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        format!("Bearer {}", system.issuer.sign(&claims))
    };
    let cases = [
        (None, 401, "no-token"),
        (Some("Bearer hemmelig".to_owned()), 401, "invalid-token"),
        (
            Some(bearer(json!({ "iss": "https://other.example.no/" }))),
            401,
            "invalid-token",
        ),
        (
            Some(bearer(json!({ "scope": "other:scope" }))),
            403,
            "forbidden",
        ),
        (
            Some(bearer(json!({ "consumer": { "ID": "0192:991825827" } }))),
            403,
            "forbidden",
        ),
    ];
    for (authorization, status, name) in cases {
        let mut answers = Vec::new();
        for instance in [INSTANCE, OTHER, "50085321/hemmelig"] {
            let mut call = Call::new("GET", &format!("/relays/{instance}"));
            if let Some(value) = &authorization {
                call = call.header("authorization", value);
            }
            let reply = system.call(call).await;
            reply.problem(status, name);
            answers.push(reply);
        }
        assert!(
            answers.windows(2).all(|two| two[0] == two[1]),
            "a stranger learns nothing"
        );
    }
    assert!(system.ledger_wire.journal().all().is_empty());
}

#[tokio::test]
async fn a_caller_is_asked_to_try_again_while_the_ledger_is_down() {
    let system = System::start().await;
    is_done(&system).await;
    let faults = system.ledger_wire.faults();
    let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    for action in [Action::Answer(down), Action::ResetBefore] {
        faults.clear();
        faults.add(On::any(), action);
        let reply = system.call(system.relays(INSTANCE)).await;
        let detail = reply.problem(503, "ledger-unavailable");
        assert!(detail.contains("send the same call again"), "{detail}");
        assert_eq!(reply.header("retry-after"), Some("10"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    faults.clear();
    assert_eq!(system.call(system.relays(INSTANCE)).await.status, 200);
}

#[tokio::test]
async fn a_caller_is_not_asked_to_try_again_for_an_unreadable_record() {
    let system = System::start().await;
    is_done(&system).await;
    let guid = INSTANCE.split('/').next_back().unwrap();
    let dynamodb = aws_sdk_dynamodb::Client::new(&system.aws.endpoints().sdk_config());
    dynamodb
        .update_item()
        .table_name(&system.aws.resources().table)
        .key("pk", AttributeValue::S(guid.to_owned()))
        .key("sk", AttributeValue::S("permit-to-casework".to_owned()))
        .update_expression("SET #state = :state")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":state", AttributeValue::S("hemmelig".to_owned()))
        .send()
        .await
        .unwrap();
    let reply = system.call(system.relays(INSTANCE)).await;
    let detail = reply.problem(500, "unreadable-record");
    assert!(
        detail.contains("log") && !reply.text.contains("hemmelig"),
        "{detail}"
    );
    assert_eq!(reply.header("retry-after"), None);
}

#[tokio::test]
async fn relays_are_asked_for_with_get_only() {
    let system = System::start().await;
    for method in ["POST", "HEAD", "DELETE"] {
        let reply = system
            .call(Call::new(method, &format!("/relays/{INSTANCE}")))
            .await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), Some("GET"));
    }
}
