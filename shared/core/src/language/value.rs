//! The values of expressions.

use std::{borrow::Cow, cmp::Ordering, sync::Arc};

use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use serde_json::{Map, Value as Json};

use super::{
    calendar,
    error::Problem,
    number::{self, Number},
};

/// A value. It borrows from A's data, and so holds personal data: it is never printed.
#[derive(Clone)]
pub(super) enum Value<'a> {
    /// Nothing: absent or `null` in A's data, or `none`.
    Empty,
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(Number),
    /// A number of A's data that no decimal can hold.
    Oversized,
    /// True or false.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// A moment.
    DateTime(Timestamp),
    /// A time of day.
    Time(Time),
    /// A list.
    List(List<'a>),
    /// A group of fields.
    Group(Group<'a>),
}

/// A list of A's data, or one that an expression made.
#[derive(Clone)]
pub(super) enum List<'a> {
    /// Of A's data.
    Given(&'a [Json]),
    /// Made by an expression.
    Made(Arc<[Value<'a>]>),
}

/// A group of A's data, or one that an expression made.
#[derive(Clone)]
pub(super) enum Group<'a> {
    /// Of A's data.
    Given(&'a Map<String, Json>),
    /// Made by an expression.
    Made(Arc<[(&'a str, Value<'a>)]>),
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Given(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Given(items) => items.get(index).map(Value::from),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Group<'a> {
    pub(super) fn get(&self, name: &str) -> Value<'a> {
        let found = match self {
            Self::Given(fields) => fields.get(name).map(Value::from),
            Self::Made(fields) => fields
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.clone()),
        };
        found.unwrap_or(Value::Empty)
    }

    /// Whether the group names a field, which may be empty.
    pub(super) fn names(&self, name: &str) -> bool {
        match self {
            Self::Given(fields) => fields.contains_key(name),
            Self::Made(fields) => fields.iter().any(|(known, _)| *known == name),
        }
    }

    /// How many fields have a value.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Given(fields) => fields.values().filter(|value| !value.is_null()).count(),
            Self::Made(fields) => fields.iter().filter(|(_, value)| !value.is_empty()).count(),
        }
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::Empty,
            Json::Bool(value) => Self::Boolean(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) if number.is_i64() => Self::number(whole),
                _ => number::read(&number.to_string())
                    .map_or(Self::Oversized, |number| Self::Number(number.into())),
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(items) => Self::List(List::Given(items)),
            Json::Object(fields) => Self::Group(Group::Given(fields)),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn number(value: impl Into<rust_decimal::Decimal>) -> Self {
        Self::Number(value.into().into())
    }

    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(List::Made(items.into()))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The type, in words.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Text(_) => "a text",
            Self::Number(_) | Self::Oversized => "a number",
            Self::Boolean(_) => "true or false",
            Self::Date(_) => "a date",
            Self::DateTime(_) => "a date with a time",
            Self::Time(_) => "a time of day",
            Self::List(_) => "a list",
            Self::Group(_) => "a group of fields",
        }
    }

    pub(super) fn not(&self, wanted: &'static str) -> Problem {
        match self {
            Self::Oversized => Problem::DoesNotFit,
            _ => Problem::Type {
                is: self.words(),
                wanted,
            },
        }
    }

    /// Whether the value counts as true: all but nothing, `false`, 0, `''`, and a list or group without anything in it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Boolean(value) => *value,
            Self::Number(number) => !number.value.is_zero(),
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => list.len() > 0,
            Self::Group(group) => group.len() > 0,
            Self::Oversized | Self::Date(_) | Self::DateTime(_) | Self::Time(_) => true,
        }
    }

    /// The exact number.
    pub(super) fn exact(&self) -> Result<rust_decimal::Decimal, Problem> {
        match self {
            Self::Number(number) if number.is_exact => Ok(number.value),
            Self::Number(_) => Err(Problem::NotRounded),
            other => Err(other.not("a number")),
        }
    }

    /// The value as a text. A list, a group, and true and false never become a text by themselves.
    pub(super) fn as_text(&self) -> Result<Cow<'a, str>, Problem> {
        Ok(match self {
            Self::Text(text) => text.clone(),
            // Without zeros at the end of its decimals, however A's app writes it: `| fixed(2)` says how many there are.
            Self::Number(_) => number::text(self.exact()?.normalize()).into(),
            Self::Date(date) => date.to_string().into(),
            Self::DateTime(moment) => moment.to_string().into(),
            Self::Time(time) => time.to_string().into(),
            other => return Err(other.not("a text")),
        })
    }

    /// Whether two values are the same: numbers by their value, dates and times also beside a text that is one.
    pub(super) fn equals(&self, other: &Self) -> Result<bool, Problem> {
        Ok(match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Number(_), Self::Number(_)) => self.exact()? == other.exact()?,
            (Self::Oversized, Self::Number(_) | Self::Oversized)
            | (Self::Number(_), Self::Oversized) => return Err(Problem::DoesNotFit),
            (Self::List(a), Self::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    if !a.equals(&b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Group(a), Self::Group(b)) => {
                let (a, b) = (a.fields(), b.fields());
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((name, a), (other, b)) in a.iter().zip(&b) {
                    if name != other || !a.equals(b)? {
                        return Ok(false);
                    }
                }
                true
            }
            _ => self.moments(other) == Some(Ordering::Equal),
        })
    }

    /// The order of two numbers, texts, dates, moments or times; `None` where there is none.
    pub(super) fn order(&self, other: &Self) -> Result<Option<Ordering>, Problem> {
        Ok(match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(_), Self::Number(_)) => Some(self.exact()?.cmp(&other.exact()?)),
            (Self::Boolean(a), Self::Boolean(b)) => Some(a.cmp(b)),
            _ => self.moments(other),
        })
    }

    /// The order of two dates, moments or times, of which one may be a text in ISO form.
    fn moments(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::DateTime(a), Self::DateTime(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Text(b)) => Some(a.cmp(&calendar::parse_date(b).ok()?)),
            (Self::DateTime(a), Self::Text(b)) => match calendar::parse_date_time(b).ok()? {
                calendar::Moment::Instant(b) => Some(a.cmp(&b)),
                calendar::Moment::Civil(_) => None,
            },
            (Self::Time(a), Self::Text(b)) => Some(a.cmp(&calendar::parse_time(b).ok()?)),
            (Self::Text(_), Self::Date(_) | Self::DateTime(_) | Self::Time(_)) => {
                other.moments(self).map(Ordering::reverse)
            }
            _ => None,
        }
    }

    /// The value as JSON.
    pub(super) fn into_json(self) -> Result<Json, Problem> {
        Ok(match self {
            Self::Empty => Json::Null,
            Self::Boolean(value) => value.into(),
            Self::Text(text) => text.into_owned().into(),
            Self::Number(_) => {
                let text = number::text(self.exact()?);
                let number: Result<serde_json::Number, _> = text.parse();
                number.map_err(|_| Problem::DoesNotFit)?.into()
            }
            Self::Oversized => return Err(Problem::DoesNotFit),
            Self::Date(_) | Self::DateTime(_) | Self::Time(_) => {
                self.as_text()?.into_owned().into()
            }
            Self::List(list) => {
                let items = list.iter().map(Self::into_json);
                items.collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Group(Group::Given(fields)) => {
                let mut map = Map::new();
                // An empty field is left out, as at any other place of the form.
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    map.insert(name.clone(), Self::from(value).into_json()?);
                }
                map.into()
            }
            Self::Group(Group::Made(fields)) => {
                let mut map = Map::new();
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
                    map.insert((*name).to_owned(), value.clone().into_json()?);
                }
                map.into()
            }
        })
    }
}

impl<'a> Group<'a> {
    /// The fields in the order of their names, without those that are empty.
    fn fields(&self) -> Vec<(&str, Value<'a>)> {
        let mut fields: Vec<(&str, Value<'a>)> = match self {
            Self::Given(fields) => {
                let fields = fields.iter();
                fields
                    .map(|(name, value)| (name.as_str(), value.into()))
                    .collect()
            }
            Self::Made(fields) => fields.iter().cloned().collect(),
        };
        fields.retain(|(_, value)| !value.is_empty());
        fields.sort_by_key(|(name, _)| *name);
        fields
    }
}
