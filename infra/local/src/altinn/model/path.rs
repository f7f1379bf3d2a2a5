//! Dotted paths into a form: prefill and the fields that Altinn copies out of form data.

use serde_json::{Map, Value};

use super::class::{Classes, Kind};
use super::{FormError, parse_text};
use crate::altinn::dates;

/// Unknown paths and paths through lists are ignored; `-` and case do not matter (Altinn/app-lib-dotnet:
/// src/Altinn.App.Core/Implementation/PrefillSI.cs).
pub(super) fn prefill(
    classes: &Classes,
    class: usize,
    object: &mut Map<String, Value>,
    path: &str,
    text: &str,
    overwrite: bool,
) -> Result<(), FormError> {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    let wanted = name.replace('-', "");
    let mut properties = classes.properties(class).iter();
    let property = properties.find(|property| {
        !property.list && property.name.replace('-', "").eq_ignore_ascii_case(&wanted)
    });
    let Some(property) = property else {
        return Ok(());
    };
    let wrong = |problem| FormError::Value {
        place: property.name.clone(),
        problem,
    };
    let slot = object.entry(property.name.clone()).or_insert(Value::Null);
    match (property.kind, rest) {
        (Kind::Class(inner), Some(rest)) => {
            if slot.is_null() {
                *slot = Value::Object(classes.empty(inner));
            }
            match slot {
                Value::Object(object) => prefill(classes, inner, object, rest, text, overwrite),
                _ => Ok(()),
            }
        }
        (Kind::Class(_), None) => Err(wrong("is an object, not a single value")),
        (_, Some(_)) => Ok(()),
        (kind, None) => {
            let value = parse_prefill(&kind, text).map_err(wrong)?;
            if slot.is_null() || overwrite {
                *slot = value;
            }
            Ok(())
        }
    }
}

/// Makes a typed value from the text of a prefill, as .NET's `Convert` does with the invariant culture: a comma separates
/// thousands and is left out (`12,5` is 125), the sign may stand behind, `True` is true, and a text that Newtonsoft takes
/// for a date and time becomes one, of which a field of text gets .NET's own words.
fn parse_prefill(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Number => parse_text(kind, &plain_number(text)),
        Kind::Boolean => match text.trim() {
            text if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            text if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            _ => Err("not a boolean"),
        },
        Kind::Text if text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') => {
            let moment = dates::parse(text).map(|moment| moment.strftime("%m/%d/%Y %H:%M:%S"));
            Ok(moment
                .map_or_else(|| text.to_owned(), |moment| moment.to_string())
                .into())
        }
        _ => parse_text(kind, text),
    }
}

/// A number as `NumberStyles.Number` takes it, in plain digits; commas only stand before the point.
fn plain_number(text: &str) -> String {
    let text = text.trim();
    let (text, sign) = match text.strip_suffix(['+', '-']) {
        Some(rest) if text.ends_with('-') => (rest, "-"),
        Some(rest) => (rest, ""),
        None => (text, ""),
    };
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", whole.replace(',', "")),
        None => format!("{sign}{}", text.replace(',', "")),
    }
}

pub(super) fn text_at(object: &Map<String, Value>, path: &str) -> Option<String> {
    let mut names = path.split('.');
    let mut value = object.get(names.next()?)?;
    for name in names {
        value = value.get(name)?;
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// Sets the single value or object at a dotted path to null.
pub(super) fn clear(object: &mut Map<String, Value>, path: &str) {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (object.get_mut(name), rest) {
        (Some(Value::Object(inner)), Some(rest)) => clear(inner, rest),
        (Some(slot), None) => {
            *slot = if slot.is_array() {
                Value::Array(Vec::new())
            } else {
                Value::Null
            }
        }
        _ => {}
    }
}
