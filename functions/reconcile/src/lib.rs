//! The Lambda function `reconcile`: finds what no trigger told of, and enqueues it.
//!
//! Altinn reports an instance at most once: its events are off by default, are sent only after the state
//! was saved, and are given up after some two days (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/
//! Events/EventsClient.cs; Altinn/altinn-events: src/Events.Functions/). So a schedule looks after each route as
//! well, in three steps. Before them, it fills a ledger that is new, emptied or restored from the stamps on B.
//!
//! 1. relays in the ledger that stand still: nobody works on them, and no message of them is on its way;
//! 2. instances of A whose gate is open and that have no relay, as Storage lists them: as they change, and once an
//!    hour by lists that do not depend on Storage's time of the last change;
//! 3. instances of B that carry the route's stamp: two live ones of one relay, one that is gone, one whose
//!    stamp was overwritten. Where B's app has deleted one by itself, its relay is opened again.
//!
//! Whatever it finds, it enqueues. Before it enqueues an A without a record, it puts the relay on record as told, so that
//! the next run does not enqueue it once more while its message still waits in the queue. It never creates a B, and what it
//! enqueues twice is relayed once.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::Value;
use stafett_core::route::{Route, Routes};
use stafett_runtime::{
    altinn::Connection,
    clock::Clock,
    invocation::Invocation,
    ledger::Ledger,
    metrics,
    queue::Queue,
    settings::{Environment, LedgerSettings, QueueSettings, ReconcileSettings, RouteSettings},
    start::StartError,
    telemetry::Causes,
};

mod backlog;
mod due;
mod error;
mod instances;
mod jobs;
mod listing;
mod pace;
mod page;
mod pass;
mod position;
mod rebuild;
mod request;
mod response;
mod route_run;
mod run;
mod status;
mod still_failed;
mod time;
mod vanished;

pub use self::{
    pace::{PaceStatus, paces},
    request::RequestError,
    response::{Answer, Doubled, Due, HandleError, InstanceSummary, Report, Response},
    status::{LedgerStatus, RebuildStatus, RouteStatus, Status},
};
use self::{
    request::{Action, Request},
    run::{Context, Run},
};

/// What the function needs after its last page, to keep its positions and to answer.
pub const CLOSING: Duration = Duration::from_secs(10);

/// The function with its dependencies.
#[derive(Debug)]
pub struct Reconcile {
    routes: Routes,
    context: Context,
}

impl Reconcile {
    /// Builds the function from its settings.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let connection = Connection::read(environment)?;
        let ledger = LedgerSettings::read(environment)?;
        let queue = Queue::new(aws, &QueueSettings::read(environment)?);
        let settings = ReconcileSettings::read(environment)?;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self {
            routes,
            context: Context {
                altinn: connection.open(aws, clock.clone()).await?,
                ledger: Ledger::new(aws, &ledger),
                queue,
                settings,
                settle: ledger.settle,
                lease: ledger.lease,
                clock,
            },
        })
    }

    /// Does what the event asks for: looks after the routes, or tells how far the ledger is.
    ///
    /// # Errors
    /// [`HandleError`] for an event that is not a request, and if the ledger does not answer to a question of an operator.
    /// What goes wrong with a route is in its report.
    pub async fn handle(
        &self,
        event: Value,
        invocation: &Invocation,
    ) -> Result<Answer, HandleError> {
        let request = Request::read(&event, &self.routes)?;
        // Runs are rare: each looks whether the table is still the one that it was.
        self.context.ledger.forget_birth();
        match request.action {
            Action::Run => Ok(Answer::Run(self.run(&request, invocation).await)),
            Action::Status => {
                let status = Status::read(&self.context, &self.routes, request.route.as_ref());
                Ok(Answer::Status(status.await.map_err(HandleError::of)?))
            }
            Action::FirstLedger => {
                let born = self.context.ledger.is_the_first(self.context.clock.now());
                let born = born.await.map_err(|error| HandleError::of(error.into()))?;
                Ok(Answer::First(born.into()))
            }
        }
    }

    /// Looks after the routes within the time that is left. The next run goes on where this one stops.
    async fn run(&self, request: &Request, invocation: &Invocation) -> Response {
        let left = invocation.left.saturating_sub(CLOSING);
        let received = match backlog::received_until(&self.context, request.dry_run).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(reason = %Causes(&error), "a backlog is not looked for");
                self.context.clock.now()
            }
        };
        let of_all = request.route.is_none() && !request.dry_run;
        if of_all {
            self.count_quiet().await;
        }
        let trace = invocation.trace.as_ref();
        let run = Run::new(&self.context, received, request.dry_run, trace);
        let asked = |route: &&Route| request.route.as_ref().is_none_or(|it| *it == route.name);
        let routes = jobs::carry_out(&run, self.routes.iter().filter(asked), left).await;
        if of_all && routes.iter().all(|report| report.finished) {
            metrics::run_finished(self.context.clock.now());
        }
        Response {
            routes,
            dry_run: request.dry_run,
        }
    }

    /// Tells how many B apps nobody asks now, because they are down.
    async fn count_quiet(&self) {
        let now = self.context.clock.now();
        match paces(&self.context.ledger, self.routes.iter()).await {
            Ok(paces) => {
                let quiet = paces.values().flatten().filter(|pace| pace.is_quiet(now));
                metrics::quiet(quiet.count().try_into().unwrap_or(u64::MAX), now);
            }
            Err(error) => {
                tracing::warn!(reason = %Causes(&error), "cannot tell which B apps are down");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_can_move_between_threads() {
        fn can_move<T: Send>(_: impl Fn(&'static Reconcile, &'static Invocation) -> T) {}
        can_move(|function, invocation| function.handle(Value::Null, invocation));
    }
}
