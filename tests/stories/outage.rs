//! B, or a service that it depends on, is down for hours.

use std::time::Duration;

use futures_util::future::try_join_all;
use http::{HeaderValue, StatusCode, header};
use local_altinn::{Fault, Stage};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};
use tests::{CASEWORK, Folder, ROUTE, Story, permit_alone, permit_route, routes};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The samples, with all functions in this process, so that the story's clock can move.
async fn story() -> Story {
    Story::of_the_permit().await
}

/// With reconcile, and B's metadata already cached, so that it is not fetched again and again while B is down.
async fn warm() -> Story {
    let story = with_reconcile().await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story
}

/// The samples, with reconcile running every five minutes.
async fn with_reconcile() -> Story {
    let mut plan = permit_alone();
    plan.schedule = true;
    Story::begin(plan).await
}

async fn pass(story: &Story, span: Duration) {
    story.pass(span).await.expect("time passes");
}

/// The receive count of the one relay's message.
fn receives(story: &Story) -> usize {
    let delivered = story.mapping.delivered();
    delivered.deleted + delivered.left
}

fn b_is_down(story: &Story, how: Action) {
    let everything = On::any().path("^/ttd/casework/");
    story.altinn_wire.faults().add(everything, how);
}

/// A scheduled run of reconcile; returns its report on the one route.
async fn reconcile(story: &Story) -> Value {
    let answer = story.reconcile.invoke(&json!({})).await;
    answer.expect("reconcile answers")["routes"][0].clone()
}

fn unavailable() -> CannedResponse {
    CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE)
}

/// B is down for ten hours, then it returns, and the relay ends as usual. In between at most one message of it is in the queue.
async fn a_night(story: Story, how: Action) {
    let (made, received) = (story.creations(), receives(&story));
    let asked = story.posts().len();
    b_is_down(&story, how);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    pass(&story, 10 * HOUR).await;
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(item["state"], "waiting", "{item}");
    assert_eq!(story.creations(), made);
    assert_eq!(story.dead_letters_now().await, 0, "no operator's work");
    // Only a short wait, such as the one for the next search, is spent in the queue.
    let wait = item["not_before"].as_i64().zip(item["updated"].as_i64());
    let is_short = wait.is_some_and(|(not_before, updated)| not_before - updated <= 900_000);
    let messages = story.messages().await;
    if messages == 0 {
        let due = item["not_before"].as_i64().map(|it| it + 2_000);
        assert_eq!(item["due"].as_i64(), due, "{item}");
    } else {
        assert!(messages == 1 && is_short, "{messages} messages, {item}");
    }

    story.altinn_wire.faults().clear();
    // The longest delay between two attempts, plus a fifth of jitter, and until reconcile runs.
    pass(&story, 80 * MINUTE).await;
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(item["state"], "done", "{item}");
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    let receives = receives(&story) - received;
    let asked = story.posts().len() - asked;
    assert!(asked <= 45, "{asked} requests");
    // After each request whose outcome is unknown, the relay is woken for five early searches and the last one at most.
    let most = 40.max(7 * asked);
    assert!(
        (10..most).contains(&receives),
        "{receives} receives for {asked} requests"
    );
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_night_of_503_ends_with_one_case() {
    a_night(with_reconcile().await, Action::Answer(unavailable())).await;
}

#[tokio::test]
async fn a_night_of_503_with_retry_after_ends_with_one_case() {
    let soon = HeaderValue::from_static("120");
    let busy = unavailable().header(header::RETRY_AFTER, soon);
    a_night(warm().await, Action::Answer(busy)).await;
}

#[tokio::test]
async fn a_night_of_refused_connections_ends_with_one_case() {
    a_night(warm().await, Action::ResetBefore).await;
}

#[tokio::test]
async fn many_relays_waiting_for_the_same_b_are_all_done_once() {
    const CASES: usize = 20;
    let story = warm().await;
    let made = story.creations();
    b_is_down(&story, Action::Answer(unavailable()));
    let all: Vec<String> = (0..CASES).map(|_| story.fill_in(Stage::Ended)).collect();
    let messages = all.iter().map(|a| Story::message(ROUTE, a));
    story.send(messages).await;
    pass(&story, HOUR).await;
    assert_eq!(story.creations(), made);
    story.altinn_wire.faults().clear();
    pass(&story, 80 * MINUTE).await;
    for a in &all {
        story.the_b(ROUTE, a);
    }
    assert_eq!(story.creations(), made + CASES);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn an_unknown_owner_is_given_up_after_hours() {
    let story = with_reconcile().await;
    let faults = story.altinn.faults();
    faults.always(Some(CASEWORK), Fault::RegisterDown);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    pass(&story, HOUR).await;
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(
        (&item["state"], &item["reason"]),
        (&"waiting".into(), &"owner_unknown".into())
    );
    pass(&story, 6 * HOUR).await;
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(
        (&item["state"], &item["reason"]),
        (&"failed".into(), &"owner_unknown".into())
    );
    assert_eq!(item["attempts"], 14);
    assert_eq!(
        reconcile(&story).await["stillFailed"],
        1,
        "it is left alone"
    );
    assert_eq!(story.dead_letters(1).await.len(), 1);
    assert_eq!(story.posts().len(), 14);
}

#[tokio::test]
async fn a_route_that_is_not_deployed_is_given_up_after_minutes_and_not_at_once() {
    let story = story().await;
    let a = story.fill_in(Stage::Ended);
    story.send([Story::message("a-route-to-come", &a)]).await;
    pass(&story, 5 * MINUTE).await;
    assert!((4..8).contains(&receives(&story)), "{}", receives(&story));
    pass(&story, 10 * MINUTE).await;
    assert_eq!(story.dead_letters(1).await.len(), 1);
    assert!(
        !story.whole_ledger().await.contains("a-route-to-come"),
        "nothing was ever claimed"
    );
}

#[tokio::test]
async fn a_gate_that_opens_late_is_found_by_reconcile() {
    let story = with_reconcile().await;
    let a = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&a).await;
    // Sixteen attempts take about six and a half hours, plus or minus a fifth, and until reconcile runs.
    pass(&story, 5 * HOUR).await;
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert!(item["attempts"].as_u64() < Some(16), "{item}");
    pass(&story, 4 * HOUR).await;
    assert_eq!(story.messages().await, 0, "it is left to reconcile");
    let item = story.ledger_item(&a, ROUTE).await.expect("it answers");
    assert_eq!(
        (&item["state"], &item["reason"]),
        (&"waiting".into(), &"gate_closed".into())
    );
    assert!(item["attempts"].as_u64() >= Some(16), "{item}");
    assert!(story.posts().is_empty());

    story.altinn.advance(&a).expect("the form is complete");
    story.altinn.advance(&a).expect("she confirms");
    // No trigger was sent, and one on its way would have arrived by now.
    pass(&story, 16 * MINUTE).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn a_route_is_corrected_while_its_messages_wait() {
    let mistaken =
        permit_route().replace("data.model.soker.navn\"", "data.model.soker.fulltNavn\"");
    assert_ne!(mistaken, permit_route());
    let mistaken = routes([(ROUTE, mistaken)]);
    let right: Folder = routes([(ROUTE, permit_route())]);
    let story = Story::on(&mistaken).await;
    let all: Vec<String> = (0..3).map(|_| story.fill_in(Stage::Ended)).collect();
    try_join_all(all.iter().map(async |a| {
        story.trigger(a).await;
        Ok::<_, ()>(())
    }))
    .await
    .expect("they are triggered");
    for a in &all {
        let item = story.reaches(ROUTE, a, "failed").await;
        assert_eq!(item["reason"], "mapping_failed");
    }
    story.rest().await.expect("the deployment comes to rest");
    story
        .deploy(right.path())
        .await
        .expect("the route is corrected");
    let request = json!({ "action": "redrive", "reason": "mapping_failed" });
    let answer = story.redrive.invoke(&request).await.expect("it answers");
    assert_eq!(
        (&answer["sent"], &answer["deleted"]),
        (&3.into(), &3.into())
    );
    for a in &all {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    assert!(story.dead_letters(0).await.is_empty());
}
