//! From what a browser sends to JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::{Field, Kind, fields::text, row, within};

/// More rows than this are not shown.
pub(super) const ROWS: usize = 200;

/// What a browser sent, by name. Holds form data.
#[derive(Default)]
pub(crate) struct Filled(BTreeMap<String, String>);

impl Filled {
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How many rows were sent.
    fn rows(&self, place: &str) -> usize {
        let count = self.get(&format!("{place}.rows"));
        count.and_then(|it| it.parse().ok()).unwrap_or(0).min(ROWS)
    }
}

/// A button that was pressed: the rows of a place are to be more, or fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    Add { place: String },
    Remove { place: String, index: usize },
}

impl RowChange {
    /// Reads the value of a button.
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

/// The form at `place`. Whatever was left empty is absent; what is not of its type is there as text,
/// for the schema to say so.
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
                // A group that has to be there is, so that what it lacks is said of its fields.
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
            // A box that is not ticked is not sent.
            Kind::Boolean => {
                let ticked = given.is_some();
                (ticked || field.required).then_some(Value::Bool(ticked))
            }
            Kind::Integer => given.map(|given| {
                let number = given.trim().parse::<i64>().ok();
                number.map_or_else(|| Value::from(given), Value::from)
            }),
            Kind::Number => given.map(|given| number(given).unwrap_or_else(|| Value::from(given))),
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

/// A row that nobody has filled in.
pub(super) fn empty(item: &Field) -> Value {
    match item.kind {
        Kind::Group(_) => Value::Object(Map::new()),
        _ => Value::from(""),
    }
}

/// A number with a point or a comma.
fn number(text: &str) -> Option<Value> {
    let text = text.trim().replace(',', ".");
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::from(whole));
    }
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.map(Value::Number)
}
