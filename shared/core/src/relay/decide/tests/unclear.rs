//! B's answer does not say what exists; a search shows it, when B is quiet.

use super::*;

/// The next delivery of a relay whose request is open.
fn comes_again(record: &Record, number: u32, now: Timestamp) -> Story {
    Story::over(POLICY, number, now, record.clone())
}

/// A first delivery whose request was not answered within a second.
fn unanswered() -> (Story, Record) {
    let mut story = Story::ready(POLICY, 1);
    story.now = moment(1);
    story.creates_unclear(unclear(Quiet::Settled));
    let (waiting, _) = story.records();
    (story, waiting)
}

#[test]
fn a_refusal_is_followed_by_a_search_and_fails_the_relay_if_nothing_is_found() {
    let gone = Found {
        gone: true,
        ..whole(1)
    };
    for found in [vec![], vec![gone]] {
        let mut story = Story::ready(POLICY, 1);
        story.creates_unclear(refused());
        story.searches(found);
        let (failed, _) = story.records();
        assert_eq!(
            (failed.state, failed.reason),
            (State::Failed, Some(Reason::Refused))
        );
        assert_eq!(failed.detail.as_deref(), Some("why"));
        assert_eq!((failed.lease_until, failed.sent), (story.now, None));
        story.ends(Disposition::GiveUp);
    }
}

#[test]
fn another_4xx_is_followed_by_a_search_and_the_message_comes_again_when_b_says() {
    let own = backoff(3, Uuid::from_u128(7).as_u64_pair().0);
    for (after, wait) in [
        (None, own),
        (Some(1_234), Duration::from_secs(1_234)),
        // Waiting a second each time would use up the attempts within a minute.
        (Some(1), own / 2),
        (Some(7 * 86_400), LONGEST_WAIT),
    ] {
        let mut story = Story::ready(POLICY, 3);
        let mut reply = unclear(Quiet::Now);
        reply.failure = reply.failure.after(after.map(Duration::from_secs));
        story.creates_unclear(reply);
        story.searches(vec![]);
        let (waiting, _) = story.records();
        assert_eq!(waiting.state, State::Waiting);
        assert_eq!(waiting.reason, Some(Reason::TargetUnavailable));
        assert_eq!((waiting.lease_until, waiting.sent), (story.now, None));
        assert_eq!(story.ends_again(), wait);
    }
    let mut last = Story::ready(POLICY, MAX_ATTEMPTS);
    last.creates_unclear(unclear(Quiet::Now));
    last.searches(vec![]);
    let (failed, _) = last.records();
    assert_eq!((failed.state, failed.sent), (State::Failed, None));
    last.ends(Disposition::GiveUp);
}

/// app-lib passes Storage's statuses on after the instance was created.
#[test]
fn a_complete_b_that_a_4xx_left_is_adopted() {
    for reply in [refused(), unclear(Quiet::Now)] {
        let mut story = Story::ready(POLICY, 1);
        story.creates_unclear(reply);
        story.searches(vec![half(1), whole(2)]);
        let (done, _) = story.records();
        assert_eq!(
            (done.state, done.instance, done.sent),
            (State::Done, Some(instance(2)), None)
        );
        story.ends(Disposition::Acknowledge);
        assert!(story.end().adopted && !story.end().doubled);
    }
}

#[test]
fn the_older_of_two_complete_b_is_adopted_and_both_are_reported() {
    let younger = Found {
        created: Some(moment(9)),
        ..whole(1)
    };
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(unclear(Quiet::Now));
    story.searches(vec![younger, whole(2)]);
    assert_eq!(story.records().0.instance, Some(instance(2)));
    assert!(story.end().doubled);
}

#[test]
fn a_failed_search_leaves_the_request_on_record_and_is_repeated() {
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(refused());
    story.fails_to_search(failure(Reason::SourceUnavailable));
    let (waiting, _) = story.records();
    assert_eq!(waiting.reason, Some(Reason::SourceUnavailable));
    assert!(waiting.state == State::Waiting && waiting.sent.is_some());
    story.ends_again();

    let mut again = comes_again(&waiting, 2, moment(5));
    again.searches(vec![]);
    again.is_to_create();
}

#[test]
fn b_is_quiet_a_minute_after_a_5xx_of_its_app() {
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(unclear(Quiet::Soon));
    let (waiting, _) = story.records();
    assert_eq!(
        (waiting.state, waiting.reason),
        (State::Waiting, Some(Reason::OutcomeUnknown))
    );
    let sent = Sent {
        from: moment(0),
        ended: moment(0),
        quiet: moment(60),
    };
    assert_eq!((waiting.sent, waiting.lease_until), (Some(sent), moment(0)));
    assert_eq!(story.ends_again(), Duration::from_secs(5));

    let mut early = comes_again(&waiting, 2, moment(59));
    early.searches(vec![]);
    assert_eq!(early.records().0.sent, Some(sent));
    assert_eq!(early.ends_again(), Duration::from_secs(1));

    let mut at_last = comes_again(&waiting, 2, moment(60));
    at_last.searches(vec![]);
    at_last.is_to_create();
}

#[test]
fn b_is_never_quiet_later_after_a_5xx_than_after_a_lost_answer() {
    let policy = Policy {
        settle: Duration::from_secs(20),
        ..POLICY
    };
    let mut story = Story::ready(policy, 1);
    story.creates_unclear(unclear(Quiet::Soon));
    let (waiting, _) = story.records();
    assert_eq!(waiting.sent.unwrap().quiet, moment(20));
}

#[test]
fn searches_after_a_lost_answer_get_rarer_until_b_is_quiet() {
    let (story, mut waiting) = unanswered();
    assert_eq!(waiting.sent, Some(lost()));
    let mut wait = story.ends_again();
    let (mut now, mut attempts, mut searched) = (moment(1), 1, Vec::new());
    while now + wait < lost().quiet {
        now += wait;
        attempts += 1;
        searched.push(now.duration_since(moment(1)).as_secs());
        let mut again = comes_again(&waiting, attempts, now);
        let (from, until) = again.searches(vec![half(1)]);
        assert_eq!(from, moment(0) - CLOCK_MARGIN);
        assert_eq!(until, moment(1) + CREATED_WITHIN + CLOCK_MARGIN);
        let (record, _) = again.records();
        assert_eq!(
            (record.state, record.reason, record.sent),
            (State::Waiting, Some(Reason::OutcomeUnknown), Some(lost()))
        );
        wait = again.ends_again();
        waiting = record;
    }
    assert_eq!(searched, [5, 30, 120, 300, 600]);
    assert_eq!(now + wait, lost().quiet);

    // From then on the window no longer moves, however late the last search is.
    for late in [0, 1, 86_400] {
        let now = lost().quiet + SignedDuration::from_secs(late);
        let mut last = comes_again(&waiting, attempts + 1, now);
        let (from, until) = last.searches(vec![]);
        assert_eq!(from, moment(0) - CLOCK_MARGIN);
        assert_eq!(until, lost().quiet + CLOCK_MARGIN);
        last.is_to_create();
        last.creates(CreateOutcome::Created(instance(1)));
        assert_eq!(last.records().0.sent, None);
    }
}

#[test]
fn a_relay_that_was_tried_often_skips_the_early_searches() {
    let record = Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    };
    let wait = |attempts| {
        let mut story = comes_again(&record, attempts, moment(1));
        story.searches(vec![]);
        story.records();
        story.ends_again()
    };
    assert_eq!(wait(12), Duration::from_secs(5));
    assert!(wait(13) >= SETTLE);
}

#[test]
fn a_relay_that_failed_after_the_last_attempt_is_searched_for_when_it_is_redriven() {
    let mut last = Story::ready(POLICY, MAX_ATTEMPTS);
    last.now = moment(1);
    last.creates_unclear(unclear(Quiet::Settled));
    let (failed, _) = last.records();
    assert_eq!(
        (failed.state, failed.reason, failed.sent),
        (State::Failed, Some(Reason::OutcomeUnknown), Some(lost()))
    );
    last.ends(Disposition::GiveUp);

    let mut early = comes_again(&failed, 1, moment(2));
    early.searches(vec![]);
    assert_eq!(early.records().0.sent, Some(lost()));
    early.ends_again();

    let mut late = comes_again(&failed, 1, lost().quiet);
    late.searches(vec![]);
    late.is_to_create();

    let mut found = comes_again(&failed, 1, lost().quiet);
    found.searches(vec![whole(1)]);
    assert_eq!(found.records().0.state, State::Done);
}

/// An expired claim, taken over at `now`.
fn abandoned(sent: Option<Sent>, now: Timestamp) -> (Story, Record) {
    let mut story = Story::of(POLICY, 5);
    story.now = now;
    story.meets(Record {
        lease_until: moment(100),
        updated: moment(40),
        sent,
        ..seen(State::Claimed)
    });
    let (claim, _) = story.claims();
    story.reads(ready());
    (story, claim)
}

#[test]
fn an_expired_claim_counts_as_a_request_that_was_sent() {
    let sent = Sent {
        from: moment(40),
        ended: moment(100),
        quiet: moment(1_300),
    };
    let (mut early, claim) = abandoned(None, moment(100));
    assert_eq!((claim.attempts, claim.sent), (3, Some(sent)));
    let window = early.searches(vec![]);
    let until = moment(100) + CREATED_WITHIN;
    assert_eq!(window, (moment(40) - CLOCK_MARGIN, until + CLOCK_MARGIN));
    let (waiting, _) = early.records();
    assert_eq!(
        (waiting.state, waiting.sent, waiting.lease_until),
        (State::Waiting, Some(sent), moment(100))
    );
    assert_eq!(early.ends_again(), Duration::from_secs(5));

    let (mut whole_already, _) = abandoned(None, moment(100));
    whole_already.searches(vec![whole(1)]);
    let (created, _) = whole_already.records();
    assert_eq!((created.state, created.sent), (State::Created, Some(sent)));

    let (mut late, _) = abandoned(None, moment(1_300));
    late.searches(vec![]);
    late.is_to_create();

    let older = Sent {
        from: moment(-500),
        ended: moment(-400),
        quiet: moment(800),
    };
    let (_, joined) = abandoned(Some(older), moment(100));
    let both = Sent {
        from: moment(-500),
        ..sent
    };
    assert_eq!(joined.sent, Some(both));
}

/// A complete B was found before it was quiet.
fn adopted(policy: Policy, number: u32) -> (Story, Record) {
    let waiting = Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    };
    let mut story = Story::over(policy, number, moment(31), waiting);
    story.searches(vec![half(1), whole(2)]);
    let (created, _) = story.records();
    assert_eq!(
        (created.state, created.instance, created.sent),
        (State::Created, Some(instance(2)), Some(lost()))
    );
    assert!(story.end().adopted);
    (story, created)
}

#[test]
fn a_b_that_was_adopted_early_is_looked_at_again_when_its_app_is_quiet() {
    let (story, created) = adopted(POLICY, 2);
    assert_eq!(story.now + story.ends_again(), lost().quiet);

    let mut early = Story::of(POLICY, 3);
    early.now = lost().quiet - SignedDuration::from_secs(7);
    early.meets(created.clone());
    assert_eq!(early.ends_again(), Duration::from_secs(7));

    let mut alive = Story::of(POLICY, 3);
    alive.now = lost().quiet;
    alive.meets(created.clone());
    alive.looks(instance(2), LookOutcome::Alive);
    let (done, replaces) = alive.records();
    assert_eq!(
        (done.state, done.instance, done.sent),
        (State::Done, Some(instance(2)), None)
    );
    assert_eq!(replaces, Some(created.rev));
    alive.ends(Disposition::Acknowledge);

    let mut unseen = Story::of(POLICY, 3);
    unseen.now = lost().quiet;
    unseen.meets(created.clone());
    unseen.looks(instance(2), LookOutcome::Unknown);
    let (record, _) = unseen.records();
    assert_eq!((record.state, record.sent), (State::Created, Some(lost())));
    unseen.ends_again();

    let mut gone = Story::of(POLICY, 3);
    gone.now = lost().quiet;
    gone.meets(created.clone());
    gone.looks(instance(2), LookOutcome::Gone);
    let (claim, replaces) = gone.claims();
    assert_eq!(
        (claim.state, claim.instance, claim.sent),
        (State::Claimed, None, Some(lost()))
    );
    assert_eq!(replaces, Some(created.rev));
    gone.reads(ready());
    gone.searches(vec![Found {
        gone: true,
        ..whole(2)
    }]);
    gone.creates(CreateOutcome::Created(instance(3)));
    let (made, _) = gone.records();
    assert_eq!(
        (made.state, made.instance),
        (State::Done, Some(instance(3)))
    );
}

#[test]
fn the_after_steps_follow_the_second_look_at_a_b_that_was_adopted_early() {
    let (_, created) = adopted(AFTER_STEPS, 2);
    let mut early = Story::of(AFTER_STEPS, 3);
    early.now = moment(600);
    early.meets(created.clone());
    early.ends_again();

    let mut alive = Story::of(AFTER_STEPS, 3);
    alive.now = lost().quiet;
    alive.meets(created);
    alive.looks(instance(2), LookOutcome::Alive);
    let (settled, _) = alive.records();
    assert_eq!((settled.state, settled.sent), (State::Created, None));
    alive.follows_up(Ok(()));
    assert_eq!(alive.records().0.state, State::Done);
    alive.ends(Disposition::Acknowledge);
}

#[test]
fn an_instance_that_the_answer_names_stays_on_record_until_a_search_has_settled_it() {
    let mut story = Story::ready(POLICY, 1);
    let reply = Reply {
        instance: Some(instance(9)),
        ..unclear(Quiet::Soon)
    };
    story.creates_unclear(reply);
    let (waiting, _) = story.records();
    assert_eq!(waiting.instance, Some(instance(9)));

    let mut again = comes_again(&waiting, 2, moment(60));
    assert_eq!(again.attempt.record().unwrap().instance, Some(instance(9)));
    again.searches(vec![]);
    again.creates(CreateOutcome::NotSent(failure(Reason::TargetUnavailable)));
    let (settled, _) = again.records();
    assert_eq!((settled.instance, settled.sent), (None, None));
}

/// The search may have listed the instances before B was quiet.
#[test]
fn a_search_that_begins_before_b_is_quiet_is_inconclusive_even_if_it_ends_after() {
    for found in [vec![], vec![half(1)]] {
        let (_, waiting) = unanswered();
        let quiet = waiting.sent.unwrap().quiet;
        let mut story = comes_again(&waiting, 2, quiet - SignedDuration::from_secs(2));
        story.searches_for(4, found);
        let (again, _) = story.records();
        assert_eq!((again.state, again.sent), (State::Waiting, waiting.sent));
        assert_eq!(story.ends_again(), Duration::from_secs(1));
    }
}

#[test]
fn a_complete_b_found_while_b_becomes_quiet_is_looked_at_again() {
    let (_, waiting) = unanswered();
    let quiet = waiting.sent.unwrap().quiet;
    let mut story = comes_again(&waiting, 2, quiet - SignedDuration::from_secs(2));
    story.searches_for(4, vec![whole(1)]);
    let (created, _) = story.records();
    assert_eq!(
        (created.state, created.sent),
        (State::Created, waiting.sent)
    );
    assert_eq!(story.ends_again(), Duration::from_secs(1));
}
