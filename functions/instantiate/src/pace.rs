//! The pace towards each B app, as this container keeps it, and the breakers that all containers share.
//!
//! A container reads the note of a B app before its first relay, and then every half minute beside a relay. Only while
//! something is wrong with B does a relay wait for a read.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use jiff::Timestamp;
use stafett_core::{
    id::AppId,
    pace::{Limits, Load},
    route::{PaceRule, Routes, Target},
};
use stafett_runtime::{clock::Clock, ledger::Ledger};

mod of_b;

pub(crate) use of_b::PaceOfB;

/// The paces of all B apps that the routes name.
#[derive(Debug)]
pub(crate) struct Paces(HashMap<AppId, Arc<PaceOfB>>);

/// Whether a relay may go on.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// It may.
    Turn(Turn),
    /// It may not send a request to B before this moment.
    Quiet(Timestamp),
}

/// A relay's turn. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<PaceOfB>,
    /// It is the probe, and its outcome is not known.
    probe: bool,
    used: bool,
}

impl Paces {
    /// The paces for these routes, in one of so many containers at most.
    pub(crate) fn new(routes: &Routes, containers: u32, ledger: &Ledger, clock: &Clock) -> Self {
        let mut targets: HashMap<AppId, Vec<&Target>> = HashMap::new();
        for route in routes.iter() {
            let app = route.to.app.clone();
            targets.entry(app).or_default().push(&route.to);
        }
        let of = |(app, targets): (AppId, Vec<&Target>)| {
            let set: Vec<PaceRule> = targets.iter().filter_map(|target| target.pace).collect();
            let limits = limits(&set, containers);
            let of = PaceOfB::new(app.clone(), limits, ledger.clone(), clock.clone());
            (app, Arc::new(of))
        };
        Self(targets.into_iter().map(of).collect())
    }

    /// The pace towards an app that a deployed route names.
    pub(crate) fn of(&self, app: &AppId) -> Option<&Arc<PaceOfB>> {
        self.0.get(app)
    }
}

/// A container's share of what the routes to one B set: of several, the lowest.
fn limits(set: &[PaceRule], containers: u32) -> Limits {
    let containers = containers.max(1);
    let per_second = set.iter().filter_map(|pace| pace.per_second).min();
    let at_once = set.iter().filter_map(|pace| pace.at_once).min();
    if per_second.is_none() && at_once.is_none() {
        return Limits::Found { first: None };
    }
    Limits::Set {
        per_second: per_second.map(|all| f64::from(all) / f64::from(containers)),
        at_once: at_once.map(|all| (all / containers).max(1)),
    }
}

impl Turn {
    /// Whether the breaker has opened since the turn was given.
    pub(crate) fn is_over(&self) -> bool {
        !self.probe && self.of.is_open()
    }

    /// The relay has waited for something else since its turn came: it takes another one, so that all those that waited
    /// for the same do not ask B at once. Returns whether that one comes within `left`.
    pub(crate) async fn renewed(&self, waited: Duration, left: Duration) -> bool {
        self.probe || waited < self.of.interval() || self.of.another_turn(left).await
    }

    /// Takes in what an answer of B says of its load.
    pub(crate) async fn answered(&mut self, load: Load, took: Duration) {
        self.used = true;
        let probe = self.probe;
        if load != Load::Unknown {
            self.probe = false;
        }
        self.of.answered(load, took, probe).await;
    }

    /// The relay's work is over. If it was the probe and did not ask B, the next relay is.
    pub(crate) async fn end(mut self) {
        if mem::take(&mut self.probe) {
            self.of.unasked().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of.over(!self.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_keeps_to_its_share_of_the_lowest_pace_that_routes_set() {
        let rule = |per_second, at_once| PaceRule {
            per_second,
            at_once,
        };
        let (fast, slow) = (rule(Some(20), Some(3)), rule(Some(10), None));
        assert_eq!(
            limits(&[fast, slow], 4),
            Limits::Set {
                per_second: Some(2.5),
                at_once: Some(1),
            }
        );
        assert_eq!(limits(&[], 4), Limits::Found { first: None });
    }
}
