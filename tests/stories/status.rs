//! What app A sees of the relays of its instances, to show to the citizen.

use http::{HeaderValue, StatusCode, header};
use local_altinn::Stage;
use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use reqwest::Client;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, Gate, On};
use tests::{
    DEADLINE, Folder, ROUTE, Story, guid, measures_route, permit_route, posts, routes, stamp,
};

const MEASURES: &str = "measures";

async fn story_with<'a>(files: impl IntoIterator<Item = (&'a str, String)>) -> (Story, Folder) {
    let folder = routes(files);
    (Story::on(&folder).await, folder)
}

/// The API's response to a caller with this token.
async fn asked(story: &Story, a: &str, token: &str) -> (StatusCode, Value) {
    let url = format!("{}/relays/{a}", story.api.url());
    let answer = Client::new().get(url).bearer_auth(token).send().await;
    let answer = answer.expect("the API answers");
    let status = answer.status();
    let cache = answer.headers().get(header::CACHE_CONTROL);
    assert_eq!(cache, Some(&HeaderValue::from_static("no-store")));
    (status, answer.json().await.expect("the answer is JSON"))
}

fn token(story: &Story, organisation: &str, scope: &str) -> String {
    let token = story.altinn.maskinporten_token(organisation, scope, None);
    token.expect("a token can be issued")
}

/// The relays of an instance, as app A sees them.
async fn relays(story: &Story, a: &str) -> Vec<Value> {
    let token = token(story, SERVICE_OWNER, TRIGGER_SCOPE);
    let (status, body) = asked(story, a, &token).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let relays = body["relays"].as_array().expect("a list").clone();
    for relay in &relays {
        let fields: Vec<&str> = relay
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "route",
                "key",
                "state",
                "instance",
                "reason",
                "attempts",
                "updatedAt"
            ]
        );
        let updated = relay["updatedAt"].as_str().unwrap_or_default();
        updated.parse::<jiff::Timestamp>().expect("a moment");
    }
    relays
}

/// One relay without a key: its state, B and reason.
fn only(relays: &[Value]) -> (&Value, &Value, &Value) {
    let [relay] = relays else {
        panic!("one relay: {relays:?}")
    };
    assert_eq!(
        (&relay["route"], &relay["key"]),
        (&json!(ROUTE), &Value::Null)
    );
    (&relay["state"], &relay["instance"], &relay["reason"])
}

#[tokio::test]
async fn app_a_sees_a_permit_in_progress_and_done() {
    let story = Story::of_the_permit().await;
    let gate = Gate::default();
    let faults = story.altinn_wire.faults();
    faults.add(posts(), Action::HoldAfter(gate.clone()));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    gate.arrived(1, DEADLINE).await.expect("B is asked");
    let on_its_way = relays(&story, &a).await;
    assert_eq!(
        only(&on_its_way),
        (&json!("claimed"), &Value::Null, &Value::Null)
    );
    assert_eq!(on_its_way[0]["attempts"], 1);
    gate.open();
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(
        only(&relays(&story, &a).await),
        (&json!("done"), &json!(b.id), &Value::Null)
    );
}

#[tokio::test]
async fn app_a_sees_the_reason_of_a_relay_that_cannot_proceed() {
    let broken = permit_route().replace("data.model.soker.navn", "data.model.soker.telefon");
    let (story, _routes) = story_with([(ROUTE, broken)]).await;
    let early = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&early).await;
    story.reaches(ROUTE, &early, "waiting").await;
    let waiting = (&json!("waiting"), &Value::Null, &json!("gate_closed"));
    assert_eq!(only(&relays(&story, &early).await), waiting);

    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "failed").await;
    let seen = relays(&story, &a).await;
    assert_eq!(
        only(&seen),
        (&json!("failed"), &Value::Null, &json!("mapping_failed"))
    );
    let told = Value::from(seen).to_string();
    assert!(
        !told.contains("telefon"),
        "the detail is for operators: {told}"
    );
}

#[tokio::test]
async fn app_a_sees_each_case_of_a_permit_by_the_digest_of_its_key() {
    let (story, _routes) = story_with([
        (ROUTE, permit_route()),
        (MEASURES, measures_route(MEASURES)),
    ])
    .await;
    let busy = CannedResponse::status(StatusCode::TOO_MANY_REQUESTS);
    let busy = busy.header(header::RETRY_AFTER, HeaderValue::from_static("2"));
    story
        .altinn_wire
        .faults()
        .add(posts().nth(2), Action::Answer(busy));
    let a = story.import("two-measures");
    story.trigger(&a).await;
    for route in [ROUTE, MEASURES] {
        story.reaches(route, &a, "done").await;
    }
    let seen = relays(&story, &a).await;
    let states: Vec<&Value> = seen.iter().map(|relay| &relay["state"]).collect();
    assert_eq!(
        states,
        [&json!("done"); 4],
        "the permit, the set of measures, and each of both"
    );
    let mut parts = Vec::new();
    for relay in &seen {
        let route = relay["route"].as_str().unwrap_or_default();
        let stamp = match relay["key"].as_str() {
            None => stamp(route, &a),
            Some(digest) => format!("{}:{digest}", stamp(route, &a)),
        };
        match relay["instance"].as_str() {
            Some(b) => {
                let b = story.b(b);
                assert_eq!(b.instance["dataValues"]["stafett.relay"], stamp);
                parts.push(stamp);
            }
            None => assert_eq!((route, &relay["key"]), (MEASURES, &Value::Null)),
        }
    }
    parts.dedup();
    assert_eq!(parts.len(), 3);
    for code in ["TB", "GA"] {
        assert!(
            !Value::from(seen.clone()).to_string().contains(code),
            "no key is shown"
        );
    }
}

#[tokio::test]
async fn strangers_and_requests_for_unknown_instances_learn_nothing() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.dynamodb_wire.journal().clear();
    let unknown = format!(
        "50085321/{}",
        guid("1/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77")
    );
    let foreign = token(&story, "312456788", TRIGGER_SCOPE);
    let narrow = token(&story, SERVICE_OWNER, "altinn:serviceowner");
    for (token, status) in [
        ("no-token-at-all", StatusCode::UNAUTHORIZED),
        (&foreign, StatusCode::FORBIDDEN),
        (&narrow, StatusCode::FORBIDDEN),
    ] {
        let known = asked(&story, &a, token).await;
        assert_eq!(known.0, status, "{}", known.1);
        assert_eq!(known, asked(&story, &unknown, token).await);
    }
    assert_eq!(
        story.dynamodb_wire.journal().count(&On::any()),
        0,
        "nothing was looked up"
    );

    let ours = token(&story, SERVICE_OWNER, TRIGGER_SCOPE);
    let nothing = asked(&story, &unknown, &ours).await;
    assert_eq!(nothing.0, StatusCode::NOT_FOUND);
    // The GUID of one party's instance does not give access under another party's id.
    let elsewhere = format!("50085321/{}", guid(&a));
    for no_instance in [&elsewhere, "50085321/x", "x/y"] {
        assert_eq!(asked(&story, no_instance, &ours).await, nothing);
    }
}

#[tokio::test]
async fn an_unavailable_ledger_makes_app_a_retry() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let down = story
        .dynamodb_wire
        .faults()
        .add(On::operation("Query"), Action::ResetBefore);
    let ours = token(&story, SERVICE_OWNER, TRIGGER_SCOPE);
    assert_eq!(
        asked(&story, &a, &ours).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    story.dynamodb_wire.faults().remove(down);
    assert_eq!(asked(&story, &a, &ours).await.0, StatusCode::OK);
}
