//! What keeps a run from looking on at a route.

use stafett_core::{id::InstanceId, relay::RelayId};
use stafett_runtime::{
    altinn::{AltinnError, AltinnErrorKind, Budget},
    ledger::LedgerError,
    queue::QueueError,
};
use thiserror::Error;

/// What keeps a run from looking on at a route. The positions stay: the next run begins where this one was.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Altinn(#[from] AltinnError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Storage has listed what was not asked for: it does not know the filter, or has dropped it.
    #[error(
        "Storage ignores the filter `{filter}`: it lists instance {instance} in answer to `{query}`; nothing of that \
         page was enqueued, see whether Storage's query has changed"
    )]
    FilterIgnored {
        filter: &'static str,
        instance: InstanceId,
        query: String,
    },
    /// Others go on writing a relay that is to be opened again.
    #[error(
        "cannot open relay {0} again, since others go on writing its record; the next run looks at its B once more"
    )]
    Contended(RelayId),
    /// A position that cannot be written, which for its fields cannot be.
    #[error("a position cannot be written")]
    Position(#[from] serde_json::Error),
}

impl Trouble {
    /// Whether it is no trouble, but the run's time that has come to its end in the middle of a call.
    pub(crate) fn is_out_of_time(&self, budget: &Budget) -> bool {
        match self {
            Self::Altinn(error) => {
                budget.left().is_zero() || matches!(error.kind, AltinnErrorKind::OutOfTime)
            }
            _ => false,
        }
    }
}
