//! Filling a new ledger with what Altinn knows: the record of a relay whose B carries its stamp.

use std::time::Duration;

use jiff::Timestamp;

use super::{patience::later, search::CLOCK_MARGIN};
use crate::{
    id::{AppId, InstanceId},
    relay::{Holder, Reason, Record, Sent, State},
};

/// A live B with the stamp of a relay, and what the ledger has of that relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// B.
    pub b: InstanceId,
    /// Its app.
    pub app: AppId,
    /// When it was created.
    pub created: Timestamp,
    /// When the ledger was born.
    pub born: Timestamp,
    /// How long a claim lasts.
    pub lease: Duration,
    /// How long B's app and Storage may go on processing a request after its sender has stopped waiting.
    pub settle: Duration,
    /// Whether after-steps follow this relay.
    pub after_steps: bool,
}

/// What the ledger has of a relay, as far as the rebuild needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnRecord {
    /// The revision of its record.
    pub rev: u64,
    /// Its state.
    pub state: State,
    /// The B that its record names.
    pub instance: Option<InstanceId>,
    /// When its record was begun.
    pub first: Timestamp,
    /// When its record was last written.
    pub updated: Timestamp,
}

/// What follows for the ledger from a B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The record shows this B, or says that the relay's B is this other one.
    Known(Option<InstanceId>),
    /// A worker has claimed the relay, and this B may be its own. It is to be looked at again.
    InWork,
    /// There is no record, or one that does not know of this B: it is to be written.
    Unknown,
}

impl Rebuild {
    /// What the ledger knows of this B at `now`.
    #[must_use]
    pub fn standing(&self, on_record: Option<&OnRecord>, now: Timestamp) -> Standing {
        let Some(record) = on_record else {
            return Standing::Unknown;
        };
        let is_named = record.instance == Some(self.b);
        match record.state {
            State::Created | State::Done => Standing::Known(record.instance.filter(|_| !is_named)),
            _ if is_named && record.updated >= self.born => Standing::Known(None),
            // A worker of this ledger claims a relay before it creates its B.
            State::Claimed
                if now < later(record.updated, self.lease)
                    && record.updated >= self.born
                    && earlier(record.first) <= self.created =>
            {
                Standing::InWork
            }
            State::Told | State::Claimed | State::Waiting | State::Failed => Standing::Unknown,
        }
    }

    /// The record of this B, and when reconcile is to look after the relay. `is_whole`: all that is sent with B was stored,
    /// and its process was started. Otherwise B is in doubt: `instantiate` searches for it, and repairs it.
    #[must_use]
    pub fn record(
        &self,
        is_whole: bool,
        on_record: Option<&OnRecord>,
        holder: Holder,
        now: Timestamp,
    ) -> (Record, Option<Timestamp>) {
        let own = later(later(self.created, self.lease), self.settle);
        // A worker may still repair a half-made B, one of the former ledger as well.
        let repair = later(later(self.born, self.lease).max(now), self.settle);
        let quiet = if is_whole { own } else { own.max(repair) };
        let sent = Sent {
            from: earlier(self.created),
            ended: self.created,
            quiet,
        };
        // A B that its app may still delete is looked at again.
        let sent = (!is_whole || now < quiet).then_some(sent);
        let (state, reason, due) = match sent {
            Some(sent) if is_whole => (State::Created, None, Some(sent.quiet)),
            Some(sent) => (
                State::Waiting,
                Some(Reason::OutcomeUnknown),
                Some(sent.quiet),
            ),
            None if self.after_steps => (State::Created, None, Some(now)),
            None => (State::Done, None, None),
        };
        let record = Record {
            rev: on_record.map_or(1, |record| record.rev.saturating_add(1)),
            state,
            holder,
            lease_until: now,
            not_before: due.filter(|_| state == State::Waiting),
            sent,
            first: now,
            attempts: 0,
            targets: [self.app.clone()].into(),
            instance: Some(self.b),
            reason,
            detail: reason.map(|_| "found by its stamp, and not complete".to_owned()),
            updated: now,
        };
        (record, due)
    }
}

/// A clock margin before `moment`.
fn earlier(moment: Timestamp) -> Timestamp {
    moment
        .saturating_sub(CLOCK_MARGIN)
        .unwrap_or(Timestamp::MIN)
}
