use std::time::Duration;

use local_altinn::Stage;
use reqwest::Method;
use serde_json::json;

use super::support::{Altinn, casework, element, read};

#[tokio::test]
async fn an_instance_is_read_whatever_the_party_of_the_path() {
    let mut altinn = Altinn::start().await;
    let id = altinn.case().await;
    let (_, guid) = id.split_once('/').unwrap();
    for path in [format!("/{id}"), format!("/1/{guid}")] {
        let instance = altinn
            .get(&format!("/storage/api/v1/instances{path}"))
            .await
            .expect(200)
            .json();
        assert_eq!(instance["id"], *id);
    }
    altinn
        .get("/storage/api/v1/instances/1/00000000-0000-4000-8000-000000000000")
        .await
        .expect(404);
    altinn
        .get("/storage/api/v1/instances/1/no-guid")
        .await
        .expect(404);
    altinn.token = altinn.token_of("312456788", super::support::SCOPES).await;
    altinn
        .get(&format!("/storage/api/v1/instances/{id}"))
        .await
        .expect(403);
}

#[tokio::test]
async fn bytes_are_returned_as_stored() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let instance = altinn.app_instance("ttd/casework", &id).await;
    let data = element(&instance, "model")["id"].as_str().unwrap();
    let reply = altinn
        .get(&format!("/storage/api/v1/instances/{id}/data/{data}"))
        .await
        .expect(200);
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    assert_eq!(reply.bytes, altinn.local.bytes(&id, data).unwrap());
    assert!(reply.header("etag").is_none());
    altinn
        .get(&format!(
            "/storage/api/v1/instances/{id}/data/{}",
            uuid::Uuid::new_v4()
        ))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_confirmation_is_idempotent() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Ended);
    let path = format!("/ttd/permit/instances/{id}/complete");
    let complete = || read(altinn.request(Method::POST, &path));
    let first = complete().await.expect(200).json();
    assert_eq!(first["completeConfirmations"][0]["stakeholderId"], "ttd");
    assert_eq!(first["instanceOwner"].get("party"), None);
    let again = complete().await.expect(200).json();
    assert_eq!(
        again["completeConfirmations"],
        first["completeConfirmations"]
    );
    assert_eq!(again["lastChanged"], first["lastChanged"]);
    altinn.local.app("ttd/permit").unwrap().forbid("complete");
    let id = altinn.application(Stage::Ended);
    read(altinn.request(
        Method::POST,
        &format!("/ttd/permit/instances/{id}/complete"),
    ))
    .await
    .expect(403);
}

#[tokio::test]
async fn only_the_owner_sets_the_substatus_and_the_app_publishes_an_event() {
    let mut altinn = Altinn::start().await;
    let id = altinn.application(Stage::Ended);
    let path = format!("/ttd/permit/instances/{id}/substatus");
    let before = altinn.local.events().len();
    let changed = altinn
        .send(
            Method::PUT,
            &path,
            &json!({"label": "Sendt", "description": "Til saksbehandling"}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        changed["status"]["substatus"],
        json!({"label": "Sendt", "description": "Til saksbehandling"})
    );
    assert_eq!(
        altinn.local.events()[before]["type"],
        "app.instance.substatus.changed"
    );
    for body in [
        json!({"description": "x"}),
        json!({"label": ""}),
        json!({"label": null}),
        json!([]),
    ] {
        altinn.send(Method::PUT, &path, &body).await.expect(400);
    }
    let missing = "/ttd/permit/instances/1/00000000-0000-4000-8000-000000000000/substatus";
    altinn
        .send(Method::PUT, missing, &json!({"label": "x"}))
        .await
        .expect(500);
    altinn.token = altinn.token_of("312456788", super::support::SCOPES).await;
    altinn
        .send(Method::PUT, &path, &json!({"label": "x"}))
        .await
        .expect(403);
}

#[tokio::test]
async fn deleting_requires_the_action_and_a_minimum_age() {
    let altinn = Altinn::with_apps(vec![casework(|document, _| {
        document["preventInstanceDeletionForDays"] = json!(30)
    })])
    .await;
    let id = altinn.case().await;
    let delete = |hard: &str| {
        read(altinn.request(
            Method::DELETE,
            &format!("/ttd/casework/instances/{id}?hard={hard}"),
        ))
    };
    assert!(delete("false").await.expect(403).bytes.is_empty());
    altinn.local.app("ttd/casework").unwrap().permit("delete");
    altinn.local.advance(&id).unwrap();
    altinn.local.advance(&id).unwrap();
    assert!(
        delete("true").await.expect(403).bytes.is_empty(),
        "archived less than thirty days ago"
    );
    altinn
        .local
        .clock()
        .advance(Duration::from_secs(30 * 24 * 3600));
    let altinn = Altinn {
        token: altinn
            .token_of(super::support::TTD, super::support::SCOPES)
            .await,
        ..altinn
    };
    let delete = |hard: &str| {
        read(altinn.request(
            Method::DELETE,
            &format!("/ttd/casework/instances/{id}?hard={hard}"),
        ))
    };
    let soft = delete("false").await.expect(200).json();
    assert_eq!(
        (
            &soft["status"]["isSoftDeleted"],
            &soft["status"]["isHardDeleted"]
        ),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        delete("true").await.expect(200).json()["status"]["isHardDeleted"],
        true
    );
    let gone = format!("/ttd/casework/instances/1/{}", uuid::Uuid::new_v4());
    read(altinn.request(Method::DELETE, &gone))
        .await
        .expect(403);
}

#[tokio::test]
async fn a_missing_instance_is_not_found_in_the_app() {
    let altinn = Altinn::start().await;
    let path = format!("/ttd/casework/instances/50085321/{}", uuid::Uuid::new_v4());
    let reply = altinn.get(&path).await.expect(404);
    assert_eq!(reply.json()["title"], "Not Found");
    let id = altinn.case().await;
    altinn
        .get(&format!("/ttd/permit/instances/{id}"))
        .await
        .expect(404);
    altinn.get("/ttd/unknown/instances/1/2").await.expect(404);
}

#[tokio::test]
async fn times_have_no_trailing_zeros() {
    let altinn = Altinn::start().await;
    for (at, shown) in [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:00.5Z"),
        (
            "2026-11-22T10:00:00.123456789Z",
            "2026-11-22T10:00:00.1234567Z",
        ),
    ] {
        altinn.local.clock().stand_at(at.parse().unwrap());
        let id = altinn.application(Stage::Task("Task_1".to_owned()));
        let instance = altinn
            .local
            .instances("ttd/permit")
            .into_iter()
            .find(|instance| instance["id"] == *id)
            .unwrap();
        assert_eq!(instance["created"], shown);
    }
}
