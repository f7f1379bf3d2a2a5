//! What SQS knows of a message and the embedded one does not keep, or keeps by the machine's clock.
//!
//! It stands between the embedded SQS and its HTTP server. It keeps the trace header that a message was
//! sent with, dates messages by the local clock, which a test may move, and knows which messages are
//! hidden and until when. That is how time can pass without anybody waiting for it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_http::body::SqsResponseBody;
use rustack_sqs_http::dispatch::SqsHandler;
use rustack_sqs_http::response::json_response;
use rustack_sqs_model::error::SqsError;
use rustack_sqs_model::operations::SqsOperation;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::altinn::Clock;

/// The one system attribute that a sender may set.
///
/// Amazon SQS API Reference, SendMessage, MessageSystemAttributes.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// The visibility timeout of a queue that was made without one.
const DEFAULT_VISIBILITY_TIMEOUT: u64 = 30;

/// A message that was received, and that nobody else receives for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The queue's URL.
    pub queue: String,
    /// The message's id.
    pub message: String,
    /// The receipt of its last receive.
    pub receipt: String,
    /// When it can be received again, by the local clock.
    pub until: Timestamp,
}

/// All messages of all queues. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    clock: Clock,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    /// The visibility timeouts of queues, in seconds, by URL.
    timeouts: BTreeMap<String, u64>,
    /// How many messages a queue has given away, by URL.
    handed_out: BTreeMap<String, usize>,
    /// What was sent, by message id.
    sent: BTreeMap<String, Sent>,
    /// What is hidden, by receipt.
    hidden: BTreeMap<String, Hidden>,
}

#[derive(Debug)]
struct Sent {
    at: Timestamp,
    first_received: Option<Timestamp>,
    /// The receipt of its last receive.
    receipt: Option<String>,
    trace: Option<String>,
}

impl Messages {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            book: Arc::default(),
        }
    }

    pub(super) async fn hidden(&self, queue: &str) -> Vec<Hidden> {
        let book = self.book.lock().await;
        let hidden = book.hidden.values().filter(|it| it.queue == queue);
        hidden.cloned().collect()
    }

    /// Those that are visible at `now`, as far as the local clock says.
    pub(super) async fn due(&self, queue: &str, now: Timestamp) -> Vec<Hidden> {
        let book = self.book.lock().await;
        let hidden = book.hidden.values().filter(|it| it.queue == queue);
        hidden.filter(|it| it.until <= now).cloned().collect()
    }

    /// How many are hidden, and when the first of them is visible again.
    pub(super) async fn outlook(&self, queue: &str) -> (usize, Option<Timestamp>) {
        let book = self.book.lock().await;
        let hidden = book.hidden.values().filter(|it| it.queue == queue);
        hidden.fold((0, None), |(count, first), it| {
            let first = first.map_or(it.until, |first: Timestamp| first.min(it.until));
            (count + 1, Some(first))
        })
    }

    pub(super) async fn handed_out(&self, queue: &str) -> usize {
        let book = self.book.lock().await;
        book.handed_out.get(queue).copied().unwrap_or_default()
    }

    async fn handle(
        self,
        sqs: Arc<RustackSqsHandler>,
        operation: SqsOperation,
        body: Bytes,
    ) -> Result<Response<SqsResponseBody>, SqsError> {
        use SqsOperation as Op;
        let noted = matches!(
            operation,
            Op::CreateQueue
                | Op::PurgeQueue
                | Op::SendMessage
                | Op::SendMessageBatch
                | Op::ReceiveMessage
                | Op::DeleteMessage
                | Op::DeleteMessageBatch
                | Op::ChangeMessageVisibility
                | Op::ChangeMessageVisibilityBatch
        );
        if !noted {
            return sqs.handle_operation(operation, body).await;
        }
        let input: Value = serde_json::from_slice(&body).unwrap_or_default();
        // Nobody reads the book between the moment when a message can be received and its entry.
        let mut book = match operation {
            Op::SendMessage | Op::SendMessageBatch => Some(self.book.lock().await),
            _ => None,
        };
        let response = match sqs.handle_operation(operation, body).await {
            Ok(response) => response,
            Err(error) => {
                if operation == Op::ChangeMessageVisibility {
                    // Nobody has it: it came back by itself, or was moved to the dead-letter queue then.
                    let receipt = text(&input["ReceiptHandle"]);
                    self.book.lock().await.hidden.remove(&receipt);
                }
                return Err(error);
            }
        };
        let mut output = read(response).await?;
        let book = match &mut book {
            Some(book) => book,
            None => &mut self.book.lock().await,
        };
        let now = self.clock.now();
        match operation {
            Op::CreateQueue => book.made(&input, &output),
            Op::PurgeQueue => book.hidden.retain(|_, it| it.queue != input["QueueUrl"]),
            Op::SendMessage => book.sent(&input, &output, now),
            Op::SendMessageBatch => {
                for (entry, sent) in pairs(&input, &output) {
                    book.sent(entry, sent, now);
                }
            }
            Op::ReceiveMessage => book.received(&input, &mut output, now),
            Op::DeleteMessage => book.deleted(&input),
            Op::DeleteMessageBatch => {
                pairs(&input, &output).for_each(|(entry, _)| book.deleted(entry));
            }
            Op::ChangeMessageVisibility => book.changed(&input, now),
            Op::ChangeMessageVisibilityBatch => {
                pairs(&input, &output).for_each(|(entry, _)| book.changed(entry, now));
            }
            _ => {}
        }
        let json = serde_json::to_vec(&output).map_err(internal)?;
        Ok(json_response(json, &uuid::Uuid::new_v4().to_string()))
    }
}

impl Book {
    fn made(&mut self, input: &Value, output: &Value) {
        let given = input["Attributes"]["VisibilityTimeout"].as_str();
        let seconds = given.and_then(|it| it.parse().ok());
        self.timeouts.insert(
            text(&output["QueueUrl"]),
            seconds.unwrap_or(DEFAULT_VISIBILITY_TIMEOUT),
        );
    }

    fn sent(&mut self, input: &Value, output: &Value, at: Timestamp) {
        let trace = &input["MessageSystemAttributes"][TRACE_HEADER]["StringValue"];
        let sent = Sent {
            at,
            first_received: None,
            receipt: None,
            trace: trace.as_str().map(str::to_owned),
        };
        self.sent.insert(text(&output["MessageId"]), sent);
    }

    fn received(&mut self, input: &Value, output: &mut Value, now: Timestamp) {
        let queue = text(&input["QueueUrl"]);
        let asked: Vec<&Value> = ["AttributeNames", "MessageSystemAttributeNames"]
            .into_iter()
            .filter_map(|names| input[names].as_array())
            .flatten()
            .collect();
        let wants_trace = asked.iter().any(|it| **it == TRACE_HEADER || **it == "All");
        let default = self.timeouts.get(&queue).copied();
        let seconds = input["VisibilityTimeout"]
            .as_u64()
            .or(default)
            .unwrap_or(DEFAULT_VISIBILITY_TIMEOUT);
        for message in output["Messages"].as_array_mut().into_iter().flatten() {
            *self.handed_out.entry(queue.clone()).or_default() += 1;
            let (id, receipt) = (text(&message["MessageId"]), text(&message["ReceiptHandle"]));
            if let Some(sent) = self.sent.get_mut(&id) {
                if let Some(earlier) = sent.receipt.replace(receipt.clone()) {
                    self.hidden.remove(&earlier);
                }
                let first = *sent.first_received.get_or_insert(now);
                let moments = [
                    ("SentTimestamp", sent.at),
                    ("ApproximateFirstReceiveTimestamp", first),
                ];
                for (name, at) in moments {
                    if let Some(moment) = message["Attributes"].get_mut(name) {
                        *moment = json!(at.as_millisecond().to_string());
                    }
                }
                if let Some(trace) = sent.trace.as_ref().filter(|_| wants_trace) {
                    message["Attributes"][TRACE_HEADER] = json!(trace);
                }
            }
            let hidden = Hidden {
                queue: queue.clone(),
                message: id,
                receipt: receipt.clone(),
                until: later(now, seconds),
            };
            self.hidden.insert(receipt, hidden);
        }
    }

    fn deleted(&mut self, entry: &Value) {
        if let Some(hidden) = self.hidden.remove(&text(&entry["ReceiptHandle"])) {
            self.sent.remove(&hidden.message);
        }
    }

    fn changed(&mut self, entry: &Value, now: Timestamp) {
        let receipt = text(&entry["ReceiptHandle"]);
        match entry["VisibilityTimeout"].as_u64() {
            None | Some(0) => {
                self.hidden.remove(&receipt);
            }
            Some(seconds) => {
                if let Some(hidden) = self.hidden.get_mut(&receipt) {
                    hidden.until = later(now, seconds);
                }
            }
        }
    }
}

/// The embedded SQS, with its messages' book.
pub(super) struct Bookkeeping {
    sqs: Arc<RustackSqsHandler>,
    messages: Messages,
}

impl Bookkeeping {
    pub(super) fn new(sqs: RustackSqsHandler, messages: Messages) -> Self {
        Self {
            sqs: Arc::new(sqs),
            messages,
        }
    }
}

impl fmt::Debug for Bookkeeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bookkeeping")
    }
}

impl SqsHandler for Bookkeeping {
    fn handle_operation(
        &self,
        operation: SqsOperation,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Response<SqsResponseBody>, SqsError>> + Send>> {
        let (sqs, messages) = (Arc::clone(&self.sqs), self.messages.clone());
        Box::pin(messages.handle(sqs, operation, body))
    }
}

/// The entries of a batch that were taken, each with what became of it.
fn pairs<'a>(input: &'a Value, output: &'a Value) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let taken = output["Successful"].as_array().into_iter().flatten();
    taken.filter_map(|taken| {
        let mut entries = input["Entries"].as_array()?.iter();
        Some((entries.find(|entry| entry["Id"] == taken["Id"])?, taken))
    })
}

async fn read(response: Response<SqsResponseBody>) -> Result<Value, SqsError> {
    let body = response.into_body().collect().await.map_err(internal)?;
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(internal)
}

fn internal(error: impl fmt::Display) -> SqsError {
    SqsError::internal_error(error.to_string())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let by = SignedDuration::try_from(Duration::from_secs(seconds)).unwrap_or(SignedDuration::MAX);
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

    use super::*;
    use crate::aws::{LocalAws, Stack};

    struct World {
        aws: LocalAws,
        sqs: aws_sdk_sqs::Client,
        clock: Clock,
    }

    impl World {
        /// A clock that stands, and a queue that has one message.
        async fn start() -> Self {
            let clock = Clock::default();
            clock.stand_at(at(0));
            let stack = Stack::stafett().unwrap();
            let aws = LocalAws::start_at(&stack, clock.clone()).await.unwrap();
            let sqs = aws_sdk_sqs::Client::new(&aws.endpoints().sdk_config());
            let queue = &aws.resources().queue.url;
            let send = sqs.send_message().queue_url(queue).message_body("body");
            send.send().await.unwrap();
            Self { aws, sqs, clock }
        }

        async fn receive(&self) -> Message {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.aws.resources().queue.url)
                .wait_time_seconds(20)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .unwrap();
            received.messages.unwrap().remove(0)
        }

        async fn hide(&self, message: &Message, seconds: i32) {
            self.sqs
                .change_message_visibility()
                .queue_url(&self.aws.resources().queue.url)
                .set_receipt_handle(message.receipt_handle.clone())
                .visibility_timeout(seconds)
                .send()
                .await
                .unwrap();
        }

        /// Until when the queue's messages are hidden, by receipt.
        async fn hidden(&self) -> Vec<(Option<String>, Timestamp)> {
            let hidden = self.aws.hidden(&self.aws.resources().queue).await;
            let hidden = hidden.into_iter();
            hidden.map(|it| (Some(it.receipt), it.until)).collect()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[tokio::test]
    async fn a_hidden_message_is_known_with_the_moment_of_its_return_by_the_local_clock() {
        let world = World::start().await;
        assert!(world.hidden().await.is_empty());
        let first = world.receive().await;
        let receipt = first.receipt_handle.clone();
        // The template's visibility timeout.
        assert_eq!(world.hidden().await, [(receipt.clone(), at(1800))]);
        world.clock.advance(Duration::from_secs(100));
        world.hide(&first, 3600).await;
        assert_eq!(world.hidden().await, [(receipt, at(3700))]);
        world.hide(&first, 0).await;
        assert!(world.hidden().await.is_empty());
        let second = world.receive().await;
        let receipt = second.receipt_handle.clone();
        assert_eq!(world.hidden().await, [(receipt.clone(), at(1900))]);
        let queue = &world.aws.resources().queue;
        assert_eq!(world.aws.handed_out(queue).await, 2);
        let delete = world.sqs.delete_message().queue_url(&queue.url);
        delete.set_receipt_handle(receipt).send().await.unwrap();
        assert!(world.hidden().await.is_empty());
    }

    #[tokio::test]
    async fn messages_are_dated_by_the_local_clock() {
        use MessageSystemAttributeName as Name;
        let world = World::start().await;
        world.clock.advance(Duration::from_secs(60));
        let first = world.receive().await;
        world.clock.advance(Duration::from_secs(60));
        world.hide(&first, 0).await;
        let second = world.receive().await;
        for message in [first, second] {
            let attributes = message.attributes.unwrap();
            let moments: [i64; 2] = [Name::SentTimestamp, Name::ApproximateFirstReceiveTimestamp]
                .map(|name| attributes[&name].parse().unwrap());
            assert_eq!(moments, [at(0), at(60)].map(Timestamp::as_millisecond));
        }
    }
}
