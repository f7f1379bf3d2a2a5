//! The ledger: a DynamoDB table with conditional writes, and the index of what is due.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use jiff::Timestamp;
use stafett_core::relay::{
    Record, State,
    decide::{Put, PutOutcome},
};

use crate::time::{Ms, ms};

/// The records, by relay.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: HashMap<u32, Row>,
    /// What is due when, by route.
    due: BTreeSet<(u16, Ms, u32)>,
    /// How many writes there were, also those whose condition failed: DynamoDB charges both.
    pub writes: u64,
    /// When a relay was last found done.
    pub last_done: Ms,
}

#[derive(Debug)]
struct Row {
    record: Box<Record>,
    route: u16,
    due: Option<Ms>,
}

impl Ledger {
    /// The record of a relay.
    pub fn record(&self, relay: u32) -> Option<&Record> {
        self.rows.get(&relay).map(|row| &*row.record)
    }

    /// Writes what the core says, if the ledger still has the revision that it replaces.
    pub fn put(&mut self, relay: u32, route: u16, put: &Put, now: Ms) -> PutOutcome {
        if self.write(relay, route, put.record.clone(), put.replaces, put.due) {
            if put.record.state == State::Done {
                self.last_done = now;
            }
            return PutOutcome::Written;
        }
        let seen = self.record(relay).cloned();
        PutOutcome::Conflict(seen.map(Box::new))
    }

    /// Writes `record`, if the ledger still has the revision that it replaces.
    pub fn write(
        &mut self,
        relay: u32,
        route: u16,
        record: Box<Record>,
        replaces: Option<u64>,
        due: Option<Timestamp>,
    ) -> bool {
        self.writes += 1;
        if self.record(relay).map(|record| record.rev) != replaces {
            return false;
        }
        let due = due.map(ms);
        let row = Row { record, route, due };
        if let Some(due) = self.rows.insert(relay, row).and_then(|row| row.due) {
            self.due.remove(&(route, due, relay));
        }
        self.due.extend(due.map(|due| (route, due, relay)));
        true
    }

    /// The relays of a route that are due, the earliest first, `most` at most.
    pub fn due(&self, route: u16, now: Ms, most: usize) -> Vec<u32> {
        let range: RangeInclusive<_> = (route, 0, 0)..=(route, now, u32::MAX);
        let due = self.due.range(range).take(most);
        due.map(|(_, _, relay)| *relay).collect()
    }

    /// Moves the moment at which a relay is due.
    pub fn postpone(&mut self, relay: u32, until: Ms) {
        self.writes += 1;
        if let Some(row) = self.rows.get_mut(&relay)
            && let Some(due) = row.due.replace(until)
        {
            self.due.remove(&(row.route, due, relay));
            self.due.insert((row.route, until, relay));
        }
    }

    /// How many records have this state.
    pub fn count(&self, state: State) -> usize {
        let states = self.rows.values().map(|row| row.record.state);
        states.filter(|it| *it == state).count()
    }
}
