//! Whatever comes of its steps, an attempt breaks no rule.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    option::{of, weighted},
    sample::select,
    test_runner::TestCaseError,
};

use super::*;

fn any_problem() -> impl Strategy<Value = Problem> {
    let after = of((0..200_000_u64).prop_map(Duration::from_secs));
    (select(Reason::ALL), after).prop_map(|(reason, after)| Problem::new(reason).after(after))
}

fn any_state() -> impl Strategy<Value = State> {
    select(
        &[
            State::Claimed,
            State::Waiting,
            State::Created,
            State::Done,
            State::Failed,
        ][..],
    )
}

fn any_moment() -> impl Strategy<Value = Timestamp> {
    (-200_000..1_000_i64).prop_map(moment)
}

fn any_instance() -> impl Strategy<Value = InstanceId> {
    (1..4_u128).prop_map(instance)
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (-3_000..-300_i64, 0..300_i64, 0..1_800_i64).prop_map(|(from, ended, quiet)| Sent {
        from: moment(from),
        ended: moment(from + ended),
        quiet: moment(from + ended + quiet),
    })
}

prop_compose! {
    fn any_record()(
        rev in 1..9_u64, state in any_state(), ours in any::<bool>(), lease_until in any_moment(),
        sent in of(any_sent()), first in any_moment(), attempts in any::<u32>(), instance in of(any_instance()),
    ) -> Record {
        let holder = if ours { us() } else { Holder(Uuid::from_u128(8)) };
        Record { rev, state, holder, lease_until, sent, first, attempts, instance, ..seen(state) }
    }
}

fn any_engine() -> impl Strategy<Value = Engine> {
    prop_oneof![3 => Just(Engine::Idle), 1 => Just(Engine::Working), 1 => Just(Engine::Stopped)]
}

fn any_lacks() -> impl Strategy<Value = Lacks> {
    let some = (any::<bool>(), 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
        |(form, attachments, copies, start)| Lacks {
            form,
            attachments,
            copies,
            start,
        },
    );
    prop_oneof![1 => Just(Lacks::default()), 3 => some]
}

prop_compose! {
    fn any_found()(
        id in any_instance(), created in of(any_moment()), gone in weighted(0.3, Just(())),
        ended in weighted(0.2, Just(())), touched in weighted(0.2, Just(())), engine in any_engine(),
        lacks in any_lacks(),
    ) -> Found {
        Found {
            id, created, engine, lacks, gone: gone.is_some(), ended: ended.is_some(), touched: touched.is_some(),
        }
    }
}

fn any_quiet() -> impl Strategy<Value = Quiet> {
    select(&[Quiet::Now, Quiet::Soon, Quiet::Settled][..])
}

prop_compose! {
    fn any_reply()(
        problem in any_problem(), refused in any::<bool>(), nothing_made in any::<bool>(), quiet in any_quiet(),
        instance in of(any_instance()),
    ) -> Reply {
        Reply { problem, refused, nothing_made, quiet, instance }
    }
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        1 => any_instance().prop_map(Answer::Created),
        1 => any_problem().prop_map(Answer::NotSent),
        4 => any_reply().prop_map(Answer::Unclear),
    ]
}

fn any_parts() -> impl Strategy<Value = Parts> {
    prop_oneof![
        Just(Parts::Done),
        any_problem().prop_map(Parts::Waiting),
        any_problem().prop_map(Parts::Open),
        any_problem().prop_map(Parts::Failed),
    ]
}

fn trouble() -> impl Strategy<Value = Evidence> {
    any_problem().prop_map(Evidence::Trouble)
}

fn of_put() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        6 => Just(Evidence::Written),
        2 => any_record().prop_map(|record| Evidence::Conflict(Some(Box::new(record)))),
        1 => Just(Evidence::Conflict(None)),
        1 => Just(Evidence::Unwritten),
    ]
}

fn of_read() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        10 => any_moment().prop_map(|since| Evidence::Ready { since }),
        2 => Just(Evidence::Ready { since: moment(-400 * 86_400) }),
        1 => any_problem().prop_map(Evidence::NotYet),
        1 => any_parts().prop_map(Evidence::Parts),
        1 => any_problem().prop_map(Evidence::Hopeless),
        1 => trouble(),
    ]
}

fn of_search() -> impl Strategy<Value = Evidence> {
    let found = vec(any_found(), 0..3).prop_map(|mut found| {
        found.sort_by_key(|found| found.id);
        found.dedup_by_key(|found| found.id);
        found
    });
    prop_oneof![8 => found.prop_map(Evidence::Found), 1 => trouble()]
}

fn of_create() -> impl Strategy<Value = Evidence> {
    prop_oneof![8 => any_answer().prop_map(Evidence::Answered), 1 => trouble()]
}

fn of_look() -> impl Strategy<Value = Evidence> {
    prop_oneof![4 => any::<bool>().prop_map(|alive| Evidence::Looked { alive }), 1 => trouble()]
}

/// Of a change to a half-made B, or of the after-steps.
fn of_change() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        6 => Just(Evidence::Worked),
        2 => Just(Evidence::Denied),
        1 => any_problem().prop_map(Evidence::Refused),
        2 => (any_problem(), any_quiet()).prop_map(|(problem, quiet)| Evidence::Unclear(problem, quiet)),
        1 => trouble(),
    ]
}

/// What may come of one step.
#[derive(Clone, Debug)]
struct Turn {
    seconds: i64,
    put: Evidence,
    read: Evidence,
    search: Evidence,
    create: Evidence,
    look: Evidence,
    change: Evidence,
    /// Evidence of whatever step, now and then.
    other: Option<Evidence>,
}

prop_compose! {
    fn any_turn()(
        seconds in 2..20_i64, put in of_put(), read in of_read(), search in of_search(), create in of_create(),
        look in of_look(), change in of_change(),
        other in weighted(
            0.05, prop_oneof![of_put(), of_read(), of_search(), of_create(), of_look(), of_change()],
        ),
    ) -> Turn {
        Turn { seconds, put, read, search, create, look, change, other }
    }
}

impl Turn {
    fn evidence(self, step: &Step) -> Evidence {
        self.other.unwrap_or(match step {
            Step::Put { .. } => self.put,
            Step::Read => self.read,
            Step::Search { .. } => self.search,
            Step::Create => self.create,
            Step::Look(_) => self.look,
            _ => self.change,
        })
    }
}

/// What is known from outside: a second account of the rules, by what was seen and not by what the attempt keeps.
struct Watch {
    policy: Policy,
    receives: u32,
    now: Timestamp,
    /// What this attempt wrote last.
    written: Option<Record>,
    /// What the ledger showed last, if it was not what this attempt wrote.
    met: Option<Record>,
    /// The request of which no search has told yet what it made.
    open: Option<Sent>,
    /// A is older than the ledger's memory, and no search has told yet that it has no B.
    forgotten: bool,
    /// The instance that B's answer named.
    named: Option<InstanceId>,
    /// What the last search found, gone ones left out.
    live: Vec<Found>,
    /// The last search has found a whole B.
    whole: bool,
    /// B was quiet when the last search began.
    concluded: bool,
    /// B that exist as far as can be, each made, found whole or finished.
    good: BTreeSet<InstanceId>,
    /// The B on record was looked at, and is there.
    looked: bool,
    /// The route has an `each`: what became of its relays.
    parts: Option<Parts>,
}

impl Watch {
    fn half(&self, id: InstanceId) -> &Found {
        let half = self.live.iter().find(|found| found.id == id);
        half.expect("what the last search has found")
    }

    fn last(&self) -> Option<&Record> {
        self.met.as_ref().or(self.written.as_ref())
    }

    fn is_quiet(&self) -> bool {
        self.open.is_none_or(|open| open.quiet <= self.now)
    }

    /// The step may be taken now.
    fn check(&self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Put {
                record, replaces, ..
            } => self.check_write(record, *replaces)?,
            Step::Create
            | Step::AddForm(_)
            | Step::Delete(_)
            | Step::Finish(_)
            | Step::Resume(_) => {
                let claim = self.written.as_ref().expect("a claim");
                prop_assert_eq!(claim.state, State::Claimed);
                prop_assert!(self.now + LEASE / 10 < claim.lease_until);
                self.check_change(step)?;
            }
            Step::Look(id) => {
                let seen = self.met.as_ref().expect("a record");
                prop_assert!(seen.state == State::Created && seen.instance == Some(*id));
                prop_assert!(seen.sent.is_some_and(|sent| sent.quiet <= self.now));
            }
            Step::Search {
                from,
                until,
                conclusive,
            } => {
                prop_assert!(self.written.is_some());
                prop_assert_eq!(*conclusive, self.is_quiet());
                // All that the request may have made lies within, whatever the clocks say.
                let covers = |open: Sent| {
                    *from <= open.from - CLOCK_MARGIN && *until >= open.ended + CLOCK_MARGIN
                };
                prop_assert!(self.open.is_none_or(covers), "{:?}", self.open);
            }
            Step::AfterSteps => {
                let last = self.last().expect("a record");
                prop_assert!(last.state == State::Created && self.policy.after_steps);
            }
            Step::End(verdict) => self.check_end(*verdict)?,
            Step::Read => {}
        }
        Ok(())
    }

    fn check_change(&self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Create => prop_assert!(self.open.is_none() && !self.forgotten, "{:?}", self.open),
            Step::AddForm(id) => {
                let half = self.half(*id);
                prop_assert!(half.engine == Engine::Idle && half.lacks.form && !half.ended);
            }
            Step::Delete(id) => {
                let half = self.half(*id);
                prop_assert!(half.engine == Engine::Idle && !half.ended && !half.touched);
            }
            Step::Finish(id) => prop_assert_eq!(self.half(*id).engine, Engine::Idle),
            Step::Resume(id) => prop_assert_eq!(self.half(*id).engine, Engine::Stopped),
            _ => {}
        }
        prop_assert!(self.is_quiet());
        // A whole B is never touched.
        prop_assert!(!self.whole);
        Ok(())
    }

    fn check_write(&self, record: &Record, replaces: Option<u64>) -> Result<(), TestCaseError> {
        let known = self.written.as_ref().or(self.met.as_ref());
        prop_assert_eq!(replaces, known.map(|record| record.rev));
        prop_assert_eq!(record.rev, known.map_or(0, |record| record.rev) + 1);
        prop_assert_eq!(record.holder, us());
        let quiet = record.sent.map(|sent| sent.quiet);
        let before = self.met.as_ref().and_then(|met| met.sent);
        match (record.state, &self.written) {
            (State::Claimed, written) => {
                prop_assert!(written.is_none());
                let left = self
                    .met
                    .as_ref()
                    .filter(|met| met.state == State::Claimed)
                    .map(|met| met.lease_until + self.policy.settle);
                prop_assert_eq!(quiet, left.max(before.map(|sent| sent.quiet)));
            }
            (State::Waiting | State::Failed, Some(_)) => prop_assert_eq!(record.sent, self.open),
            (State::Created, Some(_)) if quiet.is_some() => {
                prop_assert_eq!(record.sent, self.open);
                prop_assert!(!self.concluded);
                prop_assert!(record.instance.is_some_and(|id| self.good.contains(&id)));
            }
            (State::Created | State::Done, Some(written)) if written.state == State::Claimed => {
                prop_assert!(quiet.is_none() && self.is_quiet());
                let exists = record.instance.is_some_and(|id| self.good.contains(&id));
                prop_assert!(exists || self.parts == Some(Parts::Done));
            }
            (State::Created | State::Done, written) => {
                let seen = written.as_ref().or(self.met.as_ref()).expect("a record");
                prop_assert_eq!(seen.state, State::Created);
                prop_assert_eq!(seen.instance, record.instance);
                let unsettled = written.is_none() && before.is_some() && seen.instance.is_some();
                prop_assert!(self.looked || !unsettled);
            }
            (State::Waiting | State::Failed, None) => {
                return Err(TestCaseError::fail("written without a claim"));
            }
        }
        Ok(())
    }

    /// What becomes of the message is backed by what is on record.
    fn check_end(&self, verdict: Verdict) -> Result<(), TestCaseError> {
        let last = self.last();
        let state = last.map(|record| record.state);
        match verdict {
            Verdict::Acknowledge => {
                let backed = match state {
                    Some(State::Done) => true,
                    Some(State::Waiting) => {
                        self.receives >= WAITING_RECEIVES
                            || matches!(self.parts, Some(Parts::Waiting(_)))
                    }
                    Some(State::Created) => {
                        let unsettled = last.is_some_and(|record| record.sent.is_some());
                        (unsettled && self.receives >= MAX_RECEIVES)
                            || (self.policy.after_steps && self.receives >= WAITING_RECEIVES)
                    }
                    _ => false,
                };
                prop_assert!(backed, "{:?}", last);
            }
            Verdict::GiveUp => prop_assert_eq!(state, Some(State::Failed)),
            Verdict::Again(wait) => prop_assert!(!wait.is_zero() && wait <= LONGEST_WAIT),
        }
        Ok(())
    }

    fn quiet_at(&self, quiet: Quiet) -> Timestamp {
        self.now
            + match quiet {
                Quiet::Now => Duration::ZERO,
                Quiet::Soon => SOON,
                Quiet::Settled => self.policy.settle,
            }
    }

    fn learn(&mut self, step: &Step, evidence: &Evidence, left: Timestamp) {
        match (step, evidence) {
            (Step::Put { record, .. }, Evidence::Written) => {
                if record.state == State::Claimed {
                    self.open = record.sent;
                    self.named = record.instance;
                }
                (self.written, self.met) = (Some(*record.clone()), None);
            }
            (Step::Put { .. }, Evidence::Conflict(Some(record))) => {
                (self.met, self.looked) = (Some(*record.clone()), false);
            }
            (Step::Read, Evidence::Parts(parts)) => {
                self.parts = Some(parts.clone());
                self.open = None;
            }
            (Step::Read, Evidence::Ready { since }) => {
                let age = Duration::try_from(self.now.duration_since(*since));
                self.forgotten = age.is_ok_and(|age| age > self.policy.memory);
            }
            (Step::Search { conclusive, .. }, Evidence::Found(found)) => {
                self.concluded = *conclusive;
                let (gone, live): (Vec<Found>, Vec<Found>) =
                    found.iter().cloned().partition(|found| found.gone);
                let whole = live.iter().filter(|found| found.is_complete());
                self.good.extend(whole.map(|found| found.id));
                self.whole = live.iter().any(Found::is_complete);
                let proves = !self.policy.stamped_late
                    || gone.iter().any(|found| Some(found.id) == self.named);
                if live.is_empty() && self.open.is_none() {
                    self.forgotten = false;
                }
                if live.is_empty() && *conclusive && proves {
                    self.forgotten = false;
                    (self.open, self.named) = (None, None);
                }
                self.live = live;
            }
            (Step::Create, Evidence::Answered(Answer::Created(id))) => {
                self.good.insert(*id);
            }
            (Step::Create, Evidence::Answered(Answer::Unclear(reply)))
                if !(self.policy.stamped_late && reply.nothing_made) =>
            {
                let quiet = match reply.quiet {
                    Quiet::Soon if self.policy.stamped_late => Quiet::Settled,
                    quiet => quiet,
                };
                self.open = Some(Sent {
                    from: left,
                    ended: self.now,
                    quiet: self.quiet_at(quiet),
                });
                self.named = reply.instance;
            }
            (Step::AddForm(id), Evidence::Worked) => {
                let added = self.live.iter_mut().filter(|found| found.id == *id);
                added.for_each(|found| found.lacks.form = false);
            }
            (Step::Finish(id), Evidence::Worked) => {
                self.good.insert(*id);
            }
            (Step::Finish(id), Evidence::Denied) if !self.half(*id).lacks.form => {
                self.good.insert(*id);
            }
            (
                Step::AddForm(_) | Step::Delete(_) | Step::Finish(_) | Step::Resume(_),
                Evidence::Unclear(_, quiet),
            ) => {
                let change = Sent {
                    from: self.now,
                    ended: self.now,
                    quiet: self.quiet_at(*quiet),
                };
                self.open = Some(Sent::join(self.open, change));
            }
            (Step::Look(_), Evidence::Looked { alive }) => self.looked = *alive,
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever comes of its steps, a delivery ends while its lease holds. On its way it writes over what it
    /// knows only; makes B under its own claim only, and never while the outcome of an earlier request is
    /// unknown; changes a half-made B only when B is quiet; and ends with nothing that is not on record.
    #[test]
    fn any_course_of_events_ends_and_breaks_no_rule(
        turns in vec(any_turn(), 45), receives in 1..60_u32, after_steps in any::<bool>(),
        stamped_late in any::<bool>(),
    ) {
        let policy = Policy { after_steps, stamped_late, ..POLICY };
        let mut attempt = Attempt::new(policy, us(), target(), receives);
        let mut watch = Watch {
            policy, receives, now: moment(0), written: None, met: None, open: None, forgotten: false, named: None, live: Vec::new(),
            whole: false, concluded: false, good: BTreeSet::new(), looked: false, parts: None,
        };
        for turn in turns {
            let step = attempt.next(watch.now);
            watch.check(&step)?;
            if matches!(step, Step::End(_)) {
                return Ok(());
            }
            let left = watch.now;
            watch.now += SignedDuration::from_secs(turn.seconds);
            let evidence = turn.evidence(&step);
            watch.learn(&step, &evidence, left);
            attempt.learn(step, evidence, watch.now);
        }
        prop_assert!(false, "still not at its end: {:?}", attempt);
    }
}
