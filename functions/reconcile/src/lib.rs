//! The Lambda function `reconcile`: finds what no trigger told of, and enqueues it.
//!
//! Altinn tells of an instance once, and at best: its events are off by default, are sent after the state
//! was saved, and are given up after some two days (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/
//! Events/EventsClient.cs; Altinn/altinn-events: src/Events.Functions/). So each route is looked after by the
//! clock as well, in three steps:
//!
//! 1. the ledger's relays that stand still: nobody works on them, no message of them is on its way;
//! 2. the instances of A whose gate is open, as Storage lists them, that have no relay: as they change, and once an
//!    hour by lists that do not lean on Storage's time of the last change;
//! 3. the instances of B that carry the route's stamp: two live ones of one relay, one that is gone, one whose
//!    stamp was overwritten. Where B's app has deleted one by itself, its relay is opened again.
//!
//! Whatever it finds it enqueues. It makes no B, and what it enqueues twice is relayed once.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use stafett_core::route::Routes;
use stafett_runtime::{
    altinn::{Altinn, Connection},
    clock::Clock,
    ledger::Ledger,
    queue::Queue,
    settings::{Environment, LedgerSettings, QueueSettings, ReconcileSettings, RouteSettings},
    start::StartError,
};

mod answer;
mod due;
mod instances;
mod pass;
mod position;
mod request;
mod run;
mod time;
mod told;
mod trouble;
mod vanished;

pub use answer::{Answer, Doubled, Due, Report, Trace};
use request::Request;
pub use request::RequestError;
use run::Run;

/// The longest time that is left before Lambda stops the function, if it does not say.
const UNKNOWN_LEFT: Duration = Duration::from_secs(60);
/// What the function needs after its last page, to keep its positions and to answer.
pub const CLOSING: Duration = Duration::from_secs(10);

/// The function with all that it works with. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Reconcile(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    routes: Routes,
    altinn: Altinn,
    ledger: Ledger,
    queue: Queue,
    settings: ReconcileSettings,
    /// How long B may still work on a request that nobody waits for.
    settle: Duration,
    clock: Clock,
}

impl Reconcile {
    /// The function as `environment` sets it up.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &aws_config::SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let connection = Connection::read(environment)?;
        let ledger_settings = LedgerSettings::read(environment)?;
        let ledger = Ledger::new(aws, &ledger_settings);
        let queue = Queue::new(aws, &QueueSettings::read(environment)?);
        let settings = ReconcileSettings::read(environment)?;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self(Arc::new(Parts {
            routes,
            altinn: connection.open(aws, clock.clone()).await?,
            ledger,
            queue,
            settings,
            settle: ledger_settings.settle,
            clock,
        })))
    }

    /// Looks after the routes that the event names, for as long as `left` says. What is not looked at by
    /// then is looked at by the next run.
    ///
    /// # Errors
    /// [`RequestError`] for an event that is no request. Trouble with a route stands in its report.
    pub async fn handle(
        &self,
        event: Value,
        left: Option<Duration>,
    ) -> Result<Answer, RequestError> {
        self.handle_in_trace(event, left, None).await
    }

    /// The same, under a trace (`X-Amzn-Trace-Id`) that goes on with the messages.
    ///
    /// # Errors
    /// As [`Reconcile::handle`].
    pub async fn handle_in_trace(
        &self,
        event: Value,
        left: Option<Duration>,
        trace: Option<&str>,
    ) -> Result<Answer, RequestError> {
        let request = Request::read(&event, &self.0.routes)?;
        let left = left.unwrap_or(UNKNOWN_LEFT).saturating_sub(CLOSING);
        Ok(Run::new(&self.0, &request, trace)
            .carry_out(&request, left)
            .await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_may_go_on_on_any_thread() {
        fn on_any_thread<T: Send>(_: impl Fn(&'static Reconcile) -> T) {}
        on_any_thread(|function| function.handle(Value::Null, None));
    }
}
