//! Whether a field of B takes a value, or every value that a field of A may have.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use stafett_core::{
    language::types::{self, Fields, Type},
    schema::{
        limits::Limits,
        shape::{FormSchema, Kind, Node, Shape},
    },
};

use super::misfit::Misfit;
use crate::check::words::known;

mod ranges;
mod values;

use ranges::{count_misfit, flag_misfit, number_misfit, text_misfit};
pub(super) use ranges::{too_few, too_many};
use values::value_breaks;

/// Levels of groups in a value that are looked at.
const MAX_DEPTH: usize = 64;

/// Pairs of fields that one comparison of groups looks at.
const MAX_PAIRS: usize = 5_000;
/// Misfits of one comparison, after which nothing more is looked for.
const MAX_FOUND: usize = 12;

/// B's side of a comparison.
#[derive(Clone, Copy)]
pub(super) struct FormTarget<'f, 'a> {
    pub(super) form: &'f FormSchema<'a>,
    /// Whether each draft is validated against a schema, which tells text from number.
    pub(super) is_validated: bool,
    /// Whether B's required fields and the fewest items of its lists count.
    pub(super) is_complete: bool,
}

impl<'a> FormTarget<'_, 'a> {
    /// Why `node` does not take `value`, if it does not.
    pub(super) fn refuses(&self, node: &Node<'a>, value: &Value) -> Option<Misfit> {
        self.refuses_at(node, value, 0)
    }

    fn refuses_at(&self, node: &Node<'a>, value: &Value, depth: usize) -> Option<Misfit> {
        let shape = self.form.shape(node);
        // The simplified request carries texts, of which B reads no digit as a truth value.
        let as_read = self.is_validated.then(|| read_as(value, &shape)).flatten();
        let value = as_read.as_ref().unwrap_or(value);
        let kind = Kind::of(value)?;
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(misfit) = self.kind(&BTreeSet::from([kind]), &shape.kinds, true) {
            return Some(field_by_field(misfit, kind, &shape));
        }
        // Of an empty list there is no element, and its items are not counted.
        if let Some(misfit) = value_breaks(&shape.limits, value)
            && (misfit.code != "few-items" || self.is_complete && !has_no_element(value))
        {
            return Some(misfit);
        }
        match value {
            Value::Array(items) => {
                let node = shape.items.as_ref()?;
                if items.iter().any(Value::is_null) && self.form.shape(node).refuses_null {
                    return Some(Misfit::error("may-be-empty", HOLES));
                }
                items
                    .iter()
                    .find_map(|item| self.refuses_at(node, item, depth + 1))
                    .map(Misfit::in_item)
            }
            Value::Object(fields) => {
                let is_set = |name: &str| {
                    let node = shape.field(name);
                    node.is_some_and(|node| self.form.shape(node).is_fixed)
                };
                let is_lacking = |name: &&&str| {
                    self.is_complete
                        && fields.get(**name).is_none_or(has_no_element)
                        && !is_set(name)
                };
                if let Some(name) = shape.required.iter().find(is_lacking) {
                    return Some(not_there().in_field(name));
                }
                fields.iter().find_map(|(name, value)| {
                    let misfit = match shape.field(name) {
                        Some(node) => self.refuses_at(node, value, depth + 1),
                        None if shape.is_closed() => Some(no_such_field()),
                        None => None,
                    };
                    misfit.map(|misfit| misfit.in_field(name))
                })
            }
            _ => None,
        }
    }

    /// Why values of the kinds `given` do not fit where the kinds `admitted` are allowed, if they do not. Of a text that may be
    /// any, B takes those that are numbers or truth values; `is_value` says that it is none of them.
    fn kind(
        &self,
        given: &BTreeSet<Kind>,
        admitted: &BTreeSet<Kind>,
        is_value: bool,
    ) -> Option<Misfit> {
        if given.is_empty() || admitted.is_empty() {
            return None;
        }
        let text_carries = |kind: &Kind| {
            let is_scalar = !matches!(kind, Kind::List | Kind::Group);
            !self.is_validated && is_scalar && admitted.contains(&Kind::Text)
        };
        let misfits: Vec<Kind> = given
            .iter()
            .filter(|kind| !kind.fits(admitted) && !text_carries(kind))
            .copied()
            .collect();
        let first = *misfits.first()?;
        let wanted: Vec<_> = admitted.iter().map(|kind| kind.words()).collect();
        let wanted = wanted.join(" or ");
        let may = misfits.len() < given.len()
            || first == Kind::Number && admitted.contains(&Kind::Integer);
        let is_read = !is_value
            && first == Kind::Text
            && [Kind::Number, Kind::Integer, Kind::Boolean]
                .iter()
                .any(|kind| admitted.contains(kind));
        let misfit = if is_read {
            let what = format!(
                "is a text, and B's field takes {wanted}: no B is made of a text that is none"
            );
            Misfit::warning("type", what)
        } else if may {
            Misfit::warning(
                "type",
                format!("may be {}, and B's field takes {wanted}", first.words()),
            )
        } else {
            Misfit::error(
                "type",
                format!("is {}, and B's field takes {wanted}", first.words()),
            )
        };
        let number = admitted.contains(&Kind::Number) || admitted.contains(&Kind::Integer);
        Some(match first {
            Kind::Text if number => {
                let filter = if admitted.contains(&Kind::Number) { "float" } else { "int" };
                misfit.convert("a number", filter)
            }
            Kind::Number if number => {
                misfit.help("say how a fraction is rounded: `| round | int`")
            }
            Kind::Boolean if admitted.contains(&Kind::Text) => {
                misfit.help("say the texts in the expression: `'ja' if … else 'nei'`")
            }
            Kind::Integer | Kind::Number if admitted.contains(&Kind::Text) => {
                misfit.convert("a text", "string")
            }
            Kind::List if !admitted.contains(&Kind::List) => misfit
                .help("take one item of it, such as `| first`, or make one text of it, such as `| join(', ')`"),
            Kind::Group if !admitted.contains(&Kind::Group) && !admitted.contains(&Kind::List) => {
                misfit.help("name one of its fields")
            }
            _ if admitted.contains(&Kind::List) => {
                misfit.help("a repeating group is a group with `$each: item in …` as its first line")
            }
            _ => misfit,
        })
    }

    /// Why `node` in B does not take every value of this type.
    pub(super) fn misfits<'s>(&self, given: &Type<'_, 's>, node: &Node<'a>) -> Vec<Misfit> {
        let mut found = Vec::new();
        self.compare(given, node, 0, &mut HashSet::new(), &mut found);
        found
    }

    fn compare<'s>(
        &self,
        given: &Type<'_, 's>,
        node: &Node<'a>,
        depth: usize,
        seen: &mut HashSet<(Node<'s>, Node<'a>)>,
        found: &mut Vec<Misfit>,
    ) {
        if depth > MAX_DEPTH || seen.len() > MAX_PAIRS || found.len() > MAX_FOUND {
            return;
        }
        let admitted = self.form.shape(node);
        let kinds: BTreeSet<Kind> = given.known().map(kind_of).collect();
        if let Some(misfit) = self.kind(&kinds, &admitted.kinds, false) {
            let misfit = match (kinds.first(), first_field_of_items(given)) {
                (Some(Kind::List), Some(name)) if !admitted.kinds.contains(&Kind::List) => misfit
                    .help(format!(
                        "take a field of one item, `(… | first).{name}`, or make one text of a field of each, `| join(', ', '{name}')`"
                    )),
                (Some(kind), _) => field_by_field(misfit, *kind, &admitted),
                (None, _) => misfit,
            };
            found.push(misfit);
            return;
        }
        for kind in given.known() {
            match kind {
                types::Kind::Text(limits) => found.extend(text_misfit(limits, &admitted)),
                types::Kind::Number { limits, .. } => {
                    found.extend(number_misfit(limits, &admitted))
                }
                types::Kind::Boolean => found.extend(flag_misfit(&admitted)),
                types::Kind::Date => found.extend(text_misfit(&of_format("date"), &admitted)),
                types::Kind::DateTime => {
                    found.extend(text_misfit(&of_format("date-time"), &admitted))
                }
                types::Kind::Time => found.extend(text_misfit(&of_format("time"), &admitted)),
                types::Kind::List { least, most, .. } => {
                    let least = if self.is_complete { *least } else { u64::MAX };
                    found.extend(count_misfit(least, *most, &admitted));
                    if let (Some(item), Some(items)) = (given.item(), &admitted.items) {
                        if item.may_be_empty && self.form.shape(items).refuses_null {
                            let help = "leave them out: `| select('defined')`";
                            found.push(Misfit::warning("may-be-empty", HOLES).help(help));
                        }
                        let before = found.len();
                        self.compare(&item, items, depth + 1, seen, found);
                        let of_items = found.drain(before..).map(Misfit::in_item);
                        let of_items: Vec<_> = of_items.collect();
                        found.extend(of_items);
                    }
                }
                types::Kind::Group(fields) => {
                    self.fields(fields, node, &admitted, depth, seen, found)
                }
            }
        }
    }

    fn fields<'s>(
        &self,
        fields: &Fields<'_, 's>,
        node: &Node<'a>,
        admitted: &Shape<'a>,
        depth: usize,
        seen: &mut HashSet<(Node<'s>, Node<'a>)>,
        found: &mut Vec<Misfit>,
    ) {
        // A group within itself is compared once.
        if let Fields::Given(_, theirs) = fields
            && !seen.insert((theirs.clone(), node.clone()))
        {
            return;
        }
        if !admitted.is_closed() {
            return;
        }
        let fields = fields.all();
        for (name, field) in &fields {
            let before = found.len();
            match admitted.field(name) {
                Some(node) => self.compare(field, node, depth + 1, seen, found),
                None => found.push(no_such_field()),
            }
            if self.is_complete
                && may_be_left_out(field)
                && admitted.required.contains(name.as_str())
            {
                let what = "may be empty, and B requires this field";
                found.push(Misfit::warning("may-be-empty", what));
            }
            for misfit in found.drain(before..).collect::<Vec<_>>() {
                found.push(misfit.in_field(name));
            }
        }
        let is_set = |name: &str| {
            let node = admitted.field(name);
            node.is_some_and(|node| self.form.shape(node).is_fixed)
        };
        for name in admitted.required.iter().filter(|_| self.is_complete) {
            if !fields.iter().any(|(known, _)| known == name) && !is_set(name) {
                found.push(not_there().in_field(name));
            }
        }
    }
}

/// The misfit of a single value where B has a group: which fields the group has.
fn field_by_field(misfit: Misfit, given: Kind, admitted: &Shape<'_>) -> Misfit {
    let is_group = admitted.kinds.contains(&Kind::Group) && admitted.is_closed();
    if !is_group || matches!(given, Kind::List | Kind::Group) {
        return misfit;
    }
    let names = known(admitted.names());
    misfit.help(format!("write the group field by field: it has {names}"))
}

/// The first field of a list's items, if these are groups of which some field is known.
fn first_field_of_items(given: &Type<'_, '_>) -> Option<String> {
    let item = given.item()?;
    let fields = item.known().find_map(|kind| match kind {
        types::Kind::Group(fields) => Some(fields.all()),
        _ => None,
    })?;
    fields.into_iter().next().map(|(name, _)| name.to_string())
}

/// Whether B gets no element of a value.
pub(super) fn has_no_element(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether B may get no element of it: it may be empty, or a list without items.
pub(super) fn may_be_left_out(given: &Type<'_, '_>) -> bool {
    given.may_be_empty
        || given
            .known()
            .any(|kind| matches!(kind, types::Kind::List { least: 0, .. }))
}

/// The value that B's class makes of another one that it reads without loss: a number of a text, true or false of a digit.
fn read_as(value: &Value, admitted: &Shape<'_>) -> Option<Value> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if admitted.kinds.is_empty() || Kind::of(value)?.fits(&admitted.kinds) {
        return None;
    }
    if admitted.kinds.contains(&Kind::Boolean) {
        return match text.as_str() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        };
    }
    let is_plain = !text.contains(['e', 'E']);
    is_plain
        .then(|| text.parse().ok().map(Value::Number))
        .flatten()
}

/// The kind of a value as a schema names it.
fn kind_of(kind: &types::Kind<'_, '_>) -> Kind {
    match kind {
        types::Kind::Text(_) | types::Kind::Date | types::Kind::DateTime | types::Kind::Time => {
            Kind::Text
        }
        types::Kind::Number { limits, .. } if limits.decimals == Some(0) => Kind::Integer,
        types::Kind::Number { .. } => Kind::Number,
        types::Kind::Boolean => Kind::Boolean,
        types::Kind::List { .. } => Kind::List,
        types::Kind::Group(_) => Kind::Group,
    }
}

/// A text of a format.
fn of_format(format: &'static str) -> Limits<'static> {
    Limits {
        format: Some(format),
        ..Limits::default()
    }
}

/// A list whose items may be empty.
const HOLES: &str = "may have empty items, and B takes none";

fn not_there() -> Misfit {
    Misfit::error("required", "is not there, and B requires it")
}

fn no_such_field() -> Misfit {
    Misfit::error(
        "target-path",
        "is no field of B, which would drop it silently",
    )
}

#[cfg(test)]
mod tests;
