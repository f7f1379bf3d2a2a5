//! The dead-letter queue, as an operator works on it: take, look, send back, delete, put back.
//!
//! A dead letter that is taken is hidden from everybody else. It becomes visible again after [`HIDDEN_FOR`], in case the
//! process that took it dies. A dead letter is deleted only after it was sent back: in both queues it does no harm, in
//! neither it would be lost.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    config::retry::RetryConfig,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
        DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use thiserror::Error;

use crate::{
    patience::Patience,
    settings::{DeadLetterSettings, QueueSettings},
    telemetry::Causes,
};

mod batch;
mod letter;

pub use batch::{BATCH, batches};
pub use letter::{DeadLetter, Receipt};

/// How long a dead letter that was taken is hidden, unless this is renewed or it is put back.
pub const HIDDEN_FOR: Duration = Duration::from_secs(120);
/// How long a call waits for a first dead letter. A wait makes SQS ask all of its servers, so that an empty answer means
/// an empty queue (Amazon SQS Developer Guide, "Short and long polling").
pub const POLL: Duration = Duration::from_secs(2);

/// Batches that are under way at the same time.
const BATCHES_AT_ONCE: usize = 8;

/// No call takes longer than this, its attempts included.
pub const CALL: Duration = Duration::from_secs(10);
const PATIENCE: Patience = Patience {
    attempts: 3,
    attempt: Duration::from_secs(5),
    call: CALL,
};

/// One of the two queues did not do what was asked.
#[derive(Debug, Error)]
#[error("cannot {doing}; see that {setting} names the queue and sqs:{permission} is allowed on it")]
pub struct DeadLettersError {
    /// What was being done.
    doing: &'static str,
    /// The variable that names the queue.
    setting: &'static str,
    /// What the function's role needs for it.
    permission: &'static str,
    /// What the SDK said.
    #[source]
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

/// What became of one dead letter that was to be sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SentBack {
    /// It is in the queue, under this name.
    Confirmed(String),
    /// The queue refused it with this code, or did not mention it.
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
        Self {
            client: Client::new(&PATIENCE.with(aws)),
            url: dead_letters.url.clone(),
            queue: queue.url.clone(),
        }
    }

    /// How many dead letters somebody has taken and neither deleted nor put back: approximately, and up to a minute
    /// late.
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

    /// Takes up to `most` dead letters, ten at most; none if the queue has no visible ones.
    ///
    /// Asks only once. If the answer is lost, dead letters may be hidden without the caller's knowledge, and the caller
    /// has to say so.
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
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
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

    /// Sends dead letters to the queue that they came from, with the cause `redrive` and their own trace and
    /// message group: as many as one of [`batches`] has. Returns an outcome for each, in their order.
    ///
    /// # Errors
    /// [`DeadLettersError`]; some or all may be in the queue nevertheless.
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
                .set_message_group_id(letter.group())
                .message_body(letter::sent_back(&letter.body));
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

    /// Deletes dead letters. Returns for each, in their order, whether SQS confirmed it.
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

    /// Hides dead letters that were taken for another [`HIDDEN_FOR`]. Returns for each, in their order, whether SQS
    /// confirmed it.
    pub async fn renew(&self, receipts: &[Receipt]) -> Vec<bool> {
        self.hide(receipts, HIDDEN_FOR).await
    }

    /// Makes dead letters that were taken visible again at once. Returns for each, in their order, whether it is visible;
    /// the others become so after [`HIDDEN_FOR`] at most.
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

    /// Works on batches of ten, several at the same time. `work` returns the positions that were confirmed.
    async fn in_batches(
        &self,
        receipts: &[Receipt],
        work: impl AsyncFn(&[Receipt]) -> Result<Vec<String>, aws_sdk_sqs::Error>,
    ) -> Vec<bool> {
        let batches = receipts.chunks(BATCH).map(async |batch| {
            let confirmed = work(batch).await.unwrap_or_else(|error| {
                tracing::warn!(
                    reason = %Causes(&error),
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

/// Whether SQS says that the message is visible already, or deleted, so that there is nothing to change.
fn is_gone(refusal: &BatchResultErrorEntry) -> bool {
    refusal.sender_fault
}

/// Whole seconds, as SQS takes them.
fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}
