//! `mode: prefill`: B shows its stamp only once its form is stored, so that a search that finds none proves nothing.

use super::*;

const LATE: Policy = Policy {
    stamped_late: true,
    ..POLICY
};

#[test]
fn an_unknown_outcome_is_never_answered_by_a_second_request() {
    for quiet in [Quiet::Now, Quiet::Soon, Quiet::Settled] {
        let mut story = Story::ready(LATE, 1);
        story.hears_unclear(unclear(quiet));
        if quiet != Quiet::Now {
            let (waiting, _) = story.writes();
            assert_eq!(waiting.state, State::Waiting);
            let quiet = waiting.sent.unwrap().quiet;
            story = Story::over(LATE, 2, quiet, waiting);
        }
        let sent = story.attempt.record().unwrap().sent.unwrap();
        story.searches(vec![]);
        let (failed, _) = story.writes();
        assert_eq!(
            (failed.state, failed.reason, failed.sent),
            (State::Failed, Some(Reason::OutcomeUnknown), Some(sent))
        );
        let detail = failed.detail.clone().unwrap();
        for told in [
            "ttd/casework",
            &sent.from.to_string(),
            &sent.quiet.to_string(),
        ] {
            assert!(detail.contains(told), "{detail}");
        }
        story.ends(Verdict::GiveUp);

        let mut redriven = Story::over(LATE, 1, sent.quiet, failed);
        redriven.searches(vec![]);
        assert_eq!(redriven.writes().0.reason, Some(Reason::OutcomeUnknown));
        redriven.ends(Verdict::GiveUp);
    }
}

#[test]
fn a_claim_that_ran_out_fails_too_where_no_b_shows_its_stamp() {
    let claimed = Record {
        lease_until: moment(0),
        ..seen(State::Claimed)
    };
    let mut story = Story::over(LATE, 2, moment(0) + SETTLE, claimed);
    story.searches(vec![]);
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::OutcomeUnknown))
    );
}

#[test]
fn a_b_that_shows_its_stamp_is_adopted() {
    let mut story = Story::ready(LATE, 1);
    story.hears_unclear(unclear(Quiet::Now));
    story.searches(vec![whole(1)]);
    let (done, _) = story.writes();
    assert_eq!((done.state, done.sent), (State::Done, None));
    story.ends(Verdict::Acknowledge);
}

#[test]
fn words_that_app_lib_says_before_it_makes_anything_are_believed() {
    let before = |reply| Reply {
        nothing_made: true,
        ..reply
    };
    let mut refuses = Story::ready(LATE, 1);
    refuses.hears_unclear(before(refused()));
    let (failed, _) = refuses.writes();
    assert_eq!(
        (failed.state, failed.reason, failed.sent),
        (State::Failed, Some(Reason::Refused), None)
    );
    refuses.ends(Verdict::GiveUp);

    let mut later = Story::ready(LATE, 1);
    later.hears_unclear(before(unclear(Quiet::Now)));
    let (waiting, _) = later.writes();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    later.ends_again();
    let again = Story::over(LATE, 2, moment(5), waiting);
    assert_eq!(again.step(), Step::Create);

    // Where a search can tell, it is asked.
    let mut stamped = Story::ready(POLICY, 1);
    stamped.hears_unclear(before(refused()));
    assert!(matches!(stamped.step(), Step::Search { .. }));
}

#[test]
fn an_instance_that_the_answer_named_and_that_is_gone_was_the_only_one() {
    let found = |number| {
        let mut story = Story::ready(LATE, 1);
        let reply = Reply {
            instance: Some(instance(9)),
            ..unclear(Quiet::Soon)
        };
        story.hears_unclear(reply);
        let (waiting, _) = story.writes();
        // An engine may store form and stamp long after the app's own 5xx.
        let quiet = waiting.sent.unwrap().quiet;
        assert_eq!(quiet, moment(0) + SETTLE);
        let mut again = Story::over(LATE, 2, quiet, waiting);
        again.searches(vec![Found {
            gone: true,
            ..whole(number)
        }]);
        again
    };
    assert_eq!(found(9).step(), Step::Create);
    let mut another = found(8);
    assert_eq!(another.writes().0.reason, Some(Reason::OutcomeUnknown));
    another.ends(Verdict::GiveUp);
}

#[test]
fn a_request_that_never_left_is_made_again() {
    let mut story = Story::ready(LATE, 1);
    story.answers(Answer::NotSent(problem(Reason::TargetUnavailable)));
    let (waiting, _) = story.writes();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    let again = Story::over(LATE, 2, moment(5), waiting);
    assert_eq!(again.step(), Step::Create);
}

#[test]
fn an_old_a_of_which_no_request_is_open_is_made_where_none_is_found() {
    let mut story = Story::of(LATE, 1);
    story.writes();
    let since = moment(-400 * 86_400);
    story.hears(Step::Read, Evidence::Ready { since });
    story.searches(vec![]);
    assert_eq!(story.step(), Step::Create);
}
