//! An attempt breaks no rule, whatever the outcomes of its steps are.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    option::{of, weighted},
    sample::select,
    test_runner::TestCaseError,
};

use super::*;

fn any_failure() -> impl Strategy<Value = Failure> {
    let after = of((0..200_000_u64).prop_map(Duration::from_secs));
    (select(Reason::ALL), after).prop_map(|(reason, after)| Failure::new(reason).after(after))
}

fn any_state() -> impl Strategy<Value = State> {
    select(&State::ALL[..])
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
        not_before in of(any_moment()), reason in of(select(Reason::ALL)), updated in any_moment(),
    ) -> Record {
        let holder = if ours { us() } else { Holder(Uuid::from_u128(8)) };
        Record { rev, state, holder, lease_until, sent, first, attempts, instance, not_before, reason, updated, ..seen(state) }
    }
}

prop_compose! {
    fn any_message()(receives in 1..60_u32, sent_at in of(any_moment()), redriven in any::<bool>()) -> Message {
        Message { receives, sent_at, redriven }
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
        failure in any_failure(), refused in any::<bool>(), nothing_made in any::<bool>(), quiet in any_quiet(),
        instance in of(any_instance()),
    ) -> Reply {
        Reply { failure, refused, nothing_made, quiet, instance }
    }
}

fn any_set() -> impl Strategy<Value = SetOutcome> {
    prop_oneof![
        Just(SetOutcome::Done),
        any_failure().prop_map(SetOutcome::Waiting),
        any_failure().prop_map(SetOutcome::Open),
        any_failure().prop_map(SetOutcome::Failed),
    ]
}

fn of_put() -> impl Strategy<Value = PutOutcome> {
    prop_oneof![
        6 => Just(PutOutcome::Written),
        2 => any_record().prop_map(|record| PutOutcome::Conflict(Some(Box::new(record)))),
        1 => Just(PutOutcome::Conflict(None)),
        1 => Just(PutOutcome::Unknown),
    ]
}

fn of_read() -> impl Strategy<Value = ReadOutcome> {
    let not_ready = prop_oneof![
        any_failure().prop_map(NotReady::NotYet),
        any_failure().prop_map(NotReady::Never),
        any_failure().prop_map(NotReady::Unavailable),
    ];
    prop_oneof![
        10 => any_moment().prop_map(|since| ReadOutcome::Ready { since }),
        2 => Just(ReadOutcome::Ready { since: moment(-400 * 86_400) }),
        3 => not_ready.prop_map(ReadOutcome::NotReady),
        1 => any_set().prop_map(ReadOutcome::Set),
    ]
}

fn of_search() -> impl Strategy<Value = SearchOutcome> {
    let found = vec(any_found(), 0..3).prop_map(|mut found| {
        found.sort_by_key(|found| found.id);
        found.dedup_by_key(|found| found.id);
        found
    });
    let cut_off = (any_moment(), any_failure())
        .prop_map(|(reached, failure)| SearchOutcome::CutOff { reached, failure });
    prop_oneof![8 => found.prop_map(SearchOutcome::Found), 2 => cut_off]
}

fn of_create() -> impl Strategy<Value = CreateOutcome> {
    prop_oneof![
        1 => any_instance().prop_map(CreateOutcome::Created),
        1 => any_failure().prop_map(CreateOutcome::NotSent),
        4 => any_reply().prop_map(CreateOutcome::Unclear),
    ]
}

fn of_verify() -> impl Strategy<Value = VerifyOutcome> {
    prop_oneof![
        3 => Just(VerifyOutcome::Passed),
        1 => any_failure().prop_map(VerifyOutcome::Lacking),
    ]
}

fn of_look() -> impl Strategy<Value = LookOutcome> {
    prop_oneof![
        2 => Just(LookOutcome::Alive),
        2 => Just(LookOutcome::Gone),
        1 => Just(LookOutcome::Unknown),
    ]
}

fn unclear_change() -> impl Strategy<Value = (Failure, Quiet)> {
    (any_failure(), any_quiet())
}

fn of_add_form() -> impl Strategy<Value = AddFormOutcome> {
    prop_oneof![
        6 => Just(AddFormOutcome::Added),
        2 => Just(AddFormOutcome::Denied),
        1 => any_failure().prop_map(AddFormOutcome::Refused),
        2 => unclear_change().prop_map(|(failure, quiet)| AddFormOutcome::Unclear(failure, quiet)),
    ]
}

fn of_delete() -> impl Strategy<Value = DeleteOutcome> {
    prop_oneof![
        6 => Just(DeleteOutcome::Deleted),
        2 => Just(DeleteOutcome::Denied),
        2 => unclear_change().prop_map(|(failure, quiet)| DeleteOutcome::Unclear(failure, quiet)),
    ]
}

fn of_finish() -> impl Strategy<Value = FinishOutcome> {
    prop_oneof![
        6 => any_lacks().prop_map(|missing| FinishOutcome::Finished { missing }),
        2 => Just(FinishOutcome::Denied),
        2 => unclear_change().prop_map(|(failure, quiet)| FinishOutcome::Unclear(failure, quiet)),
    ]
}

fn of_resume() -> impl Strategy<Value = ResumeOutcome> {
    prop_oneof![
        6 => Just(ResumeOutcome::Resumed),
        2 => unclear_change().prop_map(|(failure, quiet)| ResumeOutcome::Unclear(failure, quiet)),
    ]
}

fn of_after_steps() -> impl Strategy<Value = Result<(), Failure>> {
    prop_oneof![6 => Just(Ok(())), 3 => any_failure().prop_map(Err)]
}

prop_compose! {
    /// The outcome of one step, whichever it is.
    fn any_turn()(
        seconds in 2..20_i64, put in of_put(), read in of_read(), search in of_search(), create in of_create(),
        verify in of_verify(), look in of_look(), add_form in of_add_form(), delete in of_delete(), finish in of_finish(),
        resume in of_resume(), after_steps in of_after_steps(),
    ) -> Turn {
        Turn { seconds, put, read, search, create, verify, look, add_form, delete, finish, resume, after_steps }
    }
}

#[derive(Clone, Debug)]
struct Turn {
    seconds: i64,
    put: PutOutcome,
    read: ReadOutcome,
    search: SearchOutcome,
    create: CreateOutcome,
    verify: VerifyOutcome,
    look: LookOutcome,
    add_form: AddFormOutcome,
    delete: DeleteOutcome,
    finish: FinishOutcome,
    resume: ResumeOutcome,
    after_steps: Result<(), Failure>,
}

impl Turn {
    /// Gives the step its outcome, and tells the watch. `None` at the end.
    fn take(self, step: Step, watch: &mut Watch) -> Option<Attempt> {
        let left = watch.now;
        watch.now += SignedDuration::from_secs(self.seconds);
        let now = watch.now;
        Some(match step {
            Step::Claim(put) | Step::Record(put) => {
                watch.sees_put(&put, &self.put);
                put.outcome(self.put)
            }
            Step::Read(read) => {
                watch.sees_read(&self.read);
                read.outcome(self.read, now)
            }
            Step::Search(search) => {
                match &self.search {
                    SearchOutcome::Found(found) => {
                        watch.sees_found(found, search.is_conclusive());
                    }
                    SearchOutcome::CutOff { reached, .. } => {
                        watch.sees_cut_off(*reached, &search);
                    }
                }
                search.outcome(self.search, now)
            }
            Step::Create(create) => {
                watch.sees_created(&self.create, left);
                create.outcome(self.create, now)
            }
            Step::Verify(verify) => {
                watch.sees_verified(&self.verify);
                verify.outcome(self.verify, now)
            }
            Step::Look(look) => {
                watch.looked = self.look == LookOutcome::Alive;
                look.outcome(self.look, now)
            }
            Step::AddForm(add) => {
                match &self.add_form {
                    AddFormOutcome::Added => watch.sees_form_added(add.half.id),
                    AddFormOutcome::Unclear(_, quiet) => watch.sees_unclear(*quiet),
                    AddFormOutcome::Denied | AddFormOutcome::Refused(_) => {}
                }
                add.outcome(self.add_form, now)
            }
            Step::Delete(delete) => {
                if let DeleteOutcome::Unclear(_, quiet) = &self.delete {
                    watch.sees_unclear(*quiet);
                }
                delete.outcome(self.delete, now)
            }
            Step::Finish(finish) => {
                watch.sees_finished(finish.half.id, &self.finish);
                finish.outcome(self.finish, now)
            }
            Step::Resume(resume) => {
                if let ResumeOutcome::Unclear(_, quiet) = &self.resume {
                    watch.sees_unclear(*quiet);
                }
                resume.outcome(self.resume, now)
            }
            Step::AfterSteps(after_steps) => after_steps.outcome(self.after_steps, now),
            Step::End(_) => return None,
        })
    }
}

/// An observer: a second account of the rules, from the steps and outcomes alone and not from what the attempt keeps.
struct Watch {
    policy: Policy,
    message: Message,
    now: Timestamp,
    /// What this attempt wrote last.
    written: Option<Record>,
    /// What the ledger showed since, written by another worker.
    met: Option<Record>,
    /// The request that no search has settled yet.
    open: Option<Sent>,
    /// When the last request or search led to B.
    asked: Timestamp,
    /// A is older than the ledger's memory, and no search has shown yet that it has no B.
    forgotten: bool,
    /// The instance that B's answer named.
    named: Option<InstanceId>,
    /// What the last search found, without deleted instances.
    live: Vec<Found>,
    /// The last search found a complete B.
    whole: bool,
    /// B was quiet when the last search began.
    concluded: bool,
    /// The B instances that were created, found complete, or finished.
    good: BTreeSet<InstanceId>,
    /// The B on record was looked at, and exists.
    looked: bool,
    /// What became of the relays of the set, if the route has an `each`.
    set: Option<SetOutcome>,
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
            Step::Claim(put) => {
                prop_assert_eq!(put.record.state, State::Claimed);
                self.check_write(&put.record, put.replaces)?;
                self.check_wake(put)?;
                self.check_claim(&put.record)?;
            }
            Step::Record(put) => {
                prop_assert_ne!(put.record.state, State::Claimed);
                self.check_write(&put.record, put.replaces)?;
                self.check_wake(put)?;
            }
            Step::Create(_) => {
                self.check_request()?;
                prop_assert!(!self.is_breaker_open());
                prop_assert!(self.open.is_none() && !self.forgotten, "{:?}", self.open);
            }
            Step::AddForm(AddForm { half, .. }) => {
                self.check_request()?;
                prop_assert_eq!(half, self.half(half.id));
                prop_assert!(half.engine == Engine::Idle && half.lacks.form && !half.ended);
            }
            Step::Delete(Delete { half, .. }) => {
                self.check_request()?;
                prop_assert_eq!(half, self.half(half.id));
                prop_assert!(half.engine == Engine::Idle && !half.ended && !half.touched);
            }
            Step::Finish(Finish { half, .. }) => {
                self.check_request()?;
                prop_assert_eq!(half, self.half(half.id));
                prop_assert_eq!(half.engine, Engine::Idle);
            }
            Step::Resume(resume) => {
                self.check_request()?;
                prop_assert_eq!(self.half(resume.id).engine, Engine::Stopped);
            }
            Step::Verify(verify) => {
                prop_assert!(self.good.contains(&verify.id) && self.is_quiet());
                prop_assert_eq!(verify.adopted, self.whole);
            }
            Step::Look(look) => {
                let seen = self.met.as_ref().expect("a record");
                prop_assert!(seen.state == State::Created && seen.instance == Some(look.id));
                prop_assert!(seen.sent.is_some_and(|sent| sent.quiet <= self.now));
            }
            Step::Search(search) => {
                prop_assert!(self.written.is_some());
                prop_assert_eq!(search.is_conclusive(), self.is_quiet());
                // Everything that the request may have created lies within the window, however much clocks differ.
                let covers = |open: Sent| {
                    let within = open.ended + CREATED_WITHIN;
                    let settled = open.quiet.min(open.ended + SETTLE);
                    let until = if search.is_conclusive() {
                        within.max(settled)
                    } else {
                        within
                    };
                    search.from <= open.from - CLOCK_MARGIN && search.until >= until + CLOCK_MARGIN
                };
                prop_assert!(self.open.is_none_or(covers), "{:?}", self.open);
            }
            Step::AfterSteps(_) => {
                let last = self.last().expect("a record");
                prop_assert!(last.state == State::Created && self.policy.after_steps);
            }
            Step::End(end) => self.check_end(end.disposition)?,
            Step::Read(_) => {}
        }
        Ok(())
    }

    /// A request that creates or changes B is sent under a claim with time left, when B is quiet, and never to a
    /// complete B.
    fn check_request(&self) -> Result<(), TestCaseError> {
        let claim = self.written.as_ref().expect("a claim");
        prop_assert_eq!(claim.state, State::Claimed);
        prop_assert!(self.now + LEASE / 10 < claim.lease_until);
        prop_assert!(self.is_quiet() && !self.whole);
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
                prop_assert!(exists || self.set == Some(SetOutcome::Done));
            }
            (State::Created | State::Done, written) => {
                let seen = written.as_ref().or(self.met.as_ref()).expect("a record");
                prop_assert_eq!(seen.state, State::Created);
                prop_assert_eq!(seen.instance, record.instance);
                let unsettled = written.is_none() && before.is_some() && seen.instance.is_some();
                // It could not be read, and is to be looked at again.
                let stays = record.state == State::Created && record.sent == before;
                prop_assert!(self.looked || stays || !unsettled);
            }
            (State::Waiting, None) if self.is_breaker_open() => {
                let left = self.met.as_ref();
                prop_assert!(
                    left.is_none_or(|met| matches!(met.state, State::Told | State::Waiting))
                );
                prop_assert_eq!(record.sent, before);
                prop_assert_eq!(record.attempts, left.map_or(0, |met| met.attempts));
                prop_assert_eq!(record.reason, Some(Reason::BQuiet));
                let visible = record.not_before.map(|at| at + EARLY_BY);
                prop_assert!(visible >= self.policy.quiet_until);
            }
            (State::Told, _) | (State::Waiting | State::Failed, None) => {
                return Err(TestCaseError::fail("written without a claim"));
            }
        }
        Ok(())
    }

    /// No open relay is ever without a moment at which reconcile wakes it. That is never before its next attempt, and half an
    /// hour later if its message is to come.
    fn check_wake(&self, put: &Put) -> Result<(), TestCaseError> {
        let record = &put.record;
        let open = !matches!(record.state, State::Done | State::Failed);
        prop_assert_eq!(put.due.is_some(), open);
        let Some(due) = put.due else {
            prop_assert_eq!(record.not_before, None);
            return Ok(());
        };
        let under_way = record.state == State::Claimed
            || (record.state == State::Created && record.not_before.is_none());
        let Some(not_before) = record.not_before.filter(|_| !under_way) else {
            prop_assert!(under_way && record.not_before.is_none(), "{:?}", record);
            prop_assert_eq!(due, patience::later(record.lease_until, LOST));
            return Ok(());
        };
        prop_assert!(record.updated <= not_before && not_before < due);
        Ok(())
    }

    /// A relay that waits is claimed early only by a message that was sent since, and may tell of what it waits for. The
    /// attempts are counted anew when it has failed.
    fn check_claim(&self, claim: &Record) -> Result<(), TestCaseError> {
        let attempts = match &self.met {
            Some(met) if met.state != State::Failed => met.attempts.saturating_add(1),
            _ => 1,
        };
        prop_assert_eq!(claim.attempts, attempts);
        let early = |met: &&Record| met.not_before.is_some_and(|at| self.now < at);
        if let Some(met) = self.met.as_ref().filter(early) {
            let newer = self.message.is_newer_than(met);
            let may_end = met.reason.is_some_and(patience::a_new_message_may_end);
            prop_assert!(newer && (self.message.redriven || may_end), "{:?}", met);
        }
        Ok(())
    }

    /// What becomes of the message agrees with what is on record.
    fn check_end(&self, disposition: Disposition) -> Result<(), TestCaseError> {
        let last = self.last();
        let state = last.map(|record| record.state);
        match disposition {
            Disposition::Acknowledge => {
                let backed = match state {
                    Some(State::Done) => true,
                    // Its due time wakes it, or another message. The set of a part has both.
                    Some(State::Told | State::Claimed | State::Failed) | None => false,
                    Some(State::Waiting | State::Created) => {
                        let record = last.expect("a record");
                        let left = record.attempts >= WAITING_ATTEMPTS
                            || matches!(self.set, Some(SetOutcome::Waiting(_)));
                        record
                            .not_before
                            .is_some_and(|at| record.updated <= at || self.now < at)
                            && (left || !self.policy.of_set)
                    }
                };
                prop_assert!(backed, "{:?}", last);
            }
            Disposition::GiveUp => prop_assert_eq!(state, Some(State::Failed)),
            Disposition::Again(wait) => {
                prop_assert!(!wait.is_zero() && wait <= LONGEST_WAIT);
                let put_back = self.met.is_none() && last.is_some_and(|it| it.not_before.is_some());
                if put_back && !self.policy.of_set {
                    prop_assert!(wait <= LONGEST_IN_FLIGHT);
                    prop_assert!(self.message.receives < MAX_RECEIVES);
                }
            }
        }
        Ok(())
    }

    /// No request that creates a B may be sent.
    fn is_breaker_open(&self) -> bool {
        self.policy
            .quiet_until
            .is_some_and(|quiet| self.now < quiet)
    }

    fn quiet_at(&self, quiet: Quiet) -> Timestamp {
        self.now
            + match quiet {
                Quiet::Now => Duration::ZERO,
                Quiet::Soon => SOON,
                Quiet::Settled => self.policy.settle,
            }
    }

    fn sees_put(&mut self, put: &Put, outcome: &PutOutcome) {
        match outcome {
            PutOutcome::Written => {
                if put.record.state == State::Claimed {
                    self.open = put.record.sent;
                    self.named = put.record.instance;
                }
                (self.written, self.met) = (Some((*put.record).clone()), None);
            }
            PutOutcome::Conflict(Some(record)) => {
                (self.met, self.looked) = (Some((**record).clone()), false);
            }
            PutOutcome::Conflict(None) | PutOutcome::Unknown => {}
        }
    }

    fn sees_read(&mut self, outcome: &ReadOutcome) {
        match outcome {
            ReadOutcome::Ready { since } => {
                let age = Duration::try_from(self.now.duration_since(*since));
                self.forgotten = age.is_ok_and(|age| age > self.policy.memory);
            }
            ReadOutcome::Set(set) => {
                self.set = Some(set.clone());
                self.open = None;
            }
            ReadOutcome::NotReady(_) => {}
        }
    }

    fn sees_found(&mut self, found: &[Found], conclusive: bool) {
        self.concluded = conclusive;
        self.asked = self.now;
        let (gone, live): (Vec<Found>, Vec<Found>) =
            found.iter().cloned().partition(|found| found.gone);
        let whole = live.iter().filter(|found| found.is_complete());
        self.good.extend(whole.map(|found| found.id));
        self.whole = live.iter().any(Found::is_complete);
        let proves =
            !self.policy.stamped_late || gone.iter().any(|found| Some(found.id) == self.named);
        if live.is_empty() && self.open.is_none() {
            self.forgotten = false;
        }
        if live.is_empty() && conclusive && proves {
            self.forgotten = false;
            (self.open, self.named) = (None, None);
        }
        self.live = live;
    }

    /// Only what a conclusive search has seen is behind it.
    fn sees_cut_off(&mut self, reached: Timestamp, search: &Search) {
        let reached = reached.min(search.until);
        let counts = !self.policy.stamped_late && !self.forgotten && search.is_conclusive();
        if let Some(open) = self
            .open
            .as_mut()
            .filter(|_| counts && reached > search.from)
        {
            open.from = reached + CLOCK_MARGIN;
        }
    }

    fn sees_created(&mut self, outcome: &CreateOutcome, left: Timestamp) {
        self.asked = left;
        match outcome {
            CreateOutcome::Created(id) => {
                self.good.insert(*id);
            }
            CreateOutcome::Unclear(reply) if !(self.policy.stamped_late && reply.nothing_made) => {
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
            CreateOutcome::Unclear(_) | CreateOutcome::NotSent(_) => {}
        }
    }

    fn sees_verified(&mut self, outcome: &VerifyOutcome) {
        if let VerifyOutcome::Lacking(_) = outcome {
            self.open.get_or_insert(Sent {
                from: self.asked,
                ended: self.now,
                quiet: self.now,
            });
        }
    }

    fn sees_form_added(&mut self, id: InstanceId) {
        let added = self.live.iter_mut().filter(|found| found.id == id);
        added.for_each(|found| found.lacks.form = false);
    }

    fn sees_finished(&mut self, id: InstanceId, outcome: &FinishOutcome) {
        match outcome {
            FinishOutcome::Finished { .. } => {
                self.good.insert(id);
            }
            FinishOutcome::Denied if !self.half(id).lacks.form => {
                self.good.insert(id);
            }
            FinishOutcome::Denied => {}
            FinishOutcome::Unclear(_, quiet) => self.sees_unclear(*quiet),
        }
    }

    fn sees_unclear(&mut self, quiet: Quiet) {
        let (now, quiet) = (self.now, self.quiet_at(quiet));
        let open = self.open.get_or_insert(Sent {
            from: now,
            ended: now,
            quiet,
        });
        open.quiet = open.quiet.max(quiet);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever the outcomes of its steps are, a delivery ends before its lease does. Until then it writes only over
    /// records that it knows; creates B only under its own claim, and never while the outcome of an earlier request is
    /// unknown; changes a half-made B only when B is quiet; and ends in agreement with what is on record.
    #[test]
    fn any_course_of_events_ends_and_breaks_no_rule(
        turns in vec(any_turn(), 45), message in any_message(), after_steps in any::<bool>(),
        stamped_late in any::<bool>(), of_set in any::<bool>(),
        quiet_until in of((-10..2_000_i64).prop_map(moment)),
    ) {
        let policy = Policy { after_steps, stamped_late, of_set, quiet_until, ..POLICY };
        let mut attempt = Attempt::new(policy, us(), target(), message);
        let mut watch = Watch {
            policy, message, now: moment(0), written: None, met: None, open: None, asked: moment(0), forgotten: false, named: None, live: Vec::new(),
            whole: false, concluded: false, good: BTreeSet::new(), looked: false, set: None,
        };
        for turn in turns {
            let step = attempt.next(watch.now);
            watch.check(&step)?;
            match turn.take(step, &mut watch) {
                Some(next) => attempt = next,
                None => return Ok(()),
            }
        }
        prop_assert!(false, "the delivery does not end: {:?}", attempt);
    }
}
