//! What the ledger's record says: the first step of an attempt, the claim, and the second look at a B that was
//! adopted early.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    AfterSteps, Attempt, Delivery, Disposition, End, Phase, Step, Worker,
    birth::with_unseen,
    disposition::limited,
    patience::{
        EARLY_BY, LONGEST_IN_FLIGHT, MAX_RECEIVES, WAITING_ATTEMPTS, a_new_message_may_end,
        is_patient_with, later, until,
    },
    put::{Put, Then},
};
use crate::{
    id::InstanceId,
    relay::{Record, Sent, State},
};

/// How often one delivery looks at the ledger again because another worker wrote first.
const LOOKS: u32 = 3;

/// [`Step::Look`]: read the B on record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Look {
    /// Which B.
    pub id: InstanceId,
    delivery: Delivery,
    seen: Box<Record>,
}

/// What came of [`Look`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookOutcome {
    /// B exists, and is not deleted.
    Alive,
    /// B was deleted.
    Gone,
    /// B could not be read.
    Unknown,
}

impl Delivery {
    /// What follows from the record that another attempt wrote, or from there being none.
    pub(super) fn first_step(self, seen: Option<Box<Record>>, now: Timestamp) -> Step {
        let quiet = self.quiet(now);
        let Some(seen) = seen else {
            if let Some(quiet) = quiet {
                return self.leave_quiet(None, quiet, now);
            }
            let claim = self.first_claim(now);
            let then = Then::Read { waited: false };
            return Step::Claim(Put::without_claim(self, claim, None, then));
        };
        if let Some(disposition) = self.too_early(&seen, now) {
            return Step::End(End::without_claim(disposition, Some(seen)));
        }
        if matches!(seen.state, State::Told | State::Waiting)
            && let Some(quiet) = quiet
        {
            return self.leave_quiet(Some(&seen), quiet, now);
        }
        match seen.state {
            State::Done => Step::End(End::without_claim(Disposition::Acknowledge, Some(seen))),
            State::Created => self.step_after_created(seen, now),
            // The message of a failed relay comes again only to use up its receives. One that was sent since is another
            // trigger, or a redriven message.
            State::Failed if !self.message.is_newer_than(&seen) => {
                Step::End(End::without_claim(Disposition::GiveUp, Some(seen)))
            }
            State::Claimed if now < seen.lease_until => {
                let left = self.wait_for(seen.lease_until, now);
                let wait = left.min(self.backoff()).max(Duration::from_secs(1));
                Step::End(End::without_claim(Disposition::Again(wait), Some(seen)))
            }
            State::Told | State::Claimed | State::Failed | State::Waiting => {
                self.claim_over(&seen, now)
            }
        }
    }

    /// What becomes of a message that comes before the next attempt is due. One that was received before may be the one that
    /// the relay waits for, which came too early because it could not be made to wait: it stays in the queue. Any other is
    /// not needed, since another message is on its way, or reconcile sends one then; unless it may tell of what the relay
    /// waits for.
    fn too_early(&self, seen: &Record, now: Timestamp) -> Option<Disposition> {
        let not_before = seen.not_before.filter(|not_before| now < *not_before)?;
        let reason = seen.reason.filter(|_| seen.state == State::Waiting);
        let may_go_on = self.message.redriven || reason.is_some_and(a_new_message_may_end);
        if may_go_on && self.message.is_newer_than(seen) {
            return None;
        }
        let is_left = seen.attempts >= WAITING_ATTEMPTS
            && (seen.state == State::Created || reason.is_some_and(is_patient_with));
        let rest = limited(until(not_before, now) + EARLY_BY);
        let may_be_the_one = self.message.receives > 1
            && self.message.receives < MAX_RECEIVES
            && rest <= LONGEST_IN_FLIGHT + EARLY_BY;
        if (self.policy.of_set && !is_left) || (may_be_the_one && !self.policy.of_set) {
            return Some(Disposition::Again(rest));
        }
        Some(Disposition::Acknowledge)
    }

    /// B is on record. What is left is a second look, the after-steps, or the record that all is done.
    fn step_after_created(self, seen: Box<Record>, now: Timestamp) -> Step {
        match (seen.sent, seen.instance) {
            // B was adopted while its app may still have been processing the request, and may have deleted it since.
            (Some(sent), Some(_)) if now < sent.quiet => {
                let wait = self.wait_for(sent.quiet, now);
                Step::End(End::without_claim(Disposition::Again(wait), Some(seen)))
            }
            (Some(_), Some(id)) => Step::Look(Look {
                id,
                delivery: self,
                seen,
            }),
            _ if self.policy.after_steps => Step::AfterSteps(AfterSteps {
                worker: Worker::after_created(self, seen),
            }),
            _ => {
                let record = Record {
                    state: State::Done,
                    sent: None,
                    ..self.successor(&seen, now)
                };
                let then = Then::End(Disposition::Acknowledge);
                Step::Record(Put::without_claim(self, record, Some(seen.rev), then))
            }
        }
    }

    /// The claim of a relay that has no record.
    pub(super) fn first_claim(&self, now: Timestamp) -> Record {
        Record {
            rev: 1,
            state: State::Claimed,
            holder: self.holder,
            lease_until: later(now, self.policy.lease),
            not_before: None,
            sent: None,
            first: now,
            attempts: 1,
            targets: [self.target.clone()].into(),
            instance: None,
            reason: None,
            detail: None,
            updated: now,
        }
    }

    /// The claim of a relay that has this record.
    pub(super) fn claim_over(self, seen: &Record, now: Timestamp) -> Step {
        let mut targets = seen.targets.clone();
        targets.insert(self.target.clone());
        let sent = match seen.state {
            // Nobody knows whether the worker of an expired claim sent a request. If it did, the request ended with
            // the lease, but B may go on processing it for the settling time.
            State::Claimed => Some(Sent::join(
                seen.sent,
                Sent {
                    from: seen.updated,
                    ended: seen.lease_until,
                    quiet: later(seen.lease_until, self.policy.settle),
                },
            )),
            State::Told | State::Waiting | State::Created | State::Done | State::Failed => {
                seen.sent
            }
        };
        let sent = with_unseen(sent, seen, &self.policy);
        let claim = Record {
            state: State::Claimed,
            lease_until: later(now, self.policy.lease),
            sent,
            // A B that was on record as created and was deleted is forgotten, unless only its id can prove that it is gone.
            instance: seen
                .instance
                .filter(|_| seen.state != State::Created || self.policy.stamped_late),
            attempts: match seen.state {
                State::Failed => 1,
                _ => seen.attempts.saturating_add(1),
            },
            targets,
            reason: None,
            detail: None,
            ..self.successor(seen, now)
        };
        let waited = seen.state == State::Waiting && seen.reason.is_some_and(is_patient_with);
        let then = Then::Read { waited };
        Step::Claim(Put::without_claim(self, claim, Some(seen.rev), then))
    }

    /// Another worker wrote first, before this one had a claim: its record is looked at, a few times at most.
    pub(super) fn look_again(mut self, seen: Box<Record>) -> Attempt {
        self.conflicts += 1;
        if self.conflicts <= LOOKS {
            return Attempt(Phase::Seen(self, seen));
        }
        let disposition = self.after_conflict(&seen);
        End::without_claim(disposition, None).into()
    }
}

impl Look {
    /// Takes in what came of it by `now`.
    #[must_use]
    pub fn outcome(self, outcome: LookOutcome, now: Timestamp) -> Attempt {
        let Self { delivery, seen, .. } = self;
        match outcome {
            LookOutcome::Alive => {
                let b = seen.instance;
                Worker::new(delivery, seen).complete(b, now).into()
            }
            LookOutcome::Gone => Attempt(Phase::Vanished(delivery, seen)),
            LookOutcome::Unknown => {
                let worker = Worker::after_created(delivery, seen);
                let back = worker.again_or_leave(None, now);
                worker.write(now, Then::Back(back), |_| ()).into()
            }
        }
    }
}

impl Worker {
    /// A delivery that works without a claim, because B exists. It counts as an attempt all the same.
    fn after_created(delivery: Delivery, mut seen: Box<Record>) -> Self {
        seen.attempts = seen.attempts.saturating_add(1);
        Self::new(delivery, seen)
    }
}
