//! The fields of B's forms that a route fills: their names, and their values one by one.

use serde_json::Value;
use stafett_core::{
    language::EvaluationError,
    route::{
        Target,
        model::{Field, Group, Node, Outcome},
    },
};

/// The value of an evaluated field, or the list of a repeating group; or why there is none.
pub(crate) fn value(field: &Field<'_>) -> Result<Option<Value>, EvaluationError> {
    match field.outcome {
        Outcome::Value(value) => Ok(value.cloned()),
        Outcome::List => field.expression.evaluate(field.scope),
        Outcome::Failed(error) => Err(error.clone()),
    }
}

/// The fields of the route file's forms that have an expression, without looking at any data.
pub(crate) fn rules(to: &Target) -> Vec<String> {
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
    for form in to.forms.iter() {
        collect(&form.model, &form.says("model"), &mut found);
    }
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
    fn only_indexes_are_removed_from_a_field() {
        assert_eq!(without_indexes("model.a[12].b[0]"), "model.a.b");
        assert_eq!(of_any_item("model.a[12].b[0]"), "model.a[].b[]");
        assert_eq!(without_indexes("attachments.odd[x]"), "attachments.odd[x]");
        assert_eq!(without_indexes("model[1"), "model[1");
    }
}
