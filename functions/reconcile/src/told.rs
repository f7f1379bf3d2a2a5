//! Which A instances of a route were enqueued lately, as it is kept between runs.
//!
//! Two lists show the same instances. What the first one has enqueued has no relay until somebody works on its
//! message; the second one must not enqueue it again.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::id::{InstanceId, RouteName};
use uuid::Uuid;

use crate::{instances::Shows, position::earlier, run::Run, trouble::Trouble};

/// An instance on the list of unconfirmed ones that was enqueued less long ago is not enqueued again.
const LATELY: Duration = Duration::from_secs(3600);
/// A message that nobody has worked on for longer than this does not keep its instance from being enqueued again.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// So many are remembered: at some 50 bytes each they fit into an item of DynamoDB (400 KB) twice.
const MOST: usize = 4_000;

/// The instances that were enqueued lately. Read when it is first needed.
#[derive(Debug)]
pub(crate) struct Told {
    name: String,
    kept: Option<Kept>,
    changed: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    /// When, in seconds since 1970.
    at: HashMap<Uuid, i64>,
    /// The same, oldest first; an instance may stand here twice.
    order: VecDeque<(Uuid, i64)>,
    /// When more were enqueued than are remembered.
    overflowed: Option<i64>,
}

/// As it lies in the ledger.
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

    /// Whether this instance was enqueued, or may have been, so lately that a list which shows it is to leave it alone.
    pub(crate) async fn has(
        &mut self,
        run: &Run<'_>,
        id: InstanceId,
        shows: Shows,
    ) -> Result<bool, Trouble> {
        let now = run.parts.clock.now();
        Ok(self.read(run).await?.has(id, shows, now))
    }

    /// These have just been enqueued.
    pub(crate) async fn add(&mut self, run: &Run<'_>, ids: &[InstanceId]) -> Result<(), Trouble> {
        if !ids.is_empty() {
            let now = run.parts.clock.now();
            self.read(run).await?.add(ids, now);
            self.changed = true;
        }
        Ok(())
    }

    /// Keeps what was added for the runs to come. One that is not kept is enqueued twice at the worst.
    pub(crate) async fn keep(&mut self, run: &Run<'_>) -> Result<(), Trouble> {
        let Some(kept) = self.kept.as_ref().filter(|_| self.changed && !run.dry_run) else {
            return Ok(());
        };
        let text = serde_json::to_string(&kept.text())?;
        run.parts.ledger.note(&self.name, &text).await?;
        self.changed = false;
        Ok(())
    }

    async fn read(&mut self, run: &Run<'_>) -> Result<&mut Kept, Trouble> {
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let text = run.parts.ledger.noted(&self.name).await?;
                // What another version kept is nothing.
                let text = text.and_then(|text| serde_json::from_str(&text).ok());
                let mut kept = Kept::of(text.unwrap_or_default());
                kept.forget(run.parts.clock.now());
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

    fn has(&self, id: InstanceId, shows: Shows, now: Timestamp) -> bool {
        let at = self.at.get(&id.guid).copied();
        match shows {
            Shows::Changes => at.is_some(),
            Shows::Unconfirmed => at.is_some_and(|at| at > earlier(now, LATELY).as_second()),
            Shows::Whole | Shows::Again => at.is_some() || self.overflowed.is_some(),
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
    fn what_was_enqueued_is_left_alone_for_an_hour_where_it_is_unconfirmed_and_for_a_day_elsewhere()
    {
        let mut kept = Kept::default();
        kept.add(&[id(1)], at("2026-11-22T10:00:00Z"));
        for (now, shows, left_alone) in [
            ("2026-11-22T10:59:59Z", Shows::Unconfirmed, true),
            ("2026-11-22T11:00:00Z", Shows::Unconfirmed, false),
            ("2026-11-23T09:59:59Z", Shows::Changes, true),
            ("2026-11-23T09:59:59Z", Shows::Whole, true),
            ("2026-11-23T09:59:59Z", Shows::Again, true),
            ("2026-11-23T10:00:00Z", Shows::Again, false),
        ] {
            let text = serde_json::to_string(&kept.text()).unwrap();
            let mut read = Kept::of(serde_json::from_str(&text).unwrap());
            read.forget(at(now));
            assert_eq!(read.has(id(1), shows, at(now)), left_alone, "{now}");
            assert!(!read.has(id(2), shows, at(now)));
        }
    }

    #[test]
    fn of_more_than_are_remembered_the_oldest_may_all_have_been_enqueued() {
        let now = at("2026-11-22T10:00:00Z");
        let mut kept = Kept::default();
        let many: Vec<InstanceId> = (0..MOST).map(id).collect();
        kept.add(&many, now);
        assert!(!kept.has(id(MOST), Shows::Again, now));
        kept.add(&[id(MOST)], now);
        assert_eq!(kept.order.len(), MOST);
        let has = |number, shows| kept.has(id(number), shows, now);
        assert_eq!(
            [has(0, Shows::Changes), has(MOST, Shows::Changes)],
            [false, true]
        );
        assert_eq!(
            [has(0, Shows::Again), has(2 * MOST, Shows::Again)],
            [true, true]
        );
        let text = serde_json::to_string(&kept.text()).unwrap();
        assert!(text.len() < 250_000, "{}", text.len());
        kept.forget(at("2026-11-23T10:00:00Z"));
        assert_eq!(kept, Kept::default());
    }
}
