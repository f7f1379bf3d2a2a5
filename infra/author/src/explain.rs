//! Where a value of B came from.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use stafett_core::{
    route::{EvaluationError, Mode, Route, Scope, model},
    transform::{self, TransformError},
};

use crate::{
    fields::{self, Field, Row},
    finding::Place,
    source::Source,
    try_out::Written,
};

mod names;
mod reads;
pub(crate) mod text;

pub use names::UnknownField;
pub use reads::{Has, Read};

use names::{head, matches, position, rules_below, segments, unknown};
use reads::reads;

/// Where a field of B, or of the route, got its value for one A instance. Holds A's data, and so does not
/// print it in `Debug`.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The field, as it was asked for.
    pub field: String,
    /// Each place in B that has it: several below a group, in a repeating group, or of several relays.
    pub values: Vec<Explained>,
    /// Why there is none, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

/// Where one value came from.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The key of the relay, with `each`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The field: `model.soknad.vedtak[1].kode`.
    pub field: String,
    /// What the route says of it: an expression, or a rule.
    pub rule: String,
    /// Where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The items that enclosing `each`es are at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// What it reads of A.
    pub reads: Vec<Read>,
    /// What comes of it.
    pub outcome: Outcome,
    /// What B's schema does to it, and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An item that an `each` is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The name that it has in expressions.
    pub name: String,
    /// The list's expression.
    pub list: String,
    /// Its index in the list, from 0.
    pub index: usize,
}

/// What comes of a rule.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// B gets this value.
    Value(Value),
    /// B gets none, because of this.
    LeftOut(String),
    /// There will be no B, because of this.
    Refused(String),
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("field", &self.field)
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

/// Where `field` got its value: a field of `model:`, `owner`, `due`, `each`, `key`, or `attachments`.
/// A group stands for all that is in it.
///
/// # Errors
/// [`UnknownField`] where the route has none of that name.
pub fn explain(
    written: Written<'_>,
    source: &Source,
    field: &str,
) -> Result<Explanation, UnknownField> {
    let explain = Explain { written, source };
    let name = field.strip_prefix("to.").unwrap_or(field);
    let route = written.route;
    let (values, none) = match head(name) {
        "model" if !rules_below(route, name).is_empty() => {
            let values = explain.model(name);
            let none = values.is_empty().then(|| {
                "the repeating group around it has no items in this instance, or there is no such item"
                    .to_owned()
            });
            (values, none)
        }
        "owner" => (explain.owner(), None),
        "due" if route.due.is_some() => (explain.due(), None),
        "each" | "key" if route.each.is_some() => (explain.each(), None),
        "attachments" if !explain.rules(name).is_empty() => (explain.attachments(name), None),
        _ => return Err(unknown(route, field)),
    };
    Ok(Explanation {
        field: field.to_owned(),
        values,
        none,
    })
}

/// Is given a relay's key, scope and item.
type VisitPart<'a> = dyn FnMut(Option<&str>, &Scope, &[Row]) + 'a;

/// Visits each relay's key and scope, as the transform makes them.
pub(crate) fn parts(route: &Route, source: &Source, visit: &mut VisitPart<'_>) {
    let scope = scope(route, source);
    let Some(each) = &route.each else {
        return visit(None, &scope, &[]);
    };
    let scopes = each.list.each(&each.name, &scope).unwrap_or_default();
    for (index, scope) in scopes.iter().enumerate() {
        let key = match each.key.evaluate(scope) {
            Ok(Some(Value::String(text))) => Some(text.trim().to_owned()),
            Ok(Some(Value::Number(number))) => Some(number.to_string()),
            _ => None,
        };
        let row = Row {
            name: each.name.clone(),
            list: each.list.source().to_owned(),
            index,
        };
        visit(key.as_deref(), scope, &[row]);
    }
}

fn scope(route: &Route, source: &Source) -> Scope {
    let paths = route.paths();
    let paths = paths.iter().map(String::as_str);
    Scope::new(source.instance.raw.clone(), source.data.clone(), paths)
}

struct Explain<'a> {
    written: Written<'a>,
    source: &'a Source,
}

impl Explain<'_> {
    fn route(&self) -> &Route {
        self.written.route
    }

    fn place(&self, field: &str) -> Option<Place> {
        self.written.places.value(field)
    }

    /// The parts of the A instance; as they would be if the gate had just opened, where it is closed.
    fn drafts(&self) -> Result<Vec<transform::KeyedDraft>, TransformError> {
        let instance = &self.source.instance;
        let since = transform::open_since(&self.route().gate, instance)
            .or(instance.last_changed)
            .unwrap_or_default();
        transform::drafts(self.route(), instance, self.source.data.clone(), since)
    }

    fn model(&self, field: &str) -> Vec<Explained> {
        let wanted = segments(field);
        let mut values = Vec::new();
        parts(self.route(), self.source, &mut |key, scope, rows| {
            let filled = model::fill(&self.route().model, scope).ok();
            fields::walk(&self.route().model, scope, rows, &mut |field| {
                // The list of a group is asked for by its own name only, `….$each`, or by the group's.
                let name = if field.is_list {
                    field.rule
                } else {
                    field.name
                };
                if matches(&wanted, &segments(name)) {
                    values.push(self.field(key, &field, filled.as_ref()));
                }
            });
        });
        values
    }

    fn field(
        &self,
        key: Option<&str>,
        field: &Field<'_>,
        filled: Option<&Map<String, Value>>,
    ) -> Explained {
        let reads = reads(field.expression, field.scope, field.rows);
        Explained {
            key: key.map(str::to_owned),
            field: if field.is_list {
                format!("{}.$each", field.name)
            } else {
                field.name.to_owned()
            },
            rule: field.expression.source().to_owned(),
            place: self.place(field.rule),
            items: items(field.rows),
            outcome: outcome(&field.value, &reads),
            notes: if field.is_list {
                Vec::new()
            } else {
                self.notes(field.name, filled)
            },
            reads,
        }
    }

    /// What B's schema does to a field.
    fn notes(&self, field: &str, filled: Option<&Map<String, Value>>) -> Vec<String> {
        let to = &self.route().to;
        let schema = to.schema.as_ref().filter(|_| to.mode == Mode::Complete);
        let (Some(schema), Some(filled)) = (schema, filled) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        let ordered = schema.ordered(filled.clone());
        if let (Some((before, _)), Some((after, count))) =
            (position(filled, field), position(&ordered, field))
        {
            let moved = if before == after {
                String::new()
            } else {
                format!(", moved there from {} by B's schema", before + 1)
            };
            let group = field.rsplit_once('.').map_or("model", |(group, _)| group);
            notes.push(format!(
                "element {} of {count} in {group}{moved}",
                after + 1
            ));
        }
        let violations = schema.violations(filled).into_iter();
        notes.extend(
            violations
                .filter(|violation| violation.field == field)
                .map(|violation| format!("B's schema refuses it: {}", violation.problem)),
        );
        notes
    }

    fn owner(&self) -> Vec<Explained> {
        let rule = &self.route().to.owner;
        let kind = match rule {
            stafett_core::route::OwnerRule::Organisation(_) => "organisation",
            stafett_core::route::OwnerRule::Person(_) => "person",
            stafett_core::route::OwnerRule::Party(_) => "party",
        };
        let field = format!("to.owner.{kind}");
        let drafts = self.drafts().unwrap_or_default();
        let mut values = Vec::new();
        parts(self.route(), self.source, &mut |key, scope, rows| {
            let expression = rule.expression();
            let reads = reads(expression, scope, rows);
            let draft = drafts.iter().find(|part| part.key.as_deref() == key);
            let outcome = match draft.map(|part| &part.draft) {
                Some(Ok(draft)) => {
                    Outcome::Value(crate::try_out::owner_words(&draft.owner).1.into())
                }
                Some(Err(TransformError::Owner { problem, .. })) => {
                    Outcome::Refused(problem.clone())
                }
                _ => outcome(&expression.evaluate(scope), &reads),
            };
            values.push(Explained {
                key: key.map(str::to_owned),
                field: field.clone(),
                rule: expression.source().to_owned(),
                place: self.place(&field),
                items: items(rows),
                reads,
                outcome,
                notes: Vec::new(),
            });
        });
        values
    }

    fn due(&self) -> Vec<Explained> {
        let Some(span) = self.route().due else {
            return Vec::new();
        };
        let opened = transform::open_since(&self.route().gate, &self.source.instance);
        let outcome = match (opened, self.drafts()) {
            (None, _) => Outcome::LeftOut("the gate is not open, so no time counts yet".to_owned()),
            (Some(_), Ok(parts)) => match parts.into_iter().find_map(|part| part.draft.ok()?.due) {
                Some(due) => Outcome::Value(due.to_string().into()),
                None => Outcome::Refused("there is no draft that could be due".to_owned()),
            },
            (Some(_), Err(error)) => Outcome::Refused(error.to_string()),
        };
        vec![Explained {
            key: None,
            field: "due".to_owned(),
            rule: span.to_string(),
            place: self.place("due"),
            items: Vec::new(),
            reads: opened
                .map(|opened| Read {
                    path: "the gate's opening".to_owned(),
                    has: Has::Value(opened.to_string().into()),
                })
                .into_iter()
                .collect(),
            outcome,
            notes: Vec::new(),
        }]
    }

    fn each(&self) -> Vec<Explained> {
        let Some(each) = &self.route().each else {
            return Vec::new();
        };
        let whole = scope(self.route(), self.source);
        let list_reads = reads(&each.list, &whole, &[]);
        let list = match each.list.each(&each.name, &whole) {
            Ok(_) => each.list.evaluate(&whole),
            Err(error) => Err(error),
        };
        let mut values = vec![Explained {
            key: None,
            field: "each".to_owned(),
            rule: each.list.source().to_owned(),
            place: self.place("each"),
            items: Vec::new(),
            outcome: outcome(&list, &list_reads),
            reads: list_reads,
            notes: Vec::new(),
        }];
        parts(self.route(), self.source, &mut |key, scope, rows| {
            let reads = reads(&each.key, scope, rows);
            let outcome = match key {
                Some(key) if !key.is_empty() => Outcome::Value(key.into()),
                _ => match each.key.evaluate(scope) {
                    Err(error) => Outcome::Refused(error.to_string()),
                    Ok(_) => Outcome::Refused("no key: a text or a number is needed".to_owned()),
                },
            };
            let relay = crate::try_out::relay(self.route(), self.source.instance.id, key);
            values.push(Explained {
                key: None,
                field: "key".to_owned(),
                rule: each.key.source().to_owned(),
                place: self.place("key"),
                items: items(rows),
                reads,
                outcome,
                notes: vec![format!("its relay is {relay}")],
            });
        });
        values
    }

    /// The indexes of the attachment rules that `name` means: all, one by its index, or those of a data
    /// type of A or B.
    fn rules(&self, name: &str) -> Vec<usize> {
        let rules = self.route().attachments.iter().enumerate();
        let which = name.strip_prefix("attachments").unwrap_or_default();
        let which = which.trim_start_matches(['.', '[']).trim_end_matches(']');
        let which = which.split([']', '.']).next().unwrap_or_default();
        rules
            .filter(|(index, rule)| {
                which.is_empty()
                    || which == rule.to
                    || which == rule.from
                    || which.parse() == Ok(*index)
            })
            .map(|(index, _)| index)
            .collect()
    }

    fn attachments(&self, name: &str) -> Vec<Explained> {
        let drafts = self.drafts();
        let first = drafts.as_ref().ok().and_then(|parts| parts.first());
        let instance = &self.source.instance;
        let explained = self.rules(name).into_iter().filter_map(|index| {
            let rule = self.route().attachments.get(index)?;
            let reads = instance
                .elements(&rule.from)
                .into_iter()
                .map(|element| Read {
                    path: format!("{} {}", rule.from, element.id),
                    has: Has::Value(element.filename.clone().unwrap_or_default().into()),
                });
            let outcome = match first.map(|part| &part.draft) {
                Some(Ok(draft)) => {
                    let is_of_rule = |id| {
                        instance
                            .data
                            .iter()
                            .any(|element| element.id == id && element.data_type == rule.from)
                    };
                    let taken: Vec<Value> = draft
                        .attachments
                        .iter()
                        .filter(|it| it.data_type == rule.to && is_of_rule(it.element))
                        .map(|it| it.filename.clone().into())
                        .collect();
                    match taken.is_empty() {
                        true => Outcome::LeftOut(format!("A has no `{}`", rule.from)),
                        false => Outcome::Value(taken.into()),
                    }
                }
                Some(Err(error)) => Outcome::Refused(error.to_string()),
                None => match &drafts {
                    Err(error) => Outcome::Refused(error.to_string()),
                    Ok(_) => Outcome::LeftOut("the list of `each` has no values".to_owned()),
                },
            };
            let required = if rule.required { ", required" } else { "" };
            let field = format!("attachments[{index}]");
            Some(Explained {
                key: None,
                rule: format!("from {} to {}{required}", rule.from, rule.to),
                place: self.place(&format!("{field}.from")),
                field,
                items: Vec::new(),
                reads: reads.collect(),
                outcome,
                notes: Vec::new(),
            })
        });
        explained.collect()
    }
}

impl Explanation {
    /// All of it for people to read; `file` is the route's.
    #[must_use]
    pub fn text(&self, file: &std::path::Path) -> String {
        text::write(self, file)
    }
}

fn items(rows: &[Row]) -> Vec<Item> {
    let item = |row: &Row| Item {
        name: row.name.clone(),
        list: row.list.clone(),
        index: row.index,
    };
    rows.iter().map(item).collect()
}

fn outcome(value: &Result<Option<Value>, EvaluationError>, reads: &[Read]) -> Outcome {
    match value {
        Ok(Some(value)) => Outcome::Value(value.clone()),
        Ok(None) => match reads.iter().find(|read| read.has == Has::Empty) {
            Some(read) => Outcome::LeftOut(format!("`{}` is empty in A", read.path)),
            None => Outcome::LeftOut("the expression gives none".to_owned()),
        },
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
