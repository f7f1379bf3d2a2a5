//! Who may own a new instance, and who may create it.

use local_altinn::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use super::CASEWORK;
use crate::support::{Altinn, MODEL, SCOPES, TTD, casework, instance, model, part, read};

#[tokio::test]
async fn the_owner_must_be_named_once_and_be_known() {
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
async fn an_unavailable_register_looks_like_an_unknown_party() {
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
async fn in_production_an_app_can_refuse_users_but_not_organisations() {
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
        // Outside production, only Storage refuses the caller.
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
