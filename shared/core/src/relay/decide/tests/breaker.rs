//! While B's breaker is open.

use super::*;

const QUIET: Duration = Duration::from_secs(40);
const LONG: Duration = Duration::from_secs(2_000);

fn quiet_for(quiet: Duration) -> Policy {
    Policy {
        quiet_until: Some(moment(0) + quiet),
        ..POLICY
    }
}

/// What is recorded, and what becomes of the message.
#[track_caller]
fn left(story: &mut Story) -> (Put, End) {
    let put = next!(story, Record);
    story.attempt = put.clone().outcome(PutOutcome::Written);
    (put, next!(story, End))
}

#[test]
fn a_relay_without_a_record_waits_and_no_attempt_is_counted() {
    let mut story = Story::of(quiet_for(QUIET), 1);
    let (put, end) = left(&mut story);
    assert_eq!((put.replaces, put.record.attempts), (None, 0));
    assert_eq!(put.record.state, State::Waiting);
    assert_eq!(put.record.reason, Some(Reason::BQuiet));
    let Disposition::Again(wait) = end.disposition else {
        panic!("{:?}", end.disposition)
    };
    assert!(QUIET <= wait && wait <= QUIET * 5 / 4);
    let not_before = put.record.not_before.expect("a moment");
    assert_eq!(not_before, moment(0) + wait - EARLY_BY);
    assert!(put.due > Some(moment(0) + wait), "the message comes first");
}

#[test]
fn a_relay_that_waits_long_is_left_to_its_due_time() {
    for (quiet, receives) in [(LONG, 1), (QUIET, MAX_RECEIVES)] {
        let mut story = Story::of(quiet_for(quiet), receives);
        let (put, end) = left(&mut story);
        assert_eq!(end.disposition, Disposition::Acknowledge);
        assert_eq!(put.due, put.record.not_before.map(|at| at + EARLY_BY));
    }
}

#[test]
fn a_relay_with_an_open_request_keeps_it_while_it_waits() {
    let mut story = Story::of(quiet_for(QUIET), 3);
    story.meets(Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    });
    let (put, _) = left(&mut story);
    assert_eq!((put.replaces, put.record.sent), (Some(4), Some(lost())));
    assert_eq!(put.record.attempts, 2);
}

#[test]
fn a_message_that_comes_while_the_relay_waits_costs_no_write() {
    let mut story = Story::by(quiet_for(QUIET), received(1));
    story.meets(Record {
        not_before: Some(moment(500)),
        ..seen(State::Waiting)
    });
    assert_eq!(next!(story, End).disposition, Disposition::Acknowledge);
}

#[test]
fn what_the_former_ledger_may_have_sent_is_kept_while_the_relay_waits() {
    let birth = Birth {
        at: moment(0),
        rebuilt_from: None,
    };
    let mut story = Story::of(
        Policy {
            birth: Some(birth),
            ..quiet_for(QUIET)
        },
        1,
    );
    story.now = moment(1);
    let former = Record {
        updated: moment(-500),
        ..seen(State::Waiting)
    };
    story.meets(former);
    let (put, _) = left(&mut story);
    let sent = put.record.sent.expect("a request");
    assert_eq!(sent.from, moment(-500));
    assert_eq!(sent.quiet, birth.quiet(LEASE, SETTLE));
}

#[test]
fn what_was_begun_goes_on_up_to_the_next_request_to_b() {
    for state in [State::Claimed, State::Failed] {
        let mut story = Story::of(quiet_for(QUIET), 1);
        story.meets(seen(state));
        story.claims();
        story.reads(ready());
        if state == State::Claimed {
            // The claim's worker may have sent a request.
            story.now = moment(1);
            next!(story, Search);
            continue;
        }
        let (put, _) = left(&mut story);
        assert_eq!(put.record.state, State::Waiting);
        assert_eq!(put.record.reason, Some(Reason::BQuiet));
    }
}

#[test]
fn a_relay_whose_b_exists_is_finished() {
    let mut story = Story::of(quiet_for(QUIET), 1);
    story.meets(Record {
        instance: Some(instance(1)),
        ..seen(State::Created)
    });
    assert_eq!(next!(story, Record).record.state, State::Done);
}

#[test]
fn after_the_quiet_time_the_relay_is_claimed() {
    let mut story = Story::of(quiet_for(QUIET), 1);
    story.now = moment(0) + QUIET;
    next!(story, Claim);
}
