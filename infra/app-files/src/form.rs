//! Form data as an app's .NET class holds it: typed, in order, with explicit nulls and every digit of a number.
//!
//! A [`Model`] has the classes of a data model. They are read from the app's C# if that is available, and otherwise
//! generated from its JSON schema as Altinn Studio does. A [`Form`] is one object of such a model. Which XML the reader
//! accepts and which elements it drops is measured: tests/xmlserializer/.

mod csharp;
mod error;
mod json;
mod path;
mod scalar;
mod xml_reader;
mod xml_text_reader;
mod xml_writer;

use bytes::Bytes;
use serde_json::Value as JsonValue;
use uuid::Uuid;

pub use csharp::{CsharpModels, ReadClass, ReadGroup};
pub use error::FormError;
use json::Json;
pub use stafett_core::class::SchemaError;
use stafett_core::{
    class::{Classes, Object, Value},
    schema::without_unread_patterns,
};
use xml_reader::ExpectedRoot;

/// A data model: the class that an app has, or that Altinn Studio would generate from its JSON schema.
pub struct Model {
    root: String,
    /// Whether any root element is accepted when reading, because `root` is only a guess.
    accepts_any_root: bool,
    classes: Classes,
    schema: JsonValue,
    validator: jsonschema::Validator,
}

/// One form of a model: the root object.
#[derive(Clone, PartialEq)]
pub struct Form(Object);

impl Model {
    /// Generates the classes from a JSON schema, as Altinn Studio does.
    ///
    /// # Errors
    /// [`SchemaError`] if the schema is invalid, or no class can be generated from it.
    pub fn compile(root: &str, schema: JsonValue) -> Result<Self, SchemaError> {
        let classes = Classes::of_schema(&schema)?;
        let validator = jsonschema::validator_for(&schema)
            // The app reads no patterns, and some are in a dialect that is not understood here.
            .or_else(|error| match without_unread_patterns(&schema) {
                Some(schema) => jsonschema::validator_for(&schema),
                None => Err(error),
            })
            .map_err(|error| SchemaError::Invalid(error.to_string()))?;
        Ok(Self {
            root: root.to_owned(),
            accepts_any_root: false,
            classes,
            schema,
            validator,
        })
    }

    /// The same model, which reads XML with any root element. For apps whose root element is unknown, because a running
    /// app does not publish it.
    #[must_use]
    pub fn with_any_root(self) -> Self {
        Self {
            accepts_any_root: true,
            ..self
        }
    }

    /// The model with the C# class of this name instead of the generated one, unless the C# has no such class or it
    /// cannot be understood.
    #[must_use]
    pub fn with_class(mut self, csharp: &CsharpModels, class: &str) -> Self {
        if let Some(classes) = csharp.classes(class) {
            self.classes = classes;
        }
        self
    }

    /// The JSON schema.
    #[must_use]
    pub fn schema(&self) -> &JsonValue {
        &self.schema
    }

    /// A new form, as the C# constructor creates it.
    #[must_use]
    pub fn empty(&self) -> Form {
        Form(self.classes.empty(0))
    }

    /// Reads XML as the app does.
    ///
    /// # Errors
    /// [`FormError`] for a document that the app would refuse.
    pub fn read_xml(&self, document: &[u8]) -> Result<Form, FormError> {
        let root = if self.accepts_any_root {
            ExpectedRoot::Any
        } else {
            ExpectedRoot::Named(&self.root)
        };
        xml_reader::read(&self.classes, &root, document).map(Form)
    }

    /// The XML that the app stores.
    #[must_use]
    pub fn to_xml(&self, form: &Form) -> Bytes {
        let root = xml_writer::write(&self.classes, &self.root, &form.0);
        Bytes::from(format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{root}"))
    }

    /// The XML in the app's response: without the XML declaration and row ids (measured, tests/recorded/app-data-form-xml.json).
    #[must_use]
    pub fn to_response_xml(&self, form: &Form) -> Bytes {
        let mut form = form.clone();
        self.remove_row_ids(&mut form);
        Bytes::from(xml_writer::write(&self.classes, &self.root, &form.0))
    }

    /// Reads JSON as System.Text.Json does with web defaults: case-insensitive names, unknown fields ignored.
    ///
    /// # Errors
    /// [`FormError`] for a document that the app would refuse.
    pub fn read_json(&self, document: &[u8]) -> Result<Form, FormError> {
        let json = Json::parse(document).map_err(|error| FormError::Json {
            line: error.line(),
            column: error.column(),
        })?;
        json::read(&self.classes, 0, &json, "$").map(Form)
    }

    /// As [`Model::read_json`], for JSON that is already parsed.
    ///
    /// # Errors
    /// [`FormError`] for a value that the class cannot hold.
    pub fn read_value(&self, value: &JsonValue) -> Result<Form, FormError> {
        json::read(&self.classes, 0, &Json::from(value), "$").map(Form)
    }

    /// The JSON in the app's response, with every digit of a number.
    #[must_use]
    pub fn to_json_text(&self, form: &Form, include_row_id: bool) -> String {
        let mut json = String::new();
        json::write(&self.classes, 0, &form.0, include_row_id, &mut json);
        json
    }

    /// As [`Model::to_json_text`], parsed. Numbers keep their digits.
    #[must_use]
    pub fn to_json(&self, form: &Form, include_row_id: bool) -> JsonValue {
        serde_json::from_str(&self.to_json_text(form, include_row_id)).unwrap_or_default()
    }

    /// Gives every row of a repeating group an id if it has none.
    pub fn add_row_ids(&self, form: &mut Form, mut new_id: impl FnMut() -> Uuid) {
        self.classes.each_row_id(0, &mut form.0, &mut |id| {
            if *id == Value::Null {
                *id = Value::Text(new_id().to_string());
            }
        });
    }

    /// Removes all row ids, as the app does when a task ends.
    pub fn remove_row_ids(&self, form: &mut Form) {
        self.classes
            .each_row_id(0, &mut form.0, &mut |id| *id = Value::Null);
    }

    /// Sets the property at a dotted path from text, as Altinn's prefill does.
    ///
    /// # Errors
    /// [`FormError`] if the path leads to an object, or the property cannot hold the value.
    pub fn prefill(
        &self,
        form: &mut Form,
        path: &str,
        text: &str,
        overwrite: bool,
    ) -> Result<(), FormError> {
        path::prefill(&self.classes, 0, &mut form.0, path, text, overwrite)
    }

    /// The value at a dotted path as text; `None` if it is null, absent or not a single value.
    #[must_use]
    pub fn text_at(&self, form: &Form, path: &str) -> Option<String> {
        path::text_at(&self.classes, 0, &form.0, path)
    }

    /// Clears the property at a dotted path.
    pub fn clear(&self, form: &mut Form, path: &str) {
        path::clear(&self.classes, 0, &mut form.0, path);
    }

    /// What the schema does not allow: each field, as a dotted path, with the problem. Contains no values.
    #[must_use]
    pub fn violations(&self, form: &Form) -> Vec<(String, String)> {
        let mut value = self.to_json(form, false);
        remove_absent(&mut value);
        self.validator
            .iter_errors(&value)
            .map(|error| {
                let field = error
                    .instance_path()
                    .to_string()
                    .trim_start_matches('/')
                    .replace('/', ".");
                (field, error.masked().to_string())
            })
            .collect()
    }
}

/// Removes nulls and empty lists, which the schema's validator must treat as absent.
fn remove_absent(value: &mut JsonValue) {
    match value {
        JsonValue::Object(object) => {
            object.retain(|_, value| {
                !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
            });
            object.values_mut().for_each(remove_absent);
        }
        JsonValue::Array(items) => items.iter_mut().for_each(remove_absent),
        _ => {}
    }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod written;
