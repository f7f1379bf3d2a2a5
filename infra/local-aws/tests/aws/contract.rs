//! What Stafett needs of DynamoDB and SQS, as a contract.
//!
//! It runs against the embedded services, or against others at `CONTRACT_DYNAMODB_URL` and
//! `CONTRACT_SQS_URL`, so that an independent emulator can be checked with the same tests.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TimeToLiveStatus, TransactWriteItem, Update,
};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use local_aws::{Endpoints, LocalAws, Resources, Stack};
use testbed::wire::{On, Wire};

/// Generous, for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(30);

struct Aws {
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    resources: Resources,
    embedded: Option<LocalAws>,
}

/// The template's stack with `change` applied, in the chosen services.
async fn aws(change: impl FnOnce(&mut Stack)) -> Aws {
    let mut stack = Stack::stafett().unwrap();
    change(&mut stack);
    let given = ["CONTRACT_DYNAMODB_URL", "CONTRACT_SQS_URL"].map(|name| std::env::var(name).ok());
    if let [Some(dynamodb), Some(sqs)] = given {
        let config = Endpoints { dynamodb, sqs }.sdk_config();
        let prefix = format!("contract-{}", uuid::Uuid::new_v4().simple());
        let resources = stack.create(&config, &prefix).await.unwrap();
        return Aws {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            resources,
            embedded: None,
        };
    }
    let embedded = LocalAws::start(&stack).await.unwrap();
    let config = embedded.endpoints().sdk_config();
    Aws {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
        resources: embedded.resources().clone(),
        embedded: Some(embedded),
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Aws {
    /// Puts an item with a state, unless an item has that key already.
    async fn claim(
        &self,
        pk: &str,
        sk: &str,
        state: &str,
    ) -> Result<(), Option<HashMap<String, AttributeValue>>> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.resources.table)
            .item("pk", text(pk))
            .item("sk", text(sk))
            .item("state", text(state))
            .item("expires", number(4_000_000_000))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) => match error.into_err() {
                PutItemError::ConditionalCheckFailedException(refused) => Err(refused.item),
                other => panic!("{other:?}"),
            },
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn send(&self, url: &str, body: &str) {
        self.sqs
            .send_message()
            .queue_url(url)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }

    /// The messages that one receive gets within a second.
    async fn receive(&self, url: &str) -> Vec<Message> {
        self.sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap()
            .messages
            .unwrap_or_default()
    }

    /// Receives until a message comes.
    async fn receive_one(&self, url: &str) -> Message {
        let started = Instant::now();
        while started.elapsed() < DEADLINE {
            if let Some(message) = self.receive(url).await.into_iter().next() {
                return message;
            }
        }
        panic!("no message within {DEADLINE:?}");
    }

    async fn hide(&self, url: &str, message: &Message, seconds: i32) {
        self.sqs
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(message.receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .send()
            .await
            .unwrap();
    }
}

fn receive_count(message: &Message) -> u32 {
    let attributes = message.attributes().unwrap();
    attributes[&MessageSystemAttributeName::ApproximateReceiveCount]
        .parse()
        .unwrap()
}

#[tokio::test]
async fn the_table_and_queues_are_those_of_the_template() {
    let stack = Stack::stafett().unwrap();
    let aws = aws(|_| {}).await;
    let table = aws
        .dynamodb
        .describe_table()
        .table_name(&aws.resources.table)
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = table
        .table()
        .unwrap()
        .key_schema()
        .iter()
        .map(|it| {
            (
                it.attribute_name().to_owned(),
                it.key_type().as_str().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        keys,
        [("pk".into(), "HASH".into()), ("sk".into(), "RANGE".into())]
    );
    let ttl = aws
        .dynamodb
        .describe_time_to_live()
        .table_name(&aws.resources.table);
    let ttl = ttl.send().await.unwrap().time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires"));
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));

    let attributes = |url: &str| {
        aws.sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::All)
            .send()
    };
    let queue = attributes(&aws.resources.queue.url)
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!(
        queue[&QueueAttributeName::VisibilityTimeout],
        stack.queue.visibility_timeout.as_secs().to_string()
    );
    assert_eq!(
        queue[&QueueAttributeName::QueueArn],
        aws.resources.queue.arn
    );
    let redrive = &queue[&QueueAttributeName::RedrivePolicy];
    assert!(
        redrive.contains(&aws.resources.dead_letter_queue.arn),
        "{redrive}"
    );
    assert!(
        redrive.contains(&stack.queue.max_receive_count.unwrap().to_string()),
        "{redrive}"
    );
    let dead = attributes(&aws.resources.dead_letter_queue.url)
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!(
        dead[&QueueAttributeName::MessageRetentionPeriod],
        stack.dead_letter_queue.retention.as_secs().to_string()
    );
}

#[tokio::test]
async fn one_of_many_concurrent_claims_wins_and_the_others_see_what_it_wrote() {
    let aws = aws(|_| {}).await;
    let names: Vec<String> = (0..16).map(|n| format!("claimed by {n}")).collect();
    let claims = names.iter().map(|name| aws.claim("guid", "route", name));
    let outcomes = futures_util::future::join_all(claims).await;
    let winners: Vec<_> = outcomes
        .iter()
        .zip(&names)
        .filter(|(outcome, _)| outcome.is_ok())
        .collect();
    assert_eq!(winners.len(), 1);
    let winner = text(winners[0].1);
    for outcome in outcomes {
        if let Err(old) = outcome {
            let old = old.expect("ALL_OLD gives the item that stood in the way");
            assert_eq!(old["state"], winner);
            assert_eq!(old["expires"], number(4_000_000_000));
        }
    }
}

#[tokio::test]
async fn an_update_is_made_only_while_its_condition_holds() {
    let aws = aws(|_| {}).await;
    aws.claim("guid", "route", "claimed").await.unwrap();
    let update = |from: &str, to: &str| {
        aws.dynamodb
            .update_item()
            .table_name(&aws.resources.table)
            .key("pk", text("guid"))
            .key("sk", text("route"))
            .update_expression("SET #state = :to, attempts = if_not_exists(attempts, :zero) + :one")
            .condition_expression("#state = :from")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    let new = update("claimed", "created")
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!(
        (&new["state"], &new["attempts"]),
        (&text("created"), &number(1))
    );
    let refused = update("claimed", "done")
        .await
        .unwrap_err()
        .into_service_error();
    assert!(
        refused.is_conditional_check_failed_exception(),
        "{refused:?}"
    );
    let read = aws
        .dynamodb
        .get_item()
        .table_name(&aws.resources.table)
        .key("pk", text("guid"))
        .key("sk", text("route"))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    assert_eq!(read.item.unwrap()["state"], text("created"));
}

#[tokio::test]
async fn a_transaction_writes_all_of_its_items_or_none_and_tells_which_condition_failed() {
    let aws = aws(|_| {}).await;
    for relay in ["route", "route#part"] {
        aws.claim("guid", relay, "claimed").await.unwrap();
    }
    let update = |relay: &str, from: &str, to: &str| {
        let update = Update::builder()
            .table_name(&aws.resources.table)
            .key("pk", text("guid"))
            .key("sk", text(relay))
            .update_expression("SET #state = :to")
            .condition_expression("#state = :from")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .unwrap();
        TransactWriteItem::builder().update(update).build()
    };
    let states = async || {
        let mut states = Vec::new();
        for relay in ["route", "route#part"] {
            let read = aws
                .dynamodb
                .get_item()
                .table_name(&aws.resources.table)
                .key("pk", text("guid"))
                .key("sk", text(relay))
                .consistent_read(true);
            let item = read.send().await.unwrap().item.unwrap();
            states.push(item["state"].as_s().unwrap().clone());
        }
        states
    };
    let write = |items: [TransactWriteItem; 2]| {
        let token = uuid::Uuid::new_v4().to_string();
        let write = aws.dynamodb.transact_write_items();
        write
            .set_transact_items(Some(items.into()))
            .client_request_token(token)
            .send()
    };
    write([
        update("route", "claimed", "waiting"),
        update("route#part", "claimed", "waiting"),
    ])
    .await
    .unwrap();
    assert_eq!(states().await, ["waiting", "waiting"]);

    let refused = write([
        update("route", "waiting", "done"),
        update("route#part", "claimed", "done"),
    ])
    .await
    .unwrap_err()
    .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(canceled) = refused else {
        panic!("{refused:?}")
    };
    let [first, second] = canceled.cancellation_reasons() else {
        panic!("{canceled:?}")
    };
    assert!(
        first.code().is_none_or(|code| code == "None"),
        "{canceled:?}"
    );
    assert_eq!(second.code(), Some("ConditionalCheckFailed"));
    assert_eq!(second.item().unwrap()["state"], text("waiting"));
    assert_eq!(states().await, ["waiting", "waiting"]);
}

#[tokio::test]
async fn one_query_gives_all_relays_of_an_instance_and_no_other() {
    let aws = aws(|_| {}).await;
    for (pk, sk) in [
        ("a", "two#beef"),
        ("a", "one"),
        ("a", "two#cafe"),
        ("b", "one"),
    ] {
        aws.claim(pk, sk, "done").await.unwrap();
    }
    let found = aws
        .dynamodb
        .query()
        .table_name(&aws.resources.table)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", text("a"))
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = found
        .items()
        .iter()
        .map(|it| it["sk"].as_s().unwrap().as_str())
        .collect();
    assert_eq!(keys, ["one", "two#beef", "two#cafe"]);
}

/// An item of an open relay that is due at a time.
fn open(pk: &str, route: &str, due: i64) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), text(route)),
        ("rev".to_owned(), number(1)),
        ("state".to_owned(), text("waiting")),
        ("detail".to_owned(), text("what nobody looks for by index")),
        ("open".to_owned(), text(route)),
        ("due".to_owned(), number(due)),
    ])
}

impl Aws {
    async fn put(&self, item: HashMap<String, AttributeValue>) {
        self.dynamodb
            .put_item()
            .table_name(&self.resources.table)
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }

    /// The relays of a route that are due at `now`, read in pages of `page` items, as (pk, due) in
    /// order.
    async fn due(&self, route: &str, now: i64, page: i32) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let answer = self
                .dynamodb
                .query()
                .table_name(&self.resources.table)
                .index_name("open")
                .key_condition_expression("#open = :route AND due <= :now")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":route", text(route))
                .expression_attribute_values(":now", number(now))
                .limit(page)
                .set_exclusive_start_key(from)
                .send()
                .await
                .unwrap();
            for item in answer.items() {
                assert_eq!(item["state"], text("waiting"), "it is in the index");
                assert!(!item.contains_key("detail"), "it is not in the index");
                let due = item["due"].as_n().unwrap().clone();
                found.push((item["pk"].as_s().unwrap().clone(), due));
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return found;
            }
        }
    }

    /// Waits until the result is as expected: an index lags behind its table.
    async fn due_becomes(&self, route: &str, now: i64, expected: &[(&str, i64)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(pk, due)| ((*pk).to_owned(), due.to_string()))
            .collect();
        let started = Instant::now();
        loop {
            let found = self.due(route, now, 2).await;
            if found == expected {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{found:?}, not {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_index_has_the_open_relays_of_a_route_in_the_order_of_their_dues_and_no_other() {
    let aws = aws(|_| {}).await;
    for (pk, route, due) in [
        ("late", "one", 300),
        ("soon", "one", 10),
        ("next", "one", 20),
        ("same", "one", 20),
        ("first", "one", -5),
        ("other", "two", 1),
    ] {
        aws.put(open(pk, route, due)).await;
    }
    // Finished: it no longer has the index's attributes.
    aws.claim("done", "one", "done").await.unwrap();
    let mut ties = aws.due("one", 20, 10).await;
    ties.sort();
    assert_eq!(ties.len(), 4, "{ties:?}");
    aws.due_becomes("one", 10, &[("first", -5), ("soon", 10)])
        .await;
    aws.due_becomes("two", 300, &[("other", 1)]).await;

    let mut finished = open("first", "one", -5);
    finished.remove("open");
    finished.remove("due");
    aws.put(finished).await;
    aws.due_becomes("one", 10, &[("soon", 10)]).await;
}

#[tokio::test]
async fn a_relay_is_postponed_unless_it_was_written_since() {
    let aws = aws(|_| {}).await;
    aws.put(open("guid", "one", 10)).await;
    let postpone = |rev: i64, due: i64| {
        aws.dynamodb
            .update_item()
            .table_name(&aws.resources.table)
            .key("pk", text("guid"))
            .key("sk", text("one"))
            .update_expression("SET due = :due")
            .condition_expression("rev = :rev")
            .expression_attribute_values(":rev", number(rev))
            .expression_attribute_values(":due", number(due))
            .send()
    };
    postpone(1, 500).await.unwrap();
    let refused = postpone(2, 900).await.unwrap_err().into_service_error();
    assert!(
        refused.is_conditional_check_failed_exception(),
        "{refused:?}"
    );
    aws.due_becomes("one", 499, &[]).await;
    aws.due_becomes("one", 500, &[("guid", 500)]).await;
}

#[tokio::test]
async fn a_hundred_relays_are_read_in_one_call_and_those_that_are_not_there_are_left_out() {
    let aws = aws(|_| {}).await;
    let table = &aws.resources.table;
    for pk in 0..60 {
        aws.put(open(&format!("guid-{pk:03}"), "one", pk)).await;
    }
    let key = |pk: i32| {
        HashMap::from([
            ("pk".to_owned(), text(&format!("guid-{pk:03}"))),
            ("sk".to_owned(), text("one")),
        ])
    };
    let asked = KeysAndAttributes::builder()
        .set_keys(Some((0..100).map(key).collect()))
        .consistent_read(true)
        .projection_expression("pk, sk, #state")
        .expression_attribute_names("#state", "state")
        .build()
        .unwrap();
    let answer = aws
        .dynamodb
        .batch_get_item()
        .request_items(table, asked)
        .send()
        .await
        .unwrap();
    assert!(
        answer
            .unprocessed_keys
            .is_none_or(|left| left.values().all(|it| it.keys().is_empty()))
    );
    let mut found: Vec<String> = answer.responses.unwrap()[table]
        .iter()
        .map(|item| {
            assert_eq!(item.len(), 3, "{item:?}");
            item["pk"].as_s().unwrap().clone()
        })
        .collect();
    found.sort();
    let expected: Vec<_> = (0..60).map(|pk| format!("guid-{pk:03}")).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_note_is_replaced_and_read_again() {
    let aws = aws(|_| {}).await;
    for note in ["first", "second"] {
        let item = [
            ("pk", text("reconcile")),
            ("sk", text("a-route")),
            ("text", text(note)),
        ];
        aws.put(item.map(|(name, value)| (name.to_owned(), value)).into())
            .await;
    }
    let read = aws
        .dynamodb
        .get_item()
        .table_name(&aws.resources.table)
        .key("pk", text("reconcile"))
        .key("sk", text("a-route"))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    assert_eq!(read.item.unwrap()["text"], text("second"));
}

#[tokio::test]
async fn a_batch_is_sent_in_one_call() {
    let aws = aws(|_| {}).await;
    let url = &aws.resources.queue.url;
    let entry = |n: usize| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string());
        entry.message_body(format!("message {n}")).build().unwrap()
    };
    let sent = aws
        .sqs
        .send_message_batch()
        .queue_url(url)
        .set_entries(Some((0..10).map(entry).collect()))
        .send()
        .await
        .unwrap();
    assert_eq!((sent.successful.len(), sent.failed.len()), (10, 0));
    let mut bodies = Vec::new();
    let started = Instant::now();
    while bodies.len() < 10 && started.elapsed() < DEADLINE {
        bodies.extend(
            aws.receive(url)
                .await
                .into_iter()
                .map(|it| it.body.unwrap()),
        );
    }
    bodies.sort();
    let expected: Vec<_> = (0..10).map(|n| format!("message {n}")).collect();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_message_is_hidden_and_shown_on_its_own_and_counts_its_receives() {
    let aws = aws(|_| {}).await;
    let url = &aws.resources.queue.url;
    aws.send(url, "shown").await;
    aws.send(url, "hidden").await;
    let mut messages = Vec::new();
    let started = Instant::now();
    while messages.len() < 2 && started.elapsed() < DEADLINE {
        messages.extend(aws.receive(url).await);
    }
    messages.sort_by(|a, b| b.body.cmp(&a.body));
    assert!(messages.iter().all(|it| receive_count(it) == 1));
    let entry = |index: usize, seconds| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(index.to_string())
            .receipt_handle(messages[index].receipt_handle().unwrap())
            .visibility_timeout(seconds)
            .build()
            .unwrap()
    };
    let changed = aws
        .sqs
        .change_message_visibility_batch()
        .queue_url(url)
        .entries(entry(0, 0))
        .entries(entry(1, 43_000))
        .send()
        .await
        .unwrap();
    assert_eq!((changed.successful.len(), changed.failed.len()), (2, 0));
    let again = aws.receive_one(url).await;
    assert_eq!((again.body(), receive_count(&again)), (Some("shown"), 2));
    assert!(aws.receive(url).await.is_empty(), "the other stays hidden");
}

#[tokio::test]
async fn a_message_that_nobody_deletes_comes_back_when_its_visibility_timeout_is_over() {
    let aws = aws(|stack| stack.queue.visibility_timeout = Duration::from_secs(2)).await;
    let url = &aws.resources.queue.url;
    aws.send(url, "body").await;
    let first = aws.receive_one(url).await;
    let second = aws.receive_one(url).await;
    assert_eq!(first.message_id(), second.message_id());
    assert_eq!(receive_count(&second), 2);
    aws.sqs
        .delete_message()
        .queue_url(url)
        .receipt_handle(second.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    for _ in 0..2 {
        assert!(
            aws.receive(url).await.is_empty(),
            "a deleted message is gone"
        );
    }
}

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue_and_starts_anew_when_sent_back()
{
    let aws = aws(|stack| stack.queue.max_receive_count = Some(3)).await;
    let (queue, dead) = (
        &aws.resources.queue.url,
        &aws.resources.dead_letter_queue.url,
    );
    aws.send(queue, "body").await;
    for expected in 1..=3 {
        let message = aws.receive_one(queue).await;
        assert_eq!(receive_count(&message), expected);
        aws.hide(queue, &message, 0).await;
    }
    assert!(
        aws.receive(queue).await.is_empty(),
        "the fourth receive finds it moved"
    );
    let buried = aws.receive_one(dead).await;
    assert_eq!(buried.body(), Some("body"));
    // As redrive does: send first, then delete.
    aws.send(queue, buried.body().unwrap()).await;
    aws.sqs
        .delete_message()
        .queue_url(dead)
        .receipt_handle(buried.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(receive_count(&aws.receive_one(queue).await), 1);
}

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn trace() -> MessageSystemAttributeValue {
    MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(TRACE)
        .build()
        .unwrap()
}

fn trace_of(message: &Message) -> Option<&str> {
    let attributes = message.attributes()?;
    let trace = attributes.get(&MessageSystemAttributeName::AwsTraceHeader)?;
    Some(trace)
}

#[tokio::test]
async fn a_message_keeps_the_trace_header_that_it_was_sent_with_into_the_dead_letter_queue() {
    let aws = aws(|stack| stack.queue.max_receive_count = Some(1)).await;
    let (queue, dead) = (
        &aws.resources.queue.url,
        &aws.resources.dead_letter_queue.url,
    );
    aws.sqs
        .send_message()
        .queue_url(queue)
        .message_body("body")
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace())
        .send()
        .await
        .unwrap();
    let message = aws.receive_one(queue).await;
    assert_eq!(trace_of(&message), Some(TRACE));
    aws.hide(queue, &message, 0).await;
    assert!(aws.receive(queue).await.is_empty(), "it is moved");
    assert_eq!(trace_of(&aws.receive_one(dead).await), Some(TRACE));
}

#[tokio::test]
async fn a_message_of_a_batch_keeps_its_trace_header_as_well() {
    let aws = aws(|_| {}).await;
    if aws.embedded.is_none() {
        // MiniStack 1.5 supports the header in SendMessage, but not in SendMessageBatch.
        return;
    }
    let queue = &aws.resources.queue.url;
    let entry = SendMessageBatchRequestEntry::builder()
        .id("0")
        .message_body("body")
        .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace());
    let sent = aws
        .sqs
        .send_message_batch()
        .queue_url(queue)
        .entries(entry.build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!((sent.successful.len(), sent.failed.len()), (1, 0));
    assert_eq!(trace_of(&aws.receive_one(queue).await), Some(TRACE));
}

#[tokio::test]
async fn a_standard_queue_keeps_the_message_group_and_does_not_hold_the_group_back() {
    let aws = aws(|stack| stack.queue.max_receive_count = Some(1)).await;
    let (queue, dead) = (
        &aws.resources.queue.url,
        &aws.resources.dead_letter_queue.url,
    );
    let entry = |id: &str| {
        let entry = SendMessageBatchRequestEntry::builder().id(id);
        entry.message_body(id).message_group_id("route").build()
    };
    let sent = aws
        .sqs
        .send_message_batch()
        .queue_url(queue)
        .entries(entry("0").unwrap())
        .entries(entry("1").unwrap())
        .send()
        .await
        .unwrap();
    if aws.embedded.is_none() && !sent.failed.is_empty() {
        // An emulator that is older than fair queues refuses the group on a standard queue.
        return;
    }
    assert_eq!((sent.successful.len(), sent.failed.len()), (2, 0));
    let group_of = |message: &Message| {
        let attributes = message.attributes()?;
        let group = attributes.get(&MessageSystemAttributeName::MessageGroupId)?;
        Some(group.clone())
    };
    // Both are received, although neither is deleted.
    let mut received = Vec::new();
    let began = Instant::now();
    while received.len() < 2 {
        assert!(began.elapsed() < DEADLINE, "{} of 2", received.len());
        received.extend(aws.receive(queue).await);
    }
    for message in received {
        assert_eq!(group_of(&message).as_deref(), Some("route"));
        aws.hide(queue, &message, 0).await;
    }
    assert!(aws.receive(queue).await.is_empty(), "they are moved");
    let letter = aws.receive_one(dead).await;
    assert_eq!(group_of(&letter).as_deref(), Some("route"));
}

#[tokio::test]
async fn both_services_also_work_behind_a_wire() {
    let direct = LocalAws::start(&Stack::stafett().unwrap()).await.unwrap();
    let dynamodb = Wire::start(&direct.endpoints().dynamodb).await.unwrap();
    let sqs = Wire::start(&direct.endpoints().sqs).await.unwrap();
    let behind = Endpoints {
        dynamodb: dynamodb.url().to_owned(),
        sqs: sqs.url().to_owned(),
    }
    .sdk_config();
    let aws = Aws {
        dynamodb: aws_sdk_dynamodb::Client::new(&behind),
        sqs: aws_sdk_sqs::Client::new(&behind),
        resources: direct.resources().clone(),
        embedded: Some(direct),
    };
    aws.claim("guid", "route", "claimed").await.unwrap();
    aws.send(&aws.resources.queue.url, "body").await;
    assert_eq!(
        aws.receive_one(&aws.resources.queue.url).await.body(),
        Some("body")
    );
    assert_eq!(dynamodb.journal().count(&On::operation("PutItem")), 1);
    assert_eq!(sqs.journal().count(&On::operation("SendMessage")), 1);
}
