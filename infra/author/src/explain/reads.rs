//! What expressions read of A.

use serde::Serialize;
use serde_json::Value;
use stafett_core::route::{Expression, Scope, model::Item};

/// Something of A that an expression reads.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// What: `data.model.soker.navn`.
    pub path: String,
    /// What A has there.
    #[serde(flatten)]
    pub has: Has,
}

/// What A has at a path.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Has {
    /// A value.
    Value(Value),
    /// The field, without a value.
    #[serde(rename = "empty", serialize_with = "as_true")]
    Empty,
    /// No such field.
    #[serde(rename = "missing", serialize_with = "as_true")]
    Missing,
}

fn as_true<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(true)
}

/// What an expression reads, and what A has there.
pub(super) fn reads(expression: &Expression, scope: &Scope, items: &[Item<'_>]) -> Vec<Read> {
    let locals: Vec<String> = items.iter().map(|item| item.name.to_owned()).collect();
    let mut paths: Vec<String> = expression.paths().map(str::to_owned).collect();
    // Form data may be named in brackets, and an item be read as a whole.
    for data_type in expression.data_types() {
        let dotted = format!("data.{data_type}");
        if !paths
            .iter()
            .any(|path| *path == dotted || path.starts_with(&format!("{dotted}.")))
        {
            paths.push(format!("data['{data_type}']"));
        }
    }
    let whole = |name: &&String| is_read_whole(expression.source(), name);
    paths.extend(locals.iter().filter(whole).cloned());
    let read = |path: String| {
        let has = match Expression::compile(&path, &locals).ok()?.evaluate(scope) {
            Ok(Some(value)) => Has::Value(value),
            Ok(None) => Has::Empty,
            Err(_) => Has::Missing,
        };
        Some(Read { path, has })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Whether an expression has `name` as a word of its own, without a field of it.
fn is_read_whole(source: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).any(|(start, _)| {
        let before = source
            .get(..start)
            .and_then(|text| text.chars().next_back());
        let after = source
            .get(start + name.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(|c| is_part(c) || matches!(c, '.' | '\'' | '"'))
            && !after.is_some_and(|c| is_part(c) || matches!(c, '.' | '\'' | '"'))
    })
}
