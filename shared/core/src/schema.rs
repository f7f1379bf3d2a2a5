//! B's JSON schema: what B takes of a draft, and in which order.
//!
//! The schema gives the class that B reads its form with ([`crate::class`]). A draft is first read as that class reads it, and
//! what the class then holds is checked against the schema.

mod held;
mod keywords;
pub mod limits;
mod patterns;
pub mod shape;

use std::{fmt, io, path::Path};

use jsonschema::{ReferencingError, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use patterns::{is_read as is_pattern_read, without_unread as without_unread_patterns};

use crate::{
    class::{Class, Classes, Kind, Property, TextFormat, root},
    number,
};

/// A compiled JSON schema of a form.
pub struct Schema {
    document: Value,
    digest: String,
    validator: Validator,
    /// The classes; `None` where the schema does not say which fields the form has.
    classes: Option<Classes>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// There is no such file.
    #[error("cannot read the schema {file}: {problem}")]
    NotFound {
        /// The file.
        file: String,
        /// What the operating system says.
        problem: String,
    },
    /// The file cannot be read.
    #[error("cannot read the schema {file}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The schema refers to another document. Nothing is ever fetched.
    #[error("{file} refers to {reference}, which is another document")]
    Remote {
        /// The file.
        file: String,
        /// The other document.
        reference: String,
    },
    /// The file is not JSON, or not a JSON schema that is complete in one file.
    #[error("{file} is not a JSON schema that stands for itself: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
}

/// A draft that B's schema does not allow. Names the field and the rule, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct Violation {
    /// The field, as a dotted path.
    pub field: String,
    /// Which rule it breaks.
    pub problem: String,
}

/// The type of a field's value, as far as a schema gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A text.
    Text,
    /// A date, which is a string in Altinn's classes.
    Date,
    /// A date and time.
    DateTime,
    /// A number, which is a `decimal` in Altinn's classes.
    Number,
    /// A number that is a `double` in the class: `"@xsdType": "double"`.
    Double,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// The schema does not give a single type.
    Unknown,
}

impl FieldType {
    fn of(property: &Property) -> Self {
        match (property.kind, property.stated.format) {
            _ if property.list => Self::Unknown,
            (Kind::Text, Some(TextFormat::Date)) | (Kind::Date, _) => Self::Date,
            (Kind::Text, _) => Self::Text,
            _ if property.is_whole() => Self::Integer,
            (Kind::Decimal, _) => Self::Number,
            (Kind::Double, _) => Self::Double,
            (Kind::Boolean, _) => Self::Boolean,
            (Kind::DateTime, _) => Self::DateTime,
            _ => Self::Unknown,
        }
    }

    /// Why a field of this type does not hold a number exactly. `digits` is the number in plain notation, or `None` if it is
    /// beyond the range of a double.
    pub(crate) fn rounds(self, digits: Option<&str>) -> Option<&'static str> {
        match self {
            Self::Number | Self::Integer if digits.and_then(number::decimal).is_none() => Some(
                "has more digits than .NET's decimal holds (28, or 29 up to 79228162514264337593543950335): B would round or \
                 refuse the number",
            ),
            Self::Double if !digits.is_some_and(number::is_double) => Some(
                "has more digits than .NET's double holds (15, or up to 17): B would round or refuse the number",
            ),
            _ => None,
        }
    }
}

impl Schema {
    /// The type of the field at this path.
    #[must_use]
    pub fn field_type(&self, path: &[&str]) -> FieldType {
        self.property(path)
            .map_or(FieldType::Unknown, FieldType::of)
    }

    fn property(&self, path: &[&str]) -> Option<&Property> {
        let classes = self.classes.as_ref()?;
        let (last, groups) = path.split_last()?;
        let mut class = classes.class(0);
        for name in groups {
            let property = class.property(name).filter(|it| !it.list)?;
            let Kind::Class(inner) = property.kind else {
                return None;
            };
            class = classes.class(inner);
        }
        class.property(last)
    }

    /// The classes that B reads its form with, as far as the schema tells.
    pub(crate) fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    /// Reads and compiles a schema. Only references within the document are resolved; nothing is fetched.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        let file = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| {
            let (file, problem) = (file.clone(), error.to_string());
            match error.kind() {
                io::ErrorKind::NotFound => SchemaError::NotFound { file, problem },
                _ => SchemaError::Unreadable { file, problem },
            }
        })?;
        // The files of apps often begin with a byte order mark.
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
        match serde_json::from_slice(text) {
            Ok(document) => Self::compile(document, &file),
            Err(error) => Err(SchemaError::Invalid {
                file,
                problem: error.to_string(),
            }),
        }
    }

    /// Compiles a schema. Only references within the document are resolved; nothing is fetched. `name` is what errors call it.
    ///
    /// # Errors
    /// [`SchemaError::Remote`] and [`SchemaError::Invalid`].
    pub fn compile(document: Value, name: impl Into<String>) -> Result<Self, SchemaError> {
        let name = name.into();
        let document = root::rooted(document, None);
        let options = keywords::KEYWORDS
            .into_iter()
            .fold(jsonschema::options(), |options, (keyword, factory)| {
                options.with_keyword(keyword, factory)
            });
        // What .NET's readers take of these is another thing, and checked before.
        let options = ["date", "date-time", "time"]
            .into_iter()
            .fold(options, |options, format| {
                options.with_format(format, |_: &str| true)
            });
        let built = options.build(&document);
        let validator = built
            .or_else(|error| match patterns::without_unread(&document) {
                Some(document) => options.build(&document),
                None => Err(error),
            })
            .map_err(|error| match error.kind() {
                ValidationErrorKind::Referencing(ReferencingError::Unretrievable {
                    uri, ..
                }) => SchemaError::Remote {
                    file: name,
                    reference: uri.clone(),
                },
                _ => SchemaError::Invalid {
                    file: name,
                    problem: error.to_string(),
                },
            })?;
        Ok(Self {
            digest: digest(&document),
            classes: Classes::as_far_as_known(&document),
            document,
            validator,
        })
    }

    /// The JSON of the schema, with the model's class as its root.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What tells this schema from others: the first twelve hex digits of the SHA-256 of its JSON without white space.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Everything in `model` that B refuses, loses or rounds: unknown fields, values that its class does not hold as they are,
    /// and values that the schema does not allow. Whether something is missing counts only if B shall be `complete`.
    #[must_use]
    pub fn violations(&self, model: &Map<String, Value>, complete: bool) -> Vec<Violation> {
        let mut found = Vec::new();
        let held = match &self.classes {
            Some(classes) => held::held(classes, model, &mut found),
            None => Value::Object(model.clone()),
        };
        let of_class = found.len();
        for error in self.validator.iter_errors(&held) {
            self.explain(&error, complete, &mut found);
        }
        // A field that the class does not hold is missing for that reason only.
        let (of_class, of_schema) = found.split_at(of_class);
        let is_explained = |violation: &Violation| {
            of_class.iter().any(|known| {
                let parent = known
                    .field
                    .rsplit_once('.')
                    .map_or("", |(parent, _)| parent);
                violation.field == known.field
                    || violation.field == parent && violation.is_missing(known)
            })
        };
        let new = of_schema.iter().filter(|it| !is_explained(it));
        of_class.iter().chain(new).cloned().collect()
    }

    /// Adds what a validation error means: of several alternatives, what is wrong with the one that fits best.
    fn explain(&self, error: &ValidationError<'_>, complete: bool, found: &mut Vec<Violation>) {
        use ValidationErrorKind as Wrong;
        match error.kind() {
            Wrong::AnyOf { context } | Wrong::OneOfNotValid { context } => {
                let branches = context.iter().filter(|errors| !admits_null_only(errors));
                let explained = branches.map(|errors| {
                    let mut found = Vec::new();
                    for error in errors {
                        self.explain(error, complete, &mut found);
                    }
                    found
                });
                found.extend(explained.min_by_key(Vec::len).unwrap_or_default());
            }
            Wrong::Required { .. }
            | Wrong::MinItems { .. }
            | Wrong::MinProperties { .. }
            | Wrong::Contains
            | Wrong::OneOfMultipleValid { .. }
                if !complete => {}
            // The class has told them.
            Wrong::AdditionalProperties { .. } | Wrong::UnevaluatedProperties { .. }
                if self.classes.is_some() => {}
            _ => {
                let violation = Violation {
                    field: dotted(error.instance_path().as_str()),
                    problem: error.masked().to_string(),
                };
                if !found.contains(&violation) {
                    found.push(violation);
                }
            }
        }
    }

    /// `model` with the fields of every group in the order of B's class, and whole numbers without a fraction of zero. To a JSON
    /// schema `3.0` is an integer; to .NET it is not.
    #[must_use]
    pub fn ordered(&self, model: Map<String, Value>) -> Map<String, Value> {
        match &self.classes {
            Some(classes) => ordered(classes, classes.class(0), model),
            None => model,
        }
    }
}

fn ordered(classes: &Classes, class: &Class, mut fields: Map<String, Value>) -> Map<String, Value> {
    let mut sorted = Map::new();
    for property in &class.properties {
        if let Some(value) = fields.shift_remove(&property.json) {
            let value = ordered_value(classes, property, value);
            sorted.insert(property.json.clone(), value);
        }
    }
    sorted.extend(fields);
    sorted
}

fn ordered_value(classes: &Classes, property: &Property, value: Value) -> Value {
    match (property.kind, value) {
        (Kind::Class(class), Value::Object(fields)) => {
            ordered(classes, classes.class(class), fields).into()
        }
        (_, Value::Array(items)) => {
            let items = items.into_iter();
            items
                .map(|item| ordered_value(classes, property, item))
                .collect()
        }
        (_, Value::Number(given)) if property.is_whole() => {
            let whole = number::whole(&given).and_then(|text| text.parse().ok());
            Value::Number(whole.unwrap_or(given))
        }
        (_, value) => value,
    }
}

/// The first twelve hex digits of the SHA-256 of a document without white space.
fn digest(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string());
    let digits = digest.iter().take(6);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

impl Violation {
    /// Whether it says that the field of another violation is missing.
    fn is_missing(&self, other: &Self) -> bool {
        let name = other.field.rsplit('.').next().unwrap_or_default();
        self.problem == format!("\"{name}\" is a required property")
    }
}

/// Whether these are the errors of an alternative that takes `null` and nothing else.
fn admits_null_only(errors: &[ValidationError<'_>]) -> bool {
    let is_of_null = |error: &ValidationError<'_>| {
        matches!(
            error.kind(),
            ValidationErrorKind::Type {
                kind: jsonschema::error::TypeKind::Single(jsonschema::JsonType::Null),
            }
        )
    };
    matches!(errors, [only] if is_of_null(only))
}

/// Whether B reads a text as the date and time, or the date, that it means: `2026-11-20T09:12:45Z`, without an offset, or
/// `2026-11-20`.
#[must_use]
pub fn is_date_time(text: &str) -> bool {
    held::is_date_time(text)
}

/// Converts a JSON pointer to a dotted path, as used in the other messages.
fn dotted(pointer: &str) -> String {
    let mut path = String::from("model");
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{segment}]"));
        } else {
            path.push('.');
            path.push_str(segment);
        }
    }
    path
}

#[cfg(test)]
mod tests;
