//! A ledger that replaces another one.

use proptest::prelude::*;

use super::*;

const AT: i64 = 10_000;

fn born(rebuilt_from: Option<Timestamp>) -> Policy {
    let birth = Birth {
        at: moment(AT),
        rebuilt_from,
    };
    Policy {
        birth: Some(birth),
        ..POLICY
    }
}

/// The relay is claimed in the new ledger, a second after its birth.
fn claimed(policy: Policy) -> Story {
    let mut story = Story::of(policy, 1);
    story.now = moment(AT + 1);
    story.claims();
    story
}

#[test]
fn an_a_that_the_former_ledger_may_have_known_waits_and_no_attempt_is_counted() {
    let mut story = claimed(born(None));
    assert!(next!(story, Read).must_wait(moment(0)));
    story.reads(ReadOutcome::NotReady(NotReady::Rebuilding));
    let put = next!(story, Record);
    let quiet = moment(AT) + LEASE + CLOCK_MARGIN + SETTLE;
    assert_eq!(
        (put.record.state, put.record.reason, put.record.attempts),
        (State::Waiting, Some(Reason::LedgerRebuilding), 0)
    );
    assert_eq!(put.record.not_before, Some(quiet - EARLY_BY));
    assert_eq!(put.due, Some(quiet));
}

#[test]
fn a_record_of_the_former_ledger_is_searched_for_until_nothing_can_come_from_there() {
    let mut record = seen(State::Waiting);
    record.updated = moment(AT - 500);
    let mut story = Story::of(born(None), 1);
    story.now = moment(AT + 1);
    story.meets(record);
    story.claims();
    assert!(!next!(story, Read).must_wait(moment(0)));
    story.reads(ready());
    let search = next!(story, Search);
    assert!(!search.is_conclusive());
    assert_eq!(search.from, moment(AT - 500) - CLOCK_MARGIN);
}

#[test]
fn what_is_older_than_the_rebuild_looked_is_searched_for() {
    let mut story = claimed(born(Some(moment(0))));
    assert!(!next!(story, Read).must_wait(moment(-10)));
    story.reads(ready());
    next!(story, Search);
    let mut story = claimed(born(Some(moment(-20))));
    story.reads(ready());
    next!(story, Create);
}

/// A relay that is claimed 1000 seconds after the beginning, and on record since `first`.
fn read_of(first: Option<Timestamp>) -> Read {
    let mut story = Story::of(POLICY, 1);
    story.now = moment(1_000);
    if let Some(first) = first {
        story.meets(Record {
            first,
            ..seen(State::Waiting)
        });
    }
    story.claims();
    next!(story, Read)
}

#[test]
fn the_birth_is_asked_for_again_unless_the_relay_was_on_record_before_it_was_read() {
    assert!(read_of(None).must_ask_again());
    assert!(read_of(Some(moment(990))).must_ask_again());
    assert!(!read_of(Some(moment(500))).must_ask_again());
}

#[test]
fn a_relay_that_learns_of_a_new_ledger_after_its_claim_waits_for_the_rebuild() {
    let mut read = read_of(None);
    assert!(!read.must_wait(moment(900)));
    let at = moment(999);
    read.learn_birth(Some(Birth {
        at,
        rebuilt_from: None,
    }));
    assert!(read.must_wait(moment(900)));
    let waiting = read.outcome(ReadOutcome::NotReady(NotReady::Rebuilding), moment(1_001));
    let record = waiting.record().expect("it has a claim");
    assert_eq!(record.state, State::Claimed);
    let Step::Record(put) = waiting.next(moment(1_001)) else {
        panic!("it is given back")
    };
    assert_eq!(
        (put.record.state, put.record.reason),
        (State::Waiting, Some(Reason::LedgerRebuilding))
    );
}

proptest! {
    #[test]
    fn only_what_became_ready_after_the_handing_over_is_relayed_before_the_rebuild(second in -5_000..20_000_i64) {
        let handed_over = AT + 60 + 60;
        let read = next!(claimed(born(None)), Read);
        prop_assert_eq!(read.must_wait(moment(second)), second < handed_over);
    }

    #[test]
    fn a_half_made_b_is_searched_for_when_nobody_works_on_it_and_a_whole_one_is_not_made_again(
        created in 0..12_000_i64, now in AT..20_000_i64, after_steps in any::<bool>(),
    ) {
        let rebuild = Rebuild {
            b: instance(1), app: target(), created: moment(created), born: moment(AT), lease: LEASE, settle: SETTLE, after_steps,
        };
        prop_assert_eq!(rebuild.standing(None, moment(now)), Standing::Unknown);
        let (half, due) = rebuild.record(false, None, us(), moment(now));
        let sent = half.sent.unwrap();
        prop_assert_eq!((half.state, due), (State::Waiting, Some(sent.quiet)));
        prop_assert!(sent.from < moment(created) && sent.quiet >= moment(now) + SETTLE);
        prop_assert!(sent.quiet >= moment(AT) + LEASE + SETTLE);
        let (whole, _) = rebuild.record(true, None, us(), moment(now));
        let is_open = moment(now) < moment(created) + LEASE + SETTLE;
        let expected = if is_open || after_steps { State::Created } else { State::Done };
        prop_assert_eq!((whole.state, whole.sent.is_some(), whole.instance), (expected, is_open, Some(instance(1))));
        // What the rebuild has written, it knows.
        for record in [half, whole] {
            let on_record = OnRecord {
                rev: record.rev, state: record.state, instance: record.instance, first: record.first, updated: record.updated,
            };
            prop_assert_eq!(rebuild.standing(Some(&on_record), moment(now)), Standing::Known(None));
        }
    }
}
