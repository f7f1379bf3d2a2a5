//! From JSON schema to the classes that Altinn Studio generates from it.
//!
//! (Altinn/altinn-studio: backend/packagesrc/DataModeling/Converter/Csharp/JsonMetadataToCsharpConverter.cs; measured,
//! tests/recorded/apps/contract: a schema and the class made from it.)

use serde_json::Value as Schema;

use super::class::{Class, Classes, Kind, Place, Property};
use super::value::Value;

/// How many references or extensions follow one another at most.
const DEEPEST: usize = 64;
/// The attribute (XML) and property (JSON) that identifies a row of a repeating group while its task is open.
pub(super) const ROW_ID: &str = "altinnRowId";

/// Why a schema does not describe a model.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is no JSON schema.
    #[error("{0}")]
    Invalid(String),
    /// Something in it of which no class can be made.
    #[error("{place}: {problem}")]
    Unsupported {
        /// Where in the schema.
        place: String,
        /// What is the matter.
        problem: &'static str,
    },
}

/// The classes of a schema.
pub(super) fn classes(schema: &Schema) -> Result<Classes, SchemaError> {
    let mut compiler = Compiler {
        schema,
        classes: Vec::new(),
        seen: Vec::new(),
        rows: Vec::new(),
    };
    let root = compiler.root()?;
    compiler.class(root, "#")?;
    for row in std::mem::take(&mut compiler.rows) {
        compiler.identify_rows(row);
    }
    Ok(Classes {
        classes: compiler.classes,
        ..Classes::default()
    })
}

struct Compiler<'s> {
    schema: &'s Schema,
    classes: Vec<Class>,
    /// Schema nodes that have a class already, so that recursive models end.
    seen: Vec<(*const Schema, usize)>,
    /// The classes that are rows of a list.
    rows: Vec<usize>,
}

impl<'s> Compiler<'s> {
    /// The node of the model's class: in older schemas the root only leads to it.
    fn root(&self) -> Result<&'s Schema, SchemaError> {
        let info = &self.schema["info"];
        let named = info["rootNode"]
            .as_str()
            .and_then(|reference| self.schema.pointer(reference.strip_prefix('#')?));
        let message = info["meldingsnavn"]
            .as_str()
            .map(|name| &self.schema["properties"][name]);
        let only = || {
            let properties = self.schema["properties"].as_object()?;
            let (name, only) = properties.iter().next().filter(|_| properties.len() == 1)?;
            // The root of a message from Seres is its only property.
            (name == "melding" && only["$ref"].is_string()).then_some(only)
        };
        let node = named
            .filter(|node| node.is_object() && !std::ptr::eq(*node, self.schema))
            .or_else(|| message.filter(|node| node.is_object()))
            .or_else(only)
            .unwrap_or(self.schema);
        self.resolve(node, "#")
    }

    /// Follows references and single alternatives to the node that says what the value is.
    fn resolve(&self, mut node: &'s Schema, place: &str) -> Result<&'s Schema, SchemaError> {
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

    fn class(&mut self, node: &'s Schema, place: &str) -> Result<usize, SchemaError> {
        let key = std::ptr::from_ref(node);
        if let Some((_, class)) = self.seen.iter().find(|(seen, _)| *seen == key) {
            return Ok(*class);
        }
        let index = self.classes.len();
        self.classes.push(Class::default());
        self.seen.push((key, index));
        let mut nodes = Vec::new();
        self.collect(node, place, 0, &mut nodes)?;
        if nodes.is_empty() && node["properties"].is_null() {
            return Err(SchemaError::Unsupported {
                place: place.to_owned(),
                problem: "an object needs `properties`",
            });
        }
        let mut properties = Vec::with_capacity(nodes.len());
        for (name, node) in nodes {
            properties.push(self.property(name, node, &format!("{place}/properties/{name}"))?);
        }
        // Studio writes the text content last.
        properties.sort_by_key(|property| property.place == Place::Text);
        if let Some(class) = self.classes.get_mut(index) {
            *class = ordered(properties);
        }
        Ok(index)
    }

    fn property(
        &mut self,
        name: &str,
        given: &'s Schema,
        place: &str,
    ) -> Result<Property, SchemaError> {
        let resolved = self.resolve(given, place)?;
        let list = type_of(resolved) == Some("array");
        let node = if list {
            self.resolve(&resolved["items"], place)?
        } else {
            resolved
        };
        // Keywords stand beside the reference or where it leads.
        let keyword = |name: &str| [given, node].into_iter().find_map(|node| node.get(name));
        let says = |name: &str| keyword(name).and_then(Schema::as_bool) == Some(true);
        let xsd_type = keyword("@xsdType").and_then(Schema::as_str);
        let is_attribute = says("@xsdAttribute") || xsd_type == Some("XmlAttribute");
        let at = match (is_attribute, says("@xsdText")) {
            (true, _) => Place::Attribute,
            (_, true) => Place::Text,
            _ => Place::Element,
        };
        let unsupported = |problem| SchemaError::Unsupported {
            place: place.to_owned(),
            problem,
        };
        let kind = match (type_of(node), node["format"].as_str()) {
            (Some("string"), Some("date-time")) => Kind::DateTime,
            // A date is a string in the class, with a pattern that is checked later.
            (Some("string"), _) => Kind::Text,
            (Some("integer"), _) => match xsd_type {
                Some("long") => Kind::Int64,
                Some("short") => Kind::Int16,
                Some(
                    "integer" | "positiveInteger" | "negativeInteger" | "nonNegativeInteger"
                    | "nonPositiveInteger",
                ) => Kind::Decimal,
                _ => Kind::Int32,
            },
            (Some("number"), _) if xsd_type == Some("double") => Kind::Double,
            (Some("number"), _) => Kind::Decimal,
            (Some("boolean"), _) => Kind::Boolean,
            (Some("array"), _) => return Err(unsupported("a list of lists has no XML form")),
            (Some("object") | None, _) => Kind::Class(self.class(node, place)?),
            (Some(_), _) => return Err(unsupported("its `type` is unknown")),
        };
        if let (true, Kind::Class(class)) = (list, kind) {
            self.rows.push(class);
        }
        let is_element = at == Place::Element;
        // A `T?` cannot be an attribute or the text.
        let is_nullable = kind.is_value_type() && is_element;
        let fixed = keyword("const").filter(|_| !is_element);
        let initial = match (list, fixed) {
            (true, _) => Value::List(Vec::new()),
            (_, Some(Schema::String(text))) => Value::Text(text.clone()),
            (_, Some(Schema::Number(number))) => Value::Number(number.to_string()),
            _ if kind.is_value_type() && !is_nullable => Classes::default().default_of(kind),
            _ => Value::Null,
        };
        Ok(Property {
            json: name.to_owned(),
            xml: name.to_owned(),
            place: at,
            list,
            kind,
            nillable: is_nullable || (is_element && says("@xsdNillable")),
            // Studio gives whole numbers none of these methods (measured: an absent `int?` is stored as xsi:nil).
            omits_default: is_nullable && !matches!(kind, Kind::Int16 | Kind::Int32 | Kind::Int64),
            initial,
        })
    }

    /// The properties of a class in order, those that it extends first: in a schema made from an XSD these are parts of its `allOf`.
    fn collect(
        &self,
        node: &'s Schema,
        place: &str,
        depth: usize,
        properties: &mut Vec<(&'s String, &'s Schema)>,
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

    /// Gives a class of rows the id that Studio's generator gives it, as its first property.
    fn identify_rows(&mut self, class: usize) {
        let Some(class) = self.classes.get_mut(class) else {
            return;
        };
        if class.properties.iter().any(|one| one.kind == Kind::RowId) {
            return;
        }
        let mut properties = std::mem::take(&mut class.properties);
        properties.insert(0, row_id());
        *class = ordered(properties);
    }
}

/// A class whose elements have the order of its properties.
fn ordered(properties: Vec<Property>) -> Class {
    let orders: Vec<_> = (0..).take(properties.len()).map(Some).collect();
    Class::new(properties, &orders)
}

fn row_id() -> Property {
    Property {
        json: ROW_ID.to_owned(),
        xml: ROW_ID.to_owned(),
        place: Place::Attribute,
        list: false,
        kind: Kind::RowId,
        nillable: false,
        omits_default: true,
        initial: Value::Null,
    }
}

fn type_of(node: &Schema) -> Option<&str> {
    match &node["type"] {
        Schema::String(name) => Some(name),
        Schema::Array(names) => names
            .iter()
            .filter_map(Schema::as_str)
            .find(|name| *name != "null"),
        _ => type_of_values(node),
    }
}

/// What a node without `type` is, by the values that it allows.
fn type_of_values(node: &Schema) -> Option<&'static str> {
    let value = node.get("const").or_else(|| {
        node["enum"]
            .as_array()?
            .iter()
            .find(|value| !value.is_null())
    })?;
    match value {
        Schema::String(_) => Some("string"),
        Schema::Bool(_) => Some("boolean"),
        Schema::Number(number) if number.is_f64() => Some("number"),
        Schema::Number(_) => Some("integer"),
        Schema::Null | Schema::Array(_) | Schema::Object(_) => None,
    }
}
