//! The fields of B's form, one by one, each with the scope in which its expression is evaluated.

use serde_json::Value;
use stafett_core::route::{
    EvaluationError, Expression, Scope,
    model::{Group, Node},
};

/// Fields that one walk visits; no form has as many.
const MAX_FIELDS: usize = 100_000;

/// An item of a list that an `each` or `$each` is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The name that the item has in expressions.
    pub(crate) name: String,
    /// The list's expression.
    pub(crate) list: String,
    /// The item's index, from 0.
    pub(crate) index: usize,
}

/// One expression of `model:`, evaluated.
pub(crate) struct Field<'a> {
    /// The field of B: `model.soknad.vedtak[1].kode`; of a `$each`, the repeating group.
    pub(crate) name: &'a str,
    /// The field of the route file: `model.soknad.vedtak.kode`.
    pub(crate) rule: &'a str,
    /// Its expression.
    pub(crate) expression: &'a Expression,
    /// Whether the expression is the list of a repeating group.
    pub(crate) is_list: bool,
    /// What the expression sees.
    pub(crate) scope: &'a Scope,
    /// The items that enclosing `each`es are at.
    pub(crate) rows: &'a [Row],
    /// The value, or why there is none.
    pub(crate) value: Result<Option<Value>, EvaluationError>,
}

/// Visits every expression of `group`, in the order of the route.
pub(crate) fn walk<'a>(
    group: &'a Group,
    scope: &Scope,
    rows: &[Row],
    visit: &mut dyn FnMut(Field<'_>),
) {
    let mut walk = Walk {
        left: MAX_FIELDS,
        visit,
    };
    walk.group(group, scope, rows, "model", "model");
}

struct Walk<'v> {
    left: usize,
    visit: &'v mut dyn FnMut(Field<'_>),
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, scope: &Scope, rows: &[Row], name: &str, rule: &str) {
        for (field, node) in group {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let (name, rule) = (format!("{name}.{field}"), format!("{rule}.{field}"));
            self.node(node, scope, rows, &name, &rule);
        }
    }

    fn node(&mut self, node: &Node, scope: &Scope, rows: &[Row], name: &str, rule: &str) {
        match node {
            Node::Field(expression) => (self.visit)(Field {
                name,
                rule,
                expression,
                is_list: false,
                scope,
                rows,
                value: expression.evaluate(scope),
            }),
            Node::Group(group) => self.group(group, scope, rows, name, rule),
            Node::Repeat {
                name: item,
                list,
                group,
            } => {
                let scopes = list.each(item, scope);
                let value = match &scopes {
                    Ok(_) => list.evaluate(scope),
                    Err(error) => Err(error.clone()),
                };
                (self.visit)(Field {
                    name,
                    rule: &format!("{rule}.$each"),
                    expression: list,
                    is_list: true,
                    scope,
                    rows,
                    value,
                });
                for (index, scope) in scopes.iter().flatten().enumerate() {
                    let row = Row {
                        name: item.clone(),
                        list: list.source().to_owned(),
                        index,
                    };
                    let rows: Vec<Row> = rows.iter().cloned().chain([row]).collect();
                    self.group(group, scope, &rows, &format!("{name}[{index}]"), rule);
                }
            }
        }
    }
}

/// The fields of the route file that have an expression, without looking at any data.
pub(crate) fn rules(group: &Group) -> Vec<String> {
    fn collect(group: &Group, rule: &str, found: &mut Vec<String>) {
        for (field, node) in group {
            let rule = format!("{rule}.{field}");
            match node {
                Node::Field(_) => found.push(rule),
                Node::Group(group) => collect(group, &rule, found),
                Node::Repeat { group, .. } => {
                    found.push(format!("{rule}.$each"));
                    collect(group, &rule, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    collect(group, "model", &mut found);
    found
}

/// A field without its indexes: `model.vedtak[1].kode` is `model.vedtak.kode`, which is how the
/// route file names it.
pub(crate) fn without_indexes(field: &str) -> String {
    replace_indexes(field, "")
}

/// A field of any item: `model.vedtak[1].kode` is `model.vedtak[].kode`.
pub(crate) fn of_any_item(field: &str) -> String {
    replace_indexes(field, "[]")
}

fn replace_indexes(field: &str, with: &str) -> String {
    let mut parts = field.split('[');
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(']') {
            Some((index, rest)) if index.bytes().all(|b| b.is_ascii_digit()) => {
                replaced.push_str(with);
                replaced.push_str(rest);
            }
            _ => {
                replaced.push('[');
                replaced.push_str(part);
            }
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_taken_out_of_a_field_and_nothing_else_is() {
        assert_eq!(without_indexes("model.a[12].b[0]"), "model.a.b");
        assert_eq!(of_any_item("model.a[12].b[0]"), "model.a[].b[]");
        assert_eq!(without_indexes("attachments.odd[x]"), "attachments.odd[x]");
        assert_eq!(without_indexes("model[1"), "model[1");
    }
}
