//! Parts of an instance's document, read as Newtonsoft does: names in any case, unknown fields ignored.

use std::collections::BTreeMap;

use app_files::dates;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Mark, Status, Substatus};

/// The document has a value of the wrong type.
pub(crate) struct Unreadable;

/// A field by its name in any case. Null if there is no such field.
pub(crate) fn field<'v>(object: &'v Map<String, Value>, name: &str) -> &'v Value {
    object
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(&Value::Null, |(_, value)| value)
}

/// Reads a string. Numbers and booleans are accepted as text.
pub(crate) fn text(value: &Value) -> Result<Option<String>, Unreadable> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(yes) => Ok(Some(yes.to_string())),
        Value::Array(_) | Value::Object(_) => Err(Unreadable),
    }
}

/// Reads a time. A time without offset is UTC.
pub(crate) fn time(value: &Value) -> Result<Option<Timestamp>, Unreadable> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => dates::parse(text).map(Some).ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}

pub(crate) fn texts(value: &Value) -> Result<Option<BTreeMap<String, String>>, Unreadable> {
    let Value::Object(object) = value else {
        return if value.is_null() {
            Ok(None)
        } else {
            Err(Unreadable)
        };
    };
    // Null values are ignored (measured, tests/recorded/create-datavalues-null.json).
    let entry = |(name, value): (&String, &Value)| {
        text(value)
            .map(|text| text.map(|text| (name.clone(), text)))
            .transpose()
    };
    object
        .iter()
        .filter_map(entry)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The results of a virus scan, by their numbers (Altinn/altinn-storage: src/Storage.Interface/Enums/FileScanResult.cs).
const SCAN_RESULTS: [&str; 4] = ["NotApplicable", "Pending", "Clean", "Infected"];

/// Reads the result of a virus scan, as a word or as its number.
pub(crate) fn parse_scan_result(value: &Value) -> Result<&'static str, Unreadable> {
    let mut known = SCAN_RESULTS.into_iter();
    match value {
        Value::Null => Ok(NOT_SCANNED),
        Value::String(word) => known
            .find(|result| result.eq_ignore_ascii_case(word))
            .ok_or(Unreadable),
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| known.nth(usize::try_from(number).ok()?))
            .ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}

/// The result of an element whose data type is not scanned.
pub(crate) const NOT_SCANNED: &str = "NotApplicable";

/// Reads a status as an app or as Storage writes it.
pub(crate) fn parse_status(value: &Value) -> Result<Status, Unreadable> {
    let Value::Object(object) = value else {
        return if value.is_null() {
            Ok(Status::default())
        } else {
            Err(Unreadable)
        };
    };
    let mark = |flag: &str, at: &str| {
        Ok(Mark {
            set: field(object, flag).as_bool().unwrap_or(false),
            at: time(field(object, at))?,
        })
    };
    let read_status = match field(object, "readStatus") {
        Value::Null => 0,
        Value::Number(number) => number
            .as_u64()
            .filter(|status| *status <= 2)
            .ok_or(Unreadable)? as u8,
        Value::String(name) => match name.to_ascii_lowercase().as_str() {
            "unread" => 0,
            "read" => 1,
            "updatedsincelastreview" => 2,
            _ => return Err(Unreadable),
        },
        _ => return Err(Unreadable),
    };
    let substatus = match field(object, "substatus") {
        Value::Object(substatus) => Some(Substatus {
            label: text(field(substatus, "label"))?.unwrap_or_default(),
            description: text(field(substatus, "description"))?,
        }),
        _ => None,
    };
    Ok(Status {
        archived: mark("isArchived", "archived")?,
        soft_deleted: mark("isSoftDeleted", "softDeleted")?,
        hard_deleted: mark("isHardDeleted", "hardDeleted")?,
        read_status,
        substatus,
    })
}

/// Reads a substatus. `None` if it has no label.
pub(crate) fn parse_substatus(body: &[u8]) -> Option<Substatus> {
    let Value::Object(object) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let text = |name| {
        field(&object, name)
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Some(Substatus {
        label: text("label")?,
        description: text("description"),
    })
}
