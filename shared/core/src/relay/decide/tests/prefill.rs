//! `mode: prefill`: B has its stamp only after its form is stored, so a search that finds no B proves nothing.

use super::*;

const LATE: Policy = Policy {
    stamped_late: true,
    ..POLICY
};

#[test]
fn no_second_request_is_sent_while_the_outcome_of_the_first_is_unknown() {
    for quiet in [Quiet::Now, Quiet::Soon, Quiet::Settled] {
        let mut story = Story::ready(LATE, 1);
        story.creates_unclear(unclear(quiet));
        if quiet != Quiet::Now {
            let (waiting, _) = story.records();
            assert_eq!(waiting.state, State::Waiting);
            let quiet = waiting.sent.unwrap().quiet;
            story = Story::over(LATE, 2, quiet, waiting);
        }
        let sent = story.attempt.record().unwrap().sent.unwrap();
        story.searches(vec![]);
        let (failed, _) = story.records();
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
        story.ends(Disposition::GiveUp);

        let mut redriven = Story::over(LATE, 1, sent.quiet, failed);
        redriven.searches(vec![]);
        assert_eq!(redriven.records().0.reason, Some(Reason::OutcomeUnknown));
        redriven.ends(Disposition::GiveUp);
    }
}

#[test]
fn an_expired_claim_fails_the_relay_too_if_no_b_is_found() {
    let claimed = Record {
        lease_until: moment(0),
        ..seen(State::Claimed)
    };
    let mut story = Story::over(LATE, 2, moment(0) + SETTLE, claimed);
    story.searches(vec![]);
    let (failed, _) = story.records();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::OutcomeUnknown))
    );
}

#[test]
fn a_b_with_the_stamp_is_adopted() {
    let mut story = Story::ready(LATE, 1);
    story.creates_unclear(unclear(Quiet::Now));
    story.searches(vec![whole(1)]);
    let (done, _) = story.records();
    assert_eq!((done.state, done.sent), (State::Done, None));
    story.ends(Disposition::Acknowledge);
}

#[test]
fn an_answer_that_app_lib_gives_only_before_it_creates_anything_is_believed() {
    let before = |reply| Reply {
        nothing_made: true,
        ..reply
    };
    let mut refuses = Story::ready(LATE, 1);
    refuses.creates_unclear(before(refused()));
    let (failed, _) = refuses.records();
    assert_eq!(
        (failed.state, failed.reason, failed.sent),
        (State::Failed, Some(Reason::Refused), None)
    );
    refuses.ends(Disposition::GiveUp);

    let mut later = Story::ready(LATE, 1);
    later.creates_unclear(before(unclear(Quiet::Now)));
    let (waiting, _) = later.records();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    later.ends_again();
    let again = Story::over(LATE, 2, moment(5), waiting);
    again.is_to_create();

    // Where a search can prove something, it is made.
    let mut stamped = Story::ready(POLICY, 1);
    stamped.creates_unclear(before(refused()));
    stamped.is_to_search();
}

#[test]
fn another_b_is_created_if_the_instance_that_the_answer_named_was_deleted() {
    let found = |number| {
        let mut story = Story::ready(LATE, 1);
        let reply = Reply {
            instance: Some(instance(9)),
            ..unclear(Quiet::Soon)
        };
        story.creates_unclear(reply);
        let (waiting, _) = story.records();
        // A workflow engine may store the form and the stamp long after the app's own 5xx.
        let quiet = waiting.sent.unwrap().quiet;
        assert_eq!(quiet, moment(0) + SETTLE);
        let mut again = Story::over(LATE, 2, quiet, waiting);
        again.searches(vec![Found {
            gone: true,
            ..whole(number)
        }]);
        again
    };
    found(9).is_to_create();
    let mut another = found(8);
    assert_eq!(another.records().0.reason, Some(Reason::OutcomeUnknown));
    another.ends(Disposition::GiveUp);
}

#[test]
fn a_request_that_was_not_sent_is_repeated() {
    let mut story = Story::ready(LATE, 1);
    story.creates(CreateOutcome::NotSent(failure(Reason::TargetUnavailable)));
    let (waiting, _) = story.records();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    let again = Story::over(LATE, 2, moment(5), waiting);
    again.is_to_create();
}

#[test]
fn the_b_of_an_old_a_without_an_open_request_is_created_if_none_is_found() {
    let mut story = Story::of(LATE, 1);
    story.claims();
    let since = moment(-400 * 86_400);
    story.reads(ReadOutcome::Ready { since });
    story.searches(vec![]);
    story.is_to_create();
}
