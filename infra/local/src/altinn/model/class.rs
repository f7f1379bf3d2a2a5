//! From JSON schema to classes, and JSON into their instances.

use serde_json::{Map, Value};

use super::{FormError, ROW_ID, parse_json};

/// How many references or extensions follow one another at most.
const DEEPEST: usize = 64;

/// Why a schema does not describe a model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("{0}")]
    Invalid(String),
    #[error("{place}: {problem}")]
    Unsupported {
        place: String,
        problem: &'static str,
    },
}

/// The classes of a model; the first is the root's.
pub(super) struct Classes(Vec<Class>);

#[derive(Default)]
pub(super) struct Class {
    pub(super) properties: Vec<Property>,
}

pub(super) struct Property {
    pub(super) name: String,
    pub(super) list: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Class(usize),
    Text,
    Number,
    Integer,
    Boolean,
    Date,
    DateTime,
}

impl Classes {
    pub(super) fn of(schema: &Value) -> Result<Self, SchemaError> {
        let mut compiler = Compiler {
            schema,
            classes: Vec::new(),
            seen: Vec::new(),
        };
        let root = compiler.resolve(schema, "#")?;
        compiler.class(root, "#")?;
        Ok(Self(compiler.classes))
    }

    pub(super) fn properties(&self, class: usize) -> &[Property] {
        self.0.get(class).map_or(&[], |class| &class.properties)
    }

    /// A new object: lists are empty, everything else is null.
    pub(super) fn empty(&self, class: usize) -> Map<String, Value> {
        let absent = |property: &Property| {
            if property.list {
                Value::Array(Vec::new())
            } else {
                Value::Null
            }
        };
        self.properties(class)
            .iter()
            .map(|property| (property.name.clone(), absent(property)))
            .collect()
    }

    pub(super) fn read_object(
        &self,
        class: usize,
        value: &Value,
        place: &str,
    ) -> Result<Map<String, Value>, FormError> {
        let refuse = |place: &str, problem| FormError::Value {
            place: place.to_owned(),
            problem,
        };
        let Value::Object(given) = value else {
            return Err(refuse(place, "is not a JSON object"));
        };
        let mut object = self.empty(class);
        for property in self.properties(class) {
            let Some((_, value)) = given
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&property.name))
            else {
                continue;
            };
            let place = format!("{place}.{}", property.name);
            let read = |value: &Value, place: &str| match property.kind {
                Kind::Class(_) if value.is_null() => Ok(Value::Null),
                Kind::Class(class) => self.read_object(class, value, place).map(Value::Object),
                kind => parse_json(&kind, value).map_err(|problem| refuse(place, problem)),
            };
            let value = match (property.list, value) {
                (true, Value::Null) => Value::Array(Vec::new()),
                (true, Value::Array(items)) => Value::Array(
                    items
                        .iter()
                        .map(|item| read(item, &place))
                        .collect::<Result<_, _>>()?,
                ),
                (true, _) => return Err(refuse(&place, "is not a JSON array")),
                (false, value) => read(value, &place)?,
            };
            object.insert(property.name.clone(), value);
        }
        if let Some((_, Value::String(id))) = given
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(ROW_ID))
            && id.parse::<uuid::Uuid>().is_ok()
        {
            object.insert(ROW_ID.to_owned(), Value::String(id.clone()));
        }
        Ok(object)
    }

    /// Visits every row of every repeating group.
    pub(super) fn each_row(
        &self,
        class: usize,
        object: &mut Map<String, Value>,
        visit: &mut dyn FnMut(&mut Map<String, Value>),
    ) {
        for property in self.properties(class) {
            let Kind::Class(inner) = property.kind else {
                continue;
            };
            match object.get_mut(&property.name) {
                Some(Value::Array(rows)) => {
                    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
                        visit(row);
                        self.each_row(inner, row, visit);
                    }
                }
                Some(Value::Object(object)) => self.each_row(inner, object, visit),
                _ => {}
            }
        }
    }
}

struct Compiler<'s> {
    schema: &'s Value,
    classes: Vec<Class>,
    /// Schema nodes that have a class already, so that recursive models end.
    seen: Vec<(*const Value, usize)>,
}

impl<'s> Compiler<'s> {
    /// Follows references and single alternatives to the node that says what the value is.
    fn resolve(&self, mut node: &'s Value, place: &str) -> Result<&'s Value, SchemaError> {
        let unsupported = |problem| SchemaError::Unsupported {
            place: place.to_owned(),
            problem,
        };
        for _ in 0..DEEPEST {
            if let Some(reference) = node["$ref"].as_str() {
                let pointer = reference
                    .strip_prefix('#')
                    .ok_or_else(|| unsupported("a $ref must point into the same file"))?;
                node = self
                    .schema
                    .pointer(pointer)
                    .ok_or_else(|| unsupported("its $ref points nowhere"))?;
                continue;
            }
            // Schemas made from an XSD say `type: object` beside the one alternative that tells more.
            let says_more = type_of(node).is_some_and(|name| name != "object");
            if node.get("properties").is_some() || says_more {
                return Ok(node);
            }
            let alternatives = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|name| {
                node[name]
                    .as_array()
                    .map(|alternatives| (name, alternatives))
            });
            let Some((name, alternatives)) = alternatives else {
                return Ok(node);
            };
            if name == "allOf" && alternatives.len() > 1 {
                return Ok(node);
            }
            node = alternatives
                .iter()
                .find(|alternative| alternative["type"].as_str() != Some("null"))
                .ok_or_else(|| unsupported("has no alternative but null"))?;
        }
        Err(unsupported("its references go in a circle"))
    }

    fn class(&mut self, node: &'s Value, place: &str) -> Result<usize, SchemaError> {
        let key = std::ptr::from_ref(node);
        if let Some((_, class)) = self.seen.iter().find(|(seen, _)| *seen == key) {
            return Ok(*class);
        }
        let index = self.classes.len();
        self.classes.push(Class::default());
        self.seen.push((key, index));
        let mut properties = Vec::new();
        self.collect(node, place, 0, &mut properties)?;
        if properties.is_empty() && node["properties"].is_null() {
            return Err(SchemaError::Unsupported {
                place: place.to_owned(),
                problem: "an object needs `properties`",
            });
        }
        let mut compiled = Vec::with_capacity(properties.len());
        for (name, node) in properties {
            let place = format!("{place}/properties/{name}");
            let node = self.resolve(node, &place)?;
            let list = type_of(node) == Some("array");
            let node = if list {
                self.resolve(&node["items"], &place)?
            } else {
                node
            };
            let kind = match (type_of(node), node["format"].as_str()) {
                (Some("string"), Some("date")) => Kind::Date,
                (Some("string"), Some("date-time")) => Kind::DateTime,
                (Some("string"), _) => Kind::Text,
                (Some("integer"), _) => Kind::Integer,
                (Some("number"), _) => Kind::Number,
                (Some("boolean"), _) => Kind::Boolean,
                (Some("array"), _) => {
                    return Err(SchemaError::Unsupported {
                        place,
                        problem: "a list of lists has no XML form",
                    });
                }
                (Some("object") | None, _) => Kind::Class(self.class(node, &place)?),
                (Some(_), _) => {
                    return Err(SchemaError::Unsupported {
                        place,
                        problem: "its `type` is unknown",
                    });
                }
            };
            compiled.push(Property {
                name: name.clone(),
                list,
                kind,
            });
        }
        if let Some(class) = self.classes.get_mut(index) {
            class.properties = compiled;
        }
        Ok(index)
    }

    /// The properties of a class in order, those that it extends first: in a schema made from an XSD these are parts of its `allOf`.
    fn collect(
        &self,
        node: &'s Value,
        place: &str,
        depth: usize,
        properties: &mut Vec<(&'s String, &'s Value)>,
    ) -> Result<(), SchemaError> {
        if depth > DEEPEST {
            return Err(SchemaError::Unsupported {
                place: place.to_owned(),
                problem: "its references go in a circle",
            });
        }
        let parts = node["allOf"].as_array().map(Vec::as_slice);
        for part in parts.unwrap_or_default() {
            let part = self.resolve(part, place)?;
            self.collect(part, place, depth + 1, properties)?;
        }
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            match properties.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = property,
                None => properties.push((name, property)),
            }
        }
        Ok(())
    }
}

fn type_of(node: &Value) -> Option<&str> {
    match &node["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        _ => type_of_values(node),
    }
}

/// What a node without `type` is, by the values that it allows.
fn type_of_values(node: &Value) -> Option<&'static str> {
    let value = node.get("const").or_else(|| {
        node["enum"]
            .as_array()?
            .iter()
            .find(|value| !value.is_null())
    })?;
    match value {
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
