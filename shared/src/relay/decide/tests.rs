use proptest::{collection::vec, option::weighted, prelude::*, sample::select};
use uuid::Uuid;

use super::*;

const LEASE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(240);

const POLICY: Policy = Policy {
    lease: LEASE,
    settle: SETTLE,
    memory: Duration::from_secs(399 * 86_400),
    after_steps: false,
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

fn target() -> Target {
    Target::new("ttd/casework".parse().unwrap(), "'310075728'")
}

fn us() -> Holder {
    Holder(Uuid::from_u128(7))
}

fn problem(reason: Reason) -> Problem {
    Problem::new(reason).because("why")
}

fn found(number: u128) -> Found {
    Found {
        id: instance(number),
        created: Some(moment(0)),
        gone: false,
        complete: false,
        touched: false,
    }
}

/// A record that another holder wrote.
fn seen(state: State) -> Record {
    Record {
        rev: 4,
        state,
        holder: Holder(Uuid::from_u128(8)),
        lease_until: moment(0),
        doubt: false,
        first: moment(-1_000),
        attempts: 2,
        targets: [Target::new("ttd/other".parse().unwrap(), "1")].into(),
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

    fn step(&self) -> Step {
        self.attempt.next(self.now)
    }

    /// The next step is this one, and that is what comes of it.
    fn hears(&mut self, step: Step, evidence: Evidence) {
        assert_eq!(self.step(), step);
        self.attempt.learn(step, evidence, self.now);
    }

    /// B answers the request that makes it.
    fn answers(&mut self, answer: Answer) {
        self.hears(Step::Create, Evidence::Answered(answer));
    }

    /// The next step is a write, which comes about.
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
    assert_eq!((claim.doubt, claim.attempts), (false, 1));
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    story.answers(Answer::Created(instance(1)));
    let (done, replaces) = story.writes();
    assert_eq!((done.state, done.rev, replaces), (State::Done, 2, Some(1)));
    assert_eq!(done.instance, Some(instance(1)));
    assert!(!done.doubt);
    story.ends(Verdict::Acknowledge);
    assert!(!story.attempt.has_adopted());
}

#[test]
fn after_steps_come_between_created_and_done() {
    let policy = Policy {
        after_steps: true,
        ..POLICY
    };
    let mut story = Story::ready(policy, 1);
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
    let policy = Policy {
        after_steps: true,
        ..POLICY
    };
    let created = Record {
        instance: Some(instance(1)),
        ..seen(State::Created)
    };
    for (receives, verdict) in [
        (2, Verdict::Again(Duration::from_secs(99))),
        (WAITING_RECEIVES, Verdict::Acknowledge),
    ] {
        let mut story = Story::of(policy, receives);
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
    let policy = Policy {
        after_steps: true,
        ..POLICY
    };
    let mut story = Story::of(policy, 1);
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
    assert_eq!(due(&story), Some(60 + 240 + 1_800), "a claim");
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
    failed.answers(Answer::Refused(problem(Reason::Refused)));
    assert_eq!(due(&failed), None, "failed");
}

#[test]
fn a_refusal_is_put_on_record_and_given_up() {
    let mut story = Story::ready(POLICY, 1);
    story.answers(Answer::Refused(problem(Reason::Refused)));
    let (failed, _) = story.writes();
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.reason, Some(Reason::Refused));
    assert_eq!(failed.detail.as_deref(), Some("why"));
    assert_eq!(failed.lease_until, story.now);
    assert!(!failed.doubt);
    story.ends(Verdict::GiveUp);
}

#[test]
fn a_b_that_says_later_is_asked_again_after_what_it_says() {
    let own = backoff(3, Uuid::from_u128(7).as_u64_pair().0);
    for (after, wait) in [
        (None, own),
        (Some(1_234), Duration::from_secs(1_234)),
        // A second each time would use up a night's receives within a minute.
        (Some(1), own / 2),
        (Some(7 * 86_400), LONGEST_WAIT),
    ] {
        let mut story = Story::ready(POLICY, 3);
        let later = problem(Reason::TargetUnavailable).after(after.map(Duration::from_secs));
        story.answers(Answer::Later(later));
        let (waiting, _) = story.writes();
        assert_eq!(waiting.state, State::Waiting);
        assert_eq!(waiting.reason, Some(Reason::TargetUnavailable));
        assert_eq!(waiting.lease_until, story.now);
        assert!(!waiting.doubt);
        assert_eq!(story.ends_again(), wait);
    }
}

#[test]
fn of_a_lost_answer_nobody_knows_so_the_claim_stays_until_all_is_quiet() {
    for (after, at_least) in [
        (None, SETTLE),
        (Some(Duration::from_secs(900)), Duration::from_secs(900)),
    ] {
        let mut story = Story::ready(POLICY, 1);
        story.now = moment(40);
        story.answers(Answer::Unknown(
            problem(Reason::OutcomeUnknown).after(after),
        ));
        let (claimed, _) = story.writes();
        assert_eq!(claimed.state, State::Claimed);
        assert!(claimed.doubt);
        assert_eq!(claimed.lease_until, moment(40));
        assert_eq!(claimed.reason, Some(Reason::OutcomeUnknown));
        assert!(story.ends_again() >= at_least);
    }
    let mut last = Story::ready(POLICY, MAX_RECEIVES);
    last.answers(Answer::Unknown(problem(Reason::OutcomeUnknown)));
    let (failed, _) = last.writes();
    assert_eq!((failed.state, failed.doubt), (State::Failed, true));
    last.ends(Verdict::GiveUp);
}

/// B refused, and had made an instance.
fn orphaned() -> Story {
    let mut story = Story::ready(POLICY, 1);
    story.answers(Answer::Orphaned(problem(Reason::Refused)));
    story
}

fn search() -> Step {
    Step::Search {
        since: moment(0) - CLOCK_MARGIN,
    }
}

#[test]
fn an_orphan_is_searched_for_and_deleted_before_the_relay_fails() {
    let mut story = orphaned();
    story.hears(search(), Evidence::Found(vec![found(1)]));
    story.hears(Step::Delete(instance(1)), Evidence::Worked);
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::Refused))
    );
    assert!(!failed.doubt);
    story.ends(Verdict::GiveUp);
}

#[test]
fn an_orphan_that_may_not_be_deleted_is_named_in_the_reason() {
    let mut story = orphaned();
    story.hears(search(), Evidence::Found(vec![found(1)]));
    story.hears(Step::Delete(instance(1)), Evidence::Denied);
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::OrphanLeft))
    );
    story.ends(Verdict::GiveUp);
    assert!(failed.doubt, "whoever redrives must look first");
    let mut redriven = Story::of(POLICY, 1);
    redriven.meets(failed);
    redriven.writes();
    redriven.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert!(
        matches!(redriven.step(), Step::Search { .. }),
        "and may do so at once"
    );
}

#[test]
fn a_refused_draft_is_not_sent_once_more_where_no_orphan_is_found() {
    let mut story = orphaned();
    let gone = Found {
        gone: true,
        ..found(1)
    };
    story.hears(search(), Evidence::Found(vec![gone]));
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::Refused))
    );
    story.ends(Verdict::GiveUp);
}

#[test]
fn an_orphan_that_cannot_be_searched_for_leaves_a_doubt_on_record() {
    let mut story = orphaned();
    story.hears(
        search(),
        Evidence::Trouble(problem(Reason::SourceUnavailable)),
    );
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::Refused))
    );
    assert!(failed.doubt, "whoever redrives must look first");
    story.ends(Verdict::GiveUp);
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
    assert_eq!(story.step(), Step::Create, "nothing was left in doubt");
}

#[test]
fn a_redriven_failure_in_doubt_is_searched_for_when_all_is_quiet() {
    let doubtful = Record {
        doubt: true,
        ..seen(State::Failed)
    };
    let mut early = Story::of(POLICY, 1);
    early.meets(doubtful.clone());
    let (opened, _) = early.writes();
    assert_eq!(
        opened.lease_until, doubtful.lease_until,
        "no new lease: no right to work"
    );
    assert!(early.ends_again() <= SETTLE);

    let mut again = Story::of(POLICY, 2);
    again.now = moment(239);
    again.meets(opened.clone());
    assert!(
        again.ends_again() >= Duration::from_secs(1),
        "not before all is quiet"
    );

    let mut for_real = Story::of(POLICY, 3);
    for_real.now = moment(240);
    for_real.meets(opened);
    assert!(for_real.writes().0.doubt);
    for_real.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert!(matches!(for_real.step(), Step::Search { .. }));

    let mut late = Story::of(POLICY, 1);
    late.now = moment(240);
    late.meets(doubtful);
    assert!(late.writes().0.doubt);
    late.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert!(matches!(late.step(), Step::Search { .. }));
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
        (Reason::OwnerUnknown, UNKNOWN_OWNER_RECEIVES),
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
fn a_claim_is_taken_over_only_after_lease_and_settling_time_and_then_searched_for_first() {
    let vanished = || Record {
        lease_until: moment(100),
        ..seen(State::Claimed)
    };
    for (now, wait) in [(0, None), (339, Some(Duration::from_secs(1)))] {
        let mut story = Story::of(POLICY, 5);
        story.now = moment(now);
        story.meets(vanished());
        let waits = story.ends_again();
        assert!(waits >= Duration::from_secs(1) && moment(now) + waits <= moment(340));
        assert!(wait.is_none_or(|wait| waits == wait), "{waits:?}");
    }
    let taken_over = || {
        let mut story = Story::of(POLICY, 5);
        story.now = moment(340);
        story.meets(vanished());
        assert!(story.writes().0.doubt);
        story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
        story
    };
    let search = || Step::Search {
        since: moment(-1_000) - CLOCK_MARGIN,
    };

    let mut nothing_there = taken_over();
    nothing_there.hears(search(), Evidence::Found(vec![]));
    assert_eq!(nothing_there.step(), Step::Create);

    let mut complete = taken_over();
    let whole = |number| Found {
        complete: true,
        ..found(number)
    };
    complete.hears(search(), Evidence::Found(vec![found(1), whole(2)]));
    assert_eq!(complete.writes().0.instance, Some(instance(2)));
    complete.ends(Verdict::Acknowledge);
    assert!(complete.attempt.has_adopted() && !complete.attempt.is_doubled());

    let mut doubled = taken_over();
    doubled.hears(search(), Evidence::Found(vec![whole(2), whole(1)]));
    assert!(doubled.attempt.is_doubled());
    assert_eq!(doubled.writes().0.instance, Some(instance(1)));

    let mut half = taken_over();
    half.hears(search(), Evidence::Found(vec![found(1)]));
    half.hears(Step::Delete(instance(1)), Evidence::Worked);
    half.hears(search(), Evidence::Found(vec![]));
    assert_eq!(half.step(), Step::Create);

    let mut kept = taken_over();
    kept.hears(search(), Evidence::Found(vec![found(1)]));
    kept.hears(Step::Delete(instance(1)), Evidence::Denied);
    kept.hears(Step::Finish(instance(1)), Evidence::Worked);
    assert_eq!(kept.writes().0.state, State::Done);

    let mut touched = taken_over();
    let by_somebody = Found {
        touched: true,
        ..found(1)
    };
    touched.hears(search(), Evidence::Found(vec![by_somebody]));
    touched.hears(Step::Finish(instance(1)), Evidence::Denied);
    assert_eq!(touched.writes().0.reason, Some(Reason::OrphanLeft));
    touched.ends(Verdict::GiveUp);
}

#[test]
fn a_claim_that_was_given_back_is_free_at_once_and_without_doubt() {
    let mut story = Story::of(POLICY, 2);
    story.meets(seen(State::Waiting));
    let (claim, _) = story.writes();
    assert!(!claim.doubt);
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    assert_eq!(story.step(), Step::Create);
}

#[test]
fn an_a_that_is_older_than_the_ledgers_memory_is_searched_for() {
    let mut story = Story::of(POLICY, 1);
    story.writes();
    let long_ago = moment(-400 * 86_400);
    story.hears(Step::Read, Evidence::Ready { since: long_ago });
    let since = long_ago - CLOCK_MARGIN;
    assert_eq!(story.step(), Step::Search { since });
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
    assert_eq!(waiting.lease_until, moment(54));
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

fn any_problem() -> impl Strategy<Value = Problem> {
    let after = proptest::option::of((0..200_000_u64).prop_map(Duration::from_secs));
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

prop_compose! {
    fn any_record()(
        rev in 1..9_u64, state in any_state(), ours in any::<bool>(), lease_until in any_moment(),
        doubt in any::<bool>(), first in any_moment(), attempts in any::<u32>(),
        instance in proptest::option::of(any_instance()),
    ) -> Record {
        let holder = if ours { us() } else { Holder(Uuid::from_u128(8)) };
        Record { rev, state, holder, lease_until, doubt, first, attempts, instance, ..seen(state) }
    }
}

prop_compose! {
    fn any_found()(
        id in any_instance(), created in proptest::option::of(any_moment()),
        gone in any::<bool>(), complete in any::<bool>(), touched in any::<bool>(),
    ) -> Found {
        Found { id, created, gone, complete, touched }
    }
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any_instance().prop_map(Answer::Created),
        any_problem().prop_map(Answer::Refused),
        any_problem().prop_map(Answer::Later),
        any_problem().prop_map(Answer::Orphaned),
        any_problem().prop_map(Answer::Unknown),
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
        6 => any_moment().prop_map(|since| Evidence::Ready { since }),
        1 => any_problem().prop_map(Evidence::NotYet),
        1 => any_parts().prop_map(Evidence::Parts),
        1 => any_problem().prop_map(Evidence::Hopeless),
        1 => trouble(),
    ]
}

fn of_search() -> impl Strategy<Value = Evidence> {
    prop_oneof![6 => vec(any_found(), 0..4).prop_map(Evidence::Found), 1 => trouble()]
}

fn of_create() -> impl Strategy<Value = Evidence> {
    prop_oneof![6 => any_answer().prop_map(Evidence::Answered), 1 => trouble()]
}

/// Of a deletion, a completion or the after-steps.
fn of_change() -> impl Strategy<Value = Evidence> {
    prop_oneof![6 => Just(Evidence::Worked), 1 => Just(Evidence::Denied), 1 => trouble()]
}

/// What may come of one step.
#[derive(Clone, Debug)]
struct Turn {
    seconds: i64,
    put: Evidence,
    read: Evidence,
    search: Evidence,
    create: Evidence,
    change: Evidence,
    /// Evidence of whatever step, now and then.
    other: Option<Evidence>,
}

prop_compose! {
    fn any_turn()(
        seconds in 2..20_i64, put in of_put(), read in of_read(), search in of_search(), create in of_create(),
        change in of_change(),
        other in weighted(0.05, prop_oneof![of_put(), of_read(), of_search(), of_create(), of_change()]),
    ) -> Turn {
        Turn { seconds, put, read, search, create, change, other }
    }
}

impl Turn {
    fn evidence(self, step: &Step) -> Evidence {
        self.other.unwrap_or(match step {
            Step::Put { .. } => self.put,
            Step::Read => self.read,
            Step::Search { .. } => self.search,
            Step::Create => self.create,
            _ => self.change,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever comes of its steps, a delivery ends while its lease holds; and on its way it writes over
    /// what it knows only, makes B under its own claim only, and never while an earlier one may be there.
    #[test]
    fn any_course_of_events_ends_and_breaks_no_rule(
        turns in vec(any_turn(), 40), receives in 1..60_u32, after_steps in any::<bool>(),
    ) {
        let mut attempt = Attempt::new(Policy { after_steps, ..POLICY }, us(), target(), receives);
        let mut now = moment(0);
        let mut written: Option<Record> = None;
        let mut met: Option<Record> = None;
        let mut in_doubt = false;
        for turn in turns {
            let step = attempt.next(now);
            match &step {
                Step::Put { record, replaces, .. } => {
                    let known = written.as_ref().or(met.as_ref()).map(|record| record.rev);
                    prop_assert_eq!(*replaces, known);
                    prop_assert_eq!(record.rev, known.unwrap_or(0) + 1);
                    prop_assert_eq!(record.holder, us());
                }
                Step::Create | Step::Delete(_) | Step::Finish(_) => {
                    let claim = written.as_ref().expect("a claim");
                    prop_assert_eq!(claim.state, State::Claimed);
                    prop_assert!(now < claim.lease_until);
                    prop_assert!(step != Step::Create || !in_doubt);
                }
                Step::End(Verdict::Acknowledge) => {
                    let state = met.as_ref().or(written.as_ref()).map(|record| record.state);
                    let left = after_steps && receives >= WAITING_RECEIVES;
                    prop_assert!(
                        matches!(state, Some(State::Done | State::Waiting))
                            || left && state == Some(State::Created),
                        "{:?}",
                        state
                    );
                }
                Step::End(Verdict::GiveUp) => {
                    let state = met.as_ref().or(written.as_ref()).map(|record| record.state);
                    prop_assert_eq!(state, Some(State::Failed));
                }
                Step::End(Verdict::Again(wait)) => prop_assert!(*wait <= LONGEST_WAIT),
                Step::Read | Step::Search { .. } | Step::AfterSteps => {}
            }
            if matches!(step, Step::End(_)) {
                return Ok(());
            }
            now += SignedDuration::from_secs(turn.seconds);
            let evidence = turn.evidence(&step);
            match (&step, &evidence) {
                (Step::Put { record, .. }, Evidence::Written) => {
                    // A new claim is in doubt as far as its record says; later writes end the attempt.
                    if written.is_none() {
                        in_doubt = record.doubt;
                    }
                    (written, met) = (Some(*record.clone()), None);
                }
                (Step::Put { .. }, Evidence::Conflict(Some(record))) => met = Some(*record.clone()),
                (Step::Search { .. }, Evidence::Found(_)) => in_doubt = false,
                (Step::Create, _) => in_doubt = true,
                _ => {}
            }
            attempt.learn(step, evidence, now);
        }
        prop_assert!(false, "still not at its end: {:?}", attempt);
    }
}
