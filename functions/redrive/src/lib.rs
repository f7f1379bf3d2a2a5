//! The Lambda function `redrive`: shows an operator what is in the dead-letter queue and what is failed in the ledger,
//! and why; sends what can work now; deletes one of two B that carry the same stamp, and lets a route go on that was stopped.
//!
//! It loses no message: what is sent back is deleted only after the queue has confirmed it, and everything
//! else that was received is put back at once.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use aws_config::SdkConfig;
use serde_json::Value;
use stafett_core::{id::RouteName, relay::RelayId, route::Routes};
use stafett_runtime::{
    altinn::Connection,
    clock::Clock,
    dead_letters::DeadLetters,
    invocation::Invocation,
    ledger::{Ledger, LedgerError},
    queue::Queue,
    settings::{DeadLetterSettings, Environment, LedgerSettings, QueueSettings, RouteSettings},
    start::StartError,
};
use thiserror::Error;

mod failed;
mod finding;
mod groups;
mod lazy_altinn;
mod letters;
mod pace;
mod remove;
mod request;
mod response;
mod walk;

use self::{failed::Failed, lazy_altinn::LazyAltinn, letters::Letters, remove::Remove};
pub use self::{
    failed::FailedGroup,
    groups::{Age, Group},
    remove::RemoveError,
    request::{FailedSelection, MOST, Removal, Request, RequestError, Selection},
    response::{
        InLedger, Inspected, Reach, Redriven, RemovalOutcome, Removed, Resent, Response, Resumed,
    },
    walk::{Stopped, WalkError},
};

/// Why an operator gets no response. Then nothing was sent back and, unless the text says otherwise, nothing was deleted.
#[derive(Debug, Error)]
pub enum RedriveError {
    /// The request cannot be followed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Something went wrong before any dead letter was read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// No B was deleted.
    #[error(transparent)]
    Remove(#[from] RemoveError),
    /// The route that is to go on, or whose relays are to be tried again, is not deployed.
    #[error("no deployed route has the name {0}")]
    RouteUnknown(RouteName),
    /// The ledger could not be asked, or did not take a write.
    #[error("the route may still be stopped")]
    Resume(#[source] LedgerError),
}

/// The function with its dependencies.
#[derive(Debug)]
pub struct Redrive {
    routes: Routes,
    ledger: Ledger,
    queue: DeadLetters,
    triggers: Queue,
    altinn: LazyAltinn,
    clock: Clock,
}

impl Redrive {
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
        let dead_letters = DeadLetterSettings::read(environment)?;
        let queue = QueueSettings::read(environment)?;
        let ledger = LedgerSettings::read(environment)?;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self {
            routes,
            ledger: Ledger::new(aws, &ledger),
            queue: DeadLetters::new(aws, &dead_letters, &queue),
            triggers: Queue::new(aws, &queue),
            altinn: LazyAltinn::new(connection, aws, clock.clone()),
            clock,
        })
    }

    /// Does what the [`Request`] in `event` asks for, within the time that is left.
    ///
    /// # Errors
    /// [`RedriveError`] for an event that is not a request, and where nothing could be read at all. What goes wrong
    /// later is in the response, beside what was done until then.
    pub async fn handle(
        &self,
        event: Value,
        invocation: &Invocation,
    ) -> Result<Response, RedriveError> {
        let left = invocation.left;
        Ok(match Request::try_from(event)? {
            Request::Inspect { max } => Response::Inspect(self.inspect(max, left).await?),
            Request::Redrive(selection) => {
                Response::Redrive(self.letters().redrive(&selection, left).await?)
            }
            Request::Resend(selection) => {
                if self.routes.get(&selection.route).is_none() {
                    return Err(RedriveError::RouteUnknown(selection.route));
                }
                Response::Resend(self.failed().resend(&selection, left).await)
            }
            Request::Remove(removal) => Response::Remove(self.remove(&removal, left).await?),
            Request::Resume { route } => Response::Resume(self.resume(&route).await?),
        })
    }

    fn letters(&self) -> Letters<'_> {
        Letters {
            routes: &self.routes,
            ledger: &self.ledger,
            queue: &self.queue,
            clock: &self.clock,
        }
    }

    fn failed(&self) -> Failed<'_> {
        Failed {
            ledger: &self.ledger,
            queue: &self.triggers,
            clock: &self.clock,
        }
    }

    async fn inspect(&self, max: usize, left: Duration) -> Result<Inspected, WalkError> {
        let began = Instant::now();
        let letters = self.letters().inspect(max, left).await?;
        let of_letters = letters.relays.iter().map(RelayId::route);
        let deployed = self.routes.iter().map(|route| &route.name);
        let routes: BTreeSet<RouteName> = deployed.chain(of_letters).cloned().collect();
        let left = left.saturating_sub(began.elapsed());
        let ledger = self.failed().inspect(&routes, &letters.relays, left).await;
        Ok(Inspected {
            total: letters.total,
            groups: letters.groups,
            reach: letters.reach,
            ledger,
        })
    }

    async fn resume(&self, route: &RouteName) -> Result<Resumed, RedriveError> {
        if self.routes.get(route).is_none() {
            return Err(RedriveError::RouteUnknown(route.clone()));
        }
        let resumed = self.ledger.resume(route).await;
        let was_stopped = resumed.map_err(RedriveError::Resume)?;
        tracing::info!(%route, was_stopped, "the route goes on");
        let route = route.to_string();
        Ok(Resumed { route, was_stopped })
    }

    async fn remove(&self, removal: &Removal, left: Duration) -> Result<Removed, RemoveError> {
        let began = Instant::now();
        let remove = Remove {
            altinn: &self.altinn,
            ledger: &self.ledger,
            routes: &self.routes,
            now: self.clock.now(),
        };
        let removed = remove.carry_out(removal, left).await?;
        tracing::info!(
            relay = %removal.relay,
            instance = %removed.instance,
            kept = %removed.kept,
            put_on_record = removed.put_on_record,
            outcome = ?removed.outcome,
            ms = began.elapsed().as_millis(),
            "one of two B with one stamp"
        );
        Ok(removed)
    }
}
