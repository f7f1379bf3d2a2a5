//! No address from a call, an event, a token, an instance, a list or a redirect is ever visited.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::Stage;
use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use reqwest::Client;
use serde_json::{Map, Value, json};
use testbed::wire::{Action, CannedResponse, On};
use tests::{
    CASEWORK, Folder, PERMIT, ROUTE, Story, eventually, permit_alone, permit_route, posts, routes,
};

use super::{Trap, fill_in};

/// The samples with this route, and no settle time.
async fn story(route: String) -> (Story, Folder) {
    begun(route, false).await
}

/// With reconcile, which wakes the relays that wait for long, or without.
async fn begun(route: String, schedule: bool) -> (Story, Folder) {
    let folder = routes([(ROUTE, route)]);
    let plan = permit_alone();
    let mut plan = plan
        .setting("STAFETT_SETTLE_SECONDS", "1")
        .setting("STAFETT_RECONCILE_GRACE_SECONDS", "0");
    plan.routes = folder.path().to_owned();
    plan.schedule = schedule;
    (Story::begin(plan).await, folder)
}

#[tokio::test]
async fn an_address_in_a_call_is_not_visited() {
    let (story, _folder) = story(permit_route()).await;
    let trap = Trap::of(&story).await;
    let there = trap.url();
    let http = Client::new();
    let [heard, told] = [story.fill_in(Stage::Ended), story.fill_in(Stage::Ended)];
    let lure = |request: reqwest::RequestBuilder| {
        let host = there.trim_start_matches("http://");
        let names = ["x-forwarded-host", "x-original-url", "x-http-host-override"];
        let request = names
            .iter()
            .fold(request, |request, name| request.header(*name, host));
        request
            .header("forwarded", format!("host={host};proto=http"))
            .header("referer", there)
            .header("origin", there)
    };

    // An event with its source on another host: only the ids in the address count.
    let event = json!({
        "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed",
        "source": format!("{there}/{PERMIT}/instances/{heard}"),
        "dataschema": there, "dataref": there, "subject": there, "data": { "url": there },
    });
    let sent = lure(http.post(story.events_url())).json(&event).send();
    assert_eq!(sent.await.expect("the API answers").status(), 200);

    let token = story
        .altinn
        .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None)
        .expect("a token can be issued");
    let trigger = |token: &str, body: &Value| {
        let request = http.post(format!("{}/triggers", story.api.url()));
        lure(request).bearer_auth(token).json(body).send()
    };
    let body = json!({
        "app": PERMIT, "instance": told, "selfLinks": { "apps": there, "platform": there },
        "callback": there, "issuer": there,
    });
    let accepted = trigger(&token, &body).await.expect("the API answers");
    assert_eq!(accepted.status(), 202);
    for address in [
        format!("{there}/{PERMIT}/instances/{told}"),
        format!("//{}/{told}", there.trim_start_matches("http://")),
        format!("{told}?x={there}"),
        format!("{told}#@{there}"),
        format!("50085321@{there}/{told}"),
    ] {
        let body = json!({ "app": PERMIT, "instance": address });
        let refused = trigger(&token, &body).await.expect("the API answers");
        assert_eq!(refused.status(), 400, "{address}");
    }

    // A token that names the location of its key, and its issuer.
    let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let issuer = format!("{there}/maskinporten/");
    let claims = json!({
        "iss": issuer, "exp": 4_000_000_000_u64, "scope": TRIGGER_SCOPE,
        "consumer": { "ID": format!("0192:{SERVICE_OWNER}") },
    });
    let keys = format!("{issuer}jwk");
    let heads = [
        json!({ "alg": "RS256", "kid": "mine", "jku": keys, "x5u": keys }),
        json!({ "alg": "RS256", "kid": keys }),
        json!({ "alg": "RS256", "kid": "../../mine", "jku": keys }),
    ];
    for head in heads {
        let forged = format!("{}.{}.c2lnbmF0dXJl", part(&head), part(&claims));
        let refused = trigger(&forged, &body).await.expect("the API answers");
        assert_eq!(refused.status(), 401);
    }

    for a in [&heard, &told] {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    story.settled().await;
    assert_eq!(story.creations(), 2);
    trap.assert_unvisited().await;
}

/// `value` with every link in it, and some new ones, pointing to another host.
fn linked_to(there: &str, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let inner = fields.into_iter().map(|(name, value)| {
                let value = linked_to(there, value);
                (name, value)
            });
            let mut fields: Map<String, Value> = inner.collect();
            for link in ["selfLinks", "_links", "links"] {
                fields.insert(link.to_owned(), json!({ "apps": there, "platform": there }));
            }
            fields.insert("blobStoragePath".to_owned(), there.into());
            fields.into()
        }
        Value::Array(items) => items.into_iter().map(|it| linked_to(there, it)).collect(),
        other => other,
    }
}

fn says(status: StatusCode, body: &Value) -> CannedResponse {
    let json = HeaderValue::from_static("application/json");
    CannedResponse::status(status)
        .header(header::CONTENT_TYPE, json)
        .body(body.to_string())
}

#[tokio::test]
async fn no_link_of_an_instance_and_no_next_of_a_list_is_followed() {
    let (story, _folder) = story(permit_route()).await;
    let trap = Trap::of(&story).await;
    let there = trap.url();
    let a = story.fill_in(Stage::Ended);
    let instance = story.altinn.instance(&a).expect("it is there");
    let faults = story.altinn_wire.faults();
    let reads = On::request(Method::GET, &format!("^/storage/api/v1/instances/{a}$"));
    let strange = faults.add(
        reads,
        Action::Answer(says(StatusCode::OK, &linked_to(there, instance))),
    );
    // The first page is empty and links to another host for the next.
    let query = "appId=ttd/permit&process.isComplete=true&includeDataElements=false\
                 &order=asc:lastChanged&size=99";
    let page = json!({
        "count": 0, "instances": [], "self": there,
        "next": format!("{there}/storage/api/v1/instances?{query}"),
    });
    let lists = || On::request(Method::GET, r"^/storage/api/v1/instances\?");
    let turned = faults.add(lists().nth(1), Action::Answer(says(StatusCode::OK, &page)));

    let report = story.reconcile.invoke(&json!({})).await;
    let report = report.expect("reconcile answers");
    assert_eq!(report["routes"][0]["missing"], 1, "{report}");
    story.reaches(ROUTE, &a, "done").await;
    assert_eq!(faults.applied(turned), 1);
    assert!(faults.applied(strange) > 0);
    let went_on = lists().path("size=99$");
    assert_eq!(
        story.altinn_wire.journal().count(&went_on),
        1,
        "the list goes on at Storage itself"
    );
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    trap.assert_unvisited().await;
}

#[tokio::test]
async fn no_redirect_of_altinn_is_followed_and_nothing_is_sent_there() {
    let then = "\nthen:\n  substatus: { label: Sent }\n  complete: true\n";
    let (story, _folder) = begun(permit_route() + then, true).await;
    let trap = Trap::of(&story).await;
    let there = trap.url();
    let redirect = |status: u16, path: &str| {
        let location = HeaderValue::from_str(&format!("{there}{path}"));
        let status = StatusCode::from_u16(status).expect("a status");
        CannedResponse::status(status).header(header::LOCATION, location.expect("an address"))
    };
    let get = |path: &str| On::request(Method::GET, path);
    let storage = "^/storage/api/v1/instances";
    let case = "/ttd/casework/instances/51200043/7d8f1c52-9b3e-4a6d-8c11-5e2f7a9b0c34";
    let all = [
        (get(r"^/maskinporten/\.well-known"), 301),
        (On::request(Method::POST, "^/maskinporten/token$"), 307),
        (get("^/authentication/api/v1/exchange"), 302),
        (get(&format!("{storage}/[^/]+/[^/]+$")), 308),
        (get(&format!("^/{PERMIT}/instances/.*/data/")), 302),
        (
            get(&format!("^/{CASEWORK}/api/v1/applicationmetadata")),
            303,
        ),
        (get(&format!("^/{CASEWORK}/api/jsonschema/model$")), 302),
        (get(&format!("{storage}/[^/]+/[^/]+/data/")), 307),
        // These requests carry form data and files.
        (posts(), 308),
        (posts(), 307),
        (get(&format!(r"{storage}\?")), 302),
        (On::request(Method::PUT, "/substatus$"), 307),
        (On::request(Method::POST, "/complete$"), 308),
    ];
    let faults = story.altinn_wire.faults();
    let mut rules = Vec::new();
    let mut turn = 0;
    for (on, status) in all {
        // The second rule for the creation requests applies to the second such request.
        let of_post = on.matches(&probe());
        turn += usize::from(of_post);
        let on = on.nth(if of_post { turn } else { 1 });
        rules.push(faults.add(on, Action::Answer(redirect(status, case))));
    }
    // B is created, but its response names another address.
    let elsewhere = redirect(201, "/ttd/casework/instances/somewhere/else");
    rules.push(faults.add(posts().nth(3), Action::AnswerAfter(elsewhere)));

    let permits: Vec<String> = (0..4).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    for a in &permits {
        // Until SQS redelivers, and until a failed token request may be repeated.
        eventually("the relay is done", async || {
            story
                .pass(Duration::from_secs(30))
                .await
                .expect("time passes");
            let item = story.ledger_item(a, ROUTE).await;
            match item.expect("the ledger answers") {
                item if item["state"] == "done" => Ok(()),
                item => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Err(item.to_string())
                }
            }
        })
        .await;
        story.the_b(ROUTE, a);
    }
    for (number, rule) in rules.iter().enumerate() {
        assert_eq!(faults.applied(*rule), 1, "redirect {number}");
    }
    assert_eq!(story.creations(), permits.len());
    assert!(story.dead_letters(0).await.is_empty());
    trap.assert_unvisited().await;
}

/// The head of a request that creates a B.
fn probe() -> testbed::wire::RequestHead {
    testbed::wire::RequestHead {
        sequence: 0,
        method: Method::POST,
        path: format!("/{CASEWORK}/instances"),
        headers: http::HeaderMap::new(),
    }
}

#[tokio::test]
async fn markup_in_a_form_is_text_in_b() {
    let (story, _folder) = story(permit_route()).await;
    let trap = Trap::of(&story).await;
    let there = trap.url();
    let name = "</innsender><innsender>&lt;b&#62;";
    let remark = format!(
        "]]><!DOCTYPE a [<!ENTITY b SYSTEM \"{there}/b\"><!ENTITY c SYSTEM \"file:///etc/passwd\">\
         <!ENTITY % d SYSTEM \"{there}/d\">%d;]><a xmlns:xi=\"http://www.w3.org/2001/XInclude\">&b;&c;\
         <xi:include href=\"{there}\"/></a><![CDATA[<?xml-stylesheet href=\"{there}\"?>"
    );
    let a = fill_in(&story, name, &remark);
    story.send([Story::message(ROUTE, &a)]).await;
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.field("soknad/innsender"), [name]);
    assert_eq!(b.field("soknad/merknad"), [remark.as_str()]);
    let leaves: Vec<&str> = b.form.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        !leaves.iter().any(|path| path.contains("include")),
        "{leaves:?}"
    );
    trap.assert_unvisited().await;
}

#[tokio::test]
async fn a_trigger_that_names_another_party_is_a_trigger_of_the_same_relay() {
    let (story, _folder) = begun(permit_route(), true).await;
    let of_another = |a: &str| format!("51200043/{}", tests::guid(a));
    // While A is not ready yet: the stranger's trigger must not spoil the waiting relay.
    let a = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "waiting").await;
    story.trigger(&of_another(&a)).await;
    story
        .pass(Duration::from_secs(3600))
        .await
        .expect("time passes");
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["reason"], "gate_closed");
    assert_eq!(item["source"], a, "the instance's own id is on record");
    while story.altinn.instance(&a).expect("it is there")["process"]["ended"].is_null() {
        story.altinn.advance(&a).expect("she goes on");
    }
    story
        .pass(Duration::from_secs(7200))
        .await
        .expect("time passes");
    story.reaches(ROUTE, &a, "done").await;

    // Before any other trigger has been sent.
    let b = story.fill_in(Stage::Ended);
    story.trigger(&of_another(&b)).await;
    story.reaches(ROUTE, &b, "done").await;
    story.trigger(&b).await;
    story.settled().await;
    for a in [&a, &b] {
        let made = story.the_b(ROUTE, a);
        assert_eq!(made.instance["dataValues"]["stafett.source"], a.as_str());
        let item = story.reaches(ROUTE, a, "done").await;
        assert_eq!(item["source"], a.as_str());
    }
    assert_eq!(story.creations(), 2);
    assert!(story.dead_letters(0).await.is_empty());
}
