//! Relays that stand still: nobody works on them, and no message of them is on its way.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use stafett_core::relay::State;
use stafett_runtime::ledger::{DueKey, RelayStatus};

use crate::{
    run::{Progress, Run, Work},
    time::Share,
    trouble::Trouble,
};

/// How long a relay that was enqueued is given before it counts as standing still again.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Writes to the ledger at the same time.
const WRITES_AT_ONCE: usize = 8;

/// The list of them, from where it was left.
#[derive(Debug, Default)]
pub(crate) struct DueRelays {
    next: Option<DueKey>,
}

impl DueRelays {
    /// Enqueues page after page.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        work: &mut Work<'_>,
        share: &mut Share<'_>,
    ) -> Result<Progress, Trouble> {
        while share.admits_a_page(Instant::now()) {
            let began = Instant::now();
            let now = run.parts.clock.now();
            let (relays, next) = run
                .parts
                .ledger
                .due(&work.route.name, now, self.next.take())
                .await?;
            wake(run, work, &relays).await?;
            share.spent(began.elapsed());
            match next {
                None => return Ok(Progress::Finished),
                some => self.next = some,
            }
        }
        Ok(Progress::Cut)
    }
}

/// Enqueues relays that the ledger has, counts them, and has them left alone for a while. In this order: a
/// crash in between enqueues them twice, not never.
pub(crate) async fn wake(
    run: &Run<'_>,
    work: &mut Work<'_>,
    relays: &[RelayStatus],
) -> Result<(), Trouble> {
    let sources: Vec<_> = relays.iter().map(|relay| relay.source).collect();
    run.enqueue(work.route, &sources).await?;
    for relay in relays {
        let due = &mut work.report.due;
        match relay.state {
            State::Claimed => due.claimed += 1,
            State::Waiting => due.waiting += 1,
            State::Created => due.created += 1,
            // Finished after the index was read.
            State::Done | State::Failed => {}
        }
    }
    if run.dry_run {
        return Ok(());
    }
    let again = run.parts.clock.now();
    let again = again.checked_add(PATIENCE).unwrap_or(again);
    // Collected: a closure in the stream would bind the future to one thread.
    let writes: Vec<_> = relays
        .iter()
        .map(|relay| run.parts.ledger.postpone(relay, again))
        .collect();
    stream::iter(writes)
        .buffer_unordered(WRITES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(())
}
