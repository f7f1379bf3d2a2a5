//! B's JSON schema, which validates the draft and gives the order of its elements.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    path::Path,
};

use jsonschema::{ReferencingError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use thiserror::Error;

/// A compiled JSON schema of a form.
pub struct Schema {
    document: Value,
    validator: Validator,
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
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// The schema does not give a single type.
    Unknown,
}

impl Schema {
    /// The type of the field at this path.
    #[must_use]
    pub fn field_type(&self, path: &[&str]) -> FieldType {
        let mut schema = &self.document;
        for name in path {
            let properties = self.properties(schema);
            let Some((_, found)) = properties.into_iter().find(|(known, _)| known == name) else {
                return FieldType::Unknown;
            };
            schema = found;
        }
        let (mut types, mut format) = (HashSet::new(), None);
        self.subschemas(schema, &mut |part| {
            match part.get("type") {
                Some(Value::String(one)) => drop(types.insert(one.as_str())),
                Some(Value::Array(several)) => {
                    types.extend(several.iter().filter_map(Value::as_str));
                }
                // In schemas made from an XSD an `enum` has no `type`.
                _ => {
                    let listed = part.get("enum").and_then(Value::as_array);
                    if listed.is_some_and(|values| values.iter().all(Value::is_string)) {
                        types.insert("string");
                    }
                }
            }
            format = format.or_else(|| part.get("format").and_then(Value::as_str));
        });
        types.remove("null");
        let mut types = types.into_iter();
        match (types.next(), types.next(), format) {
            (Some("string"), None, Some("date")) => FieldType::Date,
            (Some("string"), None, Some("date-time")) => FieldType::DateTime,
            (Some("string"), None, _) => FieldType::Text,
            (Some("number"), None, _) => FieldType::Number,
            (Some("integer"), None, _) => FieldType::Integer,
            (Some("boolean"), None, _) => FieldType::Boolean,
            _ => FieldType::Unknown,
        }
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
            Ok(document) => Self::compile(document, file),
            Err(error) => Err(SchemaError::Invalid {
                file,
                problem: error.to_string(),
            }),
        }
    }

    fn compile(document: Value, file: String) -> Result<Self, SchemaError> {
        let built = jsonschema::options().build(&document);
        let validator = built.map_err(|error| match error.kind() {
            ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) => {
                SchemaError::Remote {
                    file,
                    reference: uri.clone(),
                }
            }
            _ => SchemaError::Invalid {
                file,
                problem: error.to_string(),
            },
        })?;
        Ok(Self {
            document,
            validator,
        })
    }

    /// The JSON of the schema.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Everything in `model` that the schema does not allow. That includes unknown fields, because B would drop them
    /// silently.
    #[must_use]
    pub fn violations(&self, model: &Map<String, Value>) -> Vec<Violation> {
        let value = Value::Object(model.clone());
        let mut found: Vec<Violation> = self
            .validator
            .iter_errors(&value)
            .map(|error| Violation {
                field: dotted(error.instance_path().as_str()),
                problem: error.masked().to_string(),
            })
            .collect();
        self.unknown_fields(&value, &self.document, "model", &mut found);
        found
    }

    /// `model` with the fields of every group in the schema's order.
    #[must_use]
    pub fn ordered(&self, model: Map<String, Value>) -> Map<String, Value> {
        match self.order(Value::Object(model), &self.document) {
            Value::Object(model) => model,
            _ => Map::new(),
        }
    }

    fn order(&self, value: Value, schema: &Value) -> Value {
        match value {
            Value::Object(mut fields) => {
                let mut ordered = Map::new();
                for (name, schema) in self.properties(schema) {
                    if let Some(value) = fields.shift_remove(name) {
                        ordered.insert(name.to_owned(), self.order(value, schema));
                    }
                }
                ordered.extend(fields);
                ordered.into()
            }
            Value::Array(items) => {
                let schema = self.items(schema);
                items
                    .into_iter()
                    .map(|item| self.order(item, schema))
                    .collect()
            }
            other => other,
        }
    }

    /// Adds the fields that the schema does not know.
    fn unknown_fields(
        &self,
        value: &Value,
        schema: &Value,
        path: &str,
        found: &mut Vec<Violation>,
    ) {
        match value {
            Value::Object(fields) => {
                let properties = self.properties(schema);
                // A schema without `properties` allows any field.
                if properties.is_empty() {
                    return;
                }
                let properties: HashMap<&str, &Value> = properties.into_iter().collect();
                for (name, value) in fields {
                    let field = format!("{path}.{name}");
                    match properties.get(name.as_str()) {
                        Some(schema) => self.unknown_fields(value, schema, &field, found),
                        None => found.push(Violation {
                            field,
                            problem: "B's schema has no such field, B would drop it silently"
                                .into(),
                        }),
                    }
                }
            }
            Value::Array(items) => {
                let schema = self.items(schema);
                for (index, item) in items.iter().enumerate() {
                    self.unknown_fields(item, schema, &format!("{path}[{index}]"), found);
                }
            }
            _ => {}
        }
    }

    /// The fields of a schema in its order, including those from `$ref`, `allOf`, `anyOf` and `oneOf`.
    fn properties<'a>(&'a self, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let mut found: Vec<(&str, &Value)> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        self.subschemas(schema, &mut |part| {
            for (name, schema) in part
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if known.insert(name) {
                    found.push((name, schema));
                }
            }
        });
        found
    }

    /// The schema of a list's items.
    fn items<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut items = &Value::Null;
        self.subschemas(schema, &mut |part| {
            if let Some(found) = part.get("items") {
                items = found;
            }
        });
        items
    }

    /// Visits the schema and every schema that it refers to or combines, each once.
    fn subschemas<'a>(&'a self, schema: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
        let mut seen: Vec<&Value> = Vec::new();
        let mut due = vec![schema];
        while let Some(part) = due.pop() {
            if seen.iter().any(|known| std::ptr::eq(*known, part)) {
                continue;
            }
            seen.push(part);
            visit(part);
            for keyword in ["oneOf", "anyOf", "allOf"] {
                due.extend(
                    part.get(keyword)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .rev(),
                );
            }
            let target = part
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix('#'))
                .and_then(|pointer| self.document.pointer(pointer));
            due.extend(target);
        }
    }
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
mod tests {
    use serde_json::json;

    use super::*;

    fn compile(document: Value) -> Result<Schema, SchemaError> {
        Schema::compile(document, "form.schema.json".to_owned())
    }

    fn schema() -> Schema {
        compile(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [{"$ref": "#/$defs/Form"}],
            "$defs": {
                "Form": {"type": "object", "properties": {
                    "title": {"type": "string", "maxLength": 10},
                    "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
                    "self": {"$ref": "#/$defs/Form"},
                }, "required": ["title"]},
                "Row": {"type": "object", "properties": {"code": {"enum": ["A", "B"]}, "area": {"type": "number"}}},
            },
        }))
        .unwrap()
    }

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            unreachable!()
        };
        map
    }

    #[test]
    fn elements_are_ordered_by_the_schema_at_every_level() {
        let model = map(
            json!({"rows": [{"area": 1, "code": "A"}], "self": {"rows": [], "title": "x"}, "title": "y"}),
        );
        assert_eq!(
            serde_json::to_string(&schema().ordered(model)).unwrap(),
            r#"{"title":"y","rows":[{"code":"A","area":1}],"self":{"title":"x","rows":[]}}"#
        );
    }

    #[test]
    fn a_violation_names_the_field_and_the_rule_but_no_value() {
        let model = map(
            json!({"title": "hemmelig hemmelig", "rows": [{"code": "hemmelig"}], "titel": "hemmelig"}),
        );
        let found = schema().violations(&model);
        let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
        for field in ["model.title", "model.rows[0].code", "model.titel"] {
            assert!(fields.contains(&field), "{field} in {found:?}");
        }
        assert!(
            found.iter().all(|v| !v.to_string().contains("hemmelig")),
            "{found:?}"
        );
        assert_eq!(schema().violations(&map(json!({"title": "ok"}))), []);
    }

    #[test]
    fn the_type_of_a_field_is_found_through_references_and_combined_schemas() {
        let schema = compile(json!({
            "allOf": [{"$ref": "#/$defs/Form"}],
            "$defs": {
                "Form": {"properties": {
                    "group": {"$ref": "#/$defs/Group"}, "several": {"type": ["string", "number"]}, "any": {},
                }},
                "Group": {"properties": {
                    "text": {"type": ["string", "null"]}, "date": {"type": "string", "format": "date"}, "moment": {"$ref": "#/$defs/Moment"},
                    "number": {"type": "number"}, "whole": {"type": "integer"}, "flag": {"type": "boolean"}, "code": {"enum": ["A", "B"]},
                }},
                "Moment": {"type": "string", "format": "date-time"},
            },
        }))
        .unwrap();
        for (name, expected) in [
            ("text", FieldType::Text),
            ("date", FieldType::Date),
            ("moment", FieldType::DateTime),
            ("number", FieldType::Number),
            ("whole", FieldType::Integer),
            ("flag", FieldType::Boolean),
            ("code", FieldType::Text),
            ("gone", FieldType::Unknown),
        ] {
            assert_eq!(schema.field_type(&["group", name]), expected, "{name}");
        }
        for unknown in ["several", "any", "group"] {
            assert_eq!(
                schema.field_type(&[unknown]),
                FieldType::Unknown,
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_terminates() {
        let cyclic = compile(
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}),
        );
        if let Ok(schema) = cyclic {
            assert_eq!(schema.ordered(map(json!({"x": 1}))), map(json!({"x": 1})));
        }
    }

    #[test]
    fn a_remote_reference_is_refused_and_nothing_is_fetched() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let remote = json!({"$ref": format!("http://{address}/schema.json")});
        assert!(compile(remote).is_err());
        assert!(listener.accept().is_err(), "nothing may be fetched");
    }
}
