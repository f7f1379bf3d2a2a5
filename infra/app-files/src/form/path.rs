//! Dotted paths in a form, for prefill and for the fields that Altinn copies from form data.

use stafett_core::class::{Classes, Kind, Object, Value};

use super::{error::FormError, scalar};
use crate::dates;

/// Splits off the first name of a path.
fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)))
}

/// Sets the property at a path from a text. Unknown paths and paths through lists are ignored; `-` and case do not matter
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Implementation/PrefillSI.cs).
pub(super) fn prefill(
    classes: &Classes,
    class: usize,
    object: &mut Object,
    path: &str,
    text: &str,
    overwrite: bool,
) -> Result<(), FormError> {
    let (name, rest) = split(path);
    let wanted = name.replace('-', "");
    let properties = &classes.class(class).properties;
    let found = properties.iter().zip(object).find(|(property, _)| {
        !property.list && property.json.replace('-', "").eq_ignore_ascii_case(&wanted)
    });
    let Some((property, slot)) = found else {
        return Ok(());
    };
    let wrong = |problem| FormError::Value {
        path: property.json.clone(),
        problem,
    };
    match (property.kind, rest) {
        (Kind::Class(inner), Some(rest)) => {
            if *slot == Value::Null {
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
            let value = convert(classes, kind, text)
                .ok_or_else(|| wrong("cannot hold the value of the prefill"))?;
            if *slot == property.initial || overwrite {
                *slot = value;
            }
            Ok(())
        }
    }
}

/// Converts a prefilled text to a typed value, as .NET's `Convert` does with the invariant culture. A comma separates
/// thousands and is dropped (measured: `12,5` becomes 125), the sign of a number may follow it, and a boolean is a word.
/// Newtonsoft turns a text that looks like a date and time into one, which a text field then gets in .NET's own format.
fn convert(classes: &Classes, kind: Kind, text: &str) -> Option<Value> {
    let text = match kind {
        Kind::Decimal | Kind::Double => plain_number(text),
        Kind::Boolean => match text.trim() {
            word if word.eq_ignore_ascii_case("true") => "true".to_owned(),
            word if word.eq_ignore_ascii_case("false") => "false".to_owned(),
            _ => return None,
        },
        Kind::Text if text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') => {
            let moment = dates::parse(text).map(|moment| moment.strftime("%m/%d/%Y %H:%M:%S"));
            moment.map_or_else(|| text.to_owned(), |moment| moment.to_string())
        }
        // Converted to the server's time zone, which is UTC (measured, tests/recorded/create-simplified.json: the size).
        Kind::DateTime => match text.strip_suffix('Z') {
            Some(local) => format!("{local}+00:00"),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    };
    scalar::read(classes, kind, &text).ok()
}

/// Rewrites a number that `NumberStyles.Number` accepts without commas and with its sign in front. Commas are allowed only
/// before the decimal point, and not first.
fn plain_number(text: &str) -> String {
    let text = text.trim();
    let (text, sign) = match text.strip_suffix(['+', '-']) {
        Some(rest) if text.ends_with('-') => (rest, "-"),
        Some(rest) => (rest, ""),
        None => (text, ""),
    };
    if text.starts_with(',') {
        return text.to_owned();
    }
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", whole.replace(',', "")),
        None => format!("{sign}{}", text.replace(',', "")),
    }
}

/// The single value at a dotted path, as text.
pub(super) fn text_at(
    classes: &Classes,
    class: usize,
    object: &Object,
    path: &str,
) -> Option<String> {
    let (name, rest) = split(path);
    let properties = &classes.class(class).properties;
    let (property, value) = properties
        .iter()
        .zip(object)
        .find(|(property, _)| property.json == name)?;
    match (property.kind, value, rest) {
        (Kind::Class(inner), Value::Object(object), Some(rest)) => {
            text_at(classes, inner, object, rest)
        }
        (_, Value::Text(text) | Value::Number(text), None) => Some(text.clone()),
        (_, Value::Boolean(yes), None) => Some(yes.to_string()),
        _ => None,
    }
}

/// Clears the property at a dotted path.
pub(super) fn clear(classes: &Classes, class: usize, object: &mut Object, path: &str) {
    let (name, rest) = split(path);
    let properties = &classes.class(class).properties;
    let found = properties
        .iter()
        .zip(object)
        .find(|(property, _)| property.json == name);
    match (found, rest) {
        (Some((property, Value::Object(object))), Some(rest)) => {
            if let Kind::Class(inner) = property.kind {
                clear(classes, inner, object, rest);
            }
        }
        (Some((property, slot)), None) => {
            *slot = match slot {
                Value::List(_) => Value::List(Vec::new()),
                _ if property.nillable => Value::Null,
                _ if property.kind.is_value_type() => classes.default_of(property.kind),
                _ => Value::Null,
            }
        }
        _ => {}
    }
}
