//! What functions/instantiate adds to the core's [`Traffic`]: the note in the ledger that tells the containers of each other,
//! and the relays that wait for their turn.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use stafett_core::pace::{Ask, BreakerState, Change, Limits, Load, Patience, Traffic};

use crate::time::{BEGIN, Ms, moment, ms};

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

/// One container's traffic to one B.
#[derive(Debug)]
pub struct PaceOfB {
    traffic: Traffic,
    /// The workers that wait for a turn.
    pub waiting: VecDeque<u32>,
    /// The note was read or written since those that wait asked.
    pub news: bool,
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
    Ask {
        /// When.
        at: Ms,
        /// If nothing has changed by then, it reads the note first.
        looks: bool,
    },
}

impl Default for PaceOfB {
    fn default() -> Self {
        Self {
            traffic: Traffic::new(Limits::Found { first: None }, moment(BEGIN)),
            waiting: VecDeque::new(),
            news: false,
        }
    }
}

impl PaceOfB {
    /// A relay begins: it reads the note if something is wrong with B, or if that is due beside its work.
    pub fn begins(&mut self, note: &Note, now: Ms) {
        if self.traffic.must_look(moment(now)) || self.traffic.look_again(moment(now)) {
            self.look(note, now);
        }
    }

    /// Asks for a turn that was first asked for at `since`, and may be waited for until `deadline`.
    pub fn admit(&mut self, note: &mut Note, since: Ms, deadline: Ms, now: Ms) -> Admitted {
        let patience = Patience {
            since: moment(since),
            most: Duration::from_millis(deadline - since),
        };
        let again = |at, looks| Admitted::Ask { at, looks };
        match self.traffic.ask(patience, moment(now)) {
            Ask::Turn => Admitted::Turn { probe: false },
            Ask::Probe(change) if self.keep(note, change) => {
                self.traffic.begin_probe(moment(now));
                Admitted::Turn { probe: true }
            }
            Ask::Probe(_) => again(now, false),
            Ask::Again(at) => again(ms(at), false),
            Ask::Look(at) => again(ms(at), true),
            Ask::PutBack(until) => Admitted::Quiet(until),
        }
    }

    /// Reads the note.
    pub fn look(&mut self, note: &Note, now: Ms) {
        self.traffic.saw(note.state, note.rate, moment(now));
        self.news = true;
    }

    /// Shares a change. Returns whether it is the shared state now.
    fn keep(&mut self, note: &mut Note, change: Change) -> bool {
        note.writes += 1;
        let is_known = note.state == change.replaces;
        if is_known {
            note.state = change.state;
            note.rate = self.traffic.rate_found();
        }
        self.traffic.learn(note.state);
        self.news = true;
        is_known
    }

    /// Takes in what an answer of B says.
    pub fn answered(&mut self, note: &mut Note, load: Load, took: Ms, probe: bool, now: Ms) {
        let took = Duration::from_millis(took);
        if let Some(change) = self.traffic.answered(load, took, probe, moment(now)) {
            self.keep(note, change);
        }
    }

    /// A turn is over.
    pub fn over(&mut self, note: &mut Note, used: bool, probe: bool, now: Ms) {
        self.traffic.over(!used);
        if probe
            && !used
            && let Some(change) = self.traffic.unasked(moment(now))
        {
            self.keep(note, change);
        }
    }
}

/// The moment until which a note keeps B quiet, in simulated time.
pub fn quiet_ms(note: &Note) -> Option<Ms> {
    note.quiet_until().map(ms)
}
