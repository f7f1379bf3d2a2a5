//! Which A instances of a route were enqueued lately, as it is kept between runs.
//!
//! Two lists can hold the same instance. After it was enqueued for the first one, it has no relay until its message is
//! processed; it must not be enqueued again for the second one.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::id::{InstanceId, RouteName};
use uuid::Uuid;

use crate::{error::RunError, listing::Listing, run::Run, time::earlier};

/// For this long an instance on the list of unconfirmed ones is not enqueued again.
const LATELY: Duration = Duration::from_secs(3600);
/// For this long an instance on any other list is not enqueued again.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// The most instances that are remembered: at some 50 bytes each, half an item of DynamoDB (400 KB).
const MOST: usize = 4_000;

/// The instances that were enqueued lately, read from the ledger when they are first needed.
#[derive(Debug)]
pub(crate) struct Told {
    name: String,
    kept: Option<Kept>,
    changed: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    /// When each was enqueued, in seconds since 1970.
    at: HashMap<Uuid, i64>,
    /// The same, oldest first. An instance may be listed twice.
    order: VecDeque<(Uuid, i64)>,
    /// When more were enqueued than are remembered.
    overflowed: Option<i64>,
}

/// The form in which they are kept in the ledger.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Text {
    at: VecDeque<(Uuid, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overflowed: Option<i64>,
}

impl Told {
    pub(crate) fn new(route: &RouteName) -> Self {
        Self {
            name: format!("{route}#told"),
            kept: None,
            changed: false,
        }
    }

    /// Whether this instance was, or may have been, enqueued so lately that it is not enqueued again for this list.
    pub(crate) async fn has(
        &mut self,
        run: &Run<'_>,
        id: InstanceId,
        listing: Listing,
    ) -> Result<bool, RunError> {
        let now = run.context.clock.now();
        Ok(self.read(run).await?.has(id, listing, now))
    }

    /// Remembers instances that have just been enqueued.
    pub(crate) async fn add(&mut self, run: &Run<'_>, ids: &[InstanceId]) -> Result<(), RunError> {
        if !ids.is_empty() {
            let now = run.context.clock.now();
            self.read(run).await?.add(ids, now);
            self.changed = true;
        }
        Ok(())
    }

    /// Keeps what was added for later runs. At worst, an instance that is not kept is enqueued twice.
    pub(crate) async fn keep(&mut self, run: &Run<'_>) -> Result<(), RunError> {
        let Some(kept) = self.kept.as_ref().filter(|_| self.changed && !run.dry_run) else {
            return Ok(());
        };
        let text = serde_json::to_string(&kept.text())?;
        run.context.ledger.note(&self.name, &text).await?;
        self.changed = false;
        Ok(())
    }

    async fn read(&mut self, run: &Run<'_>) -> Result<&mut Kept, RunError> {
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let text = run.context.ledger.noted(&self.name).await?;
                // What another version has kept is ignored.
                let text = text.and_then(|text| serde_json::from_str(&text).ok());
                let mut kept = Kept::of(text.unwrap_or_default());
                kept.forget(run.context.clock.now());
                kept
            }
        };
        Ok(self.kept.insert(kept))
    }
}

impl Kept {
    fn of(text: Text) -> Self {
        Self {
            at: text.at.iter().copied().collect(),
            order: text.at,
            overflowed: text.overflowed,
        }
    }

    fn text(&self) -> Text {
        Text {
            at: self.order.clone(),
            overflowed: self.overflowed,
        }
    }

    fn has(&self, id: InstanceId, listing: Listing, now: Timestamp) -> bool {
        let at = self.at.get(&id.guid).copied();
        match listing {
            Listing::Changes => at.is_some(),
            Listing::Unconfirmed => at.is_some_and(|at| at > earlier(now, LATELY).as_second()),
            Listing::Whole | Listing::Repeated => at.is_some() || self.overflowed.is_some(),
        }
    }

    fn add(&mut self, ids: &[InstanceId], now: Timestamp) {
        let now = now.as_second();
        for id in ids {
            self.at.insert(id.guid, now);
            self.order.push_back((id.guid, now));
            if self.order.len() > MOST {
                self.forget_oldest();
                self.overflowed = Some(now);
            }
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let least = earlier(now, PATIENCE).as_second();
        while self.order.front().is_some_and(|(_, at)| *at <= least) {
            self.forget_oldest();
        }
        self.overflowed = self.overflowed.filter(|at| *at > least);
    }

    fn forget_oldest(&mut self) {
        if let Some((id, at)) = self.order.pop_front()
            && self.at.get(&id) == Some(&at)
        {
            self.at.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn id(number: usize) -> InstanceId {
        InstanceId {
            party: 1,
            guid: Uuid::from_u128(number as u128),
        }
    }

    #[test]
    fn an_enqueued_instance_is_left_alone_for_an_hour_if_unconfirmed_and_for_a_day_elsewhere() {
        let mut kept = Kept::default();
        kept.add(&[id(1)], at("2026-11-22T10:00:00Z"));
        for (now, listing, left_alone) in [
            ("2026-11-22T10:59:59Z", Listing::Unconfirmed, true),
            ("2026-11-22T11:00:00Z", Listing::Unconfirmed, false),
            ("2026-11-23T09:59:59Z", Listing::Changes, true),
            ("2026-11-23T09:59:59Z", Listing::Whole, true),
            ("2026-11-23T09:59:59Z", Listing::Repeated, true),
            ("2026-11-23T10:00:00Z", Listing::Repeated, false),
        ] {
            let text = serde_json::to_string(&kept.text()).unwrap();
            let mut read = Kept::of(serde_json::from_str(&text).unwrap());
            read.forget(at(now));
            assert_eq!(read.has(id(1), listing, at(now)), left_alone, "{now}");
            assert!(!read.has(id(2), listing, at(now)));
        }
    }

    #[test]
    fn after_an_overflow_any_instance_may_have_been_enqueued() {
        let now = at("2026-11-22T10:00:00Z");
        let mut kept = Kept::default();
        let many: Vec<InstanceId> = (0..MOST).map(id).collect();
        kept.add(&many, now);
        assert!(!kept.has(id(MOST), Listing::Repeated, now));
        kept.add(&[id(MOST)], now);
        assert_eq!(kept.order.len(), MOST);
        let has = |number, listing| kept.has(id(number), listing, now);
        assert_eq!(
            [has(0, Listing::Changes), has(MOST, Listing::Changes)],
            [false, true]
        );
        assert_eq!(
            [has(0, Listing::Repeated), has(2 * MOST, Listing::Repeated)],
            [true, true]
        );
        let text = serde_json::to_string(&kept.text()).unwrap();
        assert!(text.len() < 250_000, "{}", text.len());
        kept.forget(at("2026-11-23T10:00:00Z"));
        assert_eq!(kept, Kept::default());
    }
}
