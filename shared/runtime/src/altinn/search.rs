//! Walks through the instances that an app has made, for stamps.
//!
//! Storage cannot query `dataValues`, so a search lists the instances of B's app that were created within a slot of
//! time, and filters them here. `created` never changes, so an instance stays within its slot whatever happens to it
//! later. Within a slot the list is in the order of the last change: an instance that changes while the list is read
//! appears again at its end.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use stafett_core::{
    id::{AppId, InstanceId},
    preflight::STAMP,
    relay::RelayId,
    route::{Mode, Target},
    slot::Slot,
};

use super::{
    budget::Budget,
    client::Altinn,
    cursor::Cursor,
    error::{AltinnError, AltinnErrorKind, Call},
    list::{InstanceQuery, Unreadable},
};

/// Instances on a page of a walk, some 6 MB of text. A slot at 20 instances a second has 12,000, three pages; a larger
/// page saves little, takes longer than a call may at a slow Storage, and what is read of an answer holds some 13,000.
const PAGE: usize = 5_000;
/// A walk that reads more pages than this is given up.
const MAX_PAGES: usize = 1_000;
/// An instance that cannot be read takes as much room as so many stamps.
const UNREADABLE_ROOM: usize = 500;

/// What a walk through all instances of an app saw that were created within a slot.
///
/// It keeps 32 bytes of each stamp, whatever key it stands under: of those that look like it, the instance itself is
/// to be read. A stamp that it has not seen was on no instance that existed when the walk began.
#[derive(Debug)]
pub struct Walk {
    /// When it began.
    pub began: Timestamp,
    /// A digest of each stamp and the instance that carries it, also the hard-deleted ones, in order.
    stamps: Vec<(u64, InstanceId)>,
    unreadable: Vec<Unreadable>,
    pages: usize,
}

impl Walk {
    /// The instances that may carry the stamp of `relay`, each once.
    ///
    /// # Errors
    /// [`AltinnErrorKind::Unreadable`] if an instance that cannot be read carries it: the search could miss a B.
    pub fn of(&self, app: &AppId, relay: &RelayId) -> Result<Vec<InstanceId>, AltinnError> {
        let stamp = relay.to_string();
        if let Some(unreadable) = self.unreadable.iter().find(|it| it.carries(&stamp)) {
            let kind = AltinnErrorKind::Unreadable(unreadable.to_string());
            return Err(AltinnError::of_search(app, relay, kind));
        }
        let digest = digest(relay);
        let first = self.stamps.partition_point(|(own, _)| *own < digest);
        let alike = self.stamps.iter().skip(first);
        let alike = alike.take_while(|(own, _)| *own == digest);
        Ok(alike.map(|(_, id)| *id).collect())
    }

    /// How much room it takes, in stamps.
    #[must_use]
    pub fn room(&self) -> usize {
        self.stamps.len() + UNREADABLE_ROOM * self.unreadable.len() + 1
    }

    /// How many pages it read.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }
}

/// Two relays may have the same digest, since it only tells which instances are to be read.
fn digest(relay: &RelayId) -> u64 {
    let mut hasher = DefaultHasher::new();
    relay.hash(&mut hasher);
    hasher.finish()
}

impl Altinn {
    /// The keys of B's `dataValues` under which the stamp of a relay may stand. The app's metadata are read for a route
    /// with `mode: prefill`, whose stamp is a field of B's form.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn stamp_keys(
        &self,
        budget: &Budget,
        to: &Target,
    ) -> Result<Vec<String>, AltinnError> {
        let mut keys = vec![STAMP.to_owned()];
        if let Mode::Prefill { stamp } = &to.mode {
            let metadata = self.metadata(budget, &to.app).await?;
            let shown = metadata.data_fields.iter();
            let shown = shown.filter(|field| field.path.as_ref() == Some(stamp));
            keys.extend(shown.map(|field| field.id.clone()));
        }
        Ok(keys)
    }

    /// Walks through the instances of `app` that were created within `slot`, for `relay` and for whoever else asks.
    /// It begins at the moment `began`.
    ///
    /// The list is not restricted to an owner: for a number that the register does not know, Storage answers with an
    /// empty list (measured: tests/recorded/query-identifier-unknown.json), which would look like "there is none".
    ///
    /// # Errors
    /// [`AltinnError`], also when the list does not end.
    pub async fn walk(
        &self,
        budget: &Budget,
        app: &AppId,
        slot: Slot,
        relay: &RelayId,
        began: Timestamp,
    ) -> Result<Walk, AltinnError> {
        let call = Call::SearchStamp {
            app: app.clone(),
            relay: relay.clone(),
        };
        let mut cursor = Cursor::new(InstanceQuery {
            created_from: Some(slot.from),
            created_until: Some(slot.before),
            size: PAGE,
            ..InstanceQuery::of(app.clone())
        });
        let mut walk = Walk {
            began,
            stamps: Vec::new(),
            unreadable: Vec::new(),
            pages: 0,
        };
        while walk.pages < MAX_PAGES {
            // If Storage ignored a filter, the list would be longer and still complete.
            let page = cursor
                .page(self, budget, &call, |instance| instance.app == *app)
                .await?;
            walk.pages += 1;
            for instance in page.instances {
                let stamps = instance.data_values.values();
                let stamps = stamps.filter_map(|value| value.parse::<RelayId>().ok());
                let stamps = stamps.map(|relay| (digest(&relay), instance.id));
                walk.stamps.extend(stamps);
            }
            for unreadable in page.unreadable {
                pass_over(&unreadable, &call);
                walk.unreadable.push(unreadable);
            }
            if cursor.is_finished() {
                walk.stamps.sort_unstable();
                walk.stamps.dedup();
                walk.stamps.shrink_to_fit();
                return Ok(walk);
            }
        }
        Err(AltinnError::new(
            &call,
            AltinnErrorKind::Malformed("a list that ends"),
        ))
    }
}

fn pass_over(unreadable: &Unreadable, call: &Call) {
    tracing::warn!(
        instance = unreadable.id.map(tracing::field::display),
        "an instance in Storage's list cannot be read, and counts only for a relay whose stamp it carries; met in: {call}"
    );
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    use super::*;

    fn instance(number: u128) -> InstanceId {
        InstanceId {
            party: 1,
            guid: Uuid::from_u128(number),
        }
    }

    fn relay(number: u128, key: Option<&str>) -> RelayId {
        let route = "permit-to-casework".parse().unwrap();
        match key {
            None => RelayId::new(route, instance(number)),
            Some(key) => RelayId::keyed(route, instance(number), key),
        }
    }

    fn walk(stamps: &[(RelayId, InstanceId)]) -> Walk {
        let stamps = stamps.iter().map(|(relay, id)| (digest(relay), *id));
        let mut stamps: Vec<_> = stamps.collect();
        stamps.sort_unstable();
        Walk {
            began: Timestamp::UNIX_EPOCH,
            stamps,
            unreadable: Vec::new(),
            pages: 1,
        }
    }

    proptest! {
        #[test]
        fn a_walk_shows_each_relay_its_own_instances(
            stamped in vec((0u128..9, proptest::option::of("[ab]")), 0..30), of in 0u128..9, key in proptest::option::of("[ab]"),
        ) {
            let stamps = stamped.iter().zip(100u128..);
            let stamps: Vec<_> = stamps.map(|((a, key), b)| (relay(*a, key.as_deref()), instance(b))).collect();
            let wanted = relay(of, key.as_deref());
            let mut seen = walk(&stamps).of(&"ttd/casework".parse().unwrap(), &wanted).unwrap();
            seen.sort_unstable();
            let own = stamps.iter().filter(|(relay, _)| *relay == wanted);
            prop_assert_eq!(seen, own.map(|(_, id)| *id).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_instance_that_cannot_be_read_stops_only_the_search_for_the_stamp_that_it_carries() {
        let app = "ttd/casework".parse().unwrap();
        let (ours, other) = (relay(1, None), relay(2, None));
        let text = format!(r#"{{"appId": 7, "dataValues": {{"stafett.relay": "{ours}"}}}}"#);
        let walk = Walk {
            unreadable: vec![Unreadable::of(&text)],
            ..walk(&[(other.clone(), instance(9))])
        };
        assert_eq!(walk.of(&app, &other).unwrap(), [instance(9)]);
        let error = walk.of(&app, &ours).unwrap_err();
        assert!(
            matches!(error.kind, AltinnErrorKind::Unreadable(_)),
            "{error}"
        );
    }

    #[test]
    fn a_slot_at_twenty_instances_a_second_takes_less_than_half_a_megabyte() {
        assert!(12_000 * size_of::<(u64, InstanceId)>() < 500_000);
    }
}
