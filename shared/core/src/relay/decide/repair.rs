//! Repairing a half-made B: adding what it lacks, or deleting it.

use jiff::Timestamp;

use super::{Attempt, Engine, Failure, Found, IfNone, Lacks, Phase, Quiet, Worker};
use crate::{id::InstanceId, relay::Reason};

/// [`Step::AddForm`](super::Step::AddForm): add the forms that B lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddForm {
    /// The half-made B, as the last search found it.
    pub half: Found,
    pub(super) worker: Worker,
    if_none: IfNone,
}

/// What came of [`AddForm`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddFormOutcome {
    /// B has all forms.
    Added,
    /// A form cannot be added on its own.
    Denied,
    /// B refuses a form, and would refuse it again.
    Refused(Failure),
    /// The request may have had its effect, or may have it until B is quiet.
    Unclear(Failure, Quiet),
}

/// [`Step::Delete`](super::Step::Delete): delete B permanently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delete {
    /// The half-made B, as the last search found it.
    pub half: Found,
    pub(super) worker: Worker,
    if_none: IfNone,
}

/// What came of [`Delete`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeleteOutcome {
    /// B is deleted.
    Deleted,
    /// We may not delete it.
    Denied,
    /// The request may have had its effect, or may have it until B is quiet.
    Unclear(Failure, Quiet),
}

/// [`Step::Finish`](super::Step::Finish): add what B lacks, except its forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finish {
    /// The half-made B, as the last search found it; `lacks.form` is cleared if its forms were added since.
    pub half: Found,
    pub(super) worker: Worker,
}

/// What came of [`Finish`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FinishOutcome {
    /// All that can be added was added. B will never have what is in `missing`; the start of its process, which cannot
    /// be made up for, need not be in it.
    Finished {
        /// What cannot be added.
        missing: Lacks,
    },
    /// Nothing can be added, now or later.
    Denied,
    /// The request may have had its effect, or may have it until B is quiet.
    Unclear(Failure, Quiet),
}

/// [`Step::Resume`](super::Step::Resume): tell B's workflow engine to continue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resume {
    /// Which B.
    pub id: InstanceId,
    pub(super) worker: Worker,
    if_none: IfNone,
}

/// What came of [`Resume`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResumeOutcome {
    /// The engine continues.
    Resumed,
    /// The request may have had its effect, or may have it until B is quiet.
    Unclear(Failure, Quiet),
}

impl Worker {
    /// B is quiet, and a half-made B was found.
    pub(super) fn repair(mut self, half: Found, if_none: IfNone, now: Timestamp) -> Attempt {
        match (half.engine, if_none) {
            (Engine::Stopped, if_none) if !self.resumed => {
                self.resumed = true;
                Attempt(Phase::Resume(Resume {
                    id: half.id,
                    worker: self,
                    if_none,
                }))
            }
            (Engine::Stopped, _) => self.wait_for_engine("has stopped again at", half.id, now),
            (Engine::Working, _) => self.wait_for_engine("is still at work on", half.id, now),
            (Engine::Idle, IfNone::Fail(failure)) => self.clear_away(half, failure, now),
            (Engine::Idle, if_none) if half.lacks.form && !half.ended => {
                Attempt(Phase::AddForm(AddForm {
                    half,
                    worker: self,
                    if_none,
                }))
            }
            (Engine::Idle, if_none) => self.restart_or_finish(half, if_none),
        }
    }

    fn wait_for_engine(self, what: &str, id: InstanceId, now: Timestamp) -> Attempt {
        let failure = Failure::new(Reason::OutcomeUnknown)
            .because(format!("B's workflow engine {what} instance {id}"));
        self.retry(failure, now).into()
    }

    /// B refuses the draft: what its app left behind is deleted, unless somebody has worked on it.
    fn clear_away(self, half: Found, failure: Failure, now: Timestamp) -> Attempt {
        if half.touched || half.ended {
            return self.leave_orphan(failure, now).into();
        }
        Attempt(Phase::Delete(Delete {
            half,
            worker: self,
            if_none: IfNone::Fail(failure),
        }))
    }

    /// The forms are there, or cannot be added. A B whose process never started can never be complete: it is deleted, so
    /// that another can be created, unless somebody has worked on it.
    fn restart_or_finish(self, half: Found, if_none: IfNone) -> Attempt {
        if half.lacks.start && !half.touched && !half.ended {
            Attempt(Phase::Delete(Delete {
                half,
                worker: self,
                if_none,
            }))
        } else {
            Attempt(Phase::Finish(Finish { half, worker: self }))
        }
    }

    /// B has all that can be added, and will never have what it `lacks`.
    fn adopt_incomplete(mut self, id: InstanceId, lacks: &Lacks, now: Timestamp) -> Attempt {
        self.adopted = true;
        if !lacks.is_nothing() {
            let failure = Failure::new(Reason::Incomplete).because(format!("B lacks {lacks}"));
            self.record.note(failure);
        }
        self.complete(Some(id), now).into()
    }
}

impl AddForm {
    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: AddFormOutcome, now: Timestamp) -> Attempt {
        let Self {
            mut half,
            worker,
            if_none,
        } = self;
        match outcome {
            AddFormOutcome::Added => {
                half.lacks.form = false;
                worker.restart_or_finish(half, if_none)
            }
            AddFormOutcome::Denied => worker.restart_or_finish(half, if_none),
            AddFormOutcome::Refused(failure) => worker.clear_away(half, failure, now),
            AddFormOutcome::Unclear(failure, quiet) => {
                worker.search_when_quiet(failure, quiet, now).into()
            }
        }
    }
}

impl Delete {
    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: DeleteOutcome, now: Timestamp) -> Attempt {
        let Self {
            half,
            worker,
            if_none,
        } = self;
        match (outcome, if_none) {
            (DeleteOutcome::Deleted, if_none) => Attempt(Phase::Search(worker, if_none)),
            (DeleteOutcome::Denied, IfNone::Fail(failure)) => {
                worker.leave_orphan(failure, now).into()
            }
            (DeleteOutcome::Denied, IfNone::Create | IfNone::Retry(_)) => {
                Attempt(Phase::Finish(Finish { half, worker }))
            }
            (DeleteOutcome::Unclear(failure, quiet), _) => {
                worker.search_when_quiet(failure, quiet, now).into()
            }
        }
    }
}

impl Finish {
    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: FinishOutcome, now: Timestamp) -> Attempt {
        let Self { half, worker } = self;
        match outcome {
            FinishOutcome::Finished { missing } => {
                // No process can be started afterwards (measured: `process/start` answers 409).
                let start = half.lacks.start;
                worker.adopt_incomplete(half.id, &Lacks { start, ..missing }, now)
            }
            FinishOutcome::Denied if half.lacks.form => worker
                .leave_orphan(Failure::new(Reason::OrphanLeft), now)
                .into(),
            FinishOutcome::Denied => worker.adopt_incomplete(half.id, &half.lacks, now),
            FinishOutcome::Unclear(failure, quiet) => {
                worker.search_when_quiet(failure, quiet, now).into()
            }
        }
    }
}

impl Resume {
    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: ResumeOutcome, now: Timestamp) -> Attempt {
        let Self {
            worker, if_none, ..
        } = self;
        match outcome {
            ResumeOutcome::Resumed => Attempt(Phase::Search(worker, if_none)),
            ResumeOutcome::Unclear(failure, quiet) => {
                worker.search_when_quiet(failure, quiet, now).into()
            }
        }
    }
}
