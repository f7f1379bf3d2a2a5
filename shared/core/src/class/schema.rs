//! Generates classes from a JSON schema, as Altinn Studio does.
//!
//! (Altinn/altinn-studio: backend/packagesrc/DataModeling/Converter/Csharp/JsonMetadataToCsharpConverter.cs; measured,
//! tests/recorded/apps/contract: a schema and the class made from it.)

use serde_json::Value as Schema;

use super::{Class, Classes, Kind, Place, Property, Stated, TextFormat, Value, root};

/// The maximum number of references or extensions in a row.
const MAX_DEPTH: usize = 64;
/// The maximum number of parts of a class, and of classes in each other.
const MAX_PARTS: usize = 500;
const MAX_NESTING: usize = 100;
/// The keywords for alternatives, and for parts.
const ALTERNATIVES: [&str; 3] = ["oneOf", "anyOf", "allOf"];
/// The XML attribute and JSON property that identifies a row of a repeating group while its task is open.
pub const ROW_ID: &str = "altinnRowId";

/// Why a schema does not describe a model.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is not a JSON schema.
    #[error("{0}")]
    Invalid(String),
    /// No class can be generated from a part of it.
    #[error("{pointer}: {problem}")]
    Unsupported {
        /// The JSON pointer to that part, with `#` for the root.
        pointer: String,
        /// What is wrong there.
        problem: &'static str,
    },
}

/// The classes of a schema, and the parts of it that no class can be generated from.
pub(super) fn classes(schema: &Schema) -> Result<(Classes, Vec<SchemaError>), SchemaError> {
    let mut compiler = Compiler {
        schema,
        classes: Vec::new(),
        seen: Vec::new(),
        rows: Vec::new(),
        unsupported: Vec::new(),
        nesting: 0,
    };
    let node = compiler.resolve(root::node(schema), "#")?;
    compiler.class(node, "#")?;
    for row in std::mem::take(&mut compiler.rows) {
        compiler.identify_rows(row);
    }
    let classes = Classes {
        classes: compiler.classes,
        ..Classes::default()
    };
    Ok((classes, compiler.unsupported))
}

struct Compiler<'s> {
    schema: &'s Schema,
    classes: Vec<Class>,
    /// Schema nodes that already have a class, so that a recursive model terminates.
    seen: Vec<(*const Schema, usize)>,
    /// The classes that are rows of a list.
    rows: Vec<usize>,
    unsupported: Vec<SchemaError>,
    /// How many classes the current one lies in.
    nesting: usize,
}

impl<'s> Compiler<'s> {
    /// Follows references and single alternatives to the node that describes the value.
    fn resolve(&self, node: &'s Schema, pointer: &str) -> Result<&'s Schema, SchemaError> {
        self.follow(node, pointer, MAX_DEPTH)
    }

    fn follow(
        &self,
        mut node: &'s Schema,
        pointer: &str,
        steps: usize,
    ) -> Result<&'s Schema, SchemaError> {
        let unsupported = |problem| SchemaError::Unsupported {
            pointer: pointer.to_owned(),
            problem,
        };
        for steps in (0..steps).rev() {
            if let Some(reference) = node["$ref"].as_str() {
                if !reference.starts_with('#') {
                    return Err(unsupported("a $ref must point into the same file"));
                }
                node = root::target(self.schema, reference)
                    .ok_or_else(|| unsupported("its $ref points nowhere"))?;
                continue;
            }
            // Schemas made from an XSD have `type: object` beside the one alternative that describes the value.
            let says_more = type_of(node).is_some_and(|name| name != "object");
            if node.get("properties").is_some() || says_more {
                return Ok(node);
            }
            let alternatives = ALTERNATIVES
                .into_iter()
                .find_map(|name| node[name].as_array());
            let Some(alternatives) = alternatives else {
                return Ok(node);
            };
            let mut values = alternatives.iter().filter(|one| !is_null(one));
            let first = values
                .next()
                .ok_or_else(|| unsupported("has no alternative but null"))?;
            // The class of several groups has the properties of all.
            if values.next().is_some() && self.is_group(first, pointer, steps)? {
                return Ok(node);
            }
            node = first;
        }
        Err(unsupported("its references go in a circle"))
    }

    fn is_group(&self, node: &'s Schema, pointer: &str, steps: usize) -> Result<bool, SchemaError> {
        let resolved = self.follow(node, pointer, steps)?;
        Ok(matches!(type_of(resolved), None | Some("object")))
    }

    fn class(&mut self, node: &'s Schema, pointer: &str) -> Result<usize, SchemaError> {
        let key = std::ptr::from_ref(node);
        if let Some((_, class)) = self.seen.iter().find(|(seen, _)| *seen == key) {
            return Ok(*class);
        }
        let mut nodes = Vec::new();
        self.collect(node, pointer, &mut Vec::new(), &mut nodes)?;
        if nodes.is_empty() && node["properties"].is_null() {
            return Err(SchemaError::Unsupported {
                pointer: pointer.to_owned(),
                problem: "an object needs `properties`",
            });
        }
        if self.nesting >= MAX_NESTING {
            return Err(SchemaError::Unsupported {
                pointer: pointer.to_owned(),
                problem: "lies too deep",
            });
        }
        self.nesting += 1;
        let index = self.classes.len();
        self.classes.push(Class::default());
        self.seen.push((key, index));
        let mut properties = Vec::with_capacity(nodes.len());
        for (name, node) in nodes {
            let pointer = format!("{pointer}/properties/{name}");
            let property = self.property(name, node, &pointer).unwrap_or_else(|error| {
                self.unsupported.push(error);
                unknown(name)
            });
            properties.push(property);
        }
        self.nesting -= 1;
        // Studio declares the text content last.
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
        pointer: &str,
    ) -> Result<Property, SchemaError> {
        let resolved = self.resolve(given, pointer)?;
        let list = type_of(resolved) == Some("array");
        let node = if list {
            self.resolve(&resolved["items"], pointer)?
        } else {
            resolved
        };
        // Keywords can be beside the reference or in the schema it refers to.
        let keyword = |name: &str| [given, node].into_iter().find_map(|node| node.get(name));
        let says = |name: &str| keyword(name).and_then(Schema::as_bool) == Some(true);
        let xsd_type = keyword("@xsdType").and_then(Schema::as_str);
        let is_attribute = says("@xsdAttribute") || xsd_type == Some("XmlAttribute");
        let place = match (is_attribute, says("@xsdText")) {
            (true, _) => Place::Attribute,
            (_, true) => Place::Text,
            _ => Place::Element,
        };
        let kind = self.kind(node, xsd_type, pointer)?;
        if let (true, Kind::Class(class)) = (list, kind) {
            self.rows.push(class);
        }
        let is_element = place == Place::Element;
        let stated = Stated {
            format: match (kind, node["format"].as_str()) {
                (Kind::Text, Some("date")) => Some(TextFormat::Date),
                (Kind::Text, Some("time")) => Some(TextFormat::Time),
                _ => None,
            },
            fixed: keyword("const").is_some() && place != Place::Element,
            whole: type_of(node) == Some("integer"),
            any_size: kind == Kind::Int32 && !is_known_size(xsd_type),
        };
        // XML attributes and text content cannot be of a nullable value type.
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
            place,
            list,
            kind,
            nillable: is_nullable || (is_element && says("@xsdNillable")),
            // Studio generates no `ShouldSerialize` method for whole numbers (measured: an absent `int?` is stored as xsi:nil).
            omits_default: is_nullable && !matches!(kind, Kind::Int16 | Kind::Int32 | Kind::Int64),
            initial,
            stated,
        })
    }

    /// The .NET type of a single value.
    fn kind(
        &mut self,
        node: &'s Schema,
        xsd_type: Option<&str>,
        pointer: &str,
    ) -> Result<Kind, SchemaError> {
        let unsupported = |problem| SchemaError::Unsupported {
            pointer: pointer.to_owned(),
            problem,
        };
        Ok(match (type_of(node), node["format"].as_str()) {
            (Some("string"), Some("date-time")) => Kind::DateTime,
            // A date is a string in the class; its format is validated later.
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
            (Some("object") | None, _) => Kind::Class(self.class(node, pointer)?),
            (Some(_), _) => return Err(unsupported("its `type` is unknown")),
        })
    }

    /// Collects the properties of a class in order, inherited ones first. In a schema made from an XSD the base class is a
    /// part of `allOf`. Those of all alternatives are in the class
    /// (Altinn/altinn-studio: backend/packagesrc/DataModeling/Converter/Metadata/JsonSchemaToMetamodelConverter.cs).
    fn collect(
        &self,
        node: &'s Schema,
        pointer: &str,
        seen: &mut Vec<*const Schema>,
        properties: &mut Vec<(&'s String, &'s Schema)>,
    ) -> Result<(), SchemaError> {
        if seen.contains(&std::ptr::from_ref(node)) {
            return Ok(());
        }
        seen.push(node);
        if seen.len() > MAX_PARTS {
            return Err(SchemaError::Unsupported {
                pointer: pointer.to_owned(),
                problem: "has too many parts",
            });
        }
        let parts = ["allOf", "oneOf", "anyOf"].map(|name| node[name].as_array());
        let parts = parts.into_iter().flatten().flatten();
        for part in parts.filter(|part| !is_null(part)) {
            let part = self.resolve(part, pointer)?;
            self.collect(part, pointer, seen, properties)?;
        }
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            match properties.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = property,
                None => properties.push((name, property)),
            }
        }
        Ok(())
    }

    /// Adds the row id to a class of rows as its first property, as Studio's generator does.
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

/// A class whose elements have `Order`, in the order of its properties.
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
        stated: Stated::default(),
    }
}

/// A property that the schema does not describe.
fn unknown(name: &str) -> Property {
    Property {
        json: name.to_owned(),
        xml: name.to_owned(),
        place: Place::Element,
        list: false,
        kind: Kind::Unknown,
        nillable: false,
        omits_default: false,
        initial: Value::Null,
        stated: Stated::default(),
    }
}

fn is_null(node: &Schema) -> bool {
    node["type"].as_str() == Some("null")
}

/// Whether an `@xsdType` says how large a whole number may be.
fn is_known_size(xsd_type: Option<&str>) -> bool {
    matches!(xsd_type, Some("int"))
}

fn type_of(node: &Schema) -> Option<&str> {
    match &node["type"] {
        Schema::String(name) => Some(name),
        Schema::Array(names) => {
            let mut types = names
                .iter()
                .filter_map(Schema::as_str)
                .filter(|name| *name != "null");
            let first = types.next();
            let has_parts = |name: &&str| matches!(*name, "array" | "object");
            // A text holds each of several single values.
            match types.next() {
                Some(_) if !first.as_ref().is_some_and(has_parts) => Some("string"),
                _ => first,
            }
        }
        _ => type_of_values(node),
    }
}

/// The type of a node without `type`, from the values that it allows.
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
