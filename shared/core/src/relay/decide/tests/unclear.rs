//! B's answer does not say what exists: a search does, once B is quiet.

use super::*;

/// The next delivery of a relay whose request is open.
fn comes_again(record: &Record, receives: u32, now: Timestamp) -> Story {
    Story::over(POLICY, receives, now, record.clone())
}

/// A first delivery whose request got no answer within a second.
fn unanswered() -> (Story, Record) {
    let mut story = Story::ready(POLICY, 1);
    story.now = moment(1);
    story.hears_unclear(unclear(Quiet::Settled));
    let (waiting, _) = story.writes();
    (story, waiting)
}

#[test]
fn a_refusal_is_searched_for_at_once_and_fails_the_relay_where_nothing_is_found() {
    let gone = Found {
        gone: true,
        ..whole(1)
    };
    for found in [vec![], vec![gone]] {
        let mut story = Story::ready(POLICY, 1);
        story.hears_unclear(refused());
        story.searches(found);
        let (failed, _) = story.writes();
        assert_eq!(
            (failed.state, failed.reason),
            (State::Failed, Some(Reason::Refused))
        );
        assert_eq!(failed.detail.as_deref(), Some("why"));
        assert_eq!((failed.lease_until, failed.sent), (story.now, None));
        story.ends(Verdict::GiveUp);
    }
}

#[test]
fn another_4xx_is_searched_for_at_once_and_asked_again_after_what_it_says() {
    let own = backoff(3, Uuid::from_u128(7).as_u64_pair().0);
    for (after, wait) in [
        (None, own),
        (Some(1_234), Duration::from_secs(1_234)),
        // A second each time would use up a night's receives within a minute.
        (Some(1), own / 2),
        (Some(7 * 86_400), LONGEST_WAIT),
    ] {
        let mut story = Story::ready(POLICY, 3);
        let mut reply = unclear(Quiet::Now);
        reply.problem = reply.problem.after(after.map(Duration::from_secs));
        story.hears_unclear(reply);
        story.searches(vec![]);
        let (waiting, _) = story.writes();
        assert_eq!(waiting.state, State::Waiting);
        assert_eq!(waiting.reason, Some(Reason::TargetUnavailable));
        assert_eq!((waiting.lease_until, waiting.sent), (story.now, None));
        assert_eq!(story.ends_again(), wait);
    }
    let mut last = Story::ready(POLICY, MAX_RECEIVES);
    last.hears_unclear(unclear(Quiet::Now));
    last.searches(vec![]);
    let (failed, _) = last.writes();
    assert_eq!((failed.state, failed.sent), (State::Failed, None));
    last.ends(Verdict::GiveUp);
}

/// app-lib passes Storage's statuses on after the instance was made.
#[test]
fn what_a_4xx_left_whole_is_adopted() {
    for reply in [refused(), unclear(Quiet::Now)] {
        let mut story = Story::ready(POLICY, 1);
        story.hears_unclear(reply);
        story.searches(vec![half(1), whole(2)]);
        let (done, _) = story.writes();
        assert_eq!(
            (done.state, done.instance, done.sent),
            (State::Done, Some(instance(2)), None)
        );
        story.ends(Verdict::Acknowledge);
        assert!(story.attempt.has_adopted() && !story.attempt.is_doubled());
    }
}

#[test]
fn of_two_whole_b_the_older_is_adopted_and_both_are_told() {
    let younger = Found {
        created: Some(moment(9)),
        ..whole(1)
    };
    let mut story = Story::ready(POLICY, 1);
    story.hears_unclear(unclear(Quiet::Now));
    story.searches(vec![younger, whole(2)]);
    assert!(story.attempt.is_doubled());
    assert_eq!(story.writes().0.instance, Some(instance(2)));
}

#[test]
fn a_search_that_fails_leaves_the_request_on_record_and_is_made_again() {
    let mut story = Story::ready(POLICY, 1);
    story.hears_unclear(refused());
    let search = story.step();
    let trouble = Evidence::Trouble(problem(Reason::SourceUnavailable));
    story.hears(search, trouble);
    let (waiting, _) = story.writes();
    assert_eq!(waiting.reason, Some(Reason::SourceUnavailable));
    assert!(waiting.state == State::Waiting && waiting.sent.is_some());
    story.ends_again();

    let mut again = comes_again(&waiting, 2, moment(5));
    again.searches(vec![]);
    assert_eq!(again.step(), Step::Create);
}

#[test]
fn a_5xx_of_the_apps_own_is_over_in_a_minute() {
    let mut story = Story::ready(POLICY, 1);
    story.hears_unclear(unclear(Quiet::Soon));
    let (waiting, _) = story.writes();
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
    assert_eq!(early.writes().0.sent, Some(sent));
    assert_eq!(early.ends_again(), Duration::from_secs(1));

    let mut at_last = comes_again(&waiting, 2, moment(60));
    at_last.searches(vec![]);
    assert_eq!(at_last.step(), Step::Create);
}

#[test]
fn no_policy_makes_a_5xx_last_longer_than_an_answer_that_was_lost() {
    let policy = Policy {
        settle: Duration::from_secs(20),
        ..POLICY
    };
    let mut story = Story::ready(policy, 1);
    story.hears_unclear(unclear(Quiet::Soon));
    let (waiting, _) = story.writes();
    assert_eq!(waiting.sent.unwrap().quiet, moment(20));
}

#[test]
fn a_lost_answer_is_searched_for_more_and_more_seldom_until_b_is_quiet() {
    let (story, mut waiting) = unanswered();
    assert_eq!(waiting.sent, Some(lost()));
    let mut wait = story.ends_again();
    let (mut now, mut receives, mut searched) = (moment(1), 1, Vec::new());
    while now + wait < lost().quiet {
        now += wait;
        receives += 1;
        searched.push(now.duration_since(moment(1)).as_secs());
        let mut again = comes_again(&waiting, receives, now);
        let (from, until) = again.searches(vec![half(1)]);
        assert_eq!(from, moment(0) - CLOCK_MARGIN);
        assert_eq!(until, moment(1) + CREATED_WITHIN + CLOCK_MARGIN);
        let (record, _) = again.writes();
        assert_eq!(
            (record.state, record.reason, record.sent),
            (State::Waiting, Some(Reason::OutcomeUnknown), Some(lost()))
        );
        wait = again.ends_again();
        waiting = record;
    }
    assert_eq!(searched, [5, 30, 120, 300, 600]);
    assert_eq!(now + wait, lost().quiet);

    // The window no longer moves, however late the last search is.
    for late in [0, 1, 86_400] {
        let now = lost().quiet + SignedDuration::from_secs(late);
        let mut last = comes_again(&waiting, receives + 1, now);
        let (from, until) = last.searches(vec![]);
        assert_eq!(from, moment(0) - CLOCK_MARGIN);
        assert_eq!(until, lost().quiet + CLOCK_MARGIN);
        assert_eq!(last.step(), Step::Create);
        last.answers(Answer::Created(instance(1)));
        assert_eq!(last.writes().0.sent, None);
    }
}

#[test]
fn a_message_that_came_often_waits_for_the_last_search() {
    let record = Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    };
    let wait = |receives| {
        let mut story = comes_again(&record, receives, moment(1));
        story.searches(vec![]);
        story.writes();
        story.ends_again()
    };
    assert_eq!(wait(12), Duration::from_secs(5));
    assert!(wait(13) >= SETTLE);
}

#[test]
fn after_the_last_receive_the_relay_fails_and_a_redriven_one_is_searched_for_first() {
    let mut last = Story::ready(POLICY, MAX_RECEIVES);
    last.now = moment(1);
    last.hears_unclear(unclear(Quiet::Settled));
    let (failed, _) = last.writes();
    assert_eq!(
        (failed.state, failed.reason, failed.sent),
        (State::Failed, Some(Reason::OutcomeUnknown), Some(lost()))
    );
    last.ends(Verdict::GiveUp);

    let mut early = comes_again(&failed, 1, moment(2));
    early.searches(vec![]);
    assert_eq!(early.writes().0.sent, Some(lost()));
    early.ends_again();

    let mut late = comes_again(&failed, 1, lost().quiet);
    late.searches(vec![]);
    assert_eq!(late.step(), Step::Create);

    let mut found = comes_again(&failed, 1, lost().quiet);
    found.searches(vec![whole(1)]);
    assert_eq!(found.writes().0.state, State::Done);
}

/// A claim that ran out, taken over at `now`.
fn abandoned(sent: Option<Sent>, now: Timestamp) -> (Story, Record) {
    let mut story = Story::of(POLICY, 5);
    story.now = now;
    story.meets(Record {
        lease_until: moment(100),
        updated: moment(40),
        sent,
        ..seen(State::Claimed)
    });
    let (claim, _) = story.writes();
    story.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    (story, claim)
}

#[test]
fn a_claim_that_ran_out_counts_as_a_request_that_was_sent() {
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
    let (waiting, _) = early.writes();
    assert_eq!(
        (waiting.state, waiting.sent, waiting.lease_until),
        (State::Waiting, Some(sent), moment(100))
    );
    assert_eq!(early.ends_again(), Duration::from_secs(5));

    let (mut whole_already, _) = abandoned(None, moment(100));
    whole_already.searches(vec![whole(1)]);
    let (created, _) = whole_already.writes();
    assert_eq!((created.state, created.sent), (State::Created, Some(sent)));

    let (mut late, _) = abandoned(None, moment(1_300));
    late.searches(vec![]);
    assert_eq!(late.step(), Step::Create);

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

/// Nobody knows what a step did whose evidence does not belong to it.
#[test]
fn a_request_without_an_outcome_keeps_its_claim_and_so_counts_as_sent() {
    let mut story = Story::ready(POLICY, 1);
    let claim = story.attempt.record().cloned();
    story.hears(Step::Create, Evidence::Worked);
    story.ends_again();
    assert_eq!(story.attempt.record().cloned(), claim);
    assert_eq!(claim.unwrap().state, State::Claimed);
}

/// Found whole before B is quiet.
fn adopted(policy: Policy, receives: u32) -> (Story, Record) {
    let waiting = Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    };
    let mut story = Story::over(policy, receives, moment(31), waiting);
    story.searches(vec![half(1), whole(2)]);
    let (created, _) = story.writes();
    assert_eq!(
        (created.state, created.instance, created.sent),
        (State::Created, Some(instance(2)), Some(lost()))
    );
    assert!(story.attempt.has_adopted());
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

    let look = Step::Look(instance(2));
    let mut alive = Story::of(POLICY, 3);
    alive.now = lost().quiet;
    alive.meets(created.clone());
    alive.hears(look.clone(), Evidence::Looked { alive: true });
    let (done, replaces) = alive.writes();
    assert_eq!(
        (done.state, done.instance, done.sent),
        (State::Done, Some(instance(2)), None)
    );
    assert_eq!(replaces, Some(created.rev));
    alive.ends(Verdict::Acknowledge);

    let mut unseen = Story::of(POLICY, 3);
    unseen.now = lost().quiet;
    unseen.meets(created.clone());
    let trouble = Evidence::Trouble(problem(Reason::SourceUnavailable));
    unseen.hears(look.clone(), trouble);
    unseen.ends_again();

    let mut gone = Story::of(POLICY, 3);
    gone.now = lost().quiet;
    gone.meets(created.clone());
    gone.hears(look, Evidence::Looked { alive: false });
    let (claim, replaces) = gone.writes();
    assert_eq!(
        (claim.state, claim.instance, claim.sent),
        (State::Claimed, None, Some(lost()))
    );
    assert_eq!(replaces, Some(created.rev));
    gone.hears(Step::Read, Evidence::Ready { since: moment(-10) });
    gone.searches(vec![Found {
        gone: true,
        ..whole(2)
    }]);
    gone.answers(Answer::Created(instance(3)));
    let (made, _) = gone.writes();
    assert_eq!(
        (made.state, made.instance),
        (State::Done, Some(instance(3)))
    );
}

#[test]
fn the_after_steps_of_a_b_that_was_adopted_early_come_after_the_second_look() {
    let (_, created) = adopted(AFTER_STEPS, 2);
    let mut early = Story::of(AFTER_STEPS, 3);
    early.now = moment(600);
    early.meets(created.clone());
    early.ends_again();

    let mut alive = Story::of(AFTER_STEPS, 3);
    alive.now = lost().quiet;
    alive.meets(created);
    let looked = Evidence::Looked { alive: true };
    alive.hears(Step::Look(instance(2)), looked);
    let (settled, _) = alive.writes();
    assert_eq!((settled.state, settled.sent), (State::Created, None));
    alive.hears(Step::AfterSteps, Evidence::Worked);
    assert_eq!(alive.writes().0.state, State::Done);
    alive.ends(Verdict::Acknowledge);
}

#[test]
fn the_second_look_is_left_to_reconcile_after_the_last_receive() {
    let (story, _) = adopted(POLICY, MAX_RECEIVES);
    story.ends(Verdict::Acknowledge);
    let (story, _) = adopted(POLICY, MAX_RECEIVES - 1);
    story.ends_again();
}

#[test]
fn an_instance_that_the_answer_names_is_on_record_until_a_search_has_settled_it() {
    let mut story = Story::ready(POLICY, 1);
    let reply = Reply {
        instance: Some(instance(9)),
        ..unclear(Quiet::Soon)
    };
    story.hears_unclear(reply);
    let (waiting, _) = story.writes();
    assert_eq!(waiting.instance, Some(instance(9)));

    let mut again = comes_again(&waiting, 2, moment(60));
    assert_eq!(again.attempt.record().unwrap().instance, Some(instance(9)));
    again.searches(vec![]);
    again.answers(Answer::NotSent(problem(Reason::TargetUnavailable)));
    let (settled, _) = again.writes();
    assert_eq!((settled.instance, settled.sent), (None, None));
}

/// What a search has listed, it has listed before it ends.
#[test]
fn a_search_that_began_before_b_was_quiet_concludes_nothing_when_it_ends_after() {
    for found in [vec![], vec![half(1)]] {
        let (_, waiting) = unanswered();
        let quiet = waiting.sent.unwrap().quiet;
        let mut story = comes_again(&waiting, 2, quiet - SignedDuration::from_secs(2));
        story.searches_for(4, found);
        let (again, _) = story.writes();
        assert_eq!((again.state, again.sent), (State::Waiting, waiting.sent));
        assert_eq!(story.ends_again(), Duration::from_secs(1));
    }
}

#[test]
fn what_a_search_finds_whole_while_b_becomes_quiet_is_looked_at_once_more() {
    let (_, waiting) = unanswered();
    let quiet = waiting.sent.unwrap().quiet;
    let mut story = comes_again(&waiting, 2, quiet - SignedDuration::from_secs(2));
    story.searches_for(4, vec![whole(1)]);
    let (created, _) = story.writes();
    assert_eq!(
        (created.state, created.sent),
        (State::Created, waiting.sent)
    );
    assert_eq!(story.ends_again(), Duration::from_secs(1));
}
