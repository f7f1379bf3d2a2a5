//! The content of a new instance: forms, prefill, templates and copies.

use reqwest::Method;
use serde_json::{Value, json};

use super::CASEWORK;
use crate::support::{Altinn, KARI, MODEL, TTD, casework, element, instance, model, read};

#[tokio::test]
async fn forms_are_read_and_written_as_in_dotnet() {
    let altinn = Altinn::start().await;
    let xml = "<?xml version=\"1.0\"?><melding><soknad><referanse>først</referanse><tittel>dropped</tittel><merknad>with it</merknad></soknad></melding>";
    let created = altinn
        .create(CASEWORK, &[instance(), model(xml)])
        .await
        .expect(201)
        .json();
    let stored = altinn
        .local
        .bytes(
            created["id"].as_str().unwrap(),
            element(&created, "model")["id"].as_str().unwrap(),
        )
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&stored),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><melding xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soknad><referanse>først</referanse></soknad></melding>"
    );
}

#[tokio::test]
async fn the_first_task_creates_the_missing_form() {
    let altinn = Altinn::start().await;
    let created = altinn
        .create(CASEWORK, &[instance()])
        .await
        .expect(201)
        .json();
    assert_eq!(element(&created, "model")["contentType"], "application/xml");
    let posted = altinn
        .create(CASEWORK, &[instance(), model(MODEL)])
        .await
        .expect(201)
        .json();
    assert_eq!(
        posted["data"].as_array().unwrap().len(),
        1,
        "a posted form takes its place"
    );
}

#[tokio::test]
async fn register_data_is_prefilled_without_overwriting() {
    let altinn = Altinn::start().await;
    let kari = json!({"instanceOwner": {"personNumber": KARI}});
    let created = altinn
        .send(Method::POST, "/ttd/permit/instances", &kari)
        .await
        .expect(201)
        .json();
    let data = element(&created, "model")["id"].as_str().unwrap();
    let path = format!(
        "/ttd/permit/instances/{}/data/{data}",
        created["id"].as_str().unwrap()
    );
    let form = altinn.get(&path).await.expect(200).json();
    assert_eq!(form["soker"]["navn"], "Kari Bygger");
    assert_eq!(form["soker"]["fodselsnummer"], KARI);
}

#[tokio::test]
async fn only_some_fields_of_a_template_are_used() {
    let altinn = Altinn::start().await;
    let template = json!({
        "instanceOwner": {"organisationNumber": "310075728"}, "dueBefore": "2026-12-24T12:00:00+02:00",
        "status": {"substatus": {"label": "Fra A"}, "readStatus": 2, "isArchived": true},
        "dataValues": {"a": "b", "n": 3}, "id": "1/2", "appId": "skd/other", "org": "skd", "createdBy": "me",
        "process": {"ended": "2026-01-01T00:00:00Z"}, "presentationTexts": {"t": "x"}, "completeConfirmations": [{"stakeholderId": "ttd"}],
    });
    let created = altinn
        .send(Method::POST, "/ttd/casework/instances", &template)
        .await
        .expect(201)
        .json();
    assert_eq!(created["dueBefore"], "2026-12-24T10:00:00Z");
    assert_eq!(created["visibleAfter"], created["created"]);
    assert_eq!(created["status"]["substatus"]["label"], "Fra A");
    assert_eq!(
        (
            &created["status"]["isArchived"],
            &created["status"]["readStatus"]
        ),
        (&json!(true), &json!(2))
    );
    assert_eq!(created["dataValues"], json!({"a": "b", "n": "3"}));
    assert_eq!(
        (&created["appId"], &created["org"], &created["createdBy"]),
        (&json!("ttd/casework"), &json!("ttd"), &json!(TTD))
    );
    assert_eq!(created["process"]["currentTask"]["elementId"], "Task_1");
    assert_eq!(created["presentationTexts"], json!({}));
    assert!(created["completeConfirmations"].is_null());
    assert!(!created["id"].as_str().unwrap().starts_with("1/"));
}

#[tokio::test]
async fn the_simplified_endpoint_takes_flat_prefill_and_no_data_values() {
    let altinn = Altinn::start().await;
    let create = |prefill: Value| {
        let body = json!({
            "instanceOwner": {"organisationNumber": "310075728"}, "prefill": prefill, "dataValues": {"a": "b"}, "status": {"isArchived": true},
        });
        read(
            altinn
                .request(Method::POST, "/ttd/casework/instances/create")
                .json(&body),
        )
    };
    let prefill = json!({"Soknad.Tittel": "T", "soknad.finnesIkke": "x", "soknad.vedtak.kode": "x", "soknad.re-feranse": "R"});
    let created = create(prefill).await.expect(201).json();
    assert_eq!(created["dataValues"], json!({"casework.referanse": "R"}));
    assert_eq!(created["status"]["isArchived"], false);
    let data = element(&created, "model")["id"].as_str().unwrap();
    let form = altinn
        .get(&format!(
            "/ttd/casework/instances/{}/data/{data}",
            created["id"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(
        (&form["soknad"]["tittel"], &form["soknad"]["vedtak"]),
        (&json!("T"), &json!([]))
    );

    for bound in [
        json!({"soknad.antall": 3}),
        json!({"a": true}),
        json!({"a": {}}),
        json!([]),
    ] {
        let reply = create(bound.clone()).await;
        assert_eq!(reply.status, 400, "{bound}");
        assert!(reply.json()["errors"].is_object(), "{bound}");
    }
    let body = json!({"instanceOwner": {"partyId": 50_085_321}});
    altinn
        .send(Method::POST, "/ttd/casework/instances/create", &body)
        .await
        .expect(400);
    assert_eq!(altinn.local.creations().len(), 1);

    let reply = create(json!({"soknad.mottatt": "i dag"})).await.expect(500);
    assert_eq!(
        reply.json(),
        "Instantiation of appId ttd/casework failed for party 50085321"
    );
    assert_eq!(
        altinn.local.instances(CASEWORK).len(),
        2,
        "the half-made instance stays"
    );
}

#[tokio::test]
async fn copying_requires_permission_an_archived_source_and_the_same_owner() {
    let altinn = Altinn::with_apps(vec![casework(|document, _| {
        document["copyInstanceSettings"] = json!({"enabled": true})
    })])
    .await;
    let case = altinn.case().await;
    let copy = |owner: &str| {
        let body =
            json!({"instanceOwner": {"organisationNumber": owner}, "sourceInstanceId": case});
        read(
            altinn
                .request(Method::POST, "/ttd/casework/instances/create")
                .json(&body),
        )
    };
    copy("310075728").await.expect(400);
    altinn.local.advance(&case).unwrap();
    altinn.local.advance(&case).unwrap();
    copy("315550017").await.expect(400);
    let created = copy("310075728").await.expect(201).json();
    assert_eq!(created["presentationTexts"]["title"], "Bod & garasje");
    let refused = Altinn::start().await;
    let body =
        json!({"instanceOwner": {"organisationNumber": "310075728"}, "sourceInstanceId": case});
    refused
        .send(Method::POST, "/ttd/casework/instances/create", &body)
        .await
        .expect(400);
}
