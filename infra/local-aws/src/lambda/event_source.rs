//! Invokes a function with the messages of a queue, as Lambda's event source mapping for SQS does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use testbed::wire::NotInTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Function, sqs_event};
use crate::{EventSourceSettings, QueueId};

/// SQS returns at most ten messages per receive, and deletes at most ten per batch.
const SQS_BATCH: usize = 10;

/// How long one receive waits for messages: long enough to keep an idle queue cheap, and short
/// enough for [`EventSourceMapping::stop`], which waits for the last receive.
const LONG_POLL: Duration = Duration::from_secs(1);

/// Pause after a failed receive.
const AFTER_ERROR: Duration = Duration::from_millis(200);

/// Without `MaximumConcurrency`, Lambda is limited by the account's concurrency. One machine needs
/// no more than this.
const DEFAULT_CONCURRENCY: usize = 100;

/// Counters of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Finished invocations.
    pub invocations: usize,
    /// Invocations that ended with a function error.
    pub errors: usize,
    /// Messages that were deleted from the queue.
    pub deleted: usize,
    /// Messages that were left in the queue, and become visible again later.
    pub left: usize,
}

/// A running event source mapping from a queue to a function. Dropping it aborts everything at
/// once, as a crash would; [`stop`](Self::stop) shuts it down in order.
#[derive(Debug)]
pub struct EventSourceMapping {
    stop: watch::Sender<bool>,
    delivered: watch::Receiver<Delivered>,
    pollers: JoinSet<()>,
}

impl EventSourceMapping {
    /// Starts to poll `queue` and to invoke `function` with its messages.
    #[must_use]
    pub fn start(
        client: Client,
        queue: &QueueId,
        settings: EventSourceSettings,
        function: Function,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (report, delivered) = watch::channel(Delivered::default());
        let concurrency = settings
            .maximum_concurrency
            .unwrap_or(DEFAULT_CONCURRENCY)
            .max(1);
        let poller = Arc::new(Poller {
            client,
            queue: queue.clone(),
            settings,
            function,
            free: Arc::new(Semaphore::new(concurrency)),
            report,
        });
        let mut pollers = JoinSet::new();
        pollers.spawn(poller.poll(stopped));
        Self {
            stop,
            delivered,
            pollers,
        }
    }

    /// The counters so far.
    #[must_use]
    pub fn delivered(&self) -> Delivered {
        *self.delivered.borrow()
    }

    /// Waits until `condition` holds for the counters.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] if it does not hold within `deadline`.
    pub async fn wait_until(
        &self,
        deadline: Duration,
        mut condition: impl FnMut(&Delivered) -> bool,
    ) -> Result<Delivered, NotInTime> {
        let mut delivered = self.delivered.clone();
        let reached = delivered.wait_for(|it| condition(it));
        match tokio::time::timeout(deadline, reached).await {
            Ok(Ok(delivered)) => Ok(*delivered),
            Ok(Err(_)) | Err(_) => Err(NotInTime { deadline }),
        }
    }

    /// Stops receiving, and waits until all received messages have been processed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.pollers.join_next().await.is_some() {}
    }
}

struct Poller {
    client: Client,
    queue: QueueId,
    settings: EventSourceSettings,
    function: Function,
    free: Arc<Semaphore>,
    report: watch::Sender<Delivered>,
}

impl Poller {
    async fn poll(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut invocations = JoinSet::new();
        loop {
            // Receive only when an invocation is free to process the messages.
            let permit = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                permit = Arc::clone(&self.free).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let messages = self.batch().await;
            if !messages.is_empty() {
                invocations.spawn(Arc::clone(&self).deliver(messages, permit));
            }
            while invocations.try_join_next().is_some() {}
        }
        while invocations.join_next().await.is_some() {}
    }

    /// The next batch; empty if no message came within one long poll.
    async fn batch(&self) -> Vec<Message> {
        let size = self.settings.batch_size.max(1);
        let mut messages = self.receive(size, LONG_POLL).await;
        if messages.is_empty() {
            return messages;
        }
        let full_at = Instant::now() + self.settings.maximum_batching_window;
        while messages.len() < size {
            let left = full_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // SQS waits in whole seconds; below one second this polls with short pauses.
            let more = self
                .receive(size - messages.len(), left.min(LONG_POLL))
                .await;
            if more.is_empty() && left < LONG_POLL {
                tokio::time::sleep(left.min(AFTER_ERROR)).await;
            }
            messages.extend(more);
        }
        messages
    }

    async fn receive(&self, count: usize, wait: Duration) -> Vec<Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.queue.url)
            .max_number_of_messages(i32::try_from(count.min(SQS_BATCH)).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(0))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        match received {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error = %DisplayErrorContext(&error), "cannot receive messages");
                tokio::time::sleep(AFTER_ERROR).await;
                Vec::new()
            }
        }
    }

    async fn deliver(self: Arc<Self>, messages: Vec<Message>, _permit: OwnedSemaphorePermit) {
        let event = sqs_event::event(&messages, &self.queue.arn);
        let ids: HashSet<&str> = messages.iter().filter_map(Message::message_id).collect();
        let answer = self.function.invoke(&event).await;
        let failed = match &answer {
            Ok(answer) if self.settings.report_batch_item_failures => {
                sqs_event::failures(answer, &ids)
            }
            Ok(_) => HashSet::new(),
            Err(error) => {
                let function = &self.function.settings().name;
                tracing::warn!(%error, function, "the invocation for a batch failed");
                ids.clone()
            }
        };
        let done: Vec<&Message> = messages
            .iter()
            .filter(|it| it.message_id().is_some_and(|id| !failed.contains(id)))
            .collect();
        let mut deleted = 0;
        for chunk in done.chunks(SQS_BATCH) {
            deleted += self.delete(chunk).await;
        }
        self.report.send_modify(|it| {
            it.invocations += 1;
            it.errors += usize::from(answer.is_err());
            it.deleted += deleted;
            it.left += messages.len() - deleted;
        });
    }

    /// Deletes messages and returns how many were deleted. SQS delivers the others again.
    async fn delete(&self, messages: &[&Message]) -> usize {
        let entries = messages.iter().enumerate().filter_map(|(index, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle()?)
                .build()
                .ok()
        });
        let deleted = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await;
        match deleted {
            Ok(deleted) => deleted.successful.len(),
            Err(error) => {
                tracing::warn!(error = %DisplayErrorContext(&error), "cannot delete messages");
                0
            }
        }
    }
}
