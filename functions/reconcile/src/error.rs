//! Why a run stops looking at a route.

use stafett_core::{id::InstanceId, relay::RelayId};
use stafett_runtime::{
    altinn::{AltinnError, AltinnErrorKind, Budget},
    ledger::LedgerError,
    queue::QueueError,
};
use thiserror::Error;

/// Why a run stops looking at a route. The positions are kept, so the next run goes on where this one stopped.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Altinn(#[from] AltinnError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Storage has listed an instance that a filter excludes: it does not know the filter, or has dropped it.
    #[error(
        "Storage ignores the filter `{filter}`: it lists instance {instance} in answer to `{query}`; nothing of that \
         page was enqueued, see whether Storage's query has changed"
    )]
    FilterIgnored {
        filter: &'static str,
        instance: InstanceId,
        query: String,
    },
    /// An instance of B that cannot be read carries a stamp of the route.
    #[error(
        "{0} carries a stamp of this route and cannot be read, so the ledger cannot be rebuilt: see what it holds"
    )]
    UnreadableStamp(String),
    /// A relay cannot be opened again, because others keep writing it.
    #[error(
        "cannot open relay {0} again, since others go on writing its record; the next run looks at its B once more"
    )]
    Contended(RelayId),
    /// A position cannot be written as JSON. With its fields this cannot happen.
    #[error("a position cannot be written")]
    Position(#[from] serde_json::Error),
}

impl RunError {
    /// Whether nothing went wrong, but the run's time ended during a call.
    pub(crate) fn is_out_of_time(&self, budget: &Budget) -> bool {
        match self {
            Self::Altinn(error) => {
                budget.left().is_zero() || matches!(error.kind, AltinnErrorKind::OutOfTime)
            }
            _ => false,
        }
    }
}
