//! The language of a route's expressions: text, tokens, tree, value.
//!
//! It has the look of Jinja, and is defined on one page, `infra/routes/README.md`. Nothing else reads the text of an
//! expression. Every expression ends, in bounded steps and memory, and sees A's instance and form data only: no clock, no
//! randomness, no environment.

pub mod calendar;
pub mod collation;
mod error;
mod evaluate;
mod filters;
pub mod identity;
mod infer;
mod lexer;
pub mod number;
mod odd;
mod order;
mod parser;
mod printf;
pub mod reading;
mod scope;
mod syntax;
pub mod types;
mod typing;
mod value;
mod value_tests;

use std::{collections::BTreeSet, fmt};

pub use error::{EvaluationError, Problem, SyntaxError, SyntaxProblem, Unknown};
pub use filters::{FILTERS, Filter, Parameter};
pub use infer::{Doubt, DoubtKind, Fact, Surroundings};
pub use odd::foreign_letter;
pub use scope::Scope;
pub use syntax::{Expr, How, Kind, Operator, Path};
pub use value_tests::{TESTS, ValueTest};

use evaluate::Evaluation;
use infer::Inference;
use types::Type;
use value::Value;

/// A compiled expression.
pub struct Expression {
    source: String,
    tree: Expr,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// The list of an `each`, and the name of its items: `name in list`, `name in list if condition`.
#[derive(Debug)]
pub struct Binding {
    /// The name of an item.
    pub name: String,
    /// The list, without the items for which the condition does not hold; or what is wrong with it.
    pub list: Result<Expression, SyntaxError>,
}

impl Binding {
    /// Compiles the text of an `each`.
    ///
    /// # Errors
    /// [`SyntaxError`] where it is no binding, or its name has a meaning already.
    pub fn compile(source: &str, locals: &[String]) -> Result<Self, SyntaxError> {
        let binding = parser::binding(source, locals)?;
        Ok(Self {
            name: binding.name,
            list: binding.list.map(|tree| Expression {
                source: source.to_owned(),
                tree,
            }),
        })
    }
}

impl Expression {
    /// Compiles `source`, which may use `instance`, `data.<dataType>` and `locals` (the names that an
    /// enclosing `each` binds).
    ///
    /// # Errors
    /// [`SyntaxError`] for bad syntax, an unknown name, filter or test, or form data that is not named (`data`
    /// alone, `data[x]`).
    pub fn compile(source: &str, locals: &[String]) -> Result<Self, SyntaxError> {
        Ok(Self {
            source: source.to_owned(),
            tree: parser::expression(source, locals)?,
        })
    }

    /// The text in which the expression stands; of an `each`, with the name of its items.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The expression's own text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source
            .get(self.tree.span.clone())
            .unwrap_or(&self.source)
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Expr {
        &self.tree
    }

    /// The longest paths that the expression reads, such as `data.model.applicant.name`.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<Path> {
        let mut paths = BTreeSet::new();
        self.tree.paths(&mut |path, _| {
            paths.insert(path);
        });
        paths
    }

    /// A's data types that the expression reads.
    #[must_use]
    pub fn data_types(&self) -> BTreeSet<String> {
        let paths = self.paths();
        let types = paths.iter().filter_map(Path::data_type);
        types.map(str::to_owned).collect()
    }

    /// Whether the expression reads this name: `instance`, `data`, or the item of an `each`.
    #[must_use]
    pub fn reads(&self, name: &str) -> bool {
        self.paths().iter().any(|path| path.root() == name)
    }

    /// Whether the expression reads nothing, and so has the same value for every instance.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.paths().is_empty()
    }

    /// The type of the value, and what may go wrong on the way to it.
    #[must_use]
    pub fn infer<'s, 'a>(&self, around: &Surroundings<'s, 'a>) -> (Type<'s, 'a>, Vec<Doubt>) {
        let mut inference = Inference::new(&self.source, around);
        let inferred = inference.of(&self.tree);
        inference.exact(&self.tree, &inferred);
        (inferred, inference.doubts())
    }

    /// The type of an item of the list that the value is, and how many there are; and what may go wrong. Beside them, what
    /// holds for an item that an `each` calls `name`.
    #[must_use]
    pub fn infer_items<'s, 'a>(
        &self,
        name: &str,
        around: &Surroundings<'s, 'a>,
    ) -> (Type<'s, 'a>, Vec<Fact>, Vec<Doubt>) {
        let mut inference = Inference::new(&self.source, around);
        let (item, least, most) = inference.list(&self.tree);
        let facts = match &self.tree.kind {
            Kind::Keep {
                item,
                condition,
                wanted: true,
                ..
            } if item == name => infer::facts(condition, true),
            _ => Vec::new(),
        };
        (Type::list(item, least, most), facts, inference.doubts())
    }

    /// The value, with its type; `None` when it is empty.
    ///
    /// # Errors
    /// [`EvaluationError`], which names the path or the expression, never a value.
    pub fn evaluate<'v>(
        &'v self,
        scope: &'v Scope<'v>,
    ) -> Result<Option<serde_json::Value>, EvaluationError> {
        let mut evaluation = Evaluation::new(&self.source, scope);
        match evaluation.value(&self.tree)? {
            Value::Empty => Ok(None),
            value => match value.into_json() {
                Ok(value) => Ok(Some(value)),
                Err(problem) => Err(evaluation.unsuitable(&self.tree, problem)),
            },
        }
    }

    /// The value's items, for `each`, each as a scope in which `name` is the item; an empty value has none.
    ///
    /// # Errors
    /// [`EvaluationError`], also when the value is not a list.
    pub fn each<'v>(
        &'v self,
        name: &'v str,
        scope: &'v Scope<'v>,
    ) -> Result<Vec<Scope<'v>>, EvaluationError> {
        let list = Evaluation::new(&self.source, scope).list(&self.tree)?;
        Ok(list.iter().map(|item| scope.with(name, item)).collect())
    }
}

#[cfg(test)]
mod tests;
