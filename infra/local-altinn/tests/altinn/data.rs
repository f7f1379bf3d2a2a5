//! Data elements through an app.

mod uploads;

use local_altinn::{Fault, Stage};
use reqwest::Method;
use serde_json::json;

use super::support::{Altinn, MODEL, Reply, casework, element, file, instance, model, read, set};

async fn upload(
    altinn: &Altinn,
    path: &str,
    disposition: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
) -> Reply {
    let mut request = altinn.request(Method::POST, path).body(body.to_vec());
    if let Some(disposition) = disposition {
        request = request.header("content-disposition", disposition);
    }
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    read(request).await
}

const PDF: &str = "attachment; filename=\"kvittering.pdf\"; filename*=UTF-8''kvittering.pdf";

#[tokio::test]
async fn a_form_is_returned_as_json_unless_xml_is_requested() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Task("Task_1".to_owned()));
    let element_id = element(&altinn.app_instance("ttd/permit", &id).await, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/ttd/permit/instances/{id}/data/{element_id}");
    for (accept, xml) in [
        ("*/*", false),
        ("application/json", false),
        ("application/xml", true),
        ("image/png", false),
        ("text/html, application/xml", true),
    ] {
        let reply = read(altinn.request(Method::GET, &path).header("accept", accept))
            .await
            .expect(200);
        let is_xml = reply
            .header("content-type")
            .unwrap()
            .starts_with("application/xml");
        assert_eq!(is_xml, xml, "{accept}");
        if !xml {
            let form = reply.json();
            assert_eq!(
                form["tiltak"],
                json!([{"kode": "TB", "beskrivelse": "Tilbygg", "areal": 24.5}])
            );
            assert!(form.as_object().unwrap().contains_key("merknad") && form["merknad"].is_null());
        }
    }
    let stored = altinn
        .get(&format!("/storage/api/v1/instances/{id}/data/{element_id}"))
        .await
        .expect(200);
    assert!(
        stored.text().contains("<tiltak altinnRowId=\""),
        "rows have ids while the task is open"
    );
    assert!(!stored.text().contains("merknad"), "what is null is absent");
    let with_rows = altinn
        .get(&format!("{path}?includeRowId=true"))
        .await
        .json();
    assert!(with_rows["tiltak"][0]["altinnRowId"].is_string());
    altinn.local.advance(&id).unwrap();
    let stored = altinn
        .get(&format!("/storage/api/v1/instances/{id}/data/{element_id}"))
        .await
        .text();
    assert!(!stored.contains("altinnRowId"));
}

#[tokio::test]
async fn files_are_returned_as_attachments_with_their_names() {
    let altinn = Altinn::start().await;
    let pdf = file(
        "vedlegg",
        "a.pdf\"; filename*=UTF-8''bl%C3%A5b%C3%A6r.pdf; x=\"",
        "application/pdf",
        b"%PDF-1.7",
    );
    let created = altinn
        .create("ttd/casework", &[instance(), model(MODEL), pdf])
        .await
        .expect(201)
        .json();
    assert_eq!(element(&created, "vedlegg")["filename"], "blåbær.pdf");
    let (id, data) = (
        created["id"].as_str().unwrap(),
        element(&created, "vedlegg")["id"].as_str().unwrap(),
    );
    let reply = altinn
        .get(&format!("/ttd/casework/instances/{id}/data/{data}"))
        .await
        .expect(200);
    assert_eq!(reply.header("content-type"), Some("application/pdf"));
    assert!(
        reply
            .header("content-disposition")
            .unwrap()
            .contains("filename*=UTF-8''bl%C3%A5b%C3%A6r.pdf")
    );
    assert_eq!(&reply.bytes[..], b"%PDF-1.7");
    let missing = format!("/ttd/casework/instances/{id}/data/{}", uuid::Uuid::new_v4());
    assert_eq!(altinn.get(&missing).await.expect(404).json()["status"], 404);
}

#[tokio::test]
async fn a_form_is_replaced_and_protected() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let data = element(&altinn.app_instance("ttd/casework", &id).await, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let base = format!("/ttd/casework/instances/{id}/data");
    let put = |content_type: &str, body: &str| {
        read(
            altinn
                .request(Method::PUT, &format!("{base}/{data}"))
                .header("content-type", content_type.to_owned())
                .body(body.to_owned()),
        )
    };
    let json = r#"{"Soknad":{"tittel":"Ny","referanse":"A/2","ukjent":1}}"#;
    assert_eq!(
        put("application/json", json).await.expect(201).json()["id"],
        *data
    );
    put("text/plain", "x").await.expect(415);
    put("application/xml", "<feil/>").await.expect(400);
    put("application/json", r#"{"soknad":{"tittel":3}}"#)
        .await
        .expect(400);
    assert_eq!(
        altinn.app_instance("ttd/casework", &id).await["dataValues"]["casework.referanse"],
        "A/2"
    );

    let deleted = read(altinn.request(Method::DELETE, &format!("{base}/{data}"))).await;
    deleted.expect(400);
    altinn.local.advance(&id).unwrap();
    assert!(
        put("application/json", json)
            .await
            .expect(409)
            .bytes
            .is_empty(),
        "a locked element"
    );
    altinn.local.advance(&id).unwrap();
    assert_eq!(
        put("application/json", json).await.expect(409).json()["title"],
        "Instance Not Active"
    );
    let added = upload(
        &altinn,
        &format!("{base}?dataType=vedlegg"),
        Some(PDF),
        Some("application/pdf"),
        b"x",
    )
    .await
    .expect(409);
    assert_eq!(added.json()["title"], "Instance Not Active");
}

#[tokio::test]
async fn attachments_can_be_deleted_until_they_are_locked() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let base = format!("/ttd/casework/instances/{id}/data");
    let add = || async {
        upload(
            &altinn,
            &format!("{base}?dataType=vedlegg"),
            Some(PDF),
            Some("application/pdf"),
            b"x",
        )
        .await
        .json()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (add().await, add().await);
    let reply = read(altinn.request(Method::DELETE, &format!("{base}/{first}")))
        .await
        .expect(200)
        .json();
    assert_eq!(reply["instance"]["data"].as_array().unwrap().len(), 2);
    altinn.local.advance(&id).unwrap();
    read(altinn.request(Method::DELETE, &format!("{base}/{second}")))
        .await
        .expect(409);
}

#[tokio::test]
async fn an_unavailable_decision_point_is_a_denial_or_a_failure_by_endpoint() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let data = element(&altinn.app_instance("ttd/casework", &id).await, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    altinn.local.faults().always(None, Fault::DecisionPointDown);
    altinn
        .get(&format!("/ttd/casework/instances/{id}"))
        .await
        .expect(403);
    altinn
        .get(&format!("/ttd/casework/instances/{id}/data/{data}"))
        .await
        .expect(500);
    altinn
        .create("ttd/casework", &[instance()])
        .await
        .expect(403);
}

#[tokio::test]
async fn actions_and_scopes_of_the_metadata_are_required() {
    let app = casework(|document, _| {
        set(
            document,
            "vedlegg",
            "actionRequiredToWrite",
            json!("attach"),
        );
        set(document, "model", "actionRequiredToRead", json!("peek"));
    });
    let altinn = Altinn::with_apps(vec![app]).await;
    let id = altinn.case().await;
    let path = format!("/ttd/casework/instances/{id}/data?dataType=vedlegg");
    upload(&altinn, &path, Some(PDF), Some("application/pdf"), b"x")
        .await
        .expect(403);
    assert_eq!(
        altinn.app_instance("ttd/casework", &id).await["data"],
        json!([])
    );
    altinn.local.app("ttd/casework").unwrap().permit("attach");
    altinn.local.app("ttd/casework").unwrap().permit("peek");
    upload(&altinn, &path, Some(PDF), Some("application/pdf"), b"x")
        .await
        .expect(201);
    assert_eq!(
        altinn.app_instance("ttd/casework", &id).await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let app = casework(|document, _| {
        document["apiScopes"] = json!({"read": "ttd:cases.read", "write": "ttd:cases.write"})
    });
    let altinn = Altinn::with_apps(vec![app]).await;
    let refused = altinn
        .create("ttd/casework", &[instance()])
        .await
        .expect(403);
    assert_eq!(refused.json()["title"], "Insufficient scope");
}

#[tokio::test]
async fn metadata_is_public() {
    let mut altinn = Altinn::start().await;
    altinn.token = "nobody".to_owned();
    let metadata = altinn
        .get("/ttd/casework/api/v1/applicationmetadata")
        .await
        .expect(200)
        .json();
    assert_eq!(metadata["id"], "ttd/casework");
    let schema = altinn
        .get("/ttd/casework/api/jsonschema/model")
        .await
        .expect(200)
        .json();
    assert!(schema["$defs"]["soknad"].is_object());
    let process = altinn
        .get("/ttd/casework/api/v1/meta/process")
        .await
        .expect(200);
    assert!(
        process
            .header("content-type")
            .unwrap()
            .starts_with("text/xml")
            && process.text().contains("<altinn:taskType>confirmation<")
    );
    assert!(
        altinn
            .get("/ttd/casework/api/v1/meta/authorizationpolicy")
            .await
            .expect(200)
            .text()
            .contains(">complete<")
    );
    altinn
        .get("/ttd/other/api/v1/applicationmetadata")
        .await
        .expect(404);
}
