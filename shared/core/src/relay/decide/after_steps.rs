//! B exists: what is left are the after-steps.

use jiff::Timestamp;

use super::{
    Attempt, Disposition, Failure, Worker,
    put::{Then, Writing},
};
use crate::{
    id::InstanceId,
    relay::{Reason, State},
};

/// [`Step::AfterSteps`](super::Step::AfterSteps): do the after-steps on A.
///
/// They need no claim: they may be done twice, and the first worker to finish writes the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AfterSteps {
    pub(super) worker: Worker,
}

impl AfterSteps {
    /// Takes in by `now` that they are done, or why one failed.
    #[must_use]
    pub fn outcome(self, outcome: Result<(), Failure>, now: Timestamp) -> Attempt {
        let worker = self.worker;
        // What B lacks for good stays on record; the failure of an after-step passes.
        let keeps_reason = worker.record.reason == Some(Reason::Incomplete);
        let writing = match outcome {
            Ok(()) => worker.write(now, Then::End(Disposition::Acknowledge), |record| {
                record.state = State::Done;
                if !keeps_reason {
                    record.reason = None;
                    record.detail = None;
                }
            }),
            // It fails no relay: it is tried again, in the end by reconcile.
            Err(failure) => {
                let back = worker.again_or_leave(failure.after, now);
                worker.write(now, Then::Back(back), |record| {
                    if !keeps_reason {
                        record.note(failure);
                    }
                })
            }
        };
        writing.into()
    }
}

impl Worker {
    /// B exists, or the B of every relay of the set (`b` is `None`): the relay is done, or its after-steps are next.
    pub(super) fn complete(self, b: Option<InstanceId>, now: Timestamp) -> Writing {
        let (state, then) = if self.delivery.policy.after_steps {
            (State::Created, Then::AfterSteps)
        } else {
            (State::Done, Then::End(Disposition::Acknowledge))
        };
        self.write(now, then, |record| {
            record.state = state;
            record.instance = b;
            record.sent = None;
        })
    }
}
