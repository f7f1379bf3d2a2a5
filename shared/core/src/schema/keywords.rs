//! The keywords that compare or divide numbers, exactly.
//!
//! `jsonschema` converts a number with a fraction to a double before it compares it with a large whole number, or divides it
//! by a whole number. So it takes -297215879177781627349816209.9 for no more than -297215879177781627349816210, and
//! 1125899916924484.1 for a multiple of 2.

use std::cmp::Ordering;

use jsonschema::{Keyword, ValidationError, Validator, paths::Location};
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value};

use crate::number;

type Compiled<'s> = Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'s>>;
type Factory = for<'s> fn(&'s Map<String, Value>, &'s Value, Location) -> Compiled<'s>;

/// The keywords, each with its factory for [`jsonschema::ValidationOptions::with_keyword`].
pub(super) const KEYWORDS: [(&str, Factory); 5] = [
    ("minimum", |schema, limit, _| {
        // Draft 4 says with `true` that the limit itself is excluded.
        if schema.get("exclusiveMinimum") == Some(&Value::Bool(true)) {
            return above(limit);
        }
        let message = format!("value is less than the minimum of {limit}");
        compile("minimum", limit, message, |number, limit| {
            Some(number::compare(number, limit)?.is_ge())
        })
    }),
    ("maximum", |schema, limit, _| {
        if schema.get("exclusiveMaximum") == Some(&Value::Bool(true)) {
            return below(limit);
        }
        let message = format!("value is greater than the maximum of {limit}");
        compile("maximum", limit, message, |number, limit| {
            Some(number::compare(number, limit)?.is_le())
        })
    }),
    ("exclusiveMinimum", |_, limit, _| above(limit)),
    ("exclusiveMaximum", |_, limit, _| below(limit)),
    ("multipleOf", |_, divisor, _| {
        let message = format!("value is not a multiple of {divisor}");
        compile("multipleOf", divisor, message, |number, divisor| {
            let remainder = decimal(number)?.checked_rem(decimal(divisor)?)?;
            Some(remainder.is_zero())
        })
    }),
];

fn above(limit: &Value) -> Compiled<'_> {
    let message = format!("value is less than or equal to the minimum of {limit}");
    compile("exclusiveMinimum", limit, message, |number, limit| {
        Some(number::compare(number, limit)? == Ordering::Greater)
    })
}

fn below(limit: &Value) -> Compiled<'_> {
    let message = format!("value is greater than or equal to the maximum of {limit}");
    compile("exclusiveMaximum", limit, message, |number, limit| {
        Some(number::compare(number, limit)? == Ordering::Less)
    })
}

/// Whether the first number is as the second one asks; `None` if that cannot be said exactly.
type Holds = fn(&Number, &Number) -> Option<bool>;

struct Exact {
    limit: Number,
    holds: Holds,
    message: String,
    /// The keyword of `jsonschema`, for numbers beyond the range of a decimal or a double.
    builtin: Validator,
}

/// What an exclusive limit of draft 4 asks by itself: nothing, for it is a truth value.
struct Nothing;

fn compile<'s>(keyword: &str, limit: &'s Value, message: String, holds: Holds) -> Compiled<'s> {
    let Value::Number(number) = limit else {
        return Ok(Box::new(Nothing));
    };
    let own = Map::from_iter([(keyword.to_owned(), limit.clone())]);
    let builtin = jsonschema::validator_for(&Value::Object(own))
        .map_err(|error| ValidationError::schema(error.to_string()))?;
    Ok(Box::new(Exact {
        limit: number.clone(),
        holds,
        message,
        builtin,
    }))
}

impl<'i> Keyword<'i> for Exact {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.message.clone()))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Value::Number(number) = instance else {
            return true;
        };
        (self.holds)(number, &self.limit).unwrap_or_else(|| self.builtin.is_valid(instance))
    }
}

impl<'i> Keyword<'i> for Nothing {
    fn validate(&self, _instance: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _instance: &'i Value) -> bool {
        true
    }
}

fn decimal(number: &Number) -> Option<Decimal> {
    number::decimal(&number::plain(number)?)
}
