//! What the values of a field of A may be that B's field does not take.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value;
use stafett_core::{
    language::types,
    schema::{limits::Limits, shape::Shape},
};

use super::values::{is_multiple, one_of, plain, value_breaks};
use crate::check::{
    fit::{misfit::Misfit, regular},
    words::characters,
};

/// What a value of these may be and B's field does not take, where the values are listed.
pub(super) fn listed_misfit(listed: &[Cow<'_, Value>], ours: &Limits<'_>) -> Option<Misfit> {
    let refused: Vec<(&Value, Misfit)> = listed
        .iter()
        .filter_map(|value| Some((&**value, value_breaks(ours, value)?)))
        .collect();
    if refused.len() < listed.len() {
        let words: Vec<_> = refused.iter().map(|(value, _)| plain(value)).collect();
        let (_, first) = refused.first()?;
        let what = format!("may be {}, which B does not admit", one_of(&words));
        let help = first.help.clone();
        let help = help.unwrap_or_else(|| format!("B: it {}", first.what));
        return Some(Misfit::warning(first.code, what).help(help));
    }
    let (_, first) = refused.into_iter().next()?;
    let words: Vec<_> = listed.iter().map(|value| plain(value)).collect();
    Some(Misfit {
        what: format!("is one of {}, and B admits none of them", one_of(&words)),
        suggestion: None,
        ..first
    })
}

/// The misfit of a field that takes listed values only.
fn listed_only(admitted: &Shape<'_>) -> Option<Misfit> {
    let listed = admitted.limits.admitted.as_ref()?;
    let words: Vec<_> = listed.iter().map(|value| plain(value)).collect();
    let what = format!("may be anything in A, and B admits {} only", one_of(&words));
    Some(Misfit::warning("enum", what))
}

pub(super) fn flag_misfit(admitted: &Shape<'_>) -> Option<Misfit> {
    let listed = admitted.limits.admitted.as_ref()?;
    (listed.len() < 2).then(|| listed_only(admitted)).flatten()
}

pub(super) fn text_misfit(theirs: &Limits<'_>, admitted: &Shape<'_>) -> Option<Misfit> {
    let ours = &admitted.limits;
    if let Some(listed) = &theirs.admitted {
        return listed_misfit(listed, ours);
    }
    if let Some(misfit) = listed_only(admitted) {
        return Some(misfit);
    }
    if let Some(limit) = ours.max_length
        && theirs.max_length.is_none_or(|longest| longest > limit)
        && !is_bounded(theirs, limit)
    {
        let longest = match theirs.max_length {
            Some(longest) => format!("may have {} in A", characters(longest)),
            None => "may have any length in A".into(),
        };
        let what = format!("{longest}, and B's field takes {limit} at most");
        return Some(Misfit::warning("length", what).help(format!(
            "shorten it in the expression, such as `[:{limit}]`, or limit it in A's schema"
        )));
    }
    if let Some(limit) = ours.min_length
        && shortest(theirs) < limit
    {
        let what = match shortest(theirs) {
            0 => "may be a text without characters in A".to_owned(),
            shortest => format!("may have only {} in A", characters(shortest)),
        };
        return Some(Misfit::warning(
            "length",
            format!("{what}, and B's field takes {limit} at least"),
        ));
    }
    let differs = |pattern: &&&str| !theirs.patterns.contains(pattern);
    if let Some(pattern) = ours.patterns.iter().find(differs) {
        let given = match theirs.patterns.first() {
            Some(theirs) => format!("matches `{theirs}` in A"),
            None => "may be any text in A".into(),
        };
        return Some(Misfit::warning(
            "pattern",
            format!("{given}, and B's field takes what matches `{pattern}` only"),
        ));
    }
    let format = ours
        .format
        .filter(|format| is_moment(format) && !moment_fits(theirs.format, format))?;
    let given = match theirs.format {
        Some(format) => format!("is a `{format}` in A"),
        None => "may be any text in A".into(),
    };
    Some(Misfit::warning(
        "format",
        format!("{given}, and B's field takes a `{format}`"),
    ))
}

pub(super) fn number_misfit(theirs: &Limits<'_>, admitted: &Shape<'_>) -> Option<Misfit> {
    let ours = &admitted.limits;
    if let Some(listed) = &theirs.admitted {
        return listed_misfit(listed, ours);
    }
    if let Some(misfit) = listed_only(admitted) {
        return Some(misfit);
    }
    let is_less =
        |mine: Decimal, least| mine < least || mine == least && ours.above && !theirs.above;
    if let Some(least) = ours.minimum
        && theirs.minimum.is_none_or(|mine| is_less(mine, least))
    {
        return Some(Misfit::warning(
            "range",
            format!("may be less in A than {least}, the least that B's field takes"),
        ));
    }
    let is_more = |mine: Decimal, most| mine > most || mine == most && ours.below && !theirs.below;
    if let Some(most) = ours.maximum
        && theirs.maximum.is_none_or(|mine| is_more(mine, most))
    {
        return Some(Misfit::warning(
            "range",
            format!("may be more in A than {most}, the most that B's field takes"),
        ));
    }
    if ours.class == Some("double")
        && theirs.class != Some("double")
        && !has_digits_of_double(theirs)
    {
        let what = "may have more digits than the 15 that B's field, a double, always holds";
        return Some(Misfit::warning("range", what));
    }
    let step = ours
        .steps
        .iter()
        .find(|step| !is_in_steps(theirs, **step))?;
    let places = step.normalize().scale();
    // A power of ten says how many decimals there are.
    if *step == Decimal::new(1, places) {
        let what = format!("may have more decimals than the {places} that B's field takes");
        let help = format!("say how it is rounded: `| round({places})`");
        return Some(Misfit::warning("range", what).help(help));
    }
    let what = format!("may be no multiple of {step} in A, as B's field wants");
    Some(Misfit::warning("range", what))
}

/// Whether every number of these is a multiple of `step`.
fn is_in_steps(theirs: &Limits<'_>, step: Decimal) -> bool {
    let unit = theirs
        .decimals
        .and_then(|places| Decimal::try_new(1, places).ok());
    let mut units = theirs.steps.iter().copied().chain(unit);
    units.any(|unit| is_multiple(unit, step))
}

/// Whether every number of these has the 15 digits at most that every double of .NET holds.
fn has_digits_of_double(theirs: &Limits<'_>) -> bool {
    let (least, most, places) = types::bounds(theirs);
    let whole = least.abs().max(most.abs()).trunc().to_string().len();
    whole + places as usize <= 15
}

pub(super) fn count_misfit(least: u64, most: Option<u64>, admitted: &Shape<'_>) -> Option<Misfit> {
    if let Some(limit) = admitted.limits.max_items
        && most.is_none_or(|most| most > limit)
    {
        return Some(too_many(most, limit));
    }
    let limit = admitted.limits.min_items.filter(|limit| least < *limit)?;
    Some(too_few(least, limit))
}

/// The misfit of a list that may have fewer items than B takes.
pub(in super::super) fn too_few(theirs: u64, least: u64) -> Misfit {
    Misfit::warning(
        "items",
        format!("may have {theirs} items, and B takes {least} at least"),
    )
}

/// The misfit of a list that may have more items in A than B allows.
pub(in super::super) fn too_many(theirs: Option<u64>, most: u64) -> Misfit {
    let many = match theirs {
        Some(many) => format!("may have {many} items in A"),
        None => "may have any number of items in A".into(),
    };
    Misfit::warning("items", format!("{many}, and B takes {most} at most")).help(format!(
        "take the first ones only: `[:{most}]`, or limit the list in A's schema"
    ))
}

/// Whether a pattern or format keeps texts short, as far as it can easily be told.
fn is_bounded(limits: &Limits<'_>, limit: u64) -> bool {
    // A date has ten characters, a date-time at most 35.
    let moment = match limits.format {
        Some("date") => limit >= 10,
        Some("date-time" | "instant" | "time" | "uuid") => limit >= 36,
        _ => false,
    };
    let of_pattern = |pattern: &&str| regular::longest(pattern).is_some_and(|most| most <= limit);
    moment || limits.patterns.iter().any(of_pattern)
}

/// The fewest characters of a text, as far as it can easily be told.
fn shortest(limits: &Limits<'_>) -> u64 {
    let of_format = match limits.format {
        Some("date") => 10,
        Some("date-time") => 16,
        Some("instant") => 20,
        // 12:30
        Some("time") => 5,
        _ => 0,
    };
    let of_patterns = limits
        .patterns
        .iter()
        .map(|pattern| regular::shortest(pattern));
    of_patterns
        .chain([of_format, limits.min_length.unwrap_or(0)])
        .max()
        .unwrap_or(0)
}

/// The formats for which an app's model has types of their own.
fn is_moment(format: &str) -> bool {
    matches!(format, "date" | "date-time" | "time")
}

fn moment_fits(given: Option<&str>, wanted: &str) -> bool {
    // .NET also reads a date as a date-time.
    given == Some(wanted) || wanted == "date-time" && matches!(given, Some("date" | "instant"))
}
