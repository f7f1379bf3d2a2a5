//! The simulated world, and the order of what happens in it.

use std::time::Duration;

use jiff::Timestamp;
use stafett_core::relay::{
    State,
    decide::{Birth, Policy},
};

use crate::{
    altinn::App,
    figures::Figures,
    ledger::Ledger,
    pace::Note,
    queue::Queue,
    reconcile::Reconcile,
    scenario::Scenario,
    time::{BEGIN, DAY, Dice, MINUTE, Ms, Schedule, moment},
    workers::Workers,
};

/// `STAFETT_LEASE_SECONDS` and `STAFETT_SETTLE_SECONDS` of the template.
pub const LEASE: Duration = Duration::from_secs(300);
/// How long B may go on with a request that nobody waits for.
pub const SETTLE: Duration = Duration::from_secs(1200);
/// How long the ledger remembers (shared/runtime: `ledger::MEMORY`).
const MEMORY: Duration = Duration::from_secs(399 * 86_400);
/// How often reconcile runs: the template's schedule.
pub const SCHEDULE: Ms = 5 * MINUTE;
/// Earlier relays are spread over the time from the first to the second of these, before the simulation begins.
const EARLIER: (Ms, Ms) = (300 * DAY, DAY);
/// A simulation ends after this time, whatever is left.
const LONGEST: Ms = 14 * DAY;

/// What happens next.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// The next A is told of, for the first or a later time.
    Told {
        /// Which A.
        number: u32,
        /// For the how-manieth time.
        time: usize,
    },
    /// A message that was put back becomes visible.
    Visible(u32),
    /// A worker goes on, unless it was woken before.
    Work(u32, u32),
    /// Reconcile's schedule is due.
    Reconcile,
    /// Reconcile goes on with the next page.
    Page,
}

/// The simulated world.
#[derive(Debug)]
pub struct World {
    /// What is simulated.
    pub scenario: Scenario,
    /// The time.
    pub now: Ms,
    /// What happens when.
    pub schedule: Schedule<Event>,
    /// The queue.
    pub queue: Queue,
    /// The ledger.
    pub ledger: Ledger,
    /// The apps B, by route.
    pub apps: Vec<App>,
    /// The containers of `instantiate`.
    pub workers: Workers,
    /// What the containers share of the apps' paces.
    pub notes: Vec<Note>,
    /// `reconcile`.
    pub reconcile: Reconcile,
    /// What chance decides.
    pub dice: Dice,
    /// The birth of a ledger that replaces a lost one.
    pub birth: Option<Birth>,
    /// How many messages of each relay are in the queue.
    pub messages: Vec<u16>,
    /// Relays that are neither done nor failed.
    pub open: usize,
    /// Calls to Altinn.
    pub calls: u64,
    /// Events that were processed.
    pub events: u64,
}

impl World {
    /// Simulates the whole of a scenario.
    pub fn simulate(scenario: Scenario) -> Figures {
        let mut world = Self::new(scenario);
        while world.has_work()
            && let Some((at, event)) = world.schedule.take()
        {
            world.now = at;
            world.events += 1;
            world.happen(event);
        }
        Figures::of(&world)
    }

    fn new(scenario: Scenario) -> Self {
        let apps = scenario.apps.iter().zip(1..);
        let apps = apps.map(|(app, seed)| App::new(app.clone(), seed));
        let mut world = Self {
            apps: apps.collect(),
            now: BEGIN,
            schedule: Schedule::default(),
            queue: Queue::new(scenario.apps.len()),
            ledger: Ledger::default(),
            workers: Workers::new(scenario.concurrency, scenario.apps.len()),
            notes: vec![Note::default(); scenario.apps.len()],
            reconcile: Reconcile::default(),
            dice: Dice::new(7),
            birth: (scenario.had_b > 0).then(|| Birth {
                at: moment(BEGIN),
                rebuilt_from: None,
            }),
            messages: vec![0; scenario.relays as usize],
            open: scenario.relays as usize,
            calls: 0,
            events: 0,
            scenario,
        };
        for relay in 0..world.scenario.relays {
            if u64::from(relay % 100) < world.scenario.had_b {
                let created = world.ready(relay);
                world.apps[world.scenario.route(relay)].had(relay, created);
            }
        }
        for time in 0..world.scenario.told.len() {
            world.tell(0, time);
        }
        world.schedule.at(BEGIN + SCHEDULE, Event::Reconcile);
        world
    }

    fn has_work(&self) -> bool {
        (self.open > 0 || self.queue.held() > 0) && self.now < BEGIN + LONGEST
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Told { number, time } => {
                self.send(number);
                self.tell(number + 1, time);
            }
            Event::Visible(message) => {
                self.queue.show(message);
                self.dispatch();
            }
            Event::Work(worker, woken) => self.wake(worker, woken),
            Event::Reconcile => {
                self.schedule.at(self.now + SCHEDULE, Event::Reconcile);
                self.begin_run();
            }
            Event::Page => self.next_page(),
        }
    }

    fn tell(&mut self, number: u32, time: usize) {
        if number < self.scenario.relays {
            let at = self.ready(number) + self.scenario.told[time];
            self.schedule.at(at, Event::Told { number, time });
        }
    }

    /// Enqueues a relay.
    pub fn send(&mut self, relay: u32) {
        let group = self.scenario.route(relay);
        self.queue.send(relay, group, self.now);
        self.messages[relay as usize] += 1;
        self.dispatch();
    }

    /// When an A became ready.
    pub fn ready(&self, relay: u32) -> Ms {
        let share = |length: Ms| {
            let part = u128::from(length) * u128::from(relay) / u128::from(self.scenario.relays);
            Ms::try_from(part).unwrap_or(Ms::MAX)
        };
        if self.scenario.had_b == 0 {
            return BEGIN + share(self.scenario.within);
        }
        let (first, last) = EARLIER;
        BEGIN - first + share(first - last)
    }

    /// The moment, as the core reads it.
    pub fn moment(&self) -> Timestamp {
        moment(self.now)
    }

    /// The settings of the template.
    pub fn policy(&self) -> Policy {
        Policy {
            lease: LEASE,
            settle: SETTLE,
            memory: MEMORY,
            after_steps: false,
            stamped_late: false,
            of_set: false,
            quiet_until: None,
            birth: self.birth,
        }
    }

    /// Counts a relay as open or not, after its record changed.
    pub fn count_open(&mut self, before: Option<State>, after: State) {
        let is_closed = |state: State| matches!(state, State::Done | State::Failed);
        match (before.is_some_and(is_closed), is_closed(after)) {
            (false, true) => self.open -= 1,
            (true, false) => self.open += 1,
            _ => {}
        }
    }
}
