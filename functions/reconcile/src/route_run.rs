//! One route within a run.

use stafett_core::route::Route;
use stafett_runtime::altinn::Budget;

use crate::{response::Report, told::Told};

/// One route within a run.
pub(crate) struct RouteRun<'a> {
    pub(crate) route: &'a Route,
    pub(crate) budget: Budget,
    pub(crate) report: Report,
    /// The A instances that were enqueued lately.
    pub(crate) told: Told,
}

impl<'a> RouteRun<'a> {
    pub(crate) fn new(route: &'a Route, budget: Budget) -> Self {
        Self {
            route,
            budget,
            report: Report::new(route.name.clone()),
            told: Told::new(&route.name),
        }
    }
}

/// Why a job's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// The job is finished.
    Finished,
    /// The job has used its share of the time, and goes on at its next turn.
    ShareUsed,
    /// The job goes on in a later run.
    Later,
}
