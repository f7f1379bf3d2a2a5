//! The types of an expression, and what may go wrong when it is evaluated.

use std::{collections::BTreeSet, ops::Range, rc::Rc};

use rust_decimal::Decimal;

use super::{
    error::Problem,
    number::{self, Number},
    syntax::{Expr, How, Kind as Node, Operator, Path},
    types::{self, Field, Items, Kind, Type},
};
use crate::schema::limits::Limits;

/// Something that may go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where in the expression's text, in bytes.
    pub place: Range<usize>,
    /// Whether it goes wrong whenever the piece is evaluated; where nothing may stand in the piece's place, whenever it has a
    /// value.
    pub is_certain: bool,
    /// What.
    pub kind: DoubtKind,
}

/// What may go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DoubtKind {
    /// A group has no such field.
    NoField {
        /// The group.
        of: Option<Path>,
        /// The group's text, where it is no path.
        piece: String,
        /// The field.
        name: String,
        /// The fields that there are.
        known: Vec<String>,
    },
    /// What has fields is no group.
    NoGroup {
        /// The piece.
        piece: String,
        /// What it is, in words.
        is: String,
        /// Whether it is a list, whose items have fields.
        is_list: bool,
        /// The field.
        name: String,
    },
    /// A piece is needed, and may be empty.
    Empty {
        /// The piece.
        piece: String,
    },
    /// A piece cannot be used as it is.
    Unsuitable {
        /// The piece.
        piece: String,
        /// Why.
        problem: Problem,
    },
    /// The day is cut out of the text of a moment, which is written by UTC.
    DayByUtc {
        /// The moment.
        piece: String,
        /// Whether it always has an offset; a form's value may have none, and is no UTC then.
        has_offset: bool,
    },
    /// Two values that are never the same are compared.
    NeverEqual {
        /// What the left one is, in words.
        left: String,
        /// What the right one is, in words.
        right: String,
    },
}

/// The characters of a day, `yyyy-MM-dd`.
const DAY: u64 = 10;

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

    fn field(&mut self, of: &Expr, name: &str, place: &Range<usize>) -> Type<'s, 'a> {
        let group = self.of(of);
        if group.is_unknown() {
            return Type::unknown();
        }
        let may_be_empty = group.may_be_empty;
        if matches!(group.field(name), Some(Field::Known(_) | Field::Unknown)) {
            self.expect(of, &group, &["a group of fields"], "a group of fields");
        }
        match group.field(name) {
            Some(Field::Known(field)) if may_be_empty => field.or_empty(),
            Some(Field::Known(field)) => field,
            Some(Field::Unknown) => Type::unknown(),
            Some(Field::None { known }) => {
                let kind = DoubtKind::NoField {
                    of: of.path(),
                    piece: self.piece(of),
                    name: name.to_owned(),
                    known,
                };
                self.doubts.push(Doubt {
                    place: place.clone(),
                    is_certain: true,
                    kind,
                });
                Type::unknown()
            }
            // Nothing has no fields, and that is no mistake.
            None if group.known().next().is_none() => group,
            None => {
                let kind = DoubtKind::NoGroup {
                    piece: self.piece(of),
                    is: group.words(),
                    is_list: group.item().is_some(),
                    name: name.to_owned(),
                };
                self.doubts.push(Doubt {
                    place: place.clone(),
                    is_certain: true,
                    kind,
                });
                Type::unknown()
            }
        }
    }

    fn item(&mut self, of: &Expr, index: &Expr) -> Type<'s, 'a> {
        let whole = self.of(of);
        let at = self.needed(index);
        if whole.is_unknown() {
            return Type::unknown();
        }
        self.expect(
            of,
            &whole,
            &["a list", "a group of fields"],
            "a list or a group",
        );
        let fields = whole.known().find_map(|kind| match kind {
            Kind::Group(fields) => Some(fields.all()),
            _ => None,
        });
        match (whole.item(), fields) {
            (Some(item), fields) => {
                self.whole(index);
                if fields.is_some() {
                    let (is, wanted) = ("a group of fields", "a list");
                    self.problem(of, false, Problem::Type { is, wanted });
                }
                // The index may be beyond the end of the list.
                item.or_empty()
            }
            (None, Some(fields)) => {
                self.expect(index, &at, &["a text"], "a text");
                let types = fields.into_iter().map(|(_, field)| field);
                types
                    .reduce(Type::or)
                    .unwrap_or_else(Type::empty)
                    .or_empty()
            }
            (None, None) if whole.known().next().is_none() => whole,
            (None, None) => Type::unknown(),
        }
    }

    /// Doubts that the day in a moment's text is the one that is meant.
    fn day_by_utc(&mut self, of: &Expr, sliced: &Type<'s, 'a>) {
        let format = sliced.known().find_map(|kind| match kind {
            Kind::Text(limits) => limits.format,
            _ => None,
        });
        if let Some(format @ ("date-time" | "instant")) = format {
            let piece = self.piece(of);
            let has_offset = format == "instant";
            self.doubt(of, false, DoubtKind::DayByUtc { piece, has_offset });
        }
    }

    fn sliced(
        &mut self,
        of: &Expr,
        sliced: &Type<'s, 'a>,
        from: Option<&Expr>,
        to: Option<&Expr>,
    ) -> Type<'s, 'a> {
        self.expect(of, sliced, &["a text", "a list"], "a text or a list");
        // As many as between two constant indexes of one direction.
        let constant = |index: Option<&Expr>| match index.map(|index| &index.kind) {
            Some(Node::Number(number)) => u64::try_from(number.trunc()).ok(),
            None => Some(0),
            Some(_) => None,
        };
        let until = to.and_then(|to| constant(Some(to)));
        if constant(from).is_some() && until.is_some_and(|until| until <= DAY) {
            self.day_by_utc(of, sliced);
        }
        let span = match (constant(from), until) {
            (Some(from), Some(to)) => Some(to.saturating_sub(from)),
            _ => None,
        };
        let most = |most: Option<u64>| match (most, span) {
            (Some(most), Some(span)) => Some(most.min(span)),
            (most, span) => most.or(span),
        };
        let kinds = sliced.known().filter_map(|kind| match kind {
            Kind::Text(limits) => Some(Kind::Text(Limits {
                max_length: most(longest(limits)),
                ..Limits::default()
            })),
            Kind::List {
                items, most: many, ..
            } => Some(Kind::List {
                items: items.clone(),
                least: 0,
                most: most(*many),
            }),
            _ => None,
        });
        let kinds: Vec<_> = kinds.collect();
        match sliced.is_unknown() || kinds.is_empty() && sliced.known().next().is_some() {
            true => Type::unknown(),
            false => Type {
                kinds: Some(kinds),
                may_be_empty: sliced.may_be_empty,
            },
        }
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

    /// The sum of two numbers, or two texts or lists as one.
    fn plus(&mut self, whole: &Expr, left: &Expr, right: &Expr) -> Type<'s, 'a> {
        let (a, b) = (self.needed(left), self.needed(right));
        if a.is_unknown() || b.is_unknown() {
            return Type::unknown();
        }
        let mut sums = Vec::new();
        for (mine, other) in pairs(&a, &b) {
            sums.push(match (mine, other) {
                (Kind::Text(a), Kind::Text(b)) => Type::of(Kind::Text(joined(a, b))),
                (
                    Kind::List { least, most, .. },
                    Kind::List {
                        least: fewest,
                        most: greatest,
                        ..
                    },
                ) => {
                    let item = a.item().into_iter().chain(b.item()).reduce(Type::or);
                    let most = most.zip(*greatest).map(|(a, b)| a.saturating_add(b));
                    let least = least.saturating_add(*fewest);
                    Type::list(item.unwrap_or_else(Type::unknown), least, most)
                }
                (Kind::Number { .. }, Kind::Number { .. }) => {
                    let (a, b) = (Quantity::of(&a), Quantity::of(&b));
                    self.computed(whole, Operator::Plus, (left, &a), (right, &b))
                }
                _ => continue,
            });
        }
        if sums.len() < pairs(&a, &b).count() {
            self.not_alike(left, &a, right, &b, !sums.is_empty(), "a number");
        }
        let unknown = || Quantity::unknown(true);
        sums.into_iter().reduce(Type::or).unwrap_or_else(unknown)
    }

    /// Tells two values that are not always of one kind, and `wanted` where they never are.
    fn not_alike(
        &mut self,
        left: &Expr,
        a: &Type<'s, 'a>,
        right: &Expr,
        b: &Type<'s, 'a>,
        is_possible: bool,
        wanted: &'static str,
    ) {
        let first = |inferred: &Type<'s, 'a>| inferred.known().next().map(Kind::words);
        if !is_possible {
            let unfit =
                |inferred: &Type<'s, 'a>| inferred.known().all(|kind| kind.words() != wanted);
            let (expr, of) = if unfit(a) { (left, a) } else { (right, b) };
            if let Some(is) = first(of) {
                self.problem(expr, true, Problem::Type { is, wanted });
            }
            return;
        }
        // The one that may be several things is the one to look at.
        let is_left = a.known().count() > 1;
        let (expr, of, other) = if is_left { (left, a, b) } else { (right, b, a) };
        let wanted = first(other).unwrap_or(wanted);
        let is = of.known().map(Kind::words).find(|words| *words != wanted);
        if let Some(is) = is {
            self.problem(expr, false, Problem::Type { is, wanted });
        }
    }

    fn computed(
        &mut self,
        whole: &Expr,
        operator: Operator,
        (left, a): (&Expr, &Quantity<'a>),
        (right, b): (&Expr, &Quantity<'a>),
    ) -> Type<'s, 'a> {
        let (least, most, decimals) = types::bounds(&a.limits);
        let (fewest, greatest, places) = types::bounds(&b.limits);
        let compute = |a: Decimal, b: Decimal| {
            let (a, b) = (Number::from(a), Number::from(b));
            let result = match operator {
                Operator::Plus => a.plus(b),
                Operator::Minus => a.minus(b),
                _ => a.times(b),
            };
            result.ok().map(|number| number.value)
        };
        let corners = [
            compute(least, fewest),
            compute(least, greatest),
            compute(most, fewest),
            compute(most, greatest),
        ];
        let corners: Option<Vec<Decimal>> = corners.into_iter().collect();
        let bounds =
            corners.and_then(|corners| Some((*corners.iter().min()?, *corners.iter().max()?)));
        let is_exact = a.is_exact && b.is_exact;
        // A quotient times 100 has the same digits.
        let moves_point = operator == Operator::Times
            && (a.is_power_of_ten() && a.is_exact || b.is_power_of_ten() && b.is_exact);
        if moves_point && !is_exact {
            if let Some((least, most)) = bounds.filter(|(least, most)| fits(*least, *most, 0)) {
                return Quantity::within(least, most, 28, false);
            }
        } else {
            self.rounded(left, a);
            self.rounded(right, b);
        }
        let decimals = match operator {
            Operator::Times => decimals + places,
            _ => decimals.max(places),
        };
        match bounds {
            Some((least, most)) if !is_exact || fits(least, most, decimals) => {
                Quantity::within(least, most, decimals.min(28), is_exact)
            }
            _ => {
                self.problem(whole, false, Problem::DoesNotFit);
                Quantity::unknown(is_exact)
            }
        }
    }

    /// A number by which another one is divided.
    fn not_zero(&mut self, expr: &Expr, number: &Quantity<'a>) {
        if number.is_known && number.may_be_zero() && !self.holds(expr, "true value") {
            let (least, most, _) = types::bounds(&number.limits);
            self.problem(expr, least.is_zero() && most.is_zero(), Problem::Zero);
        }
    }

    /// Tells a quotient that must be rounded before something else is made of it.
    pub(super) fn rounded(&mut self, expr: &Expr, number: &Quantity<'a>) {
        if !number.is_exact {
            self.problem(expr, false, Problem::NotRounded);
        }
    }

    fn divided(
        &mut self,
        whole: &Expr,
        operator: Operator,
        (left, a): (&Expr, &Quantity<'a>),
        (right, b): (&Expr, &Quantity<'a>),
    ) -> Type<'s, 'a> {
        self.not_zero(right, b);
        let (least, most, decimals) = types::bounds(&a.limits);
        let (fewest, greatest, places) = types::bounds(&b.limits);
        if operator == Operator::DividedBy {
            // By a constant of twos and fives it ends.
            let ending = (fewest == greatest && a.is_exact && b.is_exact)
                .then(|| ending(fewest))
                .flatten()
                .map(|digits| decimals + digits);
            return match quotients(a, b) {
                Some((least, most)) => match ending {
                    Some(places) if fits(least, most, places) => {
                        Quantity::within(least, most, places, true)
                    }
                    _ => Quantity::within(least, most, 28, false),
                },
                None => {
                    self.problem(whole, false, Problem::DoesNotFit);
                    Quantity::unknown(false)
                }
            };
        }
        self.rounded(left, a);
        self.rounded(right, b);
        let divisor = fewest.abs().max(greatest.abs());
        // The remainder, and what is without it.
        let decimals = decimals.max(places);
        let reach = least.abs().max(most.abs()).checked_add(divisor);
        let fits = reach.is_some_and(|reach| fits(-reach, reach, decimals));
        let bounds = match operator {
            Operator::Remainder => {
                // A number that is not negative is at least what it leaves.
                let most = if least.is_sign_negative() {
                    divisor
                } else {
                    divisor.min(most)
                };
                Some((Decimal::ZERO, most, decimals))
            }
            // The whole part may be the next one, away from zero.
            _ => quotients(a, b).map(|(least, most)| {
                (
                    (least - Decimal::ONE).floor(),
                    (most + Decimal::ONE).ceil(),
                    0,
                )
            }),
        };
        match bounds {
            Some((least, most, decimals)) if fits => Quantity::within(least, most, decimals, true),
            _ => {
                self.problem(whole, false, Problem::DoesNotFit);
                Quantity::unknown(true)
            }
        }
    }

    /// A test of a value, which asks for as much of the value and of its argument as the evaluation does.
    fn test(&mut self, whole: &Expr, of: &Expr, name: &str, argument: Option<&Expr>) {
        match (name, argument) {
            ("even" | "odd", _) => {
                self.integer(of);
            }
            ("divisibleby", Some(divisor)) => {
                self.integer(of);
                let inferred = self.needed(divisor);
                self.expect(divisor, &inferred, &["a number"], "a number");
                self.exact(divisor, &inferred);
                self.not_zero(divisor, &Quantity::of(&inferred));
            }
            ("eq" | "equalto" | "sameas" | "ne", Some(other)) => self.compared(whole, of, other),
            ("in", Some(container)) => self.contained(whole, of, container),
            ("lt" | "le" | "gt" | "ge" | "lessthan" | "greaterthan", Some(other)) => {
                self.ordered(of, other);
            }
            ("startingwith" | "endingwith", Some(piece)) => {
                // What is empty neither starts nor ends with anything.
                let inferred = self.of(of);
                self.expect(of, &inferred, &["a text"], "a text");
                self.text(piece);
            }
            _ => {
                self.of(of);
            }
        }
    }

    /// Two values that are compared for being the same.
    fn compared(&mut self, whole: &Expr, left: &Expr, right: &Expr) {
        let (a, b) = (self.of(left), self.of(right));
        self.comparable(whole, &a, &b);
        self.exact(left, &a);
        self.exact(right, &b);
    }

    /// A value that is looked for in a list, a text or a group; in what is empty there is nothing.
    fn contained(&mut self, whole: &Expr, part: &Expr, container: &Expr) {
        let wanted = self.of(part);
        let inferred = self.of(container);
        self.expect(
            container,
            &inferred,
            &["a list", "a text", "a group of fields"],
            "a list or a text",
        );
        if let Some(item) = inferred.item() {
            self.comparable(whole, &wanted, &item);
            self.exact(part, &wanted);
            self.exact(container, &item);
        }
        let holds_texts = |kind: &Kind<'s, 'a>| matches!(kind, Kind::Text(_) | Kind::Group(_));
        if inferred.known().any(holds_texts) {
            // A list may hold anything, and what is empty holds nothing.
            let is_certain = inferred.known().all(holds_texts) && !inferred.may_be_empty;
            self.certain_if(is_certain, |this| {
                let wanted = this.needed(part);
                this.expect(part, &wanted, &["a text"], "a text");
            });
        }
    }

    /// Tells two values that are never equal, whatever A has.
    fn comparable(&mut self, whole: &Expr, a: &Type<'s, 'a>, b: &Type<'s, 'a>) {
        let (Some(left), Some(right)) = (&a.kinds, &b.kinds) else {
            return;
        };
        let moments = ["a date", "a date with a time", "a time of day"];
        let meets = |a: &Kind<'s, 'a>, b: &Kind<'s, 'a>| {
            let (a, b) = (a.words(), b.words());
            a == b || a == "a text" && moments.contains(&b) || b == "a text" && moments.contains(&a)
        };
        let is_possible = left.iter().any(|a| right.iter().any(|b| meets(a, b)));
        // A comparison with nothing asks whether there is something.
        if is_possible || left.is_empty() || right.is_empty() {
            return;
        }
        let kind = DoubtKind::NeverEqual {
            left: a.words(),
            right: b.words(),
        };
        self.doubt(whole, true, kind);
    }

    /// Two values of which one must be smaller than the other, or the same.
    fn ordered(&mut self, left: &Expr, right: &Expr) {
        let (a, b) = (self.needed(left), self.needed(right));
        self.exact(left, &a);
        self.exact(right, &b);
        let is_moment =
            |kind: &Kind<'s, 'a>| matches!(kind, Kind::Date | Kind::DateTime | Kind::Time);
        let (mut of_all, mut of_some) = (true, false);
        for (mine, other) in pairs(&a, &b) {
            let is_ordered = match (mine, other) {
                (Kind::List { .. } | Kind::Group(_), _)
                | (_, Kind::List { .. } | Kind::Group(_)) => false,
                // A text beside a date is read as one.
                (Kind::Text(_), moment) if is_moment(moment) => {
                    let is_only = b.known().count() == 1;
                    self.certain_if(is_only, |this| this.readable(left, &a, moment.words()));
                    true
                }
                (moment, Kind::Text(_)) if is_moment(moment) => {
                    let is_only = a.known().count() == 1;
                    self.certain_if(is_only, |this| this.readable(right, &b, moment.words()));
                    true
                }
                _ => mine.words() == other.words(),
            };
            of_all &= is_ordered;
            of_some |= is_ordered;
        }
        if of_all {
            return;
        }
        let mut no_order = false;
        for (expr, inferred) in [(left, &a), (right, &b)] {
            let has_order =
                |kind: &Kind<'s, 'a>| !matches!(kind, Kind::List { .. } | Kind::Group(_));
            if !inferred.known().any(has_order) {
                self.problem(expr, true, Problem::NoOrder);
                no_order = true;
            }
        }
        if let Some(wanted) = a.known().next().map(Kind::words)
            && !no_order
        {
            self.not_alike(left, &a, right, &b, of_some, wanted);
        }
    }

    /// Tells a text that is read as a date, and may be none.
    fn readable(&mut self, expr: &Expr, inferred: &Type<'s, 'a>, wanted: &str) {
        let (format, test, problem) = match wanted {
            "a date" => ("date", "date", Problem::NoDate),
            "a date with a time" => ("instant", "datetime", Problem::NoDateTime),
            _ => ("time", "time", Problem::NoTime),
        };
        self.reads(expr, inferred, format, test, problem);
    }

    /// Tells a text that may not be of a form: unless its schema or a condition says that it is.
    pub(super) fn reads(
        &mut self,
        expr: &Expr,
        inferred: &Type<'s, 'a>,
        format: &str,
        test: &str,
        problem: Problem,
    ) {
        if self.holds(expr, test) {
            return;
        }
        let (mut may_be_read, mut may_not) = (false, false);
        for kind in inferred.known() {
            let Kind::Text(limits) = kind else {
                may_be_read = true;
                continue;
            };
            match &limits.admitted {
                _ if limits.format == Some(format) => may_be_read = true,
                Some(values) => {
                    let read = |value: &str| reads_as(test, value);
                    let mut values = values.iter().map(|value| value.as_str().is_some_and(read));
                    may_not |= values.clone().any(|is_read| !is_read);
                    may_be_read |= values.any(|is_read| is_read);
                }
                None => (may_be_read, may_not) = (true, true),
            }
        }
        if may_not {
            self.problem(expr, !may_be_read, problem);
        }
    }
}

/// Every kind that one value can be, with every kind that another one can be.
fn pairs<'t, 's, 'a>(
    a: &'t Type<'s, 'a>,
    b: &'t Type<'s, 'a>,
) -> impl Iterator<Item = (&'t Kind<'s, 'a>, &'t Kind<'s, 'a>)> {
    a.known()
        .flat_map(|mine| b.known().map(move |other| (mine, other)))
}

/// Whether a test holds for a text.
fn reads_as(test: &str, text: &str) -> bool {
    use super::{calendar, reading};
    match test {
        "date" => calendar::parse_date(text).is_ok(),
        "datetime" => matches!(
            calendar::parse_date_time(text),
            Ok(calendar::Moment::Instant(_))
        ),
        "time" => calendar::parse_time(text).is_ok(),
        "numeric" => reading::plain_number(text.trim()).is_ok(),
        "norwegian_number" => reading::norwegian_number(text).is_ok(),
        _ => false,
    }
}

/// What holds where a condition is as `truth` says.
pub(super) fn facts(condition: &Expr, truth: bool) -> Vec<Fact> {
    match &condition.kind {
        Node::Name(_) | Node::Field { .. } if truth => fact(condition, Some("true value")),
        Node::Not(of) => facts(of, !truth),
        Node::Binary {
            operator,
            left,
            right,
        } => match operator {
            Operator::And if truth => [facts(left, true), facts(right, true)].concat(),
            Operator::Or if !truth => [facts(left, false), facts(right, false)].concat(),
            Operator::Equal => facts_of_equality(left, right, truth),
            Operator::Unequal => facts_of_equality(left, right, !truth),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => facts_of_order(left, right),
            Operator::In if truth => facts_of_membership(left, right),
            Operator::NotIn if !truth => facts_of_membership(left, right),
            _ => Vec::new(),
        },
        Node::Test {
            of,
            test,
            arguments,
            negated,
        } => {
            let holds = truth != *negated;
            match (test.name, arguments.first()) {
                ("none" | "undefined" | "empty", _) if holds => Vec::new(),
                ("none" | "undefined" | "empty", _) => fact(of, None),
                ("eq" | "equalto" | "sameas", Some(other)) => facts_of_equality(of, other, holds),
                ("ne", Some(other)) => facts_of_equality(of, other, !holds),
                ("lt" | "le" | "gt" | "ge" | "lessthan" | "greaterthan", Some(other)) => {
                    facts_of_order(of, other)
                }
                ("in", Some(container)) if holds => facts_of_membership(of, container),
                ("in", _) => Vec::new(),
                // A number was there, or there would be no answer.
                ("even" | "odd" | "divisibleby", _) => fact(of, None),
                (name, _) if holds => fact(of, Some(name)),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// That a value is there, and a test holds for it.
fn fact(expr: &Expr, test: Option<&'static str>) -> Vec<Fact> {
    let fact = expr.path().map(|path| Fact { path, test });
    fact.into_iter().collect()
}

/// Whether an expression is a value that is written there.
fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        Node::Text(_) | Node::Number(_) | Node::Boolean(_) => true,
        Node::Negative(of) => matches!(of.kind, Node::Number(_)),
        _ => false,
    }
}

/// What holds where two values are equal, or are not.
fn facts_of_equality(left: &Expr, right: &Expr, is_equal: bool) -> Vec<Fact> {
    let is_none = |expr: &Expr| matches!(expr.kind, Node::None);
    match is_equal {
        true if is_literal(right) => fact(left, None),
        true if is_literal(left) => fact(right, None),
        false if is_none(right) => fact(left, None),
        false if is_none(left) => fact(right, None),
        _ => Vec::new(),
    }
}

/// What holds where two values have been brought into an order: both were there, or there would be no answer.
fn facts_of_order(left: &Expr, right: &Expr) -> Vec<Fact> {
    [fact(left, None), fact(right, None)].concat()
}

/// What holds where a value is in a list.
fn facts_of_membership(part: &Expr, container: &Expr) -> Vec<Fact> {
    match &container.kind {
        Node::List(items) if items.iter().all(is_literal) => fact(part, None),
        _ => Vec::new(),
    }
}

/// How many decimals a division by a constant adds where it always ends: those of a number of twos and fives.
fn ending(divisor: Decimal) -> Option<u32> {
    let mut rest = divisor.normalize().mantissa().unsigned_abs();
    if rest == 0 {
        return None;
    }
    let mut counts = [0_u32, 0];
    for (prime, count) in [2, 5].into_iter().zip(&mut counts) {
        while rest.is_multiple_of(prime) {
            rest /= prime;
            *count += 1;
        }
    }
    (rest == 1).then(|| counts[0].max(counts[1]))
}

/// The bounds of all quotients of two numbers, of which the second one is not zero; `None` where no decimal holds them.
fn quotients(a: &Quantity<'_>, b: &Quantity<'_>) -> Option<(Decimal, Decimal)> {
    let (least, most, _) = types::bounds(&a.limits);
    let (fewest, greatest, places) = types::bounds(&b.limits);
    // The divisor that is next to zero, on either side.
    let next = Decimal::try_new(1, places).ok()?;
    let divisors = match (fewest > Decimal::ZERO, greatest < Decimal::ZERO) {
        (false, false) => vec![fewest, -next, next, greatest],
        _ => vec![fewest, greatest],
    };
    let divisors = divisors
        .into_iter()
        .filter(|divisor| !divisor.is_zero() && (fewest..=greatest).contains(divisor));
    let quotients: Option<Vec<Decimal>> = divisors
        .flat_map(|divisor| [least.checked_div(divisor), most.checked_div(divisor)])
        .collect();
    let quotients = quotients?;
    match (quotients.iter().min(), quotients.iter().max()) {
        (Some(least), Some(most)) => Some((*least, *most)),
        // By nothing but zero.
        _ => Some((Decimal::ZERO, Decimal::ZERO)),
    }
}

/// Whether all numbers between two bounds with so many decimals are decimals.
fn fits(least: Decimal, most: Decimal, decimals: u32) -> bool {
    let digits = |number: Decimal| {
        let whole = number.trunc().abs();
        if whole.is_zero() {
            0
        } else {
            whole.to_string().len()
        }
    };
    let whole = digits(least).max(digits(most));
    decimals <= 28 && whole + decimals as usize <= number::MAX_DIGITS
}

/// A number, as far as it is known.
pub(super) struct Quantity<'a> {
    pub(super) limits: Limits<'a>,
    pub(super) is_exact: bool,
    /// Whether its type is known to be a number: a schema that names no limits says that, too.
    is_known: bool,
}

impl<'a> Quantity<'a> {
    fn of(inferred: &Type<'_, 'a>) -> Self {
        let found = inferred.known().find_map(|kind| match kind {
            Kind::Number { limits, is_exact } => Some((limits.clone(), *is_exact)),
            _ => None,
        });
        let is_known = found.is_some();
        let (limits, is_exact) = found.unwrap_or((Limits::default(), true));
        Self {
            limits,
            is_exact,
            is_known,
        }
    }

    /// Whether it is 1, 10, 100 and so on.
    fn is_power_of_ten(&self) -> bool {
        let (least, most, _) = types::bounds(&self.limits);
        let digits = least.normalize().to_string();
        least == most && digits.starts_with('1') && digits.trim_end_matches('0') == "1"
    }

    /// Whether it may be zero.
    fn may_be_zero(&self) -> bool {
        let (least, most, _) = types::bounds(&self.limits);
        let is_excluded =
            self.limits.above && least.is_zero() || self.limits.below && most.is_zero();
        let is_listed = match &self.limits.admitted {
            Some(values) => values.iter().any(|value| {
                number::read(&value.to_string()).is_none_or(|number| number.is_zero())
            }),
            None => true,
        };
        least <= Decimal::ZERO && most >= Decimal::ZERO && !is_excluded && is_listed
    }

    fn within<'s>(least: Decimal, most: Decimal, decimals: u32, is_exact: bool) -> Type<'s, 'a> {
        Type::of(Kind::Number {
            limits: Limits {
                minimum: Some(least),
                maximum: Some(most),
                decimals: Some(decimals),
                ..Limits::default()
            },
            is_exact,
        })
    }

    fn unknown<'s>(is_exact: bool) -> Type<'s, 'a> {
        Type::of(Kind::Number {
            limits: Limits::default(),
            is_exact,
        })
    }

    /// A number within other bounds, as exact as this one.
    pub(super) fn like<'s>(&self, least: Decimal, most: Decimal, decimals: u32) -> Type<'s, 'a> {
        Self::within(least, most, decimals, self.is_exact)
    }
}

/// The limits of a text; none where other things are possible, too.
pub(super) fn limits_of_text<'a>(inferred: &Type<'_, 'a>) -> Limits<'a> {
    let mut kinds = inferred.known();
    match (kinds.next(), kinds.next()) {
        (Some(Kind::Text(limits)), None) => limits.clone(),
        _ => Limits::default(),
    }
}

fn of_length<'a>(least: u64, most: u64) -> Limits<'a> {
    Limits {
        min_length: Some(least),
        max_length: Some(most),
        ..Limits::default()
    }
}

/// The most characters of a text, also where its format says so.
pub(super) fn longest(limits: &Limits<'_>) -> Option<u64> {
    let of_format = match limits.format {
        Some("date") => Some(10),
        Some("date-time" | "instant" | "time" | "uuid") => Some(36),
        _ => None,
    };
    limits.max_length.or(of_format)
}

/// The texts that one makes with another behind it.
fn joined<'a>(a: &Limits<'a>, b: &Limits<'a>) -> Limits<'a> {
    const MOST: usize = 64;
    let admitted = match (&a.admitted, &b.admitted) {
        (Some(first), Some(second)) if first.len() * second.len() <= MOST => {
            let pairs = first
                .iter()
                .flat_map(|a| second.iter().map(move |b| (a, b)));
            let texts = pairs.filter_map(|(a, b)| Some(format!("{}{}", a.as_str()?, b.as_str()?)));
            Some(
                texts
                    .map(|text| std::borrow::Cow::Owned(text.into()))
                    .collect(),
            )
        }
        _ => None,
    };
    Limits {
        admitted,
        min_length: Some(a.min_length.unwrap_or(0) + b.min_length.unwrap_or(0)),
        max_length: longest(a).zip(longest(b)).map(|(a, b)| a.saturating_add(b)),
        ..Limits::default()
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
