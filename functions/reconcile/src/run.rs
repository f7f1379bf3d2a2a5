//! One run, as its jobs see it.

use std::time::Duration;

use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    relay::decide::Birth,
    route::Route,
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    altinn::Altinn, clock::Clock, ledger::Ledger, queue::Queue, settings::ReconcileSettings,
    telemetry::Trace,
};
use uuid::Uuid;

use crate::{error::RunError, time::earlier};

/// What every run works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) altinn: Altinn,
    pub(crate) ledger: Ledger,
    pub(crate) queue: Queue,
    pub(crate) settings: ReconcileSettings,
    /// How long B may still process a request that nobody waits for.
    pub(crate) settle: Duration,
    /// How long a claim lasts.
    pub(crate) lease: Duration,
    pub(crate) clock: Clock,
}

impl Context {
    /// When no function works with the former ledger any more.
    pub(crate) fn handed_over_after(&self, born: Timestamp) -> Timestamp {
        let birth = Birth {
            at: born,
            rebuilt_from: None,
        };
        birth.handed_over(self.lease)
    }

    /// When no B can come from the former ledger's functions any more.
    pub(crate) fn quiet_after(&self, birth: Birth) -> Timestamp {
        birth.quiet(self.lease, self.settle)
    }
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) context: &'a Context,
    /// Enqueues nothing, and keeps no position.
    pub(crate) dry_run: bool,
    /// Every message that was sent before this has been received.
    pub(crate) received: Timestamp,
    /// An A that changed at this moment or later is left to the triggers that are on their way.
    pub(crate) until: Timestamp,
    /// A B that changed at this moment or later is left to the next run.
    pub(crate) until_b: Timestamp,
    /// The id that its triggers carry.
    pub(crate) id: String,
    pub(crate) trace: Option<&'a Trace>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        context: &'a Context,
        received: Timestamp,
        dry_run: bool,
        trace: Option<&'a Trace>,
    ) -> Self {
        let before = |moment| {
            let until = earlier(moment, context.settings.grace);
            // Storage compares microseconds.
            Timestamp::from_microsecond(until.as_microsecond()).unwrap_or(until)
        };
        Self {
            context,
            dry_run,
            received,
            until: before(received),
            until_b: before(context.clock.now()),
            id: Uuid::new_v4().to_string(),
            trace,
        }
    }

    /// Enqueues a trigger for each of these A instances.
    pub(crate) async fn enqueue(
        &self,
        route: &Route,
        instances: &[InstanceId],
    ) -> Result<(), RunError> {
        if self.dry_run || instances.is_empty() {
            return Ok(());
        }
        let at = self.context.clock.now();
        let triggers: Vec<Trigger> = instances
            .iter()
            .map(|instance| {
                Trigger::new(
                    route.name.clone(),
                    *instance,
                    Cause::Reconcile,
                    self.id.clone(),
                    at,
                )
            })
            .collect();
        let trace = self.trace.map(Trace::as_str);
        Ok(self.context.queue.send(&triggers, trace).await?)
    }
}
