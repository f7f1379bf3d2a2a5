//! The breaker: while B is down, one request at a time finds out whether it is up again.

use std::time::Duration;

use jiff::Timestamp;

use super::Load;

/// So many failures in a row mean that B is down. With fewer, a B of which every tenth answer is lost would be taken for one
/// that is down a few times in a day of 200,000.
pub const FAILURES: u32 = 8;
/// A request that hung counts as so many failures, since each one holds a container for its whole time-out.
const HUNG: u32 = 4;
/// For how long a breaker opens at first; the time doubles with each probe that fails …
pub const FIRST_QUIET: Duration = Duration::from_secs(30);
/// … up to this.
pub const LONGEST_QUIET: Duration = Duration::from_secs(900);
/// The longest time that B's `Retry-After` opens it for.
pub const LONGEST_ASKED: Duration = Duration::from_secs(6 * 3600);

/// The state that all containers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BreakerState {
    /// Requests go.
    #[default]
    Closed,
    /// B is down.
    Open {
        /// No request goes before this moment, and then one, the probe.
        quiet_until: Timestamp,
        /// The probe is under way, and has until `quiet_until` to come to an outcome.
        probing: bool,
        /// How often it has opened without a success in between.
        times: u32,
    },
}

/// What a relay may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its request may go.
    Go,
    /// None may go before this moment.
    Quiet(Timestamp),
    /// The probe's outcome is awaited.
    Probing,
    /// Its request may go as the probe, if this state replaces the shared one.
    Probe(BreakerState),
}

/// One container's view of the breaker of a B app.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    state: BreakerState,
    /// Failures in a row that this container has seen.
    failures: u32,
}

impl Breaker {
    /// The shared state, as far as this container knows it.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether something is wrong with B, so that the shared state may have changed.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.failures > 0 || self.state != BreakerState::Closed
    }

    /// The shared state was read or written. After a breaker has closed, failures are counted anew.
    pub fn learn(&mut self, state: BreakerState) {
        if self.state != state && state == BreakerState::Closed {
            self.failures = 0;
        }
        self.state = state;
    }

    /// What a relay may do at `now`. A probe is given `lease` to come to an outcome.
    #[must_use]
    pub fn admit(&self, now: Timestamp, lease: Duration) -> Admission {
        match self.state {
            BreakerState::Closed => Admission::Go,
            BreakerState::Open {
                quiet_until,
                probing,
                ..
            } if now < quiet_until => {
                if probing {
                    Admission::Probing
                } else {
                    Admission::Quiet(quiet_until)
                }
            }
            BreakerState::Open { times, .. } => Admission::Probe(BreakerState::Open {
                quiet_until: later(now, lease),
                probing: true,
                times,
            }),
        }
    }

    /// Takes in what an answer to a request says. Returns the state that replaces the shared one, if it changes. `probe`
    /// is whether the request was the probe; the answers to others that were under way say nothing new of a B that is
    /// known to be down.
    pub fn answered(&mut self, load: Load, probe: bool, now: Timestamp) -> Option<BreakerState> {
        let times = match self.state {
            BreakerState::Closed => 0,
            BreakerState::Open { times, .. } if probe => times,
            BreakerState::Open { .. } => return None,
        };
        let (after, failures) = match load {
            Load::Unknown => return None,
            Load::Done | Load::Answered => {
                self.failures = 0;
                return probe.then_some(BreakerState::Closed);
            }
            // B is up, though busy: the pace deals with it.
            Load::Busy(_) => return probe.then_some(BreakerState::Closed),
            Load::Down(after) => (after, 1),
            Load::Hung => (None, HUNG),
        };
        self.failures = self.failures.saturating_add(failures);
        (probe || self.failures >= FAILURES).then(|| open(times, after, now))
    }

    /// The probe ended without asking B: the next relay may be the probe at once.
    #[must_use]
    pub fn unasked(&self, now: Timestamp) -> Option<BreakerState> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Open { times, .. } => Some(BreakerState::Open {
                quiet_until: now,
                probing: false,
                times,
            }),
        }
    }
}

fn open(times: u32, after: Option<Duration>, now: Timestamp) -> BreakerState {
    let doubled = FIRST_QUIET.saturating_mul(1 << times.min(10));
    // `Retry-After` is the earliest moment of use. A B that repeats it all night is asked no more often than a silent one.
    let asked = after.unwrap_or_default().min(LONGEST_ASKED);
    let quiet = doubled.min(LONGEST_QUIET).max(asked);
    BreakerState::Open {
        quiet_until: later(now, quiet),
        probing: false,
        times: times.saturating_add(1),
    }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}
