//! The keyword `multipleOf`, for .NET decimals.
//!
//! `jsonschema` compares limits exactly, but it divides a number with a fraction by a whole number as doubles, and so takes
//! 1125899916924484.1 for a multiple of 2.

use jsonschema::{Keyword, ValidationError, Validator, paths::Location};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::number;

struct MultipleOf {
    divisor: Option<Decimal>,
    message: String,
    /// The keyword of `jsonschema`, for numbers that are no decimals.
    builtin: Validator,
}

/// Compiles the keyword: a factory for [`jsonschema::ValidationOptions::with_keyword`].
pub(super) fn compile<'s>(
    _schema: &'s Map<String, Value>,
    divisor: &'s Value,
    _location: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'s>> {
    let own = Map::from_iter([("multipleOf".to_owned(), divisor.clone())]);
    let builtin = jsonschema::validator_for(&Value::Object(own))
        .map_err(|error| ValidationError::schema(error.to_string()))?;
    Ok(Box::new(MultipleOf {
        divisor: decimal(divisor),
        message: format!("value is not a multiple of {divisor}"),
        builtin,
    }))
}

impl<'i> Keyword<'i> for MultipleOf {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.message.clone()))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let remainder = decimal(instance)
            .zip(self.divisor)
            .and_then(|(number, divisor)| number.checked_rem(divisor));
        match remainder {
            Some(remainder) => remainder.is_zero(),
            None => self.builtin.is_valid(instance),
        }
    }
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number::decimal(&number::plain(number)?),
        _ => None,
    }
}
