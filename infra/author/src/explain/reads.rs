//! What expressions read of A.

use serde::Serialize;
use serde_json::Value;
use stafett_core::{
    language::{Expression, Scope},
    route::model::Item,
};

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
    /// No value.
    #[serde(rename = "empty", serialize_with = "as_true")]
    Empty,
}

fn as_true<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(true)
}

/// What an expression reads, and what A has there.
pub(super) fn reads(expression: &Expression, scope: &Scope<'_>, items: &[Item<'_>]) -> Vec<Read> {
    let locals: Vec<String> = items.iter().map(|item| item.name.to_owned()).collect();
    let read = |path: &stafett_core::language::Path| {
        let path = path.to_string();
        let value = Expression::compile(&path, &locals).ok()?.evaluate(scope);
        // A group with a number that does not fit is there, whatever can be shown of it.
        let has = match value {
            Ok(Some(value)) => Has::Value(value),
            Ok(None) | Err(_) => Has::Empty,
        };
        Some(Read { path, has })
    };
    expression.paths().iter().filter_map(read).collect()
}
