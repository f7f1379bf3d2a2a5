//! Which limit of B's field one value breaks.

use rust_decimal::Decimal;
use serde_json::Value;
use stafett_core::{
    language::{calendar, number},
    schema::{is_date_time, is_pattern_read, limits::Limits},
};

use crate::check::{
    fit::{misfit::Misfit, regular},
    words::{characters, nearest, quoted},
};

/// How many values a message lists.
const MAX_LISTED: usize = 12;

/// Which limit a value breaks, if any. A misfit never repeats the value.
pub(super) fn value_breaks(limits: &Limits<'_>, value: &Value) -> Option<Misfit> {
    if let Some(listed) = &limits.admitted
        && !listed
            .iter()
            .any(|admitted| **admitted == *value || plain(admitted) == plain(value))
    {
        let words: Vec<String> = listed.iter().map(|value| plain(value)).collect();
        let mut misfit = Misfit::error("enum", "is none of the values that B's field takes")
            .help(format!("B's field takes {}", one_of(&words)));
        misfit.suggestion = value
            .as_str()
            .and_then(|text| nearest(text, words.iter().map(String::as_str)))
            .map(str::to_owned);
        return Some(misfit);
    }
    match value {
        Value::String(text) => text_breaks(limits, text),
        Value::Number(number) => number_breaks(limits, number::read(&number.to_string())?),
        Value::Array(items) => {
            let count = items.len() as u64;
            if let Some(most) = limits.max_items.filter(|most| count > *most) {
                return Some(Misfit::error(
                    "items",
                    format!("has {count} items, and B takes {most} at most"),
                ));
            }
            let least = limits.min_items.filter(|least| count < *least)?;
            Some(Misfit::error(
                "few-items",
                format!("has {count} items, and B takes {least} at least"),
            ))
        }
        _ => None,
    }
}

fn text_breaks(limits: &Limits<'_>, text: &str) -> Option<Misfit> {
    let length = text.chars().count() as u64;
    if let Some(most) = limits.max_length.filter(|most| length > *most) {
        let what = format!(
            "has {}, and B's field takes {most} at most",
            characters(length)
        );
        return Some(Misfit::error("length", what));
    }
    if let Some(least) = limits.min_length.filter(|least| length < *least) {
        let what = format!(
            "has {}, and B's field takes {least} at least",
            characters(length)
        );
        return Some(Misfit::error("length", what));
    }
    let unmatched = |pattern: &&&str| regular::matches(pattern, text) == Some(false);
    if let Some(pattern) = limits.patterns.iter().find(unmatched) {
        let what = format!("does not match `{pattern}`, as B's field wants");
        return Some(Misfit::error("pattern", what));
    }
    let is_unread = |pattern: &&&str| !is_pattern_read(pattern);
    if let Some(pattern) = limits.patterns.iter().find(is_unread) {
        let what = format!("could not be compared with the pattern of B's field, `{pattern}`");
        return Some(Misfit::warning("pattern", what));
    }
    let format = limits.format.filter(|format| !is_of_format(text, format))?;
    let example = match format {
        "date" => "2026-11-01",
        "time" => "12:30:00",
        _ => "2026-11-01T12:30:00Z",
    };
    Some(
        Misfit::error("format", format!("is no `{format}`, which B's field takes"))
            .help(format!("a `{format}` looks like {example}")),
    )
}

fn number_breaks(limits: &Limits<'_>, number: Decimal) -> Option<Misfit> {
    let low = limits
        .minimum
        .filter(|least| number < *least || limits.above && number <= *least);
    if let Some(least) = low {
        let than = if limits.above {
            "not more than"
        } else {
            "less than"
        };
        return Some(Misfit::error(
            "range",
            format!("is {than} {least}, and B's field takes no such number"),
        ));
    }
    let high = limits
        .maximum
        .filter(|most| number > *most || limits.below && number >= *most);
    if let Some(most) = high {
        let than = if limits.below {
            "not less than"
        } else {
            "more than"
        };
        return Some(Misfit::error(
            "range",
            format!("is {than} {most}, and B's field takes no such number"),
        ));
    }
    if limits.class == Some("double") && !is_double(number) {
        let what = "has more digits than B's field, a double, holds";
        return Some(Misfit::error("range", what));
    }
    let step = limits
        .steps
        .iter()
        .find(|step| !is_multiple(number, **step))?;
    let what = format!("is no multiple of {step}, as B's field wants");
    Some(Misfit::error("range", what))
}

pub(super) fn is_multiple(number: Decimal, step: Decimal) -> bool {
    number.checked_rem(step).is_some_and(|rest| rest.is_zero())
}

/// Whether a double of .NET is written with the digits of this number again.
fn is_double(number: Decimal) -> bool {
    let nearest: Option<f64> = number.to_string().parse().ok();
    let again = nearest.and_then(|nearest| Decimal::from_str_exact(&nearest.to_string()).ok());
    again == Some(number)
}

fn is_of_format(text: &str, format: &str) -> bool {
    match format {
        "date" => calendar::parse_date(text).is_ok(),
        "time" => calendar::parse_time(text).is_ok(),
        "date-time" => is_date_time(text),
        _ => true,
    }
}

/// A value as a message shows it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Values as a message lists them: only the first of many.
pub(super) fn one_of(words: &[String]) -> String {
    let mut listed = quoted(words.iter().take(MAX_LISTED).map(String::as_str));
    if words.len() > MAX_LISTED {
        listed.push_str(&format!(" and {} more", words.len() - MAX_LISTED));
    }
    listed
}
