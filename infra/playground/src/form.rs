//! App A's form on a page: rendered from its JSON schema and JSON data, and read back into JSON.
//!
//! A field's name is its place, such as `model.tiltak[0].kode`. It begins with the data type.

mod fields;
mod read;
mod show;
mod violations;

pub(super) use fields::{Field, Kind, fields};
pub(super) use read::{Filled, RowChange, read};
pub(super) use show::{details, show};
pub(super) use violations::{Violation, violations};

/// The place of a property.
fn within(place: &str, property: &str) -> String {
    format!("{place}.{property}")
}

/// The place of a row.
fn row(place: &str, index: usize) -> String {
    format!("{place}[{index}]")
}

/// An HTML id must not contain white space; all other characters are allowed.
fn id(place: &str) -> String {
    place.split_whitespace().collect::<Vec<_>>().join("%20")
}

#[cfg(test)]
mod tests;
