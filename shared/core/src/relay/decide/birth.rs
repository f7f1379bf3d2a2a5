//! A ledger that replaces another one: what it cannot know.
//!
//! Every B carries its relay's id, so the ledger is a cache of what Altinn knows. A ledger that is new, emptied or
//! restored lacks what the former one knew. Until reconcile has filled it from the stamps on B ([`super::Rebuild`]), an A
//! that the former ledger may have known is not relayed on a missing record alone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Failure, Policy, Read, Worker,
    disposition::Back,
    patience::{later, until},
    put::{Then, Writing},
    search::CLOCK_MARGIN,
};
use crate::relay::{Reason, Record, Sent, State};

/// A function remembers the birth for this long before it looks at it again.
pub const BIRTH_REMEMBERED: SignedDuration = SignedDuration::from_mins(1);
/// A relay that waits for the rebuild is not tried again before this time.
const PAUSE: Duration = Duration::from_secs(300);

/// The birth of a ledger that replaces another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Birth {
    /// Since when this ledger is in use instead of the former one.
    pub at: Timestamp,
    /// The rebuild is finished: every live B of the route that was created at this moment or later is on record.
    pub rebuilt_from: Option<Timestamp>,
}

impl Birth {
    /// From this moment on no function works with the former ledger, whose claims last this long.
    #[must_use]
    pub fn handed_over(&self, lease: Duration) -> Timestamp {
        in_margin(later(self.at, lease))
    }

    /// From this moment on B's app and Storage have stopped processing what the former ledger's functions sent.
    #[must_use]
    pub fn quiet(&self, lease: Duration, settle: Duration) -> Timestamp {
        later(self.handed_over(lease), settle)
    }

    /// Whether a record that was written at `updated` is the former ledger's, and the rebuild does not show what happened
    /// to the relay between then and the birth.
    fn outdates(&self, updated: Timestamp) -> bool {
        updated < self.at && self.rebuilt_from.is_none_or(|from| updated < from)
    }
}

/// A clock margin after `moment`.
fn in_margin(moment: Timestamp) -> Timestamp {
    moment
        .saturating_add(CLOCK_MARGIN)
        .unwrap_or(Timestamp::MAX)
}

impl Read {
    /// Whether the ledger must tell its birth once more, because what the function remembers may be out of date. The
    /// relay has no record from before that was read: the ledger may have been emptied since.
    #[must_use]
    pub fn must_ask_again(&self) -> bool {
        let record = &self.worker.record;
        let remembered = record.updated.saturating_sub(BIRTH_REMEMBERED);
        in_margin(record.first) >= remembered.unwrap_or(Timestamp::MIN)
    }

    /// Takes in the birth that the ledger has told since the claim was written.
    pub fn learn_birth(&mut self, birth: Option<Birth>) {
        self.worker.delivery.policy.birth = birth;
    }

    /// Whether the relay must wait for the rebuild instead of being read: the former ledger may have relayed an A that
    /// could be relayed since `earliest`, and what is on record was begun in this ledger, which does not know.
    #[must_use]
    pub fn must_wait(&self, earliest: Timestamp) -> bool {
        let policy = &self.worker.delivery.policy;
        let Some(birth) = policy.birth else {
            return false;
        };
        // A function that did not know yet that the ledger is new may have begun the record before the birth.
        let begun = self.worker.record.first.saturating_add(BIRTH_REMEMBERED);
        let is_of_this_ledger = begun.is_ok_and(|begun| in_margin(begun) >= birth.at);
        birth.rebuilt_from.is_none()
            && is_of_this_ledger
            && earliest < birth.handed_over(policy.lease)
    }
}

impl Worker {
    /// The relay waits for the rebuild. Reconcile looks after it when that may be finished. This is no attempt: nothing
    /// was tried.
    pub(super) fn wait_for_rebuild(self, now: Timestamp) -> Writing {
        let policy = self.delivery.policy;
        let soonest = policy
            .birth
            .map_or(now, |birth| birth.quiet(policy.lease, policy.settle));
        let wait = until(soonest, now).max(PAUSE);
        self.write(now, Then::Back(Back::Left(wait)), |record| {
            record.state = State::Waiting;
            record.note(Failure::new(Reason::LedgerRebuilding));
            record.attempts = record.attempts.saturating_sub(1);
        })
    }

    /// The moment since which A may have been relayed without being on record, if it was ready `since` then.
    pub(super) fn unrecorded_since(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let policy = &self.delivery.policy;
        let memory = SignedDuration::try_from(policy.memory).unwrap_or(SignedDuration::MAX);
        // An A that became ready before the ledger's memory may have been relayed, and the record of it expired.
        let is_forgotten = now.duration_since(since) > memory;
        let rebuilt_from = policy.birth.and_then(|birth| birth.rebuilt_from);
        let is_beyond_rebuild = rebuilt_from.is_some_and(|from| since < from);
        (is_forgotten || is_beyond_rebuild).then_some(since)
    }
}

/// The open request of a record, joined with the one that may have been sent after the record was written, if it is the
/// former ledger's. Every write over such a record must keep it: what is written now no longer shows its age.
pub(super) fn with_unseen(sent: Option<Sent>, record: &Record, policy: &Policy) -> Option<Sent> {
    let birth = policy
        .birth
        .filter(|birth| record.state != State::Done && birth.outdates(record.updated));
    let Some(birth) = birth else {
        return sent;
    };
    let unseen = Sent {
        from: record.updated,
        ended: birth.handed_over(policy.lease),
        quiet: birth.quiet(policy.lease, policy.settle),
    };
    Some(Sent::join(sent, unseen))
}
