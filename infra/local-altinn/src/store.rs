//! Storage's memory, and the journal of what was ever created.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use super::instance::Instance;

/// All instances.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(crate) struct Inner {
    rows: HashMap<Uuid, Row>,
    /// By column `lastChanged` and id.
    order: BTreeMap<Place, Uuid>,
    last_internal_id: i64,
    journal: Vec<Creation>,
}

/// The column `lastChanged` in microseconds, and Storage's own sequence number.
pub(crate) type Place = (i64, i64);

/// An instance's row: the document, and the columns beside it by which lists are filtered and sorted
/// (Altinn/altinn-storage: src/Storage/Migration/FunctionsAndProcedures/updateinstance.sql). They follow the document,
/// but for what a race does to them.
pub(crate) struct Row {
    pub(crate) instance: Instance,
    /// The column `lastchanged`.
    pub(crate) changed: Timestamp,
    /// The column `confirmed`: by the owner's organisation. Null in rows from before there was one.
    pub(crate) confirmed: Option<bool>,
}

impl Row {
    fn new(instance: Instance) -> Self {
        Self {
            changed: instance.last_changed,
            confirmed: Some(is_confirmed(&instance)),
            instance,
        }
    }

    /// Its place in every list. The column is PostgreSQL's: it has microseconds.
    pub(crate) fn place(&self) -> Place {
        (self.changed.as_microsecond(), self.instance.internal_id)
    }
}

/// Every system of an organisation confirms for the organisation.
fn is_confirmed(instance: &Instance) -> bool {
    instance
        .confirmations
        .iter()
        .any(|known| known.stakeholder == instance.org)
}

/// One instance that came into being, whatever became of it later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Creation {
    /// `org/app`.
    pub app: String,
    /// `{party}/{guid}`.
    pub instance: String,
    /// The instance's `dataValues` at its creation.
    pub data_values: BTreeMap<String, String>,
}

impl Store {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, guid: Uuid) -> Option<Instance> {
        // Bytes are shared, so a copy of an instance is small.
        self.lock().rows.get(&guid).map(|row| row.instance.clone())
    }

    /// Adds an instance under a new internal id.
    pub(crate) fn insert(&self, mut instance: Instance) {
        let mut inner = self.lock();
        inner.last_internal_id += 1;
        instance.internal_id = inner.last_internal_id;
        let creation = Creation {
            app: instance.app_id.clone(),
            instance: instance.id(),
            data_values: instance.data_values.clone().unwrap_or_default(),
        };
        inner.journal.push(creation);
        let row = Row::new(instance);
        inner.order.insert(row.place(), row.instance.guid);
        inner.rows.insert(row.instance.guid, row);
    }

    /// Changes an instance; none where there is no such instance.
    pub(crate) fn change<T>(
        &self,
        guid: Uuid,
        change: impl FnOnce(&mut Instance) -> T,
    ) -> Option<T> {
        self.change_row(guid, |row| {
            let (changed, confirmed) = (row.instance.last_changed, is_confirmed(&row.instance));
            let changes = change(&mut row.instance);
            if row.instance.last_changed != changed {
                row.changed = row.instance.last_changed;
            }
            let now = is_confirmed(&row.instance);
            if now != confirmed {
                row.confirmed = Some(now);
            }
            changes
        })
    }

    /// Changes an instance's row; none where there is no such instance.
    pub(crate) fn change_row<T>(
        &self,
        guid: Uuid,
        change: impl FnOnce(&mut Row) -> T,
    ) -> Option<T> {
        let mut inner = self.lock();
        let row = inner.rows.get_mut(&guid)?;
        let before = row.place();
        let changes = change(row);
        let after = row.place();
        if after != before {
            inner.order.remove(&before);
            inner.order.insert(after, guid);
        }
        Some(changes)
    }
}

impl Inner {
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.rows.values().map(|row| &row.instance)
    }

    /// The rows in the order of the column `lastChanged` and their ids.
    pub(crate) fn rows(&self, from: Bound<Place>) -> impl DoubleEndedIterator<Item = &Row> {
        self.order
            .range((from, Bound::Unbounded))
            .filter_map(|(_, guid)| self.rows.get(guid))
    }

    pub(crate) fn contains(&self, guid: Uuid) -> bool {
        self.rows.contains_key(&guid)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Instance) -> bool) -> usize {
        let before = self.rows.len();
        self.rows.retain(|_, row| keep(&row.instance));
        let rows = &self.rows;
        self.order.retain(|_, guid| rows.contains_key(guid));
        before - self.rows.len()
    }

    pub(crate) fn journal(&self) -> &[Creation] {
        &self.journal
    }
}
