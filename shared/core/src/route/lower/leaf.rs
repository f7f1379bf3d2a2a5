//! Compiles the expressions of a route file, each from its text as it is written.

use serde_saphyr::{Location, Spanned};

use super::{Check, Problem};
use crate::{
    language::{Binding, Expression, SyntaxError, SyntaxProblem},
    route::{
        Expected, Mistake, RouteError,
        file::{Tree, bytes},
        fixed_text,
        span::Scalar,
    },
};

/// An expression as it is written in the file.
struct Leaf<'a> {
    scalar: &'a Scalar,
    /// Where it is used, which is elsewhere if an alias stands for it.
    place: Location,
    is_alias: bool,
}

impl<'a> Check<'a> {
    /// The expression at `tree`.
    pub(super) fn expression(
        &mut self,
        tree: &Spanned<Tree>,
        field: &str,
        locals: &[String],
    ) -> Option<Expression> {
        let leaf = self.leaf(tree, field)?;
        if leaf.scalar.is_plain() && leaf.scalar.text().is_empty() {
            let is_element = field.starts_with("model.") || field.starts_with("to.forms.");
            let problem = Problem {
                problem: "no expression".into(),
                help: is_element.then(|| "`none` leaves the element out".into()),
            };
            self.error(Mistake::NoExpression, Some(leaf.place), field, problem);
            return None;
        }
        let compiled = Expression::compile(leaf.scalar.text(), locals);
        self.compiled(&leaf, compiled, field, locals)
    }

    /// The text at `tree`, as it is written.
    pub(super) fn text(&mut self, tree: &Spanned<Tree>, field: &str) -> Option<String> {
        let leaf = self.leaf(tree, field)?;
        let text = leaf.scalar.text().trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The scalar at `tree`, as it is written.
    fn leaf(&mut self, tree: &Spanned<Tree>, field: &str) -> Option<Leaf<'a>> {
        let scalar = match tree.value {
            Tree::Leaf => bytes(tree.defined).and_then(|bytes| self.scalars.at(&bytes)),
            Tree::Map(_) | Tree::List(_) => None,
        };
        let place = tree.referenced;
        let Some(scalar) = scalar else {
            let wrong = Expected::Expression;
            let mistake = Mistake::WrongKind(wrong);
            self.error(mistake, Some(place), field, wrong.problem());
            return None;
        };
        if let Some(tag) = scalar.tag() {
            self.add(RouteError {
                at: Some((place.line(), place.column())),
                field: Some(field.to_owned()),
                range: bytes(place),
                ..RouteError::tagged(self.path, tag)
            });
            return None;
        }
        Some(Leaf {
            scalar,
            place,
            is_alias: place != tree.defined,
        })
    }

    /// What was compiled from a scalar's text, if it could be.
    fn compiled<T>(
        &mut self,
        leaf: &Leaf<'_>,
        compiled: Result<T, SyntaxError>,
        field: &str,
        locals: &[String],
    ) -> Option<T> {
        match compiled {
            Ok(compiled) => Some(compiled),
            Err(error) => {
                let error = self.refused(leaf, error, locals);
                self.add(RouteError {
                    field: Some(field.to_owned()),
                    ..error
                });
                None
            }
        }
    }

    /// What is wrong with the expression in a scalar's text.
    fn refused(&self, leaf: &Leaf<'_>, error: SyntaxError, locals: &[String]) -> RouteError {
        let Leaf {
            scalar,
            place,
            is_alias,
        } = *leaf;
        let start = (place.line(), place.column());
        let is_syntax = error.kind == SyntaxProblem::Syntax;
        let mistake = Mistake::from(error.kind);
        let fixed = fixed_text::meant(scalar, &mistake, locals);
        let (help, suggestion) = match fixed {
            Some(fixed) => (Some(fixed.help), Some(fixed.suggestion)),
            None => (error.help, None),
        };
        let refused = RouteError {
            at: Some(start),
            help,
            range: bytes(place),
            // Neither an alias nor the header of a block is to be replaced.
            suggestion: suggestion.filter(|_| !is_alias && !scalar.is_block()),
            ..RouteError::new(self.path, mistake, error.problem)
        };
        // The whole scalar is what the suggestion replaces.
        let is_whole = is_alias || refused.suggestion.is_some();
        let inside = error.range.filter(|_| !is_whole);
        let Some(written) = inside.and_then(|inside| scalar.written(self.text, inside)) else {
            return refused;
        };
        RouteError {
            at: Some(if is_syntax {
                self.line_and_column(written.start, place)
            } else {
                start
            }),
            range: Some(written),
            ..refused
        }
    }

    /// The line and column of the byte `at`, which stands in a scalar that starts at `place`.
    fn line_and_column(&self, at: usize, place: Location) -> (u64, u64) {
        let before = bytes(place)
            .and_then(|scalar| self.text.get(scalar.start..at))
            .unwrap_or_default()
            .replace("\r\n", "\n");
        let mut lines = before.split(['\n', '\r']);
        let last = lines.next_back().unwrap_or_default().chars().count() as u64;
        match lines.count() as u64 {
            0 => (place.line(), place.column() + last),
            breaks => (place.line() + breaks, last + 1),
        }
    }

    /// `name in list`: a name that has no meaning yet, and the list; `None` for the list if only that is wrong.
    pub(super) fn binding(
        &mut self,
        tree: &Spanned<Tree>,
        field: &str,
        locals: &[String],
    ) -> Option<(String, Option<Expression>)> {
        const FORM: &str = "must be `name in list`, such as `decision in data.model.decisions`";
        if !matches!(tree.value, Tree::Leaf) {
            self.error(Mistake::EachForm, Some(tree.referenced), field, FORM);
            return None;
        }
        let leaf = self.leaf(tree, field)?;
        let binding = Binding::compile(leaf.scalar.text(), locals);
        let Binding { name, list } = self.compiled(&leaf, binding, field, locals)?;
        Some((name, self.compiled(&leaf, list, field, locals)))
    }
}
