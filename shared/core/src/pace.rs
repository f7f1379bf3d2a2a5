//! The pace of requests to one B app, and the breaker that stops them while B is down.
//!
//! Each container of `instantiate` has a [`Pace`] of its own per B app. Several of them that share one B need no common
//! count: each one goes faster while B answers well and slower when B is busy, and so each one ends near a fair share.
//! The [`Breaker`] is shared: its state lies in the ledger, because one container's failures tell all others that B is
//! down. [`Traffic`] puts the two together: which relay may ask B now.
//!
//! This module does no I/O and has no clock: the caller passes the time.

use std::time::Duration;

pub mod breaker;
pub mod load;
pub mod traffic;

pub use breaker::{Admission, Breaker, BreakerState};
pub use load::Load;
pub use traffic::{Ask, Change, Patience, Traffic};

/// The lowest rate that a pace falls to, in B per second: one in ten seconds.
pub const LOWEST_RATE: f64 = 0.1;
/// The highest rate that a pace rises to.
pub const HIGHEST_RATE: f64 = 100.0;
/// The rate of a container that knows nothing of B yet.
pub const FIRST_RATE: f64 = 40.0;
/// The smallest number of relays at once.
pub const SMALLEST_WINDOW: f64 = 1.0;
/// The largest number of relays at once: a batch of ten, each with four parts of a set.
pub const LARGEST_WINDOW: f64 = 40.0;

/// What a rate or window of one gains by a success. The gain grows a little slower than the value, so that of two
/// containers the slower one catches up, and the share of requests that B refuses stays nearly the same at any rate.
const GAIN: f64 = 0.004;
const GAIN_EXPONENT: f64 = 0.75;
/// What is left after B was too busy for a few of many requests.
const AFTER_BUSY: f64 = 0.75;
/// What is left after B was too busy for most requests, did not answer, or slowed down.
const AFTER_TROUBLE: f64 = 0.5;
/// So many refusals at least make most requests.
const MANY: u32 = 3;
/// The pace is cut at most once in this time: answers to requests from before a cut say nothing of the pace after it.
const CUT_EVERY: Duration = Duration::from_secs(2);
/// A request may go this much before its turn, so that a batch at a high rate goes at once.
const EARLY: Duration = Duration::from_millis(250);
/// The longest that `Retry-After` of a busy B stops one container; a longer one is B's to repeat.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An answer is slow if it takes so many times as long as usual …
const SLOW_FACTOR: f64 = 4.0;
/// … and at least this long.
const SLOW_AT_LEAST: Duration = Duration::from_secs(2);
/// So many answers make what is usual.
const USUAL_ANSWERS: u32 = 10;

/// What one container may send to one B app.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limits {
    /// Found out from B's answers, from this rate on if another container has found out one.
    Found {
        /// B per second.
        first: Option<f64>,
    },
    /// Set by the route: this container's share of B per second, and how many at once.
    Set {
        /// B per second.
        per_second: Option<f64>,
        /// How many at once.
        at_once: Option<u32>,
    },
}

/// One container's pace towards one B app. Moments are durations since any fixed start.
#[derive(Debug, Clone)]
pub struct Pace {
    limits: Limits,
    rate: f64,
    window: f64,
    /// Turns that were taken and are not over.
    in_flight: u32,
    /// The turn of the next request.
    next: Duration,
    /// No request goes before: B has asked for that.
    pause: Duration,
    cut: Option<Duration>,
    /// What B answered since the last cut: requests that it took, and those that it was too busy for.
    took: u32,
    busy: u32,
    /// Requests in a row whose answer was lost, or came from a gateway. A few of them say nothing of B's load: with every
    /// tenth answer lost, cuts for each would bring the pace down to its lowest.
    unanswered: u32,
    /// The usual time of an answer, in seconds, and of how many answers.
    usual: (f64, u32),
}

/// Why a request may not go yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Its turn has not come: ask again then.
    Until(Duration),
    /// As many as may be at once are under way: ask again when one of them is over.
    ForAnother,
}

impl Pace {
    /// A pace within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (rate, window) = match limits {
            Limits::Found { first } => (first.unwrap_or(FIRST_RATE), LARGEST_WINDOW),
            Limits::Set {
                per_second,
                at_once,
            } => (
                per_second.unwrap_or(HIGHEST_RATE),
                at_once.map_or(LARGEST_WINDOW, f64::from),
            ),
        };
        Self {
            limits,
            // A rate that a route sets may be lower than one that is found out.
            rate: match limits {
                Limits::Found { .. } => within(rate, LOWEST_RATE, HIGHEST_RATE),
                Limits::Set { .. } => within(rate, 0.001, HIGHEST_RATE),
            },
            window: within(window, SMALLEST_WINDOW, LARGEST_WINDOW),
            in_flight: 0,
            next: Duration::ZERO,
            pause: Duration::ZERO,
            cut: None,
            took: 0,
            busy: 0,
            unanswered: 0,
            usual: (0.0, 0),
        }
    }

    /// B per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// How many at once.
    #[must_use]
    pub fn window(&self) -> f64 {
        self.window
    }

    /// The time from one turn to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// Takes a turn at `now`. Every turn that is taken must be ended by [`Pace::over`].
    ///
    /// # Errors
    /// [`Wait`]: when to ask again.
    pub fn take(&mut self, now: Duration) -> Result<(), Wait> {
        if f64::from(self.in_flight) + 1.0 > self.window.floor() {
            return Err(Wait::ForAnother);
        }
        let turn = self.next.saturating_sub(self.early()).max(self.pause);
        if now < turn {
            return Err(Wait::Until(turn));
        }
        self.take_anyway(now);
        Ok(())
    }

    /// Takes another turn at `now` in place of one that was taken some time ago and not used: its relay had to wait for
    /// something else, and may not send its request together with all others that waited for the same.
    ///
    /// # Errors
    /// When to ask again.
    pub fn retake(&mut self, now: Duration) -> Result<(), Duration> {
        let turn = self.next.saturating_sub(self.early()).max(self.pause);
        if now < turn {
            return Err(turn);
        }
        self.next = self.next.max(now) + self.interval();
        Ok(())
    }

    /// Takes a turn although it may not have come, for the probe.
    pub fn take_anyway(&mut self, now: Duration) {
        self.in_flight += 1;
        self.next = self.next.max(now) + self.interval();
    }

    /// A rate that the route sets is kept from one request to the next.
    fn early(&self) -> Duration {
        match self.limits {
            Limits::Found { .. } => EARLY,
            Limits::Set { .. } => Duration::ZERO,
        }
    }

    /// A turn is over. If it was `unused`, because its relay needed no B, the next one may go in its place.
    pub fn over(&mut self, unused: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if unused {
            self.next = self.next.saturating_sub(self.interval());
        }
    }

    /// B answered at `now`, after the time `took`, or somebody else did in its place.
    pub fn answered(&mut self, now: Duration, load: Load, took: Duration) {
        match load {
            Load::Done => {
                self.took += 1;
                self.unanswered = 0;
                if self.is_slow(took) {
                    self.cut(now, AFTER_TROUBLE);
                } else {
                    self.raise();
                }
            }
            Load::Answered => {
                self.took += 1;
                self.unanswered = 0;
            }
            Load::Busy(after) => {
                self.busy += 1;
                self.unanswered = 0;
                self.pause_for(now, after);
                let factor = if self.busy > self.took && self.busy >= MANY {
                    AFTER_TROUBLE
                } else {
                    AFTER_BUSY
                };
                self.cut(now, factor);
            }
            Load::Down(after) => {
                self.unanswered += 1;
                self.pause_for(now, after);
                if after.is_some() || self.unanswered >= breaker::FAILURES {
                    self.cut(now, AFTER_TROUBLE);
                }
            }
            Load::Hung => self.cut(now, AFTER_TROUBLE),
            Load::Unknown => {}
        }
    }

    fn pause_for(&mut self, now: Duration, after: Option<Duration>) {
        let after = after.unwrap_or_default().min(LONGEST_PAUSE);
        self.pause = self.pause.max(now + after);
    }

    fn raise(&mut self) {
        if let Limits::Found { .. } = self.limits {
            let raised = |value: f64| value + GAIN * value.powf(GAIN_EXPONENT);
            self.rate = within(raised(self.rate), LOWEST_RATE, HIGHEST_RATE);
            self.window = within(raised(self.window), SMALLEST_WINDOW, LARGEST_WINDOW);
        }
    }

    fn cut(&mut self, now: Duration, factor: f64) {
        let is_early = self.cut.is_some_and(|cut| now < cut + CUT_EVERY);
        if is_early || matches!(self.limits, Limits::Set { .. }) {
            return;
        }
        self.cut = Some(now);
        (self.took, self.busy) = (0, 0);
        self.rate = within(self.rate * factor, LOWEST_RATE, HIGHEST_RATE);
        // A window that was never reached says nothing of B.
        let used = self.window.min(f64::from(self.in_flight.max(1)));
        // At this rate so many are under way when one more begins. Fewer would hold back the rate itself.
        let under_way = self.rate * self.usual.0 + 1.0;
        let left = (used * factor).max(under_way).min(self.window);
        self.window = within(left, SMALLEST_WINDOW, LARGEST_WINDOW);
        self.next = self.next.max(now + self.interval());
    }

    /// Whether an answer took much longer than usual. It counts among what is usual in any case.
    fn is_slow(&mut self, took: Duration) -> bool {
        let (usual, answers) = self.usual;
        let seconds = took.as_secs_f64();
        let is_slow =
            answers >= USUAL_ANSWERS && took >= SLOW_AT_LEAST && seconds > SLOW_FACTOR * usual;
        let answers = answers.saturating_add(1);
        let weight = f64::from(answers.min(5 * USUAL_ANSWERS));
        self.usual = (usual + (seconds - usual) / weight, answers);
        is_slow
    }
}

/// `value` between two bounds; the lower one if it is not a number.
fn within(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() {
        least
    } else {
        value.clamp(least, most)
    }
}

#[cfg(test)]
mod tests;
