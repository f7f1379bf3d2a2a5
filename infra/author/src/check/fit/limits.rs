//! What a schema says about one value beside its kind.

use serde_json::Value;

/// What a schema says about one value beside its kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Limits<'a> {
    /// The allowed values, where the schema lists them; never `null`.
    pub(super) admitted: Option<Vec<&'a Value>>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    /// Whether the bound itself is excluded.
    pub(super) above: bool,
    pub(super) below: bool,
    pub(super) patterns: Vec<&'a str>,
    pub(super) format: Option<&'a str>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
}

impl<'a> Limits<'a> {
    pub(super) fn of(schema: &'a serde_json::Map<String, Value>) -> Self {
        let number = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        let count = |keyword: &str| {
            let number = number(keyword).filter(|number| *number >= 0.0)?;
            // Above what a form can hold, the exact number does not matter.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(number as u64)
        };
        let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
        let listed = schema.get("enum").and_then(Value::as_array);
        let admitted = match (schema.get("const"), listed) {
            (Some(constant), _) => Some(vec![constant]),
            (None, Some(listed)) => Some(listed.iter().filter(|value| !value.is_null()).collect()),
            (None, None) => None,
        };
        let (minimum, above) = bound(number("minimum"), schema.get("exclusiveMinimum"), f64::max);
        let (maximum, below) = bound(number("maximum"), schema.get("exclusiveMaximum"), f64::min);
        Self {
            admitted,
            min_length: count("minLength"),
            max_length: count("maxLength"),
            minimum,
            maximum,
            above,
            below,
            patterns: text("pattern").into_iter().collect(),
            format: text("format"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
        }
    }

    pub(super) fn and(&mut self, other: Self) {
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
        for pattern in other.patterns {
            if !self.patterns.contains(&pattern) {
                self.patterns.push(pattern);
            }
        }
        self.format = self.format.or(other.format);
    }

    /// Keeps what both limits allow at least: the looser of the two.
    pub(super) fn or(&mut self, mut other: Self) {
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

fn lesser(mine: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (mine, other) {
        (Some(mine), Some(other)) => Some(mine.min(other)),
        (mine, other) => mine.or(other),
    }
}

/// A bound, and whether it is excluded; draft 4 says the latter with `true`.
fn bound(
    inclusive: Option<f64>,
    exclusive: Option<&Value>,
    stricter: fn(f64, f64) -> f64,
) -> (Option<f64>, bool) {
    match (inclusive, exclusive) {
        (Some(bound), Some(Value::Bool(excluded))) => (Some(bound), *excluded),
        (bound, Some(Value::Number(exclusive))) => match (bound, exclusive.as_f64()) {
            (Some(bound), Some(exclusive)) => {
                let strict = stricter(bound, exclusive);
                (Some(strict), (strict - exclusive).abs() < f64::EPSILON)
            }
            (bound, exclusive) => (exclusive.or(bound), exclusive.is_some()),
        },
        (bound, _) => (bound, false),
    }
}
