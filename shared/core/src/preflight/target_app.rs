//! What is known of app B: what its app tells everybody.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    metadata::{ApplicationMetadata, DataType},
    route::{FormRule, Order},
    schema::{Schema, SchemaError},
};

/// What is known of app B.
#[derive(Debug, Clone)]
pub struct TargetApp {
    /// Its `applicationmetadata.json`.
    pub metadata: Arc<ApplicationMetadata>,
    /// The JSON schemas of its forms, by data type id. A form that is not here is one for which the app serves no schema.
    pub schemas: BTreeMap<String, ServedSchema>,
}

/// A schema that an app serves, or why it cannot be used.
pub type ServedSchema = Result<Arc<Schema>, SchemaError>;

impl TargetApp {
    /// An app of which only the metadata is known.
    #[must_use]
    pub fn without_schemas(metadata: impl Into<Arc<ApplicationMetadata>>) -> Self {
        Self {
            metadata: metadata.into(),
            schemas: BTreeMap::new(),
        }
    }

    /// The schema of a form that the route fills: the app's own; if it serves none that can be used, the file that the route
    /// names.
    ///
    /// # Errors
    /// [`SchemaError`] if the app serves one that cannot be used, and the route names no other.
    pub fn schema<'a>(&'a self, rule: &'a FormRule) -> Result<Option<&'a Schema>, &'a SchemaError> {
        let form = form_of(rule, &self.metadata);
        match form.and_then(|form| self.schemas.get(&form.id)) {
            Some(Ok(schema)) => Ok(Some(schema)),
            Some(Err(error)) => rule.schema.as_ref().map(Some).ok_or(error),
            None => Ok(rule.schema.as_ref()),
        }
    }
}

/// The data type of a form that the route fills: the one that it names, or B's only one.
#[must_use]
pub fn form_of<'m>(rule: &FormRule, metadata: &'m ApplicationMetadata) -> Option<&'m DataType> {
    let mut forms = metadata.data_types.iter().filter(|it| it.is_form());
    match &rule.data_type {
        Some(named) => forms.find(|form| form.id == *named),
        None => forms.next().filter(|_| forms.next().is_none()),
    }
}

/// The form as it is sent: in the schema's order, or as the route lists its fields if the route says so.
#[must_use]
pub fn arranged(model: Map<String, Value>, rule: &FormRule, schema: &Schema) -> Map<String, Value> {
    match rule.order {
        Order::Schema => schema.ordered(model),
        Order::Route => {
            let listed = model.clone();
            as_listed(schema.ordered(model), &listed)
        }
    }
}

/// `fields` in the order of `listed`, which has the same names.
fn as_listed(mut fields: Map<String, Value>, listed: &Map<String, Value>) -> Map<String, Value> {
    let mut arranged = Map::new();
    for (name, like) in listed {
        if let Some(value) = fields.shift_remove(name) {
            arranged.insert(name.clone(), value_as_listed(value, like));
        }
    }
    arranged.extend(fields);
    arranged
}

fn value_as_listed(value: Value, like: &Value) -> Value {
    match (value, like) {
        (Value::Object(fields), Value::Object(listed)) => as_listed(fields, listed).into(),
        (Value::Array(items), Value::Array(listed)) => items
            .into_iter()
            .zip(listed)
            .map(|(item, like)| value_as_listed(item, like))
            .collect(),
        (value, _) => value,
    }
}
