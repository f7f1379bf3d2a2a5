//! The .NET class of a form, as Altinn Studio generates it from a JSON schema: what an app takes, and what it loses.
//!
//! [`Classes::of_schema`] generates the classes. An app's C#, where it is at hand, may give others.

mod number;
pub mod root;
mod scalar;
mod schema;
mod time;
mod value;

use std::collections::BTreeMap;

use jiff::civil::Date;

pub use schema::{ROW_ID, SchemaError};
pub use value::{Object, Value};

/// The classes and enumerations of a model; the first class is the root's.
#[derive(Debug, Default)]
pub struct Classes {
    /// The classes.
    pub classes: Vec<Class>,
    /// The enumerations.
    pub enumerations: Vec<Enumeration>,
    /// `Namespace` of the root's `XmlRoot`; empty if it has none.
    pub namespace: String,
}

/// One class, with its properties in the order of declaration.
#[derive(Debug, Default, Clone)]
pub struct Class {
    /// The properties.
    pub properties: Vec<Property>,
    /// The properties that are XML elements, as indices of `properties`, in the order in which they are written.
    pub elements: Vec<usize>,
    /// Whether `Order` is set: then the reader accepts elements in that order only.
    pub ordered: bool,
    /// The properties by their names in JSON, as indices of `properties`.
    names: BTreeMap<String, usize>,
}

/// Which part of the XML a property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `[XmlElement]`
    Element,
    /// `[XmlAttribute]`
    Attribute,
    /// `[XmlText]`: the text of the element itself.
    Text,
}

/// A property of a class.
#[derive(Debug, Clone)]
pub struct Property {
    /// The name in JSON.
    pub json: String,
    /// The name of the XML element or attribute.
    pub xml: String,
    /// Which part of the XML it is.
    pub place: Place,
    /// Whether it is a list.
    pub list: bool,
    /// The type of its value; of a list, of its items.
    pub kind: Kind,
    /// Whether `xsi:nil` stands for null: a nullable number, date, boolean or enumeration, or `IsNullable = true`.
    pub nillable: bool,
    /// Whether a `ShouldSerialize` method omits null and the type's default.
    pub omits_default: bool,
    /// The value in a new object.
    pub initial: Value,
    /// What the schema says beside that.
    pub stated: Stated,
}

impl Property {
    /// Whether it is a whole number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stated.whole || matches!(self.kind, Kind::Int16 | Kind::Int32 | Kind::Int64)
    }
}

/// What a schema says of a property and its class in C# does not show.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// What a text is.
    pub format: Option<TextFormat>,
    /// Whether the class sets it to a fixed value: an attribute or text content with `const`.
    pub fixed: bool,
    /// Whether a number is whole, also where the class holds a `decimal`.
    pub whole: bool,
    /// Whether a whole number has no `@xsdType`: Altinn Studio has made `int?` and `decimal?` of it. The class here has the
    /// former, which a form was recorded with.
    pub any_size: bool,
}

/// What a text is, where the class holds it as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// A date.
    Date,
    /// A time of day.
    Time,
}

/// The .NET type of a single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object of this class.
    Class(usize),
    /// `string`
    Text,
    /// `short`
    Int16,
    /// `int`
    Int32,
    /// `long`
    Int64,
    /// `decimal`
    Decimal,
    /// `double`
    Double,
    /// `bool`
    Boolean,
    /// `DateTime`
    DateTime,
    /// A `DateTime` with `DataType = "date"`.
    Date,
    /// This enumeration.
    Enumeration(usize),
    /// The `Guid` that identifies a row of a repeating group while its task is open.
    RowId,
    /// The schema does not describe a value that has a place in a class.
    Unknown,
}

/// An enumeration, with the XML names of its values.
#[derive(Debug, Clone)]
pub struct Enumeration {
    /// Its name in C#.
    pub name: String,
    /// The values.
    pub values: Vec<String>,
}

impl Kind {
    /// Whether this is a .NET value type, which holds null only as `T?`.
    #[must_use]
    pub fn is_value_type(self) -> bool {
        !matches!(self, Kind::Class(_) | Kind::Text | Kind::Unknown)
    }
}

impl Class {
    /// Sorts the elements by `Order`. If none is set they stay in the order of declaration.
    #[must_use]
    pub fn new(properties: Vec<Property>, orders: &[Option<i64>]) -> Self {
        let mut elements: Vec<usize> = (0..properties.len())
            .filter(|index| {
                properties
                    .get(*index)
                    .is_some_and(|property| property.place == Place::Element)
            })
            .collect();
        let order = |index: &usize| orders.get(*index).copied().flatten();
        let ordered = elements.iter().any(|index| order(index).is_some());
        elements.sort_by_key(order);
        let names = properties.iter().enumerate();
        let names = names.map(|(index, property)| (property.json.clone(), index));
        Self {
            names: names.collect(),
            properties,
            elements,
            ordered,
        }
    }

    /// The property with this name in JSON.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(*self.names.get(name)?)
    }

    /// The elements in the order in which they are written, each with its index in `properties`.
    pub fn elements(&self) -> impl Iterator<Item = (usize, &Property)> {
        self.elements
            .iter()
            .filter_map(|index| Some((*index, self.properties.get(*index)?)))
    }

    /// The properties that are this part of the XML, each with its index.
    pub fn at(&self, place: Place) -> impl Iterator<Item = (usize, &Property)> {
        self.properties
            .iter()
            .enumerate()
            .filter(move |(_, property)| property.place == place)
    }
}

impl Classes {
    /// The classes that Altinn Studio generates from a JSON schema.
    ///
    /// # Errors
    /// [`SchemaError`] if no class can be generated from it, or from a part of it.
    pub fn of_schema(schema: &serde_json::Value) -> Result<Self, SchemaError> {
        let (classes, unsupported) = schema::classes(schema)?;
        unsupported.into_iter().next().map_or(Ok(classes), Err)
    }

    /// As [`Classes::of_schema`], but with [`Kind::Unknown`] for each part that no class can be generated from; `None` if
    /// that is the whole.
    #[must_use]
    pub fn as_far_as_known(schema: &serde_json::Value) -> Option<Self> {
        schema::classes(schema).ok().map(|(classes, _)| classes)
    }

    /// Parses text as the generated code of `XmlSerializer` does. `today` is the day of a time of day without one; without
    /// it, such a text is refused.
    ///
    /// # Errors
    /// .NET's message, which may contain the text.
    pub fn read(&self, kind: Kind, text: &str, today: Option<Date>) -> Result<Value, String> {
        scalar::read(self, kind, text, today)
    }

    /// A class by its index; an empty one if there is none.
    #[must_use]
    pub fn class(&self, class: usize) -> &Class {
        static EMPTY: Class = Class {
            properties: Vec::new(),
            elements: Vec::new(),
            ordered: false,
            names: BTreeMap::new(),
        };
        self.classes.get(class).unwrap_or(&EMPTY)
    }

    /// A new object of a class.
    #[must_use]
    pub fn empty(&self, class: usize) -> Object {
        self.class(class)
            .properties
            .iter()
            .map(|property| property.initial.clone())
            .collect()
    }

    /// The default of a type; null if the type can be null.
    #[must_use]
    pub fn default_of(&self, kind: Kind) -> Value {
        match kind {
            Kind::Class(_) | Kind::Text | Kind::RowId | Kind::Unknown => Value::Null,
            Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Decimal | Kind::Double => {
                Value::Number("0".to_owned())
            }
            Kind::Boolean => Value::Boolean(false),
            Kind::DateTime => Value::Text("0001-01-01T00:00:00".to_owned()),
            Kind::Date => Value::Text("0001-01-01".to_owned()),
            Kind::Enumeration(index) => self
                .enumerations
                .get(index)
                .and_then(|one| one.values.first())
                .map_or(Value::Null, |value| Value::Text(value.clone())),
        }
    }

    /// Visits the row id of every row of every repeating group.
    pub fn each_row_id(
        &self,
        class: usize,
        object: &mut Object,
        visit: &mut dyn FnMut(&mut Value),
    ) {
        let properties = &self.class(class).properties;
        for (property, value) in properties.iter().zip(object) {
            let Kind::Class(inner) = property.kind else {
                continue;
            };
            match value {
                Value::List(rows) => {
                    for row in rows {
                        let Value::Object(row) = row else { continue };
                        let properties = &self.class(inner).properties;
                        let id = properties
                            .iter()
                            .position(|property| property.kind == Kind::RowId);
                        if let Some(id) = id.and_then(|id| row.get_mut(id)) {
                            visit(id);
                        }
                        self.each_row_id(inner, row, visit);
                    }
                }
                Value::Object(object) => self.each_row_id(inner, object, visit),
                _ => {}
            }
        }
    }
}
