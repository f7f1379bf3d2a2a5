//! Which A instances of a route were enqueued lately, as it is kept between runs.
//!
//! Two lists show the same instances. What the first one has enqueued has no relay until somebody works on its
//! message; the second one must not enqueue it again.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett::id::{InstanceId, RouteName};
use uuid::Uuid;

use crate::{position::earlier, run::Run, trouble::Trouble};

/// A message that nobody has worked on for longer than this does not keep its instance from being enqueued.
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

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// By GUID, when in seconds since 1970.
    at: BTreeMap<Uuid, i64>,
    /// When more were enqueued than are remembered.
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

    /// Whether this instance may have been enqueued lately.
    pub(crate) async fn has(&mut self, run: &Run<'_>, id: InstanceId) -> Result<bool, Trouble> {
        let kept = self.read(run).await?;
        Ok(kept.overflowed.is_some() || kept.at.contains_key(&id.guid))
    }

    /// These have just been enqueued.
    pub(crate) async fn add(&mut self, run: &Run<'_>, ids: &[InstanceId]) -> Result<(), Trouble> {
        if run.dry_run || ids.is_empty() {
            return Ok(());
        }
        let now = run.parts.clock.now();
        self.read(run).await?.add(ids, now);
        self.changed = true;
        Ok(())
    }

    /// Keeps what was added for the runs to come. One that is not kept is enqueued twice at the worst.
    pub(crate) async fn keep(&mut self, run: &Run<'_>) -> Result<(), Trouble> {
        let Some(kept) = self.kept.as_ref().filter(|_| self.changed) else {
            return Ok(());
        };
        let text = serde_json::to_string(kept)?;
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
                let kept = text.and_then(|text| serde_json::from_str(&text).ok());
                let mut kept: Kept = kept.unwrap_or_default();
                kept.forget(run.parts.clock.now());
                kept
            }
        };
        Ok(self.kept.insert(kept))
    }
}

impl Kept {
    fn add(&mut self, ids: &[InstanceId], now: Timestamp) {
        for id in ids {
            if self.at.len() >= MOST && !self.at.contains_key(&id.guid) {
                self.overflowed = Some(now.as_second());
            } else {
                self.at.insert(id.guid, now.as_second());
            }
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let least = earlier(now, PATIENCE).as_second();
        self.at.retain(|_, at| *at > least);
        self.overflowed = self.overflowed.filter(|at| *at > least);
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
    fn what_was_enqueued_is_remembered_for_a_day() {
        let mut kept = Kept::default();
        kept.add(&[id(1)], at("2026-11-22T10:00:00Z"));
        kept.add(&[id(2)], at("2026-11-22T18:00:00Z"));
        kept.forget(at("2026-11-23T09:59:59Z"));
        assert_eq!(kept.at.len(), 2);
        kept.forget(at("2026-11-23T10:00:00Z"));
        assert_eq!(kept.at.keys().copied().collect::<Vec<_>>(), [id(2).guid]);
    }

    #[test]
    fn more_than_are_remembered_are_all_taken_for_enqueued() {
        let now = at("2026-11-22T10:00:00Z");
        let mut kept = Kept::default();
        let many: Vec<InstanceId> = (0..MOST).map(id).collect();
        kept.add(&many, now);
        kept.add(&many, now);
        assert_eq!(kept.overflowed, None);
        kept.add(&[id(MOST)], now);
        assert_eq!(
            (kept.at.len(), kept.overflowed),
            (MOST, Some(now.as_second()))
        );
        assert!(serde_json::to_string(&kept).unwrap().len() < 250_000);
        kept.forget(at("2026-11-23T10:00:00Z"));
        assert_eq!(kept, Kept::default());
    }
}
