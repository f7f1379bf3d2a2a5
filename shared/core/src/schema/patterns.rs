//! Patterns of a schema that are not understood here.
//!
//! B's app does not read the patterns of its schema: the form's page does, and .NET's or XSD's own dialects have signs that are
//! none in others, such as `[a-z-[aeiou]]` and `\i`. So such a pattern says nothing of whether B takes a text, and must not
//! make the schema useless.

use serde_json::{Map, Value};

/// The schema without the patterns that the validator would refuse; `None` if there are none.
#[must_use]
pub fn without_unread(document: &Value) -> Option<Value> {
    has_unread(document).then(|| {
        let mut document = document.clone();
        remove_unread(&mut document);
        document
    })
}

/// Whether `pattern` is a regular expression that is understood here.
#[must_use]
pub fn is_read(pattern: &str) -> bool {
    let schema = Value::Object(Map::from_iter([("pattern".to_owned(), pattern.into())]));
    jsonschema::validator_for(&schema).is_ok()
}

fn is_unread(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_str)
        .is_some_and(|pattern| !is_read(pattern))
}

fn has_unread(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            is_unread(fields.get("pattern")) || fields.values().any(has_unread)
        }
        Value::Array(items) => items.iter().any(has_unread),
        _ => false,
    }
}

fn remove_unread(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if is_unread(fields.get("pattern")) {
                fields.shift_remove("pattern");
            }
            fields.values_mut().for_each(remove_unread);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_unread),
        _ => {}
    }
}
