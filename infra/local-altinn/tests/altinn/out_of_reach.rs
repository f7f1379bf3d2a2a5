//! Services that an app cannot reach, and a slow sender.

use local_altinn::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use super::again::{self, assert_answers, case};
use super::support::{Altinn, KARI, read};

const CONTRACT: &str = "ttd/contract";

/// An instance of `contract`: its id (`{party}/{guid}`) and its form's id.
async fn contract(altinn: &Altinn, ended: bool) -> (String, String) {
    let case = case("create-full");
    let made = altinn.replay(&case, &[]).await.expect(201).json();
    let id = made["id"].as_str().unwrap().to_owned();
    let form = super::support::element(&made, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // There is room for one more attachment.
    let spare = super::support::element(&made, "vedlegg")["id"]
        .as_str()
        .unwrap();
    let spare = format!("/{CONTRACT}/instances/{id}/data/{spare}");
    read(altinn.request(Method::DELETE, &spare))
        .await
        .expect(200);
    if ended {
        let next = format!("/{CONTRACT}/instances/{id}/process/next");
        read(altinn.request(Method::PUT, &next)).await.expect(200);
    }
    (id, form)
}

/// Replays the recorded calls while one service is unreachable.
async fn is_as_recorded(service: &str, fault: Fault) {
    for call in [
        "create",
        "complete",
        "data",
        "data-post",
        "delete",
        "metadata",
        "substatus",
    ] {
        let altinn = again::altinn().await;
        let case = case(&format!("down-{service}-{call}"));
        let has_ended = case
            .given
            .as_ref()
            .is_some_and(|it| it.contains("has ended"));
        let (id, form) = contract(&altinn, has_ended).await;
        let (party, guid) = id.split_once('/').unwrap();
        let before = altinn.local.creations().len();
        altinn.local.faults().always(Some(CONTRACT), fault.clone());
        let names = [("party", party), ("a.model", &form), ("a", guid)];
        let reply = altinn.replay(&case, &names).await;
        // The contract test compares successful responses.
        if case.answer.status == Some(200) || case.answer.status == Some(201) {
            assert_eq!(case.answer.status, Some(reply.status), "{}", reply.text());
        } else {
            assert_answers(&case, &reply, &names);
        }
        if let Some(left) = &case.left {
            assert!(left.is_empty());
            assert_eq!(
                altinn.local.creations().len(),
                before,
                "{service}: nothing is made"
            );
        }
    }
}

#[tokio::test]
async fn an_unreachable_decision_point_is_answered_as_recorded() {
    is_as_recorded("pdp", Fault::DecisionPointDown).await;
}

#[tokio::test]
async fn an_unreachable_register_is_answered_as_recorded() {
    is_as_recorded("register", Fault::RegisterDown).await;
}

#[tokio::test]
async fn an_unreachable_storage_is_answered_as_recorded() {
    is_as_recorded("storage", Fault::StorageDown).await;
}

#[tokio::test]
async fn the_process_cannot_be_read_or_moved_while_a_service_is_unreachable() {
    for fault in [Fault::DecisionPointDown, Fault::StorageDown] {
        let altinn = again::altinn().await;
        let (id, _) = contract(&altinn, false).await;
        altinn.local.faults().always(Some(CONTRACT), fault);
        let path = format!("/{CONTRACT}/instances/{id}/process");
        let next = altinn.request(Method::PUT, &format!("{path}/next"));
        altinn.get(&path).await.expect(500);
        read(next).await.expect(500);
    }
}

#[tokio::test]
async fn a_slow_sender_creates_nothing() {
    let altinn = again::altinn().await;
    altinn
        .local
        .faults()
        .next(1, Some(CONTRACT), Fault::SenderTooSlow);
    let owner = json!({"instanceOwner": {"personNumber": KARI}}).to_string();
    let parts = [super::support::part(
        "instance",
        "application/json",
        owner.as_bytes(),
    )];
    let refused: Value = altinn.create(CONTRACT, &parts).await.expect(400).json();
    assert_eq!(refused["title"], "Error reading request");
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("data arriving too slowly. See MinRequestBodyDataRate"),
        "{detail}"
    );
    assert!(altinn.local.creations().is_empty());
}
