//! Looking at what arrived: the first B of each version of the route and of B's schema, and a sample of the others.

use stafett_core::{
    arrival::{self, Arrival, Both},
    relay::{
        Reason, RelayId,
        decide::{Failure, NotReady, Verify, VerifyOutcome},
    },
    route::VerifyRule,
};
use stafett_runtime::{metrics, telemetry::Causes};

use super::RelayRun;
use crate::{
    arrivals::{Admission, Version},
    source::Ready,
};

/// Of the B that are not the first of their version, one in so many is compared.
const SAMPLE: u64 = 100;

impl RelayRun<'_> {
    /// Why no B of this route may be made, if the route is stopped.
    pub(super) async fn stopped(&self, ready: &Ready) -> Result<(), NotReady> {
        let Some(version) = self.version(ready) else {
            return Ok(());
        };
        let route = &self.route().name;
        let arrivals = self.delivery.context.arrivals.of(route);
        let ledger = &self.delivery.context.ledger;
        let now = self.delivery.context.clock.now();
        match arrivals.is_stopped(ledger, route, &version, now).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(NotReady::NotYet(Failure::new(Reason::RouteStopped))),
            // The first B of a version is compared in any case.
            Err(error) => {
                tracing::warn!(reason = %Causes(&error), "cannot tell whether the route is stopped");
                Ok(())
            }
        }
    }

    /// Waits for the comparison of another relay's B, if that is the first of its version. `Err` if the route was stopped
    /// meanwhile.
    pub(super) async fn admit(&mut self) -> Result<(), Failure> {
        let Some(version) = self.ready.as_ref().and_then(|ready| self.version(ready)) else {
            return Ok(());
        };
        let arrivals = self.delivery.context.arrivals.of(&self.route().name);
        match arrivals.admit(&version).await {
            Admission::Verified | Admission::Unread => {}
            Admission::First(guard) => self.first = Some(guard),
            Admission::Stopped => return Err(Failure::new(Reason::RouteStopped)),
        }
        Ok(())
    }

    /// Compares B's forms with the draft, if this B is one of those to look at.
    pub(super) async fn verify(&mut self, verify: &Verify) -> VerifyOutcome {
        let outcome = self.compared(verify).await;
        // The others may go on.
        self.first = None;
        outcome
    }

    async fn compared(&self, verify: &Verify) -> VerifyOutcome {
        let Some((ready, version)) = self
            .ready
            .as_ref()
            .and_then(|ready| Some((ready, self.version(ready)?)))
        else {
            return VerifyOutcome::Passed;
        };
        let is_looked_at = self.route().to.verify == VerifyRule::Always
            || verify.adopted
            || self.first.is_some()
            || is_sampled(&self.relay);
        if !is_looked_at {
            return VerifyOutcome::Passed;
        }
        let sent: Vec<_> = ready.checked.xml_forms().collect();
        let data_types: Vec<_> = sent.iter().map(|(form, _)| &*form.data_type).collect();
        let stored = self
            .altinn()
            .stored_forms(self.budget(), verify.id, &data_types)
            .await;
        let stored = match stored {
            Ok(stored) => stored,
            // The next B is the first one that is compared. Those that wait for this one are made without a comparison.
            Err(error) => {
                tracing::warn!(b = %verify.id, reason = %Causes(&error), "B's form was not compared");
                if self.first.is_some() {
                    let arrivals = self.delivery.context.arrivals.of(&self.route().name);
                    arrivals.unread();
                }
                return VerifyOutcome::Passed;
            }
        };
        let both = sent.iter().zip(&stored).map(|((form, sent), stored)| Both {
            form: &form.field,
            sent,
            stored,
        });
        let arrival = match arrival::compare_all(both) {
            Ok(arrival) => arrival,
            Err(error) => {
                tracing::warn!(b = %verify.id, reason = %error, "B's form was not compared");
                // Nor will the next one be: the others need not wait for it.
                let arrivals = self.delivery.context.arrivals.of(&self.route().name);
                arrivals.verified(version);
                return VerifyOutcome::Passed;
            }
        };
        self.judge(verify, version, &arrival).await
    }

    async fn judge(&self, verify: &Verify, version: Version, arrival: &Arrival) -> VerifyOutcome {
        let context = self.delivery.context;
        let route = &self.route().name;
        let arrivals = context.arrivals.of(route);
        let is_whole = arrival.missing.is_empty();
        // A B that was found may be of an earlier version: it says nothing of the next ones.
        let stops = !is_whole && !verify.adopted;
        metrics::Arrived {
            route,
            changed: arrival.changed,
            stopped: stops,
        }
        .emit(context.clock.now());
        if is_whole {
            if !verify.adopted {
                arrivals.verified(version);
            }
            return VerifyOutcome::Passed;
        }
        tracing::error!(b = %verify.id, fields = %arrival, stops, "B lacks fields that were sent");
        if stops {
            if let Err(error) = context.ledger.stop(route, &version.0).await {
                tracing::error!(reason = %Causes(&error), "other containers do not know that the route is stopped");
            }
            arrivals.stop(version, context.clock.now());
        }
        let failure = Failure::new(Reason::ArrivedDifferently);
        VerifyOutcome::Lacking(failure.because(format!("B lacks {arrival}")))
    }

    /// The version to compare under; `None` where nothing is compared.
    fn version(&self, ready: &Ready) -> Option<Version> {
        let is_compared =
            self.route().to.verify != VerifyRule::Never && !ready.checked.is_prefill();
        is_compared.then(|| ready.version.clone())
    }
}

/// The sample is the same, whichever container asks.
fn is_sampled(relay: &RelayId) -> bool {
    // GUIDs of version 4 are random in their low bits.
    relay.guid().as_u64_pair().1.is_multiple_of(SAMPLE)
}
