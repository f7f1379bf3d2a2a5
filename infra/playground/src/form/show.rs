//! From a form's fields and JSON to what a template shows.

use std::collections::BTreeMap;

use minijinja::{Value as Shown, context};
use serde_json::Value;

use super::{
    Field, Kind, Violation,
    fields::text,
    id,
    read::{ROWS, empty},
    row, within,
};

/// The fields at `place` with their values, and what is wrong with them.
pub(crate) fn show(fields: &[Field], place: &str, form: &Value, violations: &[Violation]) -> Shown {
    let mut wrong: BTreeMap<&str, Vec<Shown>> = BTreeMap::new();
    for violation in violations {
        let shown = violation.shown();
        wrong.entry(&violation.place).or_default().push(shown);
    }
    Shown::from(Painter { wrong: &wrong }.group(fields, place, form))
}

struct Painter<'a> {
    wrong: &'a BTreeMap<&'a str, Vec<Shown>>,
}

impl Painter<'_> {
    fn group(&self, fields: &[Field], place: &str, form: &Value) -> Vec<Shown> {
        fields
            .iter()
            .map(|field| {
                let value = &form[field.name.as_str()];
                self.field(field, &within(place, &field.name), value, &field.label)
            })
            .collect()
    }

    fn field(&self, field: &Field, place: &str, value: &Value, label: &str) -> Shown {
        let common = context! {
            name => place,
            id => id(place),
            label,
            hint => field.hint.clone(),
            required => field.required,
            wrong => self.wrong.get(place),
            value => text(value),
        };
        let own = match &field.kind {
            Kind::Group(fields) => context! {
                kind => "group",
                fields => self.group(fields, place, value),
            },
            Kind::Rows { item, least, most } => {
                let given = value.as_array().map(Vec::as_slice).unwrap_or_default();
                // So many have to be there anyway.
                let count = given.len().max(*least).min(ROWS);
                let rows: Vec<Shown> = (0..count)
                    .map(|index| {
                        let empty = empty(item);
                        let value = given.get(index).unwrap_or(&empty);
                        let label = format!("{} {}", field.label, index + 1);
                        self.field(item, &row(place, index), value, &label)
                    })
                    .collect();
                context! {
                    kind => "rows",
                    count,
                    may_add => most.is_none_or(|most| count < most) && count < ROWS,
                    may_remove => count > *least,
                    rows,
                }
            }
            Kind::Choice(choices) => {
                let given = text(value);
                let choices: Vec<Shown> = choices
                    .iter()
                    .map(|(value, label)| {
                        let value = text(value);
                        let chosen = value == given;
                        context! { value, label, chosen }
                    })
                    .collect();
                context! { kind => "choice", choices }
            }
            Kind::Boolean => context! { kind => "boolean", ticked => value == &Value::Bool(true) },
            Kind::Integer => context! { kind => "number", step => "1", inputmode => "numeric" },
            Kind::Number => context! { kind => "number", step => "any", inputmode => "decimal" },
            Kind::Date => context! { kind => "date" },
            Kind::Text {
                lines,
                longest,
                digits,
            } => context! {
                kind => if *lines || text(value).contains('\n') { "lines" } else { "text" },
                longest,
                digits,
            },
        };
        context! { ..own, ..common }
    }
}

/// Form data as a list of names and values: labelled as the schema has it, and whatever it does not know by its name.
pub(crate) fn details(fields: &[Field], form: &Value) -> Shown {
    let known = |name: &str| fields.iter().find(|field| field.name == name);
    let Value::Object(properties) = form else {
        return Shown::from(Vec::<Shown>::new());
    };
    let shown = properties
        .iter()
        .filter(|(_, value)| !is_blank(value))
        .map(|(name, value)| {
            let field = known(name);
            let label = field.map_or(name.as_str(), |field| &field.label);
            detail(label, field, value)
        });
    Shown::from(shown.collect::<Vec<_>>())
}

fn detail(label: &str, field: Option<&Field>, value: &Value) -> Shown {
    let of_group = |field: Option<&Field>| match field.map(|field| &field.kind) {
        Some(Kind::Group(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    match value {
        Value::Object(_) => {
            context! { label, kind => "group", parts => details(&of_group(field), value) }
        }
        Value::Array(items) => {
            let item = match field.map(|field| &field.kind) {
                Some(Kind::Rows { item, .. }) => Some(item.as_ref()),
                _ => None,
            };
            let rows: Vec<Shown> = items
                .iter()
                .enumerate()
                .map(|(index, value)| detail(&format!("{label} {}", index + 1), item, value))
                .collect();
            context! { label, kind => "rows", parts => rows }
        }
        single => context! { label, kind => "value", value => text(single) },
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(properties) => properties.values().all(is_blank),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
