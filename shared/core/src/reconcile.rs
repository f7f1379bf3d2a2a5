//! What reconcile does about an A instance whose gate is open, and about a relay that is due.

use std::time::Duration;

use jiff::Timestamp;

use crate::relay::{Reason, State};

/// So few messages are received within the grace, whatever B's pace.
const FEW: u64 = 100;
/// A backlog of this age is not trusted any longer: the queue may be that busy all the time.
const LONGEST_BACKLOG: Duration = Duration::from_secs(12 * 3600);

/// Whether a queue in which so many messages wait is all but empty: what was sent before has been received.
#[must_use]
pub fn is_all_but_empty(waiting: u64) -> bool {
    waiting <= FEW
}

/// The moment before which every message that was sent has been received, if the queue is not all but empty and was last seen
/// so at the moment that was `noted`. SQS does not say how old its messages are.
#[must_use]
pub fn received_until(noted: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let oldest = now.saturating_sub(LONGEST_BACKLOG);
    noted.map_or(now, |noted| {
        noted.clamp(oldest.unwrap_or(now).min(now), now)
    })
}

/// Whether the message of a relay that was told of, and whose record was written at `updated`, must still be in the queue,
/// which has not been all but empty since.
#[must_use]
pub fn waits_in_queue(state: State, updated: Timestamp, received: Timestamp) -> bool {
    state == State::Told && updated > received
}

/// How an A instance stands whose gate is open, and whose trigger should have been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It has no relay: it is put on record as told, and enqueued.
    Missing,
    /// Its relay waits for the gate. It would be tried again in time, but its gate is open now: it is put on record as told,
    /// and enqueued.
    Opened,
    /// Its relay is in work, or will be.
    InHand,
    /// Its relay is done.
    Done,
    /// Its relay has failed.
    Failed,
}

impl Open {
    /// How it stands by its relay's record.
    #[must_use]
    pub fn of(record: Option<(State, Option<Reason>)>) -> Self {
        match record {
            None => Self::Missing,
            Some((State::Waiting, Some(Reason::GateClosed))) => Self::Opened,
            Some((State::Told | State::Claimed | State::Waiting | State::Created, _)) => {
                Self::InHand
            }
            Some((State::Done, _)) => Self::Done,
            Some((State::Failed, _)) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_trusted_for_half_a_day_and_no_clock_runs_ahead() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-22T20:00:00Z");
        for (noted, until) in [
            (None, now),
            (Some(at("2026-11-22T17:00:00Z")), at("2026-11-22T17:00:00Z")),
            (Some(at("2026-11-21T17:00:00Z")), at("2026-11-22T08:00:00Z")),
            (Some(at("2026-11-22T21:00:00Z")), now),
        ] {
            assert_eq!(received_until(noted, now), until);
        }
    }

    #[test]
    fn only_a_relay_without_a_record_or_behind_a_closed_gate_is_told_of() {
        for state in State::ALL {
            for reason in [None, Some(Reason::GateClosed), Some(Reason::OutcomeUnknown)] {
                let open = Open::of(Some((state, reason)));
                let waits_for_gate = (state, reason) == (State::Waiting, Some(Reason::GateClosed));
                assert_eq!(open == Open::Opened, waits_for_gate);
                assert_ne!(open, Open::Missing);
            }
        }
        assert_eq!(Open::of(None), Open::Missing);
    }
}
