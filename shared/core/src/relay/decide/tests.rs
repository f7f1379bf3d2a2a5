use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    patience::{EARLY_BY, LONGEST_WAIT, LOST, SOON},
    search::{CLOCK_MARGIN, CREATED_WITHIN},
    *,
};
use crate::{
    id::InstanceId,
    relay::{Reason, Sent, State},
};

/// The next step of a story, which must be of this kind.
macro_rules! next {
    ($story:expr, $kind:ident) => {
        match $story.step() {
            Step::$kind(step) => step,
            step => panic!("{step:?} is not {}", stringify!($kind)),
        }
    };
}

mod any_course;
mod birth;
mod breaker;
mod cut_off;
mod half_made;
mod prefill;
mod put_back;
mod unclear;
mod verify;

const LEASE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(1_200);

const POLICY: Policy = Policy {
    lease: LEASE,
    settle: SETTLE,
    memory: Duration::from_secs(399 * 86_400),
    birth: None,
    after_steps: false,
    stamped_late: false,
    of_set: false,
    quiet_until: None,
};
/// One of a set.
const PART: Policy = Policy {
    of_set: true,
    ..POLICY
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

fn failure(reason: Reason) -> Failure {
    Failure::new(reason).because("why")
}

fn ready() -> ReadOutcome {
    ReadOutcome::Ready { since: moment(-10) }
}

fn not_yet() -> ReadOutcome {
    ReadOutcome::NotReady(NotReady::NotYet(failure(Reason::GateClosed)))
}

fn never() -> ReadOutcome {
    ReadOutcome::NotReady(NotReady::Never(failure(Reason::MappingFailed)))
}

fn unavailable(reason: Reason) -> ReadOutcome {
    ReadOutcome::NotReady(NotReady::Unavailable(failure(reason)))
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

/// A complete B.
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

/// An answer that says neither that B exists nor that it refuses the draft.
fn unclear(quiet: Quiet) -> Reply {
    Reply {
        failure: failure(Reason::TargetUnavailable),
        refused: false,
        nothing_made: false,
        quiet,
        instance: None,
    }
}

/// A 4xx of the app itself, which refuses the draft.
fn refused() -> Reply {
    Reply {
        failure: failure(Reason::Refused),
        refused: true,
        ..unclear(Quiet::Now)
    }
}

/// A request that was sent in the first second and never answered.
fn lost() -> Sent {
    Sent {
        from: moment(0),
        ended: moment(1),
        quiet: moment(1) + SETTLE,
    }
}

/// A record that another worker wrote.
fn seen(state: State) -> Record {
    Record {
        rev: 4,
        state,
        holder: Holder(Uuid::from_u128(8)),
        lease_until: moment(0),
        not_before: None,
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

/// One delivery, step by step. Each method checks which step is next, and gives its outcome.
struct Story {
    attempt: Attempt,
    /// Which attempt it is, unless the story says what record it meets.
    number: u32,
    now: Timestamp,
}

/// A message that comes for the `receives`th time, of which SQS does not say when it was sent.
fn received(receives: u32) -> Message {
    Message {
        receives,
        sent_at: None,
        redriven: false,
    }
}

impl Story {
    /// The attempt with this number, by a message that was received as often.
    fn of(policy: Policy, number: u32) -> Self {
        Self {
            number,
            ..Self::by(policy, received(number))
        }
    }

    /// The first attempt, by this message.
    fn by(policy: Policy, message: Message) -> Self {
        Self {
            attempt: Attempt::new(policy, us(), target(), message),
            number: 1,
            now: moment(0),
        }
    }

    /// The relay is claimed, and the draft is ready.
    fn ready(policy: Policy, number: u32) -> Self {
        let mut story = Self::of(policy, number);
        story.claims();
        story.reads(ready());
        story
    }

    /// The relay is claimed at `now` over what another worker wrote, by the message that was waited for, and the draft is
    /// ready.
    fn over(policy: Policy, number: u32, now: Timestamp, record: Record) -> Self {
        let mut story = Self::of(policy, number);
        story.now = now;
        story.meets(Record {
            attempts: number - 1,
            not_before: None,
            ..record
        });
        story.claims();
        story.reads(ready());
        story
    }

    fn step(&self) -> Step {
        self.attempt.clone().next(self.now)
    }

    #[track_caller]
    fn reads(&mut self, outcome: ReadOutcome) {
        self.attempt = next!(self, Read).outcome(outcome, self.now);
    }

    #[track_caller]
    fn creates(&mut self, outcome: CreateOutcome) {
        self.attempt = next!(self, Create).outcome(outcome, self.now);
        self.passes();
    }

    /// A complete B, if there is one, holds what it was sent.
    fn passes(&mut self) {
        if let Step::Verify(verify) = self.step() {
            self.attempt = verify.outcome(VerifyOutcome::Passed, self.now);
        }
    }

    /// The complete B that was created or found lacks fields.
    #[track_caller]
    fn lacks_fields(&mut self, b: InstanceId) {
        let verify = next!(self, Verify);
        assert_eq!(verify.id, b);
        let failure = Failure::new(Reason::ArrivedDifferently).because("model.navn");
        self.attempt = verify.outcome(VerifyOutcome::Lacking(failure), self.now);
    }

    /// B's answer to the request that creates it does not say what exists.
    #[track_caller]
    fn creates_unclear(&mut self, reply: Reply) {
        self.creates(CreateOutcome::Unclear(reply));
    }

    /// Returns the window of the search.
    #[track_caller]
    fn searches(&mut self, found: Vec<Found>) -> (Timestamp, Timestamp) {
        let search = next!(self, Search);
        let window = (search.from, search.until);
        self.attempt = search.outcome(SearchOutcome::Found(found), self.now);
        self.passes();
        window
    }

    /// The search takes this many seconds.
    #[track_caller]
    fn searches_for(&mut self, seconds: i64, found: Vec<Found>) {
        let search = next!(self, Search);
        self.now += SignedDuration::from_secs(seconds);
        self.attempt = search.outcome(SearchOutcome::Found(found), self.now);
        self.passes();
    }

    #[track_caller]
    fn fails_to_search(&mut self, failure: Failure) {
        let search = next!(self, Search);
        let reached = search.from;
        self.attempt = search.outcome(SearchOutcome::CutOff { reached, failure }, self.now);
    }

    /// The search is cut off after it has reached this moment.
    #[track_caller]
    fn is_cut_off_at(&mut self, reached: Timestamp) {
        let failure = Failure::new(Reason::TargetUnavailable);
        let outcome = SearchOutcome::CutOff { reached, failure };
        self.attempt = next!(self, Search).outcome(outcome, self.now);
    }

    #[track_caller]
    fn looks(&mut self, b: InstanceId, outcome: LookOutcome) {
        let look = next!(self, Look);
        assert_eq!(look.id, b);
        self.attempt = look.outcome(outcome, self.now);
    }

    #[track_caller]
    fn adds_form(&mut self, outcome: AddFormOutcome) {
        let add = next!(self, AddForm);
        assert_eq!(add.half.id, instance(1));
        self.attempt = add.outcome(outcome, self.now);
    }

    #[track_caller]
    fn deletes(&mut self, outcome: DeleteOutcome) {
        let delete = next!(self, Delete);
        assert_eq!(delete.half.id, instance(1));
        self.attempt = delete.outcome(outcome, self.now);
    }

    #[track_caller]
    fn finishes(&mut self, outcome: FinishOutcome) {
        self.attempt = next!(self, Finish).outcome(outcome, self.now);
    }

    #[track_caller]
    fn resumes(&mut self, outcome: ResumeOutcome) {
        let resume = next!(self, Resume);
        assert_eq!(resume.id, instance(1));
        self.attempt = resume.outcome(outcome, self.now);
    }

    #[track_caller]
    fn follows_up(&mut self, outcome: Result<(), Failure>) {
        self.attempt = next!(self, AfterSteps).outcome(outcome, self.now);
    }

    /// The claim is written.
    #[track_caller]
    fn claims(&mut self) -> (Record, Option<u64>) {
        if self.number > 1 && self.attempt.record().is_none() {
            self.meets(Record {
                attempts: self.number - 1,
                ..seen(State::Waiting)
            });
        }
        let put = next!(self, Claim);
        assert_eq!(put.record.state, State::Claimed);
        self.is_written(put)
    }

    /// What became of the relay is written.
    #[track_caller]
    fn records(&mut self) -> (Record, Option<u64>) {
        let put = next!(self, Record);
        self.is_written(put)
    }

    #[track_caller]
    fn is_written(&mut self, put: Put) -> (Record, Option<u64>) {
        let written = ((*put.record).clone(), put.replaces);
        self.attempt = put.outcome(PutOutcome::Written);
        assert_eq!(self.attempt.record(), Some(&written.0));
        written
    }

    /// The next step is a write, but the ledger has another record.
    #[track_caller]
    fn meets(&mut self, record: Record) {
        let (Step::Claim(put) | Step::Record(put)) = self.step() else {
            panic!("{:?} is no write", self.step())
        };
        self.attempt = put.outcome(PutOutcome::Conflict(Some(Box::new(record))));
    }

    #[track_caller]
    fn end(&self) -> End {
        next!(self, End)
    }

    #[track_caller]
    fn ends(&self, disposition: Disposition) {
        assert_eq!(self.end().disposition, disposition);
    }

    /// How long the relay waits: until its message comes again, or reconcile sends one.
    #[track_caller]
    fn ends_again(&self) -> Duration {
        let end = self.end();
        let not_before = end.record.and_then(|record| record.not_before);
        match (end.disposition, not_before) {
            (Disposition::Again(wait), _) => wait,
            (Disposition::Acknowledge, Some(not_before)) => {
                patience::until(not_before, self.now) + EARLY_BY
            }
            other => panic!("{other:?} does not come again"),
        }
    }

    #[track_caller]
    fn is_to_create(&self) {
        next!(self, Create);
    }

    #[track_caller]
    fn is_to_search(&self) {
        next!(self, Search);
    }
}

#[test]
fn a_created_b_is_recorded_and_the_message_is_deleted() {
    let mut story = Story::of(POLICY, 1);
    let (claim, replaces) = story.claims();
    assert_eq!(
        (claim.state, claim.rev, replaces),
        (State::Claimed, 1, None)
    );
    assert_eq!(claim.holder, us());
    assert_eq!(claim.lease_until, story.now + LEASE);
    assert_eq!((claim.sent, claim.attempts), (None, 1));
    story.reads(ready());
    story.creates(CreateOutcome::Created(instance(1)));
    let (done, replaces) = story.records();
    assert_eq!((done.state, done.rev, replaces), (State::Done, 2, Some(1)));
    assert_eq!(done.instance, Some(instance(1)));
    assert_eq!(done.sent, None);
    story.ends(Disposition::Acknowledge);
    assert!(!story.end().adopted);
}

#[test]
fn after_steps_come_between_created_and_done() {
    let mut story = Story::ready(AFTER_STEPS, 1);
    story.creates(CreateOutcome::Created(instance(1)));
    let (created, _) = story.records();
    assert_eq!(created.state, State::Created);
    story.follows_up(Ok(()));
    let (done, replaces) = story.records();
    assert_eq!((done.state, replaces), (State::Done, Some(created.rev)));
    story.ends(Disposition::Acknowledge);
}

#[test]
fn a_failing_after_step_does_not_fail_the_relay_and_is_left_to_reconcile_in_the_end() {
    let created = Record {
        instance: Some(instance(1)),
        ..seen(State::Created)
    };
    for (attempts, disposition) in [
        (2, Disposition::Again(Duration::from_secs(99))),
        (WAITING_ATTEMPTS - 1, Disposition::Acknowledge),
    ] {
        let mut story = Story::of(AFTER_STEPS, 2);
        story.meets(Record {
            attempts,
            ..created.clone()
        });
        let refused = failure(Reason::AfterStepRefused).after(Some(Duration::from_secs(99)));
        story.follows_up(Err(refused));
        let (record, replaces) = story.records();
        assert_eq!(replaces, Some(created.rev));
        assert_eq!(
            (record.state, record.attempts),
            (State::Created, attempts + 1)
        );
        assert_eq!(record.instance, created.instance);
        assert_eq!(record.reason, Some(Reason::AfterStepRefused));
        match disposition {
            Disposition::Acknowledge => story.ends(disposition),
            _ => assert!(story.ends_again() >= Duration::from_secs(5)),
        }
    }
}

#[test]
fn the_after_steps_of_a_set_come_when_all_its_relays_are_done() {
    let mut story = Story::of(AFTER_STEPS, 1);
    story.claims();
    story.reads(ReadOutcome::Set(SetOutcome::Done));
    let (created, _) = story.records();
    assert_eq!((created.state, created.instance), (State::Created, None));
    story.follows_up(Ok(()));
    assert_eq!(story.records().0.state, State::Done);
    story.ends(Disposition::Acknowledge);
}

#[test]
fn every_write_says_when_reconcile_is_to_look_after_the_relay() {
    let due = |story: &Story| match story.step() {
        Step::Claim(put) | Step::Record(put) => {
            put.due.map(|due| due.duration_since(story.now).as_secs())
        }
        step => panic!("{step:?} is no write"),
    };
    let mut story = Story::of(POLICY, 3);
    assert_eq!(due(&story), Some(60 + 1_800), "a claim");
    story.claims();
    let closed = failure(Reason::GateClosed).after(Some(Duration::from_secs(100)));
    story.reads(ReadOutcome::NotReady(NotReady::NotYet(closed)));
    assert_eq!(due(&story), Some(100 + 1_800), "comes again");

    let mut left = Story::of(POLICY, 2);
    left.meets(Record {
        first: moment(-40_000),
        attempts: WAITING_ATTEMPTS,
        ..seen(State::Waiting)
    });
    left.claims();
    left.reads(not_yet());
    assert_eq!(due(&left), Some(10_000), "left to reconcile");

    let mut done = Story::ready(POLICY, 1);
    done.creates(CreateOutcome::Created(instance(1)));
    assert_eq!(due(&done), None, "done");
    let mut failed = Story::ready(POLICY, 1);
    failed.creates_unclear(refused());
    failed.searches(vec![]);
    assert_eq!(due(&failed), None, "failed");
}

#[test]
fn a_redelivered_message_of_a_failed_relay_is_given_up_at_once() {
    for receives in [2, MAX_RECEIVES] {
        let mut story = Story::of(POLICY, receives);
        story.meets(seen(State::Failed));
        story.ends(Disposition::GiveUp);
    }
}

#[test]
fn a_redriven_relay_is_claimed_and_tried_again() {
    let mut story = Story::of(POLICY, 1);
    story.meets(seen(State::Failed));
    let (claim, replaces) = story.claims();
    assert_eq!(
        (claim.state, claim.rev, replaces),
        (State::Claimed, 5, Some(4))
    );
    assert_eq!(claim.attempts, 1, "it has been opened again");
    assert_eq!(claim.first, moment(-1_000));
    assert!(claim.targets.contains(&target()) && claim.targets.len() == 2);
    story.reads(ready());
    story.is_to_create();
}

#[test]
fn a_relay_whose_gate_is_closed_waits_and_is_left_to_reconcile_in_the_end() {
    for (attempts, last) in [
        (1, false),
        (8, false),
        (WAITING_ATTEMPTS, true),
        (MAX_ATTEMPTS, true),
    ] {
        let mut story = Story::of(POLICY, attempts);
        story.claims();
        story.reads(not_yet());
        let (waiting, _) = story.records();
        assert_eq!(
            (waiting.state, waiting.reason),
            (State::Waiting, Some(Reason::GateClosed))
        );
        if last {
            story.ends(Disposition::Acknowledge);
        } else {
            assert!(story.ends_again() >= Duration::from_secs(4));
        }
    }
}

#[test]
fn a_relay_fails_after_the_last_attempt_and_sooner_for_likely_mistakes() {
    for (reason, patience) in [
        (Reason::SourceUnavailable, MAX_ATTEMPTS),
        (Reason::TargetUnavailable, MAX_ATTEMPTS),
        (Reason::SourceMissing, MISSING_ATTEMPTS),
        (Reason::SourceForbidden, MISSING_ATTEMPTS),
        (Reason::OwnerUnknown, UNKNOWN_ATTEMPTS),
        (Reason::SourceUnreadable, UNKNOWN_ATTEMPTS),
    ] {
        let mut story = Story::of(POLICY, patience - 1);
        story.claims();
        story.reads(unavailable(reason));
        assert_eq!(story.records().0.state, State::Waiting, "{reason:?}");

        let mut story = Story::of(POLICY, patience);
        story.claims();
        story.reads(unavailable(reason));
        let (failed, _) = story.records();
        assert_eq!((failed.state, failed.reason), (State::Failed, Some(reason)));
        story.ends(Disposition::GiveUp);
    }
}

#[test]
fn a_relay_without_a_possible_draft_fails_at_once() {
    let mut story = Story::of(POLICY, 1);
    story.claims();
    story.reads(never());
    assert_eq!(story.records().0.state, State::Failed);
    story.ends(Disposition::GiveUp);
}

#[test]
fn a_done_relay_is_left_alone() {
    let mut story = Story::of(POLICY, 1);
    story.meets(seen(State::Done));
    story.ends(Disposition::Acknowledge);
}

#[test]
fn a_relay_whose_claim_was_given_back_is_claimed_at_once_and_nothing_is_searched_for() {
    let mut story = Story::of(POLICY, 2);
    story.meets(seen(State::Waiting));
    let (claim, _) = story.claims();
    assert_eq!(claim.sent, None);
    story.reads(ready());
    story.is_to_create();
}

#[test]
fn a_claimed_relay_is_left_to_its_holder_until_the_lease_ends() {
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
fn the_b_of_an_a_older_than_the_ledgers_memory_is_searched_for() {
    let mut story = Story::of(POLICY, 1);
    story.claims();
    let since = moment(-400 * 86_400);
    story.reads(ReadOutcome::Ready { since });
    let window = story.searches(vec![]);
    assert_eq!(window, (since - CLOCK_MARGIN, story.now + CLOCK_MARGIN));
    story.is_to_create();
}

/// Otherwise the next delivery would have to treat the claim as a request that was sent.
#[test]
fn an_attempt_that_ends_before_the_request_records_that_none_was_sent() {
    let ends: [fn(&mut Story); 3] = [
        |story| story.reads(not_yet()),
        |story| story.reads(unavailable(Reason::SourceUnavailable)),
        |story| {
            story.reads(ready());
            story.creates(CreateOutcome::NotSent(failure(Reason::TargetUnavailable)));
        },
    ];
    for end in ends {
        let mut story = Story::of(POLICY, 1);
        story.claims();
        end(&mut story);
        let (waiting, _) = story.records();
        assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
        assert_eq!(waiting.lease_until, story.now);
        story.ends_again();
    }
}

#[test]
fn an_open_request_stays_on_record_when_a_delivery_does_not_get_to_the_search() {
    for outcome in [not_yet(), unavailable(Reason::SourceUnavailable), never()] {
        let mut story = Story::of(POLICY, 2);
        story.meets(Record {
            sent: Some(lost()),
            ..seen(State::Waiting)
        });
        assert_eq!(story.claims().0.sent, Some(lost()));
        story.reads(outcome);
        assert_eq!(story.records().0.sent, Some(lost()));
    }
}

#[test]
fn a_request_that_cannot_be_built_fails_the_relay_at_once() {
    let mut story = Story::ready(POLICY, 1);
    story.creates(CreateOutcome::NotSent(failure(Reason::DraftRefused)));
    let (failed, _) = story.records();
    assert_eq!((failed.state, failed.sent), (State::Failed, None));
    assert_eq!(failed.reason, Some(Reason::DraftRefused));
    story.ends(Disposition::GiveUp);
}

#[test]
fn too_little_lease_for_a_request_gives_the_claim_back_with_nothing_sent() {
    let mut story = Story::ready(POLICY, 1);
    story.now = moment(54);
    let (waiting, _) = story.records();
    assert_eq!(
        (waiting.state, waiting.reason),
        (State::Waiting, Some(Reason::OutOfTime))
    );
    assert_eq!((waiting.lease_until, waiting.sent), (moment(54), None));
    story.ends_again();
}

#[test]
fn a_worker_that_lost_its_claim_writes_nothing_more() {
    for (state, acknowledged) in [
        (State::Done, true),
        (State::Claimed, false),
        (State::Failed, false),
    ] {
        let mut story = Story::ready(POLICY, 1);
        story.creates(CreateOutcome::Created(instance(1)));
        story.meets(seen(state));
        if acknowledged {
            story.ends(Disposition::Acknowledge);
        } else {
            story.ends_again();
        }
    }
}

#[test]
fn the_relay_of_a_set_ends_as_the_relays_of_the_set_end() {
    let wait = Duration::from_secs(9);
    let again = Disposition::Again(wait);
    for (ends, state, disposition) in [
        (vec![], State::Done, Disposition::Acknowledge),
        (
            vec![(Disposition::Acknowledge, Some(State::Done))],
            State::Done,
            Disposition::Acknowledge,
        ),
        (
            vec![
                (Disposition::Acknowledge, Some(State::Waiting)),
                (Disposition::Acknowledge, Some(State::Done)),
            ],
            State::Waiting,
            Disposition::Acknowledge,
        ),
        (
            vec![
                (Disposition::GiveUp, Some(State::Failed)),
                (Disposition::Acknowledge, Some(State::Waiting)),
            ],
            State::Failed,
            Disposition::GiveUp,
        ),
        (
            vec![
                (Disposition::GiveUp, Some(State::Failed)),
                (Disposition::Again(2 * wait), Some(State::Claimed)),
                (again, Some(State::Waiting)),
            ],
            State::Waiting,
            again,
        ),
    ] {
        let mut story = Story::of(POLICY, 1);
        story.claims();
        story.reads(ReadOutcome::Set(SetOutcome::sum(ends)));
        assert_eq!(story.records().0.state, state);
        story.ends(disposition);
    }
}

proptest! {
    #[test]
    fn the_wait_doubles_up_to_an_hour_and_varies_by_a_fifth(receives in any::<u32>(), seed in any::<u64>()) {
        let base = |receives: u32| {
            let doublings = i32::try_from(receives.saturating_sub(1).min(60)).unwrap();
            (5.0 * 2_f64.powi(doublings)).min(3_600.0)
        };
        let wait = backoff(receives, seed).as_secs_f64();
        prop_assert!(wait >= 0.8 * base(receives) - 0.001, "{}", wait);
        prop_assert!(wait <= 1.2 * base(receives) + 0.001, "{}", wait);
        prop_assert!(wait <= 1.2 * 3_600.0);
        // Twice the base differs by more than the variation.
        if base(receives.saturating_add(1)) > 1.5 * base(receives) {
            prop_assert!(backoff(receives.saturating_add(1), seed).as_secs_f64() > wait);
        }
        prop_assert_eq!(backoff(receives, seed), backoff(receives, seed));
    }
}

#[test]
fn different_deliveries_wait_for_different_times() {
    let waits: std::collections::BTreeSet<_> = (0..100).map(|seed| backoff(10, seed)).collect();
    assert!(waits.len() > 95, "{}", waits.len());
}
