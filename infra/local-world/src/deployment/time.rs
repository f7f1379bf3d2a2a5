//! Lets time pass without waiting.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use local_aws::Hidden;
use local_aws::lambda::Schedule;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::Deployment;

/// How long the deployment may make no progress before waiting for it fails.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// Time could not pass.
#[derive(Debug, Error)]
pub enum PassError {
    /// The functions run in separate processes.
    #[error(
        "time passes only where the functions run in this process: others have the system's clock"
    )]
    Programs,
    /// Something that was started does not finish.
    #[error("the deployment does not come to rest, and nothing happened for {} s: {busy}", PATIENCE.as_secs())]
    Busy {
        /// What was still running.
        busy: String,
    },
    /// SQS.
    #[error("the local SQS did not answer")]
    Sqs(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Deployment {
    /// Lets `span` pass in jumps, from one scheduled moment to the next. At each, the messages that
    /// are due become visible, the schedule (if it is on) invokes `reconcile`, and Altinn Events
    /// repeats deliveries; then the clock waits until the deployment is idle. So all work happens
    /// in real time, and no claim expires while it is being worked on.
    ///
    /// This moves one clock: that of Altinn, the functions and the dates of messages. It works only
    /// for functions in this process ([`Code::InProcess`](super::Code)), and only while nothing
    /// else receives from the queue. Retention times do not pass.
    ///
    /// # Errors
    /// [`PassError`].
    pub async fn pass(&self, span: Duration) -> Result<(), PassError> {
        if self.receive.processes().is_some() {
            return Err(PassError::Programs);
        }
        let clock = self.altinn.clock();
        let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        let end = clock.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        loop {
            self.rest().await?;
            let next = self.next_moment().await.map(whole_second);
            match next.filter(|next| *next < end) {
                Some(next) => self.jump_to(next),
                None => break,
            }
        }
        self.jump_to(end);
        self.rest().await
    }

    /// Waits until the deployment is idle: nothing is running, and what is still to come only needs
    /// time to pass.
    ///
    /// # Errors
    /// [`PassError`].
    pub async fn rest(&self) -> Result<(), PassError> {
        let queue = &self.aws.resources().queue;
        let mut waited_since = Instant::now();
        let mut seen = self.mapping.delivered();
        loop {
            let now = self.altinn.clock().now();
            for hidden in self.aws.due(queue, now).await {
                self.show(&hidden).await;
            }
            let Some(busy) = self.busy().await? else {
                return Ok(());
            };
            let delivered = self.mapping.delivered();
            if delivered != seen {
                (seen, waited_since) = (delivered, Instant::now());
            }
            if waited_since.elapsed() > PATIENCE {
                return Err(PassError::Busy { busy });
            }
            sleep(PAUSE).await;
        }
    }

    /// What is running; none if the deployment is idle.
    async fn busy(&self) -> Result<Option<String>, PassError> {
        let now = self.altinn.clock().now();
        if self.schedule.as_ref().is_some_and(|it| it.next() <= now) {
            return Ok(Some("the schedule is due".to_owned()));
        }
        if self.altinn.is_delivering() {
            return Ok(Some("Altinn Events is delivering".to_owned()));
        }
        let delivered = self.mapping.delivered();
        let dealt_with = delivered.deleted + delivered.left;
        if let Some(busy) = self.in_hand(dealt_with).await {
            return Ok(Some(busy));
        }
        let (visible, hidden) = self.counts().await?;
        let (known, _) = self.aws.outlook(&self.aws.resources().queue).await;
        // Check again: if what was finished before the counts equals what has been received by now,
        // nothing was received in between.
        if let Some(busy) = self.in_hand(dealt_with).await {
            return Ok(Some(busy));
        }
        if visible > 0 {
            return Ok(Some(format!("{visible} messages wait to be received")));
        }
        // They differ while a message is moving to the dead-letter queue.
        Ok((hidden != known)
            .then(|| format!("{hidden} messages are hidden, {known} of them known")))
    }

    /// The number of received messages that are still being processed.
    async fn in_hand(&self, dealt_with: usize) -> Option<String> {
        let received = self.aws.handed_out(&self.aws.resources().queue).await;
        (received != dealt_with)
            .then(|| format!("{received} messages were received and {dealt_with} processed"))
    }

    /// The next scheduled moment.
    async fn next_moment(&self) -> Option<Timestamp> {
        let (_, hidden) = self.aws.outlook(&self.aws.resources().queue).await;
        let schedule = self.schedule.as_ref().map(Schedule::next);
        let delivery = self.altinn.next_delivery();
        [hidden, schedule, delivery].into_iter().flatten().min()
    }

    fn jump_to(&self, at: Timestamp) {
        let clock = self.altinn.clock();
        let by = at.duration_since(clock.now());
        if by.is_positive() {
            clock.shift(by);
        }
    }

    /// Makes a message visible. A message that was received or moved in the meantime is no longer
    /// hidden.
    async fn show(&self, hidden: &Hidden) {
        let shown = self
            .sqs()
            .change_message_visibility()
            .queue_url(&hidden.queue)
            .receipt_handle(&hidden.receipt)
            .visibility_timeout(0)
            .send()
            .await;
        if let Err(error) = shown {
            tracing::debug!(%error, message = hidden.message, "not hidden any more");
        }
    }

    /// The queue's visible messages, and its hidden ones.
    async fn counts(&self) -> Result<(usize, usize), PassError> {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesDelayed,
            Name::ApproximateNumberOfMessagesNotVisible,
        ];
        let found = self
            .sqs()
            .get_queue_attributes()
            .queue_url(&self.aws.resources().queue.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| PassError::Sqs(error.into()))?
            .attributes
            .unwrap_or_default();
        let [visible, delayed, hidden] =
            names.map(|name| found.get(&name).and_then(|it| it.parse().ok()).unwrap_or(0));
        Ok((visible + delayed, hidden))
    }
}

/// Rounds up to a whole second: SQS counts in seconds, and events within the same second happen
/// together.
fn whole_second(at: Timestamp) -> Timestamp {
    let up = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    at.round(up).unwrap_or(at)
}
