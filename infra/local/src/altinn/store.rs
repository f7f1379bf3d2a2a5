//! Storage's memory, and the journal of what was ever created.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::instance::Instance;

/// All instances.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(crate) struct Inner {
    instances: HashMap<Uuid, Instance>,
    last_internal_id: i64,
    journal: Vec<Creation>,
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
        self.lock().instances.get(&guid).cloned()
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
        inner.instances.insert(instance.guid, instance);
    }

    /// Changes an instance; none where there is no such instance.
    pub(crate) fn change<T>(
        &self,
        guid: Uuid,
        change: impl FnOnce(&mut Instance) -> T,
    ) -> Option<T> {
        self.lock().instances.get_mut(&guid).map(change)
    }
}

impl Inner {
    pub(crate) fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    pub(crate) fn contains(&self, guid: Uuid) -> bool {
        self.instances.contains_key(&guid)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Instance) -> bool) -> usize {
        let before = self.instances.len();
        self.instances.retain(|_, instance| keep(instance));
        before - self.instances.len()
    }

    pub(crate) fn journal(&self) -> &[Creation] {
        &self.journal
    }
}
