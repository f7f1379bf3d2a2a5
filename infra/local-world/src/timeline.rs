//! What relays do, as it happens: read from the functions' own log lines in this process.
//!
//! The terminal and the playground show the same [`Timeline`]. It holds ids, names of steps and durations;
//! as in any log, there is no form data in it.

mod journey;
mod layer;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    layer::{Layer, SubscriberExt},
};

use testbed::clock::Clock;

pub use journey::{Cost, Delivery, Journey, Outcome, Step, Told, Trouble};

/// So many A instances are remembered.
const JOURNEYS: usize = 200;

/// What has been seen of relays. Clones share it.
#[derive(Clone)]
pub struct Timeline(Arc<Shared>);

struct Shared {
    began: Instant,
    book: Mutex<Book>,
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Book {
    clock: Option<Clock>,
    /// Oldest first.
    journeys: VecDeque<Journey>,
    listeners: Vec<Listener>,
    last_delivery: u64,
}

type Listener = Arc<dyn Fn(&Seen) + Send + Sync>;

/// Something worth telling at once.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A delivery of a trigger has come to its end.
    Ended {
        /// The A instance, `{party}/{guid}`.
        instance: String,
        /// The delivery.
        delivery: Box<Delivery>,
    },
    /// A warning, or worse.
    Trouble {
        /// The A instance; empty where it is about none.
        instance: String,
        /// What was logged.
        trouble: Trouble,
        /// When, since the timeline began.
        at: Duration,
    },
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").finish_non_exhaustive()
    }
}

impl Timeline {
    /// Listens to this process' logs. There is one timeline in a process: every call returns it.
    #[must_use]
    pub fn start() -> Self {
        static ONE: OnceLock<Timeline> = OnceLock::new();
        let timeline = ONE.get_or_init(|| {
            let timeline = Self::new();
            let wanted = Targets::new()
                .with_target("stafett", LevelFilter::DEBUG)
                .with_target("instantiate", LevelFilter::DEBUG)
                .with_target("receive", LevelFilter::INFO)
                .with_target("reconcile", LevelFilter::WARN)
                .with_target("redrive", LevelFilter::WARN)
                .with_target("local_altinn", LevelFilter::WARN)
                .with_target("local_aws", LevelFilter::WARN);
            let layer = layer::Reader(timeline.clone()).with_filter(wanted);
            // Where somebody else listens already, nothing is seen here.
            let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
            timeline
        });
        timeline.clone()
    }

    fn new() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            book: Mutex::default(),
            news: watch::Sender::new(0),
        }))
    }

    /// Dates what comes by this clock from now on, instead of the machine's.
    pub fn set_clock(&self, clock: Clock) {
        self.book().clock = Some(clock);
    }

    /// Calls `listener` for everything that is worth telling.
    pub fn listen(&self, listener: impl Fn(&Seen) + Send + Sync + 'static) {
        self.book().listeners.push(Arc::new(listener));
    }

    /// Counts what has been seen: whoever waits on it learns of news.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// What became of an A instance, `{party}/{guid}`.
    #[must_use]
    pub fn journey(&self, instance: &str) -> Option<Journey> {
        let book = self.book();
        let journey = book.journeys.iter().find(|it| it.instance == instance);
        journey.cloned()
    }

    /// The A instances that were seen last, the newest first.
    #[must_use]
    pub fn latest(&self, count: usize) -> Vec<Journey> {
        let book = self.book();
        book.journeys.iter().rev().take(count).cloned().collect()
    }

    /// What the relays of an A instance have cost.
    #[must_use]
    pub fn cost(&self, instance: &str) -> Cost {
        let journey = self.journey(instance);
        journey.map(|it| it.cost).unwrap_or_default()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_began(&self) -> Duration {
        self.0.began.elapsed()
    }

    fn told(&self, instance: &str, told: Told) {
        self.book().journey(instance).told(told);
        self.tell(None);
    }

    /// A delivery begins; its number.
    fn begin(&self, instance: &str, mut delivery: Delivery) -> u64 {
        let mut book = self.book();
        book.last_delivery += 1;
        let number = book.last_delivery;
        delivery.number = number;
        book.journey(instance).begin(delivery);
        drop(book);
        self.tell(None);
        number
    }

    /// Changes a delivery that is remembered.
    fn change(&self, instance: &str, number: u64, change: impl FnOnce(&mut Delivery)) {
        let mut book = self.book();
        if let Some(delivery) = book.delivery(instance, number) {
            change(delivery);
        }
        drop(book);
        self.tell(None);
    }

    fn end(&self, instance: &str, number: u64, outcome: Outcome) {
        let mut book = self.book();
        let journey = book.journey(instance);
        journey.cost.add(&outcome);
        let seen = journey.delivery(number).map(|delivery| {
            delivery.ended = Some(Instant::now());
            delivery.outcome = Some(outcome);
            Seen::Ended {
                instance: instance.to_owned(),
                delivery: Box::new(delivery.clone()),
            }
        });
        drop(book);
        self.tell(seen);
    }

    /// The repeats of a failed relay are counted, and nothing else of them is worth telling.
    fn repeat(&self, instance: &str, number: u64) {
        self.book().journey(instance).repeat(number);
        self.tell(None);
    }

    fn trouble(&self, instance: &str, number: Option<u64>, trouble: Trouble) {
        if let Some(number) = number {
            let noted = trouble.clone();
            self.change(instance, number, |delivery| delivery.troubles.push(noted));
        }
        let at = self.since_began();
        let instance = instance.to_owned();
        self.tell(Some(Seen::Trouble {
            instance,
            trouble,
            at,
        }));
    }

    fn now(&self) -> Timestamp {
        let clock = self.book().clock.clone();
        clock.map_or_else(Timestamp::now, |clock| clock.now())
    }

    /// Not under the lock: a listener may look into the book.
    fn tell(&self, seen: Option<Seen>) {
        self.0.news.send_modify(|count| *count += 1);
        if let Some(seen) = seen {
            let listeners = self.book().listeners.clone();
            for listener in listeners {
                listener(&seen);
            }
        }
    }
}

impl Book {
    /// What is remembered of an A instance; the oldest is forgotten for a new one.
    fn journey(&mut self, instance: &str) -> &mut Journey {
        let known = self
            .journeys
            .iter()
            .position(|journey| journey.instance == instance);
        let index = known.unwrap_or_else(|| {
            if self.journeys.len() >= JOURNEYS {
                self.journeys.pop_front();
            }
            self.journeys.push_back(Journey::new(instance));
            self.journeys.len() - 1
        });
        &mut self.journeys[index]
    }

    fn delivery(&mut self, instance: &str, number: u64) -> Option<&mut Delivery> {
        let journey = self
            .journeys
            .iter_mut()
            .find(|journey| journey.instance == instance)?;
        journey.delivery(number)
    }
}

#[cfg(test)]
mod tests;
