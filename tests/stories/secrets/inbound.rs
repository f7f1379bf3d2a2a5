//! What somebody sends to the HTTP API.

use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tests::{PERMIT, ROUTE, permit_route, routes};

use super::markers::{GOSSIP, NAME, NUMBER, REMARK, SENT, assert_none_in};
use super::{assert_has_it_all, assert_no_trace, fill_in, story};

/// Makes a call, and searches the answer with all its headers.
async fn call(what: &str, request: RequestBuilder) -> u16 {
    let request = request.header("x-navn", SENT).header("user-agent", SENT);
    let answer = request.send().await.expect("the API answers");
    let status = answer.status().as_u16();
    let headers = format!("{:?}", answer.headers());
    let body = answer.text().await.expect("the answer is a text");
    assert_none_in(
        &format!("the answer to {what}"),
        &format!("{headers}\n{body}"),
    );
    status
}

#[tokio::test]
async fn what_is_sent_to_the_api_is_neither_answered_nor_logged_nor_kept() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let a = fill_in(&story);
    let url = story.api.url().to_owned();
    let token = story
        .altinn
        .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None);
    let token = token.expect("a token can be made");
    let http = Client::new();
    let trigger = |query: &str| {
        http.post(format!("{url}/triggers{query}"))
            .bearer_auth(&token)
    };

    let good =
        json!({ "app": PERMIT, "instance": a, "navn": NAME, "merknad": { "tekst": REMARK } });
    let accepted = trigger(&format!("?navn={SENT}")).json(&good);
    assert_eq!(call("a trigger", accepted).await, 202);
    let bodies = [
        format!("{{\"app\":\"{NAME}"),
        json!({ "app": SENT, "instance": a }).to_string(),
        json!({ "app": format!("ttd/{SENT}"), "instance": a }).to_string(),
        json!({ "app": PERMIT, "instance": NUMBER }).to_string(),
        json!({ "app": PERMIT, "instance": { "navn": NAME } }).to_string(),
        json!([GOSSIP]).to_string(),
        format!("{}{SENT}", " ".repeat(70_000)),
    ];
    for body in bodies {
        let request = trigger("")
            .header("content-type", "application/json")
            .body(body.clone());
        let status = call("a bad trigger", request).await;
        assert!(
            [400, 404, 413].contains(&status),
            "{status} for {body:.100}"
        );
    }
    for authorization in [
        format!("Bearer {SENT}"),
        format!("Basic {NUMBER}"),
        NAME.replace('Ø', "O"),
    ] {
        let authorization: String = authorization.chars().filter(char::is_ascii).collect();
        let request = http
            .post(format!("{url}/triggers"))
            .header("authorization", authorization);
        assert_eq!(call("a stranger", request.json(&good)).await, 401);
    }

    let event = json!({
        "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
        "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": a,
        "subject": format!("/person/{NUMBER}"), "alternativesubject": GOSSIP,
        "data": { "navn": NAME }, "navn": SENT,
    });
    let events = || {
        http.post(story.events_url())
            .header("content-type", "application/cloudevents+json")
    };
    assert_eq!(
        call("an event", events().body(event.to_string())).await,
        200
    );
    for (field, value) in [
        ("specversion", json!(SENT)),
        ("id", json!(NAME)),
        ("type", json!({ "navn": NAME })),
        ("resource", json!(format!("urn:altinn:resource:app_{SENT}"))),
        ("resource", json!(NUMBER)),
        ("resourceinstance", json!(NUMBER)),
        (
            "source",
            json!(format!("https://x/ttd/{SENT}/instances/{NUMBER}/x")),
        ),
    ] {
        let mut bad = event.clone();
        bad[field] = value;
        let status = call("a bad event", events().body(bad.to_string())).await;
        assert!([200, 400].contains(&status), "{status} for {bad}");
    }
    let guessed = http
        .post(format!("{url}/events/{SENT}{SENT}{SENT}"))
        .json(&event);
    assert_eq!(call("a guessed secret", guessed).await, 404);

    for path in [
        format!("relays/{a}"),
        format!("relays/{NUMBER}/{SENT}"),
        format!(
            "relays/{SENT}/{}?navn={SENT}",
            a.split('/').next_back().unwrap_or_default()
        ),
        format!("{SENT}/{NUMBER}"),
        format!("health?navn={SENT}"),
    ] {
        let request = http.get(format!("{url}/{path}")).bearer_auth(&token);
        let status = call(&path, request).await;
        assert!([200, 404].contains(&status), "{status} for {path}");
    }
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_has_it_all(&story.the_b(ROUTE, &a));
    let relays = http.get(format!("{url}/relays/{a}")).bearer_auth(&token);
    assert_eq!(call("the relays", relays).await, 200);
    assert!(story.dead_letters(0).await.is_empty());
    assert_no_trace(&story).await;
    story.end().await;
}
