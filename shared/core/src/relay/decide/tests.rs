use proptest::prelude::*;
use uuid::Uuid;

use super::*;

mod any_course;
mod half_made;
mod prefill;
mod unclear;

const LEASE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(1_200);

const POLICY: Policy = Policy {
    lease: LEASE,
    settle: SETTLE,
    memory: Duration::from_secs(399 * 86_400),
    after_steps: false,
    stamped_late: false,
};
const AFTER_STEPS: Policy = Policy {
    after_steps: true,
    ..POLICY
};

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn instance(number: u128) -> InstanceId {
    InstanceId {
        party: 50_085_321,
        guid: Uuid::from_u128(number),
    }
}

fn target() -> AppId {
    "ttd/casework".parse().unwrap()
}

fn us() -> Holder {
    Holder(Uuid::from_u128(7))
}

fn problem(reason: Reason) -> Problem {
    Problem::new(reason).because("why")
}

/// A B that lacks an attachment.
fn half(number: u128) -> Found {
    let lacks = Lacks {
        attachments: 1,
        ..Lacks::default()
    };
    Found {
        lacks,
        ..whole(number)
    }
}

/// A B as a clean one is.
fn whole(number: u128) -> Found {
    Found {
        id: instance(number),
        created: Some(moment(0)),
        gone: false,
        ended: false,
        touched: false,
        engine: Engine::Idle,
        lacks: Lacks::default(),
    }
}

/// An answer that says neither that B exists nor that B refuses the draft.
fn unclear(quiet: Quiet) -> Reply {
    Reply {
        problem: problem(Reason::TargetUnavailable),
        refused: false,
        nothing_made: false,
        quiet,
        instance: None,
    }
}

/// A 4xx of the app's own, which refuses the draft.
fn refused() -> Reply {
    Reply {
        problem: problem(Reason::Refused),
        refused: true,
        ..unclear(Quiet::Now)
    }
}

/// A request that left in the first second, and of which nobody heard since.
fn lost() -> Sent {
    Sent {
        from: moment(0),
        ended: moment(1),
        quiet: moment(1) + SETTLE,
    }
}

/// A record that another holder wrote.
fn seen(state: State) -> Record {
    Record {
        rev: 4,
        state,
        holder: Holder(Uuid::from_u128(8)),
        lease_until: moment(0),
        sent: None,
        first: moment(-1_000),
        attempts: 2,
        targets: ["ttd/other".parse().unwrap()].into(),
        instance: None,
        reason: Some(Reason::TargetUnavailable),
        detail: None,
        updated: moment(-60),
    }
}

/// One delivery, told step by step.
struct Story {
    attempt: Attempt,
    now: Timestamp,
}

impl Story {
    fn of(policy: Policy, receives: u32) -> Self {
        Self {
            attempt: Attempt::new(policy, us(), target(), receives),
            now: moment(0),
        }
    }

    /// The claim is ours, and A is ready.
    fn ready(policy: Policy, receives: u32) -> Self {
        let mut story = Self::of(policy, receives);
        story.writes();
        story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
        story
    }

    /// A claim over what another holder wrote is ours at `now`, and A is ready.
    fn over(policy: Policy, receives: u32, now: Timestamp, record: Record) -> Self {
        let mut story = Self::of(policy, receives);
        story.now = now;
        story.meets(record);
        let (claim, _) = story.writes();
        assert_eq!(claim.state, State::Claimed);
        story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
        story
    }

    fn step(&self) -> Step {
        self.attempt.next(self.now)
    }

    /// The next step is this one, and that is what comes of it.
    #[track_caller]
    fn hears(&mut self, step: Step, evidence: Evidence) {
        assert_eq!(self.step(), step);
        self.attempt.learn(step, evidence, self.now);
    }

    /// B answers the request that makes it.
    #[track_caller]
    fn answers(&mut self, answer: Answer) {
        self.hears(Step::Create, Evidence::Answered(answer));
    }

    /// B's answer to the request that makes it does not say what exists.
    fn hears_unclear(&mut self, reply: Reply) {
        self.answers(Answer::Unclear(reply));
    }

    /// The next step is a search, and this is what it finds. Returns its window.
    #[track_caller]
    fn searches(&mut self, found: Vec<Found>) -> (Timestamp, Timestamp) {
        let step = self.step();
        let Step::Search { from, until, .. } = step else {
            panic!("{step:?} is no search")
        };
        self.attempt.learn(step, Evidence::Found(found), self.now);
        (from, until)
    }

    /// The next step is a search, which takes so many seconds.
    #[track_caller]
    fn searches_for(&mut self, seconds: i64, found: Vec<Found>) {
        let step = self.step();
        assert!(matches!(step, Step::Search { .. }), "{step:?} is no search");
        self.now += SignedDuration::from_secs(seconds);
        self.attempt.learn(step, Evidence::Found(found), self.now);
    }

    /// The next step is a write, which comes about.
    #[track_caller]
    fn writes(&mut self) -> (Record, Option<u64>) {
        let step = self.step();
        let Step::Put {
            record, replaces, ..
        } = step.clone()
        else {
            panic!("{step:?} is no write")
        };
        self.attempt.learn(step, Evidence::Written, self.now);
        assert_eq!(self.attempt.record(), Some(&*record));
        (*record, replaces)
    }

    /// The next step is a write, and the ledger has something else.
    #[track_caller]
    fn meets(&mut self, record: Record) {
        let step = self.step();
        assert!(matches!(step, Step::Put { .. }), "{step:?} is no write");
        let conflict = Evidence::Conflict(Some(Box::new(record)));
        self.attempt.learn(step, conflict, self.now);
    }

    #[track_caller]
    fn ends(&self, verdict: Verdict) {
        assert_eq!(self.step(), Step::End(verdict));
    }

    #[track_caller]
    fn ends_again(&self) -> Duration {
        match self.step() {
            Step::End(Verdict::Again(wait)) => wait,
            step => panic!("{step:?} is not the end that comes again"),
        }
    }
}

#[test]
fn a_created_b_is_put_on_record_and_the_message_goes() {
    let mut story = Story::of(POLICY, 1);
    let (claim, replaces) = story.writes();
    assert_eq!(
        (claim.state, claim.rev, replaces),
        (State::Claimed, 1, None)
    );
    assert_eq!(claim.holder, us());
    assert_eq!(claim.lease_until, story.now + LEASE);
    assert_eq!((claim.sent, claim.attempts), (None, 1));
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    story.answers(Answer::Created(instance(1)));
    let (done, replaces) = story.writes();
    assert_eq!((done.state, done.rev, replaces), (State::Done, 2, Some(1)));
    assert_eq!(done.instance, Some(instance(1)));
    assert_eq!(done.sent, None);
    story.ends(Verdict::Acknowledge);
    assert!(!story.attempt.has_adopted());
}

#[test]
fn after_steps_come_between_created_and_done() {
    let mut story = Story::ready(AFTER_STEPS, 1);
    story.answers(Answer::Created(instance(1)));
    let (created, _) = story.writes();
    assert_eq!(created.state, State::Created);
    story.hears(Step::AfterSteps, Evidence::Worked);
    let (done, replaces) = story.writes();
    assert_eq!((done.state, replaces), (State::Done, Some(created.rev)));
    story.ends(Verdict::Acknowledge);
}

#[test]
fn an_after_step_that_does_not_work_fails_no_relay_and_is_left_to_reconcile_at_last() {
    let created = Record {
        instance: Some(instance(1)),
        ..seen(State::Created)
    };
    for (receives, verdict) in [
        (2, Verdict::Again(Duration::from_secs(99))),
        (WAITING_RECEIVES, Verdict::Acknowledge),
    ] {
        let mut story = Story::of(AFTER_STEPS, receives);
        story.meets(created.clone());
        let trouble = problem(Reason::AfterStepRefused).after(Some(Duration::from_secs(99)));
        story.hears(Step::AfterSteps, Evidence::Trouble(trouble));
        let (record, replaces) = story.writes();
        assert_eq!(replaces, Some(created.rev));
        assert_eq!(record.state, State::Created);
        assert_eq!(record.instance, created.instance);
        assert_eq!(record.reason, Some(Reason::AfterStepRefused));
        match verdict {
            Verdict::Acknowledge => story.ends(verdict),
            _ => assert!(story.ends_again() >= Duration::from_secs(5)),
        }
    }
}

#[test]
fn of_a_whole_set_the_after_steps_come_when_all_are_done() {
    let mut story = Story::of(AFTER_STEPS, 1);
    story.writes();
    story.hears(Step::Read, Evidence::Parts(Parts::Done));
    let (created, _) = story.writes();
    assert_eq!((created.state, created.instance), (State::Created, None));
    story.hears(Step::AfterSteps, Evidence::Worked);
    assert_eq!(story.writes().0.state, State::Done);
    story.ends(Verdict::Acknowledge);
}

/// What reconcile is to look after is what no message may come for any more.
#[test]
fn every_write_says_when_its_relay_is_due_if_nobody_comes() {
    let due = |story: &Story| match story.step() {
        Step::Put { due, .. } => due.map(|due| due.duration_since(story.now).as_secs()),
        step => panic!("{step:?} is no write"),
    };
    let mut story = Story::of(POLICY, 3);
    assert_eq!(due(&story), Some(60 + 1_800), "a claim");
    story.writes();
    story.hears(
        Step::Read,
        Evidence::NotYet(problem(Reason::GateClosed).after(Some(Duration::from_secs(100)))),
    );
    assert_eq!(due(&story), Some(100 + 1_800), "put back");

    let mut left = Story::of(POLICY, WAITING_RECEIVES);
    left.meets(Record {
        first: moment(-40_000),
        ..seen(State::Waiting)
    });
    left.writes();
    left.hears(Step::Read, Evidence::NotYet(problem(Reason::GateClosed)));
    assert_eq!(due(&left), Some(10_000), "left to reconcile");

    let mut done = Story::ready(POLICY, 1);
    done.answers(Answer::Created(instance(1)));
    assert_eq!(due(&done), None, "finished");
    let mut failed = Story::ready(POLICY, 1);
    failed.hears_unclear(refused());
    failed.searches(vec![]);
    assert_eq!(due(&failed), None, "failed");
}

#[test]
fn a_redelivered_failure_is_given_up_after_the_claim_was_lost_and_nothing_else() {
    for receives in [2, MAX_RECEIVES] {
        let mut story = Story::of(POLICY, receives);
        story.meets(seen(State::Failed));
        story.ends(Verdict::GiveUp);
    }
}

#[test]
fn a_redriven_failure_is_claimed_and_tried_for_real() {
    let mut story = Story::of(POLICY, 1);
    story.meets(seen(State::Failed));
    let (claim, replaces) = story.writes();
    assert_eq!(
        (claim.state, claim.rev, replaces),
        (State::Claimed, 5, Some(4))
    );
    assert_eq!(claim.attempts, 3);
    assert_eq!(claim.first, moment(-1_000));
    assert!(claim.targets.contains(&target()) && claim.targets.len() == 2);
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert_eq!(story.step(), Step::Create, "no request of it was open");
}

#[test]
fn a_closed_gate_is_waited_for_and_in_the_end_left_to_reconcile() {
    for (receives, last) in [
        (1, false),
        (WAITING_RECEIVES - 1, false),
        (WAITING_RECEIVES, true),
        (MAX_RECEIVES, true),
    ] {
        let mut story = Story::of(POLICY, receives);
        story.writes();
        story.hears(Step::Read, Evidence::NotYet(problem(Reason::GateClosed)));
        let (waiting, _) = story.writes();
        assert_eq!(
            (waiting.state, waiting.reason),
            (State::Waiting, Some(Reason::GateClosed))
        );
        if last {
            story.ends(Verdict::Acknowledge);
        } else {
            assert!(story.ends_again() >= Duration::from_secs(4));
        }
    }
}

#[test]
fn patience_ends_with_the_last_receive_and_sooner_where_somebody_must_have_erred() {
    for (reason, patience) in [
        (Reason::SourceUnavailable, MAX_RECEIVES),
        (Reason::TargetUnavailable, MAX_RECEIVES),
        (Reason::SourceMissing, MISSING_RECEIVES),
        (Reason::SourceForbidden, MISSING_RECEIVES),
        (Reason::OwnerUnknown, UNKNOWN_RECEIVES),
        (Reason::SourceUnreadable, UNKNOWN_RECEIVES),
    ] {
        let mut story = Story::of(POLICY, patience - 1);
        story.writes();
        story.hears(Step::Read, Evidence::Trouble(problem(reason)));
        assert_eq!(story.writes().0.state, State::Waiting, "{reason:?}");
        story.ends_again();

        let mut story = Story::of(POLICY, patience);
        story.writes();
        story.hears(Step::Read, Evidence::Trouble(problem(reason)));
        let (failed, _) = story.writes();
        assert_eq!((failed.state, failed.reason), (State::Failed, Some(reason)));
        story.ends(Verdict::GiveUp);
    }
}

#[test]
fn a_draft_that_never_comes_about_is_given_up_at_once() {
    let mut story = Story::of(POLICY, 1);
    story.writes();
    story.hears(
        Step::Read,
        Evidence::Hopeless(problem(Reason::MappingFailed)),
    );
    assert_eq!(story.writes().0.state, State::Failed);
    story.ends(Verdict::GiveUp);
}

#[test]
fn what_is_finished_is_left_alone() {
    let mut story = Story::of(POLICY, 1);
    story.meets(seen(State::Done));
    story.ends(Verdict::Acknowledge);
}

#[test]
fn a_claim_that_was_given_back_is_free_at_once_and_nothing_is_searched_for() {
    let mut story = Story::of(POLICY, 2);
    story.meets(seen(State::Waiting));
    let (claim, _) = story.writes();
    assert_eq!(claim.sent, None);
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert_eq!(story.step(), Step::Create);
}

#[test]
fn a_claim_is_left_to_its_holder_until_its_lease_ends() {
    for (now, longest) in [(0, 100), (99, 1), (40, 60)] {
        let mut story = Story::of(POLICY, 9);
        story.now = moment(now);
        story.meets(Record {
            lease_until: moment(100),
            ..seen(State::Claimed)
        });
        assert_eq!(story.ends_again(), Duration::from_secs(longest));
    }
}

#[test]
fn an_a_that_is_older_than_the_ledgers_memory_is_searched_for() {
    let mut story = Story::of(POLICY, 1);
    story.writes();
    let since = moment(-400 * 86_400);
    story.hears(Step::Read, Evidence::Ready { since });
    let window = story.searches(vec![]);
    assert_eq!(window, (since - CLOCK_MARGIN, story.now + CLOCK_MARGIN));
    assert_eq!(story.step(), Step::Create);
}

/// Else the next delivery would have to take the claim for a request that was sent.
#[test]
fn what_ended_before_the_request_says_that_none_was_sent() {
    let not_yet = Evidence::NotYet(problem(Reason::GateClosed));
    let trouble = Evidence::Trouble(problem(Reason::SourceUnavailable));
    let not_sent = Answer::NotSent(problem(Reason::TargetUnavailable));
    let ends: [(Step, Evidence); 3] = [
        (Step::Read, not_yet),
        (Step::Read, trouble),
        (Step::Create, Evidence::Answered(not_sent)),
    ];
    for (step, evidence) in ends {
        let mut story = Story::of(POLICY, 1);
        story.writes();
        if step == Step::Create {
            story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
        }
        story.hears(step, evidence);
        let (waiting, _) = story.writes();
        assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
        assert_eq!(waiting.lease_until, story.now);
        story.ends_again();
    }
}

#[test]
fn a_delivery_that_does_not_get_to_the_search_leaves_the_open_request_on_record() {
    for evidence in [
        Evidence::NotYet(problem(Reason::GateClosed)),
        Evidence::Trouble(problem(Reason::SourceUnavailable)),
        Evidence::Hopeless(problem(Reason::MappingFailed)),
    ] {
        let mut story = Story::of(POLICY, 2);
        story.meets(Record {
            sent: Some(lost()),
            ..seen(State::Waiting)
        });
        assert_eq!(story.writes().0.sent, Some(lost()));
        story.hears(Step::Read, evidence);
        assert_eq!(story.writes().0.sent, Some(lost()));
    }
}

#[test]
fn a_request_that_cannot_be_written_fails_the_relay_at_once() {
    let mut story = Story::ready(POLICY, 1);
    story.answers(Answer::NotSent(problem(Reason::DraftRefused)));
    let (failed, _) = story.writes();
    assert_eq!((failed.state, failed.sent), (State::Failed, None));
    assert_eq!(failed.reason, Some(Reason::DraftRefused));
    story.ends(Verdict::GiveUp);
}

#[test]
fn too_little_lease_for_a_request_gives_the_claim_back_unsent() {
    let mut story = Story::ready(POLICY, 1);
    story.now = moment(54);
    let (waiting, _) = story.writes();
    assert_eq!(
        (waiting.state, waiting.reason),
        (State::Waiting, Some(Reason::OutOfTime))
    );
    assert_eq!((waiting.lease_until, waiting.sent), (moment(54), None));
    story.ends_again();
}

#[test]
fn a_claim_that_was_lost_meanwhile_writes_nothing_more() {
    for (state, acknowledged) in [
        (State::Done, true),
        (State::Claimed, false),
        (State::Failed, false),
    ] {
        let mut story = Story::ready(POLICY, 1);
        story.answers(Answer::Created(instance(1)));
        story.meets(seen(state));
        if acknowledged {
            story.ends(Verdict::Acknowledge);
        } else {
            story.ends_again();
        }
    }
}

#[test]
fn a_fan_out_ends_as_its_parts_end() {
    let wait = Duration::from_secs(9);
    let again = Verdict::Again(wait);
    for (parts, state, verdict) in [
        (vec![], State::Done, Verdict::Acknowledge),
        (
            vec![(Verdict::Acknowledge, Some(State::Done))],
            State::Done,
            Verdict::Acknowledge,
        ),
        (
            vec![
                (Verdict::Acknowledge, Some(State::Waiting)),
                (Verdict::Acknowledge, Some(State::Done)),
            ],
            State::Waiting,
            Verdict::Acknowledge,
        ),
        (
            vec![
                (Verdict::GiveUp, Some(State::Failed)),
                (Verdict::Acknowledge, Some(State::Waiting)),
            ],
            State::Failed,
            Verdict::GiveUp,
        ),
        (
            vec![
                (Verdict::GiveUp, Some(State::Failed)),
                (Verdict::Again(2 * wait), Some(State::Claimed)),
                (again, Some(State::Waiting)),
            ],
            State::Waiting,
            again,
        ),
    ] {
        let mut story = Story::of(POLICY, 1);
        story.writes();
        story.hears(Step::Read, Evidence::Parts(Parts::sum(parts)));
        assert_eq!(story.writes().0.state, state);
        story.ends(verdict);
    }
}

proptest! {
    #[test]
    fn the_wait_doubles_up_to_an_hour_a_fifth_more_or_less(receives in any::<u32>(), seed in any::<u64>()) {
        let base = |receives: u32| {
            let doublings = i32::try_from(receives.saturating_sub(1).min(60)).unwrap();
            (5.0 * 2_f64.powi(doublings)).min(3_600.0)
        };
        let wait = backoff(receives, seed).as_secs_f64();
        prop_assert!(wait >= 0.8 * base(receives) - 0.001, "{}", wait);
        prop_assert!(wait <= 1.2 * base(receives) + 0.001, "{}", wait);
        prop_assert!(wait <= 1.2 * 3_600.0);
        // Twice the base is more than a fifth more or less can make up for.
        if base(receives.saturating_add(1)) > 1.5 * base(receives) {
            prop_assert!(backoff(receives.saturating_add(1), seed).as_secs_f64() > wait);
        }
        prop_assert_eq!(backoff(receives, seed), backoff(receives, seed));
    }
}

#[test]
fn many_that_wait_come_back_at_different_times() {
    let waits: std::collections::BTreeSet<_> = (0..100).map(|seed| backoff(10, seed)).collect();
    assert!(waits.len() > 95, "{}", waits.len());
}
