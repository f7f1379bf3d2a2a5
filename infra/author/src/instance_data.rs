//! An A instance with its form data.

use std::fmt;

use serde_json::{Map, Value};
use stafett_core::instance::Instance;

/// An A instance with its form data. Holds personal data, so `Debug` prints none of it.
#[derive(Clone)]
pub struct InstanceData {
    /// The instance, as Storage gives it.
    pub instance: Instance,
    /// Its form data by data type, as A's app gives it in JSON: an object, or a list where A has
    /// several elements of the type.
    pub data: Map<String, Value>,
}

impl fmt::Debug for InstanceData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceData")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
