//! The types of an expression, and what may go wrong when it is evaluated.

use std::{collections::BTreeSet, rc::Rc};

use rust_decimal::Decimal;

use super::{
    error::Problem,
    syntax::{Expr, How, Kind as Node, Operator, Path},
    types::{self, Items, Kind, Type},
};
use crate::schema::limits::Limits;

mod arithmetic;
mod comparison;
mod doubt;
mod facts;
mod paths;
mod texts;

use self::texts::{joined, of_length};

pub use self::doubt::{Doubt, DoubtKind};
pub(super) use self::{
    arithmetic::Quantity,
    facts::facts,
    texts::{limits_of_text, longest},
};

/// Something that a condition tells of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    path: Path,
    /// The test that holds, beside that the value is not empty.
    test: Option<&'static str>,
}

/// What is known where an expression stands: the types of its names, and what conditions around it tell.
#[derive(Clone, Default)]
pub struct Surroundings<'s, 'a> {
    /// The names, the innermost last.
    pub names: Vec<(String, Type<'s, 'a>)>,
    /// What holds.
    pub facts: Vec<Fact>,
}

/// The inference of one expression's type.
pub(super) struct Inference<'e, 's, 'a> {
    source: &'e str,
    names: Vec<(String, Type<'s, 'a>)>,
    facts: Vec<Fact>,
    doubts: Vec<Doubt>,
}

impl<'e, 's, 'a> Inference<'e, 's, 'a> {
    pub(super) fn new(source: &'e str, around: &Surroundings<'s, 'a>) -> Self {
        Self {
            source,
            names: around.names.clone(),
            facts: around.facts.clone(),
            doubts: Vec::new(),
        }
    }

    /// What was found, each once.
    pub(super) fn doubts(self) -> Vec<Doubt> {
        let mut doubts: Vec<Doubt> = Vec::new();
        for doubt in self.doubts {
            if !doubts.contains(&doubt) {
                doubts.push(doubt);
            }
        }
        doubts
    }

    fn piece(&self, expr: &Expr) -> String {
        match expr.path() {
            Some(path) => path.to_string(),
            None => self
                .source
                .get(expr.span.clone())
                .unwrap_or(self.source)
                .to_owned(),
        }
    }

    fn doubt(&mut self, expr: &Expr, is_certain: bool, kind: DoubtKind) {
        self.doubts.push(Doubt {
            place: expr.span.clone(),
            is_certain,
            kind,
        });
    }

    /// Something whose doubts are certain only on a condition.
    fn certain_if(&mut self, condition: bool, inner: impl FnOnce(&mut Self)) {
        let before = self.doubts.len();
        inner(self);
        for doubt in self.doubts.iter_mut().skip(before) {
            doubt.is_certain &= condition;
        }
    }

    /// A problem that the evaluation may have with a piece.
    pub(super) fn problem(&mut self, expr: &Expr, is_certain: bool, problem: Problem) {
        let piece = self.piece(expr);
        self.doubt(expr, is_certain, DoubtKind::Unsuitable { piece, problem });
    }

    fn holds(&self, expr: &Expr, test: &str) -> bool {
        let Some(path) = expr.path() else {
            return false;
        };
        let is_it = |fact: &Fact| fact.path == path && fact.test == Some(test);
        self.facts.iter().any(is_it)
    }

    /// The type of an expression.
    pub(super) fn of(&mut self, expr: &Expr) -> Type<'s, 'a> {
        let inferred = self.plain(expr);
        let is_filled = expr
            .path()
            .is_some_and(|path| self.facts.iter().any(|fact| path.leads_to(&fact.path)));
        if is_filled {
            inferred.filled()
        } else {
            inferred
        }
    }

    fn plain(&mut self, expr: &Expr) -> Type<'s, 'a> {
        match &expr.kind {
            Node::None => Type::empty(),
            Node::Boolean(_) => Type::of(Kind::Boolean),
            Node::Number(number) => Type::number(*number, *number, number.scale()),
            Node::Text(text) => Type::one_of([text.clone()]),
            Node::List(items) => {
                let count = items.len() as u64;
                let types = items.iter().map(|item| self.of(item));
                let item = types.collect::<Vec<_>>().into_iter().reduce(Type::or);
                let item = item.unwrap_or_else(Type::never);
                Type::list(item, count, Some(count))
            }
            Node::Group(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.of(field)));
                Type::group(fields.collect())
            }
            Node::Name(name) => {
                let known = self.names.iter().rev().find(|(known, _)| known == name);
                known.map_or_else(Type::unknown, |(_, known)| known.clone())
            }
            Node::Field { of, name, place } => self.field(of, name, place),
            Node::Item { of, index } => self.item(of, index),
            Node::Slice { of, from, to } => {
                let sliced = self.of(of);
                for index in [from, to].into_iter().flatten() {
                    self.whole(index);
                }
                self.sliced(of, &sliced, from.as_deref(), to.as_deref())
            }
            Node::Not(of) => {
                self.of(of);
                Type::of(Kind::Boolean)
            }
            Node::Negative(of) => {
                let number = self.number(of);
                let (least, most, decimals) = types::bounds(&number.limits);
                number.like(-most, -least, decimals)
            }
            Node::Binary {
                operator,
                left,
                right,
            } => self.binary(expr, *operator, left, right),
            Node::Choice {
                value,
                condition,
                otherwise,
            } => {
                self.of(condition);
                let value = self.under(condition, true, |this| this.of(value));
                let otherwise = self.under(condition, false, |this| this.of(otherwise));
                value.or(otherwise)
            }
            Node::Filter {
                of,
                filter,
                arguments,
            } => (filter.infer)(&mut Applied {
                inference: self,
                of,
                arguments,
            }),
            Node::Test {
                of,
                test,
                arguments,
                ..
            } => {
                self.test(expr, of, test.name, arguments.first());
                Type::of(Kind::Boolean)
            }
            Node::Map { of, item, body } => {
                let (items, least, most) = self.list(of);
                let body = self.with(item, items, |this| this.of(body));
                Type::list(body, least, most)
            }
            Node::Keep {
                of,
                item,
                condition,
                ..
            } => {
                let (items, _, most) = self.list(of);
                self.with(item, items.clone(), |this| this.of(condition));
                Type::list(items, 0, most)
            }
            Node::By { of, how, item, key } => self.by(of, *how, item, key),
        }
    }

    /// Something within which `name` is an item.
    fn with<T>(&mut self, name: &str, item: Type<'s, 'a>, inner: impl FnOnce(&mut Self) -> T) -> T {
        // What is known of another item of this name is not known of this one.
        let facts = self.facts.clone();
        self.facts.retain(|fact| fact.path.root() != name);
        self.names.push((name.to_owned(), item));
        let result = inner(self);
        self.names.pop();
        self.facts = facts;
        result
    }

    /// Something that is evaluated only where a condition is as `truth` says.
    fn under<T>(&mut self, condition: &Expr, truth: bool, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.facts.len();
        self.facts.extend(facts(condition, truth));
        let result = inner(self);
        self.facts.truncate(before);
        result
    }

    /// A value that must be there.
    pub(super) fn needed(&mut self, expr: &Expr) -> Type<'s, 'a> {
        let inferred = self.of(expr);
        if inferred.may_be_empty {
            let is_certain = inferred.kinds.as_ref().is_some_and(Vec::is_empty);
            let piece = self.piece(expr);
            self.doubt(expr, is_certain, DoubtKind::Empty { piece });
        }
        inferred.filled()
    }

    /// Tells what cannot be, or may not be, of one of the kinds that are named in words.
    pub(super) fn expect(
        &mut self,
        expr: &Expr,
        inferred: &Type<'s, 'a>,
        fitting: &[&str],
        wanted: &'static str,
    ) {
        let unfit = |kind: &&Kind<'s, 'a>| !fitting.contains(&kind.words());
        let Some(first) = inferred.known().find(unfit) else {
            return;
        };
        let is_certain = inferred.known().all(|kind| unfit(&kind));
        let problem = Problem::Type {
            is: first.words(),
            wanted,
        };
        self.problem(expr, is_certain, problem);
    }

    /// A number that must be there.
    pub(super) fn number(&mut self, expr: &Expr) -> Quantity<'a> {
        let inferred = self.needed(expr);
        self.expect(expr, &inferred, &["a number"], "a number");
        Quantity::of(&inferred)
    }

    /// A whole number that must be there.
    fn integer(&mut self, expr: &Expr) -> Quantity<'a> {
        let number = self.number(expr);
        let (least, most, decimals) = types::bounds(&number.limits);
        if !number.is_exact {
            self.problem(expr, false, Problem::NotRounded);
        } else if number.is_known && decimals > 0 {
            // Of one number it is known: 2.00 is whole.
            let is_certain = least == most && !least.fract().is_zero();
            if is_certain || least != most {
                self.problem(expr, is_certain, Problem::NotWhole);
            }
        }
        number
    }

    /// A whole number that must be there, and counts something.
    pub(super) fn whole(&mut self, expr: &Expr) -> Quantity<'a> {
        let number = self.integer(expr);
        let (least, most, _) = types::bounds(&number.limits);
        let counts = Decimal::from(i64::MIN)..=Decimal::from(i64::MAX);
        if !counts.contains(&least) || !counts.contains(&most) {
            let is_certain = least > *counts.end() || most < *counts.start();
            self.problem(expr, is_certain, Problem::TooLarge);
        }
        number
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, expr: &Expr) -> Limits<'a> {
        let inferred = self.needed(expr);
        self.expect(expr, &inferred, &["a text"], "a text");
        limits_of_text(&inferred)
    }

    /// A value that becomes a text, and must be there.
    pub(super) fn as_text(&mut self, expr: &Expr) -> Limits<'a> {
        let inferred = self.needed(expr);
        self.textable(expr, &inferred)
    }

    /// What a value is as a text.
    pub(super) fn textable(&mut self, expr: &Expr, inferred: &Type<'s, 'a>) -> Limits<'a> {
        const TEXTS: [&str; 5] = [
            "a text",
            "a number",
            "a date",
            "a date with a time",
            "a time of day",
        ];
        self.expect(expr, inferred, &TEXTS, "a text");
        self.exact(expr, inferred);
        let kinds = inferred.known().filter_map(|kind| match kind {
            Kind::Text(limits) => Some(limits.clone()),
            Kind::Number { limits, .. } => Some(Limits {
                max_length: Some(types::length_of_number(limits)),
                ..Limits::default()
            }),
            Kind::Date => Some(of_length(10, 10)),
            Kind::DateTime => Some(of_length(20, 30)),
            Kind::Time => Some(of_length(8, 18)),
            _ => None,
        });
        let kinds: Vec<Type<'s, 'a>> = kinds.map(|limits| Type::of(Kind::Text(limits))).collect();
        let text = kinds.into_iter().reduce(Type::or);
        text.map_or_else(Limits::default, |text| limits_of_text(&text))
    }

    /// Tells a quotient that is used before it is rounded, also as an item of a list or a field of a group.
    pub(super) fn exact(&mut self, expr: &Expr, inferred: &Type<'s, 'a>) {
        if !inferred.is_exact() {
            self.problem(expr, false, Problem::NotRounded);
        }
    }

    /// The items of a list, and how many there are; what is empty has none.
    pub(super) fn list(&mut self, expr: &Expr) -> (Type<'s, 'a>, u64, Option<u64>) {
        let inferred = self.of(expr);
        self.expect(expr, &inferred, &["a list"], "a list");
        let list = inferred.known().find_map(|kind| match kind {
            Kind::List { items, least, most } => Some((items.clone(), *least, *most)),
            _ => None,
        });
        let least_of = |least| if inferred.may_be_empty { 0 } else { least };
        match list {
            Some((Items::Unknown, least, most)) => (Type::unknown(), least_of(least), most),
            Some((items, least, most)) => {
                let list = Type::of(Kind::List { items, least, most });
                (
                    list.item().unwrap_or_else(Type::unknown),
                    least_of(least),
                    most,
                )
            }
            None if inferred.is_unknown() => (Type::unknown(), 0, None),
            None => (Type::never(), 0, Some(0)),
        }
    }

    fn by(&mut self, of: &Expr, how: How, item: &str, key: &Expr) -> Type<'s, 'a> {
        let (items, least, most) = self.list(of);
        let is_unique = how == How::Unique;
        let keys = self.with(item, items.clone(), |this| {
            if is_unique {
                this.of(key)
            } else {
                this.needed(key)
            }
        });
        self.exact(of, &keys);
        if !is_unique {
            let kinds: BTreeSet<&str> = keys.known().map(Kind::words).collect();
            let have_order = |kind: &&str| !matches!(*kind, "a list" | "a group of fields");
            if kinds.len() > 1 || !kinds.iter().all(have_order) {
                self.problem(
                    of,
                    kinds.iter().any(|kind| !have_order(kind)),
                    Problem::NoOrder,
                );
            }
        }
        match how {
            How::Sort { .. } => Type::list(items, least, most),
            How::Unique => Type::list(items, least.min(1), most),
            How::Min | How::Max if least == 0 => items.or_empty(),
            How::Min | How::Max => self.extreme(of, how).unwrap_or(items),
        }
    }

    /// The least or greatest of numbers that stand in the expression: `[x, 0] | max` is never less than 0.
    fn extreme(&mut self, of: &Expr, how: How) -> Option<Type<'s, 'a>> {
        let Node::List(items) = &of.kind else {
            return None;
        };
        let mut bounds = Vec::new();
        let mut is_exact = true;
        for item in items {
            // What may go wrong with an item was told when the list was looked at.
            let before = self.doubts.len();
            let inferred = self.of(item);
            self.doubts.truncate(before);
            let mut kinds = inferred.known();
            let (
                Some(Kind::Number {
                    limits,
                    is_exact: exact,
                }),
                None,
            ) = (kinds.next(), kinds.next())
            else {
                return None;
            };
            is_exact &= exact;
            bounds.push(types::bounds(limits));
        }
        let leasts = bounds.iter().map(|(least, ..)| *least);
        let mosts = bounds.iter().map(|(_, most, _)| *most);
        let (least, most) = match how {
            How::Max => (leasts.max()?, mosts.max()?),
            _ => (leasts.min()?, mosts.min()?),
        };
        let decimals = bounds.iter().map(|(.., decimals)| *decimals).max()?;
        Some(Quantity::within(least, most, decimals, is_exact))
    }

    fn binary(
        &mut self,
        whole: &Expr,
        operator: Operator,
        left: &Expr,
        right: &Expr,
    ) -> Type<'s, 'a> {
        match operator {
            Operator::And | Operator::Or => {
                let truth = operator == Operator::And;
                let first = self.of(left);
                let second = self.under(left, truth, |this| this.of(right));
                match operator {
                    // What is taken of the left side is true, and so is not empty.
                    Operator::Or => first.filled().or(second),
                    _ => first.or(second),
                }
            }
            Operator::Equal | Operator::Unequal => {
                self.compared(whole, left, right);
                Type::of(Kind::Boolean)
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                self.ordered(left, right);
                Type::of(Kind::Boolean)
            }
            Operator::In | Operator::NotIn => {
                self.contained(whole, left, right);
                Type::of(Kind::Boolean)
            }
            Operator::Concat => {
                let (a, b) = (self.as_text(left), self.as_text(right));
                Type::of(Kind::Text(joined(&a, &b)))
            }
            Operator::Plus => self.plus(whole, left, right),
            Operator::Minus | Operator::Times => {
                let (a, b) = (self.number(left), self.number(right));
                self.computed(whole, operator, (left, &a), (right, &b))
            }
            Operator::DividedBy | Operator::WholeDividedBy | Operator::Remainder => {
                let (a, b) = (self.number(left), self.number(right));
                self.divided(whole, operator, (left, &a), (right, &b))
            }
        }
    }
}

/// A filter whose type is inferred.
pub(super) struct Applied<'i, 'e, 's, 'a> {
    pub(super) inference: &'i mut Inference<'e, 's, 'a>,
    pub(super) of: &'i Expr,
    pub(super) arguments: &'i [Option<Expr>],
}

impl<'i, 's, 'a> Applied<'i, '_, 's, 'a> {
    pub(super) fn argument(&self, index: usize) -> Option<&'i Expr> {
        self.arguments.get(index).and_then(Option::as_ref)
    }

    /// The constant text of an argument.
    pub(super) fn constant(&self, index: usize) -> Option<&'i str> {
        match self.argument(index).map(|argument| &argument.kind) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The constant whole number of an argument.
    pub(super) fn constant_number(&self, index: usize) -> Option<i64> {
        match self.argument(index).map(|argument| &argument.kind) {
            Some(Node::Number(number)) if number.fract().is_zero() => {
                i64::try_from(number.trunc()).ok()
            }
            Some(Node::Negative(of)) => match of.kind {
                Node::Number(number) => i64::try_from(-number.trunc()).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    /// A type of the item's own that is shared.
    pub(super) fn list_of(item: Type<'s, 'a>, least: u64, most: Option<u64>) -> Type<'s, 'a> {
        Type::of(Kind::List {
            items: Items::Made(Rc::new(item)),
            least,
            most,
        })
    }
}
