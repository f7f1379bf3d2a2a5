//! The types of the filters of dates.

use rust_decimal::Decimal;

use crate::language::{
    calendar::{Kind as PatternKind, Pattern},
    error::Problem,
    infer::{Applied, limits_of_text},
    syntax::Expr,
    types::{self, Kind, Type},
    typing::Inferred,
};

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

pub(in crate::language) fn date<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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

pub(in crate::language) fn time<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
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

pub(in crate::language) fn datetime<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::DateTime)
}

pub(in crate::language) fn norwegian_day<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::Date)
}

pub(in crate::language) fn norwegian_time<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    moment(applied);
    Type::of(Kind::Time)
}

/// What must be a date, or a text that is one.
fn as_date(applied: &mut Applied<'_, '_, '_, '_>, of: &Expr) {
    let inferred = applied.inference.needed(of);
    applied
        .inference
        .expect(of, &inferred, &["a text", "a date"], "a date");
    applied
        .inference
        .reads(of, &inferred, "date", "date", Problem::NoDate);
}

pub(in crate::language) fn format_date<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
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

pub(in crate::language) fn added_days<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    added(applied, 365)
}

pub(in crate::language) fn added_months<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    added(applied, 12)
}

pub(in crate::language) fn added_years<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    added(applied, 1)
}

pub(in crate::language) fn distance<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    if let Some(argument) = applied.argument(0) {
        as_date(applied, argument);
    }
    let most = Decimal::from(4_000_000);
    Type::number(-most, most, 0)
}

pub(in crate::language) fn year<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(9999), 0)
}

pub(in crate::language) fn month<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(12), 0)
}

pub(in crate::language) fn day<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    as_date(applied, applied.of);
    Type::number(Decimal::ONE, Decimal::from(31), 0)
}
