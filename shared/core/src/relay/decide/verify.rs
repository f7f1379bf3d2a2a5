//! B exists: whether its form holds what the draft says.

use jiff::Timestamp;

use super::{Attempt, Failure, Phase, Worker};
use crate::{id::InstanceId, relay::Sent};

/// [`Step::Verify`](super::Step::Verify): read B's form, and compare it with the draft. The caller may pass B unread: it
/// decides which B are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verify {
    /// Which B.
    pub id: InstanceId,
    /// B was found, not created by this attempt.
    pub adopted: bool,
    pub(super) worker: Worker,
    /// When the request that created B was sent, or later.
    pub(super) since: Timestamp,
}

/// What came of [`Verify`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VerifyOutcome {
    /// B has a value in every field that was sent with one, or was not looked at.
    Passed,
    /// B lacks fields.
    Lacking(Failure),
}

impl Verify {
    pub(super) fn of(worker: Worker, id: InstanceId, since: Timestamp) -> Attempt {
        Attempt(Phase::Verify(Self {
            id,
            adopted: worker.adopted,
            worker,
            since,
        }))
    }

    /// Takes in what came of it by `now`.
    ///
    /// A B that lacks fields fails the relay. The request stays on record, so that a redriven relay searches first: it
    /// finds this B and compares again, or creates another one after this one was deleted.
    #[must_use]
    pub fn outcome(self, outcome: VerifyOutcome, now: Timestamp) -> Attempt {
        let Self {
            id,
            mut worker,
            since,
            ..
        } = self;
        match outcome {
            VerifyOutcome::Passed => worker.complete(Some(id), now).into(),
            VerifyOutcome::Lacking(failure) => {
                // B's app has answered, or a search that was conclusive has found B: both are done with the request.
                worker.record.sent.get_or_insert(Sent {
                    from: since,
                    ended: now,
                    quiet: now,
                });
                worker.record.instance = Some(id);
                worker.fail(failure, now).into()
            }
        }
    }
}
