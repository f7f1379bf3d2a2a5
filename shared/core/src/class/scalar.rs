//! Parses single values from text, with .NET's error messages.

use jiff::civil::Date;
use uuid::Uuid;

use super::{
    Classes, Kind, Value,
    number::{self, NumberError},
    time,
};

/// See [`Classes::read`].
pub(super) fn read(
    classes: &Classes,
    kind: Kind,
    text: &str,
    today: Option<Date>,
) -> Result<Value, String> {
    let number = |read: Result<String, NumberError>, name: &str| {
        read.map(Value::Number).map_err(|error| match error {
            NumberError::Syntax => {
                format!("The input string '{text}' was not in a correct format.")
            }
            NumberError::TooLarge => {
                format!("Value was either too large or too small for {name}.")
            }
        })
    };
    let integer = |min, max| number::integer(text, min, max);
    match kind {
        Kind::Text | Kind::Unknown => Ok(Value::Text(text.to_owned())),
        Kind::Int16 => number(integer(i16::MIN.into(), i16::MAX.into()), "an Int16"),
        Kind::Int32 => number(integer(i32::MIN.into(), i32::MAX.into()), "an Int32"),
        Kind::Int64 => number(integer(i64::MIN, i64::MAX), "an Int64"),
        Kind::Decimal => number(number::decimal(text), "a Decimal"),
        Kind::Double => number(number::double(text), "a Double"),
        Kind::Boolean => match text.trim_matches([' ', '\t', '\r', '\n']) {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            text => Err(format!("The string '{text}' is not a valid Boolean value.")),
        },
        Kind::DateTime => time::date_time(text, today)
            .map(Value::Text)
            .ok_or_else(|| format!("The string '{text}' is not a valid AllXsd value.")),
        Kind::Date => time::date(text)
            .map(Value::Text)
            .ok_or_else(|| format!("String '{text}' was not recognized as a valid DateTime.")),
        Kind::Enumeration(index) => {
            let name = classes.enumerations.get(index);
            let known = name.is_some_and(|one| one.values.iter().any(|value| value == text));
            if known {
                return Ok(Value::Text(text.to_owned()));
            }
            let name = name.map_or("", |one| &one.name);
            Err(format!(
                "Instance validation error: '{text}' is not a valid value for {name}."
            ))
        }
        Kind::RowId => guid(text)
            .map(|id| match id {
                // The default value, which is never written.
                id if id.is_nil() => Value::Null,
                id => Value::Text(id.to_string()),
            })
            .ok_or_else(|| "Unrecognized Guid format.".to_owned()),
        Kind::Class(_) => Err("is an object, not a single value".to_owned()),
    }
}

/// Parses the formats that .NET's `Guid` accepts: 32 digits, with hyphens, and with hyphens in braces or parentheses.
fn guid(text: &str) -> Option<Uuid> {
    let text = text.trim();
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| text.strip_prefix('(')?.strip_suffix(')'));
    let inner = match inner {
        Some(inner) if inner.contains('-') => inner,
        Some(_) => return None,
        None => text,
    };
    let plain = inner
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    Uuid::try_parse(inner).ok().filter(|_| plain)
}
