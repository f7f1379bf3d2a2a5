//! Simulated time.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Duration,
};

use jiff::Timestamp;

/// Milliseconds of simulated time.
pub type Ms = u64;

/// A second.
pub const SECOND: Ms = 1_000;
/// A minute.
pub const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub const HOUR: Ms = 60 * MINUTE;
/// A day.
pub const DAY: Ms = 24 * HOUR;

/// When the simulation begins. The time before has room for earlier relays.
pub const BEGIN: Ms = 400 * DAY;

/// The zero of simulated time: 2025-01-01T00:00:00Z.
const EPOCH_MS: i64 = 1_735_689_600_000;

/// The moment, as the core reads it.
pub fn moment(at: Ms) -> Timestamp {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(EPOCH_MS.saturating_add(at)).unwrap_or(Timestamp::MAX)
}

/// The moment that the core names.
pub fn ms(at: Timestamp) -> Ms {
    u64::try_from(at.as_millisecond() - EPOCH_MS).unwrap_or(0)
}

/// The length of a wait that the core names.
pub fn length(wait: Duration) -> Ms {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// What happens when: an event at a time, in the order of time, and of scheduling where two are at the same time.
#[derive(Debug)]
pub struct Schedule<E> {
    due: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Ms,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self {
            due: BinaryHeap::new(),
            scheduled: 0,
        }
    }
}

impl<E> Schedule<E> {
    /// Schedules an event.
    pub fn at(&mut self, at: Ms, event: E) {
        self.scheduled += 1;
        let number = self.scheduled;
        self.due.push(Reverse(Entry { at, number, event }));
    }

    /// Takes the next event.
    pub fn take(&mut self) -> Option<(Ms, E)> {
        self.due.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

/// Random numbers that are the same in every run (SplitMix64).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that begin with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// Whether something happens that does in this many of a hundred cases.
    pub fn percent(&mut self, of_a_hundred: u64) -> bool {
        self.below(100) < of_a_hundred
    }
}
