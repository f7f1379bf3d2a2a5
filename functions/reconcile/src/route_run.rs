//! One route within a run.

use std::collections::BTreeSet;

use stafett_core::{id::InstanceId, route::Route};
use stafett_runtime::altinn::Budget;

use crate::response::Report;

/// One route within a run.
pub(crate) struct RouteRun<'a> {
    pub(crate) route: &'a Route,
    pub(crate) budget: Budget,
    pub(crate) report: Report,
    /// What a dry run has found. It puts nothing on record, and finds it again in the next list.
    pub(crate) found_dry: BTreeSet<InstanceId>,
}

impl<'a> RouteRun<'a> {
    pub(crate) fn new(route: &'a Route, budget: Budget) -> Self {
        Self {
            route,
            budget,
            report: Report::new(route.name.clone()),
            found_dry: BTreeSet::new(),
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
