//! Writing to the ledger: what is written, when reconcile looks after the relay, and what the ledger's answer means.

use jiff::Timestamp;

use super::{
    AfterSteps, Attempt, Delivery, Disposition, End, Phase, Read, Worker,
    patience::{LONGEST_PATIENCE, LOST, SHORTEST_PATIENCE, later, until},
};
use crate::relay::{Record, State};

/// [`Step::Claim`](super::Step::Claim) or [`Step::Record`](super::Step::Record): write `record` if the ledger still has
/// revision `replaces`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Put {
    /// What to write.
    pub record: Box<Record>,
    /// The revision that it replaces; `None` if the ledger must have no record.
    pub replaces: Option<u64>,
    /// When reconcile is to look after the relay, because none of its messages can be on its way any more.
    /// `None` for a relay that is done or failed.
    pub due: Option<Timestamp>,
    writer: Writer,
    then: Then,
}

/// What came of a [`Put`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PutOutcome {
    /// The record was written.
    Written,
    /// The ledger has another revision: this record, or none.
    Conflict(Option<Box<Record>>),
    /// The ledger did not answer. The record may have been written.
    Unknown,
}

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Writer {
    Unclaimed(Delivery),
    Claimed(Worker),
}

/// What follows when a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Then {
    Read,
    AfterSteps,
    End(Disposition),
}

/// A worker's next record, before it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    pub(super) worker: Worker,
    record: Box<Record>,
    then: Then,
}

impl From<Writing> for Attempt {
    fn from(writing: Writing) -> Self {
        Self(Phase::Record(writing))
    }
}

impl Worker {
    /// Gives the claim back, and writes the record with this `change`.
    pub(super) fn write(
        self,
        now: Timestamp,
        then: Then,
        change: impl FnOnce(&mut Record),
    ) -> Writing {
        let mut record = self.delivery.successor(&self.record, now);
        record.lease_until = record.lease_until.min(now);
        change(&mut record);
        Writing {
            worker: self,
            record: Box::new(record),
            then,
        }
    }
}

impl Writing {
    pub(super) fn put(self) -> Put {
        Put {
            due: due(&self.record, self.then),
            replaces: Some(self.worker.record.rev),
            record: self.record,
            writer: Writer::Claimed(self.worker),
            then: self.then,
        }
    }
}

impl Put {
    /// A write by a delivery that has no claim.
    pub(super) fn without_claim(
        delivery: Delivery,
        record: Record,
        replaces: Option<u64>,
        then: Then,
    ) -> Self {
        Self {
            due: due(&record, then),
            record: Box::new(record),
            replaces,
            writer: Writer::Unclaimed(delivery),
            then,
        }
    }

    /// Takes in what came of it.
    #[must_use]
    pub fn outcome(self, outcome: PutOutcome) -> Attempt {
        match (outcome, self.writer) {
            (PutOutcome::Written, Writer::Unclaimed(delivery)) => {
                self.then.follow(Worker::new(delivery, self.record))
            }
            (PutOutcome::Written, Writer::Claimed(worker)) => self.then.follow(Worker {
                record: self.record,
                ..worker
            }),
            (PutOutcome::Conflict(Some(seen)), Writer::Unclaimed(delivery)) => {
                delivery.look_again(seen)
            }
            (PutOutcome::Conflict(Some(seen)), Writer::Claimed(worker)) => worker.lose_to(&seen),
            (PutOutcome::Conflict(None) | PutOutcome::Unknown, Writer::Unclaimed(delivery)) => {
                End::without_claim(Disposition::Again(delivery.backoff()), None).into()
            }
            (PutOutcome::Conflict(None) | PutOutcome::Unknown, Writer::Claimed(worker)) => {
                let again = Disposition::Again(worker.delivery.backoff());
                worker.end(again).into()
            }
        }
    }
}

impl Then {
    fn follow(self, worker: Worker) -> Attempt {
        match self {
            Self::Read => Attempt(Phase::Read(Read { worker })),
            Self::AfterSteps => Attempt(Phase::AfterSteps(AfterSteps { worker })),
            Self::End(disposition) => worker.end(disposition).into(),
        }
    }
}

impl Worker {
    /// Another worker wrote over the claim.
    fn lose_to(mut self, seen: &Record) -> Attempt {
        self.delivery.conflicts += 1;
        let disposition = self.delivery.after_conflict(seen);
        self.end(disposition).into()
    }
}

impl Delivery {
    /// What becomes of the message when another worker has written this record.
    pub(super) fn after_conflict(&self, seen: &Record) -> Disposition {
        match seen.state {
            State::Done => Disposition::Acknowledge,
            State::Told | State::Claimed | State::Waiting | State::Created | State::Failed => {
                Disposition::Again(self.backoff())
            }
        }
    }
}

/// When reconcile is to look after the relay of this record.
fn due(record: &Record, then: Then) -> Option<Timestamp> {
    if matches!(record.state, State::Done | State::Failed) {
        return None;
    }
    Some(match then {
        Then::Read | Then::AfterSteps => later(record.lease_until, LOST),
        Then::End(Disposition::Again(wait)) => later(later(record.updated, wait), LOST),
        Then::End(Disposition::Acknowledge) if record.not_before > Some(record.updated) => {
            return record.not_before;
        }
        Then::End(Disposition::Acknowledge | Disposition::GiveUp) => {
            let age = until(record.updated, record.first);
            let patience = (age / 4).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
            later(record.updated, patience)
        }
    })
}
