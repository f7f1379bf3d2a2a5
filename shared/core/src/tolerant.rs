//! Deserializes Altinn's JSON as leniently as Altinn's own readers do.
//!
//! The same document is written in several ways: apps write nulls, and enumerations as numbers; Storage omits nulls and
//! writes enumerations as text; and each generation of the library adds, drops or renames fields. Altinn's readers
//! (Newtonsoft, and System.Text.Json with its web defaults) accept all of them. So does [`read`]:
//!
//! * `null` means absent; `null` instead of a list or group means an empty one,
//! * unknown fields are ignored, fields may be in any order, and of a repeated field the last value that is not null counts,
//! * the names of a struct's fields are case-insensitive,
//! * a number may be written as text and a text as a number; so may `true` and `false` as text.
//!
//! A field that is not an `Option` and has no default is still required. Dates are read with [`timestamp`], enumerations
//! into [`Enumeration`](crate::instance::Enumeration).

use jiff::{
    Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value};

use crate::{moment::has_shape, number};

/// Reads a value from Altinn's JSON.
///
/// # Errors
/// If the JSON is not such a value. The message may quote the document, which may contain personal data: do not log it.
pub fn read<'de, T: Deserialize<'de>>(json: &'de Value) -> Result<T, Error> {
    T::deserialize(Tolerant(json))
}

/// The deserializer behind [`read`], for callers that wrap it in another one.
#[derive(Debug, Clone, Copy)]
pub struct Tolerant<'de>(pub &'de Value);

impl<'de> Tolerant<'de> {
    fn text(self) -> Option<String> {
        match self.0 {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// The integer that a number with a fraction of zero or an exponent, or a text, stands for.
    fn integer(self) -> Option<Value> {
        let text = match self.0 {
            Value::Number(number) => number::whole(number)?,
            Value::String(text) => text.trim().to_owned(),
            _ => return None,
        };
        let number = text.parse::<i64>().map(Value::from);
        number
            .or_else(|_| text.parse::<u64>().map(Value::from))
            .ok()
    }
}

impl<'de> IntoDeserializer<'de, Error> for Tolerant<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The name of a field, borrowed for the lifetime of the document.
struct Name<'de>(&'de str);

impl<'de> IntoDeserializer<'de, Error> for Name<'de> {
    type Deserializer = BorrowedStrDeserializer<'de, Error>;

    fn into_deserializer(self) -> Self::Deserializer {
        BorrowedStrDeserializer::new(self.0)
    }
}

/// The fields of an object with one of these names, each once.
fn known_fields<'de>(
    object: &'de Map<String, Value>,
    names: &'static [&'static str],
) -> Vec<(&'static str, &'de Value)> {
    let mut found: Vec<(&'static str, &'de Value)> = Vec::with_capacity(names.len());
    for (written, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let exact = names.iter().find(|name| *name == written);
        let name = exact.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(written)));
        let Some(name) = name.copied() else { continue };
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => found.push((name, value)),
        }
    }
    found
}

/// Deserializes an integer from what [`Tolerant::integer`] returns.
macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.integer() {
                Some(number) => number.$method(visitor),
                None => self.0.$method(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Tolerant<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let fields = match self.0 {
            Value::Null => Vec::new(),
            Value::Object(object) => known_fields(object, names),
            other => return other.deserialize_map(visitor),
        };
        let fields = fields
            .into_iter()
            .map(|(name, value)| (Name(name), Self(value)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let object = match self.0 {
            Value::Null => None,
            Value::Object(object) => Some(object),
            other => return other.deserialize_map(visitor),
        };
        let set = object
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null());
        let fields = set.map(|(name, value)| (Name(name), Self(value)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = match self.0 {
            Value::Null => &[],
            Value::Array(items) => items.as_slice(),
            other => return other.deserialize_seq(visitor),
        };
        visitor.visit_seq(SeqDeserializer::new(items.iter().map(Self)))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text() {
            Some(text) => visitor.visit_string(text),
            None => self.0.deserialize_string(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => self.deserialize_string(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.as_str().map(str::trim) {
            Some(text) if text.eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            Some(text) if text.eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            _ => self.0.deserialize_bool(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// The field of an object with this name, in any case; null if there is none.
#[must_use]
pub fn field<'v>(group: &'v Value, name: &str) -> &'v Value {
    static NULL: Value = Value::Null;
    let Some(fields) = group.as_object() else {
        return &NULL;
    };
    let exact = fields.get(name).filter(|value| !value.is_null());
    let alike = || {
        let mut alike = fields.iter().filter(|(_, value)| !value.is_null());
        let found = alike.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    };
    exact.or_else(alike).unwrap_or(&NULL)
}

/// Deserializes a date and time as .NET writes it: with 0 to 7 decimals, and UTC if it has no offset.
///
/// # Errors
/// If the value is not a date and time.
pub fn timestamp<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    parse_timestamp(&text)
        .map(Some)
        .ok_or_else(|| D::Error::custom("not a date and time"))
}

/// Parses a date and time as [`timestamp`] does.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    // What stands behind the day and the time. The parser of a local time would read it and drop it.
    let (_, time) = text.split_at_checked(10)?;
    let behind = time.trim_start_matches(|c: char| !matches!(c, 'Z' | 'z' | '+' | '-' | '['));
    let (local, offset) = text.split_at_checked(text.len() - behind.len())?;
    let local: DateTime = local.parse().ok()?;
    // .NET's `DateTime.MaxValue` is later than `Timestamp::MAX`.
    if matches!(offset, "" | "Z" | "z") {
        let zoned = local.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        return Some(zoned.unwrap_or(Timestamp::MAX));
    }
    let is_offset = has_shape(offset, "+00:00") || has_shape(offset, "-00:00");
    let is_latest = local.date() >= date(9999, 12, 30);
    (is_offset && is_latest).then_some(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Group {
        id: u64,
        #[serde(default)]
        is_read: bool,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default, deserialize_with = "timestamp")]
        created: Option<Timestamp>,
    }

    #[test]
    fn the_last_of_repeated_fields_counts_unless_it_is_null() {
        for (document, expected) in [
            (json!({"id": 1, "Id": 2}), 2),
            (json!({"Id": 2, "id": null}), 2),
            (json!({"id": "3"}), 3),
            (json!({"ID": 4.0}), 4),
            (json!({"ID": 4e3}), 4_000),
        ] {
            assert_eq!(read::<Group>(&document).unwrap().id, expected, "{document}");
        }
        for document in [
            json!({}),
            json!({"id": null}),
            json!({"id": 1.5}),
            json!({"id": "x"}),
            json!(null),
            json!([1]),
        ] {
            assert!(read::<Group>(&document).is_err(), "{document}");
        }
    }

    #[test]
    fn null_is_absent() {
        let document = json!({"id": 1, "isRead": null, "names": null, "created": null});
        assert_eq!(
            read::<Group>(&document).unwrap(),
            read(&json!({"id": 1})).unwrap()
        );
        let document = json!({"id": 1, "isRead": " True ", "names": ["a", 1, true]});
        let group: Group = read(&document).unwrap();
        assert!(group.is_read);
        assert_eq!(group.names, ["a", "1", "true"]);
    }

    #[test]
    fn a_date_and_time_without_an_offset_is_utc() {
        let parsed = |text: &str| parse_timestamp(text).map(|timestamp| timestamp.to_string());
        for (text, expected) in [
            ("2026-11-29T09:15:30", "2026-11-29T09:15:30Z"),
            (
                "2026-11-29T09:15:30.1234567",
                "2026-11-29T09:15:30.1234567Z",
            ),
            ("2026-11-29T10:15:30.5+01:00", "2026-11-29T09:15:30.5Z"),
            ("2026-11-29T09:15:30Z", "2026-11-29T09:15:30Z"),
            ("2026-11-29", "2026-11-29T00:00:00Z"),
            ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(
            parse_timestamp("9999-12-31T23:59:59.9999999Z"),
            Some(Timestamp::MAX)
        );
        assert_eq!(
            parse_timestamp("9999-12-31T23:59:59.9999999+00:00"),
            Some(Timestamp::MAX)
        );
        for text in [
            "",
            "i går",
            "2026-13-01T00:00:00Z",
            "29.11.2026",
            // An offset or a zone is never dropped.
            "2026-11-29T09:15:30+26:00",
            "2026-11-29T09:15:30-99:00",
            "2026-11-29T09:15:30+01:00x",
            "2026-11-29T09:15:30[Europe/Oslo]",
            "2026-11-29[Europe/Oslo]",
            "2026-11-29T09:15:30ZZ",
            "9999-12-31T23:59:59+01",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn an_integer_beyond_the_precision_of_a_double_is_exact() {
        for (json, expected) in [
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("1.8446744073709551615E+19", u64::MAX),
        ] {
            let document = serde_json::from_str(&format!(r#"{{"id": {json}}}"#)).unwrap();
            assert_eq!(read::<Group>(&document).unwrap().id, expected, "{json}");
        }
        for json in ["18446744073709551616", "-1", "1e999999999"] {
            let document = serde_json::from_str(&format!(r#"{{"id": {json}}}"#)).unwrap();
            assert!(read::<Group>(&document).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_number_stays_the_same_in_a_field_of_any_type(json in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?") {
            #[derive(Deserialize)]
            struct Any {
                any: Value,
                text: String,
            }
            let document = serde_json::from_str(&format!(r#"{{"any": {json}, "text": {json}}}"#)).unwrap();
            let read: Any = read(&document).unwrap();
            let Value::Number(number) = read.any else { unreachable!() };
            let original: serde_json::Number = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read.text, original.as_str());
            prop_assert_eq!(number::normalized(&number), number::normalized(&original));
        }
    }
}
