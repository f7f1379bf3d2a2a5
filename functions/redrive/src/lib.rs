//! The Lambda function `redrive`: shows an operator what is in the dead-letter queue and why, sends back
//! what can work now, and takes away one of two B with one stamp.
//!
//! It loses nothing: what is sent back is deleted only after the queue has confirmed it, and whatever
//! else was taken to look at it is put back at once.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use stafett_core::{relay::RelayId, route::Routes};
use stafett_runtime::{
    altinn::Connection,
    clock::Clock,
    dead_letters::{DeadLetter, DeadLetters, batches},
    ledger::{Ledger, LedgerError, RelayStatus},
    settings::{DeadLetterSettings, Environment, LedgerSettings, QueueSettings, RouteSettings},
    start::StartError,
    telemetry::Causes,
};
use thiserror::Error;

mod answer;
mod finding;
mod groups;
mod pace;
mod remove;
mod request;
mod walk;

pub use answer::{Answer, Inspected, Reach, Redriven};
pub use groups::{Age, Group};
pub use remove::{Outcome, Removal, RemoveError, Removed};
pub use request::{MOST, Request, RequestError, Selection};
pub use walk::{Stopped, Trouble};

use finding::{Finding, relay};
use groups::Groups;
use pace::Pace;
use remove::{Remove, Way};
use walk::Walk;

/// The time that is left before Lambda stops the function, if it does not say.
const UNKNOWN_LEFT: Duration = Duration::from_secs(60);

/// Why an operator gets no answer. Then nothing was sent back, and, unless it says otherwise, nothing deleted.
#[derive(Debug, Error)]
pub enum RedriveError {
    /// The request cannot be followed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Something went wrong before anything was seen.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// No B was taken away.
    #[error(transparent)]
    Remove(#[from] RemoveError),
}

/// The function with all that it works with.
#[derive(Debug, Clone)]
pub struct Redrive {
    routes: Arc<Routes>,
    ledger: Ledger,
    queue: DeadLetters,
    way: Way,
    clock: Clock,
}

impl Redrive {
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
        let dead_letters = DeadLetterSettings::read(environment)?;
        let queue = QueueSettings::read(environment)?;
        let ledger = LedgerSettings::read(environment)?;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self {
            routes: routes.into(),
            ledger: Ledger::new(aws, &ledger),
            queue: DeadLetters::new(aws, &dead_letters, &queue),
            way: Way::new(connection, aws, &clock),
            clock,
        })
    }

    /// Does what the [`Request`] in `event` asks for, and ends before `left` is over.
    ///
    /// # Errors
    /// [`RedriveError`] for what is no request, and where nothing could be seen at all. What goes wrong
    /// later is in the answer, beside what was done until then.
    pub async fn handle(
        &self,
        event: Value,
        left: Option<Duration>,
    ) -> Result<Answer, RedriveError> {
        let request = Request::try_from(event)?;
        let left = left.unwrap_or(UNKNOWN_LEFT);
        match request {
            Request::Inspect { max } => self.inspect(max, left).await.map(Answer::Inspect),
            Request::Redrive(selection) => {
                self.redrive(&selection, left).await.map(Answer::Redrive)
            }
            Request::Remove(removal) => self.remove(&removal, left).await.map(Answer::Remove),
        }
    }

    async fn inspect(&self, max: usize, left: Duration) -> Result<Inspected, RedriveError> {
        let began = Instant::now();
        let mut walk = Walk::begin(&self.queue, &self.clock, left);
        let hidden = self.hidden(&mut walk).await;
        let mut groups = Groups::new(self.clock.now());
        loop {
            let page = walk.page(max.saturating_sub(groups.total())).await;
            let Some(findings) = self.findings(&mut walk, &page).await else {
                break;
            };
            for (letter, finding) in page.iter().zip(&findings) {
                groups.count(letter.id(), finding, letter.sent());
            }
        }
        let total = groups.total();
        let (reach, _) = finish(walk, hidden, total).await?;
        tracing::info!(
            total,
            complete = reach.complete,
            ms = began.elapsed().as_millis(),
            "inspected"
        );
        Ok(Inspected {
            total,
            groups: groups.list(),
            reach,
        })
    }

    async fn redrive(
        &self,
        selection: &Selection,
        left: Duration,
    ) -> Result<Redriven, RedriveError> {
        let began = Instant::now();
        let mut walk = Walk::begin(&self.queue, &self.clock, left);
        let hidden = self.hidden(&mut walk).await;
        let mut groups = Groups::new(self.clock.now());
        let mut pace = Pace::new(selection.per_second);
        let (mut total, mut sent, mut deleted) = (0, 0, 0);
        loop {
            if groups.total() == selection.max {
                walk.stop(Stopped::Max);
            }
            let page = walk.page(MOST.saturating_sub(total)).await;
            let Some(findings) = self.findings(&mut walk, &page).await else {
                break;
            };
            total += page.len();
            let mut selected = Vec::new();
            for (letter, finding) in page.into_iter().zip(findings) {
                if selection.admits(&finding, letter.sent()) && groups.total() < selection.max {
                    groups.count(letter.id(), &finding, letter.sent());
                    selected.push(letter);
                }
            }
            if selection.dry_run {
                continue;
            }
            // A slow pace is kept within a second as well.
            let most = usize::try_from(selection.per_second).unwrap_or(usize::MAX);
            for batch in batches(&selected, most) {
                pace.wait(batch.len()).await;
                walk.renew().await;
                if walk.is_troubled() || !walk.has_time() {
                    break;
                }
                let done = walk.send_back(batch).await;
                sent += done.0;
                deleted += done.1;
            }
        }
        let matched = groups.total();
        let (reach, late) = finish(walk, hidden, total).await?;
        deleted += late;
        tracing::info!(
            dry_run = selection.dry_run,
            total,
            matched,
            sent,
            deleted,
            complete = reach.complete,
            ms = began.elapsed().as_millis(),
            "redriven"
        );
        Ok(Redriven {
            dry_run: selection.dry_run,
            total,
            matched,
            sent,
            deleted,
            left: matched.saturating_sub(sent),
            groups: groups.list(),
            reach,
        })
    }

    async fn remove(&self, removal: &Removal, left: Duration) -> Result<Removed, RedriveError> {
        let began = Instant::now();
        let remove = Remove {
            way: &self.way,
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

    async fn hidden(&self, walk: &mut Walk<'_>) -> Option<u64> {
        let hidden = self.queue.hidden().await;
        hidden.map_err(|error| walk.note(error)).ok()
    }

    /// What is known of each of a page's dead letters, in their order; none at the end of the walk.
    async fn findings(&self, walk: &mut Walk<'_>, page: &[DeadLetter]) -> Option<Vec<Finding>> {
        if page.is_empty() {
            return None;
        }
        let triggers: Vec<_> = page.iter().map(DeadLetter::trigger).collect();
        let relays: Vec<RelayId> = triggers.iter().flatten().map(relay).collect();
        let mut standings = self.standings(walk, &relays).await?.into_iter();
        let findings = triggers.iter().map(|trigger| {
            let standing = trigger
                .as_ref()
                .ok()
                .and_then(|_| standings.next().flatten());
            let route = trigger.as_ref().ok().map(|trigger| &trigger.route);
            let deployed = route.is_some_and(|route| self.routes.get(route).is_some());
            Finding::of(trigger, standing.as_ref(), deployed)
        });
        Some(findings.collect())
    }

    /// How each of the relays stands; none where the ledger does not say, which ends the walk.
    async fn standings(
        &self,
        walk: &mut Walk<'_>,
        relays: &[RelayId],
    ) -> Option<Vec<Option<RelayStatus>>> {
        let mut error = match self.ledger.statuses(relays).await {
            Ok(standings) => return Some(standings),
            Err(error) => error,
        };
        // One item that was spoilt by hand must not keep an operator from all others.
        if let LedgerError::Unreadable { .. } = error {
            let mut standings = Vec::with_capacity(relays.len());
            for relay in relays {
                match self.ledger.statuses(std::slice::from_ref(relay)).await {
                    Ok(found) => standings.extend(found),
                    Err(unreadable @ LedgerError::Unreadable { .. }) => {
                        walk.note(unreadable);
                        standings.push(None);
                    }
                    Err(other) => {
                        error = other;
                        break;
                    }
                }
            }
            if standings.len() == relays.len() {
                return Some(standings);
            }
        }
        walk.note(error);
        walk.stop(Stopped::Trouble);
        None
    }
}

/// Ends a walk on which `total` dead letters were looked at; how far it went, and how many were deleted
/// only now. An error where nothing was seen because something went wrong.
async fn finish(
    walk: Walk<'_>,
    hidden: Option<u64>,
    total: usize,
) -> Result<(Reach, usize), RedriveError> {
    let end = walk.end().await;
    let trouble: Vec<String> = end
        .troubles
        .iter()
        .map(|it| Causes(it).to_string())
        .collect();
    if let (0, Some(Stopped::Trouble), Some(first)) =
        (total, end.stopped, end.troubles.into_iter().next())
    {
        return Err(first.into());
    }
    let reach = Reach {
        complete: end.stopped.is_none() && trouble.is_empty(),
        stopped: end.stopped,
        hidden,
        trouble,
    };
    Ok((reach, end.deleted))
}
