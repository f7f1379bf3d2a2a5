//! The filters of dates.

use crate::language::{
    calendar::{self, Pattern},
    error::{EvaluationError, Problem},
    evaluate::{Call, Evaluated},
    value::Value,
};

fn pattern(call: &mut Call<'_, '_>, index: usize) -> Result<Option<Pattern>, EvaluationError> {
    let Some(text) = call.text_argument(index)? else {
        return Ok(None);
    };
    match Pattern::new(&text) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(_) => Err(call.wrong_argument(index, Problem::NoPattern)),
    }
}

pub(super) fn date<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let mut pattern = pattern(call, 0)?;
    // A year of two digits is one of the hundred that begin with this one.
    if let Some(first) = call.whole_argument(1)? {
        let first = i16::try_from(first).ok();
        pattern = first
            .zip(pattern)
            .and_then(|(first, pattern)| pattern.with_years_from(first));
        if pattern.is_none() {
            return Err(call.wrong_argument(1, Problem::TooLarge));
        }
    }
    match (call.evaluation.needed(call.of)?, pattern) {
        (Value::Date(date), None) => Ok(Value::Date(date)),
        (Value::Text(text), None) => match calendar::parse_date(&text) {
            Ok(date) => Ok(Value::Date(date)),
            Err(_) => Err(call.wrong(Problem::NoDate)),
        },
        (Value::Text(text), Some(pattern)) => match pattern.parse_date(&text) {
            Ok(date) => Ok(Value::Date(date)),
            Err(_) => Err(call.wrong(Problem::NotInPattern)),
        },
        (other, _) => Err(call.wrong(other.not("a text"))),
    }
}

pub(super) fn time<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let pattern = pattern(call, 0)?;
    match (call.evaluation.needed(call.of)?, pattern) {
        (Value::Time(time), None) => Ok(Value::Time(time)),
        (Value::Text(text), None) => match calendar::parse_time(&text) {
            Ok(time) => Ok(Value::Time(time)),
            Err(_) => Err(call.wrong(Problem::NoTime)),
        },
        (Value::Text(text), Some(pattern)) => match pattern.parse_time(&text) {
            Ok(time) => Ok(Value::Time(time)),
            Err(_) => Err(call.wrong(Problem::NotInPattern)),
        },
        (other, _) => Err(call.wrong(other.not("a text"))),
    }
}

fn moment(call: &mut Call<'_, '_>) -> Result<jiff::Timestamp, EvaluationError> {
    match call.evaluation.needed(call.of)? {
        Value::DateTime(moment) => Ok(moment),
        Value::Text(text) => match calendar::parse_date_time(&text) {
            Ok(calendar::Moment::Instant(moment)) => Ok(moment),
            _ => Err(call.wrong(Problem::NoDateTime)),
        },
        other => Err(call.wrong(other.not("a date with a time"))),
    }
}

pub(super) fn datetime<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::DateTime(moment(call)?))
}

pub(super) fn norwegian_day<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::Date(calendar::norwegian_day(moment(call)?)))
}

pub(super) fn norwegian_time<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::Time(calendar::norwegian_time(moment(call)?)))
}

/// A date, or a text that is one.
fn as_date(call: &mut Call<'_, '_>) -> Result<jiff::civil::Date, EvaluationError> {
    match call.evaluation.needed(call.of)? {
        Value::Date(date) => Ok(date),
        Value::Text(text) => match calendar::parse_date(&text) {
            Ok(date) => Ok(date),
            Err(_) => Err(call.wrong(Problem::NoDate)),
        },
        other => Err(call.wrong(other.not("a date"))),
    }
}

fn date_argument(call: &mut Call<'_, '_>) -> Result<jiff::civil::Date, EvaluationError> {
    let value = match call.argument(0) {
        Some(argument) => call.evaluation.needed(argument)?,
        None => Value::Empty,
    };
    match value {
        Value::Date(date) => Ok(date),
        Value::Text(text) => match calendar::parse_date(&text) {
            Ok(date) => Ok(date),
            Err(_) => Err(call.wrong_argument(0, Problem::NoDate)),
        },
        other => Err(call.wrong_argument(0, other.not("a date"))),
    }
}

pub(super) fn format_date<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let Some(pattern) = pattern(call, 0)? else {
        return Err(call.wrong(Problem::NoPattern));
    };
    let written = match call.evaluation.needed(call.of)? {
        Value::Date(date) => pattern.format_date(date),
        Value::Time(time) => pattern.format_time(time),
        Value::Text(text) => match calendar::parse_date(&text) {
            Ok(date) => pattern.format_date(date),
            Err(_) => return Err(call.wrong(Problem::NoDate)),
        },
        other => return Err(call.wrong(other.not("a date or a time of day"))),
    };
    match written {
        Ok(text) => call.evaluation.made(text),
        Err(_) => Err(call.wrong(Problem::PatternUnfit)),
    }
}

pub(super) fn added<'a>(
    call: &mut Call<'_, 'a>,
    add: fn(jiff::civil::Date, i64) -> Result<jiff::civil::Date, calendar::OutOfRange>,
) -> Evaluated<'a> {
    let date = as_date(call)?;
    let count = call.whole_argument(0)?.unwrap_or_default();
    match add(date, count) {
        Ok(date) => Ok(Value::Date(date)),
        Err(_) => Err(call.wrong(Problem::NoSuchDate)),
    }
}

pub(super) fn add_days<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_days)
}

pub(super) fn add_months<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_months)
}

pub(super) fn add_years<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_years)
}

pub(super) fn days_to<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let (from, to) = (as_date(call)?, date_argument(call)?);
    Ok(Value::number(calendar::days_between(from, to)))
}

pub(super) fn years_to<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let (from, to) = (as_date(call)?, date_argument(call)?);
    Ok(Value::number(calendar::years_between(from, to)))
}

pub(super) fn year<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.year()))
}

pub(super) fn month<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.month()))
}

pub(super) fn day<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.day()))
}
