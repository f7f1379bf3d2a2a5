//! Where a value of B came from.

use std::{fmt, ops::ControlFlow};

use serde::Serialize;
use serde_json::{Map, Value};
use stafett_core::{
    language::{EvaluationError, Scope},
    preflight::{TargetApp, arranged},
    prepare::{self, InstanceData},
    route::{
        FormRule, Mode, OwnerRule, Route,
        model::{self, Field, Item as ListItem},
    },
    transform::{self, EachValue, KeyError, TransformError},
};

use crate::{fields, finding::Place, judge::schema_of, located_route::LocatedRoute, words};

mod names;
mod reads;
mod text;

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
    /// Why there will be no B at all, where the values of `each` cannot be told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
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
    /// The result.
    pub outcome: Outcome,
    /// How B's schema affects it, and the like.
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

/// The result of a rule.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// B gets this value.
    Value(Value),
    /// B gets none, because of this.
    LeftOut(String),
    /// There is no B, because of this.
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
/// A group stands for all that is in it. `b` is what B's app tells of itself, where it is at hand.
///
/// # Errors
/// [`UnknownField`] where the route has none of that name.
pub fn explain(
    located: LocatedRoute<'_>,
    source: &InstanceData,
    b: Option<&TargetApp>,
    field: &str,
) -> Result<Explanation, UnknownField> {
    let explain = Explain { located, source, b };
    let name = field.strip_prefix("to.").unwrap_or(field);
    // The fields of further forms have their whole names.
    let whole = format!("to.{name}");
    let route = located.route;
    let values = match head(name) {
        "model" if !rules_below(route, name).is_empty() => explain.forms(name),
        "forms" if !rules_below(route, &whole).is_empty() => explain.forms(&whole),
        "owner" => explain.owner(),
        "due" if route.due.is_some() => Ok(explain.due()),
        "each" | "key" if route.each.is_some() => Ok(explain.each()),
        "attachments" if !explain.rules(name).is_empty() => Ok(explain.attachments(name)),
        _ => return Err(unknown(route, field)),
    };
    let (values, refused) = match values {
        Ok(values) => (values, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let is_of_form = matches!(head(name), "model" | "forms");
    let is_without_items = values.is_empty() && refused.is_none() && is_of_form;
    Ok(Explanation {
        field: field.to_owned(),
        values,
        none: is_without_items.then(|| {
            "the repeating group around it has no items in this instance, or there is no such item"
                .to_owned()
        }),
        refused,
    })
}

struct Explain<'a> {
    located: LocatedRoute<'a>,
    source: &'a InstanceData,
    b: Option<&'a TargetApp>,
}

/// What one relay's expressions see.
struct Relay<'a> {
    key: Option<String>,
    /// The item that `each` is at.
    items: Vec<ListItem<'a>>,
    scope: Scope<'a>,
}

impl Explain<'_> {
    fn route(&self) -> &Route {
        self.located.route
    }

    fn place(&self, field: &str) -> Option<Place> {
        self.located.places.value(field)
    }

    /// The parts of the A instance; as they would be if the gate had just opened, where it is closed.
    fn drafts(&self) -> Result<Vec<transform::KeyedDraft>, TransformError> {
        let instance = &self.source.instance;
        let since = transform::open_since(&self.route().gate, instance)
            .or(instance.last_changed)
            .unwrap_or_default();
        prepare::drafts(self.route(), self.source, since)
    }

    /// What the expressions see that see no value of `each`.
    fn scope(&self) -> Scope<'_> {
        Scope::new(&self.source.instance.raw, self.source.data())
    }

    /// Key, item and scope of each relay. Where one value has no key, no relay gets a draft.
    fn relays<'s>(&'s self, whole: &'s Scope<'s>) -> Result<Vec<Relay<'s>>, KeyError> {
        let values = transform::each_values(self.route(), whole)?;
        let relays = values.into_iter().map(|EachValue { index, key, scope }| {
            Ok(Relay {
                key: key?,
                items: self.item(index),
                scope,
            })
        });
        relays.collect()
    }

    /// The item that the route's `each` is at.
    fn item(&self, index: Option<usize>) -> Vec<ListItem<'_>> {
        let each = self.route().each.as_ref().zip(index);
        let item = each.map(|(each, index)| ListItem {
            name: &each.name,
            list: &each.list,
            index,
        });
        item.into_iter().collect()
    }

    /// A field of one of B's forms, or of several.
    fn forms(&self, field: &str) -> Result<Vec<Explained>, KeyError> {
        let wanted = segments(field);
        let mut explained = Vec::new();
        let whole = self.scope();
        for relay in self.relays(&whole)? {
            for rule in self.route().to.forms.iter() {
                explained.extend(self.form(rule, &relay, &wanted));
            }
        }
        Ok(explained)
    }

    fn form(
        &self,
        rule: &FormRule,
        relay: &Relay<'_>,
        wanted: &[(&str, Option<&str>)],
    ) -> Vec<Explained> {
        let mut values = Vec::new();
        let filled = model::walk(rule, &relay.scope, &mut |field| {
            // The list of a group is asked for by its own name only, `….$each`, or by the group's.
            let name = if field.is_list {
                field.rule()
            } else {
                field.name()
            };
            if matches(wanted, &segments(&name)) {
                values.push(self.field(relay, field));
            }
            ControlFlow::Continue(())
        });
        if let Ok(filled) = &filled {
            for value in &mut values {
                value.notes = self.notes(rule, &value.field, filled);
            }
        }
        values
    }

    fn field(&self, relay: &Relay<'_>, field: &Field<'_>) -> Explained {
        let mut items = relay.items.clone();
        items.extend(field.items());
        let reads = reads(field.expression, field.scope, &items);
        let name = field.name();
        Explained {
            key: relay.key.clone(),
            field: if field.is_list {
                format!("{name}.$each")
            } else {
                name
            },
            rule: field.expression.text().to_owned(),
            place: self.place(&field.rule()),
            items: shown(&items),
            outcome: outcome(&fields::value(field), &reads),
            notes: Vec::new(),
            reads,
        }
    }

    /// How B's schema affects a field.
    fn notes(&self, rule: &FormRule, field: &str, filled: &Map<String, Value>) -> Vec<String> {
        let to = &self.route().to;
        let schema = schema_of(rule, self.b);
        let Some(schema) = schema.filter(|_| to.mode == Mode::Complete) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        let ordered = arranged(filled.clone(), rule, schema);
        let model = rule.says("model");
        let below = field.strip_prefix(&model).unwrap_or(field);
        let in_form = format!("model{below}");
        if let (Some((before, _)), Some((after, count))) =
            (position(filled, &in_form), position(&ordered, &in_form))
        {
            let moved = if before == after {
                String::new()
            } else {
                format!(", moved there from {} by B's schema", before + 1)
            };
            let group = field.rsplit_once('.').map_or(&*model, |(group, _)| group);
            notes.push(format!(
                "element {} of {count} in {group}{moved}",
                after + 1
            ));
        }
        let violations = schema.violations(filled, to.complete).into_iter();
        notes.extend(
            violations
                .filter(|violation| violation.field == in_form)
                .map(|violation| format!("B's schema refuses it: {}", violation.problem)),
        );
        notes
    }

    fn owner(&self) -> Result<Vec<Explained>, KeyError> {
        let rule = &self.route().to.owner;
        let kind = match rule {
            OwnerRule::Organisation(_) => "organisation",
            OwnerRule::Person(_) => "person",
            OwnerRule::Party(_) => "party",
        };
        let field = format!("to.owner.{kind}");
        let whole = self.scope();
        let relays = self.relays(&whole)?;
        // There is one draft per relay, in the same order.
        let drafts = self.drafts().unwrap_or_default();
        let values = relays.into_iter().zip(drafts).map(|(relay, part)| {
            let expression = rule.expression();
            let reads = reads(expression, &relay.scope, &relay.items);
            let outcome = match &part.draft {
                Ok(draft) => Outcome::Value(words::owner(&draft.owner).1.into()),
                Err(TransformError::Owner { problem, .. }) => Outcome::Refused(problem.clone()),
                // Something else keeps the draft from being made.
                Err(_) => outcome(&expression.evaluate(&relay.scope), &reads),
            };
            Explained {
                key: relay.key,
                field: field.clone(),
                rule: expression.text().to_owned(),
                place: self.place(&field),
                items: shown(&relay.items),
                reads,
                outcome,
                notes: Vec::new(),
            }
        });
        Ok(values.collect())
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
        let whole = self.scope();
        let list_reads = reads(&each.list, &whole, &[]);
        let found = transform::each_values(self.route(), &whole);
        let list = match &found {
            Err(error) => Outcome::Refused(error.to_string()),
            Ok(_) => outcome(&each.list.evaluate(&whole), &list_reads),
        };
        let list = Explained {
            key: None,
            field: "each".to_owned(),
            rule: each.list.text().to_owned(),
            place: self.place("each"),
            items: Vec::new(),
            outcome: list,
            reads: list_reads,
            notes: Vec::new(),
        };
        let values = found.unwrap_or_default().into_iter().map(|value| {
            let items = self.item(value.index);
            let (outcome, notes) = match value.key {
                Ok(key) => {
                    let source = self.source.instance.id;
                    let relay = transform::relay_id(self.route(), source, key.as_deref());
                    let key = Outcome::Value(key.unwrap_or_default().into());
                    (key, vec![format!("its relay is {relay}")])
                }
                Err(error) => (Outcome::Refused(error.to_string()), Vec::new()),
            };
            Explained {
                key: None,
                field: "key".to_owned(),
                rule: each.key.text().to_owned(),
                place: self.place("key"),
                reads: reads(&each.key, &value.scope, &items),
                items: shown(&items),
                outcome,
                notes,
            }
        });
        std::iter::once(list).chain(values).collect()
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
    /// Whether the route gives no B, as far as the field tells.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refuses = |value: &Explained| matches!(value.outcome, Outcome::Refused(_));
        self.refused.is_some() || self.values.iter().any(refuses)
    }

    /// Everything, for people to read; `file` is the route's.
    #[must_use]
    pub fn text(&self, file: &std::path::Path) -> String {
        text::write(self, file)
    }
}

fn shown(items: &[ListItem<'_>]) -> Vec<Item> {
    let item = |item: &ListItem<'_>| Item {
        name: item.name.to_owned(),
        list: item.list.text().to_owned(),
        index: item.index,
    };
    items.iter().map(item).collect()
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
