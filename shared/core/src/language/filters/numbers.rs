//! The filters of numbers.

use crate::language::{
    error::{EvaluationError, Problem},
    evaluate::{Call, Evaluated},
    number::{self, Rounding},
    reading::{self, Decimals},
    value::Value,
};

pub(super) fn abs<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = call.evaluation.number(call.of)?;
    Ok(Value::Number(number::Number {
        value: number.value.abs(),
        ..number
    }))
}

/// The way to round that has this name.
fn rounding(method: &str) -> Option<Rounding> {
    Some(match method {
        "common" => Rounding::HalfAwayFromZero,
        "even" => Rounding::HalfEven,
        "ceil" => Rounding::Up,
        "floor" => Rounding::Down,
        _ => return None,
    })
}

/// Whether a text is the name of a way to round.
pub(in crate::language) fn is_rounding_method(text: &str) -> bool {
    rounding(text).is_some()
}

pub(super) fn round<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = call.evaluation.number(call.of)?;
    // `round('even')` is as good as `round(0, 'even')`.
    let mut method = call.text_argument(1)?;
    let mut places = 0;
    if let Some(argument) = call.argument(0) {
        match call.evaluation.needed(argument)? {
            Value::Text(text) if method.is_none() => method = Some(text),
            _ => places = call.evaluation.whole(argument)?,
        }
    }
    let Some(how) = rounding(method.as_deref().unwrap_or("common")) else {
        let index = usize::from(call.argument(1).is_some());
        return Err(call.wrong_argument(index, Problem::RoundingMethod));
    };
    let places = i32::try_from(places.clamp(-30, 30)).unwrap_or_default();
    match number.rounded(places, how) {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err(call.wrong(Problem::DoesNotFit)),
    }
}

/// A number, or a text that is one.
fn read_number<'a>(call: &mut Call<'_, 'a>) -> Result<number::Number, EvaluationError> {
    match call.evaluation.needed(call.of)? {
        Value::Number(number) => Ok(number),
        Value::Text(text) => match reading::plain_number(text.trim()) {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(call.wrong(Problem::NoNumber)),
        },
        other => Err(call.wrong(other.not("a number"))),
    }
}

pub(super) fn as_number<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::Number(read_number(call)?))
}

pub(super) fn int<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = read_number(call)?;
    match number.rounded(0, Rounding::TowardsZero) {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err(call.wrong(Problem::DoesNotFit)),
    }
}

pub(super) fn norwegian_number<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    match reading::norwegian_number(&text) {
        Ok(number) => Ok(Value::number(number)),
        Err(_) => Err(call.wrong(Problem::NoNorwegianNumber)),
    }
}

/// How many decimals a number is written with.
fn decimals(call: &mut Call<'_, '_>) -> Result<Decimals, EvaluationError> {
    let count = call.whole_argument(0)?.unwrap_or(2);
    let decimals = u32::try_from(count).ok().and_then(Decimals::new);
    decimals.ok_or_else(|| call.wrong_argument(0, Problem::TooLarge))
}

fn to_write(call: &mut Call<'_, '_>) -> Result<rust_decimal::Decimal, EvaluationError> {
    // What is rounded anyway need not be exact.
    Ok(call.evaluation.number(call.of)?.value)
}

pub(super) fn fixed<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = to_write(call)?;
    let decimals = decimals(call)?;
    call.evaluation
        .made(reading::format_plain(number, decimals))
}

pub(super) fn norwegian<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = to_write(call)?;
    let decimals = decimals(call)?;
    call.evaluation
        .made(reading::format_norwegian(number, decimals))
}
