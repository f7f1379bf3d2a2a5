//! `reconcile`: every five minutes it looks for relays that stand still and for A without a relay.
//!
//! Its jobs take turns as in functions/reconcile: what is due, the A that changed, once an hour the A that ended lately, and the B
//! that changed. A page costs the time that Storage, DynamoDB and the queue take; what time is left when a run ends is left to the
//! next.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use stafett_core::{
    reconcile::{Open, is_all_but_empty, received_until, waits_in_queue},
    relay::{
        Holder, Record, State,
        decide::{Birth, OnRecord, Rebuild, Standing, TOLD_FOR},
    },
};
use uuid::Uuid;

use crate::{
    altinn::id,
    scenario::Scenario,
    time::{BEGIN, DAY, HOUR, Ms, SECOND, length, moment, ms},
    workers::target,
    world::{Event, LEASE, SETTLE, World},
};

/// A run's time: the template's `Timeout` without what the function needs at the end (functions/reconcile: `CLOSING`).
const RUN: Ms = 290 * SECOND;
/// `STAFETT_RECONCILE_GRACE_SECONDS` and `STAFETT_RECONCILE_OVERLAP_SECONDS`.
const GRACE: Ms = 600 * SECOND;
const OVERLAP: Ms = 600 * SECOND;
/// Instances on a page of Storage's lists (shared/runtime: `PAGE_SIZE`).
const PAGE: usize = 1_000;
/// Relays on a page of what is due (shared/runtime/src/ledger: `BATCH`).
const DUE_PAGE: usize = 100;
/// How long a relay that was enqueued is given.
const PATIENCE: Ms = TOLD_FOR.as_secs() * SECOND;
/// How often the list of what ended lately is read, and how far it goes back.
const WHOLE_EVERY: Ms = HOUR;
const ENDED_WITHIN: Ms = 6 * DAY;
/// A page of Storage's list (wire-protocol 5.6: 12 to 130 ms on Storage's side) with 1.2 MB to transfer, and ten BatchGetItem.
pub const LIST_PAGE: Ms = 500;
/// Judging a B: its instance, its process and the write of its record; eight are judged at the same time.
const JUDGE: Ms = 110;
/// A query of the index.
const QUERY: Ms = 20;
/// A SendMessageBatch of ten.
const SEND: Ms = 15;
/// Eight updates at a time.
const UPDATES: Ms = 10;

/// `reconcile` as it looks after one deployment.
#[derive(Debug)]
pub struct Reconcile {
    runs: VecDeque<Job>,
    ends: Ms,
    running: bool,
    turn_ends: Ms,
    /// By route: the end of the last window of changes, and of the last whole list.
    positions: HashMap<usize, Position>,
    /// A that were enqueued because they had no relay.
    pub missed: u64,
    /// Those of them whose message was in the queue.
    pub falsely_missed: u64,
    /// When the queue was last seen all but empty.
    noted: Option<Timestamp>,
    /// What was sent before this has been received.
    received: Timestamp,
}

impl Default for Reconcile {
    /// A deployment that has run for long, and whose queue was empty until now.
    fn default() -> Self {
        Self {
            runs: VecDeque::new(),
            ends: 0,
            running: false,
            turn_ends: 0,
            positions: HashMap::new(),
            missed: 0,
            falsely_missed: 0,
            noted: Some(moment(BEGIN)),
            received: moment(BEGIN),
        }
    }
}

#[derive(Debug, Default, Clone)]
struct Position {
    until: Ms,
    whole: Ms,
    stopped: [Option<Window>; 2],
    /// Where the list of B goes on.
    stamps: Ms,
    /// How far the ledger is rebuilt, and the walk that is under way.
    rebuilt: Option<Ms>,
    rebuild: Option<Walk>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    next: u32,
    end: u32,
    until: Ms,
}

/// A walk through the B of a route.
#[derive(Debug, Clone, Copy)]
struct Walk {
    next: usize,
    until: Ms,
    began: Ms,
}

#[derive(Debug, Clone, Copy)]
struct Job {
    route: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Due,
    Changes,
    Ended,
    Stamps,
    Rebuild,
}

impl Scenario {
    /// The route of a relay.
    pub fn route(&self, relay: u32) -> usize {
        relay as usize % self.apps.len()
    }
}

impl World {
    /// A run begins.
    pub fn begin_run(&mut self) {
        if self.reconcile.running {
            return;
        }
        // Until the ledger is rebuilt, nothing else is of use.
        let kinds: &[Kind] = match self.birth {
            Some(birth) if birth.rebuilt_from.is_none() => &[Kind::Rebuild],
            _ => &[Kind::Due, Kind::Changes, Kind::Ended, Kind::Stamps],
        };
        let routes = 0..self.apps.len();
        self.reconcile.runs = routes
            .flat_map(|route| kinds.iter().map(move |kind| Job { route, kind: *kind }))
            .collect();
        self.reconcile.ends = self.now + RUN;
        self.reconcile.running = true;
        let now = self.moment();
        self.reconcile.received = if is_all_but_empty(self.queue.visible() as u64) {
            self.reconcile.noted = Some(now);
            now
        } else {
            received_until(self.reconcile.noted, now)
        };
        self.begin_turn();
        self.schedule.at(self.now, Event::Page);
    }

    fn begin_turn(&mut self) {
        let jobs = self.reconcile.runs.len() as Ms;
        let left = self.reconcile.ends.saturating_sub(self.now);
        self.reconcile.turn_ends = self.now + left / jobs.max(1);
    }

    /// Reads the next page.
    pub fn next_page(&mut self) {
        if self.now >= self.reconcile.ends {
            self.reconcile.running = false;
            return;
        }
        let Some(job) = self.reconcile.runs.front().copied() else {
            self.reconcile.running = false;
            return;
        };
        let (took, finished) = match job.kind {
            Kind::Due => self.due_page(job.route),
            Kind::Changes => self.list_page(job.route, false),
            Kind::Ended => self.list_page(job.route, true),
            Kind::Stamps => self.stamps_page(job.route),
            Kind::Rebuild => self.rebuild_page(job.route),
        };
        self.now += took;
        if finished {
            self.reconcile.runs.pop_front();
            self.begin_turn();
        } else if self.now >= self.reconcile.turn_ends {
            self.reconcile.runs.rotate_left(1);
            self.begin_turn();
        }
        let at = self.now;
        self.now -= took;
        self.schedule.at(at, Event::Page);
    }

    fn due_page(&mut self, route: usize) -> (Ms, bool) {
        let is_down = self.notes[route].quiet_until().is_some();
        let route = u16::try_from(route).unwrap_or_default();
        if is_down {
            return (self.probe(route), true);
        }
        let due = self.ledger.due(route, self.now, DUE_PAGE);
        for relay in &due {
            let record = self.ledger.record(*relay);
            let lost = |record: &Record| {
                !waits_in_queue(record.state, record.updated, self.reconcile.received)
            };
            if record.is_some_and(lost) {
                self.send(*relay);
            }
            self.ledger.postpone(*relay, self.now + PATIENCE);
        }
        let number = due.len() as Ms;
        let took = QUERY + number.div_ceil(10) * SEND + number.div_ceil(8) * UPDATES;
        (took, due.len() < DUE_PAGE)
    }

    /// While B is down, one of the relays that wait for it is enqueued, and the others stay due. Returns the time that it takes
    /// to read what is due.
    fn probe(&mut self, route: u16) -> Ms {
        let due = self.ledger.due(route, self.now, usize::MAX);
        let waits = |relay: &&u32| {
            let record = self.ledger.record(**relay);
            record.is_some_and(|it| matches!(it.state, State::Told | State::Waiting))
        };
        if let Some(relay) = due.iter().find(waits).copied() {
            self.send(relay);
            self.ledger.postpone(relay, self.now + PATIENCE);
        }
        QUERY * (due.len() / DUE_PAGE + 1) as Ms
    }

    fn list_page(&mut self, route: usize, ended: bool) -> (Ms, bool) {
        let routes = self.apps.len() as u32;
        let mut position = self.reconcile.positions.entry(route).or_default().clone();
        let kind = usize::from(ended);
        let until = ms(self.reconcile.received) - GRACE;
        let window = match position.stopped[kind] {
            Some(window) => window,
            None if ended && position.whole + WHOLE_EVERY > until => {
                return (0, true);
            }
            None => {
                let since = if self.scenario.had_b > 0 {
                    BEGIN - 310 * DAY
                } else {
                    BEGIN - DAY
                };
                let from = if ended {
                    let last = if position.whole == 0 {
                        until
                    } else {
                        position.whole
                    };
                    last - ENDED_WITHIN
                } else {
                    position.until.saturating_sub(OVERLAP).max(since)
                };
                Window {
                    next: self.first_ready(from),
                    end: self.first_ready(until),
                    until,
                }
            }
        };
        let mut sent = 0;
        let mut relay = window.next;
        let mut listed = 0;
        self.calls += 1;
        while relay < window.end && listed < PAGE {
            if relay % routes == route as u32 {
                listed += 1;
                let record = self.ledger.record(relay);
                let record = record.map(|record| (record.state, record.reason));
                if Open::of(record) == Open::Missing {
                    self.reconcile.missed += 1;
                    let waits = self.messages[relay as usize] > 0;
                    self.reconcile.falsely_missed += u64::from(waits);
                    self.tell_of(relay);
                    sent += 1;
                }
            }
            relay += 1;
        }
        let finished = relay >= window.end;
        if finished {
            position.stopped[kind] = None;
            if ended {
                position.whole = window.until;
            } else {
                position.until = window.until;
            }
        } else {
            position.stopped[kind] = Some(Window {
                next: relay,
                ..window
            });
        }
        self.reconcile.positions.insert(route, position);
        let sent: Ms = sent;
        (LIST_PAGE + sent.div_ceil(10) * SEND, finished)
    }

    /// A page of the B that the former ledger may have known: those that this one does not know are judged, and put on record.
    fn rebuild_page(&mut self, route: usize) -> (Ms, bool) {
        let Some(birth) = self.birth else {
            return (0, true);
        };
        let quiet = ms(birth.quiet(LEASE, SETTLE));
        let position = self.reconcile.positions.entry(route).or_default();
        let mut walk = position.rebuild.take().unwrap_or_else(|| {
            let at_work = length(LEASE) + length(SETTLE) + OVERLAP;
            let from = position.rebuilt.map(|last| last.min(BEGIN) - at_work);
            Walk {
                next: self.apps[route].created_before(from.unwrap_or(0)),
                until: self.now.min(quiet),
                began: self.now,
            }
        });
        let page = self.apps[route]
            .listed(walk.next, walk.until, PAGE)
            .to_vec();
        walk.next += page.len();
        let mut judged = 0;
        for (created, relay) in &page {
            judged += Ms::from(self.rebuild(route, *relay, *created, birth.at));
        }
        // Each costs the instance and its process, and a write.
        self.calls += 1 + 2 * judged;
        let took = LIST_PAGE + judged.div_ceil(8) * JUDGE;
        let position = self.reconcile.positions.entry(route).or_default();
        if page.len() == PAGE {
            position.rebuild = Some(walk);
            return (took, false);
        }
        position.rebuilt = Some(walk.until);
        if walk.began >= quiet {
            let rebuilt_from = Some(moment(0));
            self.birth = Some(Birth {
                rebuilt_from,
                ..birth
            });
        }
        (took, true)
    }

    /// Puts a B on record that the ledger does not know. Returns whether it had to.
    fn rebuild(&mut self, route: usize, relay: u32, created: Ms, born: Timestamp) -> bool {
        let rebuild = Rebuild {
            b: id(relay, 0),
            app: target(route),
            created: moment(created),
            born,
            lease: LEASE,
            settle: SETTLE,
            after_steps: false,
        };
        let on_record = self.ledger.record(relay).map(|record| OnRecord {
            rev: record.rev,
            state: record.state,
            instance: record.instance,
            first: record.first,
            updated: record.updated,
        });
        let now = self.moment();
        if rebuild.standing(on_record.as_ref(), now) != Standing::Unknown {
            return false;
        }
        let holder = Holder(Uuid::nil());
        let (record, due) = rebuild.record(true, on_record.as_ref(), holder, now);
        let after = record.state;
        let route = u16::try_from(route).unwrap_or_default();
        let replaces = on_record.map(|it| it.rev);
        if self
            .ledger
            .write(relay, route, Box::new(record), replaces, due)
        {
            self.count_open(on_record.map(|it| it.state), after);
        }
        true
    }

    /// A page of the B that were created since the last one. Nothing is done about them: the simulation itself counts doubles.
    fn stamps_page(&mut self, route: usize) -> (Ms, bool) {
        self.calls += 1;
        let until = self.now - GRACE;
        let position = self.reconcile.positions.entry(route).or_default();
        let from = position.stamps.max(BEGIN);
        let page = self.apps[route].page(from, until, PAGE);
        position.stamps = page.unwrap_or(until.saturating_sub(OVERLAP));
        (LIST_PAGE, page.is_none())
    }

    /// Puts a relay without a record on record as told, and enqueues it.
    fn tell_of(&mut self, relay: u32) {
        let now = self.moment();
        let record = Record {
            rev: 1,
            state: State::Told,
            holder: Holder(Uuid::nil()),
            lease_until: now,
            not_before: None,
            sent: None,
            first: now,
            attempts: 0,
            targets: BTreeSet::new(),
            instance: None,
            reason: None,
            detail: None,
            updated: now,
        };
        let due = moment(self.now + PATIENCE);
        let route = u16::try_from(self.scenario.route(relay)).unwrap_or_default();
        if self
            .ledger
            .write(relay, route, Box::new(record), None, Some(due))
        {
            self.send(relay);
        }
    }

    /// The first A that became ready at this time or later.
    fn first_ready(&self, at: Ms) -> u32 {
        let (mut low, mut high) = (0, self.scenario.relays);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ready(middle) < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
