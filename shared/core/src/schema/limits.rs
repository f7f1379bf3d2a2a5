//! What a schema says about one value beside its kind.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::number;

/// What a schema says about one value beside its kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits<'a> {
    /// The allowed values, where the schema lists them; never `null`.
    pub admitted: Option<Vec<Cow<'a, Value>>>,
    /// The fewest characters of a text.
    pub min_length: Option<u64>,
    /// The most characters of a text.
    pub max_length: Option<u64>,
    /// The smallest number.
    pub minimum: Option<Decimal>,
    /// The largest number.
    pub maximum: Option<Decimal>,
    /// Whether the smallest number itself is excluded.
    pub above: bool,
    /// Whether the largest number itself is excluded.
    pub below: bool,
    /// The most digits behind a number's point.
    pub decimals: Option<u32>,
    /// What a number is a multiple of.
    pub steps: Vec<Decimal>,
    /// `@xsdType`: the type of .NET, where it is another one than the schema's `type` makes it.
    pub class: Option<&'a str>,
    /// Regular expressions that a text matches.
    pub patterns: Vec<&'a str>,
    /// The format of a text: `date`.
    pub format: Option<&'a str>,
    /// The fewest items of a list.
    pub min_items: Option<u64>,
    /// The most items of a list.
    pub max_items: Option<u64>,
}

impl<'a> Limits<'a> {
    /// What one schema says, without those to which it refers.
    #[must_use]
    pub fn of(schema: &'a serde_json::Map<String, Value>) -> Self {
        let number = |keyword: &str| schema.get(keyword).and_then(decimal);
        // What is too large for a count limits nothing.
        let count = |keyword: &str| u64::try_from(number(keyword)?.trunc()).ok();
        let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
        let listed = schema.get("enum").and_then(Value::as_array);
        let admitted = match (schema.get("const"), listed) {
            (Some(constant), _) => Some(vec![Cow::Borrowed(constant)]),
            (None, Some(listed)) => {
                let values = listed.iter().filter(|value| !value.is_null());
                Some(values.map(Cow::Borrowed).collect())
            }
            (None, None) => None,
        };
        let (minimum, above) = bound(
            number("minimum"),
            schema.get("exclusiveMinimum"),
            Decimal::max,
        );
        let (maximum, below) = bound(
            number("maximum"),
            schema.get("exclusiveMaximum"),
            Decimal::min,
        );
        Self {
            admitted,
            min_length: count("minLength"),
            max_length: count("maxLength"),
            minimum,
            maximum,
            above,
            below,
            decimals: number("multipleOf").map(|step| step.normalize().scale()),
            steps: number("multipleOf").into_iter().collect(),
            class: text("@xsdType"),
            patterns: text("pattern").into_iter().collect(),
            format: text("format"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
        }
    }

    /// Keeps what both limits allow.
    pub fn and(&mut self, other: Self) {
        match (&mut self.admitted, other.admitted) {
            (Some(mine), Some(other)) => mine.retain(|value| other.contains(value)),
            (mine @ None, other) => *mine = other,
            _ => {}
        }
        self.min_length = self.min_length.max(other.min_length);
        self.max_length = lesser(self.max_length, other.max_length);
        self.min_items = self.min_items.max(other.min_items);
        self.max_items = lesser(self.max_items, other.max_items);
        if let Some(minimum) = other.minimum
            && self
                .minimum
                .is_none_or(|mine| mine < minimum || mine == minimum && other.above)
        {
            (self.minimum, self.above) = (Some(minimum), other.above);
        }
        if let Some(maximum) = other.maximum
            && self
                .maximum
                .is_none_or(|mine| mine > maximum || mine == maximum && other.below)
        {
            (self.maximum, self.below) = (Some(maximum), other.below);
        }
        self.decimals = match (self.decimals, other.decimals) {
            (Some(mine), Some(other)) => Some(mine.min(other)),
            (mine, other) => mine.or(other),
        };
        for step in other.steps {
            if !self.steps.contains(&step) {
                self.steps.push(step);
            }
        }
        self.class = self.class.or(other.class);
        for pattern in other.patterns {
            if !self.patterns.contains(&pattern) {
                self.patterns.push(pattern);
            }
        }
        self.format = self.format.or(other.format);
    }

    /// Keeps what both limits allow at least: the looser of the two.
    pub fn or(&mut self, mut other: Self) {
        let admitted = match (self.admitted.take(), other.admitted.take()) {
            (Some(mut mine), Some(other)) => {
                mine.extend(other);
                Some(mine)
            }
            _ => None,
        };
        if *self != other {
            *self = Self::default();
        }
        self.admitted = admitted;
    }
}

impl Limits<'_> {
    /// Keeps the whole numbers that their type of .NET holds: an `int`, where `@xsdType` names no other (as
    /// Altinn Studio generates it).
    pub(super) fn hold_whole_number(&mut self) {
        let (least, most) = match self.class {
            Some("long") => (i64::MIN, i64::MAX),
            Some("short") => (i16::MIN.into(), i16::MAX.into()),
            // A `decimal`.
            Some(
                "integer" | "positiveInteger" | "negativeInteger" | "nonNegativeInteger"
                | "nonPositiveInteger",
            ) => return,
            _ => (i32::MIN.into(), i32::MAX.into()),
        };
        self.and(Self {
            minimum: Some(least.into()),
            maximum: Some(most.into()),
            ..Self::default()
        });
    }
}

fn lesser(mine: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (mine, other) {
        (Some(mine), Some(other)) => Some(mine.min(other)),
        (mine, other) => mine.or(other),
    }
}

/// A bound, and whether it is excluded; draft 4 says the latter with `true`.
fn bound(
    inclusive: Option<Decimal>,
    exclusive: Option<&Value>,
    stricter: fn(Decimal, Decimal) -> Decimal,
) -> (Option<Decimal>, bool) {
    match (inclusive, exclusive) {
        (Some(bound), Some(Value::Bool(excluded))) => (Some(bound), *excluded),
        (bound, Some(exclusive @ Value::Number(_))) => match (bound, decimal(exclusive)) {
            (Some(bound), Some(exclusive)) => {
                let strict = stricter(bound, exclusive);
                (Some(strict), strict == exclusive)
            }
            (bound, exclusive) => (exclusive.or(bound), exclusive.is_some()),
        },
        (bound, _) => (bound, false),
    }
}

/// A number of a schema. One that no decimal holds limits no decimal.
fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number::decimal(&number::plain(number)?),
        _ => None,
    }
}
