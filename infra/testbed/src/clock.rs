//! The clock of the local world.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// An adjustable clock. It shows real time plus an offset, or stands still.
///
/// Clones share one setting. Token lifetimes, retries, the schedule and all timestamps of the local Altinn follow it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    setting: Mutex<Setting>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    offset: SignedDuration,
    stopped_at: Option<Timestamp>,
}

impl Clock {
    /// The current time in whole units of 100 ns, because .NET has this resolution and Altinn's timestamps do, too.
    pub fn now(&self) -> Timestamp {
        let setting = self.setting();
        let now = match setting.stopped_at {
            Some(at) => at,
            None => Timestamp::now()
                .checked_add(setting.offset)
                .unwrap_or(Timestamp::MAX),
        };
        whole_ticks(now)
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        self.shift(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
    }

    /// Moves the clock forward, or back if `by` is negative.
    pub fn shift(&self, by: SignedDuration) {
        self.change(|setting| {
            setting.offset = setting.offset.saturating_add(by);
            setting.stopped_at = setting.stopped_at.and_then(|at| at.checked_add(by).ok());
        });
    }

    /// Stops the clock at `at`, until [`Clock::run`].
    pub fn stand_at(&self, at: Timestamp) {
        self.change(|setting| setting.stopped_at = Some(at));
    }

    /// Lets a stopped clock run again from the time that it shows.
    pub fn run(&self) {
        self.change(|setting| {
            if let Some(at) = setting.stopped_at.take() {
                setting.offset = at.duration_since(Timestamp::now());
            }
        });
    }

    /// Waits until the clock shows `at` or later. If the clock is moved, it is checked again at once.
    pub async fn wait_until(&self, at: Timestamp) {
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            // Registered before the clock is read, so that no change in between is missed.
            changed.as_mut().enable();
            let left = at.duration_since(self.now());
            if !left.is_positive() {
                return;
            }
            if self.setting().stopped_at.is_some() {
                changed.await;
                continue;
            }
            let left = Duration::try_from(left).unwrap_or(Duration::MAX);
            tokio::select! {
                () = &mut changed => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    fn setting(&self) -> Setting {
        *self
            .inner
            .setting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Setting)) {
        change(
            &mut self
                .inner
                .setting
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.inner.changed.notify_waiters();
    }
}

/// .NET's ticks: units of 100 ns since 0001-01-01T00:00:00Z.
#[must_use]
pub fn ticks(at: Timestamp) -> i128 {
    at.as_nanosecond() / 100 + 621_355_968_000_000_000
}

fn whole_ticks(at: Timestamp) -> Timestamp {
    Timestamp::from_nanosecond(at.as_nanosecond() / 100 * 100).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_moved() {
        let clock = Clock::default();
        let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        clock.stand_at(start);
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now().to_string(), "2026-11-22T10:00:01.5Z");
        clock.run();
        assert!(clock.now() >= start);
    }

    #[test]
    fn ticks_are_those_of_dotnet() {
        let at: Timestamp = "2026-08-22T10:00:02.412345Z".parse().unwrap();
        assert_eq!(ticks(at), 639_229_896_024_123_450);
    }

    #[tokio::test]
    async fn a_waiter_notices_that_the_clock_was_moved() {
        let clock = Clock::default();
        let at = clock
            .now()
            .checked_add(SignedDuration::from_hours(12))
            .unwrap();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait_until(at).await }
        });
        clock.advance(Duration::from_secs(12 * 3600));
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
