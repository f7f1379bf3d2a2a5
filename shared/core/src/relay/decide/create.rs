//! Creating B: the one request, and what its answer says.

use jiff::Timestamp;

use super::{Attempt, Failure, IfNone, Phase, Quiet, Verify, Worker};
use crate::{
    id::InstanceId,
    relay::{Record, Sent},
};

/// [`Step::Create`](super::Step::Create): send the request that creates B.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Create {
    pub(super) worker: Worker,
    /// When it was decided that B is to be created: the request is sent then or later.
    pub(super) since: Timestamp,
}

/// What came of [`Create`].
///
/// No answer but 201 says what exists: app-lib passes Storage's statuses on after the instance
/// was created (measured: tests/recorded/older, `create-storage-*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CreateOutcome {
    /// 201: B exists, and its app says that it is complete.
    Created(InstanceId),
    /// The request was not sent: there was no connection, no token, or no time.
    NotSent(Failure),
    /// Any other answer, or none.
    Unclear(Reply),
}

/// An answer that does not say what exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// What B answered.
    pub failure: Failure,
    /// B refused the draft by its own check of parts, owner or form, and would refuse it again.
    pub refused: bool,
    /// app-lib gives this answer only before it creates anything.
    pub nothing_made: bool,
    /// When B's app and Storage have stopped processing the request.
    pub quiet: Quiet,
    /// The instance that the answer names.
    pub instance: Option<InstanceId>,
}

impl Create {
    /// The claim under which B is created.
    #[must_use]
    pub fn claim(&self) -> &Record {
        &self.worker.record
    }

    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: CreateOutcome, now: Timestamp) -> Attempt {
        let Self { worker, since } = self;
        match outcome {
            CreateOutcome::Created(id) => Verify::of(worker, id, since),
            CreateOutcome::NotSent(failure) => worker.retry(failure, now).into(),
            CreateOutcome::Unclear(reply) => worker.search_for_created(reply, since, now),
        }
    }
}

impl Worker {
    /// A request that left between `since` and `now` may have created B: a search shows it, when B is quiet.
    fn search_for_created(mut self, reply: Reply, since: Timestamp, now: Timestamp) -> Attempt {
        let stamped_late = self.delivery.policy.stamped_late;
        if reply.nothing_made && stamped_late {
            // A search could not show more than this answer does.
            let writing = if reply.refused {
                self.fail(reply.failure, now)
            } else {
                self.retry(reply.failure, now)
            };
            return writing.into();
        }
        let quiet = match reply.quiet {
            // A workflow engine may store the form, and with it the stamp, long after the app's own 5xx.
            Quiet::Soon if stamped_late => Quiet::Settled,
            quiet => quiet,
        };
        let sent = Sent {
            from: since,
            ended: now,
            quiet: self.delivery.quiet_at(quiet, now),
        };
        self.record.sent = Some(sent);
        self.record.instance = reply.instance;
        if quiet != Quiet::Now {
            return self.wait_for_quiet(&sent, reply.failure.detail, now).into();
        }
        let if_none = if reply.refused {
            IfNone::Fail(reply.failure)
        } else {
            IfNone::Retry(reply.failure)
        };
        Attempt(Phase::Search(self, if_none))
    }
}
