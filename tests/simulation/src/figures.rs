//! What a simulated day came to, beside the goals.

use std::{cmp::Reverse, collections::BinaryHeap, fmt};

use stafett_core::relay::State;

use crate::{
    reconcile::LIST_PAGE,
    scenario::Scenario,
    time::{BEGIN, HOUR, MINUTE, Ms, SECOND, length},
    workers::{BATCH, UNDISTURBED},
    world::{LEASE, SCHEDULE, SETTLE, World},
};

/// What a simulated day came to.
#[derive(Debug, Clone)]
pub struct Figures {
    /// What was simulated.
    pub name: &'static str,
    /// How many relays there were.
    pub relays: u32,
    /// When the last relay was done, after the beginning; none if some never were
    pub done: Option<Ms>,
    /// When it could have been done at best: see [`floor`].
    pub floor: Ms,
    /// Messages that were sent for each relay.
    pub messages: f64,
    /// How many of a hundred requests for an instance B turned away.
    pub turned_away: f64,
    /// Calls to Altinn for each relay.
    pub calls: f64,
    /// Writes to the ledger for each relay.
    pub writes: f64,
    /// The most messages in flight at any time.
    pub in_flight: usize,
    /// The median of the time from the gate to a complete B.
    pub p50: Ms,
    /// The 99th percentile of it.
    pub p99: Ms,
    /// A that were enqueued as missed.
    pub missed: u64,
    /// Those of them that had a message in the queue.
    pub falsely_missed: u64,
    /// Relays that failed, or have a message in the dead-letter queue.
    pub failed: usize,
    /// Relays with two complete B.
    pub doubled: usize,
    /// Relays without a B that neither failed nor are open when the simulation ended.
    pub lost: usize,
    /// Relays that were still open when the simulation ended.
    pub open: usize,
}

impl Figures {
    /// The figures of a world at its end.
    pub fn of(world: &World) -> Self {
        let scenario = &world.scenario;
        let relays = f64::from(scenario.relays.max(1));
        let (mut waited, mut doubled, mut lost) = (Vec::new(), 0, 0);
        for relay in 0..scenario.relays {
            let route = scenario.route(relay);
            let (complete, number) = world.apps[route].complete(relay);
            doubled += usize::from(number > 1);
            let state = world.ledger.record(relay).map(|record| record.state);
            let unaccounted =
                matches!(state, None | Some(State::Done)) && world.messages[relay as usize] == 0;
            lost += usize::from(complete.is_none() && unaccounted);
            let is_watched = !(scenario.watch_others && route == 0);
            if let Some(complete) = complete.filter(|it| *it > BEGIN && is_watched) {
                let since =
                    world
                        .ready(relay)
                        .max(if scenario.told.is_empty() { BEGIN } else { 0 });
                waited.push(complete.saturating_sub(since));
            }
        }
        waited.sort_unstable();
        let percentile = |of: usize| {
            let last = waited.len().saturating_sub(1);
            waited.get(last * of / 100).copied().unwrap_or_default()
        };
        let sum = |count: fn(&crate::altinn::App) -> u64| world.apps.iter().map(count).sum::<u64>();
        let asked = sum(|app| app.asked).max(1);
        let notes: u64 = world.notes.iter().map(|note| note.writes()).sum();
        let mut dead = world.queue.dead.clone();
        dead.retain(|relay| {
            world
                .ledger
                .record(*relay)
                .is_none_or(|it| it.state != State::Failed)
        });
        dead.sort_unstable();
        dead.dedup();
        let failed = world.ledger.count(State::Failed) + dead.len();
        let done = world.ledger.last_done.saturating_sub(BEGIN);
        Self {
            name: scenario.name,
            relays: scenario.relays,
            done: (world.open == 0 && failed == 0).then_some(done),
            floor: floor(scenario),
            messages: world.queue.sent as f64 / relays,
            turned_away: 100.0 * sum(|app| app.turned_away) as f64 / asked as f64,
            calls: world.calls as f64 / relays,
            writes: (world.ledger.writes + notes) as f64 / relays,
            in_flight: world.queue.most_in_flight,
            p50: percentile(50),
            p99: percentile(99),
            missed: world.reconcile.missed,
            falsely_missed: world.reconcile.falsely_missed,
            failed,
            doubled,
            lost,
            open: world.open,
        }
    }
}

/// When the last relay can be done at best: if each A were known at once, every B took all that it admits whenever it is up, and
/// every message of the containers' batches were always at work on one undisturbed relay.
///
/// Where answers are lost, the settling time is added, because nobody can know sooner that there is no B. After a
/// lost ledger, it is added as well, and the reading of the whole list.
pub fn floor(scenario: &Scenario) -> Ms {
    let mut slots: BinaryHeap<Reverse<Ms>> = BinaryHeap::new();
    slots.extend((0..scenario.concurrency * BATCH).map(|_| Reverse(0)));
    let mut next = vec![0.0_f64; scenario.apps.len()];
    let mut last = 0;
    let lists = scenario.relays as Ms / 1_000 * LIST_PAGE;
    for relay in 0..scenario.relays {
        if u64::from(relay % 100) < scenario.had_b {
            continue;
        }
        let route = scenario.route(relay);
        let app = &scenario.apps[route];
        let known = match scenario.told.first() {
            Some(after) => scenario.within * Ms::from(relay) / Ms::from(scenario.relays) + after,
            // Until then the former ledger's functions and B may still be at work.
            None => {
                SCHEDULE.max(length(LEASE + SETTLE))
                    + lists * Ms::from(relay) / Ms::from(scenario.relays)
            }
        };
        let idle = slots.pop().map_or(0, |Reverse(idle)| idle);
        let mut start = known.max(idle).max(next[route] as Ms);
        for out in [&app.down, &app.hangs].into_iter().flatten() {
            if out.contains(&start) {
                start = out.end;
            }
        }
        if let Some(per_second) = app.per_second {
            next[route] = next[route].max(start as f64) + 1_000.0 / f64::from(per_second);
        }
        let end = start + UNDISTURBED + app.takes;
        // While a B is out of order, its relays do not occupy anybody.
        slots.push(Reverse(
            end.min(known.max(idle) + UNDISTURBED + app.takes).max(idle),
        ));
        last = last.max(end);
    }
    last + length(SETTLE) * rounds(scenario)
}

/// How often in a row the unluckiest relay can be expected to wait for the settling time: one of ten answers is lost, and half of
/// those leave a B that must be deleted and created anew.
fn rounds(scenario: &Scenario) -> Ms {
    let loses = scenario.apps.iter().map(|app| app.loses).max().unwrap_or(0);
    let mut relays = u64::from(scenario.relays) * loses / 100;
    let mut rounds = 0;
    while relays > 0 {
        rounds += 1;
        relays = relays * loses / 200;
    }
    rounds
}

/// The goals: each figure, its bound, and whether it is kept.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |missed: bool| if missed { "!" } else { " " };
        let done = self.done.map_or_else(|| "never".to_owned(), time);
        let times = self.done.map(|done| done as f64 / self.floor.max(1) as f64);
        write!(
            f,
            "{:24} {:>9} {:>7} {:>8} {:>5}{} {:>5.2}{} {:>5.1}{} {:>6.2} {:>6.2} {:>7}{} {:>7} {:>7} {:>7}{} {:>6}{} {:>7}{} {:>5}{}",
            self.name,
            self.relays,
            time(self.floor),
            done,
            times.map_or_else(|| "-".to_owned(), |times| format!("{times:.2}")),
            mark(times.is_none_or(|times| times > 1.15)),
            self.messages,
            mark(self.messages > 1.1),
            self.turned_away,
            mark(self.turned_away > 3.0),
            self.calls,
            self.writes,
            self.in_flight,
            mark(self.in_flight > 20_000),
            time(self.p50),
            time(self.p99),
            self.falsely_missed,
            mark(self.falsely_missed > 0),
            self.failed,
            mark(self.failed > 0),
            self.doubled,
            mark(self.doubled > 0),
            self.lost + self.open,
            mark(self.lost + self.open > 0),
        )
    }
}

/// The head of the table, and its goals.
pub fn head() -> String {
    let head = |it: [&str; 16]| {
        format!(
            "{:24} {:>9} {:>7} {:>8} {:>5}  {:>5}  {:>5}  {:>6} {:>6} {:>7}  {:>7} {:>7} {:>7}  {:>6}  {:>7}  {:>5}",
            it[0],
            it[1],
            it[2],
            it[3],
            it[4],
            it[5],
            it[6],
            it[7],
            it[8],
            it[9],
            it[10],
            it[11],
            it[12],
            it[13],
            it[14],
            it[15],
        )
    };
    let titles = head([
        "", "A", "floor", "done", "ratio", "msgs", "ref.%", "calls", "writes", "flight", "p50",
        "p99", "missed", "failed", "doubled", "lost",
    ]);
    let goals = head([
        "goal", "", "", "", "1.15", "1.1", "3", "", "", "20000", "", "", "0", "0", "0", "0",
    ]);
    format!("{titles}\n{goals}")
}

/// A length of time in the unit that suits it.
fn time(length: Ms) -> String {
    if length >= HOUR {
        format!("{:.1} h", length as f64 / HOUR as f64)
    } else if length >= MINUTE {
        format!("{:.1} m", length as f64 / MINUTE as f64)
    } else {
        format!("{:.1} s", length as f64 / SECOND as f64)
    }
}
