//! The words of the relay's protocol: the steps that an attempt can take, and what can come of each.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::{
    id::InstanceId,
    relay::{Reason, Record, State},
};

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the record, if the ledger still has revision `replaces` (`None`: has none at all).
    Put {
        /// What to write.
        record: Box<Record>,
        /// The revision that it replaces.
        replaces: Option<u64>,
        /// When reconcile is to look after the relay, because no message of it can be on its way any more.
        /// `None` for a relay that is finished or failed.
        due: Option<Timestamp>,
    },
    /// Read A, check the gate, transform, check the draft.
    Read,
    /// Search Storage for B instances with this relay's stamp that were created in this window, both ends included.
    Search {
        /// No B of an open request is older.
        from: Timestamp,
        /// No B of an open request is younger.
        until: Timestamp,
        /// B is quiet already when the search begins, so that "none" and "half-made" are final. What it finds
        /// complete is adopted in any case.
        conclusive: bool,
    },
    /// Send the one request that makes B. It must end before the lease does.
    Create,
    /// Read the B on record from Storage, to see whether it is still there.
    Look(InstanceId),
    /// Add the form to a half-made B that has none.
    AddForm(InstanceId),
    /// Delete a half-made B for good.
    Delete(InstanceId),
    /// Add to a half-made B what it lacks.
    Finish(InstanceId),
    /// Have B's workflow engine go on with a task that it has stopped at.
    Resume(InstanceId),
    /// Do the after-steps on A.
    AfterSteps,
    /// Stop.
    End(Verdict),
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Delete it: what became of the relay is on record.
    Acknowledge,
    /// Put it back for so long.
    Again(Duration),
    /// Put it back at once, until its receives are used up and SQS moves it to the dead-letter queue.
    GiveUp,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// [`Step::Put`]: written.
    Written,
    /// [`Step::Put`]: the ledger has another revision; this is it, if there is one.
    Conflict(Option<Box<Record>>),
    /// [`Step::Put`]: the ledger did not answer; it may or may not have written.
    Unwritten,
    /// [`Step::Read`]: the draft is ready.
    Ready {
        /// When the gate opened.
        since: Timestamp,
    },
    /// [`Step::Read`]: not yet.
    NotYet(Problem),
    /// [`Step::Read`]: there will be no draft.
    Hopeless(Problem),
    /// [`Step::Read`] of a route with `each`: what became of the relays that it consists of.
    Parts(Parts),
    /// [`Step::Search`]: what has the stamp.
    Found(Vec<Found>),
    /// [`Step::Create`]: what B answered.
    Answered(Answer),
    /// [`Step::Look`]: whether the B on record is there, and not deleted.
    Looked {
        /// It is there.
        alive: bool,
    },
    /// [`Step::AddForm`], [`Step::Delete`], [`Step::Finish`], [`Step::Resume`], [`Step::AfterSteps`]: done.
    Worked,
    /// [`Step::Finish`]: all is added that can be. B will never have these, the start of its process aside.
    Left(Lacks),
    /// [`Step::AddForm`], [`Step::Delete`], [`Step::Finish`]: it cannot be done, now or later.
    Denied,
    /// [`Step::AddForm`]: B refuses the form itself.
    Refused(Problem),
    /// [`Step::AddForm`], [`Step::Delete`], [`Step::Finish`], [`Step::Resume`]: no answer that settles it. The
    /// request may have had its effect, or have it until B is quiet.
    Unclear(Problem, Quiet),
    /// [`Step::Read`], [`Step::Search`], [`Step::Look`], [`Step::AfterSteps`]: somebody did not answer, or said to
    /// come later.
    Trouble(Problem),
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Its code.
    pub reason: Reason,
    /// More on it, without personal data.
    pub detail: Option<String>,
    /// How long to wait, if somebody said so.
    pub after: Option<Duration>,
}

impl Problem {
    /// A problem without more.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            after: None,
        }
    }

    /// The same, with a detail.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// The same, with a time to wait.
    #[must_use]
    pub fn after(self, after: Option<Duration>) -> Self {
        Self { after, ..self }
    }
}

/// What became of the relays of a route's `each`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Parts {
    /// All are finished.
    Done,
    /// At least one waits, and is left to reconcile; none is worked on.
    Waiting(Problem),
    /// At least one is to be tried again.
    Open(Problem),
    /// At least one has failed for good; none is to be tried again.
    Failed(Problem),
}

impl Parts {
    /// Sums up the verdicts on all parts, each with the state that its record is in.
    pub fn sum(parts: impl IntoIterator<Item = (Verdict, Option<State>)>) -> Self {
        let (mut again, mut failed, mut waiting): (Option<Duration>, u32, u32) = (None, 0, 0);
        for (verdict, state) in parts {
            match verdict {
                Verdict::Again(wait) => {
                    again = Some(again.map_or(wait, |shortest| shortest.min(wait)));
                }
                Verdict::GiveUp => failed += 1,
                Verdict::Acknowledge => {
                    waiting += u32::from(matches!(state, Some(State::Waiting | State::Created)));
                }
            }
        }
        let open = Problem::new(Reason::PartsOpen);
        if again.is_some() {
            Self::Open(open.after(again))
        } else if failed > 0 {
            Self::Failed(Problem::new(Reason::PartsFailed).because(format!("{failed} failed")))
        } else if waiting > 0 {
            Self::Waiting(open.because(format!("{waiting} wait")))
        } else {
            Self::Done
        }
    }
}

/// A B instance that has the stamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// Its id.
    pub id: InstanceId,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// It was deleted for good.
    pub gone: bool,
    /// Its process has ended.
    pub ended: bool,
    /// Somebody else than us has changed it.
    pub touched: bool,
    /// Where its workflow engine stands.
    pub engine: Engine,
    /// What it lacks of a B that was made without a fault.
    pub lacks: Lacks,
}

impl Found {
    /// It is as B is when nothing went wrong.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lacks.is_nothing() && self.engine == Engine::Idle
    }
}

/// Where the workflow engine of an app stands. Apps before version 9 have none, and count as idle
/// (measured: `workflow.status` in the process of tests/recorded/v9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// It has nothing to do.
    #[default]
    Idle,
    /// It is at work, for up to a day.
    Working,
    /// It has stopped at a task, and goes on when it is told to.
    Stopped,
}

/// What a half-made B lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Lacks {
    /// The form.
    pub form: bool,
    /// So many attachments.
    pub attachments: usize,
    /// Presentation texts or data values that its app copies from the form.
    pub copies: bool,
    /// The start of its process: its history is empty, and its app's start hooks never ran.
    pub start: bool,
}

impl Lacks {
    /// It lacks nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.form {
            parts.push("its form".to_owned());
        }
        match self.attachments {
            0 => {}
            1 => parts.push("an attachment".to_owned()),
            more => parts.push(format!("{more} attachments")),
        }
        if self.copies {
            parts.push("presentation texts or data values".to_owned());
        }
        if self.start {
            parts.push(
                "the start of its process (start hooks, further forms and the created event)"
                    .to_owned(),
            );
        }
        f.write_str(&parts.join(", "))
    }
}

/// What came of the request that makes B.
///
/// No answer but 201 says what exists: app-lib passes Storage's statuses on after the instance
/// was made (measured: tests/recorded/older, `create-storage-*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 201: B exists, and its app says that it is complete.
    Created(InstanceId),
    /// The request never left: there was no connection, no token, or no time.
    NotSent(Problem),
    /// Any other answer, or none.
    Unclear(Reply),
}

/// An answer that does not say what exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// What B said.
    pub problem: Problem,
    /// B refused the draft by its own check of parts, owner or form: it would refuse it again.
    pub refused: bool,
    /// The answer is one that app-lib gives only before it makes anything.
    pub nothing_made: bool,
    /// When B's app and Storage have ended their work on the request.
    pub quiet: Quiet,
    /// The instance that the answer names.
    pub instance: Option<InstanceId>,
}

/// When nothing of a request can still be at work in B's app or in Storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quiet {
    /// Now: the app itself has answered with a 4xx.
    Now,
    /// In a minute: the app itself has answered with a 5xx before any of its calls to Storage can have timed out.
    Soon,
    /// After the settling time: nobody answered, or a gateway did, or the app did so late.
    Settled,
}
