//! The pace of each container towards each B, and the breaker that they share, as functions/instantiate keeps them.
//!
//! The pace and the breaker are the core's. What is simulated is the waiting for a turn and the note in the ledger that tells
//! the containers of each other.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use stafett_core::pace::{Admission, Breaker, BreakerState, Limits, Load, Pace, Wait};

use crate::time::{BEGIN, Ms, SECOND, length, moment, ms};

/// How long the note is trusted, while all is well and while something is wrong (functions/instantiate: `NOTE_AGE`).
const NOTE_AGE: Ms = 30 * SECOND;
const NOTE_AGE_IN_DOUBT: Ms = 5 * SECOND;
/// After so many answers of B the rate is kept for new containers.
const KEEP_EVERY: u32 = 300;
/// How long a relay waits for the outcome of a probe, for how long it is then put back, and how often it looks.
const PROBE_PATIENCE: Ms = 10 * SECOND;
const PROBE_AGAIN: Ms = 30 * SECOND;
const LOOK_EVERY: Ms = SECOND / 2;
/// What a probe has.
const PROBE_LEASE: Duration = Duration::from_secs(180);
/// How long a relay is put back whose turn did not come: ten turns, within these bounds.
const TURNS_AWAY: u32 = 10;
const AWAY: (Ms, Ms) = (10 * SECOND, 900 * SECOND);

/// What the containers share of one B.
#[derive(Debug, Default, Clone, Copy)]
pub struct Note {
    state: BreakerState,
    rate: Option<f64>,
    writes: u64,
}

impl Note {
    /// How often it was written.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Until when B is quiet, if its breaker is open.
    pub fn quiet_until(&self) -> Option<Timestamp> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Open { quiet_until, .. } => Some(quiet_until),
        }
    }
}

/// One container's pace towards one B.
#[derive(Debug)]
pub struct PaceOfB {
    pace: Pace,
    breaker: Breaker,
    read: Option<Ms>,
    unkept: u32,
    /// The workers that wait for a turn.
    pub waiting: VecDeque<u32>,
}

/// Whether a relay may go on.
#[derive(Debug, Clone, Copy)]
pub enum Admitted {
    /// It may: as the probe or not.
    Turn {
        /// It finds out whether B is up again.
        probe: bool,
    },
    /// It may send no request before this moment.
    Quiet(Timestamp),
    /// It asks again at this time, or when something has changed.
    Ask(Ms),
}

impl Default for PaceOfB {
    fn default() -> Self {
        Self {
            pace: Pace::new(Limits::Found { first: None }),
            breaker: Breaker::default(),
            read: None,
            unkept: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl PaceOfB {
    /// Asks for a turn that was first asked for at `since`, and is of no use after `deadline`.
    pub fn admit(&mut self, note: &mut Note, since: Ms, deadline: Ms, now: Ms) -> Admitted {
        self.look(note, now);
        let patience = deadline.min(since + PROBE_PATIENCE);
        match self.breaker.admit(moment(now), PROBE_LEASE) {
            Admission::Go => match self.pace.take(elapsed(now)) {
                Ok(()) => Admitted::Turn { probe: false },
                Err(wait) => {
                    let turn = match wait {
                        Wait::Until(turn) => BEGIN + length(turn).saturating_add(1),
                        Wait::ForAnother => deadline,
                    };
                    if turn > deadline || now >= deadline {
                        let away = length(self.pace.interval() * TURNS_AWAY);
                        Admitted::Quiet(moment(now + away.clamp(AWAY.0, AWAY.1)))
                    } else {
                        Admitted::Ask(turn)
                    }
                }
            },
            Admission::Quiet(until) => Admitted::Quiet(until),
            Admission::Probing if now >= patience => Admitted::Quiet(moment(now + PROBE_AGAIN)),
            Admission::Probing => {
                self.read = None;
                Admitted::Ask(now + LOOK_EVERY)
            }
            Admission::Probe(taken) => {
                if self.keep(note, taken) {
                    self.pace.take_anyway(elapsed(now));
                    return Admitted::Turn { probe: true };
                }
                Admitted::Ask(now)
            }
        }
    }

    fn look(&mut self, note: &Note, now: Ms) {
        let age = self.read.map(|read| now - read);
        let limit = if self.breaker.is_in_doubt() {
            NOTE_AGE_IN_DOUBT
        } else {
            NOTE_AGE
        };
        if age.is_none_or(|age| age >= limit) {
            if let Some(rate) = note
                .rate
                .filter(|_| self.read.is_none() && self.unkept == 0)
            {
                self.pace = Pace::new(Limits::Found { first: Some(rate) });
            }
            self.breaker.learn(note.state);
            self.read = Some(now);
        }
    }

    /// Writes a state over the one that this container knows. Returns whether nobody else had written.
    fn keep(&mut self, note: &mut Note, state: BreakerState) -> bool {
        note.writes += 1;
        let is_known = note.state == self.breaker.state();
        if is_known {
            note.state = state;
            note.rate = Some(self.pace.rate());
        }
        self.breaker.learn(note.state);
        is_known
    }

    /// Takes in what an answer of B says. Returns whether something has changed for those that wait.
    pub fn answered(&mut self, note: &mut Note, load: Load, took: Ms, probe: bool, now: Ms) {
        self.pace
            .answered(elapsed(now), load, Duration::from_millis(took));
        self.unkept += 1;
        let before = self.breaker.state();
        let next = self.breaker.answered(load, probe, moment(now));
        let keeps_rate = load == Load::Done && self.unkept >= KEEP_EVERY;
        let next = next.or((keeps_rate && before == BreakerState::Closed).then_some(before));
        if let Some(next) = next {
            self.unkept = 0;
            self.keep(note, next);
        }
    }

    /// A turn is over.
    pub fn over(&mut self, note: &mut Note, used: bool, probe: bool, now: Ms) {
        self.pace.over(!used);
        if probe
            && !used
            && let Some(unasked) = self.breaker.unasked(moment(now))
        {
            self.keep(note, unasked);
        }
    }
}

/// The time since the beginning, as the pace counts it.
fn elapsed(now: Ms) -> Duration {
    Duration::from_millis(now.saturating_sub(BEGIN))
}

/// The moment until which a note keeps B quiet, in simulated time.
pub fn quiet_ms(note: &Note) -> Option<Ms> {
    note.quiet_until().map(ms)
}
