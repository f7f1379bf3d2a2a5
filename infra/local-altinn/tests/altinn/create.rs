use std::time::Duration;

use app_files::Policy;
use local_altinn::{Fault, Step, Trouble};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{
    Altinn, KARI, MODEL, Part, SCOPES, TTD, casework, element, file, instance, model, multipart,
    part, permit, read, set,
};

const CASEWORK: &str = "ttd/casework";

#[tokio::test]
async fn a_creation_answers_with_the_instance_as_an_app_writes_it() {
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
async fn two_equal_creations_make_two_instances() {
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
async fn refusals_before_anything_exists_have_their_exact_shape() {
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
    // The words of the metadata comparison come as a JSON string.
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
async fn part_headers_beyond_the_readers_limits_are_a_500() {
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
async fn a_body_that_breaks_off_creates_nothing() {
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
async fn the_owner_comes_from_one_place_and_must_be_known() {
    let altinn = Altinn::start().await;
    let owner = |owner: Value| {
        let body = json!({ "instanceOwner": owner });
        read(
            altinn
                .request(Method::POST, "/ttd/casework/instances")
                .json(&body),
        )
    };
    for (given, party) in [
        (json!({"partyId": "50085321"}), "50085321"),
        (json!({"PartyId": 50_085_321}), "50085321"),
        (json!({"organisationNumber": "310075728"}), "50085321"),
        (
            json!({"partyId": "50085324", "organisationNumber": "310075728"}),
            "50085324",
        ),
    ] {
        assert_eq!(
            owner(given.clone()).await.expect(201).json()["instanceOwner"]["partyId"],
            party,
            "{given}"
        );
    }
    for (given, words) in [
        (json!({"partyId": "x"}), "Failed to lookup party by partyId"),
        (
            json!({"partyId": "1"}),
            "Failed to lookup party by partyId: 1",
        ),
        (
            json!({"organisationNumber": "999999999"}),
            "Failed to lookup party by organisationNumber: 999999999",
        ),
        (
            json!({"personNumber": "00000000000"}),
            "Failed to lookup party by personNumber",
        ),
        (
            json!({"username": "epost:a@b.no"}),
            "Failed to lookup party by personNumber or organisationNumber: .",
        ),
    ] {
        let reply = owner(given).await.expect(404);
        let text = reply.json();
        assert!(
            text.as_str().unwrap().starts_with("Cannot lookup party: "),
            "{text}"
        );
        assert!(text.as_str().unwrap().contains(words), "{text}");
    }

    let query = |body: Option<Value>| {
        let request = altinn.request(
            Method::POST,
            "/ttd/casework/instances?instanceOwnerPartyId=50085324",
        );
        read(match body {
            Some(body) => request.json(&body),
            None => request,
        })
    };
    assert_eq!(
        query(None).await.expect(201).json()["instanceOwner"]["partyId"],
        "50085324"
    );
    query(Some(json!({"instanceOwner": {"partyId": "50085321"}})))
        .await
        .expect(400);
    let both = query(Some(
        json!({"instanceOwner": {"organisationNumber": "310075728"}}),
    ))
    .await
    .expect(201)
    .json();
    assert_eq!(
        both["instanceOwner"]["partyId"], "50085321",
        "the query id is ignored beside a number"
    );
}

#[tokio::test]
async fn a_failing_register_looks_like_an_unknown_party() {
    let altinn = Altinn::start().await;
    altinn
        .local
        .faults()
        .next(1, Some(CASEWORK), Fault::RegisterDown);
    let reply = altinn
        .create(CASEWORK, &[instance(), model(MODEL)])
        .await
        .expect(404);
    assert!(
        reply.text().contains(
            "Failed to lookup party by organisationNumber: 310075728. The exception was: "
        )
    );
    altinn.local.faults().next(1, None, Fault::RegisterDown);
    let by_party = part(
        "instance",
        "application/json",
        br#"{"instanceOwner":{"partyId":"50085321"}}"#,
    );
    let reply = altinn.create(CASEWORK, &[by_party]).await.expect(403);
    assert_eq!(reply.json()["title"], "Forbidden");
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
    // The policy comes before the party type, and that before the app's validator.
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
async fn party_types_decide_who_may_own_an_instance() {
    for (types, person, unit, sub_unit) in [
        (json!({}), 201, 201, 201),
        (json!({"person": true}), 201, 403, 403),
        (json!({"organisation": true}), 403, 201, 403),
        (json!({"subUnit": true}), 403, 403, 201),
    ] {
        let app = casework(|document, _| document["partyTypesAllowed"] = types.clone());
        let altinn = Altinn::with_apps(vec![app]).await;
        for (party, status) in [
            ("51001234", person),
            ("50085321", unit),
            ("50085323", sub_unit),
        ] {
            let body = json!({"instanceOwner": {"partyId": party}});
            let reply = altinn
                .send(Method::POST, "/ttd/casework/instances", &body)
                .await;
            assert_eq!(reply.status, status, "{types} {party}");
        }
    }
}

#[tokio::test]
async fn in_production_users_may_be_kept_out_but_no_organisation() {
    for (production, status) in [(true, 403), (false, 201)] {
        let app = casework(|_, settings| {
            settings.production = production;
            settings.policy.others = ["instantiate", "write", "read"].map(str::to_owned).into();
        });
        let mut altinn = Altinn::with_apps(vec![app]).await;
        altinn.case().await;
        altinn.token = altinn.token_of("312456788", SCOPES).await;
        altinn.create(CASEWORK, &[instance()]).await.expect(201);
        altinn.token = altinn.token_of(TTD, "altinn:instances.write").await;
        let reply = altinn.create(CASEWORK, &[instance()]).await;
        if status == 403 {
            assert_eq!(
                reply.json(),
                "User instantiation is disabled for this application ttd/casework"
            );
        }
        // Outside production it gets further, and fails when Storage meets the caller.
        assert_eq!(reply.status, if production { 403 } else { 500 });
    }
}

#[tokio::test]
async fn a_foreign_organisation_is_refused() {
    let mut altinn = Altinn::start().await;
    let case = altinn.case().await;
    for (number, scopes) in [
        ("312456788", SCOPES),
        ("310075728", SCOPES),
        (TTD, "altinn:instances.write"),
    ] {
        altinn.token = altinn.token_of(number, scopes).await;
        let refused = altinn
            .create(CASEWORK, &[instance(), model(MODEL)])
            .await
            .expect(403);
        assert_eq!(refused.json()["title"], "Forbidden");
        altinn
            .get(&format!("/ttd/casework/instances/{case}"))
            .await
            .expect(403);
    }
    assert_eq!(altinn.local.creations().len(), 1);
}

#[tokio::test]
async fn late_failures_leave_a_half_made_instance_unless_the_policy_has_delete() {
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
            Some(Fault::at(Step::ElementsFrom(1), Trouble::Refused(409))),
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
            Some(Fault::at(Step::Process, Trouble::Refused(502))),
            vec![instance(), model(MODEL)],
            502,
            1,
        ),
        (
            "the answer is lost",
            Some(Fault::at(Step::Instance, Trouble::AnswerLost)),
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
async fn a_form_that_is_refused_late_is_told_with_the_value_as_an_app_tells_it() {
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
async fn contributors_are_checked_only_after_the_instance_exists() {
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
async fn storage_refusing_the_creation_keeps_its_status() {
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
        altinn
            .local
            .faults()
            .next(1, None, Fault::at(Step::Instance, Trouble::Refused(status)));
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
async fn a_caller_without_org_that_a_policy_lets_through_leaves_an_orphan() {
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
async fn the_form_is_read_and_written_as_dotnet_does() {
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
async fn a_form_that_nobody_sent_is_created_by_the_first_task() {
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
async fn of_a_template_only_some_fields_survive() {
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
async fn the_simplified_form_takes_flat_text_and_no_stamp() {
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
async fn copying_needs_permission_an_archived_source_and_the_same_owner() {
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

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_creation() {
    let altinn = Altinn::start().await;
    altinn.local.faults().next(
        1,
        Some(CASEWORK),
        Fault::at(Step::Instance, Trouble::Delayed(Duration::from_millis(700))),
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
async fn a_token_that_expires_during_the_work_fails_the_rest_of_it() {
    let altinn = Altinn::start().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        altinn.local.faults().clear();
        altinn.local.faults().next(
            1,
            None,
            Fault::at(Step::Instance, Trouble::Delayed(Duration::from_millis(300))),
        );
        let waiting = tokio::spawn(read(altinn.creation(CASEWORK, &[instance(), model(MODEL)])));
        tokio::time::sleep(Duration::from_millis(100)).await;
        altinn.local.clock().advance(Duration::from_secs(1800));
        let reply = waiting.await.unwrap().expect(401);
        altinn
            .local
            .clock()
            .shift(jiff::SignedDuration::from_secs(-1800));
        // An empty answer means that the request came in too late to be inside when the token expired.
        if !reply.bytes.is_empty() {
            assert_eq!(reply.json(), "401 - Unauthorized - ");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    assert!(altinn.local.creations().is_empty());
}

#[tokio::test]
async fn a_limit_turns_away_with_retry_after_and_a_disturbance_by_chance() {
    let altinn = Altinn::start().await;
    altinn.local.faults().limit_creations(CASEWORK, 1, 7);
    altinn.local.faults().always(
        None,
        Fault::at(Step::Instance, Trouble::Delayed(Duration::from_millis(400))),
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
async fn a_file_of_a_hundred_megabytes_goes_through() {
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
