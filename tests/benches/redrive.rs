//! What an operator's look into a dead-letter queue of a thousand mixed messages costs, and a redrive of
//! a selection.
//!
//! `cargo bench --profile dev -p tests --bench redrive -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use local_world::deployment::Deployment;
use serde_json::{Value, json};
use testbed::wire::{Action, On};
use tests::{Binaries, ROUTE, Story, guid, peak_memory, permit_alone};
use uuid::Uuid;

const LETTERS: usize = 1000;
const LATENCY: Duration = Duration::from_millis(10);
/// Route, state and reason in turns, as many of each; one in ten is no trigger at all.
const MIX: [(&str, &str, Option<&str>); 9] = [
    (ROUTE, "failed", Some("draft_refused")),
    (ROUTE, "failed", Some("mapping_failed")),
    (ROUTE, "failed", Some("b_refused")),
    (ROUTE, "waiting", Some("owner_unknown")),
    (ROUTE, "done", None),
    ("route-of-old", "failed", Some("draft_refused")),
    ("route-of-old", "done", None),
    (ROUTE, "claimed", None),
    (ROUTE, "failed", Some("source_forbidden")),
];

#[tokio::main]
async fn main() {
    let mut plan = permit_alone();
    plan.code = Binaries::of_arguments().code();
    let deployment = Deployment::start(plan)
        .await
        .expect("the deployment starts");
    seed(&deployment).await;
    let sqs = deployment.sqs();
    // What is sent back stays in the queue.
    deployment.mapping.stop().await;
    let wires = [&deployment.sqs_wire, &deployment.dynamodb_wire];
    let ask = async |request: Value| {
        wires.iter().for_each(|wire| wire.journal().clear());
        let began = Instant::now();
        let answer = deployment.redrive.invoke(&request).await;
        let answer = answer.expect("the function answers");
        assert_eq!(answer["complete"], true, "{answer}");
        let seconds = began.elapsed().as_secs_f64();
        println!("  {request}");
        println!("    {seconds:.2} s, 2 of which wait for a last message");
        for operation in [
            "ReceiveMessage",
            "BatchGetItem",
            "SendMessageBatch",
            "DeleteMessageBatch",
            "ChangeMessageVisibilityBatch",
        ] {
            let on = On::operation(operation);
            let calls: usize = wires.iter().map(|wire| wire.journal().count(&on)).sum();
            println!("    {calls:>5} {operation}");
        }
        answer
    };
    let depth = async || {
        let ask = sqs.get_queue_attributes();
        let ask = ask.queue_url(&deployment.aws.resources().dead_letter_queue.url);
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let found = ask.attribute_names(name.clone()).send().await;
        let found = found.expect("SQS answers").attributes.unwrap_or_default();
        found.get(&name).and_then(|it| it.parse::<usize>().ok())
    };

    println!("{LETTERS} mixed dead letters:");
    let inspect = json!({ "action": "inspect" });
    let seen = ask(inspect.clone()).await;
    assert_eq!(seen["total"], LETTERS);
    assert_eq!(depth().await, Some(LETTERS), "all of them show at once");
    println!("each call to AWS {} ms late:", LATENCY.as_millis());
    for wire in wires {
        wire.faults().add(On::any(), Action::Latency(LATENCY));
    }
    ask(inspect).await;
    let request = json!({
        "action": "redrive", "route": ROUTE, "reason": "mapping_failed", "perSecond": 1000,
    });
    let sent = ask(request).await;
    assert_eq!(
        (&sent["sent"], &sent["deleted"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(depth().await, Some(LETTERS - 100));
    let processes = deployment
        .redrive
        .processes()
        .expect("it runs in processes");
    let [pid] = processes.pids()[..] else {
        panic!("one process")
    };
    println!(
        "the most that was resident: {} MiB",
        peak_memory(pid) / (1024 * 1024)
    );
    deployment.redrive.stop().await;
}

/// A thousand dead letters, and what the ledger says of their relays.
async fn seed(deployment: &Deployment) {
    let (sqs, dynamodb) = (deployment.sqs(), deployment.dynamodb());
    let resources = deployment.aws.resources();
    let now = jiff::Timestamp::now().as_millisecond();
    let (mut bodies, mut items) = (Vec::new(), Vec::new());
    for number in 0..LETTERS {
        let Some((route, state, reason)) = MIX.get(number % 10) else {
            bodies.push(format!("no trigger {number}"));
            continue;
        };
        let instance = format!("50085321/{}", Uuid::new_v4());
        bodies.push(Story::message(route, &instance));
        let item = json!({
            "pk": guid(&instance), "sk": route, "rev": 1, "state": state, "holder": Uuid::nil(),
            "lease_until": now, "doubt": false, "first": now, "attempts": 1, "targets": [],
            "source": instance, "reason": reason, "updated": now, "expires": now / 1000 + 86_400,
        });
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(item).expect("an item");
        let present = item.into_iter().filter(|(_, value)| !value.is_null());
        let put = PutRequest::builder().set_item(Some(present.collect()));
        let put = put.build().expect("a request");
        items.push(WriteRequest::builder().put_request(put).build());
    }
    for batch in items.chunks(25) {
        let write = dynamodb.batch_write_item();
        let write = write.request_items(&resources.table, batch.to_vec());
        let written = write.send().await.expect("DynamoDB answers");
        assert!(written.unprocessed_items.is_none_or(|left| left.is_empty()));
    }
    for batch in bodies.chunks(10) {
        let entries = batch.iter().enumerate().map(|(id, body)| {
            let entry = SendMessageBatchRequestEntry::builder().id(id.to_string());
            entry.message_body(body).build().expect("an entry")
        });
        let send = sqs.send_message_batch();
        let send = send.queue_url(&resources.dead_letter_queue.url);
        let sent = send.set_entries(Some(entries.collect())).send().await;
        assert!(sent.expect("SQS answers").failed.is_empty());
    }
}
