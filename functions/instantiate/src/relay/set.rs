//! The relays of one A instance: one for each value of the route's `each`.

use std::{collections::BTreeSet, sync::PoisonError};

use futures_util::{StreamExt, future::BoxFuture, stream};
use stafett_core::{
    id::InstanceId,
    relay::{
        RelayId, State,
        decide::{Disposition, NotReady, Read, SetOutcome},
    },
};
use stafett_runtime::telemetry::Causes;

use super::{Delivery, RelayRun};
use crate::source::{Ready, Share};

/// How many relays of one A instance are worked on at the same time.
const RELAYS_AT_ONCE: usize = 4;

impl<'a> Delivery<'a> {
    /// Works on one of several relays of an A instance that has been read. Boxed, because the run of the set's relay
    /// contains it.
    fn run_of_set(
        self,
        relay: RelayId,
        source: InstanceId,
        ready: Result<Ready, NotReady>,
    ) -> BoxFuture<'a, (Disposition, Option<State>)> {
        Box::pin(self.run(relay, source, Some(ready)))
    }
}

impl RelayRun<'_> {
    /// Runs one relay per value of `each`, some at a time.
    pub(super) async fn run_set(&mut self, read: &Read, shares: Vec<Share>) -> SetOutcome {
        let handed = self.delivery.handed.lock();
        *handed.unwrap_or_else(PoisonError::into_inner) = self.turn.take();
        let keyed: Vec<(RelayId, Share)> = shares
            .into_iter()
            .map(|share| {
                let key = share.key.as_deref().unwrap_or_default();
                (
                    RelayId::keyed(self.route().name.clone(), self.source, key),
                    share,
                )
            })
            .collect();
        if read.claim().rev > 1 {
            self.report_vanished(keyed.iter().map(|(relay, _)| relay))
                .await;
        }
        let runs = keyed.into_iter().map(|(relay, share)| {
            self.delivery
                .clone()
                .run_of_set(relay, self.source, share.ready)
        });
        let ends: Vec<_> = stream::iter(runs)
            .buffer_unordered(RELAYS_AT_ONCE)
            .collect()
            .await;
        let handed = self.delivery.handed.lock();
        self.turn = handed.unwrap_or_else(PoisonError::into_inner).take();
        SetOutcome::sum(ends)
    }

    /// Reports the relays of earlier attempts whose value of `each` is gone. Their B is not undone.
    async fn report_vanished(&self, now: impl Iterator<Item = &RelayId>) {
        let now: BTreeSet<String> = now.map(RelayId::sort_key).collect();
        match self.delivery.context.ledger.of_route(&self.relay).await {
            Ok(earlier) => {
                for sort_key in earlier.into_iter().filter(|key| !now.contains(key)) {
                    if sort_key != self.relay.sort_key() {
                        tracing::warn!(
                            vanished = sort_key,
                            "a value of `each` is gone that an earlier attempt relayed; its B stays as it is"
                        );
                    }
                }
            }
            Err(error) => {
                tracing::warn!(reason = %Causes(&error), "cannot tell whether a value of `each` is gone");
            }
        }
    }
}
