//! The instances in Storage, and the journal of all creations.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::instance::Instance;

/// All instances.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(crate) struct Inner {
    rows: HashMap<Uuid, Row>,
    /// The instances in the order of the column `lastChanged` and the internal id.
    order: BTreeMap<Place, Uuid>,
    last_internal_id: i64,
    journal: Vec<Creation>,
}

/// The column `lastChanged` in microseconds, and Storage's own sequence number.
pub(crate) type Place = (i64, i64);

/// An instance's row: the document, and the columns by which lists are filtered and sorted
/// (Altinn/altinn-storage: src/Storage/Migration/FunctionsAndProcedures/updateinstance.sql). The columns have
/// the values of the document, except after a race.
pub(crate) struct Row {
    pub(crate) instance: Instance,
    /// The column `lastchanged`.
    pub(crate) changed: Timestamp,
    /// The column `confirmed`: whether the owner organisation has confirmed the instance. Null in rows that are older than the column.
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

    /// The row's place in lists. The column has microseconds, as PostgreSQL stores them.
    pub(crate) fn place(&self) -> Place {
        (self.changed.as_microsecond(), self.instance.internal_id)
    }
}

/// Whether the owner organisation has confirmed the instance. All its systems confirm for the organisation.
fn is_confirmed(instance: &Instance) -> bool {
    instance
        .confirmations
        .iter()
        .any(|known| known.stakeholder == instance.org)
}

/// The creation of an instance. It is kept even if the instance is deleted.
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
        // Clones share the bytes of the data elements.
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

    /// Changes an instance. Returns `None` if there is no such instance.
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

    /// Changes an instance's row. Returns `None` if there is no such instance.
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

    /// The rows in the order of the column `lastChanged` and the internal id.
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
