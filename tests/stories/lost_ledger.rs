//! The ledger is emptied, replaced, or restored to an earlier state: every A keeps its one B.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use local_altinn::Stage;
use local_aws::Stack;
use serde_json::{Value, json};
use tests::{ROUTE, Story, permit_alone};

mod half_made;
mod in_flight;
mod prefill;
mod set;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

type Items = Vec<HashMap<String, AttributeValue>>;

async fn items(story: &Story) -> Items {
    let table = &story.aws.resources().table;
    let scan = story.dynamodb().scan().table_name(table).send().await;
    scan.expect("DynamoDB answers").items.unwrap_or_default()
}

/// Deletes every item of the ledger, the notes as well.
async fn empty(story: &Story) {
    let table = &story.aws.resources().table;
    for mut item in items(story).await {
        item.retain(|name, _| matches!(name.as_str(), "pk" | "sk"));
        let delete = story.dynamodb().delete_item().table_name(table);
        let deleted = delete.set_key(Some(item)).send().await;
        deleted.expect("DynamoDB answers");
    }
}

/// Puts a new table in the place of the ledger, with these items.
async fn replace(story: &Story, with: Items) {
    let table = &story.aws.resources().table;
    let deleted = story.dynamodb().delete_table().table_name(table);
    deleted.send().await.expect("DynamoDB answers");
    let stack = Stack::stafett().expect("the template can be read");
    let config = story.aws.endpoints().sdk_config();
    let made = stack.create(&config, "stafett").await;
    assert_eq!(&made.expect("the table is made").table, table);
    for item in with {
        let put = story.dynamodb().put_item().table_name(table);
        let put = put.set_item(Some(item)).send().await;
        put.expect("DynamoDB answers");
    }
}

async fn relayed(story: &Story, count: usize) -> Vec<String> {
    let permits: Vec<String> = (0..count).map(|_| story.fill_in(Stage::Ended)).collect();
    for a in &permits {
        story.trigger(a).await;
    }
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
    }
    story.settled().await;
    permits
}

/// The permit's sample, with reconcile every five minutes.
async fn with_reconcile() -> Story {
    let mut plan = permit_alone();
    plan.schedule = true;
    Story::begin(plan).await
}

async fn pass(story: &Story, span: Duration) {
    story.pass(span).await.expect("time passes");
}

/// The route's part of the ledger is rebuilt, reconcile finds nothing to do, and no message is left anywhere.
async fn nothing_is_left(story: &Story, route: &str) {
    story.settled().await;
    let status = invoke(story, json!({"action": "status", "route": route})).await;
    assert_eq!(status["ledger"]["first"], false, "{status}");
    assert_eq!(status["routes"][0]["rebuilt"], true, "{status}");
    let report = invoke(story, json!({"route": route})).await["routes"][0].take();
    assert_eq!(report["trouble"], Value::Null, "{report}");
    for found in ["rebuilt", "missing", "doubles", "unrecorded"] {
        assert_eq!(report[found], 0, "{found}: {report}");
    }
    assert!(story.dead_letters(0).await.is_empty());
}

async fn invoke(story: &Story, event: Value) -> Value {
    let answer = story.reconcile.invoke(&event).await;
    answer.expect("the function answers")
}

async fn run(story: &Story) -> Value {
    let report = invoke(story, json!({})).await["routes"][0].take();
    assert_eq!(report["trouble"], Value::Null, "{report}");
    report
}

/// Everybody tells again, and reconcile rebuilds the ledger: each A has its one B, and is on record.
async fn is_rebuilt(story: &Story, permits: &[String], lacking: u64) {
    story.pass(2 * MINUTE).await.expect("time passes");
    for a in permits {
        story.trigger(a).await;
    }
    story.rest().await.expect("it comes to rest");
    let made = story.creations();
    let first = run(story).await;
    assert_eq!(first["rebuilt"], lacking, "{first}");
    assert_eq!(first["finished"], false, "the former functions may go on");
    let status = invoke(story, json!({"action": "status"})).await;
    assert_eq!(status["ledger"]["first"], false, "{status}");
    assert_eq!(status["routes"][0]["rebuilt"], false, "{status}");
    assert_eq!(status["routes"][0]["rebuild"]["records"], lacking);
    story.pass(HOUR).await.expect("time passes");
    let second = run(story).await;
    assert_eq!(
        (&second["rebuilt"], &second["finished"]),
        (&json!(0), &json!(true)),
        "{second}"
    );
    story.settled().await;
    for a in permits {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    let status = invoke(story, json!({"action": "status"})).await;
    assert_eq!(status["routes"][0]["rebuilt"], true, "{status}");
    let last = run(story).await;
    for found in ["rebuilt", "missing", "doubles", "unrecorded"] {
        assert_eq!(last[found], 0, "{found}: {last}");
    }
    assert_eq!(story.creations(), made, "nothing is made a second time");
}

#[tokio::test]
async fn after_the_ledger_was_emptied_nothing_is_relayed_twice() {
    let story = Story::of_the_permit().await;
    let permits = relayed(&story, 5).await;
    empty(&story).await;
    is_rebuilt(&story, &permits, 5).await;
    assert_eq!(story.creations(), 5);
}

#[tokio::test]
async fn after_the_table_was_replaced_nothing_is_relayed_twice() {
    let story = Story::of_the_permit().await;
    let permits = relayed(&story, 5).await;
    replace(&story, Vec::new()).await;
    is_rebuilt(&story, &permits, 5).await;
    assert_eq!(story.creations(), 5);
}

#[tokio::test]
async fn after_the_ledger_was_restored_to_an_earlier_state_nothing_is_relayed_twice() {
    let story = Story::of_the_permit().await;
    let open = story.fill_in(Stage::Task("Task_1".to_owned()));
    story.trigger(&open).await;
    story.reaches(ROUTE, &open, "waiting").await;
    let mut permits = relayed_beside(&story, 2).await;
    let earlier = items(&story).await;
    story.altinn.advance(&open).expect("the form is complete");
    story.altinn.advance(&open).expect("she confirms");
    story.pass(10 * MINUTE).await.expect("time passes");
    story.reaches(ROUTE, &open, "done").await;
    permits.extend(relayed(&story, 2).await);
    permits.push(open);
    replace(&story, earlier).await;
    // The relay that is on record as waiting has searched for its B itself.
    is_rebuilt(&story, &permits, 2).await;
    assert_eq!(story.creations(), 5);
}

/// The same as [`relayed`], while the message of another relay waits in the queue.
async fn relayed_beside(story: &Story, count: usize) -> Vec<String> {
    let permits: Vec<String> = (0..count).map(|_| story.fill_in(Stage::Ended)).collect();
    for a in &permits {
        story.trigger(a).await;
        story.reaches(ROUTE, a, "done").await;
    }
    permits
}

#[tokio::test]
async fn what_comes_to_a_new_ledger_is_relayed_at_once_and_what_is_older_when_it_is_rebuilt() {
    let story = Story::of_the_permit().await;
    empty(&story).await;
    story.pass(2 * MINUTE).await.expect("time passes");
    // Nobody has relayed it, but the ledger cannot know.
    let older = story.fill_in(Stage::Ended);
    story.trigger(&older).await;
    let item = story.reaches(ROUTE, &older, "waiting").await;
    assert_eq!(
        (&item["reason"], &item["attempts"]),
        (&json!("ledger_rebuilding"), &json!(0))
    );
    story.settled().await;
    story.pass(10 * MINUTE).await.expect("time passes");
    let newer = story.fill_in(Stage::Ended);
    story.trigger(&newer).await;
    story.reaches(ROUTE, &newer, "done").await;
    assert_eq!(story.creations(), 1);
    story.pass(HOUR).await.expect("time passes");
    assert_eq!(run(&story).await["finished"], true);
    story.reaches(ROUTE, &older, "done").await;
    for a in [&older, &newer] {
        story.the_b(ROUTE, a);
    }
}
