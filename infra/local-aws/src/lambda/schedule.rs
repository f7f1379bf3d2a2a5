//! Invokes a function at a fixed rate, as EventBridge Scheduler does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Function;
use crate::ScheduleSettings;
use testbed::clock::Clock;

/// A running schedule. Dropping it ends it at once; an invocation that runs then is let go of.
#[derive(Debug)]
pub struct Schedule {
    next: watch::Receiver<Timestamp>,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Schedule {
    /// Invokes `function` for the first time when one period has passed by `clock`. A clock that jumps over
    /// several invocations brings one: a schedule does not catch up.
    #[must_use]
    pub fn start(settings: ScheduleSettings, function: Function, clock: Clock) -> Self {
        let first = later(clock.now(), settings.every);
        let (report, next) = watch::channel(first);
        let (stop, mut stopped) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut at = first;
            loop {
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => break,
                    () = clock.wait_until(at) => {}
                }
                if let Err(error) = function.invoke(&settings.input).await {
                    let function = &function.settings().name;
                    tracing::warn!(%error, function, "a scheduled invocation failed");
                }
                let now = clock.now();
                while at <= now {
                    at = later(at, settings.every);
                }
                report.send_replace(at);
            }
        });
        Self { next, stop, task }
    }

    /// When the function is invoked next; a moment that has passed while it runs.
    #[must_use]
    pub fn next(&self) -> Timestamp {
        *self.next.borrow()
    }

    /// Starts no more invocations, and waits until the last one has ended.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.task.join_next().await.is_some() {}
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    // A minute at least: no period moves the clock by nothing.
    let by = SignedDuration::try_from(by.max(Duration::from_secs(60)));
    at.saturating_add(by.unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}
