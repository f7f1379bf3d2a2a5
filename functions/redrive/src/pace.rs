//! How fast dead letters are sent back.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A limit of so many per second.
#[derive(Debug)]
pub(crate) struct Pace {
    each: Duration,
    next: Instant,
}

impl Pace {
    /// At most `per_second`; the first may go at once.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / per_second.max(1),
            next: Instant::now(),
        }
    }

    /// Waits until `count` may go.
    pub(crate) async fn wait(&mut self, count: usize) {
        sleep_until(self.turn(Instant::now(), count)).await;
    }

    /// When the next `count` may go. Time that was not used is not made up for.
    fn turn(&mut self, now: Instant, count: usize) -> Instant {
        let turn = self.next.max(now);
        self.next = turn + self.each * u32::try_from(count).unwrap_or(u32::MAX);
        turn
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn the_pace_is_kept_and_no_turn_waits_without_need(
            per_second in 1u32..200, asks in vec((0u64..5000, 1usize..10), 1..40),
        ) {
            let began = Instant::now();
            let mut pace = Pace::new(per_second);
            let mut now = began;
            let mut gone: Vec<(Instant, usize)> = Vec::new();
            for (later, count) in asks {
                now += Duration::from_millis(later);
                let turn = pace.turn(now, count);
                let free = gone.last().is_none_or(|(last, most)| {
                    now >= *last + Duration::from_secs(1) / per_second * u32::try_from(*most).unwrap()
                });
                prop_assert!(!free || turn == now, "waits for nothing");
                now = turn;
                gone.push((turn, count));
            }
            // From any turn on, those before a later turn took as long as they had to.
            for (index, (first, _)) in gone.iter().enumerate() {
                let mut count = 0;
                for (turn, more) in gone.iter().skip(index) {
                    let least = (Duration::from_secs(1) / per_second) * count;
                    prop_assert!(*turn - *first >= least);
                    count += u32::try_from(*more).unwrap();
                }
            }
        }
    }
}
