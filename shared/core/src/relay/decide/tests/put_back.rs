//! A relay that is put back: when it is tried again, by which message, and what becomes of the others.

use super::*;

/// A first message, sent at this moment.
fn sent(second: i64) -> Message {
    Message {
        receives: 1,
        sent_at: Some(moment(second)),
        redriven: false,
    }
}

/// A relay that was put back in the first second, and waits until the hundredth.
fn waiting(reason: Reason) -> Record {
    Record {
        not_before: Some(moment(100)),
        reason: Some(reason),
        updated: moment(0),
        ..seen(State::Waiting)
    }
}

/// A message that meets this record at `now`.
fn meets(policy: Policy, message: Message, now: i64, record: Record) -> Story {
    let mut story = Story::by(policy, message);
    story.now = moment(now);
    story.meets(record);
    story
}

/// The first attempt, after which B is to be asked again in this time.
fn busy(policy: Policy, receives: u32, after: u64) -> (Put, Disposition) {
    let mut story = Story::by(policy, received(receives));
    story.claims();
    story.reads(ready());
    let after = Some(Duration::from_secs(after));
    let busy = failure(Reason::TargetUnavailable).after(after);
    story.creates(CreateOutcome::NotSent(busy));
    let put = next!(story, Record);
    story.records();
    (put, story.end().disposition)
}

#[test]
fn a_short_wait_keeps_the_message_in_the_queue_and_a_long_one_leaves_it_to_the_due_time() {
    for (wait, of_set, receives, in_queue) in [
        (60, false, 1, true),
        (900, false, MAX_RECEIVES - 1, true),
        (901, false, 1, false),
        (6 * 3_600, false, 1, false),
        // SQS would move it to the dead-letter queue.
        (60, false, MAX_RECEIVES, false),
        // Its set decides.
        (901, true, MAX_RECEIVES, true),
    ] {
        let (put, disposition) = busy(Policy { of_set, ..POLICY }, receives, wait);
        let wait = Duration::from_secs(wait);
        assert_eq!(put.record.not_before, Some(moment(0) + wait - EARLY_BY));
        if in_queue {
            assert_eq!(disposition, Disposition::Again(wait));
            assert_eq!(put.due, Some(moment(0) + wait + LOST));
        } else {
            assert_eq!(disposition, Disposition::Acknowledge);
            assert_eq!(put.due, Some(moment(0) + wait));
        }
    }
}

#[test]
fn a_message_that_comes_before_the_next_attempt_is_not_needed() {
    for record in [
        waiting(Reason::TargetUnavailable),
        Record {
            state: State::Created,
            ..waiting(Reason::AfterStepUnavailable)
        },
    ] {
        for message in [sent(-10), sent(50), received(1)] {
            let early = meets(POLICY, message, 99, record.clone());
            early.ends(Disposition::Acknowledge);
        }
        // It may be the message that the relay waits for, and could not be made to wait.
        let early = meets(POLICY, received(7), 99, record.clone());
        assert_eq!(early.ends_again(), Duration::from_secs(3));
    }
    meets(POLICY, sent(-10), 100, waiting(Reason::TargetUnavailable)).claims();
}

#[test]
fn the_set_of_a_relay_that_waits_comes_again_when_it_is_to_be_tried() {
    let part = waiting(Reason::TargetUnavailable);
    let early = meets(PART, sent(50), 60, part);
    assert_eq!(early.ends_again(), Duration::from_secs(42));

    let left = Record {
        attempts: WAITING_ATTEMPTS,
        ..waiting(Reason::AttachmentMissing)
    };
    let early = meets(PART, sent(-10), 60, left);
    early.ends(Disposition::Acknowledge);
}

#[test]
fn a_message_that_was_sent_since_tries_a_relay_that_waits_for_a() {
    for (reason, tries) in [
        (Reason::GateClosed, true),
        (Reason::AttachmentMissing, true),
        (Reason::AttachmentScanned, true),
        (Reason::TargetUnavailable, false),
        (Reason::OutcomeUnknown, false),
    ] {
        let mut later = meets(POLICY, sent(1), 2, waiting(reason));
        if tries {
            assert_eq!(later.claims().0.not_before, None);
        } else {
            later.ends(Disposition::Acknowledge);
        }
        meets(POLICY, sent(-1), 2, waiting(reason)).ends(Disposition::Acknowledge);
    }
}

#[test]
fn a_message_that_an_operator_sends_again_tries_a_relay_that_waits() {
    let redriven = |second| Message {
        redriven: true,
        ..sent(second)
    };
    let record = waiting(Reason::TargetUnavailable);
    meets(POLICY, redriven(1), 2, record.clone()).claims();
    // Put back again, it is a message like any other.
    meets(POLICY, redriven(-1), 2, record).ends(Disposition::Acknowledge);
}

#[test]
fn a_failed_relay_is_tried_again_by_a_message_that_was_sent_since_however_often_it_was_received() {
    let failed = Record {
        updated: moment(0),
        attempts: MAX_ATTEMPTS,
        ..seen(State::Failed)
    };
    for receives in [1, 2, MAX_RECEIVES] {
        let message = |second| Message {
            receives,
            ..sent(second)
        };
        let mut redriven = meets(POLICY, message(1), 2, failed.clone());
        assert_eq!(redriven.claims().0.attempts, 1);
        meets(POLICY, message(0), 2, failed.clone()).ends(Disposition::GiveUp);
    }
}

#[test]
fn a_relay_that_reconcile_has_told_of_is_claimed_like_a_new_one() {
    let told = Record {
        rev: 1,
        attempts: 0,
        targets: Default::default(),
        reason: None,
        ..seen(State::Told)
    };
    let mut story = meets(POLICY, sent(-10), 0, told);
    let (claim, replaces) = story.claims();
    assert_eq!((claim.rev, replaces), (2, Some(1)));
    assert_eq!((claim.attempts, claim.sent), (1, None));
    assert_eq!(claim.targets, [target()].into());
    story.reads(ready());
    story.is_to_create();
}

#[test]
fn waiting_for_a_does_not_use_up_the_patience_with_failures() {
    for (reason, attempts) in [
        (Reason::GateClosed, 1),
        (Reason::RouteStopped, 1),
        (Reason::PartsOpen, 1),
        (Reason::TargetUnavailable, MAX_ATTEMPTS - 1),
    ] {
        let record = Record {
            attempts: MAX_ATTEMPTS - 2,
            ..waiting(reason)
        };
        let mut story = meets(POLICY, sent(-10), 100, record.clone());
        story.claims();
        story.reads(unavailable(Reason::SourceUnavailable));
        let (waiting, _) = story.records();
        assert_eq!(
            (waiting.state, waiting.attempts),
            (State::Waiting, attempts)
        );

        let mut story = meets(POLICY, sent(-10), 100, record);
        story.claims();
        story.reads(not_yet());
        assert_eq!(story.records().0.attempts, MAX_ATTEMPTS - 1);
    }
}

#[test]
fn the_relays_of_a_set_fail_and_not_their_set_however_often_it_was_tried() {
    let record = Record {
        attempts: 10 * MAX_ATTEMPTS,
        ..waiting(Reason::PartsOpen)
    };
    let mut story = meets(POLICY, sent(-10), 100, record);
    story.claims();
    let again = Disposition::Again(Duration::from_secs(77));
    let set = SetOutcome::sum([(again, Some(State::Waiting))]);
    story.reads(ReadOutcome::Set(set));
    assert_eq!(story.records().0.state, State::Waiting);
    story.ends(again);
}
