//! Why a B was not deleted.

use std::time::Duration;

use stafett_core::{
    id::{AppId, InstanceId, RouteName},
    relay::{RelayId, State},
};
use stafett_runtime::{
    altinn::{AltinnError, ConnectionError},
    ledger::LedgerError,
};
use thiserror::Error;

/// Why a B was not deleted. Unless the text says otherwise, nothing was deleted.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// The route of the relay is not deployed, so B's app is unknown.
    #[error("no deployed route is named {0}: deploy it, then ask again")]
    RouteUnknown(RouteName),
    /// No B is on record that could stay.
    #[error(
        "the ledger names no B of relay {0}, and only beside a B on record another one is removed: name an existing relay, or let reconcile find its B first"
    )]
    NotOnRecord(RelayId),
    /// A worker may be about to adopt or repair the B that is to be deleted.
    #[error(
        "relay {relay} is {state}: a worker may still adopt one of its B; ask again when it is created or done",
        state = state.as_str()
    )]
    Unfinished {
        /// The relay.
        relay: RelayId,
        /// Its state.
        state: State,
    },
    /// The B to delete is the one on record, and the request does not name the one to keep.
    #[error(
        "instance {instance} is the B on record of relay {relay}: name the other one as `keep`, and it is put on record before this one is deleted"
    )]
    OnRecord {
        /// The relay.
        relay: RelayId,
        /// The B on record.
        instance: InstanceId,
    },
    /// Storage does not find an instance.
    #[error(
        "Storage knows no instance {0}: see that its id is right; Storage answers the same when it is in trouble, so ask again"
    )]
    Missing(InstanceId),
    /// An instance of another app.
    #[error(
        "instance {instance} is not of {app}, the app B of the relay's route: nothing else is removed"
    )]
    OtherApp {
        /// The instance.
        instance: InstanceId,
        /// B's app.
        app: AppId,
    },
    /// An instance that does not carry the relay's stamp.
    #[error(
        "instance {instance} does not carry the stamp of relay {relay}: nothing else is removed"
    )]
    OtherStamp {
        /// The instance.
        instance: InstanceId,
        /// The relay.
        relay: RelayId,
    },
    /// No live B would be left.
    #[error(
        "instance {kept}, which would stay, is deleted: the last live B of relay {relay} is never removed; if a third one is to stay, name it as `keep`"
    )]
    LastLive {
        /// The relay.
        relay: RelayId,
        /// The B that would stay, which is deleted.
        kept: InstanceId,
    },
    /// Another removal may be under way, which may delete the B that is to stay.
    #[error(
        "the record of relay {relay} was written a moment ago, and another removal may be under way: ask again in {} s", wait.as_secs()
    )]
    TooSoon {
        /// The relay.
        relay: RelayId,
        /// How long to wait.
        wait: Duration,
    },
    /// Somebody else wrote the relay's record.
    #[error(
        "somebody else wrote the record of relay {0} meanwhile: see what became of it, and ask again"
    )]
    Conflict(RelayId),
    /// B's policy does not allow it.
    #[error(
        "the policy of {app} does not let us delete instance {instance}: add the action `delete` to the rule of the service owner, `[ORG]`, in App/config/authorization/policy.xml of {app}, deploy it and ask again; or have its owner delete it"
    )]
    Denied {
        /// The instance.
        instance: InstanceId,
        /// Its app.
        app: AppId,
    },
    /// B's app gave no clear answer.
    #[error("{0}; it may be deleted all the same: ask again, which tells")]
    Unsettled(String),
    /// Altinn could not be asked what is there.
    #[error(transparent)]
    Altinn(#[from] AltinnError),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The connection to Altinn could not be made.
    #[error("Altinn cannot be called")]
    Connection(#[from] ConnectionError),
}
