//! A search that is cut off keeps its place.

use proptest::{collection::vec, prelude::*};

use super::*;

/// The relay of this record, whose search begins at `now`.
fn again(record: &Record, receives: u32, now: Timestamp) -> Story {
    Story::over(POLICY, receives, now, record.clone())
}

fn in_doubt() -> Record {
    Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    }
}

#[test]
fn a_conclusive_search_goes_on_where_it_was_cut_off_and_the_attempt_does_not_count() {
    let (mut record, mut now) = (in_doubt(), lost().quiet);
    let attempts = record.attempts;
    for reached in [moment(300), moment(900), moment(1_200)] {
        let mut story = again(&record, attempts + 1, now);
        story.is_cut_off_at(reached);
        record = story.records().0;
        assert_eq!((record.state, record.attempts), (State::Waiting, attempts));
        assert_eq!(story.ends_again(), Duration::from_secs(1));
        now += SignedDuration::from_secs(60);
    }
    let mut last = again(&record, attempts + 1, now);
    let (from, until) = last.searches(vec![]);
    assert_eq!(from, moment(1_200));
    assert_eq!(until, lost().quiet + CLOCK_MARGIN);
    last.is_to_create();
}

#[test]
fn a_search_that_gets_no_further_counts_as_a_failed_attempt() {
    let record = in_doubt();
    let mut story = again(&record, MAX_ATTEMPTS, lost().quiet);
    story.is_cut_off_at(lost().from - CLOCK_MARGIN);
    let (failed, _) = story.records();
    assert_eq!((failed.state, failed.sent), (State::Failed, Some(lost())));
    assert_eq!(failed.attempts, MAX_ATTEMPTS);
}

/// B's app may make the instance after the slot was listed, and yet within the slot.
#[test]
fn a_search_before_b_is_quiet_begins_anew_after_it_was_cut_off() {
    let record = in_doubt();
    let mut story = again(&record, 2, lost().quiet - SignedDuration::from_secs(1));
    story.is_cut_off_at(moment(600));
    assert_eq!(story.records().0.sent, Some(lost()));
}

#[test]
fn a_search_for_a_stamp_that_comes_late_keeps_the_window_for_the_operator() {
    let policy = Policy {
        stamped_late: true,
        ..POLICY
    };
    let mut story = Story::over(policy, 2, lost().quiet, in_doubt());
    story.is_cut_off_at(moment(600));
    assert_eq!(story.records().0.sent, Some(lost()));
}

#[test]
fn a_repair_does_not_make_the_window_longer() {
    let half = Found {
        lacks: Lacks {
            form: true,
            ..Lacks::default()
        },
        ..whole(1)
    };
    let day = SignedDuration::from_hours(24);
    let mut story = again(&in_doubt(), 2, lost().quiet + day);
    let window = story.searches(vec![half]);
    story.adds_form(AddFormOutcome::Unclear(
        failure(Reason::TargetUnavailable),
        Quiet::Settled,
    ));
    let (waiting, _) = story.records();
    let quiet = lost().quiet + day + SETTLE;
    assert_eq!(waiting.sent, Some(Sent { quiet, ..lost() }));
    let mut last = again(&waiting, 3, quiet);
    assert!(next!(last, Search).is_conclusive());
    assert_eq!(last.searches(vec![]), window);
}

proptest! {
    /// Whatever was cut off where, together the searches looked at all of the window, each from where one before it ended.
    #[test]
    fn no_part_of_the_window_is_skipped(
        cuts in vec(0i64..3_000, 0..20), listed in 0i64..1_320_000,
    ) {
        let made = lost().from - CLOCK_MARGIN + SignedDuration::from_millis(listed);
        let (mut record, now) = (in_doubt(), lost().quiet);
        let mut found = false;
        for cut in cuts {
            let mut story = again(&record, 2, now);
            let search = next!(story, Search);
            let reached = search.from + SignedDuration::from_secs(cut);
            found |= search.slots().any(|slot| slot.from <= made && made < slot.before && slot.before <= reached);
            if found {
                return Ok(());
            }
            // The search reports the end of the last slot that it listed.
            let slots = search.slots().filter(|slot| slot.before <= reached);
            let reached = slots.last().map_or(search.from, |slot| slot.before);
            story.is_cut_off_at(reached);
            record = story.records().0;
        }
        let story = again(&record, 2, now);
        let search = next!(story, Search);
        prop_assert!(search.slots().any(|slot| slot.from <= made && made < slot.before));
    }
}
