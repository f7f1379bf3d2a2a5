//! One A instance on its way.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// So many deliveries of one A instance are remembered: a night's tries, twice.
const DELIVERIES: usize = 80;
/// So many calls of the HTTP API about one A instance are remembered.
const TOLD: usize = 20;

/// One A instance, and the relays that began with it.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Its id, `{party}/{guid}`.
    pub instance: String,
    /// Who told of it, oldest first.
    pub told: VecDeque<Told>,
    /// The deliveries of its triggers, oldest first.
    pub deliveries: VecDeque<Delivery>,
    /// What all deliveries have cost together, those that are forgotten included.
    pub cost: Cost,
}

/// Somebody told that an A instance may be ready.
#[derive(Clone, Debug)]
pub struct Told {
    /// By the clock.
    pub at: Timestamp,
    /// When it had been answered.
    pub answered: Instant,
    /// What the trigger says: `app` or `event`.
    pub cause: String,
    /// The HTTP status of the answer.
    pub status: u64,
    /// How long the answer took, in milliseconds.
    pub ms: f64,
}

/// One delivery of a trigger to one relay.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Counts all deliveries of the timeline.
    pub number: u64,
    /// The relay's id.
    pub relay: String,
    /// The route.
    pub route: String,
    /// Who told: `app`, `event`, `reconcile` or `redrive`.
    pub cause: String,
    /// How often the message has been received, this time included.
    pub receives: u64,
    /// When it began, by the clock.
    pub at: Timestamp,
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Option<Instant>,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What was logged as a warning or worse.
    pub troubles: Vec<Trouble>,
    /// What it came to; none where it goes on, or was cut short.
    pub outcome: Option<Outcome>,
    /// How often the message of the relay that failed with it has been received since, without a try:
    /// that is its way to the dead-letter queue.
    pub repeats: u64,
}

impl Delivery {
    /// How long it took, or has taken.
    #[must_use]
    pub fn took(&self) -> Duration {
        let end = self.ended.unwrap_or_else(Instant::now);
        end.duration_since(self.began)
    }

    /// Whether it ended in the middle: its function was ended.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.ended.is_some() && self.outcome.is_none()
    }
}

/// One step of a delivery.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was done: `claim`, `read`, `search`, `create`, `record`, `delete`, `finish` or `after-steps`.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// When it had been done.
    pub ended: Instant,
}

impl Step {
    /// When it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        let took = Duration::from_millis(self.ms);
        self.ended.checked_sub(took).unwrap_or(self.ended)
    }
}

/// A warning, or worse.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// `WARN` or `ERROR`.
    pub level: &'static str,
    /// What was logged.
    pub message: String,
    /// Why.
    pub reason: String,
}

/// What a delivery came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The relay's state in the ledger.
    pub state: String,
    /// B's id, `{party}/{guid}`.
    pub b: Option<String>,
    /// The code of the reason, where there is one.
    pub reason: Option<String>,
    /// More about the reason.
    pub detail: Option<String>,
    /// Whether B was found made already.
    pub adopted: bool,
    /// In how many seconds the message comes again.
    pub again_s: Option<u64>,
    /// Calls to Altinn.
    pub calls: u64,
    /// Milliseconds.
    pub ms: u64,
}

/// What relays have cost, over all their deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often they were tried.
    pub tries: u64,
    /// Calls to Altinn.
    pub calls: u64,
    /// Milliseconds.
    pub ms: u64,
}

impl Cost {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.tries += 1;
        self.calls += outcome.calls;
        self.ms += outcome.ms;
    }
}

impl Journey {
    pub(super) fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            told: VecDeque::new(),
            deliveries: VecDeque::new(),
            cost: Cost::default(),
        }
    }

    pub(super) fn told(&mut self, told: Told) {
        if self.told.len() >= TOLD {
            self.told.pop_front();
        }
        self.told.push_back(told);
    }

    pub(super) fn begin(&mut self, delivery: Delivery) {
        if self.deliveries.len() >= DELIVERIES {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    pub(super) fn delivery(&mut self, number: u64) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|it| it.number == number)
    }

    /// A delivery turns out to be a repeat of a failed relay.
    pub(super) fn repeat(&mut self, number: u64) {
        let Some(index) = self.deliveries.iter().position(|it| it.number == number) else {
            return;
        };
        let Some(repeat) = self.deliveries.remove(index) else {
            return;
        };
        let mut tried = self.deliveries.iter_mut().rev();
        if let Some(failed) = tried.find(|it| it.relay == repeat.relay) {
            failed.repeats += 1;
        }
    }
}
