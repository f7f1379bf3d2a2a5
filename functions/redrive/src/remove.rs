//! Takes away one of two B with one stamp, as an operator says.
//!
//! The last live B of a relay is never deleted: another one must be on record in the ledger, and there. The
//! ledger is written before anything is deleted, on the condition that nobody has written meanwhile, so that
//! of two removals at the same time one learns of the other.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{
    id::{AppId, InstanceId, RouteName},
    instance::Instance,
    preflight::STAMP,
    relay::{RelayId, State},
    route::{Mode, Route, Routes},
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, Budget, Connection, ConnectionError, repair::Repair},
    clock::Clock,
    ledger::{Ledger, LedgerError, RelayStatus},
};
use thiserror::Error;
use tokio::sync::OnceCell;

/// For all calls of one removal: a few small ones.
const PATIENCE: Duration = Duration::from_secs(120);
/// What it takes to answer.
const CLOSING: Duration = Duration::from_secs(5);
/// A record that is younger may have been written by a removal whose DELETE is still under way, and then the B
/// on record is the only one that is certain to stay. The function runs no longer than this.
const UNDER_WAY: Duration = Duration::from_secs(900);

/// Which B is taken away: `{"action":"remove"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// `relay`: the stamp that both carry.
    pub relay: RelayId,
    /// `instance`: the B that is deleted for good.
    pub instance: InstanceId,
    /// `keep`: the B that stays, where it is not the one on record.
    pub keep: Option<InstanceId>,
    /// `dryRun`: only checks, and changes nothing.
    pub dry_run: bool,
}

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Nothing was written, and nothing deleted.
    pub dry_run: bool,
    /// The relay.
    pub relay: String,
    /// The B that is, or would be, deleted.
    pub instance: InstanceId,
    /// The B that stays, and is on record.
    pub kept: InstanceId,
    /// The ledger named another B before.
    pub put_on_record: bool,
    /// What became of the B.
    pub outcome: Outcome,
}

/// What became of the B that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its app has deleted it.
    Removed,
    /// It was deleted before.
    AlreadyDeleted,
    /// Its app would be asked to delete it.
    WouldBeRemoved,
}

/// Why no B was taken away. Unless the text says otherwise nothing was deleted.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// Which app is B's is not known.
    #[error("no deployed route is named {0}: deploy it, then ask again")]
    RouteUnknown(RouteName),
    /// No other B that could stay.
    #[error(
        "the ledger names no B of relay {0}, and only beside a B on record another one is removed: name an existing relay, or let reconcile find its B first"
    )]
    NotOnRecord(RelayId),
    /// Somebody may be about to adopt or repair the B that is to go.
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
    /// The B on record would go, and none is named that stays.
    #[error(
        "instance {instance} is the B on record of relay {relay}: name the other one as `keep`, and it is put on record before this one is deleted"
    )]
    OnRecord {
        /// The relay.
        relay: RelayId,
        /// The B on record.
        instance: InstanceId,
    },
    /// An instance that Storage does not give.
    #[error(
        "Storage knows no instance {0}: see that its id is right; Storage answers the same when it is in trouble, so ask again"
    )]
    Missing(InstanceId),
    /// An instance of something else.
    #[error(
        "instance {instance} is not of {app}, the app B of the relay's route: nothing else is removed"
    )]
    OtherApp {
        /// The instance.
        instance: InstanceId,
        /// B's app.
        app: AppId,
    },
    /// An instance of another relay, or of none.
    #[error(
        "instance {instance} does not carry the stamp of relay {relay}: nothing else is removed"
    )]
    OtherStamp {
        /// The instance.
        instance: InstanceId,
        /// The relay.
        relay: RelayId,
    },
    /// None would be left.
    #[error(
        "instance {kept}, which would stay, is deleted: the last live B of relay {relay} is never removed; if a third one is to stay, name it as `keep`"
    )]
    LastLive {
        /// The relay.
        relay: RelayId,
        /// The B that is deleted already.
        kept: InstanceId,
    },
    /// Another removal may be under way that deletes the very B that is to stay.
    #[error(
        "the record of relay {relay} was written a moment ago, and another removal may be under way: ask again in {} s", wait.as_secs()
    )]
    TooSoon {
        /// The relay.
        relay: RelayId,
        /// How long to wait.
        wait: Duration,
    },
    /// Somebody else wrote.
    #[error(
        "somebody else wrote the record of relay {0} meanwhile: see what became of it, and ask again"
    )]
    Conflict(RelayId),
    /// B's policy.
    #[error(
        "the policy of {app} does not let us delete instance {instance}: add the action `delete` to the rule of the service owner, `[ORG]`, in App/config/authorization/policy.xml of {app}, deploy it and ask again; or have its owner delete it"
    )]
    Denied {
        /// The instance.
        instance: InstanceId,
        /// Its app.
        app: AppId,
    },
    /// No answer that settles it.
    #[error("{0}; it may be deleted all the same: ask again, which tells")]
    Unsettled(String),
    /// Altinn did not say what is there.
    #[error(transparent)]
    Altinn(#[from] AltinnError),
    /// The ledger did not say what is on record, or was not written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The connection to Altinn could not be made.
    #[error("Altinn cannot be called")]
    Connection(#[from] ConnectionError),
}

/// The way to Altinn. It is opened for the first removal only: an operator who looks into the dead-letter
/// queue needs neither key nor token.
#[derive(Clone)]
pub(crate) struct Way(Arc<Parts>);

struct Parts {
    connection: Connection,
    aws: SdkConfig,
    clock: Clock,
    altinn: OnceCell<Altinn>,
}

impl Way {
    pub(crate) fn new(connection: Connection, aws: &SdkConfig, clock: &Clock) -> Self {
        Self(Arc::new(Parts {
            connection,
            aws: aws.clone(),
            clock: clock.clone(),
            altinn: OnceCell::new(),
        }))
    }

    async fn open(&self) -> Result<&Altinn, ConnectionError> {
        let Parts {
            connection,
            aws,
            clock,
            altinn,
        } = &*self.0;
        altinn
            .get_or_try_init(|| connection.open(aws, clock.clone()))
            .await
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Way")
    }
}

/// What a removal works with.
pub(crate) struct Remove<'a> {
    pub(crate) way: &'a Way,
    pub(crate) ledger: &'a Ledger,
    pub(crate) routes: &'a Routes,
    pub(crate) now: Timestamp,
}

impl Remove<'_> {
    /// Checks, writes the ledger and deletes, before `left` is over.
    pub(crate) async fn carry_out(
        &self,
        removal: &Removal,
        left: Duration,
    ) -> Result<Removed, RemoveError> {
        let relay = &removal.relay;
        let route = self.routes.get(relay.route());
        let route = route.ok_or_else(|| RemoveError::RouteUnknown(relay.route().clone()))?;
        let (standing, on_record) = self.on_record(relay).await?;
        let kept = kept(removal, on_record)?;
        let put_on_record = kept != on_record;

        let altinn = self.way.open().await?;
        let budget = Budget::new(left.saturating_sub(CLOSING).min(PATIENCE));
        let look = Look {
            altinn,
            budget: &budget,
            relay,
            app: &route.to.app,
            keys: stamp_keys(altinn, &budget, route).await?,
        };
        let doomed = look.at(removal.instance).await?;
        // Looked at last, so that as little as possible can happen to it before the other one goes.
        let stays = look.at(kept).await?;
        if stays.status.is_hard_deleted || stays.status.is_soft_deleted {
            let relay = relay.clone();
            return Err(RemoveError::LastLive { relay, kept });
        }
        if put_on_record {
            self.check_age(&standing)?;
        }
        let removed = |outcome| Removed {
            dry_run: removal.dry_run,
            relay: relay.to_string(),
            instance: removal.instance,
            kept,
            put_on_record,
            outcome,
        };
        if removal.dry_run {
            return Ok(removed(match doomed.status.is_hard_deleted {
                true => Outcome::AlreadyDeleted,
                false => Outcome::WouldBeRemoved,
            }));
        }
        if !self.ledger.keep(&standing, kept, self.now).await? {
            return Err(RemoveError::Conflict(relay.clone()));
        }
        if doomed.status.is_hard_deleted {
            return Ok(removed(Outcome::AlreadyDeleted));
        }
        match altinn
            .delete(&budget, &route.to.app, removal.instance)
            .await
        {
            Repair::Worked => Ok(removed(Outcome::Removed)),
            Repair::Denied(_) => Err(RemoveError::Denied {
                instance: removal.instance,
                app: route.to.app.clone(),
            }),
            Repair::Unclear(problem, _) => {
                Err(RemoveError::Unsettled(problem.detail.unwrap_or_default()))
            }
        }
    }

    /// How the relay stands, and its B.
    async fn on_record(&self, relay: &RelayId) -> Result<(RelayStatus, InstanceId), RemoveError> {
        let standings = self.ledger.statuses(std::slice::from_ref(relay)).await?;
        let standing = standings.into_iter().flatten().next();
        let Some((standing, instance)) = standing.and_then(|it| it.instance.map(|b| (it, b)))
        else {
            return Err(RemoveError::NotOnRecord(relay.clone()));
        };
        match standing.state {
            State::Created | State::Done => Ok((standing, instance)),
            state => Err(RemoveError::Unfinished {
                relay: relay.clone(),
                state,
            }),
        }
    }

    /// Only a record that has stood for a while is changed to another B.
    fn check_age(&self, standing: &RelayStatus) -> Result<(), RemoveError> {
        let age = self.now.duration_since(standing.updated);
        let age = Duration::try_from(age).unwrap_or_default();
        match UNDER_WAY.checked_sub(age) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(RemoveError::TooSoon {
                relay: standing.relay.clone(),
                wait,
            }),
        }
    }
}

/// The B that stays: the one that is named, or the one on record.
fn kept(removal: &Removal, on_record: InstanceId) -> Result<InstanceId, RemoveError> {
    let kept = removal.keep.unwrap_or(on_record);
    if kept.guid == removal.instance.guid {
        return Err(RemoveError::OnRecord {
            relay: removal.relay.clone(),
            instance: removal.instance,
        });
    }
    Ok(kept)
}

/// The keys of B's `dataValues` under which the stamp may stand.
async fn stamp_keys(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
) -> Result<Vec<String>, AltinnError> {
    let mut keys = vec![STAMP.to_owned()];
    if let Mode::Prefill { stamp } = &route.to.mode {
        let metadata = altinn.metadata(budget, &route.to.app).await?;
        let shown = metadata.data_fields.iter();
        let shown = shown.filter(|field| field.path.as_ref() == Some(stamp));
        keys.extend(shown.map(|field| field.id.clone()));
    }
    Ok(keys)
}

/// Reads instances that must be B of one relay.
struct Look<'a> {
    altinn: &'a Altinn,
    budget: &'a Budget,
    relay: &'a RelayId,
    app: &'a AppId,
    keys: Vec<String>,
}

impl Look<'_> {
    async fn at(&self, id: InstanceId) -> Result<Instance, RemoveError> {
        let instance = match self.altinn.instance(self.budget, id).await {
            Ok(instance) if instance.id == id => instance,
            Ok(_) => return Err(RemoveError::Missing(id)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
                return Err(RemoveError::Missing(id));
            }
            Err(error) => return Err(error.into()),
        };
        if instance.app != *self.app {
            return Err(RemoveError::OtherApp {
                instance: id,
                app: self.app.clone(),
            });
        }
        let stamp = self.relay.to_string();
        let mut keys = self.keys.iter();
        if !keys.any(|key| instance.data_values.get(key) == Some(&stamp)) {
            return Err(RemoveError::OtherStamp {
                instance: id,
                relay: self.relay.clone(),
            });
        }
        Ok(instance)
    }
}
