//! App A's form as a page shows it: made from its JSON schema, filled with JSON, and read back into JSON.
//!
//! A field's name is its place: `model.tiltak[0].kode`, which begins with the data type.

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

/// An HTML id holds no white space; everything else of a place may stand in it.
fn id(place: &str) -> String {
    place.split_whitespace().collect::<Vec<_>>().join("%20")
}

#[cfg(test)]
mod tests;
