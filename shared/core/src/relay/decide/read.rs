//! Reading A: whether there is a draft, and for a route with `each` what became of the relays of the set.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Attempt, Create, Disposition, Failure, IfNone, Phase, Worker,
    disposition::{Back, limited},
};
use crate::relay::{Reason, Record, State};

/// [`Step::Read`](super::Step::Read): read A and prepare the draft.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Read {
    pub(super) worker: Worker,
}

/// What came of [`Read`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReadOutcome {
    /// The draft is ready.
    Ready {
        /// When the gate opened.
        since: Timestamp,
    },
    /// There is no draft.
    NotReady(NotReady),
    /// The route has an `each`: what became of the relays of the set.
    Set(SetOutcome),
}

/// Why there is no draft.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NotReady {
    /// There is none yet.
    NotYet(Failure),
    /// There will be none unless the route or A's data changes.
    Never(Failure),
    /// A or B's metadata could not be read.
    Unavailable(Failure),
    /// The relay must wait for the rebuild of the ledger ([`Read::must_wait`]).
    Rebuilding,
}

/// What became of the relays of a route's `each`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetOutcome {
    /// All are done.
    Done,
    /// None is to be tried again soon and none has failed, but at least one is left to reconcile.
    Waiting(Failure),
    /// At least one is to be tried again.
    Open(Failure),
    /// At least one has failed; none is to be tried again.
    Failed(Failure),
}

impl SetOutcome {
    /// Sums up how the relays ended: what becomes of the message, and the state on record.
    pub fn sum(ends: impl IntoIterator<Item = (Disposition, Option<State>)>) -> Self {
        let (mut again, mut failed, mut waiting): (Option<Duration>, u32, u32) = (None, 0, 0);
        for (disposition, state) in ends {
            match disposition {
                Disposition::Again(wait) => {
                    again = Some(again.map_or(wait, |shortest| shortest.min(wait)));
                }
                Disposition::GiveUp => failed += 1,
                Disposition::Acknowledge => {
                    waiting += u32::from(matches!(
                        state,
                        Some(State::Told | State::Waiting | State::Created)
                    ));
                }
            }
        }
        let open = Failure::new(Reason::PartsOpen);
        if again.is_some() {
            Self::Open(open.after(again))
        } else if failed > 0 {
            Self::Failed(Failure::new(Reason::PartsFailed).because(format!("{failed} failed")))
        } else if waiting > 0 {
            Self::Waiting(open.because(format!("{waiting} wait")))
        } else {
            Self::Done
        }
    }
}

impl Read {
    /// The claim under which A is read.
    #[must_use]
    pub fn claim(&self) -> &Record {
        &self.worker.record
    }

    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: ReadOutcome, now: Timestamp) -> Attempt {
        let mut worker = self.worker;
        let still_waits = matches!(
            outcome,
            ReadOutcome::NotReady(NotReady::NotYet(_)) | ReadOutcome::Set(_)
        );
        if worker.waited && !still_waits {
            worker.record.attempts = 1;
        }
        match outcome {
            ReadOutcome::Ready { since } => worker.begin(since, now),
            ReadOutcome::NotReady(NotReady::NotYet(failure)) => worker.wait(failure, now).into(),
            ReadOutcome::NotReady(NotReady::Never(failure)) => worker.fail(failure, now).into(),
            ReadOutcome::NotReady(NotReady::Unavailable(failure)) => {
                worker.retry(failure, now).into()
            }
            ReadOutcome::NotReady(NotReady::Rebuilding) => worker.wait_for_rebuild(now).into(),
            ReadOutcome::Set(set) => worker.conclude_set(set, now),
        }
    }
}

impl Worker {
    /// The draft is ready: B is created, unless there may be one already.
    fn begin(mut self, since: Timestamp, now: Timestamp) -> Attempt {
        self.forgotten_since = self.unrecorded_since(since, now);
        if self.record.sent.is_some() || self.forgotten_since.is_some() {
            Attempt(Phase::Search(self, IfNone::Create))
        } else {
            Attempt(Phase::Create(Create {
                worker: self,
                since: now,
            }))
        }
    }

    /// The relays of a route's `each` have been worked on, each under its own claim.
    fn conclude_set(mut self, set: SetOutcome, now: Timestamp) -> Attempt {
        // The relay of the whole set sends no request itself.
        self.record.sent = None;
        let writing = match set {
            SetOutcome::Done => self.complete(None, now),
            SetOutcome::Waiting(failure) => {
                let left = self.leave(now);
                self.give_back(failure, left, now)
            }
            // Each of the relays has its own patience and its own backoff.
            SetOutcome::Open(failure) => {
                let wait = limited(failure.after.unwrap_or_default());
                self.give_back(failure, Back::For(wait), now)
            }
            SetOutcome::Failed(failure) => self.fail(failure, now),
        };
        writing.into()
    }
}
