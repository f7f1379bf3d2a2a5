//! The types of expressions, as far as the schemas of A tell them.

use std::{borrow::Cow, collections::BTreeSet, rc::Rc};

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::number;
use crate::schema::{
    limits::Limits,
    shape::{self, FormSchema, Node, Shape},
};

/// The magnitude of a number of A for which its schema names no bound: fifteen digits before the point.
pub const MOST_ASSUMED: i64 = 1_000_000_000_000_000;

/// The decimals of a number of A for which its schema names no step.
pub const DECIMALS_ASSUMED: u32 = 6;

/// At most so many values of one expression are told apart.
const MAX_ADMITTED: usize = 64;

/// What the value of an expression can be.
#[derive(Clone)]
pub struct Type<'s, 'a> {
    /// What it can be where it is not empty; `None` where nothing is known of it.
    pub kinds: Option<Vec<Kind<'s, 'a>>>,
    /// Whether it can be empty.
    pub may_be_empty: bool,
}

/// One of the things that a value can be.
#[derive(Clone)]
pub enum Kind<'s, 'a> {
    /// A text.
    Text(Limits<'a>),
    /// A number.
    Number {
        /// What else is known of it.
        limits: Limits<'a>,
        /// Whether it is the number itself; a quotient that may never end must be rounded.
        is_exact: bool,
    },
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    DateTime,
    /// A time of day.
    Time,
    /// A list.
    List {
        /// Its items.
        items: Items<'s, 'a>,
        /// The fewest items.
        least: u64,
        /// The most items, where there is a limit.
        most: Option<u64>,
    },
    /// A group of fields.
    Group(Fields<'s, 'a>),
}

/// The items of a list.
#[derive(Clone)]
pub enum Items<'s, 'a> {
    /// Of a list in A's data.
    Given(&'s FormSchema<'a>, Node<'a>),
    /// Of a list that an expression makes.
    Made(Rc<Type<'s, 'a>>),
    /// Nothing is known of them.
    Unknown,
}

/// The fields of a group.
#[derive(Clone)]
pub enum Fields<'s, 'a> {
    /// Of a group in A's data.
    Given(&'s FormSchema<'a>, Node<'a>),
    /// Of a group that an expression makes, or of `data` with A's data types.
    Made(Rc<Vec<(String, Type<'s, 'a>)>>),
}

/// What is known of a field of a group.
pub enum Field<'s, 'a> {
    /// Its type.
    Known(Type<'s, 'a>),
    /// Nothing: the schema does not say.
    Unknown,
    /// The group has no such field.
    None {
        /// Those that it has.
        known: Vec<String>,
    },
}

impl<'s, 'a> Type<'s, 'a> {
    /// Nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            kinds: None,
            may_be_empty: false,
        }
    }

    /// Always empty.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            kinds: Some(Vec::new()),
            may_be_empty: true,
        }
    }

    /// No value at all: the item of a list that has none.
    pub(super) fn never() -> Self {
        Self::empty().filled()
    }

    /// Of one kind, and never empty.
    #[must_use]
    pub fn of(kind: Kind<'s, 'a>) -> Self {
        Self {
            kinds: Some(vec![kind]),
            may_be_empty: false,
        }
    }

    /// Of a text with at most so many characters.
    #[must_use]
    pub fn text(most: Option<u64>) -> Self {
        Self::of(Kind::Text(Limits {
            max_length: most,
            ..Limits::default()
        }))
    }

    /// Of one of these texts.
    pub(super) fn one_of(texts: impl IntoIterator<Item = String>) -> Self {
        let texts: BTreeSet<String> = texts.into_iter().collect();
        let lengths = || texts.iter().map(|text| text.chars().count() as u64);
        let limits = Limits {
            min_length: lengths().min(),
            max_length: lengths().max(),
            admitted: (texts.len() <= MAX_ADMITTED).then(|| {
                let values = texts
                    .iter()
                    .map(|text| Cow::Owned(Json::String(text.clone())));
                values.collect()
            }),
            ..Limits::default()
        };
        Self::of(Kind::Text(limits))
    }

    /// Of an exact number within these bounds.
    #[must_use]
    pub fn number(minimum: Decimal, maximum: Decimal, decimals: u32) -> Self {
        Self::of(Kind::Number {
            limits: Limits {
                minimum: Some(minimum),
                maximum: Some(maximum),
                decimals: Some(decimals),
                ..Limits::default()
            },
            is_exact: true,
        })
    }

    /// Of a list with items of this type.
    #[must_use]
    pub fn list(item: Self, least: u64, most: Option<u64>) -> Self {
        Self::of(Kind::List {
            items: Items::Made(Rc::new(item)),
            least,
            most,
        })
    }

    /// Of a group with these fields and no others.
    #[must_use]
    pub fn group(fields: Vec<(String, Self)>) -> Self {
        Self::of(Kind::Group(Fields::Made(Rc::new(fields))))
    }

    /// Of what A's schema allows at a place.
    #[must_use]
    pub fn given(form: &'s FormSchema<'a>, node: &Node<'a>, may_be_empty: bool) -> Self {
        let shape = form.shape(node);
        let kinds = shape.kinds.iter().map(|kind| match kind {
            shape::Kind::Text => Kind::Text(shape.limits.clone()),
            shape::Kind::Number => Kind::Number {
                limits: shape.limits.clone(),
                is_exact: true,
            },
            shape::Kind::Integer => Kind::Number {
                limits: Limits {
                    decimals: Some(0),
                    ..shape.limits.clone()
                },
                is_exact: true,
            },
            shape::Kind::Boolean => Kind::Boolean,
            shape::Kind::List => Kind::List {
                items: shape
                    .items
                    .clone()
                    .map_or(Items::Unknown, |items| Items::Given(form, items)),
                least: shape.limits.min_items.unwrap_or(0),
                most: shape.limits.max_items,
            },
            shape::Kind::Group => Kind::Group(Fields::Given(form, node.clone())),
        });
        let kinds: Vec<_> = kinds.collect();
        Self {
            kinds: (!kinds.is_empty()).then_some(kinds),
            may_be_empty,
        }
    }

    /// The same, and possibly empty.
    #[must_use]
    pub fn or_empty(mut self) -> Self {
        self.may_be_empty = true;
        self
    }

    /// The same, and never empty.
    pub(super) fn filled(mut self) -> Self {
        self.may_be_empty = false;
        self
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.kinds.is_none()
    }

    /// Whether every number in it is exact, as all numbers of A are.
    pub(super) fn is_exact(&self) -> bool {
        self.known().all(|kind| match kind {
            Kind::Number { is_exact, .. } => *is_exact,
            Kind::List {
                items: Items::Made(item),
                ..
            } => item.is_exact(),
            Kind::Group(Fields::Made(fields)) => fields.iter().all(|(_, field)| field.is_exact()),
            _ => true,
        })
    }

    /// What it can be; nothing where nothing is known.
    pub fn known(&self) -> impl Iterator<Item = &Kind<'s, 'a>> {
        self.kinds.iter().flatten()
    }

    /// This or the other.
    pub(super) fn or(self, other: Self) -> Self {
        let may_be_empty = self.may_be_empty || other.may_be_empty;
        let (Some(mut kinds), Some(others)) = (self.kinds, other.kinds) else {
            return Self {
                kinds: None,
                may_be_empty,
            };
        };
        for other in others {
            let same = kinds
                .iter_mut()
                .find(|kind| std::mem::discriminant(*kind) == std::mem::discriminant(&other));
            match same {
                Some(kind) => kind.widen(other),
                None => kinds.push(other),
            }
        }
        Self {
            kinds: Some(kinds),
            may_be_empty,
        }
    }

    /// The type in words: `a text or a number`.
    #[must_use]
    pub fn words(&self) -> String {
        let Some(kinds) = &self.kinds else {
            return "anything".into();
        };
        let words: BTreeSet<&str> = kinds.iter().map(Kind::words).collect();
        if words.is_empty() {
            return "empty".into();
        }
        words.into_iter().collect::<Vec<_>>().join(" or ")
    }

    /// What is known of a field, where this is a group.
    pub fn field(&self, name: &str) -> Option<Field<'s, 'a>> {
        let mut fields = self.known().filter_map(|kind| match kind {
            Kind::Group(fields) => Some(fields.get(name)),
            _ => None,
        });
        fields.next()
    }

    /// The items, where this is a list.
    #[must_use]
    pub fn item(&self) -> Option<Self> {
        self.known().find_map(|kind| match kind {
            Kind::List { items, .. } => Some(items.get()),
            _ => None,
        })
    }
}

impl<'s, 'a> Kind<'s, 'a> {
    /// The kind in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number { .. } => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::DateTime => "a date with a time",
            Self::Time => "a time of day",
            Self::List { .. } => "a list",
            Self::Group(_) => "a group of fields",
        }
    }

    /// Also what the other can be, which is of the same kind.
    fn widen(&mut self, other: Self) {
        match (self, other) {
            (Self::Text(mine), Self::Text(other)) => widen(mine, other),
            (
                Self::Number { limits, is_exact },
                Self::Number {
                    limits: other,
                    is_exact: exact,
                },
            ) => {
                *is_exact &= exact;
                widen_number(limits, other);
            }
            (
                Self::List { items, least, most },
                Self::List {
                    items: other,
                    least: fewest,
                    most: greatest,
                },
            ) => {
                *least = (*least).min(fewest);
                *most = (*most).zip(greatest).map(|(a, b)| a.max(b));
                if !items.is(&other) {
                    *items = Items::Made(Rc::new(items.get().or(other.get())));
                }
            }
            (Self::Group(mine), Self::Group(other)) if !mine.is(&other) => {
                // A field that only one of them has may be empty.
                let mut fields = mine.all();
                for (name, theirs) in other.all() {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, field)) => *field = field.clone().or(theirs),
                        None => fields.push((name, theirs.or_empty())),
                    }
                }
                for (name, field) in &mut fields {
                    if matches!(other.get(name), Field::None { .. }) {
                        field.may_be_empty = true;
                    }
                }
                *mine = Fields::Made(Rc::new(fields));
            }
            _ => {}
        }
    }
}

/// What both limits of numbers allow; where one names no bound, what is assumed of it counts.
fn widen_number<'a>(mine: &mut Limits<'a>, other: Limits<'a>) {
    let (least, most, decimals) = bounds(mine);
    let (fewest, greatest, places) = bounds(&other);
    // The bound of the looser of the two, or of both.
    let above = (least > fewest || mine.above) && (fewest > least || other.above);
    let below = (most < greatest || mine.below) && (greatest < most || other.below);
    widen(mine, other);
    mine.minimum = Some(least.min(fewest));
    mine.maximum = Some(most.max(greatest));
    mine.decimals = Some(decimals.max(places));
    (mine.above, mine.below) = (above, below);
}

/// What both limits allow.
fn widen<'a>(mine: &mut Limits<'a>, other: Limits<'a>) {
    let admitted = match (mine.admitted.take(), other.admitted) {
        (Some(mut mine), Some(other)) => {
            let new: Vec<_> = other
                .into_iter()
                .filter(|value| !mine.contains(value))
                .collect();
            mine.extend(new);
            (mine.len() <= MAX_ADMITTED).then_some(mine)
        }
        _ => None,
    };
    mine.admitted = admitted;
    mine.min_length = mine.min_length.zip(other.min_length).map(|(a, b)| a.min(b));
    mine.max_length = mine.max_length.zip(other.max_length).map(|(a, b)| a.max(b));
    mine.minimum = mine.minimum.zip(other.minimum).map(|(a, b)| a.min(b));
    mine.maximum = mine.maximum.zip(other.maximum).map(|(a, b)| a.max(b));
    mine.above &= other.above;
    mine.below &= other.below;
    mine.decimals = mine.decimals.zip(other.decimals).map(|(a, b)| a.max(b));
    mine.steps.retain(|step| other.steps.contains(step));
    if mine.class != other.class {
        mine.class = None;
    }
    if mine.patterns != other.patterns {
        mine.patterns.clear();
    }
    if mine.format != other.format {
        mine.format = None;
    }
}

impl<'s, 'a> Items<'s, 'a> {
    fn get(&self) -> Type<'s, 'a> {
        match self {
            Self::Given(form, node) => {
                let shape = form.shape(node);
                let may_be_empty = !shape.refuses_null && !shape.kinds.is_empty();
                Type::given(form, node, may_be_empty)
            }
            Self::Made(item) => (**item).clone(),
            Self::Unknown => Type::unknown(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(_, a), Self::Given(_, b)) => a == b,
            (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }
}

impl<'s, 'a> Fields<'s, 'a> {
    /// What is known of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Field<'s, 'a> {
        match self {
            Self::Given(form, node) => {
                let shape = form.shape(node);
                match shape.field(name) {
                    Some(field) => {
                        let may_be_empty = may_be_empty(form, &shape, name, field);
                        Field::Known(Type::given(form, field, may_be_empty))
                    }
                    // Another document or a missing definition may say anything.
                    None if !shape.is_closed()
                        || !shape.remote.is_empty()
                        || !shape.broken.is_empty() =>
                    {
                        Field::Unknown
                    }
                    None => Field::None {
                        known: shape.names().map(str::to_owned).collect(),
                    },
                }
            }
            Self::Made(fields) => match fields.iter().find(|(known, _)| known == name) {
                Some((_, field)) => Field::Known(field.clone()),
                None => Field::None {
                    known: fields.iter().map(|(name, _)| name.clone()).collect(),
                },
            },
        }
    }

    /// All fields, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Type<'s, 'a>)> {
        match self {
            Self::Given(form, node) => {
                let shape = form.shape(node);
                let field = |(name, field): &(&'a str, Node<'a>)| {
                    let may_be_empty = may_be_empty(form, &shape, name, field);
                    ((*name).to_owned(), Type::given(form, field, may_be_empty))
                };
                shape.fields.iter().map(field).collect()
            }
            Self::Made(fields) => fields.to_vec(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(_, a), Self::Given(_, b)) => a == b,
            (Self::Made(a), Self::Made(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Whether A may leave a field of a group empty.
fn may_be_empty<'a>(
    form: &FormSchema<'a>,
    shape: &Shape<'a>,
    name: &str,
    field: &Node<'a>,
) -> bool {
    !shape.required.contains(name) || !form.shape(field).refuses_null
}

/// The bounds of a number, as its schema names them or as they are assumed, and its decimals.
#[must_use]
pub fn bounds(limits: &Limits<'_>) -> (Decimal, Decimal, u32) {
    let listed = limits.admitted.as_ref().map(|values| {
        let number = |value: &Cow<'_, Json>| number::read(&value.to_string());
        values.iter().filter_map(number).collect::<Vec<_>>()
    });
    if let Some(listed) = listed
        && let (Some(least), Some(most)) = (listed.iter().min(), listed.iter().max())
    {
        let decimals = listed.iter().map(Decimal::scale).max().unwrap_or_default();
        return (*least, *most, decimals);
    }
    let assumed = Decimal::from(MOST_ASSUMED);
    let least = limits
        .minimum
        .unwrap_or_else(|| limits.maximum.map_or(-assumed, |most| (-assumed).min(most)));
    let most = limits.maximum.unwrap_or_else(|| assumed.max(least));
    (least, most, limits.decimals.unwrap_or(DECIMALS_ASSUMED))
}

/// The most characters of a number as a text.
pub(super) fn length_of_number(limits: &Limits<'_>) -> u64 {
    let (least, most, decimals) = bounds(limits);
    let whole = |number: Decimal| number.trunc().to_string().len() as u64;
    let point = if decimals > 0 {
        1 + u64::from(decimals)
    } else {
        0
    };
    // A number between -1 and 0 has a sign that its whole part does not show.
    let sign = u64::from(least.is_sign_negative() && least.trunc().is_zero());
    whole(least).max(whole(most)) + sign + point
}
