//! Adding data elements.

use local_altinn::Stage;
use reqwest::Method;
use serde_json::json;

use super::{PDF, upload};
use crate::support::{Altinn, MODEL, casework, permit, read, set};

#[tokio::test]
async fn an_added_element_is_returned_with_its_address() {
    let altinn = Altinn::start().await;
    let base = format!("/ttd/casework/instances/{}/data", altinn.case().await);
    let added = upload(
        &altinn,
        &format!("{base}?dataType=vedlegg"),
        Some(PDF),
        Some("application/pdf"),
        b"%PDF",
    )
    .await
    .expect(201);
    assert_eq!(added.json()["dataType"], "vedlegg");
    assert_eq!(
        added.header("location"),
        added.json()["selfLinks"]["apps"].as_str()
    );
}

#[tokio::test]
async fn uploads_are_checked_against_every_rule() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let base = format!("/ttd/casework/instances/{id}/data");
    let large = vec![b'x'; 25 * 1024 * 1024 + 1];
    type Case<'c> = (
        &'c str,
        &'c str,
        Option<&'c str>,
        Option<&'c str>,
        &'c [u8],
        u16,
        &'c str,
    );
    let cases: Vec<Case<'_>> = vec![
        (
            "no file name",
            "vedlegg",
            None,
            Some("application/pdf"),
            b"x",
            400,
            "must include a Content-Disposition header",
        ),
        (
            "unquoted spaces",
            "vedlegg",
            Some("attachment; filename=my file.pdf"),
            Some("application/pdf"),
            b"x",
            400,
            "must contain a filename",
        ),
        (
            "no extension",
            "vedlegg",
            Some("attachment; filename=\"fil\""),
            Some("application/pdf"),
            b"x",
            400,
            "Invalid format for filename",
        ),
        (
            "too large",
            "vedlegg",
            Some(PDF),
            Some("application/pdf"),
            &large,
            400,
            "exceeds limit",
        ),
        (
            "no content type",
            "vedlegg",
            Some(PDF),
            None,
            b"x",
            400,
            "Content-Type header must be included",
        ),
        (
            "type and name differ",
            "vedlegg",
            Some(PDF),
            Some("image/png"),
            b"x",
            400,
            "does not match mime type",
        ),
        (
            "type not allowed",
            "vedlegg",
            Some("attachment; filename=\"a.png\""),
            Some("image/png"),
            b"x",
            400,
            "Invalid content type",
        ),
        (
            "octets not allowed",
            "vedlegg",
            Some(PDF),
            Some("application/octet-stream"),
            b"x",
            400,
            "Invalid content type",
        ),
        (
            "zero bytes",
            "vedlegg",
            Some(PDF),
            Some("application/pdf"),
            b"",
            400,
            "zero bytes",
        ),
        (
            "unknown type",
            "finnesikke",
            Some(PDF),
            Some("application/pdf"),
            b"x",
            400,
            "Could not find the specified data type",
        ),
        (
            "pdf of the app's",
            "ref-data-as-pdf",
            Some(PDF),
            Some("application/pdf"),
            b"x",
            403,
            "",
        ),
        (
            "second form",
            "model",
            None,
            Some("application/xml"),
            MODEL.as_bytes(),
            409,
            "",
        ),
    ];
    for (name, data_type, disposition, content_type, body, status, words) in cases {
        let reply = upload(
            &altinn,
            &format!("{base}?dataType={data_type}"),
            disposition,
            content_type,
            body,
        )
        .await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert!(reply.text().contains(words), "{name}: {}", reply.text());
        if status == 400 {
            let media_type = reply.header("content-type");
            assert_eq!(media_type, Some("text/plain; charset=utf-8"), "{name}");
        }
    }
    upload(&altinn, &base, Some(PDF), Some("application/pdf"), b"x")
        .await
        .expect(400);
    let nowhere = "/ttd/casework/instances/50085321/00000000-0000-4000-8000-000000000000/data?dataType=vedlegg";
    assert_eq!(
        upload(&altinn, nowhere, Some(PDF), Some("application/pdf"), b"x")
            .await
            .expect(404)
            .json()["title"],
        "Instance Not Found"
    );
    assert_eq!(
        altinn.app_instance("ttd/casework", &id).await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_body_without_length_is_refused_at_the_limit() {
    let app = casework(|document, _| set(document, "vedlegg", "maxSize", json!(1)));
    let altinn = Altinn::with_apps(vec![app]).await;
    let path = format!(
        "/ttd/casework/instances/{}/data?dataType=vedlegg",
        altinn.case().await
    );
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = altinn
        .request(Method::POST, &path)
        .header("content-disposition", PDF)
        .header("content-type", "application/pdf");
    read(request.body(body)).await.expect(413);
}

#[tokio::test]
async fn counts_are_always_enforced_and_tasks_only_where_configured() {
    let altinn = Altinn::start().await;
    let base = format!(
        "/ttd/casework/instances/{}/data?dataType=vedlegg",
        altinn.case().await
    );
    for _ in 0..5 {
        upload(&altinn, &base, Some(PDF), Some("application/pdf"), b"x")
            .await
            .expect(201);
    }
    upload(&altinn, &base, Some(PDF), Some("application/pdf"), b"x")
        .await
        .expect(409);

    for (enforce, status) in [(false, 201), (true, 409)] {
        let altinn =
            Altinn::with_apps(vec![permit(|_, settings| settings.enforce_tasks = enforce)]).await;
        let id = altinn.application(Stage::Task("Task_2".to_owned()));
        let path = format!("/ttd/permit/instances/{id}/data?dataType=tegning");
        let reply = upload(
            &altinn,
            &path,
            Some("attachment; filename=\"a.png\""),
            Some("image/png"),
            b"x",
        )
        .await
        .expect(status);
        if enforce {
            assert!(
                reply
                    .text()
                    .contains("can only be modified in Task_1 (current task Task_2)"),
                "{}",
                reply.text()
            );
        }
    }
}
