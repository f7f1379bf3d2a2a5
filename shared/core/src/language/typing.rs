//! The types of the filters: what each needs, and what it gives.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::{
    calendar::{Kind as PatternKind, Pattern},
    error::Problem,
    filters,
    infer::{Applied, limits_of_text, longest},
    number, printf,
    reading::Decimals,
    syntax::Kind as Node,
    types::{self, Kind, Type},
};
use crate::schema::limits::Limits;

type Inferred<'s, 'a> = Type<'s, 'a>;

// Any value.

pub(super) fn default<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let value = applied.inference.of(applied.of);
    let other = match applied.argument(0) {
        Some(argument) => applied.inference.of(argument),
        None => Type::one_of([String::new()]),
    };
    if let Some(argument) = applied.argument(1) {
        applied.inference.of(argument);
    } else if !value.may_be_empty && !value.is_unknown() {
        return value;
    }
    value.filled().or(other)
}

pub(super) fn translate<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let code = applied.inference.as_text(applied.of);
    let table = match applied.argument(0) {
        Some(table) => {
            let inferred = applied.inference.needed(table);
            applied.inference.expect(
                table,
                &inferred,
                &["a group of fields"],
                "a group of fields",
            );
            inferred
        }
        None => Type::unknown(),
    };
    let otherwise = applied
        .argument(1)
        .map(|argument| applied.inference.of(argument));
    let fields = table.known().find_map(|kind| match kind {
        Kind::Group(fields) => Some(fields.all()),
        _ => None,
    });
    let Some(fields) = fields else {
        return Type::unknown();
    };
    let is_written = applied
        .argument(0)
        .is_some_and(|table| matches!(table.kind, Node::Group(_)));
    // A field that A may leave out is in no table then; one that is written there always is, even if it is empty.
    let is_sure = |field: &Inferred<'s, 'a>| is_written || !field.may_be_empty;
    let codes: Option<Vec<&str>> = code
        .admitted
        .as_ref()
        .map(|codes| codes.iter().filter_map(|code| code.as_str()).collect());
    let is_code = |name: &str| codes.as_ref().is_none_or(|codes| codes.contains(&name));
    let all_are_sure = codes.as_ref().is_some_and(|codes| {
        codes.iter().all(|code| {
            let mut fields = fields.iter();
            fields.any(|(name, field)| name == code && is_sure(field))
        })
    });
    let none_is_there = !fields.iter().any(|(name, _)| is_code(name));
    if otherwise.is_none() && !all_are_sure {
        let is_certain = codes.is_some() && none_is_there;
        applied
            .inference
            .problem(applied.of, is_certain, Problem::UnknownCode);
    }
    let otherwise = otherwise.filter(|_| !all_are_sure);
    let values = fields.iter().filter(|(name, _)| is_code(name));
    let values = values.map(|(_, field)| field.clone()).chain(otherwise);
    values.reduce(Type::or).unwrap_or_else(Type::unknown)
}

pub(super) fn string<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    Type::of(Kind::Text(applied.inference.as_text(applied.of)))
}

// Texts.

/// A text in which each letter becomes another one.
fn letters<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
    change: fn(&str) -> String,
) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    match &limits.admitted {
        Some(values) => Type::one_of(values.iter().filter_map(|value| value.as_str()).map(change)),
        None => Type::of(Kind::Text(Limits {
            min_length: limits.min_length,
            max_length: longest(&limits),
            ..Limits::default()
        })),
    }
}

pub(super) fn upper<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    letters(applied, filters::to_upper)
}

pub(super) fn lower<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    letters(applied, filters::to_lower)
}

pub(super) fn capitalize<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    letters(applied, filters::to_capitalized)
}

pub(super) fn title<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    letters(applied, filters::to_title)
}

pub(super) fn trim<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    match &limits.admitted {
        Some(values) => {
            let texts = values.iter().filter_map(|value| value.as_str());
            Type::one_of(texts.map(|text| text.trim().to_owned()))
        }
        None => Type::text(longest(&limits)),
    }
}

pub(super) fn replace<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    for index in [0, 1] {
        if let Some(argument) = applied.argument(index) {
            applied.inference.as_text(argument);
        }
    }
    let (old, new) = (applied.constant(0), applied.constant(1));
    let count = |text: &str| text.chars().count() as u64;
    let most = match (longest(&limits), old.map(count), new.map(count)) {
        (Some(most), Some(old), Some(new)) if new <= old => Some(most),
        (Some(most), Some(old), Some(new)) if old > 0 => Some(most / old * new + most % old),
        _ => None,
    };
    Type::text(most)
}

pub(super) fn split<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    if let Some(argument) = applied.argument(0) {
        applied.inference.as_text(argument);
    }
    let most = longest(&limits);
    Type::list(Type::text(most), 0, most.map(|most| most + 1))
}

pub(super) fn lines<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    split(applied)
}

pub(super) fn format<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    applied.inference.text(applied.of);
    let pieces = match &applied.of.kind {
        Node::Text(pattern) => match printf::pieces(pattern) {
            Ok(pieces) => pieces,
            Err(problem) => {
                applied.inference.problem(applied.of, true, problem);
                return Type::text(None);
            }
        },
        _ => {
            applied
                .inference
                .problem(applied.of, false, Problem::NoPattern);
            return Type::text(None);
        }
    };
    let mut next = 0;
    let mut most = Some(0);
    for piece in pieces {
        let length = match piece {
            printf::Piece::Text(text) => Some(text.chars().count() as u64),
            printf::Piece::Value(form) => {
                let Some(argument) = applied.argument(next) else {
                    applied
                        .inference
                        .problem(applied.of, true, Problem::PatternUnfit);
                    return Type::text(None);
                };
                next += 1;
                match form {
                    printf::Form::Text => longest(&applied.inference.as_text(argument)),
                    printf::Form::Fixed(_) => {
                        let number = applied.inference.number(argument);
                        Some(types::length_of_number(&number.limits) + 30)
                    }
                    printf::Form::Whole { width } => {
                        let number = applied.inference.number(argument);
                        applied.inference.rounded(argument, &number);
                        Some(types::length_of_number(&number.limits).max(width as u64))
                    }
                }
            }
        };
        most = most.zip(length).map(|(most, length)| most + length);
    }
    if let Some(surplus) = applied.argument(next) {
        applied.inference.problem(surplus, true, Problem::NoPlace);
    }
    Type::text(most)
}

// Numbers.

pub(super) fn abs<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let number = applied.inference.number(applied.of);
    let (least, most, decimals) = types::bounds(&number.limits);
    number.like(Decimal::ZERO, least.abs().max(most.abs()), decimals)
}

pub(super) fn round<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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
    argument: &super::syntax::Expr,
    limits: &Limits<'a>,
) {
    let is_method = |value: &Json| value.as_str().is_some_and(filters::is_rounding_method);
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

pub(super) fn as_number<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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
        let read = |value: &std::borrow::Cow<'_, Json>| {
            super::reading::plain_number(value.as_str()?.trim()).ok()
        };
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

pub(super) fn int<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let number = as_number(applied);
    let limits = number.known().find_map(|kind| match kind {
        Kind::Number { limits, .. } => Some(types::bounds(limits)),
        _ => None,
    });
    let (least, most, _) = limits.unwrap_or_else(in_text);
    Type::number(least.trunc(), most.trunc(), 0)
}

pub(super) fn norwegian_number<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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
pub(super) fn written<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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

// Dates.

/// The pattern of an argument, which must be a constant that can be read or written.
fn pattern(applied: &mut Applied<'_, '_, '_, '_>, index: usize) -> Option<Pattern> {
    let argument = applied.argument(index)?;
    applied.inference.as_text(argument);
    let Some(text) = applied.constant(index) else {
        applied
            .inference
            .problem(argument, false, Problem::NoPattern);
        return None;
    };
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let problem = Problem::Pattern(error.problem);
            applied.inference.problem(argument, true, problem);
            None
        }
    }
}

/// A text that a pattern reads, which nothing tells beforehand.
fn read_by_pattern<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
    inferred: &Type<'s, 'a>,
    wanted: PatternKind,
) {
    let mut pattern = pattern(applied, 0);
    if let Some(argument) = applied.argument(1) {
        applied.inference.whole(argument);
        let first = applied
            .constant_number(1)
            .and_then(|first| i16::try_from(first).ok());
        pattern = pattern
            .zip(first)
            .and_then(|(pattern, first)| pattern.with_years_from(first));
        if pattern.is_none() {
            applied.inference.problem(argument, true, Problem::TooLarge);
        }
    }
    let Some(pattern) = pattern else { return };
    let of = applied.of;
    applied
        .inference
        .expect(of, inferred, &["a text"], "a text");
    if pattern.reads() != Some(wanted) {
        let argument = applied.argument(0).unwrap_or(of);
        applied
            .inference
            .problem(argument, true, Problem::PatternUnfit);
        return;
    }
    let reads = |text: &str| match wanted {
        PatternKind::Time => pattern.parse_time(text).is_ok(),
        _ => pattern.parse_date(text).is_ok(),
    };
    let limits = limits_of_text(inferred);
    let values: Option<Vec<&str>> = limits
        .admitted
        .as_ref()
        .map(|values| values.iter().filter_map(|value| value.as_str()).collect());
    match values {
        Some(values) => {
            let unread = values.iter().filter(|text| !reads(text)).count();
            if unread > 0 {
                applied
                    .inference
                    .problem(of, unread == values.len(), Problem::NotInPattern);
            }
        }
        None if inferred.is_unknown() => {}
        None => applied.inference.problem(of, false, Problem::NotInPattern),
    }
}

pub(super) fn date<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    if applied.argument(0).is_some() {
        read_by_pattern(applied, &inferred, PatternKind::Date);
    } else {
        applied
            .inference
            .expect(of, &inferred, &["a text", "a date"], "a date");
        applied
            .inference
            .reads(of, &inferred, "date", "date", Problem::NoDate);
    }
    Type::of(Kind::Date)
}

pub(super) fn time<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    if applied.argument(0).is_some() {
        read_by_pattern(applied, &inferred, PatternKind::Time);
    } else {
        applied
            .inference
            .expect(of, &inferred, &["a text", "a time of day"], "a time of day");
        applied
            .inference
            .reads(of, &inferred, "time", "time", Problem::NoTime);
    }
    Type::of(Kind::Time)
}

fn moment(applied: &mut Applied<'_, '_, '_, '_>) {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    applied.inference.expect(
        of,
        &inferred,
        &["a text", "a date with a time"],
        "a date with a time",
    );
    applied
        .inference
        .reads(of, &inferred, "instant", "datetime", Problem::NoDateTime);
}

pub(super) fn datetime<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::DateTime)
}

pub(super) fn norwegian_day<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::Date)
}

pub(super) fn norwegian_time<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::Time)
}

/// What must be a date, or a text that is one.
fn as_date(applied: &mut Applied<'_, '_, '_, '_>, of: &super::syntax::Expr) {
    let inferred = applied.inference.needed(of);
    applied
        .inference
        .expect(of, &inferred, &["a text", "a date"], "a date");
    applied
        .inference
        .reads(of, &inferred, "date", "date", Problem::NoDate);
}

pub(super) fn format_date<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let inferred = applied.inference.needed(applied.of);
    let of = applied.of;
    let pattern = pattern(applied, 0);
    applied.inference.expect(
        of,
        &inferred,
        &["a text", "a date", "a time of day"],
        "a date or a time of day",
    );
    applied
        .inference
        .reads(of, &inferred, "date", "date", Problem::NoDate);
    let Some(pattern) = pattern else {
        return Type::text(None);
    };
    let is_time = inferred.known().any(|kind| matches!(kind, Kind::Time));
    let is_date = inferred
        .known()
        .any(|kind| matches!(kind, Kind::Date | Kind::Text(_)));
    if is_date && pattern.shows_time() || is_time && pattern.shows_date() {
        let argument = applied.argument(0).unwrap_or(of);
        applied
            .inference
            .problem(argument, is_date != is_time, Problem::PatternUnfit);
    }
    Type::text(Some(pattern.longest()))
}

/// A date so many days, months or years later. The dates that people write are centuries away from both ends of the
/// calendar, so that two centuries more or less lead to a date.
fn added<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>, in_a_year: u32) -> Inferred<'s, 'a> {
    const YEARS: u32 = 200;
    as_date(applied, applied.of);
    if let Some(argument) = applied.argument(0) {
        let count = applied.inference.whole(argument);
        let (least, most, _) = types::bounds(&count.limits);
        if least.abs().max(most.abs()) > Decimal::from(YEARS * in_a_year) {
            applied
                .inference
                .problem(applied.of, false, Problem::NoSuchDate);
        }
    }
    Type::of(Kind::Date)
}

pub(super) fn added_days<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    added(applied, 365)
}

pub(super) fn added_months<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    added(applied, 12)
}

pub(super) fn added_years<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    added(applied, 1)
}

pub(super) fn distance<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    if let Some(argument) = applied.argument(0) {
        as_date(applied, argument);
    }
    let most = Decimal::from(4_000_000);
    Type::number(-most, most, 0)
}

pub(super) fn year<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(9999), 0)
}

pub(super) fn month<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(12), 0)
}

pub(super) fn day<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(31), 0)
}

// Lists.

pub(super) fn length<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let inferred = applied.inference.of(applied.of);
    let of = applied.of;
    applied.inference.expect(
        of,
        &inferred,
        &["a list", "a text", "a group of fields"],
        "a list or a text",
    );
    let mosts = inferred.known().map(|kind| match kind {
        Kind::List { most, .. } => *most,
        Kind::Text(limits) => longest(limits),
        Kind::Group(fields) => Some(fields.all().len() as u64),
        _ => None,
    });
    let most = mosts
        .collect::<Option<Vec<u64>>>()
        .and_then(|mosts| mosts.into_iter().max());
    let most = most.map_or(Decimal::from(types::MOST_ASSUMED), Decimal::from);
    Type::number(Decimal::ZERO, most, 0)
}

pub(super) fn list<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let (item, least, most) = applied.inference.list(applied.of);
    Applied::list_of(item, least, most)
}

pub(super) fn end<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let (item, least, _) = applied.inference.list(applied.of);
    if least == 0 { item.or_empty() } else { item }
}

pub(super) fn sum<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    /// Items of a list for which its schema names no limit.
    const ITEMS_ASSUMED: u64 = 100_000;
    let (item, _, most) = applied.inference.list(applied.of);
    let of = applied.of;
    let unfit = item
        .known()
        .find(|kind| !matches!(kind, Kind::Number { .. }));
    if let Some(unfit) = unfit {
        let is_certain = item
            .known()
            .all(|kind| !matches!(kind, Kind::Number { .. }));
        applied.inference.problem(
            of,
            is_certain,
            Problem::Item {
                is: unfit.words(),
                wanted: "a number",
            },
        );
    }
    let number = item.known().find_map(|kind| match kind {
        Kind::Number { limits, is_exact } => Some((limits.clone(), *is_exact)),
        _ => None,
    });
    let (limits, is_exact) = number.unwrap_or((Limits::default(), true));
    let (least, greatest, decimals) = types::bounds(&limits);
    let count = Decimal::from(most.unwrap_or(ITEMS_ASSUMED));
    let total = |bound: Decimal| bound.checked_mul(count);
    match (total(least), total(greatest)) {
        (Some(least), Some(most)) => {
            let (least, most) = (least.min(Decimal::ZERO), most.max(Decimal::ZERO));
            let whole = least.abs().max(most.abs()).trunc().to_string().len();
            if whole + decimals as usize > super::number::MAX_DIGITS {
                applied.inference.problem(of, false, Problem::DoesNotFit);
            }
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
        _ => {
            applied.inference.problem(of, false, Problem::DoesNotFit);
            Type::of(Kind::Number {
                limits: Limits::default(),
                is_exact,
            })
        }
    }
}

pub(super) fn join<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let separator = match applied.argument(0) {
        Some(argument) => longest(&applied.inference.as_text(argument)),
        None => Some(0),
    };
    let (item, _, most) = applied.inference.list(applied.of);
    let of = applied.of;
    let never_text =
        |kind: &&Kind<'s, 'a>| matches!(kind, Kind::Boolean | Kind::List { .. } | Kind::Group(_));
    if let Some(unfit) = item.known().find(never_text) {
        let is_certain = item.known().all(|kind| never_text(&kind));
        applied.inference.problem(
            of,
            is_certain,
            Problem::Item {
                is: unfit.words(),
                wanted: "a text",
            },
        );
        return Type::text(None);
    }
    let text = applied.inference.textable(of, &item);
    let length = longest(&text)
        .zip(separator)
        .map(|(text, separator)| text + separator);
    Type::text(
        length
            .zip(most)
            .map(|(length, most)| length.saturating_mul(most)),
    )
}

/// What a filter gives that is read into another node.
pub(super) fn itself<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    applied.inference.of(applied.of)
}
