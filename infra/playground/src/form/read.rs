//! Converts the fields that a browser sends to JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use stafett_core::number;

use super::{Field, Kind, fields::text, row, within};

/// The maximum number of rows that are shown.
pub(super) const ROWS: usize = 200;

/// The submitted fields by name. Holds form data.
#[derive(Default)]
pub(crate) struct Filled(BTreeMap<String, String>);

impl Filled {
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The number of submitted rows.
    fn rows(&self, place: &str) -> usize {
        let count = self.get(&format!("{place}.rows"));
        count.and_then(|it| it.parse().ok()).unwrap_or(0).min(ROWS)
    }
}

/// A pressed button that adds a row at a place, or removes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    Add { place: String },
    Remove { place: String, index: usize },
}

impl RowChange {
    /// Parses the value of a button.
    pub(crate) fn read(button: &str) -> Option<Self> {
        let (what, place) = button.split_once(' ')?;
        match what {
            "add" => Some(Self::Add {
                place: place.to_owned(),
            }),
            "remove" => {
                let (place, index) = place.rsplit_once(' ')?;
                Some(Self::Remove {
                    place: place.to_owned(),
                    index: index.parse().ok()?,
                })
            }
            _ => None,
        }
    }
}

/// The form at `place`. Empty fields are left out. A value of the wrong type stays text, so that
/// the schema reports it.
pub(crate) fn read(
    fields: &[Field],
    place: &str,
    filled: &Filled,
    change: Option<&RowChange>,
) -> Value {
    let group = Reader { filled, change }.group(fields, place);
    Value::Object(group)
}

struct Reader<'a> {
    filled: &'a Filled,
    change: Option<&'a RowChange>,
}

impl Reader<'_> {
    fn group(&self, fields: &[Field], place: &str) -> Map<String, Value> {
        fields
            .iter()
            .filter_map(|field| {
                let value = self.value(field, &within(place, &field.name))?;
                Some((field.name.clone(), value))
            })
            .collect()
    }

    fn value(&self, field: &Field, place: &str) -> Option<Value> {
        let given = self.filled.get(place).filter(|it| !it.trim().is_empty());
        match &field.kind {
            Kind::Group(fields) => {
                let group = self.group(fields, place);
                // Keep a required group even if it is empty, so that errors point at its fields.
                (field.required || !group.is_empty()).then_some(Value::Object(group))
            }
            Kind::Rows { item, .. } => {
                let rows = self.rows(item, place);
                (!rows.is_empty()).then_some(Value::Array(rows))
            }
            Kind::Choice(choices) => given.map(|given| {
                let chosen = choices.iter().find(|(value, _)| text(value) == given);
                chosen.map_or_else(|| Value::from(given), |(value, _)| value.clone())
            }),
            // Browsers do not send an unticked checkbox.
            Kind::Boolean => {
                let ticked = given.is_some();
                (ticked || field.required).then_some(Value::Bool(ticked))
            }
            Kind::Integer => given.map(|given| {
                let whole = number(given).and_then(|number| number::whole(&number)?.parse().ok());
                whole.map_or_else(|| Value::from(given), Value::Number)
            }),
            Kind::Number => {
                given.map(|given| number(given).map_or_else(|| Value::from(given), Value::Number))
            }
            Kind::Date => given.map(|given| Value::from(given.trim())),
            // Browsers write line breaks as CR LF (HTML Standard, "Constructing the entry list").
            Kind::Text { .. } => given.map(|given| Value::from(given.replace("\r\n", "\n"))),
        }
    }

    fn rows(&self, item: &Field, place: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = (0..self.filled.rows(place))
            .map(|index| {
                let value = self.value(item, &row(place, index));
                value.unwrap_or_else(|| Value::from(""))
            })
            .collect();
        match self.change {
            Some(RowChange::Add { place: there }) if there == place && rows.len() < ROWS => {
                rows.push(empty(item));
            }
            Some(RowChange::Remove {
                place: there,
                index,
            }) if there == place && *index < rows.len() => {
                rows.remove(*index);
            }
            _ => {}
        }
        rows
    }
}

/// An empty row.
pub(super) fn empty(item: &Field) -> Value {
    match item.kind {
        Kind::Group(_) => Value::Object(Map::new()),
        _ => Value::from(""),
    }
}

/// Parses a number with a decimal point or a decimal comma, and keeps its digits. What JSON does not allow may be in front of
/// them: a plus sign, further zeros, or no zero before the decimal point.
fn number(text: &str) -> Option<Number> {
    let text = text.trim().replace(',', ".");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    if !digits.contains(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0').trim_end_matches('.');
    let zero = if digits.starts_with(|char: char| char.is_ascii_digit()) {
        ""
    } else {
        "0"
    };
    let number = format!("{sign}{zero}{digits}").parse().ok()?;
    // A number beyond the range of a double fits no field.
    number::plain(&number).is_some().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_the_digits_that_were_typed() {
        for (typed, expected) in [
            ("12345678901234567,89", "12345678901234567.89"),
            (" 100.00 ", "100.00"),
            ("-0,5", "-0.5"),
            (",5", "0.5"),
            ("5.", "5"),
            ("+007", "7"),
            ("0", "0"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            let number = number(typed).unwrap();
            assert_eq!(number.as_str(), expected, "{typed}");
        }
        for typed in [
            "", "-", ".", "ti", "1 000", "1.000,5", "1-", "NaN", "inf", "1e400",
        ] {
            assert_eq!(number(typed), None, "{typed}");
        }
    }
}
