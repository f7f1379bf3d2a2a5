//! Reads and writes a form as JSON, as System.Text.Json does with web defaults. Numbers keep every digit both ways.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use stafett_core::{
    class::{Classes, Kind, Object, Value},
    number,
};

use super::{error::FormError, scalar};

/// The maximum nesting of JSON (System.Text.Json's `MaxDepth`).
const MAX_DEPTH: usize = 64;

/// Parsed JSON, with its numbers as they were written.
pub(super) enum Json {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(super) fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_slice(document)?;
        Self::from_raw(raw, MAX_DEPTH)
    }

    /// Parses the value, with `levels` more levels of nesting allowed.
    fn from_raw(raw: &RawValue, levels: usize) -> Result<Self, serde_json::Error> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(serde_json::Error::custom("nested too deep"));
        };
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text)?;
                let entries = entries
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::from_raw(value, levels)?)));
                Self::Object(entries.collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b'[') => {
                let Items(items) = serde_json::from_str(text)?;
                let items = items.into_iter().map(|item| Self::from_raw(item, levels));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't') => Self::Boolean(true),
            Some(b'f') => Self::Boolean(false),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Given;
        match value {
            Given::Null => Self::Null,
            Given::Bool(value) => Self::Boolean(*value),
            Given::Number(number) => Self::Number(number.to_string()),
            Given::String(text) => Self::Text(text.clone()),
            Given::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Given::Object(entries) => {
                let entry = |(name, value): (&String, &Given)| (name.clone(), value.into());
                Self::Object(entries.iter().map(entry).collect())
            }
        }
    }
}

struct Entries<'r>(Vec<(String, &'r RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

struct Items<'r>(Vec<&'r RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

/// Reads an object of a class: names are case-insensitive, unknown fields are ignored.
pub(super) fn read(
    classes: &Classes,
    class: usize,
    json: &Json,
    path: &str,
) -> Result<Object, FormError> {
    let refuse = |path: &str, problem: &'static str| FormError::Value {
        path: path.to_owned(),
        problem,
    };
    let Json::Object(given) = json else {
        return Err(refuse(path, "is not a JSON object"));
    };
    let mut object = classes.empty(class);
    let properties = &classes.class(class).properties;
    for (property, slot) in properties.iter().zip(&mut object) {
        let is_named = |(name, _): &&(String, Json)| name.eq_ignore_ascii_case(&property.json);
        let Some((_, value)) = given.iter().rfind(is_named) else {
            continue;
        };
        let path = format!("{path}.{}", property.json);
        let read_one = |value: &Json| match (property.kind, value) {
            (kind, Json::Null) if kind.is_value_type() && !property.nillable => {
                // The app itself omits a row id that is null.
                match kind {
                    Kind::RowId => Ok(Value::Null),
                    _ => Err(refuse(&path, "is null and cannot be")),
                }
            }
            (_, Json::Null) => Ok(Value::Null),
            (Kind::Class(class), value) => read(classes, class, value, &path).map(Value::Object),
            (kind, value) => {
                read_single(classes, kind, value).ok_or_else(|| refuse(&path, wrong_kind(kind)))
            }
        };
        *slot = match (property.list, value) {
            (true, Json::Null) => Value::List(Vec::new()),
            (true, Json::List(items)) => {
                Value::List(items.iter().map(read_one).collect::<Result<_, _>>()?)
            }
            (true, _) => return Err(refuse(&path, "is not a JSON array")),
            (false, value) => read_one(value)?,
        };
    }
    Ok(object)
}

/// Reads a single value. Numbers may be strings, and may have an exponent where .NET allows one in JSON.
fn read_single(classes: &Classes, kind: Kind, value: &Json) -> Option<Value> {
    match (kind, value) {
        (Kind::Text, Json::Text(text)) => Some(Value::Text(text.clone())),
        (Kind::Boolean, Json::Boolean(value)) => Some(Value::Boolean(*value)),
        (
            Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Decimal | Kind::Double,
            Json::Number(text) | Json::Text(text),
        ) => {
            let plain = match kind {
                Kind::Decimal => without_exponent(text)?,
                _ => text.clone(),
            };
            scalar::read(classes, kind, &plain).ok()
        }
        (Kind::Enumeration(index), Json::Number(number)) => {
            let values = &classes.enumerations.get(index)?.values;
            let value = values.get(number.parse::<usize>().ok()?)?;
            Some(Value::Text(value.clone()))
        }
        (Kind::Date, Json::Text(text)) => {
            let date = text.strip_suffix("T00:00:00").unwrap_or(text);
            scalar::read(classes, kind, date).ok()
        }
        (Kind::DateTime | Kind::RowId, Json::Text(text)) => scalar::read(classes, kind, text).ok(),
        _ => None,
    }
}

/// Writes `1.5e3` as `1500`. `None` if the text has an exponent and is not a number, or far too large for a decimal.
fn without_exponent(text: &str) -> Option<String> {
    if text.contains(['e', 'E']) {
        number::plain(&text.parse().ok()?)
    } else {
        Some(text.to_owned())
    }
}

/// What is wrong with a JSON value that is not of this kind.
fn wrong_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Class(_) => "is not a JSON object",
        Kind::Text => "is not a JSON string",
        Kind::Int16 | Kind::Int32 | Kind::Int64 => "is not an integer that fits",
        Kind::Decimal | Kind::Double => "is not a number that fits",
        Kind::Boolean => "is not true or false",
        Kind::DateTime => "is not a date and time",
        Kind::Date => "is not a date",
        Kind::Enumeration(_) => "is not a value of its enumeration",
        Kind::RowId => "is not a GUID",
        Kind::Unknown => "has no place in the class",
    }
}

/// Writes an object of a class.
pub(super) fn write(
    classes: &Classes,
    class: usize,
    object: &Object,
    include_row_id: bool,
    json: &mut String,
) {
    json.push('{');
    let mut separator = "";
    for (property, value) in classes.class(class).properties.iter().zip(object) {
        if property.kind == Kind::RowId && (!include_row_id || *value == Value::Null) {
            continue;
        }
        json.push_str(separator);
        separator = ",";
        push_text(&property.json, json);
        json.push(':');
        write_value(classes, property.kind, value, include_row_id, json);
    }
    json.push('}');
}

fn write_value(
    classes: &Classes,
    kind: Kind,
    value: &Value,
    include_row_id: bool,
    json: &mut String,
) {
    match (kind, value) {
        (_, Value::Null) => json.push_str("null"),
        (_, Value::Boolean(value)) => json.push_str(if *value { "true" } else { "false" }),
        (_, Value::Number(number)) if number.ends_with(['N', 'F']) => push_text(number, json),
        (_, Value::Number(number)) => json.push_str(number),
        (Kind::Date, Value::Text(date)) => push_text(&format!("{date}T00:00:00"), json),
        (Kind::Enumeration(index), Value::Text(value)) => {
            let values = classes.enumerations.get(index).map(|one| &one.values);
            let index = values.and_then(|values| values.iter().position(|one| one == value));
            json.push_str(&index.unwrap_or_default().to_string());
        }
        (_, Value::Text(text)) => push_text(text, json),
        (_, Value::List(items)) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_value(classes, kind, item, include_row_id, json);
            }
            json.push(']');
        }
        (Kind::Class(class), Value::Object(object)) => {
            write(classes, class, object, include_row_id, json);
        }
        (_, Value::Object(_)) => json.push_str("null"),
    }
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}
