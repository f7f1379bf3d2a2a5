use std::time::Duration;

use local_altinn::{Fault, Stage};
use reqwest::Method;
use serde_json::json;

use super::support::{Altinn, casework, element, read};

async fn open_gateway() -> Altinn {
    Altinn::with(|config| config.gateway_guards_storage = false).await
}

#[tokio::test]
async fn an_instance_is_read_by_guid_whatever_the_party() {
    let mut altinn = Altinn::start().await;
    let id = altinn.case().await;
    let (_, guid) = id.split_once('/').unwrap();
    for path in [format!("/{id}"), format!("/{guid}"), format!("/1/{guid}")] {
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
async fn an_internal_failure_answers_404_with_the_exception() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    altinn
        .local
        .faults()
        .next(1, Some("ttd/casework"), Fault::StorageReadNotFound);
    let reply = altinn
        .get(&format!("/storage/api/v1/instances/{id}"))
        .await
        .expect(404);
    assert!(reply.text().contains("Exception"));
    let data = element(&altinn.app_instance("ttd/casework", &id).await, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    altinn
        .local
        .faults()
        .next(1, None, Fault::StorageDataNotFound);
    for status in [404, 200] {
        altinn
            .get(&format!("/storage/api/v1/instances/{id}/data/{data}"))
            .await
            .expect(status);
    }
    altinn
        .get(&format!("/storage/api/v1/instances/{id}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn the_gateway_refuses_writes_without_subscription_key() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let path = format!("/storage/api/v1/instances/{id}/complete");
    let reply = read(altinn.request(Method::POST, &path))
        .await
        .expect(401)
        .json();
    assert_eq!(reply["statusCode"], 401);
    read(
        altinn
            .request(Method::POST, &path)
            .header("Ocp-Apim-Subscription-Key", "x"),
    )
    .await
    .expect(200);
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
    let list = altinn
        .get(&format!("/storage/api/v1/instances/{id}/dataelements"))
        .await
        .expect(200)
        .json();
    assert_eq!(list["dataElements"][0]["id"], *data);
    altinn
        .get(&format!(
            "/storage/api/v1/instances/{id}/data/{}",
            uuid::Uuid::new_v4()
        ))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_confirmation_is_idempotent_in_storage_and_in_the_app() {
    let altinn = open_gateway().await;
    for base in ["/ttd/permit/instances", "/storage/api/v1/instances"] {
        let id = altinn.application(Stage::Ended);
        let first = read(altinn.request(Method::POST, &format!("{base}/{id}/complete")))
            .await
            .expect(200)
            .json();
        assert_eq!(first["completeConfirmations"][0]["stakeholderId"], "ttd");
        assert_eq!(first["instanceOwner"].get("party"), None);
        let again = read(altinn.request(Method::POST, &format!("{base}/{id}/complete")))
            .await
            .expect(200)
            .json();
        assert_eq!(
            again["completeConfirmations"],
            first["completeConfirmations"]
        );
        assert_eq!(again["lastChanged"], first["lastChanged"]);
    }
    let missing = "00000000-0000-4000-8000-000000000000";
    read(altinn.request(
        Method::POST,
        &format!("/storage/api/v1/instances/1/{missing}/complete"),
    ))
    .await
    .expect(403);
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
    let mut altinn = open_gateway().await;
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
    altinn
        .send(
            Method::PUT,
            &format!("/storage/api/v1/instances/{id}/substatus"),
            &json!({"label": "x"}),
        )
        .await
        .expect(403);
}

#[tokio::test]
async fn data_values_are_merged_without_changing_last_changed() {
    let altinn = open_gateway().await;
    let id = altinn.case().await;
    let path = format!("/storage/api/v1/instances/{id}/datavalues");
    let before = altinn.app_instance("ttd/casework", &id).await;
    altinn.local.clock().advance(Duration::from_secs(5));
    let body = json!({"values": {"b": "2", "stafett.relay": ""}});
    let after = altinn
        .send(Method::PUT, &path, &body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        after["dataValues"],
        json!({"b": "2", "casework.referanse": "A/1", "stafett.relay": "r1"}),
        "an empty value changes nothing"
    );
    assert_eq!(after["lastChanged"], before["lastChanged"]);
    altinn
        .send(Method::PUT, &path, &json!({}))
        .await
        .expect(400);
    altinn
        .send(
            Method::PUT,
            "/storage/api/v1/instances/1/00000000-0000-4000-8000-000000000000/datavalues",
            &body,
        )
        .await
        .expect(500);
    altinn.local.advance(&id).unwrap();
    altinn.send(Method::PUT, &path, &body).await.expect(403);
    let read_status = format!("/storage/api/v1/instances/{id}/readstatus");
    let after = read(altinn.request(Method::PUT, &format!("{read_status}?status=Read")))
        .await
        .expect(200)
        .json();
    assert_eq!(after["status"]["readStatus"], "Read");
    read(altinn.request(Method::PUT, &format!("{read_status}?status=x")))
        .await
        .expect(400);
}

/// Two clients write one instance: one the data values or texts, the other the process.
#[tokio::test]
async fn a_write_of_values_during_a_change_of_the_process_resets_the_column() {
    let altinn = open_gateway().await;
    for (call, field) in [("datavalues", "values"), ("presentationtexts", "texts")] {
        let id = altinn.case().await;
        let made = altinn.local.column(&id).unwrap();
        altinn.local.clock().advance(Duration::from_secs(60));
        let faults = altinn.local.faults();
        let delayed = Fault::WriteBackDelayed(Duration::from_millis(400));
        let delayed = faults.next(1, Some("ttd/casework"), delayed);
        let path = format!("/storage/api/v1/instances/{id}/{call}");
        let body = json!({ field: {"b": "2"} });
        let written = altinn.send(Method::PUT, &path, &body);
        let moved_on = async {
            while faults.struck(delayed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            altinn.local.advance(&id).unwrap();
            altinn.local.column(&id).unwrap()
        };
        let both = async { tokio::join!(written, moved_on) };
        let (written, moved_on) = tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .unwrap();
        let written = written.expect(200).json();
        assert!(moved_on > made);
        assert_eq!(altinn.local.column(&id), Some(made), "{call}");
        let document: jiff::Timestamp =
            serde_json::from_value(written["lastChanged"].clone()).unwrap();
        assert_eq!(document, moved_on, "the document keeps the right time");
    }
}

#[tokio::test]
async fn the_slower_of_two_writers_of_data_values_undoes_the_faster_ones_change() {
    let altinn = open_gateway().await;
    let id = altinn.case().await;
    let path = format!("/storage/api/v1/instances/{id}/datavalues");
    let faults = altinn.local.faults();
    let delayed = Fault::WriteBackDelayed(Duration::from_millis(400));
    let delayed = faults.next(1, None, delayed);
    let slower = json!({"values": {"slow": "1"}});
    let faster = json!({"values": {"fast": "1", "stafett.relay": "r2"}});
    let slower = altinn.send(Method::PUT, &path, &slower);
    let faster = async {
        while faults.struck(delayed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        altinn.send(Method::PUT, &path, &faster).await.expect(200)
    };
    let both = async { tokio::join!(slower, faster) };
    let (slower, faster) = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .unwrap();
    assert_eq!(faster.json()["dataValues"]["stafett.relay"], "r2");
    let values = slower.expect(200).json()["dataValues"].take();
    assert_eq!(values["stafett.relay"], "r1", "{values}");
    assert_eq!(
        (&values["slow"], &values["fast"]),
        (&json!("1"), &json!("1"))
    );
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
async fn elements_can_be_written_locked_and_replaced() {
    let altinn = open_gateway().await;
    let id = altinn.case().await;
    let base = format!("/storage/api/v1/instances/{id}/data");
    let post = |data_type: &str, body: &'static str| {
        read(
            altinn
                .request(Method::POST, &format!("{base}?dataType={data_type}"))
                .header("content-type", "application/pdf")
                .body(body),
        )
    };
    let added = post("vedlegg", "%PDF").await.expect(201).json();
    let data = added["id"].as_str().unwrap();
    post("unknown", "%PDF").await.expect(400);
    post("vedlegg", "").await.expect(400);
    let put = |body: &'static str| {
        read(
            altinn
                .request(Method::PUT, &format!("{base}/{data}"))
                .body(body),
        )
    };
    put("ny").await.expect(200);
    put("").await.expect(422);
    read(altinn.request(Method::PUT, &format!("{base}/{data}/lock")))
        .await
        .expect(200);
    put("nyere").await.expect(409);
    read(altinn.request(Method::DELETE, &format!("{base}/{data}")))
        .await
        .expect(409);
    read(altinn.request(Method::DELETE, &format!("{base}/{data}/lock")))
        .await
        .expect(200);
    read(altinn.request(Method::DELETE, &format!("{base}/{data}")))
        .await
        .expect(200);
    altinn.get(&format!("{base}/{data}")).await.expect(404);
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
