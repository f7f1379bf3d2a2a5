//! What happens next with a relay.
//!
//! An [`Attempt`] is one delivery's work on one relay. [`Attempt::next`] names the step
//! to take, the caller takes it and reports with [`Attempt::learn`] what came of it;
//! nothing else decides anything. No I/O and no clock of its own: time is handed in.
//!
//! Three rules keep B single, whatever crashes:
//!
//! * Every write to the ledger names the one that it replaces, so that of two holders
//!   one always learns that it lost.
//! * Once a request that makes B has left, only a search for the stamp tells what it made.
//!   The record keeps it as [`Sent`] until a search has settled it, and a claim that was never
//!   given back counts as one that was sent. Nothing is sent again before that.
//! * A search may adopt a complete B at any time, but it concludes that there is none, or that
//!   a half-made one stays half-made, only when B is quiet: when neither its app nor
//!   Storage can still be at work on the request. What was adopted before that is looked at once more then.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Holder, Reason, Record, Sent, State};
use crate::id::{AppId, InstanceId};

mod patience;
mod step;

use patience::{
    EARLY_RECEIVES, LONGEST_PATIENCE, LONGEST_WAIT, LOST, SHORTEST_PATIENCE, SOON, later,
    next_search, patience, until,
};
pub use patience::{MAX_RECEIVES, MISSING_RECEIVES, UNKNOWN_RECEIVES, WAITING_RECEIVES, backoff};
pub use step::{
    Answer, Engine, Evidence, Found, Lacks, Parts, Problem, Quiet, Reply, Step, Verdict,
};

/// The numbers that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    /// How long a claim lasts.
    pub lease: Duration,
    /// How long B's app and Storage may still work on a request whose sender has stopped waiting.
    pub settle: Duration,
    /// How long the ledger keeps a relay; an A instance older than that may have been relayed before.
    pub memory: Duration,
    /// The route has after-steps.
    pub after_steps: bool,
    /// B carries its stamp only once its form is stored (`mode: prefill`): a search that finds none proves
    /// nothing, and so a request whose outcome is unknown is never sent again.
    pub stamped_late: bool,
}

/// How often one delivery tries to claim against others.
const CLAIMS: u32 = 3;
/// A search looks this much further than the window of its request: clocks differ.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(1);
/// A search before B is quiet asks for what was created up to this long after the request: the instance is the
/// first thing that B's app makes.
const CREATED_WITHIN: Duration = Duration::from_secs(600);

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// Nothing is known of the ledger.
    Start,
    /// The ledger holds this of another attempt.
    Seen(Box<Record>),
    /// The ledger holds this of another attempt, and the B that it names is gone.
    Vanished(Box<Record>),
    /// The claim is ours; A is to be read.
    Reading,
    /// The stamp is to be searched for.
    Searching { if_none: IfNone },
    /// B is to be made; `since` when that was decided.
    Creating { since: Timestamp },
    /// The form is to be added to a half-made B.
    AddingForm { half: Found, if_none: IfNone },
    /// A half-made B is to be deleted.
    Deleting { half: Found, if_none: IfNone },
    /// A half-made B is to be completed.
    Finishing { half: Found },
    /// B's workflow engine is to go on.
    Resuming { id: InstanceId, if_none: IfNone },
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

/// What follows when a search finds no B, and B is quiet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum IfNone {
    /// B is made.
    Create,
    /// The relay fails: B has refused this draft.
    Fail(Problem),
    /// The message is put back: B has just been asked, and said something else than no.
    Retry(Problem),
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
    /// App B, by today's route.
    target: AppId,
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
    /// B's workflow engine was told to go on.
    resumed: bool,
    phase: Phase,
}

impl Attempt {
    /// An attempt by `holder` to make a B of `target`, for a message that was received `receives` times.
    #[must_use]
    pub fn new(policy: Policy, holder: Holder, target: AppId, receives: u32) -> Self {
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
            resumed: false,
            phase: Phase::Start,
        }
    }

    /// The record as this attempt last wrote or saw it.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.phase {
            Phase::Seen(record) | Phase::Vanished(record) => Some(record),
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
            Phase::Vanished(seen) => self.put(self.claim(Some(seen), now), Some(seen.rev), None),
            Phase::Reading => Step::Read,
            Phase::Searching { .. } => self.search(now),
            Phase::Creating { .. } if self.has_time(now) => Step::Create,
            Phase::AddingForm { half, .. } if self.has_time(now) => Step::AddForm(half.id),
            Phase::Deleting { half, .. } if self.has_time(now) => Step::Delete(half.id),
            Phase::Finishing { half } if self.has_time(now) => Step::Finish(half.id),
            Phase::Resuming { id, .. } if self.has_time(now) => Step::Resume(*id),
            Phase::Creating { .. }
            | Phase::AddingForm { .. }
            | Phase::Deleting { .. }
            | Phase::Finishing { .. }
            | Phase::Resuming { .. } => self.give_back(now),
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

    /// What follows from a record that somebody else wrote.
    fn next_after_seeing(&self, seen: &Record, now: Timestamp) -> Step {
        match seen.state {
            State::Done => Step::End(Verdict::Acknowledge),
            State::Created => match (seen.sent, seen.instance) {
                // It was adopted while its app may still have been at work, and may have been deleted by it since.
                (Some(sent), Some(_)) if now < sent.quiet => {
                    Step::End(Verdict::Again(self.wait_for(sent.quiet, now)))
                }
                (Some(_), Some(id)) => Step::Look(id),
                _ if self.policy.after_steps => Step::AfterSteps,
                _ => {
                    let record = Record {
                        state: State::Done,
                        ..self.successor(seen, now)
                    };
                    self.put(record, Some(seen.rev), Some(Verdict::Acknowledge))
                }
            },
            // A message that comes again after the relay failed only uses up its receives.
            State::Failed if self.receives > 1 => Step::End(Verdict::GiveUp),
            State::Claimed if now < seen.lease_until => {
                let left = self.wait_for(seen.lease_until, now);
                Step::End(Verdict::Again(
                    left.min(self.backoff()).max(Duration::from_secs(1)),
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
            (_, None) => Some(later(record.lease_until, LOST)),
            (_, Some(Verdict::Again(wait))) => Some(later(later(record.updated, wait), LOST)),
            (_, Some(Verdict::Acknowledge | Verdict::GiveUp)) => {
                let age = until(record.updated, record.first) / 4;
                let patience = age.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
                Some(later(record.updated, patience))
            }
        };
        Step::Put {
            record: Box::new(record),
            replaces,
            due,
        }
    }

    /// The search for the stamp: over the window of the request that is open, or over all that the ledger may
    /// have forgotten. Its end does not move once B is quiet, so that it costs the same whenever it runs.
    fn search(&self, now: Timestamp) -> Step {
        let sent = self.sent();
        let mut from = sent.map_or(now, |sent| sent.from);
        let mut until = sent.map_or(now, |sent| {
            if now < sent.quiet {
                later(sent.ended, CREATED_WITHIN)
            } else {
                sent.quiet.max(later(sent.ended, CREATED_WITHIN))
            }
        });
        if let Some(since) = self.forgotten_since {
            from = from.min(since);
            until = until.max(now);
        }
        Step::Search {
            conclusive: sent.is_none_or(|sent| now >= sent.quiet),
            from: from.saturating_sub(CLOCK_MARGIN).unwrap_or(Timestamp::MIN),
            until: until.saturating_add(CLOCK_MARGIN).unwrap_or(Timestamp::MAX),
        }
    }

    /// Takes in what `step`, the last that [`Attempt::next`] named, came to.
    pub fn learn(&mut self, step: Step, evidence: Evidence, now: Timestamp) {
        let ended = self.ended_again();
        let phase = std::mem::replace(&mut self.phase, ended);
        self.phase = match (step, evidence, phase) {
            (Step::Put { record, .. }, Evidence::Written, phase) => self.written(record, &phase),
            (Step::Put { .. }, Evidence::Conflict(Some(seen)), phase) => self.lost_to(seen, &phase),
            (Step::Put { .. }, _, _) => self.ended_again(),
            (Step::Read, Evidence::Ready { since }, _) => self.ready(since, now),
            (Step::Read, Evidence::NotYet(problem), _) => self.waits(problem, now),
            (Step::Read, Evidence::Hopeless(problem), _) => self.fails(problem, now),
            (Step::Read, Evidence::Parts(parts), _) => self.parts(parts, now),
            (Step::Read, Evidence::Trouble(problem), _) => self.troubled(problem, now),
            (
                Step::Search { conclusive, .. },
                Evidence::Found(found),
                Phase::Searching { if_none },
            ) => self.found(found, conclusive, if_none, now),
            (Step::Search { .. }, Evidence::Trouble(problem), _) => self.troubled(problem, now),
            (Step::Create, Evidence::Answered(answer), Phase::Creating { since }) => {
                self.answered(answer, since, now)
            }
            (Step::Look(_), Evidence::Looked { alive }, Phase::Seen(seen)) => {
                self.looked(alive, seen, now)
            }
            (Step::AddForm(_), Evidence::Worked, Phase::AddingForm { half, if_none }) => {
                let lacks = Lacks {
                    form: false,
                    ..half.lacks
                };
                goes_on_with(Found { lacks, ..half }, if_none)
            }
            (Step::AddForm(_), Evidence::Denied, Phase::AddingForm { half, if_none }) => {
                goes_on_with(half, if_none)
            }
            (Step::AddForm(_), Evidence::Refused(problem), Phase::AddingForm { half, .. }) => {
                self.clears_away(half, problem, now)
            }
            (Step::Delete(_), Evidence::Worked, Phase::Deleting { if_none, .. })
            | (Step::Resume(_), Evidence::Worked, Phase::Resuming { if_none, .. }) => {
                Phase::Searching { if_none }
            }
            (Step::Delete(_), Evidence::Denied, Phase::Deleting { half, if_none }) => match if_none
            {
                IfNone::Fail(problem) => self.leaves_orphan(problem, now),
                IfNone::Create | IfNone::Retry(_) => Phase::Finishing { half },
            },
            (Step::Finish(id), Evidence::Worked, Phase::Finishing { half }) => {
                self.finishes(id, &half, Lacks::default(), now)
            }
            (Step::Finish(id), Evidence::Left(missing), Phase::Finishing { half }) => {
                self.finishes(id, &half, missing, now)
            }
            (Step::Finish(id), Evidence::Denied, Phase::Finishing { half }) => {
                if half.lacks.form {
                    self.leaves_orphan(Problem::new(Reason::OrphanLeft), now)
                } else {
                    self.adopted = true;
                    self.exists_with(id, &half.lacks, now)
                }
            }
            (
                Step::AddForm(_) | Step::Delete(_) | Step::Finish(_) | Step::Resume(_),
                Evidence::Unclear(problem, quiet),
                _,
            ) => self.tries_again_when_quiet(problem, quiet, now),
            (Step::AfterSteps, Evidence::Worked, phase) => {
                self.takes_over_created(phase);
                self.finished(now)
            }
            (Step::AfterSteps, Evidence::Trouble(problem), phase) => {
                self.takes_over_created(phase);
                self.stays_created(problem, now)
            }
            (Step::End(verdict), _, _) => Phase::Ended(verdict),
            // The evidence of another step than the one asked for proves nothing. A request may have left all
            // the same: the claim stays as it is, and so counts as one that was sent.
            (_, _, _) => self.ended_again(),
        };
    }

    /// The request of which no search has told yet what it made.
    fn sent(&self) -> Option<Sent> {
        self.record.as_ref().and_then(|record| record.sent)
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
                sent: None,
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
                let sent = match seen.state {
                    // Nobody knows how far a holder came that never gave its claim back. Its request has ended
                    // with its lease, B's work on it has not.
                    State::Claimed => Some(Sent::join(
                        seen.sent,
                        Sent {
                            from: seen.updated,
                            ended: seen.lease_until,
                            quiet: later(seen.lease_until, self.policy.settle),
                        },
                    )),
                    _ => seen.sent,
                };
                Record {
                    state: State::Claimed,
                    lease_until,
                    sent,
                    // A B that was on record and is gone is on record no more, unless only its id proves that it is gone.
                    instance: seen
                        .instance
                        .filter(|_| seen.state != State::Created || self.policy.stamped_late),
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

    fn written(&mut self, record: Box<Record>, phase: &Phase) -> Phase {
        let then = match phase {
            Phase::Start | Phase::Vanished(_) => Then::Work,
            Phase::Seen(_) if record.state == State::Claimed => Then::Work,
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
    fn lost_to(&mut self, seen: Box<Record>, phase: &Phase) -> Phase {
        self.claims += 1;
        match phase {
            Phase::Start | Phase::Seen(_) | Phase::Vanished(_) if self.claims <= CLAIMS => {
                Phase::Seen(seen)
            }
            _ if seen.state == State::Done => Phase::Ended(Verdict::Acknowledge),
            _ => self.ended_again(),
        }
    }

    fn ready(&mut self, since: Timestamp, now: Timestamp) -> Phase {
        // The ledger forgets; of an A this old nobody knows whether it was relayed before.
        let memory = SignedDuration::try_from(self.policy.memory).unwrap_or(SignedDuration::MAX);
        self.forgotten_since = (now.duration_since(since) > memory).then_some(since);
        if self.sent().is_some() || self.forgotten_since.is_some() {
            Phase::Searching {
                if_none: IfNone::Create,
            }
        } else {
            Phase::Creating { since: now }
        }
    }

    /// `conclusive` is the search's own word: B may have become quiet while it ran, after it had listed what there was.
    fn found(
        &mut self,
        found: Vec<Found>,
        conclusive: bool,
        if_none: IfNone,
        now: Timestamp,
    ) -> Phase {
        let named = self.record.as_ref().and_then(|record| record.instance);
        let named_is_gone = found.iter().any(|it| it.gone && Some(it.id) == named);
        let mut live: Vec<Found> = found.into_iter().filter(|found| !found.gone).collect();
        live.sort_by_key(|found| (found.created, found.id));
        self.doubled = live.iter().filter(|found| found.is_complete()).count() > 1;
        if let Some(complete) = live.iter().find(|found| found.is_complete()) {
            self.adopted = true;
            return if conclusive {
                self.exists(complete.id, now)
            } else {
                self.adopts_early(complete.id, now)
            };
        }
        if !conclusive {
            return self.waits_for_quiet(None, now);
        }
        match live.into_iter().next() {
            Some(half) => self.repairs(half, if_none, now),
            None if self.policy.stamped_late && !named_is_gone => self.unprovable(if_none, now),
            None => self.none_exists(if_none, now),
        }
    }

    /// B is quiet, and a half-made B is there.
    fn repairs(&mut self, half: Found, if_none: IfNone, now: Timestamp) -> Phase {
        match (half.engine, if_none) {
            (Engine::Stopped, if_none) if !self.resumed => {
                self.resumed = true;
                let id = half.id;
                Phase::Resuming { id, if_none }
            }
            (Engine::Working | Engine::Stopped, _) => {
                let what = if half.engine == Engine::Working {
                    "is still at work on"
                } else {
                    "has stopped again at"
                };
                let problem = Problem::new(Reason::OutcomeUnknown)
                    .because(format!("B's workflow engine {what} instance {}", half.id));
                self.troubled(problem, now)
            }
            (Engine::Idle, IfNone::Fail(problem)) => self.clears_away(half, problem, now),
            (Engine::Idle, if_none) if half.lacks.form && !half.ended => {
                Phase::AddingForm { half, if_none }
            }
            (Engine::Idle, if_none) => goes_on_with(half, if_none),
        }
    }

    /// B refuses the draft: what its app left behind goes, unless somebody has worked on it.
    fn clears_away(&mut self, half: Found, problem: Problem, now: Timestamp) -> Phase {
        if half.touched || half.ended {
            return self.leaves_orphan(problem, now);
        }
        let if_none = IfNone::Fail(problem);
        Phase::Deleting { half, if_none }
    }

    /// The search has found none, but a B that its app left without a form carries no stamp that could be found.
    fn unprovable(&mut self, if_none: IfNone, now: Timestamp) -> Phase {
        let Some(sent) = self.sent() else {
            return self.none_exists(if_none, now);
        };
        let problem = Problem::new(Reason::OutcomeUnknown).because(format!(
            "no instance of {} shows this relay's id, and one that its app left without a form cannot show it: look there \
             for one without a form that was created from {} to {}",
            self.target, sent.from, sent.quiet
        ));
        self.fails(problem, now)
    }

    /// B is quiet, and there is none.
    fn none_exists(&mut self, if_none: IfNone, now: Timestamp) -> Phase {
        if let Some(record) = &mut self.record {
            record.sent = None;
            record.instance = None;
        }
        match if_none {
            IfNone::Create => Phase::Creating { since: now },
            IfNone::Fail(problem) => self.fails(problem, now),
            IfNone::Retry(problem) => self.troubled(problem, now),
        }
    }

    fn answered(&mut self, answer: Answer, since: Timestamp, now: Timestamp) -> Phase {
        let reply = match answer {
            Answer::Created(id) => return self.exists(id, now),
            Answer::NotSent(problem) => return self.troubled(problem, now),
            Answer::Unclear(reply) => reply,
        };
        let if_none = if reply.refused {
            IfNone::Fail(reply.problem)
        } else {
            IfNone::Retry(reply.problem)
        };
        if reply.nothing_made && self.policy.stamped_late {
            // A search could not tell more than these words do.
            return match if_none {
                IfNone::Fail(problem) => self.fails(problem, now),
                IfNone::Retry(problem) => self.troubled(problem, now),
                IfNone::Create => self.ended_again(),
            };
        }
        let quiet = match reply.quiet {
            // A workflow engine may store the form, and with it the stamp, long after the app's own 5xx.
            Quiet::Soon if self.policy.stamped_late => Quiet::Settled,
            quiet => quiet,
        };
        let sent = Sent {
            from: since,
            ended: now,
            quiet: self.quiet_at(quiet, now),
        };
        if let Some(record) = &mut self.record {
            record.sent = Some(sent);
            record.instance = reply.instance;
        }
        match (quiet, if_none) {
            (Quiet::Now, if_none) => Phase::Searching { if_none },
            (_, IfNone::Fail(problem) | IfNone::Retry(problem)) => {
                self.waits_for_quiet(problem.detail, now)
            }
            (_, IfNone::Create) => self.ended_again(),
        }
    }

    fn quiet_at(&self, quiet: Quiet, now: Timestamp) -> Timestamp {
        match quiet {
            Quiet::Now => now,
            Quiet::Soon => later(now, SOON.min(self.policy.settle)),
            Quiet::Settled => later(now, self.policy.settle),
        }
    }

    /// A complete B was found while its app may still be at work, and may yet delete it.
    fn adopts_early(&mut self, id: InstanceId, now: Timestamp) -> Phase {
        let quiet = self.sent().map_or(now, |sent| sent.quiet);
        let verdict = if self.receives >= MAX_RECEIVES {
            Verdict::Acknowledge
        } else {
            Verdict::Again(self.wait_for(quiet, now))
        };
        self.record_as(now, Then::End(verdict), |record| {
            record.state = State::Created;
            record.instance = Some(id);
        })
    }

    /// The B that was adopted early has been looked at, now that its app is quiet.
    fn looked(&mut self, alive: bool, seen: Box<Record>, now: Timestamp) -> Phase {
        if !alive {
            return Phase::Vanished(seen);
        }
        let id = seen.instance;
        self.record = Some(seen);
        self.completes(id, now)
    }

    /// B exists and is complete.
    fn exists(&mut self, id: InstanceId, now: Timestamp) -> Phase {
        self.completes(Some(id), now)
    }

    /// B exists, and will never have what it lacks.
    fn exists_with(&mut self, id: InstanceId, lacks: &Lacks, now: Timestamp) -> Phase {
        if !lacks.is_nothing()
            && let Some(record) = &mut self.record
        {
            let problem = Problem::new(Reason::Incomplete).because(format!("B lacks {lacks}"));
            record.note(problem);
        }
        self.exists(id, now)
    }

    /// A half-made B has been given all that can be added, and will never have what is `missing`.
    fn finishes(&mut self, id: InstanceId, half: &Found, missing: Lacks, now: Timestamp) -> Phase {
        self.adopted = true;
        // Nothing starts a process afterwards (measured: `process/start` answers 409).
        let start = half.lacks.start;
        self.exists_with(id, &Lacks { start, ..missing }, now)
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
            record.sent = None;
        })
    }

    /// The after-steps are done.
    fn finished(&self, now: Timestamp) -> Phase {
        self.record_as(now, Then::End(Verdict::Acknowledge), |record| {
            record.state = State::Done;
            if record.reason != Some(Reason::Incomplete) {
                record.reason = None;
                record.detail = None;
            }
        })
    }

    /// An after-step did not work: that fails no relay. It is tried again, at last by reconcile.
    fn stays_created(&self, problem: Problem, now: Timestamp) -> Phase {
        let verdict = self.again_or_left(problem.after);
        self.record_as(now, Then::End(verdict), |record| {
            // What B lacks is for good, and this is not.
            if record.reason != Some(Reason::Incomplete) {
                record.note(problem);
            }
        })
    }

    /// After-steps need no claim: they may be done twice, and the record is written by whoever is first.
    fn takes_over_created(&mut self, phase: Phase) {
        if let Phase::Seen(seen) = phase {
            self.record = Some(seen);
        }
    }

    /// The relays of a route's `each` have been worked on, each under a claim of its own.
    fn parts(&mut self, parts: Parts, now: Timestamp) -> Phase {
        if let Some(record) = &mut self.record {
            // The set itself sends nothing.
            record.sent = None;
        }
        match parts {
            Parts::Done => self.completes(None, now),
            Parts::Waiting(problem) => self.gives_back(problem, now, Verdict::Acknowledge),
            Parts::Open(problem) => self.troubled(problem, now),
            Parts::Failed(problem) => self.fails(problem, now),
        }
    }

    /// Not yet: the claim is given back, and the message comes again, but not for ever.
    fn waits(&mut self, problem: Problem, now: Timestamp) -> Phase {
        let verdict = self.again_or_left(problem.after);
        self.gives_back(problem, now, verdict)
    }

    /// Somebody does not answer: the claim is given back, and the message comes again until its receives end.
    fn troubled(&mut self, problem: Problem, now: Timestamp) -> Phase {
        if self.receives >= patience(problem.reason) {
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

    /// B may be there or in the making: the message comes again for the next search.
    fn waits_for_quiet(&mut self, detail: Option<String>, now: Timestamp) -> Phase {
        let Some(sent) = self.sent() else {
            return self.ended_again();
        };
        let detail = detail.unwrap_or_else(|| {
            format!(
                "no complete B yet; its app may still be at work until {}",
                sent.quiet
            )
        });
        let problem = Problem::new(Reason::OutcomeUnknown).because(detail);
        if self.receives >= MAX_RECEIVES {
            return self.fails(problem, now);
        }
        let wait = if self.receives <= EARLY_RECEIVES {
            next_search(&sent, now)
        } else {
            until(sent.quiet, now).max(self.backoff())
        };
        let wait = wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
        self.gives_back(problem, now, Verdict::Again(wait))
    }

    /// A request that changes a half-made B got no answer that settles it: what it did, the next search tells.
    fn tries_again_when_quiet(&mut self, problem: Problem, quiet: Quiet, now: Timestamp) -> Phase {
        let quiet = self.quiet_at(quiet, now);
        if let Some(record) = &mut self.record {
            let sent = Sent {
                from: now,
                ended: now,
                quiet,
            };
            record.sent = Some(Sent::join(record.sent, sent));
        }
        if self.receives >= patience(problem.reason) {
            return self.fails(problem, now);
        }
        let wait = until(quiet, now)
            .max(self.backoff())
            .max(problem.after.unwrap_or_default())
            .min(LONGEST_WAIT);
        self.gives_back(problem, now, Verdict::Again(wait))
    }

    fn fails(&mut self, problem: Problem, now: Timestamp) -> Phase {
        self.record_as(now, Then::End(Verdict::GiveUp), |record| {
            record.state = State::Failed;
            record.note(problem);
        })
    }

    /// A half-made B stays that may be neither deleted nor completed: whoever redrives must look for it first.
    fn leaves_orphan(&mut self, problem: Problem, now: Timestamp) -> Phase {
        let reason = Reason::OrphanLeft;
        self.fails(Problem { reason, ..problem }, now)
    }

    fn record_as(&self, now: Timestamp, then: Then, change: impl FnOnce(&mut Record)) -> Phase {
        let Some(held) = &self.record else {
            // Without a claim nothing is written.
            return self.ended_again();
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

    /// The write that gives the claim back for want of time. It says that nothing was sent, if nothing was.
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

    /// The message comes again, or is left to reconcile.
    fn again_or_left(&self, after: Option<Duration>) -> Verdict {
        if self.receives >= WAITING_RECEIVES {
            Verdict::Acknowledge
        } else {
            self.again(after)
        }
    }

    /// What the other side asked for wins over our own backoff, but the longer the trouble lasts the longer
    /// the wait at the least: the message's receives must outlast a night.
    fn again(&self, after: Option<Duration>) -> Verdict {
        let backoff = self.backoff();
        Verdict::Again(after.map_or(backoff, |after| after.max(backoff / 2).min(LONGEST_WAIT)))
    }

    fn ended_again(&self) -> Phase {
        Phase::Ended(Verdict::Again(self.backoff()))
    }

    /// The time until `moment`: a second at least, and no longer than a message can be put back for.
    fn wait_for(&self, moment: Timestamp, now: Timestamp) -> Duration {
        until(moment, now).clamp(Duration::from_secs(1), LONGEST_WAIT)
    }

    fn backoff(&self) -> Duration {
        backoff(self.receives, self.seed)
    }
}

/// What is done about a half-made B once its form is there, or cannot be added. One whose process never started cannot become
/// what a clean one is: it is made anew where it may be deleted, unless somebody has worked on it.
fn goes_on_with(half: Found, if_none: IfNone) -> Phase {
    if half.lacks.start && !half.touched && !half.ended {
        Phase::Deleting { half, if_none }
    } else {
        Phase::Finishing { half }
    }
}

impl Record {
    fn note(&mut self, problem: Problem) {
        self.reason = Some(problem.reason);
        self.detail = problem.detail;
    }
}

#[cfg(test)]
mod tests;
