//! Creations that fail after the instance was created.

use std::time::Duration;

use app_files::Policy;
use local_altinn::{CallFault, CreationStep, Fault};
use serde_json::{Value, json};

use super::CASEWORK;
use crate::support::{Altinn, MODEL, Part, TTD, casework, file, instance, model, part, read, set};

#[tokio::test]
async fn late_failures_leave_an_incomplete_instance_unless_the_policy_permits_delete() {
    let bad_form = "<model><soknad/></model>";
    let pdf = || {
        file(
            "vedlegg",
            "a.pdf",
            "application/pdf; charset=binary",
            b"%PDF-1.7",
        )
    };
    type Case<'p> = (&'static str, Option<Fault>, Vec<Part<'p>>, u16, usize);
    let cases: Vec<Case<'_>> = vec![
        (
            "wrong root",
            None,
            vec![instance(), model(bad_form)],
            400,
            0,
        ),
        (
            "wrong value",
            None,
            vec![
                instance(),
                model("<melding><soknad><mottatt>i dag</mottatt></soknad></melding>"),
            ],
            400,
            0,
        ),
        (
            "parameters on a file",
            None,
            vec![instance(), model(MODEL), pdf()],
            500,
            0,
        ),
        (
            "two instance parts",
            None,
            vec![instance(), instance()],
            500,
            0,
        ),
        (
            "pdf of the app's",
            None,
            vec![instance(), part("ref-data-as-pdf", "application/pdf", b"x")],
            403,
            0,
        ),
        (
            "a part fails",
            Some(Fault::at(
                CreationStep::ElementsFrom(1),
                CallFault::Refused(409),
            )),
            vec![
                instance(),
                model(MODEL),
                file("vedlegg", "a.pdf", "application/pdf", b"x"),
            ],
            409,
            1,
        ),
        (
            "the task fails",
            Some(Fault::at(CreationStep::Process, CallFault::Refused(502))),
            vec![instance(), model(MODEL)],
            502,
            1,
        ),
        (
            "the answer is lost",
            Some(Fault::at(CreationStep::Instance, CallFault::AnswerLost)),
            vec![instance(), model(MODEL)],
            500,
            0,
        ),
        (
            "the token expires",
            Some(Fault::TokenExpiresInside),
            vec![instance(), model(MODEL)],
            401,
            0,
        ),
    ];
    for may_delete in [false, true] {
        for (name, fault, parts, status, stored) in &cases {
            let altinn = Altinn::start().await;
            if may_delete {
                altinn.local.app(CASEWORK).unwrap().permit("delete");
            }
            if let Some(fault) = fault {
                altinn.local.faults().next(1, Some(CASEWORK), fault.clone());
            }
            let reply = altinn.create(CASEWORK, parts).await;
            assert_eq!(reply.status, *status, "{name}: {}", reply.text());
            let left = altinn.local.instances(CASEWORK);
            assert_eq!(left.len(), 1, "{name}");
            assert_eq!(
                left[0]["process"]["currentTask"]["elementId"], "Task_1",
                "{name}"
            );
            assert_eq!(
                left[0]["dataValues"]["stafett.relay"], "r1",
                "{name}: stamped even so"
            );
            assert_eq!(left[0]["data"].as_array().unwrap().len(), *stored, "{name}");
            let cleaned = may_delete && !["the answer is lost", "the token expires"].contains(name);
            assert_eq!(left[0]["status"]["isHardDeleted"], cleaned, "{name}");
            assert!(
                !reply.text().contains("50085321/")
                    || reply
                        .text()
                        .contains("Instantiation of data elements failed"),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn the_refusal_of_a_form_contains_the_value_as_in_an_app() {
    let altinn = Altinn::start().await;
    let xml =
        "<melding><soknad><tittel>Hemmelig</tittel><mottatt>Hemmelig</mottatt></soknad></melding>";
    let reply = altinn
        .create(CASEWORK, &[instance(), model(xml)])
        .await
        .expect(400);
    assert_eq!(reply.json()["title"], "Failed to deserialize XML");
    assert_eq!(
        reply.json()["detail"],
        "There is an error in XML document (1, 72). The string 'Hemmelig' is not a valid AllXsd value."
    );
}

#[tokio::test]
async fn contributors_are_checked_after_the_instance_was_created() {
    for (allowed, status) in [
        (json!(["org:ttd"]), 201),
        (json!(["orgno:405003309"]), 201),
        (json!(["org:skd"]), 403),
        (json!(["app:owned"]), 403),
        (json!([]), 201),
    ] {
        let app = casework(|document, _| {
            set(document, "vedlegg", "allowedContributors", allowed.clone())
        });
        let altinn = Altinn::with_apps(vec![app]).await;
        let pdf = file("vedlegg", "a.pdf", "application/pdf", b"x");
        let reply = altinn
            .create(CASEWORK, &[instance(), model(MODEL), pdf])
            .await;
        assert_eq!(reply.status, status, "{allowed}");
        assert_eq!(altinn.local.creations().len(), 1);
    }
    let old_spelling = casework(|document, _| {
        set(document, "vedlegg", "allowedContributors", Value::Null);
        set(
            document,
            "vedlegg",
            "allowedContributers",
            json!(["org:skd"]),
        );
        let vedlegg = document["dataTypes"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|entry| entry["id"] == "vedlegg")
            .unwrap();
        vedlegg
            .as_object_mut()
            .unwrap()
            .remove("allowedContributors");
    });
    let altinn = Altinn::with_apps(vec![old_spelling]).await;
    let pdf = file("vedlegg", "a.pdf", "application/pdf", b"x");
    altinn
        .create(CASEWORK, &[instance(), model(MODEL), pdf])
        .await
        .expect(403);
}

#[tokio::test]
async fn the_status_of_a_refusal_by_storage_is_passed_on() {
    let altinn = Altinn::start().await;
    for (status, reason) in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (409, "Conflict"),
        (413, "Payload Too Large"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        (500, "Internal Server Error"),
    ] {
        altinn.local.faults().next(
            1,
            None,
            Fault::at(CreationStep::Instance, CallFault::Refused(status)),
        );
        let reply = altinn
            .create(CASEWORK, &[instance()])
            .await
            .expect(status)
            .json();
        assert_eq!(
            reply,
            format!(r#"{status} - {reason} - {{"title":"injected"}}"#)
        );
    }
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn a_permitted_caller_without_org_leaves_an_incomplete_instance() {
    let app = casework(|_, settings| {
        settings.policy = Policy {
            others: ["instantiate".to_owned()].into(),
            ..Policy::default()
        }
    });
    let mut altinn = Altinn::with_apps(vec![app]).await;
    altinn.token = altinn.token_of(TTD, "altinn:instances.write").await;
    altinn
        .create(CASEWORK, &[instance(), model(MODEL)])
        .await
        .expect(400);
    altinn.create(CASEWORK, &[instance()]).await.expect(500);
    assert_eq!(altinn.local.instances(CASEWORK).len(), 2);
}

#[tokio::test]
async fn a_creation_continues_after_its_caller_disconnects() {
    let altinn = Altinn::start().await;
    altinn.local.faults().next(
        1,
        Some(CASEWORK),
        Fault::at(
            CreationStep::Instance,
            CallFault::Delayed(Duration::from_millis(700)),
        ),
    );
    let request = altinn
        .creation(CASEWORK, &[instance(), model(MODEL)])
        .timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert!(
        altinn.local.creations().is_empty(),
        "nothing has happened yet"
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while altinn
        .local
        .instances(CASEWORK)
        .first()
        .is_none_or(|instance| instance["data"] == json!([]))
    {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the creation never came"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_token_that_expires_during_a_creation_fails_its_later_steps() {
    let altinn = Altinn::start().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        altinn.local.faults().clear();
        altinn.local.faults().next(
            1,
            None,
            Fault::at(
                CreationStep::Instance,
                CallFault::Delayed(Duration::from_millis(300)),
            ),
        );
        let waiting = tokio::spawn(read(altinn.creation(CASEWORK, &[instance(), model(MODEL)])));
        tokio::time::sleep(Duration::from_millis(100)).await;
        altinn.local.clock().advance(Duration::from_secs(1800));
        let reply = waiting.await.unwrap().expect(401);
        altinn
            .local
            .clock()
            .shift(jiff::SignedDuration::from_secs(-1800));
        // An empty response means that the request arrived after the token had expired.
        if !reply.bytes.is_empty() {
            assert_eq!(reply.json(), "401 - Unauthorized - ");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    assert!(altinn.local.creations().is_empty());
}
