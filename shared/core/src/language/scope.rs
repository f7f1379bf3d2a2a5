//! What expressions see.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::value::{Group, Value};

/// What expressions see: A's instance, its form data, and what enclosing `each`es bound.
///
/// Holds personal data, and so does not print it.
#[derive(Clone, Default)]
pub struct Scope<'a>(Vec<(&'a str, Value<'a>)>);

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl<'a> Scope<'a> {
    /// A scope over A's instance and its form data by data type.
    #[must_use]
    pub fn new(instance: &'a Json, data: &'a Map<String, Json>) -> Self {
        Self(vec![
            ("instance", instance.into()),
            ("data", Value::Group(Group::Given(data))),
        ])
    }

    /// This scope, with `name` bound to `item`.
    pub(super) fn with(&self, name: &'a str, item: Value<'a>) -> Self {
        let mut bound = self.clone();
        bound.0.push((name, item));
        bound
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Value<'a> {
        let found = self.0.iter().rev().find(|(known, _)| *known == name);
        found.map_or(Value::Empty, |(_, value)| value.clone())
    }
}
