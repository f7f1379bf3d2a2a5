//! The ledger: the DynamoDB table of relays.
//!
//! Each relay has one item. Its `pk` is the GUID of the A instance, its `sk` the route, followed by the key's digest
//! if the route has a key. Every write is conditional on the revision that it replaces, so of two concurrent writers
//! one always learns that it lost.
//!
//! A relay that is unfinished, and not part of a set, is also in the sparse index `open` (`open` is the route, `due`
//! the moment from which reconcile looks after it), so finding the few relays that are due costs nothing for the
//! many that are done. A relay that has failed, also a part of a set, is in the sparse index `failed` (`failed` is the
//! route, `failed_at` the moment). Reconcile's own notes are stored beside the relays, under the `pk` `reconcile`.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;

use crate::{patience::Patience, settings::LedgerSettings};

mod birth;
mod error;
mod failed;
mod item;
mod notes;
mod pace;
mod read;
mod reopen;
mod status;
mod tell;
mod write;

pub use birth::{Born, Rebuilt};
pub use error::{LedgerError, Operation};
pub use failed::FailedPlace;
pub use item::MEMORY;
pub use pace::{PaceKept, PaceNote};
pub use read::DueKey;
pub use reopen::{Reopened, Reopening};
pub use status::RelayStatus;
pub use tell::{Telling, Told};
pub use write::Put;

const PATIENCE: Patience = Patience {
    attempts: 4,
    attempt: Duration::from_secs(2),
    call: Duration::from_secs(8),
};

/// The table of relays.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
    birth: Arc<birth::Memory>,
}

impl Ledger {
    /// A client of the table. A call takes eight seconds at most, with up to four attempts.
    #[must_use]
    pub fn new(aws: &aws_config::SdkConfig, settings: &LedgerSettings) -> Self {
        Self {
            client: Client::new(&PATIENCE.with(aws)),
            table: settings.table.clone(),
            birth: Arc::default(),
        }
    }
}
