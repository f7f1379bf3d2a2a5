//! The dead-letter queue, as an operator works on it: take, look, send back, delete, put back.
//!
//! Whoever takes a dead letter hides it from everybody else. It shows again by itself after
//! [`HIDDEN_FOR`], should the one who took it come to harm. A dead letter that is sent back is
//! deleted only afterwards: one that is in both queues is harmless, one that is in neither is lost.

use std::{fmt, ops::Range, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::DisplayErrorContext,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use stafett_core::trigger::{Cause, MessageError, Trigger};
use thiserror::Error;

use crate::settings::{DeadLetterSettings, QueueSettings};

/// The most messages that one call may carry (Amazon SQS API Reference).
pub const BATCH: usize = 10;
/// How long a dead letter is hidden that was taken, unless this is renewed or it is put back.
pub const HIDDEN_FOR: Duration = Duration::from_secs(120);
/// How long a call waits for a first dead letter. Any wait makes SQS ask all of its servers, so that
/// no answer means an empty queue (Amazon SQS Developer Guide, "Short and long polling").
pub const POLL: Duration = Duration::from_secs(2);

/// The most bytes of bodies in one call (Amazon SQS API Reference, SendMessageBatch, as it was before
/// 2025, which some endpoints still hold). A single message may be larger, and then goes alone.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that are under way at the same time.
const BATCHES_AT_ONCE: usize = 8;

const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;
/// No call takes longer than this, its attempts included.
pub const CALL: Duration = Duration::from_secs(10);

/// One of the two queues did not do what was asked.
#[derive(Debug, Error)]
#[error("cannot {doing}; see that {setting} names the queue and sqs:{permission} is allowed on it: {}", DisplayErrorContext(source.as_ref()))]
pub struct DeadLettersError {
    /// What was being done.
    doing: &'static str,
    /// The variable that names the queue.
    setting: &'static str,
    /// What the function's role needs for it.
    permission: &'static str,
    /// What the SDK said.
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DeadLettersError {
    fn new(
        doing: &'static str,
        permission: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing,
            setting: "STAFETT_DEAD_LETTER_QUEUE_URL",
            permission,
            source: source.into(),
        }
    }
}

/// A message of the dead-letter queue that we have taken. Whoever sent it may have put anything in its
/// body, so that this is neither given out nor printed.
#[derive(Clone)]
pub struct DeadLetter {
    id: String,
    receipt: Receipt,
    body: String,
    trace: Option<String>,
    sent: Timestamp,
}

/// What a dead letter that was taken is deleted or put back by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(String);

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl DeadLetter {
    /// SQS names every message and gives a receipt for it; one without could not be worked on.
    fn read(message: Message, now: Timestamp) -> Option<Self> {
        use MessageSystemAttributeName::{AwsTraceHeader, SentTimestamp};
        let mut attributes = message.attributes.unwrap_or_default();
        let sent = attributes
            .get(&SentTimestamp)
            .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
        Some(Self {
            id: message.message_id?,
            receipt: Receipt(message.receipt_handle?),
            body: message.body.unwrap_or_default(),
            trace: attributes.remove(&AwsTraceHeader),
            // One of unknown age is not taken for an old one.
            sent: sent.unwrap_or(now),
        })
    }

    /// The name that SQS gave it. It keeps it on its way from the queue to the dead-letter queue.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is deleted or put back by.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// When it was sent to the queue, which its way to the dead-letter queue does not change
    /// (Amazon SQS Developer Guide, "Using dead-letter queues": the enqueue timestamp is unchanged).
    #[must_use]
    pub fn sent(&self) -> Timestamp {
        self.sent
    }

    /// How long its body is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// The trigger that it carries.
    ///
    /// # Errors
    /// [`MessageError`] for one that carries none.
    pub fn trigger(&self) -> Result<Trigger, MessageError> {
        Trigger::from_message(&self.body)
    }
}

/// The body that is sent back: a trigger with the cause `redrive` and all else, unknown fields too, as
/// it is; what is no trigger, unchanged.
fn sent_back(body: &str) -> String {
    let changed = Trigger::from_message(body).ok().and_then(|_| {
        let mut message: Value = serde_json::from_str(body).ok()?;
        *message.get_mut("cause")? = Cause::Redrive.as_str().into();
        Some(message.to_string())
    });
    changed.unwrap_or_else(|| body.to_owned())
}

/// The parts of a list whose members have these sizes, each as long as one call may carry, but at most
/// `most` members.
fn parts(sizes: impl Iterator<Item = usize>, most: usize) -> Vec<Range<usize>> {
    let most = most.clamp(1, BATCH);
    let (mut parts, mut start, mut bytes, mut end) = (Vec::new(), 0, 0, 0);
    for size in sizes {
        if end > start && (end - start == most || bytes + size > BATCH_BYTES) {
            parts.push(start..end);
            (start, bytes) = (end, 0);
        }
        bytes += size;
        end += 1;
    }
    if end > start {
        parts.push(start..end);
    }
    parts
}

/// Cuts `letters` into what one call of [`DeadLetters::send_back`] may carry, `most` each at most.
pub fn batches(letters: &[DeadLetter], most: usize) -> impl Iterator<Item = &[DeadLetter]> {
    parts(letters.iter().map(DeadLetter::size), most)
        .into_iter()
        .filter_map(|part| letters.get(part))
}

/// What became of one dead letter that was to be sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentBack {
    /// It is in the queue, under this name.
    Confirmed(String),
    /// The queue refused it, with this code, or said nothing of it.
    Refused(String),
}

/// The dead-letter queue, and the queue that its messages came from.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    url: String,
    queue: String,
}

impl DeadLetters {
    /// A client of both queues. No call takes longer than [`CALL`].
    #[must_use]
    pub fn new(
        aws: &aws_config::SdkConfig,
        dead_letters: &DeadLetterSettings,
        queue: &QueueSettings,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let config = aws_sdk_sqs::config::Builder::from(aws)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self {
            client: Client::from_conf(config),
            url: dead_letters.url.clone(),
            queue: queue.url.clone(),
        }
    }

    /// How many dead letters somebody has taken and neither deleted nor put back: roughly, as SQS knows
    /// it, and up to a minute late.
    ///
    /// # Errors
    /// [`DeadLettersError`].
    pub async fn hidden(&self) -> Result<u64, DeadLettersError> {
        use QueueAttributeName::ApproximateNumberOfMessagesNotVisible as Hidden;
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(Hidden)
            .send()
            .await
            .map_err(|error| {
                DeadLettersError::new("look at the dead-letter queue", "GetQueueAttributes", error)
            })?;
        let count = answer.attributes.as_ref().and_then(|all| all.get(&Hidden));
        Ok(count.and_then(|it| it.parse().ok()).unwrap_or_default())
    }

    /// Takes up to `most` dead letters, ten at most; none where the queue has none that shows.
    ///
    /// Asks once: where the answer is lost, dead letters may be hidden of which the caller does not
    /// know, and it is for the caller to say so.
    ///
    /// # Errors
    /// [`DeadLettersError`].
    pub async fn take(
        &self,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<DeadLetter>, DeadLettersError> {
        let once = aws_sdk_sqs::config::Builder::new().retry_config(RetryConfig::disabled());
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .visibility_timeout(seconds(HIDDEN_FOR))
            .wait_time_seconds(seconds(POLL))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| {
                DeadLettersError::new(
                    "take dead letters, of which some may be hidden for two minutes",
                    "ReceiveMessage",
                    error,
                )
            })?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| DeadLetter::read(message, now))
            .collect())
    }

    /// Sends dead letters to the queue that they came from, with the cause `redrive` and the trace that
    /// they belong to: as many as one of [`batches`] holds. One answer each, in their order.
    ///
    /// # Errors
    /// [`DeadLettersError`]; all or some may then be in the queue nevertheless.
    pub async fn send_back(
        &self,
        letters: &[DeadLetter],
    ) -> Result<Vec<SentBack>, DeadLettersError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| DeadLettersError {
            setting: "STAFETT_QUEUE_URL",
            ..DeadLettersError::new("send dead letters back", "SendMessage", error)
        };
        let mut entries = Vec::with_capacity(letters.len());
        for (position, letter) in letters.iter().enumerate() {
            let mut entry = SendMessageBatchRequestEntry::builder()
                .id(position.to_string())
                .message_body(sent_back(&letter.body));
            if let Some(trace) = &letter.trace {
                let value = MessageSystemAttributeValue::builder()
                    .data_type("String")
                    .string_value(trace)
                    .build()
                    .map_err(|error| failed(error.into()))?;
                let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
                entry = entry.message_system_attributes(name, value);
            }
            entries.push(entry.build().map_err(|error| failed(error.into()))?);
        }
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.queue)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| failed(error.into()))?;
        let outcome = |position: usize| {
            let id = position.to_string();
            let confirmed = answer.successful.iter().find(|entry| entry.id == id);
            let refused = answer.failed.iter().find(|entry| entry.id == id);
            match (confirmed, refused) {
                (Some(entry), _) => SentBack::Confirmed(entry.message_id.clone()),
                (None, Some(entry)) => SentBack::Refused(entry.code.clone()),
                (None, None) => SentBack::Refused("no confirmation".to_owned()),
            }
        };
        Ok((0..letters.len()).map(outcome).collect())
    }

    /// Deletes dead letters; says of each, in their order, whether SQS confirmed it.
    pub async fn delete(&self, receipts: &[Receipt]) -> Vec<bool> {
        self.in_batches(receipts, async |batch| {
            let mut entries = Vec::with_capacity(batch.len());
            for (position, receipt) in batch.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(&receipt.0);
                entries.push(entry.build()?);
            }
            let delete = self.client.delete_message_batch().queue_url(&self.url);
            let answer = delete.set_entries(Some(entries)).send().await?;
            Ok(answer.successful.into_iter().map(|it| it.id).collect())
        })
        .await
    }

    /// Hides dead letters that were taken for another [`HIDDEN_FOR`]; says of each, in their order,
    /// whether that is so.
    pub async fn renew(&self, receipts: &[Receipt]) -> Vec<bool> {
        self.hide(receipts, HIDDEN_FOR).await
    }

    /// Makes dead letters that were taken show again at once; says of each, in their order, whether
    /// they do. Those that do not show again by themselves after [`HIDDEN_FOR`] at most.
    pub async fn put_back(&self, receipts: &[Receipt]) -> Vec<bool> {
        self.hide(receipts, Duration::ZERO).await
    }

    async fn hide(&self, receipts: &[Receipt], time: Duration) -> Vec<bool> {
        self.in_batches(receipts, async |batch| {
            let mut entries = Vec::with_capacity(batch.len());
            for (position, receipt) in batch.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(&receipt.0)
                    .visibility_timeout(seconds(time));
                entries.push(entry.build()?);
            }
            let change = self.client.change_message_visibility_batch();
            let change = change.queue_url(&self.url).set_entries(Some(entries));
            let answer = change.send().await?;
            let changed = answer.successful.into_iter().map(|it| it.id);
            let shown = answer.failed.into_iter().filter(is_gone).map(|it| it.id);
            Ok(changed.chain(shown).collect())
        })
        .await
    }

    /// Works on ten at a time, some tens at once; `work` gives the positions that were confirmed.
    async fn in_batches(
        &self,
        receipts: &[Receipt],
        work: impl AsyncFn(&[Receipt]) -> Result<Vec<String>, aws_sdk_sqs::Error>,
    ) -> Vec<bool> {
        let batches = receipts.chunks(BATCH).map(async |batch| {
            let confirmed = work(batch).await.unwrap_or_else(|error| {
                let reason = DisplayErrorContext(&error).to_string();
                tracing::warn!(
                    reason,
                    letters = batch.len(),
                    "dead letters were not changed"
                );
                Vec::new()
            });
            let of = |position: usize| confirmed.contains(&position.to_string());
            (0..batch.len()).map(of).collect::<Vec<_>>()
        });
        let outcomes = stream::iter(batches).buffered(BATCHES_AT_ONCE);
        outcomes.collect::<Vec<_>>().await.concat()
    }
}

/// Whether SQS says that the message shows already, or is deleted: then there is nothing to change.
fn is_gone(refusal: &BatchResultErrorEntry) -> bool {
    refusal.sender_fault
}

/// Whole seconds, as SQS takes them.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;

    const MESSAGE: &str = r#"{"v":1,"route":"permit-to-casework","later":{"b":1,"a":[1.50]},"instance":"50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77","cause":"event","id":"7f8d6a4e","at":"2026-11-22T10:00:00Z"}"#;

    #[test]
    fn a_trigger_is_sent_back_as_it_is_but_for_its_cause() {
        let back = sent_back(MESSAGE);
        let mut expected: Value = serde_json::from_str(MESSAGE).unwrap();
        expected["cause"] = json!("redrive");
        assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), expected);
        assert_eq!(Trigger::from_message(&back).unwrap().cause, Cause::Redrive);
    }

    #[test]
    fn what_is_no_trigger_is_sent_back_unchanged() {
        for body in [
            "",
            "{ this is not JSON <&> ",
            r#"{"cause":"app"}"#,
            r#"{"v":2, "cause": "app"}"#,
            &MESSAGE.replace("event", "a-cause-to-come"),
        ] {
            assert_eq!(sent_back(body), body);
        }
    }

    #[test]
    fn a_dead_letter_is_printed_without_its_body() {
        let message = Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body("12837832290");
        let letter = DeadLetter::read(message.build(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(!format!("{letter:?}").contains("12837832290"));
        assert_eq!(letter.sent(), Timestamp::UNIX_EPOCH);
    }

    proptest! {
        #[test]
        fn every_part_fits_into_one_call_and_none_is_left_out(
            sizes in vec(0usize..400_000, 0..60), most in 0usize..20,
        ) {
            let parts = parts(sizes.iter().copied(), most);
            let all: Vec<usize> = parts.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            for part in parts {
                let length = part.len();
                prop_assert!((1..=most.clamp(1, 10)).contains(&length));
                let bytes: usize = sizes[part].iter().sum();
                prop_assert!(length == 1 || bytes <= 256 * 1024);
            }
        }
    }
}
