//! The queue of triggers.
//!
//! Sending a trigger twice is harmless, losing one is not. So a function that cannot send tells its caller, who then
//! repeats the whole call.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::SdkError,
    operation::{
        change_message_visibility::ChangeMessageVisibilityError,
        get_queue_attributes::GetQueueAttributesError, send_message_batch::SendMessageBatchError,
    },
    types::{
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use stafett_core::trigger::Trigger;
use thiserror::Error;

use crate::{patience::Patience, settings::QueueSettings, telemetry::Trace};

/// The most messages that one call may carry (Amazon SQS API Reference, SendMessageBatch).
const BATCH: usize = 10;

/// The longest delay: SQS keeps a message invisible for twelve hours at most, counted from when it was received
/// (Amazon SQS API Reference, ChangeMessageVisibility), and that was some minutes ago.
const LONGEST_DELAY_SECONDS: u128 = 11 * 3600;

const PATIENCE: Patience = Patience {
    attempts: 3,
    attempt: Duration::from_secs(2),
    // The function `receive` has ten seconds in all, and may have spent five on the issuer's keys.
    call: Duration::from_secs(4),
};

/// Triggers that did not get into the queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The queue did not answer, or refused a whole call.
    #[error(
        "{unsent} of {total} triggers were not queued, since the call failed; send them again, and if this lasts see that STAFETT_QUEUE_URL names the queue and sqs:SendMessage is allowed on it"
    )]
    Unreachable {
        /// Triggers that were not queued, or may not have been.
        unsent: usize,
        /// Triggers that were to be sent.
        total: usize,
        /// What the SDK said.
        #[source]
        source: Box<SdkError<SendMessageBatchError>>,
    },
    /// The queue took the call, but not each of its messages.
    #[error(
        "{unsent} of {total} triggers were not queued, since the queue refused them ({code}); send them again"
    )]
    Refused {
        /// Triggers that were not queued.
        unsent: usize,
        /// Triggers that were to be sent.
        total: usize,
        /// The error code that SQS gave for the first of them.
        code: String,
    },
    /// A trigger cannot be written as a message; nothing was queued.
    #[error("no trigger was queued, since one cannot be written as a message")]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A message whose visibility could not be changed.
#[derive(Debug, Error)]
#[error(
    "a message could not be put back when it was to be; it comes again after the queue's own visibility timeout; see that sqs:ChangeMessageVisibility is allowed"
)]
pub struct DelayError(#[source] Box<SdkError<ChangeMessageVisibilityError>>);

/// The queue did not say how many messages wait in it.
#[derive(Debug, Error)]
#[error(
    "cannot tell how many messages wait in the queue; see that sqs:GetQueueAttributes is allowed on it"
)]
pub struct WaitingError(#[source] Option<Box<SdkError<GetQueueAttributesError>>>);

/// The queue that `instantiate` reads.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// A client of the queue at `settings.url`. Its calls take four seconds at most, three attempts included.
    #[must_use]
    pub fn new(aws: &aws_config::SdkConfig, settings: &QueueSettings) -> Self {
        Self {
            client: Client::new(&PATIENCE.with(aws)),
            url: settings.url.clone(),
        }
    }

    /// Makes a received message visible again after `wait`, rounded up to whole seconds; at once if it is zero.
    ///
    /// # Errors
    /// [`DelayError`]; then SQS delivers the message again after the queue's own visibility timeout.
    pub async fn delay(&self, receipt: &str, wait: Duration) -> Result<(), DelayError> {
        let seconds = wait.as_millis().div_ceil(1000).min(LONGEST_DELAY_SECONDS);
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(i32::try_from(seconds).unwrap_or_default())
            .send()
            .await
            .map(drop)
            .map_err(|error| DelayError(Box::new(error)))
    }

    /// About how many messages wait to be received (Amazon SQS API Reference, GetQueueAttributes:
    /// `ApproximateNumberOfMessages`).
    ///
    /// # Errors
    /// [`WaitingError`].
    pub async fn waiting(&self) -> Result<u64, WaitingError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(name.clone())
            .send()
            .await
            .map_err(|error| WaitingError(Some(Box::new(error))))?;
        let number = answer.attributes.and_then(|mut found| found.remove(&name));
        number
            .and_then(|number| number.parse().ok())
            .ok_or(WaitingError(None))
    }

    /// Sends each trigger as one message, ten in a call, with the sender's trace header (`AWSTraceHeader`, Amazon SQS
    /// Developer Guide, "Message system attributes"). A malformed header is left out, since SQS would refuse the
    /// messages.
    ///
    /// Each message has its route as message group. On a standard queue this makes SQS deliver the messages of the other
    /// groups first while one has many in flight (Amazon SQS Developer Guide, "Amazon SQS fair queues"); it keeps no order.
    ///
    /// If the queue refuses some messages of a batch, the next batches are sent all the same; if a call fails, they are
    /// not.
    ///
    /// # Errors
    /// [`QueueError`] if any trigger was not queued. Other triggers may have been.
    pub async fn send(&self, triggers: &[Trigger], trace: Option<&str>) -> Result<(), QueueError> {
        let total = triggers.len();
        let trace = trace
            .and_then(Trace::read)
            .map(system_attribute)
            .transpose()?;
        let mut entries = Vec::with_capacity(total);
        for (position, trigger) in triggers.iter().enumerate() {
            let body = trigger
                .to_message()
                .map_err(|error| QueueError::Unwritable(error.into()))?;
            let entry = SendMessageBatchRequestEntry::builder()
                .id((position % BATCH).to_string())
                .message_body(body)
                .message_group_id(trigger.route.as_str())
                .set_message_system_attributes(trace.clone())
                .build()
                .map_err(|error| QueueError::Unwritable(error.into()))?;
            entries.push(entry);
        }
        let mut sent = 0;
        let mut refusal = None;
        for batch in entries.chunks(BATCH) {
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(batch.to_vec()))
                .send()
                .await
                .map_err(|error| QueueError::Unreachable {
                    unsent: total - sent,
                    total,
                    source: Box::new(error),
                })?;
            sent += answer.successful.len();
            refusal = refusal.or(answer.failed.into_iter().next().map(|entry| entry.code));
        }
        // Only confirmed messages count as queued, not those that the answer does not mention.
        if sent >= total {
            return Ok(());
        }
        Err(QueueError::Refused {
            unsent: total - sent,
            total,
            code: refusal.unwrap_or_else(|| "no confirmation".to_owned()),
        })
    }
}

type SystemAttributes = HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>;

fn system_attribute(trace: Trace) -> Result<SystemAttributes, QueueError> {
    let value = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace.as_str())
        .build()
        .map_err(|error| QueueError::Unwritable(error.into()))?;
    Ok([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)].into())
}
