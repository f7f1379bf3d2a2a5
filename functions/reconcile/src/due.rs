//! Relays that stand still: nobody works on them, and no message of them is on its way.

use std::{mem, time::Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use stafett_core::{
    pace::BreakerState,
    reconcile::waits_in_queue,
    relay::{State, decide::TOLD_FOR},
};
use stafett_runtime::ledger::{DueKey, RelayStatus};

use crate::{
    error::RunError,
    route_run::{RouteRun, TurnEnd},
    run::Run,
    time::Share,
};

/// Writes to the ledger at the same time.
const WRITES_AT_ONCE: usize = 8;

/// The relays that stand still, page by page.
#[derive(Debug, Default)]
pub(crate) struct DueRelays {
    next: Option<DueKey>,
    /// A relay has been enqueued that finds out whether B is up again.
    probed: bool,
}

impl DueRelays {
    /// Enqueues page after page, from where the last turn ended.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
    ) -> Result<TurnEnd, RunError> {
        while share.admits_a_page(Instant::now()) {
            let began = Instant::now();
            let now = run.context.clock.now();
            let (relays, next) = run
                .context
                .ledger
                .due(&route_run.route.name, now, self.next.take())
                .await?;
            let relays = self.without_those_for_a_b_that_is_down(run, route_run, relays);
            wake(run, route_run, &relays.await?).await?;
            share.spent(began.elapsed());
            match next {
                None => return Ok(TurnEnd::Finished),
                some => self.next = some,
            }
        }
        Ok(TurnEnd::ShareUsed)
    }

    /// While B's breaker is open, one of the relays that wait is enqueued. The others stay due, so that no message is sent
    /// for them before B answers.
    async fn without_those_for_a_b_that_is_down(
        &mut self,
        run: &Run<'_>,
        route_run: &RouteRun<'_>,
        mut relays: Vec<RelayStatus>,
    ) -> Result<Vec<RelayStatus>, RunError> {
        let waits = |relay: &RelayStatus| matches!(relay.state, State::Told | State::Waiting);
        if !relays.iter().any(waits) {
            return Ok(relays);
        }
        let note = run.context.ledger.pace(&route_run.route.to.app).await?;
        if note.is_none_or(|note| note.state == BreakerState::Closed) {
            return Ok(relays);
        }
        relays.retain(|relay| !waits(relay) || !mem::replace(&mut self.probed, true));
        Ok(relays)
    }
}

/// Enqueues relays that are due, counts them, and then postpones them in the ledger. In this order a crash in between
/// enqueues them twice, not never.
async fn wake(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    relays: &[RelayStatus],
) -> Result<(), RunError> {
    let lost = |it: &&RelayStatus| !waits_in_queue(it.state, it.updated, run.received);
    let sources: Vec<_> = relays.iter().filter(lost).map(|it| it.source).collect();
    run.enqueue(route_run.route, &sources).await?;
    for relay in relays.iter().filter(lost) {
        let due = &mut route_run.report.due;
        match relay.state {
            State::Claimed => due.claimed += 1,
            State::Told => due.told += 1,
            State::Waiting => due.waiting += 1,
            State::Created => due.created += 1,
            // It was finished after the index was read.
            State::Done | State::Failed => {}
        }
    }
    if run.dry_run {
        return Ok(());
    }
    let again = run.context.clock.now();
    let again = again.checked_add(TOLD_FOR).unwrap_or(again);
    // Collected first, because a closure in the stream would bind the future to one thread.
    let writes: Vec<_> = relays
        .iter()
        .map(|relay| run.context.ledger.postpone(relay, again))
        .collect();
    stream::iter(writes)
        .buffer_unordered(WRITES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(())
}
