//! Counting the relays that are failed: they stay so until an operator redrives them.

use stafett_runtime::telemetry::Causes;

use crate::{
    route_run::{RouteRun, TurnEnd},
    run::Run,
};

/// A run counts no more pages, so that it ends however many there are: some 60,000 relays.
const PAGES: usize = 20;

/// Counts the failed relays of a route. A ledger that cannot be counted keeps the run from nothing else.
pub(crate) async fn count(run: &Run<'_>, route_run: &mut RouteRun<'_>) -> TurnEnd {
    let route = &route_run.route.name;
    match run.context.ledger.count_failed(route, PAGES).await {
        Ok(count) => route_run.report.still_failed = Some(count),
        Err(error) => {
            tracing::warn!(%route, reason = %Causes(&error), "the failed relays were not counted");
        }
    }
    TurnEnd::Finished
}
