//! While B's breaker is open, a relay that needs a B is not begun: it waits, and no attempt is counted.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Create, Delivery, Disposition, End, Failure, Step, Worker,
    patience::{WAITING_RECEIVES, later, until},
    put::{Put, Then, Writing},
};
use crate::relay::{Reason, Record, State};

/// A message waits in the queue for this long at most. A queue holds some 120,000 messages that were received and not
/// deleted (Amazon SQS Developer Guide, "Amazon SQS message quotas"), so longer waits are left to the record's due time.
const LONGEST_IN_QUEUE: Duration = Duration::from_secs(900);
/// The return of the relays is spread over a quarter of the time for which they wait, and over no more than this.
const LONGEST_SPREAD: Duration = Duration::from_secs(300);

impl Delivery {
    /// The step that leaves the relay as it is until B may be asked; `None` if B may be asked now, or if what the record
    /// says has to go on in any case.
    pub(super) fn leave_quiet(&self, seen: Option<&Record>, now: Timestamp) -> Option<Step> {
        let quiet = self.policy.quiet_until.filter(|quiet| now < *quiet)?;
        let record = match seen {
            None => self.first_wait(now),
            Some(seen) if !matches!(seen.state, State::Told | State::Waiting) => return None,
            Some(seen) => match seen.not_before {
                // It waits for longer already.
                Some(not_before) if not_before >= quiet => {
                    let disposition = self.wait_in_queue(not_before, now);
                    let end = End::without_claim(disposition, Some(Box::new(seen.clone())));
                    return Some(Step::End(end));
                }
                _ => self.successor(seen, now),
            },
        };
        let not_before = self.spread(quiet, now);
        let record = record.waiting_for_b(not_before);
        let then = Then::End(self.wait_in_queue(not_before, now));
        let replaces = seen.map(|seen| seen.rev);
        Some(Step::Record(Put::without_claim(
            self.clone(),
            record,
            replaces,
            then,
        )))
    }

    /// The record of a relay that waits before its first claim.
    fn first_wait(&self, now: Timestamp) -> Record {
        Record {
            lease_until: now,
            attempts: 0,
            ..self.first_claim(now)
        }
    }

    /// When this relay asks again. Not all relays do so at the same time.
    fn spread(&self, quiet: Timestamp, now: Timestamp) -> Timestamp {
        let spread = (until(quiet, now) / 4).min(LONGEST_SPREAD);
        let share = u32::try_from(self.seed % 1_000).unwrap_or_default();
        later(quiet, spread / 1_000 * share)
    }

    /// The message comes again then, or the relay is left to reconcile.
    fn wait_in_queue(&self, not_before: Timestamp, now: Timestamp) -> Disposition {
        let wait = self.wait_for(not_before, now);
        if wait > LONGEST_IN_QUEUE || self.receives >= WAITING_RECEIVES {
            Disposition::Acknowledge
        } else {
            Disposition::Again(wait)
        }
    }
}

impl Create {
    /// The step itself, or the one that gives the claim back because B may not be asked now.
    pub(super) fn unless_quiet(self, now: Timestamp) -> Step {
        let quiet = self.worker.delivery.policy.quiet_until;
        match quiet.filter(|quiet| now < *quiet) {
            None => Step::Create(self),
            Some(quiet) => Step::Record(self.worker.wait_for_b(quiet, now).put()),
        }
    }
}

impl Worker {
    fn wait_for_b(self, quiet: Timestamp, now: Timestamp) -> Writing {
        let not_before = self.delivery.spread(quiet, now);
        let then = Then::End(self.delivery.wait_in_queue(not_before, now));
        self.write(now, then, |record| {
            *record = record.clone().waiting_for_b(not_before);
        })
    }
}

impl Record {
    fn waiting_for_b(mut self, not_before: Timestamp) -> Self {
        self.state = State::Waiting;
        self.not_before = Some(not_before);
        self.note(Failure::new(Reason::BQuiet));
        self
    }
}
