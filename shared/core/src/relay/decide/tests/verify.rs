//! The form of B lacks fields that were sent.

use super::*;

#[test]
fn a_b_that_lacks_fields_fails_the_relay_and_stays_on_record() {
    let mut story = Story::of(AFTER_STEPS, 1);
    story.claims();
    story.reads(ready());
    let sent = story.now;
    story.attempt = next!(story, Create).outcome(CreateOutcome::Created(instance(1)), story.now);
    story.now += SignedDuration::from_secs(3);
    story.lacks_fields(instance(1));
    let (failed, _) = story.records();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::ArrivedDifferently))
    );
    assert_eq!(failed.instance, Some(instance(1)));
    let now = story.now;
    let request = Sent {
        from: sent,
        ended: now,
        quiet: now,
    };
    assert_eq!(failed.sent, Some(request));
    story.ends(Disposition::GiveUp);
}

/// The record of a relay whose B lacks fields.
fn lacking() -> Record {
    Record {
        sent: Some(Sent {
            from: moment(-60),
            ended: moment(-50),
            quiet: moment(-50),
        }),
        instance: Some(instance(1)),
        reason: Some(Reason::ArrivedDifferently),
        ..seen(State::Failed)
    }
}

#[test]
fn a_redriven_relay_compares_the_same_b_again_and_creates_no_other() {
    let mut story = Story::over(POLICY, 1, moment(0), lacking());
    let search = next!(story, Search);
    story.attempt = search.outcome(SearchOutcome::Found(vec![whole(1)]), story.now);
    story.lacks_fields(instance(1));
    let (failed, _) = story.records();
    assert_eq!((failed.state, failed.sent), (State::Failed, lacking().sent));
}

#[test]
fn a_redriven_relay_creates_another_b_after_the_first_was_deleted() {
    let mut story = Story::over(POLICY, 1, moment(0), lacking());
    story.searches(vec![Found {
        gone: true,
        ..whole(1)
    }]);
    story.creates(CreateOutcome::Created(instance(2)));
    let (done, _) = story.records();
    assert_eq!(
        (done.state, done.instance),
        (State::Done, Some(instance(2)))
    );
}

#[test]
fn what_somebody_has_changed_since_is_adopted_without_a_comparison() {
    let mut story = Story::over(POLICY, 1, moment(0), lacking());
    let search = next!(story, Search);
    let touched = Found {
        touched: true,
        ..whole(1)
    };
    story.attempt = search.outcome(SearchOutcome::Found(vec![touched]), story.now);
    assert_eq!(story.records().0.state, State::Done);
}
