//! Whether B has everything that a draft holds.

use jiff::{Timestamp, civil::DateTime};
use rust_decimal::Decimal;
use serde_json::Value as Json;

/// The place of what is in `draft` and not in `read`, if there is any. Nothing is lost of what is empty.
pub(crate) fn lost(draft: &Json, read: &Json, place: &str) -> Option<String> {
    match (draft, read) {
        (Json::Null, _) => None,
        (Json::Object(fields), _) => fields.iter().find_map(|(name, value)| {
            let nothing = Json::Null;
            let read = read.get(name).unwrap_or(&nothing);
            lost(value, read, &format!("{place}/{name}"))
        }),
        (Json::Array(items), _) => {
            let items: Vec<&Json> = items.iter().filter(|item| !item.is_null()).collect();
            let read = read.as_array().map(Vec::as_slice).unwrap_or_default();
            if items.len() != read.len() {
                return Some(format!(
                    "{place}: {} items, not {}",
                    read.len(),
                    items.len()
                ));
            }
            let mut pairs = items.into_iter().zip(read).enumerate();
            pairs.find_map(|(index, (item, read))| lost(item, read, &format!("{place}/{index}")))
        }
        (Json::Number(a), Json::Number(b)) if decimal(a) == decimal(b) => None,
        (Json::String(a), Json::String(b)) if a == b || is_same_moment(a, b) => None,
        (Json::Bool(a), Json::Bool(b)) if a == b => None,
        _ => Some(format!("{place}: {draft} is {read}")),
    }
}

fn decimal(number: &serde_json::Number) -> Option<Decimal> {
    let text = number.to_string();
    let exact = Decimal::from_str_exact(&text);
    exact.or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// .NET writes a moment with another offset, and a day as its midnight.
fn is_same_moment(a: &str, b: &str) -> bool {
    if let (Ok(a), Ok(b)) = (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        return a == b;
    }
    let has_offset = |text: &str| text.parse::<Timestamp>().is_ok();
    let both = (a.parse::<DateTime>(), b.parse::<DateTime>());
    matches!(both, (Ok(a), Ok(b)) if a == b) && has_offset(a) == has_offset(b)
}
