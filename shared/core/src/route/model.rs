//! The `model:` of a form: its structure, with an expression for every field.

use std::{fmt, ops::ControlFlow};

use serde_json::{Map, Value};
use thiserror::Error;

use super::FormRule;
use crate::language::{EvaluationError, Expression, Scope};

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
        problem: Box<EvaluationError>,
    },
    /// The form would have too many elements.
    #[error("{field}: {}", self.problem())]
    TooLarge {
        /// The field with which it exceeded the limit.
        field: String,
    },
}

impl MappingError {
    /// The field, as a dotted path with the indexes of the items around it.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Expression { field, .. } | Self::TooLarge { field } => field,
        }
    }

    /// What is wrong, without the field.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Expression { problem, .. } => problem.to_string(),
            Self::TooLarge { .. } => {
                format!("the form would have more than {MAX_ELEMENTS} elements")
            }
        }
    }
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
}

/// Visits every expression in `group`.
pub fn expressions<'a>(group: &'a Group, visit: &mut dyn FnMut(&'a Expression)) {
    group.iter().for_each(|(_, node)| node.expressions(visit));
}

/// An item of a list that an `each` or `$each` is at.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The name that the item has in expressions.
    pub name: &'a str,
    /// The list.
    pub list: &'a Expression,
    /// The item's index, from 0.
    pub index: usize,
}

/// One expression of `model:`, evaluated.
#[derive(Debug)]
pub struct Field<'a> {
    path: &'a Path<'a>,
    /// The expression.
    pub expression: &'a Expression,
    /// What the expression sees.
    pub scope: &'a Scope<'a>,
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// Whether the expression is the list of a repeating group.
    pub is_list: bool,
}

/// What came of an expression.
#[derive(Clone, Copy)]
pub enum Outcome<'a> {
    /// A field's value, which may be empty.
    Value(Option<&'a Value>),
    /// The list of a repeating group.
    List,
    /// No value.
    Failed(&'a EvaluationError),
}

/// Prints no value.
impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value"),
            Self::List => f.write_str("List"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<'a> Field<'a> {
    /// The field of B: `model.soknad.vedtak[1].kode`, or `to.forms.other.model.tittel`; of a list, the repeating group.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.name()
    }

    /// The field of the route file: `model.soknad.vedtak.kode`; of a list, `model.soknad.vedtak.$each`.
    #[must_use]
    pub fn rule(&self) -> String {
        let mut rule = String::new();
        for step in self.path.steps() {
            if let Step::Field(name) = step {
                push_field(&mut rule, name);
            }
        }
        if self.is_list {
            rule.push_str(".$each");
        }
        rule
    }

    /// The items that enclosing `$each`es are at, the outermost first.
    #[must_use]
    pub fn items(&self) -> Vec<Item<'a>> {
        let item = |step| match step {
            Step::Item(item) => Some(item),
            Step::Field(_) => None,
        };
        self.path.steps().into_iter().filter_map(item).collect()
    }
}

/// The way from the form's `model` to a node. A list of steps, the last one first, which costs nothing where nobody asks for
/// it. The first step is the field of the route file that holds the model.
#[derive(Debug)]
struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(Item<'a>),
}

impl<'a> Path<'a> {
    fn steps(&self) -> Vec<Step<'a>> {
        let mut steps: Vec<_> = std::iter::successors(Some(self), |path| path.before)
            .map(|path| path.step)
            .collect();
        steps.reverse();
        steps
    }

    fn name(&self) -> String {
        let mut name = String::new();
        for step in self.steps() {
            match step {
                Step::Field(field) => push_field(&mut name, field),
                Step::Item(item) => name.push_str(&format!("[{}]", item.index)),
            }
        }
        name
    }
}

/// Adds a field to a dotted name.
fn push_field(name: &mut String, field: &str) {
    if !name.is_empty() {
        name.push('.');
    }
    name.push_str(field);
}

/// Fills in `form`. Empty fields and groups without any field are left out. Stops at the first field
/// that cannot be filled.
///
/// # Errors
/// [`MappingError`], which names the field.
pub fn fill(form: &FormRule, scope: &Scope<'_>) -> Result<Map<String, Value>, MappingError> {
    walk(form, scope, &mut |field| match field.outcome {
        Outcome::Failed(_) => ControlFlow::Break(()),
        Outcome::Value(_) | Outcome::List => ControlFlow::Continue(()),
    })
}

/// Fills in `form` and shows `visit` every expression on the way, in the order of the route, until it breaks
/// off. An expression that fails fails the whole, and the walk goes on behind it if `visit` lets it.
///
/// # Errors
/// [`MappingError`], which names the first field that could not be filled.
pub fn walk(
    form: &FormRule,
    scope: &Scope<'_>,
    visit: &mut dyn FnMut(&Field<'_>) -> ControlFlow<()>,
) -> Result<Map<String, Value>, MappingError> {
    let mut walk = Walk {
        elements: 0,
        failed: None,
        visit,
    };
    let model = form.says("model");
    let path = Path {
        before: None,
        step: Step::Field(&model),
    };
    let filled = walk.group(&form.model, scope, &path);
    match (walk.failed, filled) {
        (Some(error), _) => Err(error),
        (None, ControlFlow::Continue(filled)) => Ok(filled),
        (None, ControlFlow::Break(())) => Ok(Map::new()),
    }
}

struct Walk<'v> {
    elements: usize,
    /// The first field that could not be filled.
    failed: Option<MappingError>,
    visit: &'v mut dyn FnMut(&Field<'_>) -> ControlFlow<()>,
}

impl Walk<'_> {
    fn group(
        &mut self,
        group: &Group,
        scope: &Scope<'_>,
        before: &Path<'_>,
    ) -> ControlFlow<(), Map<String, Value>> {
        let mut filled = Map::new();
        for (name, node) in group {
            let path = Path {
                before: Some(before),
                step: Step::Field(name),
            };
            if let Some(value) = self.node(node, scope, &path)? {
                filled.insert(name.clone(), value);
            }
        }
        ControlFlow::Continue(filled)
    }

    fn node(
        &mut self,
        node: &Node,
        scope: &Scope<'_>,
        path: &Path<'_>,
    ) -> ControlFlow<(), Option<Value>> {
        self.count(1, path)?;
        let filled = match node {
            Node::Field(expression) => {
                let value = expression.evaluate(scope);
                let outcome = match &value {
                    Ok(value) => Outcome::Value(value.as_ref()),
                    Err(error) => Outcome::Failed(error),
                };
                self.visited(path, expression, scope, outcome, false)?;
                let value = value.ok().flatten();
                // The field itself is counted already.
                self.count(value.as_ref().map_or(0, below), path)?;
                value
            }
            Node::Group(group) => {
                let filled = self.group(group, scope, path)?;
                (!filled.is_empty()).then(|| filled.into())
            }
            Node::Repeat { name, list, group } => {
                let scopes = list.each(name, scope);
                let outcome = match &scopes {
                    Ok(_) => Outcome::List,
                    Err(error) => Outcome::Failed(error),
                };
                self.visited(path, list, scope, outcome, true)?;
                let mut items: Vec<Value> = Vec::new();
                for (index, scope) in scopes.iter().flatten().enumerate() {
                    let step = Step::Item(Item { name, list, index });
                    let path = Path {
                        before: Some(path),
                        step,
                    };
                    let item = self.group(group, scope, &path)?;
                    self.elements += 1;
                    items.push(item.into());
                }
                (!items.is_empty()).then(|| items.into())
            }
        };
        ControlFlow::Continue(filled)
    }

    fn visited(
        &mut self,
        path: &Path<'_>,
        expression: &Expression,
        scope: &Scope<'_>,
        outcome: Outcome<'_>,
        is_list: bool,
    ) -> ControlFlow<()> {
        if let (Outcome::Failed(error), None) = (outcome, &self.failed) {
            self.failed = Some(MappingError::Expression {
                field: path.name(),
                problem: Box::new(error.clone()),
            });
        }
        (self.visit)(&Field {
            path,
            expression,
            scope,
            outcome,
            is_list,
        })
    }

    fn count(&mut self, elements: usize, path: &Path<'_>) -> ControlFlow<()> {
        self.elements += elements;
        if self.elements <= MAX_ELEMENTS {
            return ControlFlow::Continue(());
        }
        let field = path.name();
        self.failed.get_or_insert(MappingError::TooLarge { field });
        ControlFlow::Break(())
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
