//! What happens next with a relay.
//!
//! An [`Attempt`] is one delivery's work on one relay. [`Attempt::next`] names the step
//! to take, the caller takes it and reports with [`Attempt::learn`] what came of it;
//! nothing else decides anything. No I/O and no clock of its own: time is handed in.
//!
//! What keeps B single, whatever crashes:
//!
//! * Every write to the ledger names the one that it replaces, so that of two holders
//!   one always learns that it lost.
//! * A claim whose holder vanished is taken over only after its lease *and* the settling
//!   time, when nothing of it can still be running inside B.
//! * Whoever cannot exclude that an earlier holder sent the request that makes B
//!   (`doubt`) searches for the stamp before making one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Holder, Reason, Record, State, Target};
use crate::id::InstanceId;

/// The numbers that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long a claim lasts.
    pub lease: Duration,
    /// How long B may still work on a request that nobody waits for.
    pub settle: Duration,
    /// How long the ledger keeps a relay; an A instance older than that may have been relayed before.
    pub memory: Duration,
    /// The route has after-steps.
    pub after_steps: bool,
}

/// A message is moved to the dead-letter queue after so many receives. The template's `maxReceiveCount`.
pub const MAX_RECEIVES: u32 = 40;
/// A relay that still waits after so many receives (some eight hours) is left to reconcile.
pub const WAITING_RECEIVES: u32 = 16;
/// An A instance that is not to be found is given up after so many receives (some forty minutes):
/// Storage answers 404 also on failures of its own.
pub const MISSING_RECEIVES: u32 = 10;
/// An owner that Altinn's register does not know is given up after so many receives (some five
/// hours): a register that is down answers the same.
pub const UNKNOWN_OWNER_RECEIVES: u32 = 14;
/// A message that was to come again, or whose holder vanished, is given up for lost after so long: the
/// queue's own visibility timeout in the template.
const LOST: Duration = Duration::from_secs(1800);
/// A relay whose message is gone is looked after again after a quarter of its age, but no sooner than this …
const SHORTEST_PATIENCE: Duration = Duration::from_secs(900);
/// … and no later.
const LONGEST_PATIENCE: Duration = Duration::from_secs(86_400);
/// How often one delivery tries to claim against others.
const CLAIMS: u32 = 3;
/// The search looks back this much further than the first claim: clocks differ.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// The longest that a message is put back for.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the record, if the ledger still has revision `replaces` (`None`: has none at all).
    Put {
        /// What to write.
        record: Box<Record>,
        /// The revision that it replaces.
        replaces: Option<u64>,
        /// From when on reconcile is to look after the relay: no message of it can be on its way any more.
        /// `None` for a relay that is finished or failed.
        due: Option<Timestamp>,
    },
    /// Read A, check the gate, transform, check the draft.
    Read,
    /// Search Storage for B instances with this relay's stamp, made since.
    Search {
        /// No B is older.
        since: Timestamp,
    },
    /// Send the one request that makes B; it must end before the lease does.
    Create,
    /// Delete the half-made B for good.
    Delete(InstanceId),
    /// Add to the half-made B what it lacks.
    Finish(InstanceId),
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
    /// [`Step::Read`]: the draft is ready; A has been so since.
    Ready {
        /// When the gate opened.
        since: Timestamp,
    },
    /// [`Step::Read`]: not yet.
    NotYet(Problem),
    /// [`Step::Read`] of a route with `each`: what became of the relays that it consists of.
    Parts(Parts),
    /// [`Step::Search`]: what has the stamp.
    Found(Vec<Found>),
    /// [`Step::Create`]: what B answered.
    Answered(Answer),
    /// [`Step::Delete`], [`Step::Finish`], [`Step::AfterSteps`]: done.
    Worked,
    /// [`Step::Delete`], [`Step::Finish`]: refused for good.
    Denied,
    /// Somebody did not answer, or said to come later. A [`Step::Finish`] may have had its effect.
    Trouble(Problem),
    /// [`Step::Read`]: there will be no draft.
    Hopeless(Problem),
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
                Verdict::Acknowledge => waiting += u32::from(state == Some(State::Waiting)),
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
    /// When it was made.
    pub created: Option<Timestamp>,
    /// It was deleted for good.
    pub gone: bool,
    /// It has every element that the draft has, or its process has ended.
    pub complete: bool,
    /// Somebody else than us has changed it.
    pub touched: bool,
}

/// What B answered to the request that makes it, by what it says of B's existence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// B exists and is complete.
    Created(InstanceId),
    /// No B was made, and the same request will make none.
    Refused(Problem),
    /// No B was made; the same request may make one later.
    Later(Problem),
    /// B refused on its way, when an instance existed already; its work on the request has ended.
    Orphaned(Problem),
    /// Nobody knows, and B may still be at work.
    Unknown(Problem),
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// Nothing is known of the ledger.
    Start,
    /// The ledger holds this of another attempt.
    Seen(Box<Record>),
    /// The claim is ours; A is to be read.
    Reading,
    /// The stamp is to be searched for; `refused` if B has refused this draft for good.
    Searching { refused: Option<Problem> },
    /// B is to be made.
    Creating,
    /// A half-made B is to be deleted.
    Deleting {
        half: Found,
        refused: Option<Problem>,
    },
    /// A half-made B is to be completed.
    Finishing(InstanceId),
    /// B exists; the after-steps are to be done.
    AfterSteps,
    /// A record is to be written, and then?
    Recording {
        record: Box<Record>,
        replaces: Option<u64>,
        then: Then,
    },
    /// Finished.
    Ended(Verdict),
}

/// What follows a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Then {
    Work,
    RunAfterSteps,
    End(Verdict),
}

/// One delivery's work on one relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    policy: Policy,
    holder: Holder,
    target: Target,
    /// How often the message has been received, this time included.
    receives: u32,
    /// Spreads the waiting of many.
    seed: u64,
    claims: u32,
    /// Our own record, once claimed.
    record: Option<Box<Record>>,
    /// A has been ready since before the ledger's memory.
    forgotten_since: Option<Timestamp>,
    /// More than one live B was found.
    doubled: bool,
    /// B was there already.
    adopted: bool,
    phase: Phase,
}

impl Attempt {
    /// An attempt by `holder`, for a message that was received `receives` times.
    #[must_use]
    pub fn new(policy: Policy, holder: Holder, target: Target, receives: u32) -> Self {
        Self {
            policy,
            seed: holder.0.as_u64_pair().0,
            holder,
            target,
            receives,
            claims: 0,
            record: None,
            forgotten_since: None,
            doubled: false,
            adopted: false,
            phase: Phase::Start,
        }
    }

    /// The record as this attempt last wrote or saw it.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.phase {
            Phase::Seen(record) => Some(record),
            _ => self.record.as_deref(),
        }
    }

    /// Somebody else had dealt with the relay already: this attempt never held a claim.
    #[must_use]
    pub fn is_repeat(&self) -> bool {
        self.record.is_none()
    }

    /// More than one live B has the relay's stamp.
    #[must_use]
    pub fn is_doubled(&self) -> bool {
        self.doubled
    }

    /// The B on record was found, not made.
    #[must_use]
    pub fn has_adopted(&self) -> bool {
        self.adopted
    }

    /// The step to take at `now`.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Step {
        match &self.phase {
            Phase::Start => self.put(self.claim(None, now), None, None),
            Phase::Seen(seen) => self.next_after_seeing(seen, now),
            Phase::Reading => Step::Read,
            Phase::Searching { .. } => Step::Search {
                since: self.search_since(),
            },
            Phase::Creating if self.has_time(now) => Step::Create,
            Phase::Deleting { half, .. } if self.has_time(now) => Step::Delete(half.id),
            Phase::Finishing(id) if self.has_time(now) => Step::Finish(*id),
            Phase::Creating | Phase::Deleting { .. } | Phase::Finishing(_) => self.give_back(now),
            Phase::AfterSteps => Step::AfterSteps,
            Phase::Recording {
                record,
                replaces,
                then,
            } => {
                let end = match then {
                    Then::Work | Then::RunAfterSteps => None,
                    Then::End(verdict) => Some(*verdict),
                };
                self.put((**record).clone(), *replaces, end)
            }
            Phase::Ended(verdict) => Step::End(*verdict),
        }
    }

    /// Whether something that makes or changes B may still be running, until all is quiet.
    fn may_be_at_work(seen: &Record) -> bool {
        match seen.state {
            State::Claimed => true,
            // Of an orphan that was left B has said that it is done with it.
            State::Failed => seen.doubt && seen.reason != Some(Reason::OrphanLeft),
            // Given back before anything was sent, or after it was answered.
            State::Waiting | State::Created | State::Done => false,
        }
    }

    /// What follows from a record that somebody else wrote.
    fn next_after_seeing(&self, seen: &Record, now: Timestamp) -> Step {
        let quiet_at = later(seen.lease_until, self.policy.settle);
        match seen.state {
            State::Done => Step::End(Verdict::Acknowledge),
            State::Created if self.policy.after_steps => Step::AfterSteps,
            State::Created => {
                let record = Record {
                    state: State::Done,
                    ..self.successor(seen, now)
                };
                self.put(record, Some(seen.rev), Some(Verdict::Acknowledge))
            }
            // A message that comes again after the relay failed only uses up its receives.
            State::Failed if self.receives > 1 => Step::End(Verdict::GiveUp),
            // Redriven too early: open again, so that the same message is tried for real when all is quiet.
            State::Failed if Self::may_be_at_work(seen) && now < quiet_at => {
                let record = Record {
                    state: State::Claimed,
                    ..self.successor(seen, now)
                };
                self.put(record, Some(seen.rev), Some(self.again(None)))
            }
            State::Claimed | State::Waiting if Self::may_be_at_work(seen) && now < quiet_at => {
                let quiet = Duration::try_from(quiet_at.duration_since(now)).unwrap_or_default();
                Step::End(Verdict::Again(
                    quiet.min(self.backoff()).max(Duration::from_secs(1)),
                ))
            }
            State::Claimed | State::Failed | State::Waiting => {
                self.put(self.claim(Some(seen), now), Some(seen.rev), None)
            }
        }
    }

    /// The write of `record`; `end` is what becomes of the message then, `None` if the work goes on.
    fn put(&self, record: Record, replaces: Option<u64>, end: Option<Verdict>) -> Step {
        let due = match (record.state, end) {
            (State::Done | State::Failed, _) => None,
            (_, None) => {
                let quiet = later(record.lease_until, self.policy.settle);
                Some(later(quiet, LOST))
            }
            (_, Some(Verdict::Again(wait))) => Some(later(later(record.updated, wait), LOST)),
            (_, Some(Verdict::Acknowledge | Verdict::GiveUp)) => {
                let age = record.updated.duration_since(record.first);
                let patience = Duration::try_from(age).unwrap_or_default() / 4;
                let patience = patience.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
                Some(later(record.updated, patience))
            }
        };
        Step::Put {
            record: Box::new(record),
            replaces,
            due,
        }
    }

    /// Takes in what `step`, the last that [`Attempt::next`] named, came to.
    pub fn learn(&mut self, step: Step, evidence: Evidence, now: Timestamp) {
        self.phase = match (step, evidence) {
            (Step::Put { record, .. }, Evidence::Written) => self.written(record),
            (Step::Put { .. }, Evidence::Conflict(Some(seen))) => self.lost_to(seen),
            (Step::Put { .. }, _) => Phase::Ended(Verdict::Again(self.backoff())),
            (Step::Read, Evidence::Ready { since }) => self.ready(since, now),
            (Step::Read, Evidence::NotYet(problem)) => self.waits(problem, now),
            (Step::Read, Evidence::Hopeless(problem)) => self.fails(problem, now),
            (Step::Read, Evidence::Parts(parts)) => self.parts(parts, now),
            (Step::Search { .. }, Evidence::Found(found)) => self.found(found, now),
            (Step::Create, Evidence::Answered(answer)) => self.answered(answer, now),
            (Step::Delete(_), Evidence::Worked) => self.deleted(now),
            (Step::Delete(_), Evidence::Denied) => self.kept(now),
            (Step::Finish(id), Evidence::Worked) => self.exists(id, now),
            (Step::Finish(_), Evidence::Denied) => {
                self.leaves_orphan(Problem::new(Reason::OrphanLeft), now)
            }
            (Step::AfterSteps, Evidence::Worked) => self.finished(now),
            (Step::AfterSteps, Evidence::Trouble(problem)) => self.stays_created(problem, now),
            (Step::Read, Evidence::Trouble(problem)) => self.troubled(problem, now),
            (Step::Search { .. } | Step::Delete(_), Evidence::Trouble(_))
                if self.refusal().is_some() =>
            {
                self.fails_in_doubt(now)
            }
            (Step::Search { .. }, Evidence::Trouble(problem)) => self.troubled(problem, now),
            // The request may still have its effect: look again when all is quiet.
            (Step::Create | Step::Delete(_) | Step::Finish(_), Evidence::Trouble(problem)) => {
                self.doubts(problem, now)
            }
            (Step::End(verdict), _) => Phase::Ended(verdict),
            // Evidence of another step than the one asked for proves nothing.
            (_, _) => Phase::Ended(Verdict::Again(self.backoff())),
        };
    }

    /// B's refusal of this draft, while what it left behind is dealt with.
    fn refusal(&self) -> Option<&Problem> {
        match &self.phase {
            Phase::Searching { refused } | Phase::Deleting { refused, .. } => refused.as_ref(),
            _ => None,
        }
    }

    /// B refused the draft, and what it left behind is not known: to send it again would leave more.
    fn fails_in_doubt(&mut self, now: Timestamp) -> Phase {
        let problem = self
            .refusal()
            .cloned()
            .unwrap_or_else(|| Problem::new(Reason::Refused));
        if let Some(record) = &mut self.record {
            record.doubt = true;
        }
        self.fails(problem, now)
    }

    /// A half-made B stays that may be neither deleted nor completed: whoever redrives must look for it first.
    fn leaves_orphan(&mut self, problem: Problem, now: Timestamp) -> Phase {
        if let Some(record) = &mut self.record {
            record.doubt = true;
        }
        let reason = Reason::OrphanLeft;
        self.fails(Problem { reason, ..problem }, now)
    }

    /// A claim at `now`, over `seen` if there is a record.
    fn claim(&self, seen: Option<&Record>, now: Timestamp) -> Record {
        let lease_until = later(now, self.policy.lease);
        match seen {
            None => Record {
                rev: 1,
                state: State::Claimed,
                holder: self.holder,
                lease_until,
                doubt: false,
                first: now,
                attempts: 1,
                targets: [self.target.clone()].into(),
                instance: None,
                reason: None,
                detail: None,
                updated: now,
            },
            Some(seen) => {
                let mut targets = seen.targets.clone();
                targets.insert(self.target.clone());
                Record {
                    state: State::Claimed,
                    lease_until,
                    // Of a claim that was never given back nobody knows how far it came.
                    doubt: seen.doubt || seen.state == State::Claimed,
                    attempts: seen.attempts.saturating_add(1),
                    targets,
                    reason: None,
                    detail: None,
                    ..self.successor(seen, now)
                }
            }
        }
    }

    /// `seen`, written once more by this attempt.
    fn successor(&self, seen: &Record, now: Timestamp) -> Record {
        Record {
            rev: seen.rev.saturating_add(1),
            holder: self.holder,
            updated: now,
            ..seen.clone()
        }
    }

    fn written(&mut self, record: Box<Record>) -> Phase {
        let then = match &self.phase {
            Phase::Start => Then::Work,
            // A relay that was only opened again kept its old lease: that is no right to work.
            Phase::Seen(seen)
                if record.state == State::Claimed && record.lease_until > seen.lease_until =>
            {
                Then::Work
            }
            Phase::Recording { then, .. } => *then,
            _ => Then::End(match record.state {
                State::Done => Verdict::Acknowledge,
                _ => self.again(None),
            }),
        };
        self.record = Some(record);
        match then {
            Then::Work => Phase::Reading,
            Then::RunAfterSteps => Phase::AfterSteps,
            Then::End(verdict) => Phase::Ended(verdict),
        }
    }

    /// Somebody else wrote first. Before we hold a claim that is worth a look; after, the claim is lost.
    fn lost_to(&mut self, seen: Box<Record>) -> Phase {
        self.claims += 1;
        match &self.phase {
            Phase::Start | Phase::Seen(_) if self.claims <= CLAIMS => Phase::Seen(seen),
            _ if seen.state == State::Done => Phase::Ended(Verdict::Acknowledge),
            _ => Phase::Ended(Verdict::Again(self.backoff())),
        }
    }

    fn ready(&mut self, since: Timestamp, now: Timestamp) -> Phase {
        // The ledger forgets; of an A this old nobody knows whether it was relayed before.
        let memory = SignedDuration::try_from(self.policy.memory).unwrap_or(SignedDuration::MAX);
        self.forgotten_since = (now.duration_since(since) > memory).then_some(since);
        let doubt = self.record.as_ref().is_some_and(|record| record.doubt);
        if doubt || self.forgotten_since.is_some() {
            Phase::Searching { refused: None }
        } else {
            Phase::Creating
        }
    }

    fn search_since(&self) -> Timestamp {
        let first = self
            .record
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |record| record.first);
        let earliest = self.forgotten_since.map_or(first, |since| since.min(first));
        earliest
            .saturating_sub(CLOCK_MARGIN)
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn found(&mut self, found: Vec<Found>, now: Timestamp) -> Phase {
        let refused = self.refusal().cloned();
        let mut live: Vec<Found> = found.into_iter().filter(|found| !found.gone).collect();
        live.sort_by_key(|found| (found.created, found.id));
        self.doubled = live.iter().filter(|found| found.complete).count() > 1;
        if let Some(complete) = live.iter().find(|found| found.complete) {
            self.adopted = true;
            return self.exists(complete.id, now);
        }
        self.doubt_is_settled();
        match live.into_iter().next() {
            Some(half) if refused.is_none() && half.touched => Phase::Finishing(half.id),
            Some(half) => Phase::Deleting { half, refused },
            None => match refused {
                Some(problem) => self.fails(problem, now),
                None => Phase::Creating,
            },
        }
    }

    /// The search has shown that no earlier request is left whose end is unknown.
    fn doubt_is_settled(&mut self) {
        if let Some(record) = &mut self.record {
            record.doubt = false;
        }
    }

    fn answered(&mut self, answer: Answer, now: Timestamp) -> Phase {
        match answer {
            Answer::Created(id) => self.exists(id, now),
            Answer::Refused(problem) => self.fails(problem, now),
            Answer::Later(problem) => self.troubled(problem, now),
            Answer::Orphaned(problem) => Phase::Searching {
                refused: Some(problem),
            },
            Answer::Unknown(problem) => self.doubts(problem, now),
        }
    }

    /// The half-made B is gone.
    fn deleted(&mut self, now: Timestamp) -> Phase {
        match &self.phase {
            Phase::Deleting {
                refused: Some(problem),
                ..
            } => {
                let problem = problem.clone();
                self.fails(problem, now)
            }
            // Another half-made one may stand behind the one that is gone.
            _ => Phase::Searching { refused: None },
        }
    }

    /// The half-made B may not be deleted.
    fn kept(&mut self, now: Timestamp) -> Phase {
        match &self.phase {
            Phase::Deleting {
                refused: None,
                half,
            } => Phase::Finishing(half.id),
            Phase::Deleting {
                refused: Some(problem),
                ..
            } => {
                let problem = problem.clone();
                self.leaves_orphan(problem, now)
            }
            _ => Phase::Ended(Verdict::Again(self.backoff())),
        }
    }

    /// B exists and is complete.
    fn exists(&mut self, id: InstanceId, now: Timestamp) -> Phase {
        self.completes(Some(id), now)
    }

    /// All that was to be made exists: what is left are the after-steps, where the route has any.
    fn completes(&mut self, id: Option<InstanceId>, now: Timestamp) -> Phase {
        let (state, then) = if self.policy.after_steps {
            (State::Created, Then::RunAfterSteps)
        } else {
            (State::Done, Then::End(Verdict::Acknowledge))
        };
        self.record_as(now, then, |record| {
            record.state = state;
            record.instance = id;
            record.doubt = false;
        })
    }

    /// The after-steps are done.
    fn finished(&mut self, now: Timestamp) -> Phase {
        self.takes_over_created();
        self.record_as(now, Then::End(Verdict::Acknowledge), |record| {
            record.state = State::Done;
            record.reason = None;
            record.detail = None;
        })
    }

    /// An after-step did not work: that fails no relay. It is tried again, at last by reconcile.
    fn stays_created(&mut self, problem: Problem, now: Timestamp) -> Phase {
        self.takes_over_created();
        let verdict = if self.receives >= WAITING_RECEIVES {
            Verdict::Acknowledge
        } else {
            self.again(problem.after)
        };
        self.record_as(now, Then::End(verdict), |record| record.note(problem))
    }

    /// After-steps need no claim: they may be done twice, and the record is written by whoever is first.
    fn takes_over_created(&mut self) {
        if self.record.is_none()
            && let Phase::Seen(seen) = &self.phase
        {
            self.record = Some(seen.clone());
        }
    }

    /// The relays of a route's `each` have been worked on, each under a claim of its own.
    fn parts(&mut self, parts: Parts, now: Timestamp) -> Phase {
        match parts {
            Parts::Done => self.completes(None, now),
            Parts::Waiting(problem) => self.gives_back(problem, now, Verdict::Acknowledge),
            Parts::Open(problem) => self.troubled(problem, now),
            Parts::Failed(problem) => self.fails(problem, now),
        }
    }

    /// Not yet: the claim is given back, and the message comes again, but not for ever.
    fn waits(&mut self, problem: Problem, now: Timestamp) -> Phase {
        let verdict = if self.receives >= WAITING_RECEIVES {
            Verdict::Acknowledge
        } else {
            self.again(problem.after)
        };
        self.gives_back(problem, now, verdict)
    }

    /// Somebody does not answer: the claim is given back, and the message comes again until its receives end.
    fn troubled(&mut self, problem: Problem, now: Timestamp) -> Phase {
        let patience = match problem.reason {
            Reason::SourceMissing | Reason::SourceForbidden => MISSING_RECEIVES,
            Reason::OwnerUnknown => UNKNOWN_OWNER_RECEIVES,
            _ => MAX_RECEIVES,
        };
        if self.receives >= patience {
            return self.fails(problem, now);
        }
        let verdict = self.again(problem.after);
        self.gives_back(problem, now, verdict)
    }

    fn gives_back(&mut self, problem: Problem, now: Timestamp, verdict: Verdict) -> Phase {
        self.record_as(now, Then::End(verdict), |record| {
            record.state = State::Waiting;
            record.note(problem);
        })
    }

    /// B may be there or in the making: the relay stays claimed until all is quiet.
    fn doubts(&mut self, problem: Problem, now: Timestamp) -> Phase {
        let wait = problem
            .after
            .unwrap_or_default()
            .max(self.backoff())
            .min(LONGEST_WAIT);
        let settled = self.policy.settle.max(wait);
        let last = self.receives >= MAX_RECEIVES;
        let verdict = if last {
            Verdict::GiveUp
        } else {
            Verdict::Again(settled)
        };
        self.record_as(now, Then::End(verdict), |record| {
            record.state = if last { State::Failed } else { State::Claimed };
            record.doubt = true;
            record.lease_until = now;
            record.note(problem);
        })
    }

    fn fails(&mut self, problem: Problem, now: Timestamp) -> Phase {
        self.record_as(now, Then::End(Verdict::GiveUp), |record| {
            record.state = State::Failed;
            record.note(problem);
        })
    }

    fn record_as(&self, now: Timestamp, then: Then, change: impl FnOnce(&mut Record)) -> Phase {
        let Some(held) = &self.record else {
            // Without a claim nothing is written.
            return Phase::Ended(Verdict::Again(self.backoff()));
        };
        let mut record = self.successor(held, now);
        record.lease_until = record.lease_until.min(now);
        change(&mut record);
        Phase::Recording {
            record: Box::new(record),
            replaces: Some(held.rev),
            then,
        }
    }

    /// A tenth of the lease must be left for a request that changes B.
    fn has_time(&self, now: Timestamp) -> bool {
        self.record
            .as_ref()
            .is_some_and(|record| later(now, self.policy.lease / 10) < record.lease_until)
    }

    /// The write that gives the claim back for want of time.
    fn give_back(&self, now: Timestamp) -> Step {
        match &self.record {
            None => Step::End(Verdict::Again(self.backoff())),
            Some(held) => {
                let mut record = self.successor(held, now);
                record.state = State::Waiting;
                record.lease_until = record.lease_until.min(now);
                record.note(Problem::new(Reason::OutOfTime));
                self.put(record, Some(held.rev), Some(self.again(None)))
            }
        }
    }

    /// What the other side asked for wins over our own backoff, but the longer the trouble lasts the longer
    /// the wait at the least: the message's receives must outlast a night.
    fn again(&self, after: Option<Duration>) -> Verdict {
        let backoff = self.backoff();
        Verdict::Again(after.map_or(backoff, |after| after.max(backoff / 2).min(LONGEST_WAIT)))
    }

    fn backoff(&self) -> Duration {
        backoff(self.receives, self.seed)
    }
}

impl Record {
    fn note(&mut self, problem: Problem) {
        self.reason = Some(problem.reason);
        self.detail = problem.detail;
    }
}

/// `by` after `moment`, or the end of time: the ledger may hold anything.
fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// How long to wait after the `receives`th receive: 5 s, doubled each time, an hour at most, a fifth more or less.
#[must_use]
pub fn backoff(receives: u32, seed: u64) -> Duration {
    let doubled = 5_000_u64.saturating_mul(1 << receives.saturating_sub(1).min(20));
    let base = doubled.min(3_600_000);
    // SplitMix64's finishing step: neighbouring seeds give unrelated values.
    let mut mixed = seed.wrapping_add(u64::from(receives).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let spread = (mixed ^ (mixed >> 31)) % (base * 2 / 5 + 1);
    Duration::from_millis(base - base / 5 + spread)
}

#[cfg(test)]
mod tests;
