//! Feeds a function from a queue, as Lambda's event source mapping for SQS does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Function, sqs_event};
use crate::{EventSourceSettings, QueueId};
use testbed::wire::NotInTime;

/// SQS gives at most ten messages in one receive, and takes as many in one delete.
const SQS_BATCH: usize = 10;

/// How long one receive waits for messages: long enough for an idle queue to cost little, short
/// enough for [`EventSourceMapping::stop`], which waits for the last one.
const LONG_POLL: Duration = Duration::from_secs(1);

/// Pause after a receive that failed.
const AFTER_ERROR: Duration = Duration::from_millis(200);

/// Lambda's own limit without `MaximumConcurrency` is the account's; nobody has more on one
/// machine.
const DEFAULT_CONCURRENCY: usize = 100;

/// What a mapping has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Invocations that have ended.
    pub invocations: usize,
    /// Invocations that ended with a function error.
    pub errors: usize,
    /// Messages that were deleted from the queue.
    pub deleted: usize,
    /// Messages that were left in the queue, to come back when they are visible again.
    pub left: usize,
}

/// A running mapping from a queue to a function. Dropping it lets go of everything at once, as a
/// crash would; [`stop`](Self::stop) ends it in an orderly way.
#[derive(Debug)]
pub struct EventSourceMapping {
    stop: watch::Sender<bool>,
    delivered: watch::Receiver<Delivered>,
    pollers: JoinSet<()>,
}

impl EventSourceMapping {
    /// Starts to poll `queue` and to invoke `function`.
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
        let source = Arc::new(Source {
            client,
            queue: queue.clone(),
            settings,
            function,
            free: Arc::new(Semaphore::new(concurrency)),
            report,
        });
        let mut pollers = JoinSet::new();
        pollers.spawn(source.poll(stopped));
        Self {
            stop,
            delivered,
            pollers,
        }
    }

    /// What it has done so far.
    #[must_use]
    pub fn delivered(&self) -> Delivered {
        *self.delivered.borrow()
    }

    /// Waits until `condition` holds for what it has done.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when it does not within `deadline`.
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

    /// Receives nothing more and waits until what has been received is dealt with.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.pollers.join_next().await.is_some() {}
    }
}

struct Source {
    client: Client,
    queue: QueueId,
    settings: EventSourceSettings,
    function: Function,
    free: Arc<Semaphore>,
    report: watch::Sender<Delivered>,
}

impl Source {
    async fn poll(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut invocations = JoinSet::new();
        loop {
            // A message is received only when an invocation is free to take it.
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

    /// The next batch; empty when none came within one long poll.
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
            // SQS counts whole seconds: without one left it is asked now and then.
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
                tracing::warn!(%error, function, "a batch failed as a whole");
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

    /// Deletes messages; returns how many were. One that was not is delivered again.
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
