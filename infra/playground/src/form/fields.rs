//! The fields of a JSON schema.

use std::cell::Cell;

use serde_json::Value;

/// Groups within groups are followed so far: a schema may contain itself.
const DEPTH: usize = 8;
/// More fields are not shown: one that contains itself many times over has more than anybody fills in.
const FIELDS: usize = 5_000;
/// References to references are followed so far.
const REFERENCES: usize = 16;
/// Texts that may be longer than this have several lines to be written in.
const LONG_TEXT: u64 = 250;

/// A property of a form.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The property.
    pub(super) name: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// What a field takes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A group of fields.
    Group(Vec<Field>),
    /// Any number of these; the field in it has no name of its own.
    Rows {
        item: Box<Field>,
        least: usize,
        most: Option<usize>,
    },
    /// One of these values, as pairs of value and label.
    Choice(Vec<(Value, String)>),
    Boolean,
    Integer,
    Number,
    Date,
    Text {
        lines: bool,
        longest: Option<u64>,
        digits: bool,
    },
}

/// The fields of a schema's root; none where it is not that of an object.
pub(crate) fn fields(schema: &Value) -> Vec<Field> {
    let reader = Reader {
        root: schema,
        left: Cell::new(FIELDS),
    };
    match reader.kind(resolve(schema, schema), 0) {
        Some(Kind::Group(fields)) => fields,
        _ => Vec::new(),
    }
}

/// Reads the fields of a schema.
struct Reader<'s> {
    root: &'s Value,
    /// So many fields may still be read.
    left: Cell<usize>,
}

/// Follows references within the schema, and the one part of an `allOf` that Altinn Studio writes around them.
fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..REFERENCES {
        let next = match (schema["$ref"].as_str(), schema["allOf"].as_array()) {
            (Some(reference), _) => reference
                .strip_prefix('#')
                .and_then(|pointer| root.pointer(pointer)),
            (None, Some(parts)) if parts.len() == 1 => parts.first(),
            _ => return schema,
        };
        let Some(next) = next else {
            return schema;
        };
        schema = next;
    }
    schema
}

/// The type of a value, where it is one or that or null.
fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or_default(),
        _ if schema["properties"].is_object() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "",
    }
}

impl Reader<'_> {
    fn kind(&self, schema: &Value, depth: usize) -> Option<Kind> {
        if depth > DEPTH {
            return None;
        }
        if let Some(choices) = choices(schema) {
            return Some(Kind::Choice(choices));
        }
        let number = |name: &str| schema[name].as_u64();
        let size = |name: &str| number(name).and_then(|it| usize::try_from(it).ok());
        Some(match type_of(schema) {
            "object" => {
                let required = schema["required"].as_array();
                let is_required =
                    |name: &str| required.is_some_and(|names| names.iter().any(|it| it == name));
                let properties = schema["properties"].as_object()?;
                let fields = properties.iter().filter_map(|(name, property)| {
                    self.field(property, name, is_required(name), depth + 1)
                });
                Kind::Group(fields.collect())
            }
            "array" => Kind::Rows {
                item: Box::new(self.field(&schema["items"], "", true, depth + 1)?),
                least: size("minItems").unwrap_or(0),
                most: size("maxItems"),
            },
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "string" | "" => match schema["format"].as_str() {
                Some("date") => Kind::Date,
                _ => Kind::Text {
                    lines: number("maxLength").is_some_and(|most| most > LONG_TEXT),
                    longest: number("maxLength"),
                    digits: schema["pattern"]
                        .as_str()
                        .is_some_and(|it| it.starts_with("^[0-9]{") || it.starts_with("^\\d{")),
                },
            },
            _ => return None,
        })
    }

    fn field(&self, property: &Value, name: &str, required: bool, depth: usize) -> Option<Field> {
        self.left.set(self.left.get().checked_sub(1)?);
        let schema = resolve(self.root, property);
        let text = |key: &str| {
            let own = property[key].as_str();
            own.or_else(|| schema[key].as_str())
        };
        Some(Field {
            name: name.to_owned(),
            label: text("title").unwrap_or(name).to_owned(),
            hint: text("description").map(str::to_owned),
            required,
            kind: self.kind(schema, depth)?,
        })
    }
}

fn choices(schema: &Value) -> Option<Vec<(Value, String)>> {
    if let Some(values) = schema["enum"].as_array() {
        let some = values.iter().filter(|value| !value.is_null());
        return Some(some.map(|value| (value.clone(), text(value))).collect());
    }
    let named = schema["oneOf"].as_array()?.iter().map(|choice| {
        let value = choice.get("const")?;
        let label = choice["title"].as_str().map(str::to_owned);
        Some((value.clone(), label.unwrap_or_else(|| text(value))))
    });
    named.collect()
}

/// A single value as a form shows it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
