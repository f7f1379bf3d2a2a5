//! Decides what happens next with a relay.
//!
//! An [`Attempt`] is one delivery's work on one relay. [`Attempt::next`] names the [`Step`] to take. The caller takes it
//! and hands the outcome back to the step, which returns the attempt:
//!
//! ```text
//! record in the ledger ─► Attempt ─next─► Step ─outcome─► Attempt ─next─► … ─► End with a Disposition
//! ```
//!
//! Every step has its own type of outcome. This compiles:
//!
//! ```
//! # use jiff::Timestamp;
//! # use stafett_core::{id::InstanceId, relay::decide::{Attempt, Create, CreateOutcome}};
//! fn created(create: Create, b: InstanceId, now: Timestamp) -> Attempt {
//!     create.outcome(CreateOutcome::Created(b), now)
//! }
//! ```
//!
//! The outcome of another step does not:
//!
//! ```compile_fail
//! # use jiff::Timestamp;
//! # use stafett_core::{id::InstanceId, relay::decide::{Attempt, Create, LookOutcome}};
//! fn created(create: Create, b: InstanceId, now: Timestamp) -> Attempt {
//!     create.outcome(LookOutcome::Alive, now)
//! }
//! ```
//!
//! Nothing else decides anything. This module does no I/O and has no clock: the caller passes the time.
//!
//! Three rules keep B single, whatever crashes:
//!
//! * Every write to the ledger names the revision that it replaces. Of two workers that write over the same
//!   revision, one succeeds and the other learns that it lost.
//! * After a request that creates B has been sent, only a search for the stamp shows what it created. The record
//!   keeps the request as [`Sent`](super::Sent) until a search has settled it, and an expired claim counts as a request
//!   that was sent. Until then no other request is sent.
//! * A search may adopt a complete B at any time. It concludes that there is no B, or that a half-made B stays
//!   half-made, only when B is quiet: when neither B's app nor Storage can still be processing the request. A B that
//!   was adopted earlier is looked at again when B is quiet.

use std::time::Duration;

use jiff::Timestamp;

use super::{Holder, Record};
use crate::id::AppId;

mod after_steps;
mod birth;
mod breaker;
mod create;
mod disposition;
mod failure;
mod first;
mod found;
mod patience;
mod put;
mod read;
mod rebuild;
mod repair;
mod search;
mod verify;

pub use after_steps::AfterSteps;
pub use birth::{BIRTH_REMEMBERED, Birth};
pub use create::{Create, CreateOutcome, Reply};
pub use disposition::{Disposition, End};
pub use failure::{Failure, Quiet};
pub use first::{Look, LookOutcome};
pub use found::{Engine, Found, Lacks};
pub use patience::{
    LONGEST_IN_FLIGHT, MAX_ATTEMPTS, MAX_RECEIVES, MISSING_ATTEMPTS, TOLD_FOR, UNKNOWN_ATTEMPTS,
    WAITING_ATTEMPTS, backoff,
};
use put::Writing;
pub use put::{Put, PutOutcome};
pub use read::{NotReady, Read, ReadOutcome, SetOutcome};
pub use rebuild::{OnRecord, Rebuild, Standing};
pub use repair::{
    AddForm, AddFormOutcome, Delete, DeleteOutcome, Finish, FinishOutcome, Resume, ResumeOutcome,
};
pub use search::{Search, SearchOutcome};
pub use verify::{Verify, VerifyOutcome};

/// The settings that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long a claim lasts.
    pub lease: Duration,
    /// How long B's app and Storage may go on processing a request after its sender has stopped waiting.
    pub settle: Duration,
    /// How long the ledger keeps a relay. An A instance that was ready before that may have been relayed already.
    pub memory: Duration,
    /// The birth of the ledger. `None` if no other one came before it.
    pub birth: Option<Birth>,
    /// Whether the route has after-steps.
    pub after_steps: bool,
    /// Whether B carries its stamp only after its form is stored (`mode: prefill`). A search that finds no B then proves
    /// nothing, so a request whose outcome is unknown is never sent again.
    pub stamped_late: bool,
    /// Whether the relay is one of a set. It has no message and no due time of its own: the relay of the set has them, and
    /// waits for the relay that is to be tried next.
    pub of_set: bool,
    /// No request is sent that creates a B before this moment, because B's breaker is open or the relay's turn has not
    /// come.
    pub quiet_until: Option<Timestamp>,
}

/// A delivery of the relay's message, as SQS tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// How often the message has been received, this time included. It also counts receives that no worker saw.
    pub receives: u32,
    /// When the message was sent (Amazon SQS API Reference, ReceiveMessage: `SentTimestamp`). A message that is moved out
    /// of the dead-letter queue counts as sent then.
    pub sent_at: Option<Timestamp>,
    /// An operator sent it again.
    pub redriven: bool,
}

impl Message {
    /// Whether it was sent after this record was written. Without its time of sending, whether it comes for the first
    /// time.
    fn is_newer_than(&self, record: &Record) -> bool {
        self.sent_at
            .map_or(self.receives == 1, |sent_at| sent_at > record.updated)
    }
}

/// The next thing to do. Each step carries the attempt, and returns it for an outcome of that step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Claim the relay: write this record.
    Claim(Put),
    /// Write what became of the relay: this record.
    Record(Put),
    /// Read A, check the gate, transform, check the draft.
    Read(Read),
    /// Search for B instances with this relay's stamp.
    Search(Search),
    /// Send the one request that creates B. It must end before the lease does.
    Create(Create),
    /// Compare the form of a complete B with the draft.
    Verify(Verify),
    /// Read the B on record from Storage, to see whether it still exists.
    Look(Look),
    /// Add the form to a half-made B that has none.
    AddForm(AddForm),
    /// Delete a half-made B permanently.
    Delete(Delete),
    /// Add to a half-made B what it lacks, except the form.
    Finish(Finish),
    /// Tell B's workflow engine to continue with a task that it has stopped at.
    Resume(Resume),
    /// Do the after-steps on A.
    AfterSteps(AfterSteps),
    /// Stop.
    End(End),
}

/// One delivery's work on one relay, between two steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt(Phase);

/// Where an attempt stands. Phases whose step depends on the time hold what the step is made of; the others hold the step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// The ledger has not been looked at.
    Start(Delivery),
    /// The ledger has this record, written by another attempt.
    Seen(Delivery, Box<Record>),
    /// The ledger has this record, written by another attempt, and the B that it names was deleted.
    Vanished(Delivery, Box<Record>),
    /// The relay is claimed, and A is to be read.
    Read(Read),
    /// The stamp is to be searched for.
    Search(Worker, IfNone),
    /// B is to be created.
    Create(Create),
    /// A complete B exists, and its form is to be compared with the draft.
    Verify(Verify),
    /// The form is to be added to a half-made B.
    AddForm(AddForm),
    /// A half-made B is to be deleted.
    Delete(Delete),
    /// A half-made B is to be completed.
    Finish(Finish),
    /// B's workflow engine is to continue.
    Resume(Resume),
    /// B exists, and the after-steps are to be done.
    AfterSteps(AfterSteps),
    /// What became of the relay is to be written.
    Record(Writing),
    /// The work is over.
    End(End),
}

/// One delivery of a relay's message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Delivery {
    policy: Policy,
    holder: Holder,
    /// App B in today's route.
    target: AppId,
    message: Message,
    /// Spreads the waiting times of different deliveries.
    seed: u64,
    /// How often the ledger had another revision than the one that a write was to replace.
    conflicts: u32,
}

/// A delivery that may write over the relay's record: it holds the claim, or B exists and no claim is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Worker {
    delivery: Delivery,
    /// The record in the ledger. What a search or an answer has shown since is in `sent` and `instance` already.
    record: Box<Record>,
    /// When A became ready, if it may have been relayed since without being on record.
    forgotten_since: Option<Timestamp>,
    /// More than one complete B was found.
    doubled: bool,
    /// B was found, not created by this attempt.
    adopted: bool,
    /// B's workflow engine was told to continue.
    resumed: bool,
    /// The relay has waited for A or for the relays of its set until now.
    waited: bool,
}

/// What follows when a conclusive search finds no B.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum IfNone {
    /// B is created.
    Create,
    /// The relay fails: B has refused this draft.
    Fail(Failure),
    /// The message comes again: B has just been asked, and gave another answer than a refusal.
    Retry(Failure),
}

impl Attempt {
    /// An attempt by `holder` to create a B of app `target`, for this delivery of a message.
    #[must_use]
    pub fn new(policy: Policy, holder: Holder, target: AppId, message: Message) -> Self {
        Self(Phase::Start(Delivery {
            policy,
            seed: holder.0.as_u64_pair().0,
            holder,
            target,
            message,
            conflicts: 0,
        }))
    }

    /// The step to take at `now`.
    #[must_use]
    pub fn next(self, now: Timestamp) -> Step {
        match self.0 {
            Phase::Start(delivery) => delivery.first_step(None, now),
            Phase::Seen(delivery, seen) => delivery.first_step(Some(seen), now),
            Phase::Vanished(delivery, seen) => delivery.claim_over(&seen, now),
            Phase::Read(read) => Step::Read(read),
            Phase::Search(worker, if_none) => Step::Search(Search::new(worker, if_none, now)),
            Phase::Create(create) if create.worker.has_time(now) => create.unless_quiet(now),
            Phase::AddForm(add) if add.worker.has_time(now) => Step::AddForm(add),
            Phase::Delete(delete) if delete.worker.has_time(now) => Step::Delete(delete),
            Phase::Finish(finish) if finish.worker.has_time(now) => Step::Finish(finish),
            Phase::Resume(resume) if resume.worker.has_time(now) => Step::Resume(resume),
            Phase::Create(Create { worker, .. })
            | Phase::AddForm(AddForm { worker, .. })
            | Phase::Delete(Delete { worker, .. })
            | Phase::Finish(Finish { worker, .. })
            | Phase::Resume(Resume { worker, .. }) => {
                Step::Record(worker.run_out_of_time(now).put())
            }
            Phase::Verify(verify) => Step::Verify(verify),
            Phase::AfterSteps(after_steps) => Step::AfterSteps(after_steps),
            Phase::Record(writing) => Step::Record(writing.put()),
            Phase::End(end) => Step::End(end),
        }
    }

    /// The record as this attempt last wrote or saw it.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.0 {
            Phase::Start(_) => None,
            Phase::Seen(_, seen) | Phase::Vanished(_, seen) => Some(seen),
            Phase::Read(Read { worker })
            | Phase::Search(worker, _)
            | Phase::Create(Create { worker, .. })
            | Phase::Verify(Verify { worker, .. })
            | Phase::AddForm(AddForm { worker, .. })
            | Phase::Delete(Delete { worker, .. })
            | Phase::Finish(Finish { worker, .. })
            | Phase::Resume(Resume { worker, .. })
            | Phase::AfterSteps(AfterSteps { worker })
            | Phase::Record(Writing { worker, .. }) => Some(&worker.record),
            Phase::End(end) => end.record.as_deref(),
        }
    }
}

impl Delivery {
    /// `seen`, to be written once more by this delivery.
    fn successor(&self, seen: &Record, now: Timestamp) -> Record {
        Record {
            rev: seen.rev.saturating_add(1),
            holder: self.holder,
            not_before: None,
            sent: birth::with_unseen(seen.sent, seen, &self.policy),
            updated: now,
            ..seen.clone()
        }
    }
}

impl Worker {
    fn new(delivery: Delivery, record: Box<Record>) -> Self {
        Self {
            delivery,
            record,
            forgotten_since: None,
            doubled: false,
            adopted: false,
            resumed: false,
            waited: false,
        }
    }

    /// Whether a tenth of the lease is left: the least that a request that creates or changes B must have.
    fn has_time(&self, now: Timestamp) -> bool {
        let margin = self.delivery.policy.lease / 10;
        patience::later(now, margin) < self.record.lease_until
    }
}

impl Record {
    fn note(&mut self, failure: Failure) {
        self.reason = Some(failure.reason);
        self.detail = failure.detail;
    }
}

#[cfg(test)]
mod tests;
