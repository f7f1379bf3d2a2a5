//! Values in words.

use serde_json::Value;
use stafett_core::draft::Owner;

/// Characters of a value that are shown; lists can be long.
const LONGEST: usize = 300;

/// The kind of an owner, and its number.
pub(crate) fn owner(owner: &Owner) -> (&'static str, String) {
    match owner {
        Owner::Organisation(number) => ("organisation", number.clone()),
        Owner::Person(number) => ("person", number.clone()),
        Owner::Party(id) => ("party", id.to_string()),
    }
}

/// A value on one line, cut if it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
