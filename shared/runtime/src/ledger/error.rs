//! What can be asked of the ledger, and what can go wrong.

use std::fmt;

use serde_dynamo::Error as ItemError;
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::RelayId,
};
use thiserror::Error;

/// What was asked of the ledger, and of which item. Its text completes "cannot …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Write the record of a relay.
    Write(RelayId),
    /// Read the sort keys of a relay's set.
    ReadSet(RelayId),
    /// Read the statuses of some relays.
    LookUp,
    /// Read the relays of an A instance.
    ReadSource(InstanceId),
    /// List the relays of a route that are not finished.
    ListOpen(RouteName),
    /// Put on record that a relay is enqueued.
    Tell(RelayId),
    /// List or count the relays of a route that have failed.
    ListFailed(RouteName),
    /// Let reconcile look after a relay later.
    Postpone(RelayId),
    /// Put another B of a relay on record.
    Keep(RelayId),
    /// Open a finished relay again.
    Reopen(RelayId),
    /// Write a note of reconcile.
    WriteNote(String),
    /// Read a note of reconcile.
    ReadNote(String),
    /// Describe the table.
    Describe,
}

impl Operation {
    /// The DynamoDB action that the function's role needs for it.
    fn permission(&self) -> &'static str {
        match self {
            Self::Write(_) | Self::WriteNote(_) => "PutItem",
            Self::ReadSet(_) | Self::ReadSource(_) | Self::ListOpen(_) | Self::ListFailed(_) => {
                "Query"
            }
            Self::LookUp => "BatchGetItem",
            Self::Tell(_) | Self::Postpone(_) | Self::Keep(_) | Self::Reopen(_) => "UpdateItem",
            Self::ReadNote(_) => "GetItem",
            Self::Describe => "DescribeTable",
        }
    }

    pub(super) fn refused(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> LedgerError {
        LedgerError::Refused {
            operation: self,
            source: source.into(),
        }
    }

    pub(super) fn unreadable(self, source: ItemError) -> LedgerError {
        LedgerError::Unreadable {
            operation: self,
            source,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(relay) => write!(f, "write relay {relay} to the ledger"),
            Self::ReadSet(relay) => write!(f, "read the relays like {relay} from the ledger"),
            Self::LookUp => f.write_str("look up relays in the ledger"),
            Self::ReadSource(source) => write!(f, "read the relays of {source} in the ledger"),
            Self::ListOpen(route) => {
                write!(f, "list the open relays of route {route} in the ledger")
            }
            Self::Tell(relay) => {
                write!(f, "put on record in the ledger that relay {relay} is told")
            }
            Self::ListFailed(route) => {
                write!(f, "list the failed relays of route {route} in the ledger")
            }
            Self::Postpone(relay) => write!(f, "postpone relay {relay} in the ledger"),
            Self::Keep(relay) => write!(f, "put the B of relay {relay} on record in the ledger"),
            Self::Reopen(relay) => write!(f, "open relay {relay} again in the ledger"),
            Self::WriteNote(name) => write!(f, "keep the note {name} in the ledger"),
            Self::ReadNote(name) => write!(f, "read the note {name} in the ledger"),
            Self::Describe => f.write_str("ask which table the ledger is"),
        }
    }
}

/// The ledger did not do what was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// DynamoDB did not answer, or refused. A write may have had its effect.
    #[error(
        "cannot {operation}; see that STAFETT_TABLE names the table and dynamodb:{} is allowed on it",
        operation.permission()
    )]
    Refused {
        /// What was asked.
        operation: Operation,
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item is not a relay's, or a record cannot be written as one.
    #[error(
        "cannot {operation}: an item of the ledger is not a relay; it was written by another version, or by hand"
    )]
    Unreadable {
        /// What was asked.
        operation: Operation,
        /// What is wrong.
        #[source]
        source: ItemError,
    },
    /// Others go on writing a note.
    #[error("cannot read the note {0} in the ledger, because others go on writing it; this passes")]
    Contended(String),
    /// DynamoDB goes on leaving keys out of its answers.
    #[error(
        "the ledger has no capacity for the {left} of {total} relays that were asked for; this passes"
    )]
    Throttled {
        /// Relays that were not looked up.
        left: usize,
        /// Relays that were asked for.
        total: usize,
    },
}
