//! Records what the embedded SQS does not keep about messages, or keeps by the machine's clock.
//!
//! This layer sits between the embedded SQS and its HTTP server. It keeps each message's trace
//! header, dates messages by the local clock (which tests can move), and knows which messages are
//! hidden until when. With that, tests can let time pass without waiting.

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
use testbed::clock::Clock;
use tokio::sync::Mutex;

/// The one system attribute that a sender may set.
///
/// Amazon SQS API Reference, SendMessage, MessageSystemAttributes.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// The message group. On a standard queue it makes SQS share deliveries fairly among groups (Amazon SQS Developer
/// Guide, "Amazon SQS fair queues"). The embedded SQS refuses it there, so it is kept here.
const GROUP: &str = "MessageGroupId";

/// The visibility timeout of a queue that was created without one.
const DEFAULT_VISIBILITY_TIMEOUT: u64 = 30;

/// A message that was received and is hidden until its visibility timeout ends.
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

/// A message in a queue, seen without receiving it.
#[derive(Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The message's id.
    pub id: String,
    /// The body, as it was sent.
    pub body: String,
    /// When it was sent, by the local clock.
    pub sent: Timestamp,
    /// How often it has been received.
    pub receives: u32,
    /// Until when it is hidden; none if it is visible.
    pub hidden_until: Option<Timestamp>,
}

// `body` may hold anything that a sender put into it, so it is not printed.
impl fmt::Debug for QueuedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedMessage")
            .field("id", &self.id)
            .field("receives", &self.receives)
            .field("hidden_until", &self.hidden_until)
            .finish_non_exhaustive()
    }
}

/// All messages of all queues. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    clock: Clock,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    /// The visibility timeouts of queues, in seconds, by URL.
    timeouts: BTreeMap<String, u64>,
    /// Redrive policies of queues, by URL.
    dead_letters: BTreeMap<String, DeadLetters>,
    /// How many messages each queue has delivered, by URL.
    handed_out: BTreeMap<String, usize>,
    /// Sent messages, by message id.
    sent: BTreeMap<String, Sent>,
    /// Hidden messages, by receipt.
    hidden: BTreeMap<String, Hidden>,
}

/// A queue's redrive policy.
#[derive(Debug)]
struct DeadLetters {
    /// The name of the dead-letter queue.
    queue: String,
    /// The number of receives after which a message moves there.
    after: u32,
}

struct Sent {
    /// The URL of the queue that it was sent to, or last received from.
    queue: String,
    body: Box<str>,
    at: Timestamp,
    receives: u32,
    first_received: Option<Timestamp>,
    /// The receipt of its last receive.
    receipt: Option<String>,
    trace: Option<String>,
    group: Option<String>,
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

    /// The hidden messages that become visible by `now` on the local clock.
    pub(super) async fn due(&self, queue: &str, now: Timestamp) -> Vec<Hidden> {
        let book = self.book.lock().await;
        let hidden = book.hidden.values().filter(|it| it.queue == queue);
        hidden.filter(|it| it.until <= now).cloned().collect()
    }

    /// How many messages are hidden, and when the first becomes visible again.
    pub(super) async fn outlook(&self, queue: &str) -> (usize, Option<Timestamp>) {
        let book = self.book.lock().await;
        let hidden = book.hidden.values().filter(|it| it.queue == queue);
        hidden.fold((0, None), |(count, first), it| {
            let first = first.map_or(it.until, |first: Timestamp| first.min(it.until));
            (count + 1, Some(first))
        })
    }

    /// A queue's messages, the oldest first. SQS moves a dead letter at the next receive; here it
    /// counts as moved once it could be received.
    pub(super) async fn all(&self, queue: &str) -> Vec<QueuedMessage> {
        let book = self.book.lock().await;
        let now = self.clock.now();
        let mut all: Vec<QueuedMessage> = book
            .sent
            .iter()
            .filter_map(|(id, sent)| {
                let hidden = sent.receipt.as_ref().and_then(|it| book.hidden.get(it));
                let hidden_until = hidden.map(|it| it.until).filter(|until| *until > now);
                let is_here = match book.dead_letters.get(&sent.queue) {
                    Some(to) if hidden_until.is_none() && sent.receives >= to.after => {
                        name(queue) == to.queue
                    }
                    _ => queue == sent.queue,
                };
                is_here.then(|| QueuedMessage {
                    id: id.clone(),
                    body: sent.body.clone().into(),
                    sent: sent.at,
                    receives: sent.receives,
                    hidden_until,
                })
            })
            .collect();
        all.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
        all
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
        let body = without_group(operation, &input)?.unwrap_or(body);
        // Hold the lock, so that nobody reads the book between the send and its entry.
        let mut book = match operation {
            Op::SendMessage | Op::SendMessageBatch => Some(self.book.lock().await),
            _ => None,
        };
        let response = match sqs.handle_operation(operation, body).await {
            Ok(response) => response,
            Err(error) => {
                if operation == Op::ChangeMessageVisibility {
                    // SQS no longer knows the receipt: the message became visible again, or moved
                    // to the dead-letter queue.
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
            Op::PurgeQueue => {
                book.hidden.retain(|_, it| it.queue != input["QueueUrl"]);
                book.sent.retain(|_, it| it.queue != input["QueueUrl"]);
            }
            Op::SendMessage => book.sent(&input["QueueUrl"], &input, &output, now),
            Op::SendMessageBatch => {
                for (entry, sent) in pairs(&input, &output) {
                    book.sent(&input["QueueUrl"], entry, sent, now);
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
        let url = text(&output["QueueUrl"]);
        let policy = input["Attributes"]["RedrivePolicy"].as_str();
        let policy: Option<Value> = policy.and_then(|it| serde_json::from_str(it).ok());
        if let Some(dead_letters) = policy.as_ref().and_then(DeadLetters::read) {
            self.dead_letters.insert(url.clone(), dead_letters);
        }
        self.timeouts
            .insert(url, seconds.unwrap_or(DEFAULT_VISIBILITY_TIMEOUT));
    }

    fn sent(&mut self, queue: &Value, input: &Value, output: &Value, at: Timestamp) {
        let trace = &input["MessageSystemAttributes"][TRACE_HEADER]["StringValue"];
        let sent = Sent {
            queue: text(queue),
            body: input["MessageBody"].as_str().unwrap_or_default().into(),
            at,
            receives: 0,
            first_received: None,
            receipt: None,
            trace: trace.as_str().map(str::to_owned),
            group: input[GROUP].as_str().map(str::to_owned),
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
        let wants = |name| asked.iter().any(|it| **it == name || **it == "All");
        let (wants_trace, wants_group) = (wants(TRACE_HEADER), wants(GROUP));
        let default = self.timeouts.get(&queue).copied();
        let seconds = input["VisibilityTimeout"]
            .as_u64()
            .or(default)
            .unwrap_or(DEFAULT_VISIBILITY_TIMEOUT);
        for message in output["Messages"].as_array_mut().into_iter().flatten() {
            *self.handed_out.entry(queue.clone()).or_default() += 1;
            let (id, receipt) = (text(&message["MessageId"]), text(&message["ReceiptHandle"]));
            if let Some(sent) = self.sent.get_mut(&id) {
                sent.queue.clone_from(&queue);
                sent.receives += 1;
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
                if let Some(group) = sent.group.as_ref().filter(|_| wants_group) {
                    message["Attributes"][GROUP] = json!(group);
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

impl DeadLetters {
    fn read(policy: &Value) -> Option<Self> {
        let after = match &policy["maxReceiveCount"] {
            Value::String(count) => count.parse().ok()?,
            count => u32::try_from(count.as_u64()?).ok()?,
        };
        let arn = policy["deadLetterTargetArn"].as_str()?;
        Some(Self {
            queue: arn.rsplit(':').next()?.to_owned(),
            after,
        })
    }
}

// Leaves the body out, which may hold anything.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("at", &self.at)
            .field("receives", &self.receives)
            .finish_non_exhaustive()
    }
}

/// The embedded SQS together with the book of its messages.
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

/// The accepted entries of a batch, each with its result.
fn pairs<'a>(input: &'a Value, output: &'a Value) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let taken = output["Successful"].as_array().into_iter().flatten();
    taken.filter_map(|taken| {
        let mut entries = input["Entries"].as_array()?.iter();
        Some((entries.find(|entry| entry["Id"] == taken["Id"])?, taken))
    })
}

/// A send without the message groups, if that is what it is and it has any. The queues are all standard queues.
fn without_group(operation: SqsOperation, input: &Value) -> Result<Option<Bytes>, SqsError> {
    let mut input = input.clone();
    let taken = match operation {
        SqsOperation::SendMessage => take_group(&mut input),
        SqsOperation::SendMessageBatch => input["Entries"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .fold(false, |taken, entry| take_group(entry) | taken),
        _ => false,
    };
    let body = taken.then(|| serde_json::to_vec(&input)).transpose();
    Ok(body.map_err(internal)?.map(Bytes::from))
}

fn take_group(message: &mut Value) -> bool {
    let fields = message.as_object_mut();
    fields.is_some_and(|fields| fields.remove(GROUP).is_some())
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

/// The name of the queue at a URL.
fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
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
    use crate::{LocalAws, Stack};

    struct World {
        aws: LocalAws,
        sqs: aws_sdk_sqs::Client,
        clock: Clock,
    }

    impl World {
        /// A stopped clock and a queue with one message.
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

        /// Until when each of the queue's messages is hidden, by receipt.
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
    async fn a_hidden_message_is_listed_with_the_time_when_it_becomes_visible() {
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
    async fn messages_are_listed_without_being_received() {
        let world = World::start().await;
        let resources = world.aws.resources();
        let most = Stack::stafett().unwrap().queue.max_receive_count.unwrap();
        let seen = async |queue| {
            let all = world.aws.messages(queue).await;
            let of = |it: &QueuedMessage| (it.receives, it.hidden_until);
            all.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(seen(&resources.queue).await, [(0, None)]);
        for receives in 1..=most {
            let message = world.receive().await;
            let until = Some(at(1800));
            assert_eq!(seen(&resources.queue).await, [(receives, until)]);
            assert_eq!(seen(&resources.dead_letter_queue).await, []);
            world.hide(&message, 0).await;
        }
        // It has reached the maximum number of receives.
        assert_eq!(seen(&resources.queue).await, []);
        assert_eq!(seen(&resources.dead_letter_queue).await, [(most, None)]);

        let receive = world.sqs.receive_message();
        let receive = receive.queue_url(&resources.queue.url);
        let none = receive.wait_time_seconds(0).send().await.unwrap();
        assert_eq!(none.messages, None, "the real queue has moved it, too");
        let receive = world.sqs.receive_message();
        let receive = receive.queue_url(&resources.dead_letter_queue.url);
        let dead = receive.wait_time_seconds(20).send().await.unwrap();
        let receipt = dead.messages.unwrap().remove(0).receipt_handle;
        let [(_, Some(_))] = seen(&resources.dead_letter_queue).await[..] else {
            panic!("the message should be hidden while it is received")
        };
        let delete = world.sqs.delete_message();
        let delete = delete.queue_url(&resources.dead_letter_queue.url);
        delete.set_receipt_handle(receipt).send().await.unwrap();
        assert_eq!(seen(&resources.dead_letter_queue).await, []);
        assert_eq!(seen(&resources.queue).await, []);
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
