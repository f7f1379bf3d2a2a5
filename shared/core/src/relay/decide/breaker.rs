//! While B's breaker is open, a relay that needs a B is not begun: it waits, and no attempt is counted.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Create, Delivery, Failure, Step, Worker,
    disposition::{Back, limited},
    patience::{EARLY_BY, later, until},
    put::{Put, Then, Writing},
};
use crate::relay::{Reason, Record, State};

/// A relay that waits longer for B has no message: a whole backlog may meet a breaker that opens, and a queue has room for
/// only so many messages in flight.
const LONGEST_IN_QUEUE: Duration = Duration::from_secs(60);
/// The return of the relays is spread over a quarter of the time for which they wait, and over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_secs(300);

impl Delivery {
    /// Until when B may not be asked, if that is not over.
    pub(super) fn quiet(&self, now: Timestamp) -> Option<Timestamp> {
        self.policy.quiet_until.filter(|quiet| now < *quiet)
    }

    /// The step that leaves a relay that nobody works on as it is until B may be asked.
    pub(super) fn leave_quiet(
        self,
        seen: Option<&Record>,
        quiet: Timestamp,
        now: Timestamp,
    ) -> Step {
        let record = match seen {
            Some(seen) => self.successor(seen, now),
            None => Record {
                lease_until: now,
                attempts: 0,
                ..self.first_claim(now)
            },
        };
        let wait = self.wait_for_turn(quiet, now);
        let record = Record {
            not_before: Some(later(now, wait.saturating_sub(EARLY_BY))),
            ..record.waiting_for_b()
        };
        let replaces = seen.map(|seen| seen.rev);
        let then = Then::Back(self.without_b(wait));
        Step::Record(Put::without_claim(self, record, replaces, then))
    }

    /// How a relay is put back that waits so long for B. One of a set waits with its set.
    fn without_b(&self, wait: Duration) -> Back {
        if wait > LONGEST_IN_QUEUE && !self.policy.of_set {
            Back::Left(wait)
        } else {
            Back::For(wait)
        }
    }

    /// How long this relay waits until it asks again. Not all relays do so at the same time.
    fn wait_for_turn(&self, quiet: Timestamp, now: Timestamp) -> Duration {
        let rest = until(quiet, now);
        let spread = (rest / 4).min(LONGEST_SPREAD);
        let share = u32::try_from(self.seed % 1_000).unwrap_or_default();
        limited(rest + spread / 1_000 * share)
    }
}

impl Create {
    /// The step itself, or the one that gives the claim back because B may not be asked now.
    pub(super) fn unless_quiet(self, now: Timestamp) -> Step {
        match self.worker.delivery.quiet(now) {
            None => Step::Create(self),
            Some(quiet) => Step::Record(self.worker.wait_for_b(quiet, now).put()),
        }
    }
}

impl Worker {
    fn wait_for_b(self, quiet: Timestamp, now: Timestamp) -> Writing {
        let wait = self.delivery.wait_for_turn(quiet, now);
        let back = self.delivery.without_b(wait);
        self.write(now, Then::Back(back), |record| {
            *record = record.clone().waiting_for_b();
        })
    }
}

impl Record {
    fn waiting_for_b(mut self) -> Self {
        self.state = State::Waiting;
        self.note(Failure::new(Reason::BQuiet));
        self
    }
}
