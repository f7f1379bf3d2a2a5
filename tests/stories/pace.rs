//! A B that is down, or that hangs.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use local_altinn::Stage;
use local_world::deployment::{Deployment, Plan, sample_apps};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, Gate, On};
use tests::{DEADLINE, ROUTE, Story, eventually, permit_alone, permit_route, posts, routes};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn pass(story: &Story, span: Duration) {
    story.pass(span).await.expect("time passes");
}

/// The pace as `reconcile` shows it to an operator.
async fn pace_shown(story: &Story) -> Value {
    let status = json!({ "action": "status" });
    let mut status = story.reconcile.invoke(&status).await.expect("it answers");
    status["routes"][0]["pace"].take()
}

#[tokio::test]
async fn a_b_that_is_down_is_asked_by_one_relay_at_a_time_and_gets_all_when_it_is_back() {
    const RELAYS: usize = 40;
    let mut plan = permit_alone();
    plan.schedule = true;
    let story = Story::begin(plan).await;
    let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    let faults = story.altinn_wire.faults();
    faults.add(posts(), Action::Answer(down));
    let all: Vec<String> = (0..RELAYS).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(all.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    pass(&story, 2 * MINUTE).await;
    let opened = story.posts().len();
    assert!((5..=25).contains(&opened), "{opened} requests opened it");
    let shown = pace_shown(&story).await;
    let quiet_until = shown["quietUntil"].as_str().map(str::parse::<Timestamp>);
    assert!(matches!(quiet_until, Some(Ok(_))), "{shown}");
    assert!(shown["perSecond"].is_number(), "{shown}");
    // After half a minute, one, two, four and eight minutes, and then every quarter of an hour.
    pass(&story, 2 * HOUR).await;
    let probes = story.posts().len() - opened;
    assert!((4..=14).contains(&probes), "{probes} probes");
    assert_eq!((story.creations(), story.dead_letters_now().await), (0, 0));

    faults.clear();
    pass(&story, 2 * HOUR).await;
    for a in &all {
        let item = story.ledger_item(a, ROUTE).await.expect("it answers");
        assert_eq!(item["state"], "done", "{item}");
        story.the_b(ROUTE, a);
    }
    assert_eq!(story.creations(), RELAYS);
    let shown = pace_shown(&story).await;
    assert_eq!(shown["quietUntil"], Value::Null, "{shown}");
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_ledger_that_refuses_to_keep_the_pace_is_asked_a_few_times_by_those_who_would_try_b() {
    const RELAYS: usize = 5;
    let story = Story::of_the_permit().await;
    let permits = || -> Vec<String> { (0..RELAYS).map(|_| story.fill_in(Stage::Ended)).collect() };
    let messages =
        |all: &[String]| -> Vec<String> { all.iter().map(|a| Story::message(ROUTE, a)).collect() };
    let b_down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    story
        .altinn_wire
        .faults()
        .add(posts(), Action::Answer(b_down));
    let early = permits();
    story.send(messages(&early)).await;
    pass(&story, HOUR).await;
    let asked = story.posts().len();

    let late = permits();
    let before = story.mapping.delivered().left;
    let refusal = CannedResponse::status(StatusCode::BAD_REQUEST);
    let ledger = story.dynamodb_wire.faults();
    let refused = ledger.add(On::operation("PutItem"), Action::Answer(refusal));
    story.send(messages(&late)).await;
    let put_back = story
        .mapping
        .wait_until(DEADLINE, |it| it.left >= before + RELAYS);
    put_back.await.expect("they are put back");
    // For ten seconds one of them tries every two seconds; then each is to be recorded as waiting.
    let tries = ledger.applied(refused);
    assert!((RELAYS..=4 * RELAYS).contains(&tries), "{tries} tries");
    assert_eq!(
        story.posts().len(),
        asked,
        "nobody tries B unknown to the others"
    );

    ledger.clear();
    story.altinn_wire.faults().clear();
    story.send(messages(&early)).await;
    pass(&story, HOUR).await;
    for a in [early, late].iter().flatten() {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    assert_eq!(story.creations(), 2 * RELAYS);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_route_is_held_to_its_pace_also_after_its_b_was_too_busy() {
    const RELAYS: usize = 20;
    const TURN: Duration = Duration::from_secs(1);
    const RETRY_AFTER: Duration = Duration::from_secs(3);
    let paced = "root: melding\n  pace: { perSecond: 1, atOnce: 1 }";
    let route = permit_route().replace("root: melding", paced);
    let folder = routes([(ROUTE, route)]);
    let mut plan = permit_alone().setting("STAFETT_MAXIMUM_CONCURRENCY", "1");
    plan.routes = folder.path().to_owned();
    let story = Story::begin(plan).await;
    let seconds = HeaderValue::from(RETRY_AFTER.as_secs());
    let busy =
        CannedResponse::status(StatusCode::TOO_MANY_REQUESTS).header(header::RETRY_AFTER, seconds);
    let faults = story.altinn_wire.faults();
    faults.add(posts().nth(1), Action::Answer(busy));
    let all: Vec<String> = (0..RELAYS).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(all.iter().map(|a| Story::message(ROUTE, a)))
        .await;

    let put_back = eventually("some do not get their turn", async || {
        let mut put_back = Vec::new();
        for a in &all {
            let item = story.ledger_item(a, ROUTE).await.expect("it answers");
            put_back.extend((item["reason"] == "b_quiet").then_some(item));
        }
        let is_any = !put_back.is_empty();
        is_any.then_some(put_back).ok_or_else(|| "none".to_owned())
    });
    for item in put_back.await {
        assert_eq!(
            (&item["state"], &item["attempts"]),
            (&json!("waiting"), &json!(0)),
            "{item}"
        );
    }
    let posts = story.posts();
    let turned_away = posts[0].ended.expect("it was answered");
    for (post, turns) in posts[1..].iter().zip(0..) {
        let earliest = turned_away + RETRY_AFTER + turns * TURN;
        assert!(post.started >= earliest, "{posts:#?}");
    }
    assert!(posts.len() > 2, "{posts:#?}");

    pass(&story, HOUR).await;
    let mut attempts = Vec::new();
    for a in &all {
        let item = story.reaches(ROUTE, a, "done").await;
        attempts.extend(item["attempts"].as_u64());
        story.the_b(ROUTE, a);
    }
    attempts.sort_unstable();
    let asked_once = vec![1; RELAYS - 1];
    assert_eq!(attempts, [asked_once, vec![2]].concat());
    assert_eq!(
        (story.creations(), story.posts().len()),
        (RELAYS, RELAYS + 1)
    );
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn the_relays_of_a_healthy_b_end_while_another_b_hangs() {
    const ESTATE: &str = "ttd/estate";
    let story = Story::begin(Plan::samples().expect("the samples can be read")).await;
    let gate = Gate::default();
    let hangs = Action::HoldBefore(gate.clone());
    story.altinn_wire.faults().add(posts(), hangs);
    let hanging: Vec<String> = (0..5).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(hanging.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    gate.arrived(1, DEADLINE).await.expect("B is asked");
    for sample in ["one-heir", "three-heirs"] {
        let folder = sample_apps().join(ESTATE).join("samples").join(sample);
        let a = story.import_from(&folder);
        let answer = Deployment::trigger(&story, ESTATE, &a).await;
        assert_eq!(answer.expect("the API answers").status(), 202);
        story.reaches("estate-to-inheritance", &a, "done").await;
    }
    assert_eq!(story.creations(), 0, "the other one still hangs");
    gate.open();
    for a in &hanging {
        story.reaches(ROUTE, a, "done").await;
    }
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
    story.end().await;
}
