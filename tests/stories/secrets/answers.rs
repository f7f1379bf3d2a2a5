//! What Altinn says of people when it refuses, fails, or breaks down.

use std::collections::BTreeMap;

use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::{CallFault, CreationStep, Fault};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On, RuleId};
use tests::{CASEWORK, ROUTE, Story, permit_route, posts, routes};

use super::markers::{GOSSIP, NAME, NUMBER, assert_none_in};
use super::{assert_has_it_all, assert_no_trace, assert_no_trace_for_operators, fill_in, story};

fn says(status: u16, body: impl Into<Vec<u8>>) -> Action {
    let status = StatusCode::from_u16(status).expect("a status");
    Action::Answer(CannedResponse::status(status).body(body.into()))
}

/// The same, with the gossip in a header as well.
fn says_with(status: u16, name: header::HeaderName, body: &Value) -> Action {
    let status = StatusCode::from_u16(status).expect("a status");
    let gossip: String = GOSSIP.chars().filter(char::is_ascii).collect();
    let value = HeaderValue::from_str(&gossip.replace(' ', "/")).expect("a header");
    Action::Answer(
        CannedResponse::status(status)
            .header(name, value)
            .body(body.to_string()),
    )
}

/// Problem details as apps give them, full of what they were sent.
fn problem() -> Value {
    json!({
        "type": format!("https://example.no/{NUMBER}"), "title": GOSSIP, "detail": GOSSIP,
        "errors": { NAME: [GOSSIP] }, "traceId": NUMBER,
    })
}

/// What answers each of the next requests that make a B, one after the other.
fn of_creations() -> Vec<Action> {
    let exception = format!("System.Exception: {GOSSIP}\n   at App.Logic(String {NUMBER})");
    vec![
        says(400, GOSSIP),
        says(400, problem().to_string()),
        says(400, json!({ "title": GOSSIP, "detail": GOSSIP }).to_string()),
        says(403, GOSSIP),
        says(403, json!({ "valid": false, "message": GOSSIP, "validParties": [{ "ssn": NUMBER, "name": NAME }] }).to_string()),
        says(404, format!("Cannot lookup party: {GOSSIP}")),
        says(409, problem().to_string()),
        says(413, GOSSIP),
        says(422, problem().to_string()),
        says_with(429, header::RETRY_AFTER, &json!(GOSSIP)),
        says_with(302, header::LOCATION, &json!(GOSSIP)),
        says(500, exception.clone()),
        says(500, problem().to_string()),
        says(503, exception),
        says(201, format!("{{\"id\":\"{GOSSIP}")),
        says(201, json!({ "id": GOSSIP, "instanceOwner": { "personNumber": NUMBER } }).to_string()),
        says(200, json!([GOSSIP]).to_string()),
    ]
}

/// An instance as Altinn gives it, with something personal where none can be.
fn garbled(story: &Story, a: &str, pointer: &str) -> String {
    let mut instance = story.altinn.instance(a).expect("A is there");
    *instance.pointer_mut(pointer).expect("it has that") = json!(GOSSIP);
    instance.to_string()
}

/// What answers the reads of each of these A instances at first, each in a way of its own.
fn of_reads(story: &Story, permits: &[String]) -> Vec<(On, Action)> {
    const INSTANCE: &str = "^/storage/api/v1/instances/{a}$";
    const FORM: &str = "^/ttd/permit/instances/{a}/data/";
    const FILE: &str = "^/storage/api/v1/instances/{a}/data/";
    let fixed = [
        (INSTANCE, 500, GOSSIP.to_owned()),
        (INSTANCE, 403, problem().to_string()),
        (INSTANCE, 404, GOSSIP.to_owned()),
        (INSTANCE, 200, format!("{{\"id\":\"{GOSSIP}")),
        (INSTANCE, 200, json!(GOSSIP).to_string()),
        (FORM, 500, problem().to_string()),
        (FORM, 200, format!("{{\"soker\":{{\"navn\":\"{NAME}")),
        (FORM, 200, format!("<model>{GOSSIP}</model>")),
        (FORM, 302, GOSSIP.to_owned()),
        (FILE, 500, GOSSIP.to_owned()),
        (FILE, 404, problem().to_string()),
    ];
    let pointers = [
        "/id",
        "/appId",
        "/created",
        "/process",
        "/process/ended",
        "/status",
        "/data",
        "/data/0/id",
        "/data/0/size",
    ];
    assert_eq!(fixed.len() + pointers.len(), PERMITS);
    let mut permits = permits.iter();
    let fixed = fixed.into_iter().zip(permits.by_ref());
    let mut rules: Vec<(On, Action)> = fixed
        .map(|((path, status, body), a)| {
            let on = On::request(Method::GET, &path.replace("{a}", a));
            // What broke down is asked again at once, twice at most.
            let times = if status == 500 { 3 } else { 1 };
            (on.next(times), says(status, body))
        })
        .collect();
    rules.extend(pointers.into_iter().zip(permits).map(|(pointer, a)| {
        let on = On::request(Method::GET, &INSTANCE.replace("{a}", a));
        (on.next(1), says(200, garbled(story, a, pointer)))
    }));
    rules
}

/// As many as there are ways to answer a read.
const PERMITS: usize = 20;

/// The permits by the state that their relays have come to.
async fn ends(story: &Story, permits: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for a in permits {
        let item = story
            .ledger_item(a, ROUTE)
            .await
            .expect("the ledger answers");
        let state = item["state"].as_str().unwrap_or_default().to_owned();
        ends.entry(state).or_default().push(a.clone());
    }
    ends
}

fn assert_applied(story: &Story, rules: &[RuleId]) {
    for (number, rule) in rules.iter().enumerate() {
        let applied = story.altinn_wire.faults().applied(*rule);
        assert!(applied > 0, "answer {number} was never given");
    }
}

#[tokio::test]
async fn what_b_says_of_people_is_repeated_nowhere() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let faults = story.altinn_wire.faults();
    let answers = of_creations();
    let permits: Vec<String> = answers.iter().map(|_| fill_in(&story)).collect();
    let rules = answers.into_iter().zip(1..);
    let mut rules: Vec<RuleId> = rules
        .map(|(says, nth)| faults.add(posts().nth(nth), says))
        .collect();
    // The first searches for what may have been made.
    let search = On::request(Method::GET, r"^/storage/api/v1/instances\?").next(2);
    rules.push(faults.add(
        search,
        says(
            200,
            json!({ "instances": [{ "id": GOSSIP }], "next": GOSSIP }).to_string(),
        ),
    ));
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    story.settled().await;
    assert_applied(&story, &rules);

    let ends = ends(&story, &permits).await;
    assert_eq!(ends.keys().collect::<Vec<_>>(), ["done", "failed"]);
    for a in &ends["done"] {
        assert_has_it_all(&story.the_live_b(ROUTE, a));
    }
    assert_no_trace_for_operators(&story).await;
    let dead = story.dead_letters(ends["failed"].len()).await;
    assert_none_in("the dead-letter queue", &dead.join("\n"));
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn what_a_and_storage_say_of_people_is_repeated_nowhere() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let faults = story.altinn_wire.faults();
    let permits: Vec<String> = (0..PERMITS).map(|_| fill_in(&story)).collect();
    let reads = of_reads(&story, &permits);
    let rules: Vec<RuleId> = reads
        .into_iter()
        .map(|(on, says)| faults.add(on, says))
        .collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    story.settled().await;
    assert_applied(&story, &rules);

    let ends = ends(&story, &permits).await;
    assert!(ends["done"].len() >= 10, "most of it passes: {ends:?}");
    assert_eq!(ends.values().map(Vec::len).sum::<usize>(), permits.len());
    for a in &ends["done"] {
        assert_has_it_all(&story.the_live_b(ROUTE, a));
    }
    assert_no_trace_for_operators(&story).await;
    let failed = permits.len() - ends["done"].len();
    let dead = story.dead_letters(failed).await;
    assert_none_in("the dead-letter queue", &dead.join("\n"));
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn what_is_said_while_a_half_made_case_is_made_whole_is_repeated_nowhere() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let half = [0, 1, 2]
        .map(|after| Fault::at(CreationStep::ElementsFrom(after), CallFault::Refused(500)));
    let all = half.into_iter().chain([
        Fault::at(CreationStep::Instance, CallFault::AnswerLost),
        Fault::at(CreationStep::Process, CallFault::Refused(500)),
        Fault::InstantiationRefused(GOSSIP.to_owned()),
    ]);
    let mut permits = Vec::new();
    for fault in all {
        story.altinn.faults().next(1, Some(CASEWORK), fault);
        permits.push(fill_in(&story));
    }
    let faults = story.altinn_wire.faults();
    let add = |status, body: String| {
        let on = On::request(
            Method::POST,
            &format!("^/{CASEWORK}/instances/[^/]+/[^/]+/data"),
        );
        (on, says(status, body))
    };
    let answers = [
        add(400, problem().to_string()),
        add(500, GOSSIP.to_owned()),
        add(409, GOSSIP.to_owned()),
    ];
    let rules = answers.into_iter().zip(1..);
    let rules: Vec<RuleId> = rules
        .map(|((on, says), nth)| faults.add(on.nth(nth), says))
        .collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    story.settled().await;
    assert_applied(&story, &rules);
    let ends = ends(&story, &permits).await;
    for a in &ends["done"] {
        assert_has_it_all(&story.the_live_b(ROUTE, a));
    }
    assert_no_trace_for_operators(&story).await;
    let dead = story.dead_letters(permits.len() - ends["done"].len()).await;
    assert_none_in("the dead-letter queue", &dead.join("\n"));
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn what_is_said_of_tokens_and_metadata_is_repeated_nowhere() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let faults = story.altinn_wire.faults();
    let grants = || On::request(Method::POST, "^/maskinporten/token$");
    let exchanges = || On::request(Method::GET, "^/authentication/api/v1/exchange/maskinporten");
    let metadata = || On::request(Method::GET, "applicationmetadata|/applications/");
    let refusal =
        json!({ "error": "invalid_grant", "error_description": GOSSIP, "error_uri": NUMBER });
    let answers = [
        (grants().nth(1), says(400, refusal.to_string())),
        (
            grants().nth(2),
            says(
                200,
                json!({ "access_token": 7, "scope": GOSSIP }).to_string(),
            ),
        ),
        (exchanges().nth(1), says(401, GOSSIP)),
        (exchanges().nth(2), says(200, format!("\"{}", GOSSIP))),
        (metadata().nth(1), says(500, GOSSIP)),
        (
            metadata().nth(2),
            says(
                200,
                json!({ "id": GOSSIP, "dataTypes": GOSSIP }).to_string(),
            ),
        ),
    ];
    let rules: Vec<RuleId> = answers
        .into_iter()
        .map(|(on, says)| faults.add(on, says))
        .collect();
    // One after the other, as the one token is asked for anew.
    let a = fill_in(&story);
    story.send([Story::message(ROUTE, &a)]).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_applied(&story, &rules);
    assert_has_it_all(&story.the_b(ROUTE, &a));
    assert!(story.dead_letters(0).await.is_empty());
    assert_no_trace_for_operators(&story).await;
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn what_a_says_when_it_is_told_of_b_is_repeated_nowhere() {
    let then = "\nthen:\n  substatus: { label: Sent }\n  complete: true\n";
    let folder = routes([(ROUTE, permit_route() + then)]);
    let story = story(&folder).await;
    let permits: Vec<String> = (0..4).map(|_| fill_in(&story)).collect();
    let substatus = |a: &str| On::request(Method::PUT, &format!("/{a}/substatus$"));
    let complete = |a: &str| On::request(Method::POST, &format!("/{a}/complete$"));
    let answers = [
        (substatus(&permits[0]).next(1), says(500, GOSSIP)),
        (
            substatus(&permits[1]).next(1),
            says(200, problem().to_string()),
        ),
        (
            complete(&permits[2]).next(1),
            says(503, problem().to_string()),
        ),
        (complete(&permits[3]), says(403, problem().to_string())),
    ];
    let rules: Vec<RuleId> = answers
        .into_iter()
        .map(|(on, says)| story.altinn_wire.faults().add(on, says))
        .collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    for a in &permits[..3] {
        story.reaches(ROUTE, a, "done").await;
    }
    let refused = |item: &Value| item["reason"] == "after_step_refused";
    story
        .reaches_with(ROUTE, &permits[3], "created", refused)
        .await;
    assert_applied(&story, &rules);
    for a in &permits {
        assert_has_it_all(&story.the_b(ROUTE, a));
    }
    assert_no_trace_for_operators(&story).await;
    assert_no_trace(&story).await;
    story.end().await;
}
