//! Time that passes without anybody waiting for it.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::Deployment;
use local_aws::Hidden;
use local_aws::lambda::Schedule;

/// How long nothing may happen before the deployment has come to rest.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// Time could not pass.
#[derive(Debug, Error)]
pub enum PassError {
    /// The functions run in processes of their own.
    #[error(
        "time passes only where the functions run in this process: others have the system's clock"
    )]
    Programs,
    /// Somebody does not finish what he began.
    #[error("the deployment does not come to rest, and nothing happened for {} s: {busy}", PATIENCE.as_secs())]
    Busy {
        /// What was going on.
        busy: String,
    },
    /// SQS.
    #[error("the local SQS did not answer")]
    Sqs(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Deployment {
    /// Lets `span` pass, in jumps: from one moment at which something happens to the next. At each of them
    /// the messages that have been put back until then become visible, the schedule (where it is on) invokes
    /// `reconcile`, and Altinn Events repeats a delivery; then nothing moves until all of it is at rest. So
    /// whoever works does so in real time, and no lease runs out in somebody's hands.
    ///
    /// One clock is moved, that of Altinn, the functions and the dates of messages. Only for functions that
    /// run in this process ([`Code::InProcess`](super::Code)), and as long as nobody else receives from the
    /// queue. Retention times do not pass.
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

    /// Waits until nothing is worked on and nothing can be: whatever is still to happen is a matter of time.
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

    /// What goes on; none when all is at rest.
    async fn busy(&self) -> Result<Option<String>, PassError> {
        let now = self.altinn.clock().now();
        if self.schedule.as_ref().is_some_and(|it| it.next() <= now) {
            return Ok(Some("the schedule is due".to_owned()));
        }
        if self.altinn.is_delivering() {
            return Ok(Some("Altinn Events delivers".to_owned()));
        }
        let delivered = self.mapping.delivered();
        let dealt_with = delivered.deleted + delivered.left;
        if let Some(busy) = self.in_hand(dealt_with).await {
            return Ok(Some(busy));
        }
        let (visible, hidden) = self.counts().await?;
        let (known, _) = self.aws.outlook(&self.aws.resources().queue).await;
        // Once more: what had been dealt with before the counts is all that has been received by now, so
        // nothing was received in between.
        if let Some(busy) = self.in_hand(dealt_with).await {
            return Ok(Some(busy));
        }
        if visible > 0 {
            return Ok(Some(format!("{visible} messages wait to be received")));
        }
        // They differ while a message is on its way to the dead-letter queue.
        Ok((hidden != known)
            .then(|| format!("{hidden} messages are hidden, {known} of them known")))
    }

    /// What has been received and not been dealt with.
    async fn in_hand(&self, dealt_with: usize) -> Option<String> {
        let received = self.aws.handed_out(&self.aws.resources().queue).await;
        (received != dealt_with)
            .then(|| format!("{received} messages were received and {dealt_with} dealt with"))
    }

    /// When something happens next of itself.
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

    /// Makes a message visible. One that has been received since, or moved away, is not hidden any more.
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

    /// The queue's messages that can be received, and those that are hidden.
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

/// The next whole second: SQS counts in these, and what happens in one happens together.
fn whole_second(at: Timestamp) -> Timestamp {
    let up = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    at.round(up).unwrap_or(at)
}
