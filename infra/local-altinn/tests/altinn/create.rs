//! Creating instances through an app.

mod content;
mod failures;
mod owners;

use std::time::Duration;

use local_altinn::{CallFault, CreationStep, Fault};
use reqwest::Method;
use serde_json::json;

use super::support::{
    Altinn, KARI, MODEL, Part, TTD, element, file, instance, model, multipart, part, permit, read,
};

const CASEWORK: &str = "ttd/casework";

#[tokio::test]
async fn a_creation_returns_the_instance_as_an_app_serializes_it() {
    let altinn = Altinn::start().await;
    let pdf = file("vedlegg", "kvittering.pdf", "application/pdf", b"%PDF-1.7");
    let reply = altinn
        .create(CASEWORK, &[instance(), model(MODEL), pdf])
        .await
        .expect(201);
    let created = reply.json();
    let location = reply.header("location").unwrap();
    assert!(
        location.starts_with("https://127.0.0.1:"),
        "always https, also locally: {location}"
    );
    assert_eq!(created["selfLinks"]["apps"], location);
    assert_eq!(reply.header("cache-control"), Some("no-store,no-cache"));
    assert_eq!(created["instanceOwner"]["partyId"], "50085321");
    assert_eq!(created["instanceOwner"]["party"]["partyId"], 50_085_321);
    assert_eq!(created["instanceOwner"]["party"]["partyTypeName"], 2);
    assert_eq!(created["status"]["readStatus"], 0);
    for null in ["dueBefore", "completeConfirmations"] {
        assert!(
            created.as_object().unwrap().contains_key(null) && created[null].is_null(),
            "{null}"
        );
    }
    assert_eq!(
        created["dataValues"],
        json!({"stafett.relay": "r1", "casework.referanse": "A/1"})
    );
    assert_eq!(
        created["presentationTexts"],
        json!({"title": "Bod & garasje"})
    );
    assert_eq!(created["process"]["currentTask"]["elementId"], "Task_1");
    assert_eq!(created["createdBy"], TTD);
    assert_eq!(element(&created, "vedlegg")["filename"], "kvittering.pdf");
    assert_eq!(created["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_equal_creations_create_two_instances() {
    let altinn = Altinn::start().await;
    assert_ne!(altinn.case().await, altinn.case().await);
    let creations = altinn.local.creations();
    assert_eq!(creations.len(), 2);
    assert!(
        creations
            .iter()
            .all(|creation| creation.data_values["stafett.relay"] == "r1")
    );
}

#[tokio::test]
async fn refusals_before_the_creation_have_the_recorded_shape() {
    let altinn = Altinn::start().await;
    let big = vec![b'x'; 25 * 1024 * 1024 + 1];
    let pdf = || file("vedlegg", "a.pdf", "application/pdf", b"%PDF-1.7");
    let raw = |headers: &str| Part {
        headers: headers.to_owned(),
        content: b"x",
    };
    let cases: Vec<(&str, Vec<Part<'_>>, u16, &str)> = vec![
        (
            "no disposition",
            vec![raw("Content-Type: text/plain")],
            400,
            "doesn't have a content disposition",
        ),
        (
            "no content type",
            vec![
                instance(),
                raw("Content-Disposition: form-data; name=\"model\""),
            ],
            400,
            "Part number 2 doesn't have a content type",
        ),
        (
            "broken disposition",
            vec![raw(
                "Content-Disposition: form-data; name\r\nContent-Type: text/plain",
            )],
            400,
            "Error reading request",
        ),
        (
            "unknown part",
            vec![instance(), part("Model", "application/xml", b"<x/>")],
            400,
            "does not correspond to an element type",
        ),
        (
            "json form",
            vec![instance(), part("model", "application/json", b"{}")],
            400,
            "has a Content-Type 'application/json' which is invalid",
        ),
        (
            "case of the type",
            vec![instance(), part("vedlegg", "application/PDF", b"x")],
            400,
            "which is invalid for element type 'vedlegg'",
        ),
        (
            "space before ;",
            vec![instance(), part("vedlegg", "application/pdf ; a=b", b"x")],
            400,
            "which is invalid for element type",
        ),
        (
            "empty part",
            vec![instance(), part("model", "application/xml", b"")],
            400,
            "has no data. Cannot process empty part.",
        ),
        (
            "too large",
            vec![instance(), part("vedlegg", "application/pdf", &big)],
            400,
            "exceeds the size limit of element type 'vedlegg'",
        ),
        (
            "too many",
            vec![instance(), pdf(), pdf(), pdf(), pdf(), pdf(), pdf()],
            400,
            "contains more elements of type 'vedlegg'",
        ),
        ("no owner at all", vec![model(MODEL)], 400, "instanceOwner"),
        (
            "empty owner",
            vec![part(
                "instance",
                "application/json",
                br#"{"instanceOwner":{}}"#,
            )],
            400,
            "InstanceOwner is missing",
        ),
        (
            "instance not as json",
            vec![part(
                "instance",
                "text/plain",
                br#"{"instanceOwner":{"partyId":"50085321"}}"#,
            )],
            400,
            "instanceOwner",
        ),
        (
            "malformed instance",
            vec![part("instance", "application/json", b"{")],
            500,
            "",
        ),
    ];
    for (name, parts, status, words) in cases {
        let reply = altinn.create(CASEWORK, &parts).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert!(reply.text().contains(words), "{name}: {}", reply.text());
    }
    // The result of the metadata comparison is a JSON string.
    let reply = altinn
        .create(CASEWORK, &[instance(), part("x", "text/plain", b"x")])
        .await;
    assert!(
        reply
            .json()
            .as_str()
            .unwrap()
            .starts_with("Error when comparing content to application metadata: ")
    );
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let reply = altinn
        .create(CASEWORK, &[raw("Content-Type: text/plain")])
        .await
        .json();
    assert_eq!(
        (&reply["title"], &reply["status"]),
        (&json!("Error reading request"), &json!(400))
    );
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn part_headers_over_the_limits_are_answered_with_500() {
    let altinn = Altinn::start().await;
    let many: String = (0..15).map(|index| format!("X-{index}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(16 * 1024));
    for extra in [many, long] {
        let headers = format!("{extra}{}", instance().headers);
        altinn
            .create(
                CASEWORK,
                &[Part {
                    headers,
                    content: instance().content,
                }],
            )
            .await
            .expect(500);
    }
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn an_incomplete_body_creates_nothing() {
    let altinn = Altinn::start().await;
    let mut body = multipart(&[instance(), model(MODEL)]);
    body.truncate(body.len() - 20);
    let request = altinn
        .request(Method::POST, "/ttd/casework/instances")
        .header("content-type", "multipart/form-data; boundary=f00dcafe");
    let reply = read(request.body(body)).await.expect(400).json();
    assert_eq!(reply["title"], "Error reading request");
    assert!(reply["detail"].as_str().unwrap().starts_with("IOException"));
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn parts_are_checked_before_the_party_and_the_party_before_the_policy() {
    let altinn = Altinn::start().await;
    altinn.local.app(CASEWORK).unwrap().forbid("instantiate");
    let unknown = part(
        "instance",
        "application/json",
        br#"{"instanceOwner":{"organisationNumber":"999999999"}}"#,
    );
    altinn
        .create(CASEWORK, &[unknown.clone(), part("x", "text/plain", b"x")])
        .await
        .expect(400);
    altinn.create(CASEWORK, &[unknown]).await.expect(404);
    let refused = altinn.create(CASEWORK, &[instance()]).await.expect(403);
    assert_eq!(refused.json()["title"], "Forbidden");
    // The policy is checked before the party type, and the party type before the app's validator.
    let kari = format!(r#"{{"instanceOwner":{{"personNumber":"{KARI}"}}}}"#);
    let person = part("instance", "application/json", kari.as_bytes());
    let refused = altinn.create(CASEWORK, std::slice::from_ref(&person));
    assert_eq!(refused.await.expect(403).json()["title"], "Forbidden");
    altinn.local.app(CASEWORK).unwrap().permit("instantiate");
    altinn.local.faults().next(
        1,
        Some(CASEWORK),
        Fault::InstantiationRefused("Nei".to_owned()),
    );
    let reply = altinn.create(CASEWORK, &[person]).await.expect(403);
    assert_eq!(
        reply.json(),
        "Party 51001234 is not allowed to instantiate this application ttd/casework"
    );
    let reply = altinn
        .create(CASEWORK, &[instance()])
        .await
        .expect(403)
        .json();
    assert_eq!(
        (&reply["valid"], &reply["message"], &reply["validParties"]),
        (&json!(false), &json!("Nei"), &json!([]))
    );
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn a_limit_rejects_with_retry_after_and_a_disturbance_at_random() {
    let altinn = Altinn::start().await;
    altinn.local.faults().limit_creations(CASEWORK, 1, 7);
    altinn.local.faults().always(
        None,
        Fault::at(
            CreationStep::Instance,
            CallFault::Delayed(Duration::from_millis(400)),
        ),
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let parts = [instance()];
        let create = || altinn.create(CASEWORK, &parts);
        let (one, other) = tokio::join!(create(), create());
        let (created, refused) = if one.status == 201 {
            (one, other)
        } else {
            (other, one)
        };
        created.expect(201);
        if refused.status == 429 {
            assert_eq!(refused.header("retry-after"), Some("7"));
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    let before = altinn.local.creations().len();

    altinn.local.faults().clear();
    altinn.local.faults().disturb_creations(0.5, 1);
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..60 {
        *statuses
            .entry(altinn.create(CASEWORK, &[instance()]).await.status)
            .or_default() += 1;
    }
    assert_eq!(
        statuses.keys().copied().collect::<Vec<_>>(),
        [201, 429, 503]
    );
    assert_eq!(altinn.local.creations().len() - before, statuses[&201]);
}

#[tokio::test]
async fn a_file_of_a_hundred_megabytes_is_accepted() {
    let app = permit(|_, _| {});
    let altinn = Altinn::with_apps(vec![app]).await;
    let content = vec![7u8; 100 * 1024 * 1024];
    let kari = format!(r#"{{"instanceOwner":{{"personNumber":"{KARI}"}}}}"#);
    let parts = [
        part("instance", "application/json", kari.as_bytes()),
        file("tegning", "stor.png", "image/png", &content),
    ];
    let created = altinn.create("ttd/permit", &parts).await.expect(201).json();
    let (id, data) = (
        created["id"].as_str().unwrap(),
        element(&created, "tegning")["id"].as_str().unwrap(),
    );
    assert_eq!(element(&created, "tegning")["size"], content.len());
    let read = altinn
        .get(&format!("/storage/api/v1/instances/{id}/data/{data}"))
        .await
        .expect(200);
    assert!(read.bytes == content);
}
