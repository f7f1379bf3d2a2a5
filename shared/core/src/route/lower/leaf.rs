//! Compiles the expressions of a route file, each from its text as it is written.

use serde_saphyr::{Location, Spanned};

use super::{Check, Problem};
use crate::route::{
    Expected, Mistake, RouteError,
    expression::{Expression, SyntaxError},
    file::{Tree, bytes},
    fixed_text,
    span::Scalar,
};

/// The words of the expression language, which no name takes over.
const WORDS: [&str; 13] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None",
];

/// The names that every expression sees.
const ROOTS: [&str; 2] = ["data", "instance"];

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
            let is_element = field.starts_with("model.");
            let problem = Problem {
                problem: "no expression".into(),
                help: is_element.then(|| "`none` leaves the element out".into()),
            };
            self.error(Mistake::NoExpression, Some(leaf.place), field, problem);
            return None;
        }
        self.end_of_expression(&leaf, 0, field, locals)
    }

    /// The scalar at `tree`, as it is written.
    fn leaf(&mut self, tree: &Spanned<Tree>, field: &str) -> Option<Leaf<'a>> {
        let scalar = match tree.value {
            Tree::Leaf => bytes(tree.defined).and_then(|bytes| self.scalars.at(&bytes)),
            Tree::Map(_) | Tree::List => None,
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

    /// Compiles what follows the first `skipped` bytes of a scalar's text.
    fn end_of_expression(
        &mut self,
        leaf: &Leaf<'_>,
        skipped: usize,
        field: &str,
        locals: &[String],
    ) -> Option<Expression> {
        let source = leaf.scalar.text().get(skipped..).unwrap_or_default();
        match Expression::compile(source, locals) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let error = self.refused(leaf, skipped, error, locals);
                self.add(RouteError {
                    field: Some(field.to_owned()),
                    ..error
                });
                None
            }
        }
    }

    /// What is wrong with the expression that follows the first `skipped` bytes of a scalar's text.
    fn refused(
        &self,
        leaf: &Leaf<'_>,
        skipped: usize,
        error: SyntaxError,
        locals: &[String],
    ) -> RouteError {
        let Leaf {
            scalar,
            place,
            is_alias,
        } = *leaf;
        let start = (place.line(), place.column());
        let fixed = (skipped == 0)
            .then(|| fixed_text::meant(scalar, &error.mistake, locals))
            .flatten();
        let (help, suggestion) = match fixed {
            Some(fixed) => (Some(fixed.help), Some(fixed.suggestion)),
            None => (error.help.map(str::to_owned), None),
        };
        let refused = RouteError {
            at: Some(start),
            help,
            range: bytes(place),
            // Neither an alias nor the header of a block is to be replaced.
            suggestion: suggestion.filter(|_| !is_alias && !scalar.is_block()),
            ..RouteError::new(self.path, error.mistake, error.problem)
        };
        // The whole scalar is what the suggestion replaces.
        let is_whole = is_alias || refused.suggestion.is_some();
        let inside = error
            .range
            .filter(|_| !is_whole)
            .map(|range| skipped + range.start..skipped + range.end);
        let Some(written) = inside.and_then(|inside| scalar.written(self.text, inside)) else {
            return refused;
        };
        let is_syntax = refused.mistake == Mistake::ExpressionSyntax;
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
        let is_odd = |c: &char| c.is_whitespace() && !c.is_ascii_whitespace();
        if !matches!(tree.value, Tree::Leaf) {
            self.error(Mistake::EachForm, Some(tree.referenced), field, FORM);
            return None;
        }
        let leaf = self.leaf(tree, field)?;
        let (text, place) = (leaf.scalar.text(), leaf.place);
        let Some((name, list)) = name_in_list(text) else {
            let odd = text.chars().find(is_odd).map(u32::from);
            let problem = Problem {
                problem: FORM.into(),
                help: odd.map(|odd| format!("the character U+{odd:04X} only looks like a space")),
            };
            self.error(Mistake::EachForm, Some(place), field, problem);
            return None;
        };
        if WORDS.contains(&name)
            || ROOTS.contains(&name)
            || locals.iter().any(|local| local == name)
        {
            self.error(
                Mistake::NameTaken(name.to_owned()),
                Some(place),
                field,
                format!("`{name}` has a meaning here already"),
            );
            return None;
        }
        let list = self.end_of_expression(&leaf, text.len() - list.len(), field, locals);
        Some((name.to_owned(), list))
    }
}

/// The name and the list of `name in list`. Names are letters, digits and `_` of any language, as in expressions.
fn name_in_list(text: &str) -> Option<(&str, &str)> {
    let is_space = |c: char| c.is_ascii_whitespace();
    let (name, rest) = text.trim_start_matches(is_space).split_once(is_space)?;
    let (word, list) = rest.trim_start_matches(is_space).split_once(is_space)?;
    let list = list.trim_start_matches(is_space);
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && word == "in" && !list.is_empty()).then_some((name, list))
}
