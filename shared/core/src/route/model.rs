//! The `model:` of a route: the structure of B's form, with an expression for every field.

use serde_json::{Map, Value};
use thiserror::Error;

use super::expression::{EvaluationError, Expression, Scope};

/// The maximum number of elements in a draft. Forms that people fill in have far fewer.
const MAX_ELEMENTS: usize = 100_000;

/// A group of fields, in the order of the route file.
pub type Group = Vec<(String, Node)>;

/// One element of B's form.
#[derive(Debug)]
pub enum Node {
    /// A field, with the expression for its value.
    Field(Expression),
    /// A group of fields.
    Group(Group),
    /// A repeating group: one group per item of a list (`$each: item in list`).
    Repeat {
        /// The name of the item in the expressions of `group`.
        name: String,
        /// The list.
        list: Expression,
        /// The fields of each item.
        group: Group,
    },
}

/// Why a field of B's form has no value. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingError {
    /// The expression could not be evaluated.
    #[error("{field}: {problem}")]
    Expression {
        /// The field, as a dotted path in the route.
        field: String,
        /// Why.
        problem: EvaluationError,
    },
    /// The form would have too many elements.
    #[error("{field}: the form would have more than {MAX_ELEMENTS} elements")]
    TooLarge {
        /// The field with which it exceeded the limit.
        field: String,
    },
}

impl Node {
    /// Visits every expression in this node.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expression)) {
        match self {
            Self::Field(expression) => visit(expression),
            Self::Group(group) => expressions(group, visit),
            Self::Repeat { list, group, .. } => {
                visit(list);
                expressions(group, visit);
            }
        }
    }

    /// Visits the paths that this node reads. Fields of an item are given as fields of its list.
    pub fn paths(&self, visit: &mut dyn FnMut(String)) {
        match self {
            Self::Field(expression) => expression.paths().for_each(|path| visit(path.to_owned())),
            Self::Group(group) => paths(group, visit),
            Self::Repeat { name, list, group } => {
                list.paths().for_each(|path| visit(path.to_owned()));
                let item = format!("{name}.");
                paths(group, &mut |path| match path.strip_prefix(&item) {
                    Some(field) => visit(format!("{}.{field}", list.source().trim())),
                    None => visit(path),
                });
            }
        }
    }
}

/// Visits every expression in `group`.
pub fn expressions<'a>(group: &'a Group, visit: &mut dyn FnMut(&'a Expression)) {
    group.iter().for_each(|(_, node)| node.expressions(visit));
}

/// Visits every path that `group` reads.
pub fn paths(group: &Group, visit: &mut dyn FnMut(String)) {
    group.iter().for_each(|(_, node)| node.paths(visit));
}

/// Evaluates `group`. Empty fields and groups without any field are omitted.
///
/// # Errors
/// [`MappingError`], which names the field.
pub fn fill(group: &Group, scope: &Scope) -> Result<Map<String, Value>, MappingError> {
    Filler { elements: 0 }.group(group, scope, "model")
}

/// Evaluates the model and counts its elements.
struct Filler {
    elements: usize,
}

impl Filler {
    fn group(
        &mut self,
        group: &Group,
        scope: &Scope,
        field: &str,
    ) -> Result<Map<String, Value>, MappingError> {
        let mut filled = Map::new();
        for (name, node) in group {
            let field = format!("{field}.{name}");
            if let Some(value) = self.node(node, scope, field)? {
                filled.insert(name.clone(), value);
            }
        }
        Ok(filled)
    }

    fn node(
        &mut self,
        node: &Node,
        scope: &Scope,
        field: String,
    ) -> Result<Option<Value>, MappingError> {
        let failed = |problem| MappingError::Expression {
            field: field.clone(),
            problem,
        };
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(MappingError::TooLarge { field });
        }
        match node {
            Node::Field(expression) => {
                let value = expression.evaluate(scope).map_err(failed)?;
                // The field itself is already counted.
                self.elements += value.as_ref().map_or(0, below);
                if self.elements > MAX_ELEMENTS {
                    return Err(MappingError::TooLarge { field });
                }
                Ok(value)
            }
            Node::Group(group) => {
                let filled = self.group(group, scope, &field)?;
                Ok((!filled.is_empty()).then(|| filled.into()))
            }
            Node::Repeat { name, list, group } => {
                let mut items: Vec<Value> = Vec::new();
                for (index, scope) in list.each(name, scope).map_err(failed)?.iter().enumerate() {
                    let item = self.group(group, scope, &format!("{field}[{index}]"))?;
                    self.elements += 1;
                    items.push(item.into());
                }
                Ok((!items.is_empty()).then(|| items.into()))
            }
        }
    }
}

/// The number of elements inside `value`.
fn below(value: &Value) -> usize {
    let below_all =
        |items: &mut dyn Iterator<Item = &Value>| items.map(|item| 1 + below(item)).sum();
    match value {
        Value::Array(items) => below_all(&mut items.iter()),
        Value::Object(fields) => below_all(&mut fields.values()),
        _ => 0,
    }
}
