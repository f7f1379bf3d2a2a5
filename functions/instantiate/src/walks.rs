//! The walks through the instances of B's apps that this container has made: many relays in doubt share one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use stafett_core::{
    id::{AppId, InstanceId},
    relay::RelayId,
    slot::Slot,
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, AltinnErrorKind, Budget, search::Walk},
    clock::Clock,
};
use tokio::{sync::Mutex, time::timeout};

/// How much of the walks through one app's instances is kept, in stamps: some 6 MB, or sixteen slots of a busy day.
const ROOM: usize = 200_000;
/// A search before B is quiet makes do with a walk that is no older than this: searches that are made at the same time
/// share it.
const JUST_NOW: SignedDuration = SignedDuration::from_secs(5);

/// The walks through the instances of all apps.
#[derive(Debug, Default)]
pub(crate) struct Walks(std::sync::Mutex<HashMap<AppId, Arc<Mutex<AppWalks>>>>);

/// The last walk through each slot of one app, the oldest first.
#[derive(Debug, Default)]
struct AppWalks {
    walks: VecDeque<(Slot, Walk)>,
    room: usize,
}

/// What is searched for, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) app: &'a AppId,
    pub(crate) slot: Slot,
    pub(crate) relay: &'a RelayId,
    /// A walk that began at this moment or later shows all that there will be. None if no walk does.
    pub(crate) final_since: Option<Timestamp>,
}

impl Walks {
    /// The instances of a slot that may carry the relay's stamp, from an earlier walk if that will do. Only one walk
    /// through an app's instances is under way at a time, and the others wait for it.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub(crate) async fn look(
        &self,
        altinn: &Altinn,
        budget: &Budget,
        clock: &Clock,
        wanted: Wanted<'_>,
    ) -> Result<Vec<InstanceId>, AltinnError> {
        let Wanted {
            app, slot, relay, ..
        } = wanted;
        let asked = clock.now();
        let of_app = {
            let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            apps.entry(app.clone()).or_default().clone()
        };
        let Ok(mut of_app) = timeout(budget.left(), of_app.lock()).await else {
            return Err(AltinnError::of_search(
                app,
                relay,
                AltinnErrorKind::OutOfTime,
            ));
        };
        if let Some(walk) = of_app.get(slot) {
            let seen = walk.of(app, relay)?;
            if wanted.may_use(walk.began, !seen.is_empty(), asked) {
                return Ok(seen);
            }
        }
        let walk = altinn.walk(budget, app, slot, relay, clock.now()).await?;
        tracing::debug!(%app, from = %slot.from, pages = walk.pages(), "walked through a slot");
        let seen = walk.of(app, relay);
        of_app.keep(slot, walk);
        seen
    }
}

impl Wanted<'_> {
    /// Whether the walk that began then will do for a search that was made at the moment `asked`. What it has seen of
    /// this relay may be adopted in any case, since the instance itself is read.
    fn may_use(&self, began: Timestamp, has_seen: bool, asked: Timestamp) -> bool {
        match self.final_since {
            Some(since) => began >= since,
            None => {
                has_seen
                    || began
                        .saturating_add(JUST_NOW)
                        .is_ok_and(|fresh| fresh >= asked)
            }
        }
    }
}

impl AppWalks {
    fn get(&self, slot: Slot) -> Option<&Walk> {
        self.walks
            .iter()
            .find_map(|(own, walk)| (*own == slot).then_some(walk))
    }

    /// Keeps this walk instead of an earlier one through the same slot, and instead of the oldest where there is no room.
    fn keep(&mut self, slot: Slot, walk: Walk) {
        self.walks.retain(|(own, _)| *own != slot);
        self.walks.push_back((slot, walk));
        self.room = self.walks.iter().map(|(_, walk)| walk.room()).sum();
        while self.room > ROOM
            && let Some((_, oldest)) = self.walks.pop_front()
        {
            self.room -= oldest.room();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    proptest! {
        #[test]
        fn no_walk_from_before_b_is_quiet_shows_that_there_is_none(
            began in 0i64..2_000, quiet in 0i64..2_000, has_seen in any::<bool>(), asked in 0i64..2_000,
        ) {
            let app = "ttd/casework".parse().unwrap();
            let source = InstanceId { party: 1, guid: uuid::Uuid::nil() };
            let relay = RelayId::new("permit-to-casework".parse().unwrap(), source);
            let slot = Slot::cover(at(0), at(0)).next().unwrap();
            let wanted = |final_since| Wanted { app: &app, slot, relay: &relay, final_since };
            let conclusive = wanted(Some(at(quiet))).may_use(at(began), has_seen, at(asked));
            prop_assert_eq!(conclusive, began >= quiet);
            let early = wanted(None).may_use(at(began), has_seen, at(asked));
            prop_assert_eq!(early, has_seen || began + 5 >= asked);
        }
    }
}
