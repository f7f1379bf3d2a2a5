//! Deletes one of two B that carry the same stamp, for an operator.
//!
//! The last live B of a relay is never deleted: another one must be on record in the ledger, and alive. The ledger is
//! written before anything is deleted, on the condition that nobody else has written it meanwhile, so that only one of
//! two removals at the same time goes on.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    relay::{RelayId, State},
    route::Routes,
};
use stafett_runtime::{
    altinn::{Altinn, Budget, repair::Repair},
    ledger::{Ledger, RelayStatus},
};

use crate::{
    lazy_altinn::LazyAltinn,
    request::Removal,
    response::{RemovalOutcome, Removed},
};

pub use self::error::RemoveError;

mod error;

/// The longest that the calls of one removal may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the function needs to answer.
const CLOSING: Duration = Duration::from_secs(5);
/// The longest that the function runs. A record that is younger may have been written by a removal whose DELETE is still
/// under way, and then only the B on record is certain to stay.
const UNDER_WAY: Duration = Duration::from_secs(900);

/// What a removal works with.
pub(crate) struct Remove<'a> {
    pub(crate) altinn: &'a LazyAltinn,
    pub(crate) ledger: &'a Ledger,
    pub(crate) routes: &'a Routes,
    pub(crate) now: Timestamp,
}

impl Remove<'_> {
    /// Checks, writes the ledger and deletes, within the time that is left.
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

        let altinn = self.altinn.get().await?;
        let budget = Budget::new(left.saturating_sub(CLOSING).min(PATIENCE));
        let look = Look {
            altinn,
            budget: &budget,
            relay,
            app: &route.to.app,
            keys: altinn.stamp_keys(&budget, &route.to).await?,
        };
        let doomed = look.at(removal.instance).await?;
        // Read last, so that as little time as possible passes before the other one is deleted.
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
                true => RemovalOutcome::AlreadyDeleted,
                false => RemovalOutcome::WouldBeRemoved,
            }));
        }
        if !self.ledger.keep(&standing, kept, self.now).await? {
            return Err(RemoveError::Conflict(relay.clone()));
        }
        if doomed.status.is_hard_deleted {
            return Ok(removed(RemovalOutcome::AlreadyDeleted));
        }
        delete(altinn, &budget, &route.to.app, removal.instance).await?;
        Ok(removed(RemovalOutcome::Removed))
    }

    /// The relay's record, and its B.
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

    /// Refuses to put another B on a record that was written a short while ago.
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

/// Has B's app delete an instance for good.
async fn delete(
    altinn: &Altinn,
    budget: &Budget,
    app: &AppId,
    instance: InstanceId,
) -> Result<(), RemoveError> {
    match altinn.delete(budget, app, instance).await {
        Repair::Worked => Ok(()),
        Repair::Denied(_) => Err(RemoveError::Denied {
            instance,
            app: app.clone(),
        }),
        Repair::Unclear(problem, _) => {
            Err(RemoveError::Unsettled(problem.detail.unwrap_or_default()))
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

/// Reads instances, and checks that each is a B of the relay.
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
