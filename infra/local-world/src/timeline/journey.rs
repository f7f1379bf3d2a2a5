//! The journey of one A instance.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// How many deliveries of one A instance are kept: twice the attempts of a night.
const DELIVERIES: usize = 80;
/// How many HTTP API calls about one A instance are kept.
const TOLD: usize = 20;

/// One A instance and its relays.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Its id, `{party}/{guid}`.
    pub instance: String,
    /// The triggers received about it, oldest first.
    pub told: VecDeque<Told>,
    /// The deliveries of those triggers, oldest first.
    pub deliveries: VecDeque<Delivery>,
    /// The cost of all deliveries together, including forgotten ones.
    pub cost: Cost,
}

/// A trigger: a call that says that an A instance may be ready.
#[derive(Clone, Debug)]
pub struct Told {
    /// When it came, by the deployment's clock.
    pub at: Timestamp,
    /// When the response was sent.
    pub answered: Instant,
    /// The trigger's source: `app` or `event`.
    pub cause: String,
    /// The HTTP status of the response.
    pub status: u64,
    /// How long the response took, in milliseconds.
    pub ms: f64,
}

/// One delivery of a trigger to one relay.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// A running number over all deliveries of the timeline.
    pub number: u64,
    /// The relay's id.
    pub relay: String,
    /// The route's name.
    pub route: String,
    /// The trigger's source: `app`, `event`, `reconcile` or `redrive`.
    pub cause: String,
    /// How often the message has been received, including this time.
    pub receives: u64,
    /// When it began, by the deployment's clock.
    pub at: Timestamp,
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Option<Instant>,
    /// The steps, in order.
    pub steps: Vec<TimedStep>,
    /// Logged warnings and errors.
    pub warnings: Vec<Warning>,
    /// The outcome; none while the delivery runs, or if it was cut short.
    pub outcome: Option<Outcome>,
    /// How often the message was received again after the relay failed, without another attempt, on
    /// its way to the dead-letter queue.
    pub repeats: u64,
}

impl Delivery {
    /// How long it took, or has taken so far.
    #[must_use]
    pub fn took(&self) -> Duration {
        let end = self.ended.unwrap_or_else(Instant::now);
        end.duration_since(self.began)
    }

    /// Whether it has no outcome, because its function was killed.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.ended.is_some() && self.outcome.is_none()
    }
}

/// One step of a delivery.
#[derive(Clone, Debug)]
pub struct TimedStep {
    /// Its name: `claim`, `read`, `search`, `create`, `record`, `delete`, `finish` or
    /// `after-steps`.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// When it ended.
    pub ended: Instant,
}

impl TimedStep {
    /// When it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        let took = Duration::from_millis(self.ms);
        self.ended.checked_sub(took).unwrap_or(self.ended)
    }
}

/// A logged warning or error.
#[derive(Clone, Debug)]
pub struct Warning {
    /// `WARN` or `ERROR`.
    pub level: &'static str,
    /// What was logged.
    pub message: String,
    /// The reason, if logged.
    pub reason: String,
}

/// The outcome of a delivery.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The relay's state in the ledger.
    pub state: String,
    /// B's id, `{party}/{guid}`.
    pub b: Option<String>,
    /// The reason code, if there is one.
    pub reason: Option<String>,
    /// More about the reason.
    pub detail: Option<String>,
    /// Whether B existed already and was adopted.
    pub adopted: bool,
    /// In how many seconds the message becomes visible again.
    pub again_s: Option<u64>,
    /// The number of calls to Altinn.
    pub calls: u64,
    /// The duration in milliseconds.
    pub ms: u64,
}

/// What relays have cost, over all their deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The number of attempts.
    pub tries: u64,
    /// The number of calls to Altinn.
    pub calls: u64,
    /// The duration in milliseconds.
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

    /// Counts a delivery as a repeat of its failed relay instead of keeping it.
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
