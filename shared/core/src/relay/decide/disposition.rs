//! How an attempt ends: what becomes of the message, and the last record.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Attempt, Delivery, Failure, Phase, Quiet, Worker,
    patience::{
        EARLY_ATTEMPTS, LONGEST_IN_FLIGHT, LONGEST_WAIT, MAX_ATTEMPTS, MAX_RECEIVES, SOON,
        WAITING_ATTEMPTS, backoff, later, next_search, patience, until, until_reconcile,
    },
    put::{Then, Writing},
};
use crate::relay::{Reason, Record, Sent, State};

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Delete it: what became of the relay is on record.
    Acknowledge,
    /// Make it visible again after this time.
    Again(Duration),
    /// Make it visible again at once, until its receives are used up and SQS moves it to the dead-letter queue.
    GiveUp,
}

/// How long a relay is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Back {
    /// It is tried again after this time.
    For(Duration),
    /// It is left to reconcile, which looks after it after this time.
    Left(Duration),
}

impl Back {
    pub(super) fn wait(self) -> Duration {
        match self {
            Self::For(wait) | Self::Left(wait) => wait,
        }
    }
}

/// [`Step::End`](super::Step::End): the work on the relay is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct End {
    /// What becomes of the message.
    pub disposition: Disposition,
    /// The record as this attempt last wrote or saw it.
    pub record: Option<Box<Record>>,
    /// This attempt did no work on the relay: it could not claim it, or nothing was left to do.
    pub is_repeat: bool,
    /// B was found, not created by this attempt.
    pub adopted: bool,
    /// More than one complete B has the relay's stamp.
    pub doubled: bool,
}

impl From<End> for Attempt {
    fn from(end: End) -> Self {
        Self(Phase::End(end))
    }
}

impl End {
    /// The end of an attempt that had no claim, and last saw this record.
    pub(super) fn without_claim(disposition: Disposition, seen: Option<Box<Record>>) -> Self {
        Self {
            disposition,
            record: seen,
            is_repeat: true,
            adopted: false,
            doubled: false,
        }
    }
}

impl Worker {
    pub(super) fn end(self, disposition: Disposition) -> End {
        End {
            disposition,
            record: Some(self.record),
            is_repeat: false,
            adopted: self.adopted,
            doubled: self.doubled,
        }
    }

    /// The relay fails.
    pub(super) fn fail(self, failure: Failure, now: Timestamp) -> Writing {
        self.write(now, Then::End(Disposition::GiveUp), |record| {
            record.state = State::Failed;
            record.note(failure);
        })
    }

    /// The relay fails, and a half-made B stays that may be neither deleted nor completed. The request stays on
    /// record, so that a redriven relay searches for that B first.
    pub(super) fn leave_orphan(self, failure: Failure, now: Timestamp) -> Writing {
        let reason = Reason::OrphanLeft;
        self.fail(Failure { reason, ..failure }, now)
    }

    /// The relay waits.
    pub(super) fn give_back(self, failure: Failure, back: Back, now: Timestamp) -> Writing {
        self.write(now, Then::Back(back), |record| {
            record.state = State::Waiting;
            record.note(failure);
        })
    }

    /// The relay waits for A, and after many attempts it is left to reconcile.
    pub(super) fn wait(self, failure: Failure, now: Timestamp) -> Writing {
        let back = self.again_or_leave(failure.after, now);
        self.give_back(failure, back, now)
    }

    /// The relay is tried again until it was tried too often, then it fails.
    pub(super) fn retry(self, failure: Failure, now: Timestamp) -> Writing {
        if self.record.attempts >= patience(failure.reason) {
            return self.fail(failure, now);
        }
        let back = self.again(failure.after);
        self.give_back(failure, back, now)
    }

    /// Too little of the lease is left for the next request. The record shows only the requests that were sent.
    pub(super) fn run_out_of_time(self, now: Timestamp) -> Writing {
        self.retry(Failure::new(Reason::OutOfTime), now)
    }

    /// B may exist or be in the making: the relay is tried again for the next search for what `sent` created.
    pub(super) fn wait_for_quiet(
        self,
        sent: &Sent,
        detail: Option<String>,
        now: Timestamp,
    ) -> Writing {
        let detail = detail.unwrap_or_else(|| {
            format!(
                "no complete B yet; its app may still be at work until {}",
                sent.quiet
            )
        });
        let failure = Failure::new(Reason::OutcomeUnknown).because(detail);
        let attempts = self.record.attempts;
        if attempts >= MAX_ATTEMPTS {
            return self.fail(failure, now);
        }
        let wait = if attempts <= EARLY_ATTEMPTS {
            next_search(sent, now)
        } else {
            until(sent.quiet, now).max(self.backoff())
        };
        self.give_back(failure, Back::For(limited(wait)), now)
    }

    /// A request that changes a half-made B may have had its effect, or may still have it. It counts as a request
    /// that was sent: the next search shows what it did.
    pub(super) fn search_when_quiet(
        mut self,
        failure: Failure,
        quiet: Quiet,
        now: Timestamp,
    ) -> Writing {
        let quiet = self.delivery.quiet_at(quiet, now);
        // It makes no instance: what is searched for is still what the request before it made.
        self.record.sent = Some(match self.record.sent {
            Some(sent) => Sent {
                quiet: sent.quiet.max(quiet),
                ..sent
            },
            None => Sent {
                from: now,
                ended: now,
                quiet,
            },
        });
        if self.record.attempts >= patience(failure.reason) {
            return self.fail(failure, now);
        }
        let wait = until(quiet, now)
            .max(self.backoff())
            .max(failure.after.unwrap_or_default());
        self.give_back(failure, Back::For(limited(wait)), now)
    }

    /// The relay is tried again, or after many attempts it is left to reconcile.
    pub(super) fn again_or_leave(&self, after: Option<Duration>, now: Timestamp) -> Back {
        if self.record.attempts >= WAITING_ATTEMPTS {
            self.leave(now)
        } else {
            self.again(after)
        }
    }

    /// The relay is left to reconcile.
    pub(super) fn leave(&self, now: Timestamp) -> Back {
        Back::Left(until_reconcile(self.record.first, now))
    }

    /// The relay is tried again. What the other side asked for wins over our own backoff, but the wait grows with the
    /// number of attempts all the same: they must last through a night.
    pub(super) fn again(&self, after: Option<Duration>) -> Back {
        let backoff = self.backoff();
        let wait = after.map_or(backoff, |after| after.max(backoff / 2).min(LONGEST_WAIT));
        Back::For(wait)
    }

    fn backoff(&self) -> Duration {
        backoff(self.record.attempts, self.delivery.seed)
    }
}

/// At least a second, and at most as long as a relay waits for its next attempt.
pub(super) fn limited(wait: Duration) -> Duration {
    wait.clamp(Duration::from_secs(1), LONGEST_WAIT)
}

impl Delivery {
    /// When B is quiet after a request that ended `now`.
    pub(super) fn quiet_at(&self, quiet: Quiet, now: Timestamp) -> Timestamp {
        match quiet {
            Quiet::Now => now,
            Quiet::Soon => later(now, SOON.min(self.policy.settle)),
            Quiet::Settled => later(now, self.policy.settle),
        }
    }

    /// What becomes of the message of a relay that was put back. The set of a part decides about the message of both. A
    /// message that is not kept in the queue is replaced by the one that reconcile sends when the relay is due.
    pub(super) fn put_back(&self, back: Back) -> Disposition {
        match back {
            Back::For(wait) if self.policy.of_set => Disposition::Again(wait),
            Back::For(wait)
                if wait <= LONGEST_IN_FLIGHT && self.message.receives < MAX_RECEIVES =>
            {
                Disposition::Again(wait)
            }
            Back::For(_) | Back::Left(_) => Disposition::Acknowledge,
        }
    }

    /// The time until `moment`, at least a second and at most as long as a relay waits for its next attempt.
    pub(super) fn wait_for(&self, moment: Timestamp, now: Timestamp) -> Duration {
        limited(until(moment, now))
    }

    /// How long a delivery waits that did not get to work on the relay: by the receives of its message.
    pub(super) fn backoff(&self) -> Duration {
        backoff(self.message.receives, self.seed)
    }
}
