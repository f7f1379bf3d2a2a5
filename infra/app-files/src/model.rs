//! Form data as an app's .NET class holds it: typed, ordered, with explicit nulls, numbers to the last digit.
//!
//! The class is read from the app's C# where that is at hand, else made of its JSON schema as Altinn Studio makes it. What its XML
//! reader takes and loses is measured: tests/xmlserializer/.

mod class;
mod csharp;
mod json;
mod number;
mod path;
mod reader;
mod scalar;
mod schema;
mod time;
mod value;
mod writer;
mod xml;

use bytes::Bytes;
use serde_json::Value as JsonValue;
use uuid::Uuid;

use class::Classes;
pub use csharp::Models as CsharpModels;
use json::Json;
use reader::Root;
pub use schema::SchemaError;
use value::{Object, Value};

/// A form data model: the class that an app has, or that Altinn Studio would generate from its JSON schema.
pub struct Model {
    root: String,
    /// Whether no file of the app tells the root element: any is read then, and `root` is a guess.
    is_root_open: bool,
    classes: Classes,
    schema: JsonValue,
    validator: jsonschema::Validator,
}

/// One value of a model: its root object.
#[derive(Clone, PartialEq)]
pub struct Form(Object);

/// Why a document is not a form of this model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormError {
    /// The app's own words, as its answer has them. They may show a value of the form: see [`FormError::without_values`].
    #[error("There is an error in XML document ({line}, {column}). {reason}")]
    Xml {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the XML reader says.
        reason: String,
        /// Whether the reason shows a value of the form.
        shows_value: bool,
    },
    /// No JSON.
    #[error("not well-formed: JSON, line {line} column {column}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A value that the class cannot hold.
    #[error("{place}: {problem}")]
    Value {
        /// The path of the value.
        place: String,
        /// What is the matter with it.
        problem: &'static str,
    },
}

impl FormError {
    /// What is wrong with the document, for all but the app's answer: it shows no value of the form.
    #[must_use]
    pub fn without_values(&self) -> String {
        match self {
            Self::Xml {
                line,
                column,
                shows_value: true,
                ..
            } => format!("line {line}, column {column}: a value that the model cannot hold"),
            _ => self.to_string(),
        }
    }
}

impl Model {
    /// Makes the model of a JSON schema as Altinn Studio makes it.
    ///
    /// # Errors
    /// [`SchemaError`] for a schema that is none, or that makes no class.
    pub fn compile(root: &str, schema: JsonValue) -> Result<Self, SchemaError> {
        let classes = schema::classes(&schema)?;
        let validator = jsonschema::validator_for(&schema)
            .map_err(|error| SchemaError::Invalid(error.to_string()))?;
        Ok(Self {
            root: root.to_owned(),
            is_root_open: false,
            classes,
            schema,
            validator,
        })
    }

    /// The same model, of an app of which no file tells the XML root element: what an app publishes of itself does not.
    #[must_use]
    pub fn with_open_root(self) -> Self {
        Self {
            is_root_open: true,
            ..self
        }
    }

    /// The model with the C# class of that name instead of the schema's, where the C# has one that can be read.
    #[must_use]
    pub fn of_class(mut self, csharp: &CsharpModels, class: &str) -> Self {
        if let Some(classes) = csharp.classes(class) {
            self.classes = classes;
        }
        self
    }

    /// The JSON schema that it was made of.
    #[must_use]
    pub fn schema(&self) -> &JsonValue {
        &self.schema
    }

    /// What `new Model()` holds.
    #[must_use]
    pub fn empty(&self) -> Form {
        Form(self.classes.empty(0))
    }

    /// Reads XML as the app does.
    ///
    /// # Errors
    /// [`FormError`] for what the app would refuse.
    pub fn read_xml(&self, document: &[u8]) -> Result<Form, FormError> {
        let root = if self.is_root_open {
            Root::Any
        } else {
            Root::Named(&self.root)
        };
        reader::read(&self.classes, &root, document).map(Form)
    }

    /// The XML that the app stores.
    #[must_use]
    pub fn to_xml(&self, form: &Form) -> Bytes {
        let root = writer::write(&self.classes, &self.root, &form.0);
        Bytes::from(format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{root}"))
    }

    /// The XML that the app answers: without declaration and row ids (measured, tests/recorded/app-data-form-xml.json).
    #[must_use]
    pub fn to_xml_answer(&self, form: &Form) -> Bytes {
        let mut form = form.clone();
        self.remove_row_ids(&mut form);
        Bytes::from(writer::write(&self.classes, &self.root, &form.0))
    }

    /// Reads JSON as System.Text.Json does with web defaults: names in any case, unknown ones ignored.
    ///
    /// # Errors
    /// [`FormError`] for what the app would refuse.
    pub fn read_json(&self, document: &[u8]) -> Result<Form, FormError> {
        let json = Json::parse(document).map_err(|error| FormError::Json {
            line: error.line(),
            column: error.column(),
        })?;
        json::read(&self.classes, 0, &json, "$").map(Form)
    }

    /// The same for JSON that was read already.
    ///
    /// # Errors
    /// [`FormError`] for a value that the class cannot hold.
    pub fn read_value(&self, value: &JsonValue) -> Result<Form, FormError> {
        json::read(&self.classes, 0, &Json::from(value), "$").map(Form)
    }

    /// The form as the app answers it in JSON, to the last digit.
    #[must_use]
    pub fn to_json_text(&self, form: &Form, include_row_id: bool) -> String {
        let mut json = String::new();
        json::write(&self.classes, 0, &form.0, include_row_id, &mut json);
        json
    }

    /// The same for code that works on it. Numbers with more digits than a double are rounded.
    #[must_use]
    pub fn to_json(&self, form: &Form, include_row_id: bool) -> JsonValue {
        serde_json::from_str(&self.to_json_text(form, include_row_id)).unwrap_or_default()
    }

    /// Gives every row of a repeating group an id, where it has none.
    pub fn add_row_ids(&self, form: &mut Form, mut new_id: impl FnMut() -> Uuid) {
        self.classes.each_row_id(0, &mut form.0, &mut |id| {
            if *id == Value::Null {
                *id = Value::Text(new_id().to_string());
            }
        });
    }

    /// Takes all row ids away, as happens when a task ends.
    pub fn remove_row_ids(&self, form: &mut Form) {
        self.classes
            .each_row_id(0, &mut form.0, &mut |id| *id = Value::Null);
    }

    /// Sets the property at a dotted path from text, as Altinn's prefill does.
    ///
    /// # Errors
    /// [`FormError`] for a path that the class does not have, or a value that it cannot hold.
    pub fn prefill(
        &self,
        form: &mut Form,
        path: &str,
        text: &str,
        overwrite: bool,
    ) -> Result<(), FormError> {
        path::prefill(&self.classes, 0, &mut form.0, path, text, overwrite)
    }

    /// The value at a dotted path as text; none where it is null, absent or not a single value.
    #[must_use]
    pub fn text_at(&self, form: &Form, path: &str) -> Option<String> {
        path::text_at(&self.classes, 0, &form.0, path)
    }

    /// Empties the property at a dotted path.
    pub fn clear(&self, form: &mut Form, path: &str) {
        path::clear(&self.classes, 0, &mut form.0, path);
    }

    /// What the schema finds wrong: the field (dotted path) and what is the matter with it.
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
