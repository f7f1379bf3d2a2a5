//! One container's traffic to one B app: which relay may send its request now, and how long the others wait.
//!
//! The caller keeps the shared state of the breaker, reads and writes it, and waits. It asks [`Traffic::ask`] again after
//! each of them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Admission, Breaker, BreakerState, Limits, Load, Pace, Wait};

/// How long the shared state is trusted: while all is well, and while something is wrong.
const LOOK_AGE: SignedDuration = SignedDuration::from_secs(30);
const LOOK_AGE_IN_DOUBT: SignedDuration = SignedDuration::from_secs(5);
/// After so many answers of B the rate is kept for new containers.
const KEEP_EVERY: u32 = 300;
/// How long a relay waits for its turn before it is put back: a container that waits works for no other route either.
const TURN_PATIENCE: Duration = Duration::from_secs(15);
/// How long a relay is put back whose turn did not come: ten turns, and within these bounds.
const TURNS_AWAY: u32 = 10;
const SHORTEST_AWAY: Duration = Duration::from_secs(10);
const LONGEST_AWAY: Duration = Duration::from_secs(900);
/// How long a relay waits for the outcome of a probe, how often it looks and one of a container's relays tries to become the
/// probe meanwhile, and for how long it is then put back.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);
const PROBE_LOOK: Duration = Duration::from_secs(2);
const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// What a probe has: the longest request to B, and the reads before it.
const PROBE_LEASE: Duration = Duration::from_secs(180);

/// One container's pace towards a B app, and its view of the breaker that all containers share.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The pace counts from here.
    began: Timestamp,
    limits: Limits,
    pace: Pace,
    breaker: Breaker,
    /// When the shared state was last read.
    looked: Option<Timestamp>,
    /// When a relay last tried to become the probe, and the state that this was to replace.
    tried: Option<(BreakerState, Timestamp)>,
    /// Answers since the rate was kept.
    unkept: u32,
}

/// Since when a relay has asked for its turn, and for how long it may wait at most.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// When it asked first.
    pub since: Timestamp,
    /// The rest of its time is for its work.
    pub most: Duration,
}

/// A state of the breaker that is to be shared, if this one is still the shared state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The state that this container knows.
    pub replaces: BreakerState,
    /// The new one. It may be the same: then only the rate is new.
    pub state: BreakerState,
}

/// What a relay does that asks for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// It has its turn, and ends it by [`Traffic::over`].
    Turn,
    /// It may be the probe, if this change is shared: then it calls [`Traffic::begin_probe`], and ends its turn by
    /// [`Traffic::over`]. Else it asks again at once.
    Probe(Change),
    /// It asks again then, or when something has changed.
    Again(Timestamp),
    /// It asks again then, or when something has changed, after the shared state was read again.
    Look(Timestamp),
    /// It is put back, and may send no request before this moment.
    PutBack(Timestamp),
}

impl Traffic {
    /// The traffic of a container that begins at `now`, within these limits.
    #[must_use]
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            began: now,
            limits,
            pace: Pace::new(limits),
            breaker: Breaker::default(),
            looked: None,
            tried: None,
            unkept: 0,
        }
    }

    /// Whether the shared state must be read before a relay asks for its turn: it was never read, or something is wrong
    /// with B.
    #[must_use]
    pub fn must_look(&self, now: Timestamp) -> bool {
        self.looked.is_none_or(|looked| {
            self.breaker.is_in_doubt() && age(looked, now) >= LOOK_AGE_IN_DOUBT
        })
    }

    /// Whether the shared state is to be read again beside a relay's work. If so, no other caller is told the same.
    pub fn look_again(&mut self, now: Timestamp) -> bool {
        let is_due = self
            .looked
            .is_some_and(|looked| age(looked, now) >= LOOK_AGE);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// The shared state could not be read. What is known of it is trusted for another while.
    pub fn saw_nothing(&mut self, now: Timestamp) {
        self.looked = Some(now);
    }

    /// The shared state was read, with the rate that another container has found out.
    pub fn saw(&mut self, state: BreakerState, rate: Option<f64>, now: Timestamp) {
        let is_first = self.looked.replace(now).is_none();
        if let Some(rate) = rate.filter(|_| is_first && !self.is_set()) {
            self.limits = Limits::Found { first: Some(rate) };
            self.pace = Pace::new(self.limits);
        }
        self.breaker.learn(state);
    }

    /// The shared state was written, or found to be another one than it was to replace.
    pub fn learn(&mut self, state: BreakerState) {
        self.breaker.learn(state);
    }

    /// The breaker's state, as far as this container knows it.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// The rate that is of use to other containers: none if the route sets it.
    #[must_use]
    pub fn rate_found(&self) -> Option<f64> {
        (!self.is_set()).then(|| self.pace.rate())
    }

    /// The time from one turn to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.pace.interval()
    }

    /// What a relay does next that asks for its turn.
    pub fn ask(&mut self, patience: Patience, now: Timestamp) -> Ask {
        let waits_for_probe = now < patience.until(PROBE_PATIENCE);
        match self.breaker.admit(now, PROBE_LEASE) {
            Admission::Go => self.take(patience, now),
            Admission::Quiet(until) => Ask::PutBack(until),
            Admission::Probing | Admission::Probe(_) if !waits_for_probe => {
                Ask::PutBack(later(now, PROBE_AGAIN))
            }
            Admission::Probing => Ask::Look(later(now, PROBE_LOOK)),
            Admission::Probe(_) if self.has_tried(now) => Ask::Look(later(now, PROBE_LOOK)),
            Admission::Probe(state) => {
                self.tried = Some((self.breaker.state(), now));
                Ask::Probe(self.change(state))
            }
        }
    }

    /// Whether a relay has just tried to become the probe: it is at it, or the change could not be shared.
    fn has_tried(&self, now: Timestamp) -> bool {
        self.tried
            .is_some_and(|(state, at)| state == self.breaker.state() && now < later(at, PROBE_LOOK))
    }

    fn take(&mut self, patience: Patience, now: Timestamp) -> Ask {
        let deadline = patience.until(TURN_PATIENCE);
        let turn = match self.pace.take(self.elapsed(now)) {
            Ok(()) => return Ask::Turn,
            Err(Wait::Until(turn)) => later(self.began, turn),
            Err(Wait::ForAnother) => deadline,
        };
        if now >= deadline || turn > deadline {
            let away = self.interval() * TURNS_AWAY;
            return Ask::PutBack(later(now, away.clamp(SHORTEST_AWAY, LONGEST_AWAY)));
        }
        Ask::Again(turn)
    }

    /// Takes another turn in place of one that was taken some time ago and not used: its relay has waited for something
    /// else, and may not send its request together with all others that waited for the same.
    ///
    /// # Errors
    /// When to ask again.
    pub fn take_another(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let taken = self.pace.retake(self.elapsed(now));
        taken.map_err(|turn| later(self.began, turn))
    }

    /// The relay that asked is the probe.
    pub fn begin_probe(&mut self, now: Timestamp) {
        self.pace.take_anyway(self.elapsed(now));
    }

    /// Takes in what an answer of B says. `probe` is whether the request was the probe. Returns what is to be shared.
    pub fn answered(
        &mut self,
        load: Load,
        took: Duration,
        probe: bool,
        now: Timestamp,
    ) -> Option<Change> {
        // That B is still down says nothing of the pace that it bears when it is up.
        let is_down = matches!(load, Load::Down(_) | Load::Hung);
        if !(probe && is_down) {
            self.pace.answered(self.elapsed(now), load, took);
        }
        self.unkept += 1;
        let before = self.breaker.state();
        let keeps_rate = load == Load::Done
            && self.unkept >= KEEP_EVERY
            && before == BreakerState::Closed
            && !self.is_set();
        let next = self.breaker.answered(load, probe, now);
        let change = self.change(next.or(keeps_rate.then_some(before))?);
        self.unkept = 0;
        // At once, and also if it cannot be shared.
        self.breaker.learn(change.state);
        Some(change)
    }

    /// A turn is over. If it was `unused`, because its relay needed no B, the next one may go in its place.
    pub fn over(&mut self, unused: bool) {
        self.pace.over(unused);
    }

    /// The probe ended without asking B: what is to be shared so that the next relay may be the probe at once.
    #[must_use]
    pub fn unasked(&self, now: Timestamp) -> Option<Change> {
        Some(self.change(self.breaker.unasked(now)?))
    }

    fn change(&self, state: BreakerState) -> Change {
        Change {
            replaces: self.breaker.state(),
            state,
        }
    }

    fn is_set(&self) -> bool {
        matches!(self.limits, Limits::Set { .. })
    }

    fn elapsed(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.began)).unwrap_or_default()
    }
}

impl Patience {
    fn until(self, most: Duration) -> Timestamp {
        later(self.since, self.most.min(most))
    }
}

fn age(looked: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(looked).abs()
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
