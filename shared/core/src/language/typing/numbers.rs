//! The types of the filters of numbers.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::{
    language::{
        error::Problem,
        filters,
        infer::{Applied, limits_of_text, longest},
        number,
        reading::{self, Decimals},
        syntax::Expr,
        types::{self, Kind, Type},
        typing::Inferred,
    },
    schema::limits::Limits,
};

pub(in crate::language) fn abs<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let number = applied.inference.number(applied.of);
    let (least, most, decimals) = types::bounds(&number.limits);
    number.like(Decimal::ZERO, least.abs().max(most.abs()), decimals)
}

pub(in crate::language) fn round<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let number = applied.inference.number(applied.of);
    let (least, most, decimals) = types::bounds(&number.limits);
    let method = applied.argument(1);
    if let Some(method) = method {
        let limits = applied.inference.as_text(method);
        rounding_method(applied, method, &limits);
    }
    let (fewest, greatest) = match applied.argument(0) {
        None => (0, 0),
        Some(argument) => {
            let inferred = applied.inference.needed(argument);
            let is_text = |kind: &Kind<'s, 'a>| matches!(kind, Kind::Text(_));
            let is_method = inferred.known().next().is_some() && inferred.known().all(is_text);
            if is_method && method.is_none() {
                rounding_method(applied, argument, &limits_of_text(&inferred));
                (0, 0)
            } else {
                let places = applied.inference.whole(argument);
                let (fewest, greatest, _) = types::bounds(&places.limits);
                let places = |places: Decimal| {
                    let places = places.clamp(-Decimal::from(30), Decimal::from(30));
                    i32::try_from(places.trunc()).unwrap_or_default()
                };
                (places(fewest), places(greatest))
            }
        }
    };
    // Whole numbers stay what they are, unless tens or hundreds are rounded to.
    let unit = match u32::try_from(-fewest) {
        Ok(exponent @ 1..) => number::power_of_ten(exponent),
        _ => Some(Decimal::ZERO),
    };
    let bounds = unit.and_then(|unit| {
        let least = least.floor().checked_sub(unit)?;
        Some((least, most.ceil().checked_add(unit)?))
    });
    let decimals = decimals.min(u32::try_from(greatest).unwrap_or(0));
    match bounds {
        Some((least, most)) => Type::number(least, most, decimals),
        None => {
            applied
                .inference
                .problem(applied.of, false, Problem::DoesNotFit);
            Type::number(least, most, decimals)
        }
    }
}

/// Tells a text that is no way to round, or may be none.
fn rounding_method<'a>(
    applied: &mut Applied<'_, '_, '_, 'a>,
    argument: &Expr,
    limits: &Limits<'a>,
) {
    let is_method = |value: &Json| {
        value
            .as_str()
            .is_some_and(filters::numbers::is_rounding_method)
    };
    let known = limits.admitted.as_ref();
    let unknown = known.map(|texts| texts.iter().filter(|text| !is_method(text)).count());
    if unknown != Some(0) {
        let is_certain = known.is_some_and(|texts| unknown == Some(texts.len()));
        applied
            .inference
            .problem(argument, is_certain, Problem::RoundingMethod);
    }
}

/// A text that is read as a number, or a number.
fn read_number<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    applied
        .inference
        .expect(of, &inferred, &["a number", "a text"], "a number");
    applied
        .inference
        .reads(of, &inferred, "number", "numeric", Problem::NoNumber);
    inferred
}

/// The bounds of a number that a text may be.
fn in_text() -> (Decimal, Decimal, u32) {
    types::bounds(&Limits::default())
}

pub(in crate::language) fn as_number<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let inferred = read_number(applied);
    let numbers = inferred.known().filter_map(|kind| match kind {
        Kind::Number { .. } => Some(Type::of(kind.clone())),
        Kind::Text(limits) => Some(number_in(limits)),
        _ => None,
    });
    let numbers: Vec<_> = numbers.collect();
    let unknown = || {
        let (least, most, decimals) = in_text();
        Type::number(least, most, decimals)
    };
    numbers.into_iter().reduce(Type::or).unwrap_or_else(unknown)
}

/// The number that a text is.
fn number_in<'s, 'a>(limits: &Limits<'a>) -> Type<'s, 'a> {
    let listed = limits.admitted.as_ref().map(|values| {
        let read =
            |value: &std::borrow::Cow<'_, Json>| reading::plain_number(value.as_str()?.trim()).ok();
        values.iter().filter_map(read).collect::<Vec<_>>()
    });
    if let Some(listed) = listed
        && let (Some(least), Some(most)) = (listed.iter().min(), listed.iter().max())
    {
        let decimals = listed.iter().map(Decimal::scale).max().unwrap_or_default();
        return Type::number(*least, *most, decimals);
    }
    let (least, most, decimals) = in_text();
    // Each digit takes a character.
    let length = longest(limits).and_then(|length| u32::try_from(length).ok());
    let digits = length.and_then(|length| Some((length, 10_i64.checked_pow(length)?)));
    match digits {
        Some((length, beyond)) => {
            let beyond = Decimal::from(beyond);
            Type::number(least.max(-beyond), most.min(beyond), decimals.min(length))
        }
        None => Type::number(least, most, decimals),
    }
}

pub(in crate::language) fn int<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let number = as_number(applied);
    let limits = number.known().find_map(|kind| match kind {
        Kind::Number { limits, .. } => Some(types::bounds(limits)),
        _ => None,
    });
    let (least, most, _) = limits.unwrap_or_else(in_text);
    Type::number(least.trunc(), most.trunc(), 0)
}

pub(in crate::language) fn norwegian_number<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    applied
        .inference
        .expect(of, &inferred, &["a text"], "a text");
    applied.inference.reads(
        of,
        &inferred,
        "norwegian",
        "norwegian_number",
        Problem::NoNorwegianNumber,
    );
    let (least, most, decimals) = in_text();
    Type::number(least, most, decimals)
}

/// A number as a text with a number of decimals.
pub(in crate::language) fn written<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let number = applied.inference.number(applied.of);
    let mut places = 2;
    if let Some(argument) = applied.argument(0) {
        applied.inference.whole(argument);
        let constant = applied.constant_number(0);
        match constant
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| Decimals::new(*count).is_some())
        {
            Some(count) => places = count,
            None => {
                applied
                    .inference
                    .problem(argument, constant.is_some(), Problem::TooLarge);
                places = 28;
            }
        }
    }
    let (least, most, _) = types::bounds(&number.limits);
    let digits = |number: Decimal| number.trunc().abs().to_string().len() as u64;
    // A carry may add a digit, and each three digits take a separator.
    let whole = digits(least).max(digits(most)) + 1;
    Type::text(Some(1 + whole + whole / 3 + 1 + u64::from(places)))
}
