//! Whether a value lies within a type.

use generators::form::PATTERNS;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use stafett_core::{
    language::{
        calendar::{self, Moment},
        number,
        types::{DECIMALS_ASSUMED, Field, Kind, MOST_ASSUMED, Type},
    },
    schema::limits::Limits,
};

/// Why a value is not within a type: `None` where it is.
pub(crate) fn misfit(value: Option<&Json>, inferred: &Type<'_, '_>) -> Option<String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return (!inferred.may_be_empty).then(|| "is empty".to_owned());
    };
    let Some(kinds) = &inferred.kinds else {
        return Some("is of an unknown type".to_owned());
    };
    let mut reasons = Vec::new();
    for kind in kinds {
        match unfit(value, kind) {
            None => return None,
            Some(reason) => reasons.push(reason),
        }
    }
    Some(format!(
        "{value} is not {}: {}",
        inferred.words(),
        reasons.join("; ")
    ))
}

fn unfit(value: &Json, kind: &Kind<'_, '_>) -> Option<String> {
    let is = |fits: bool| (!fits).then(|| "another kind".to_owned());
    match (kind, value) {
        (Kind::Text(limits), Json::String(text)) => outside_of_text(text, limits),
        (Kind::Number { limits, .. }, Json::Number(number)) => {
            match number::read(&number.to_string()) {
                Some(number) => outside_of_number(number, limits),
                None => Some("no decimal".to_owned()),
            }
        }
        (Kind::Boolean, Json::Bool(_)) => None,
        (Kind::Date, Json::String(text)) => is(calendar::parse_date(text).is_ok()),
        (Kind::DateTime, Json::String(text)) => is(matches!(
            calendar::parse_date_time(text),
            Ok(Moment::Instant(_))
        )),
        (Kind::Time, Json::String(text)) => is(calendar::parse_time(text).is_ok()),
        (Kind::List { least, most, .. }, Json::Array(items)) => {
            let count = items.len() as u64;
            if count < *least || most.is_some_and(|most| count > most) {
                return Some(format!(
                    "{count} items where {least} to {most:?} are possible"
                ));
            }
            let item = Type::of(kind.clone()).item()?;
            items
                .iter()
                .find_map(|value| misfit(Some(value), &item))
                .map(|reason| format!("item {reason}"))
        }
        (Kind::Group(fields), Json::Object(values)) => {
            let unknown = values
                .keys()
                .find(|name| matches!(fields.get(name), Field::None { .. }));
            if let Some(name) = unknown {
                return Some(format!("a field {name}"));
            }
            let fields = fields.all();
            fields.iter().find_map(|(name, inferred)| {
                let reason = misfit(values.get(name), inferred)?;
                Some(format!("field {name} {reason}"))
            })
        }
        _ => is(false),
    }
}

fn outside_of_text(text: &str, limits: &Limits<'_>) -> Option<String> {
    let length = text.chars().count() as u64;
    let (least, most) = (limits.min_length.unwrap_or(0), limits.max_length);
    if length < least || most.is_some_and(|most| length > most) {
        return Some(format!(
            "{length} characters where {least} to {most:?} are possible"
        ));
    }
    if let Some(admitted) = &limits.admitted
        && !admitted.iter().any(|value| value.as_str() == Some(text))
    {
        return Some(format!("none of {admitted:?}"));
    }
    let matches = |expression: &str| {
        let pattern = PATTERNS
            .iter()
            .find(|pattern| pattern.expression == expression);
        pattern.is_some_and(|pattern| (pattern.matches)(text))
    };
    if let Some(unmatched) = limits.patterns.iter().find(|pattern| !matches(pattern)) {
        return Some(format!("not as {unmatched}"));
    }
    let has_format = match limits.format {
        Some("date") => calendar::parse_date(text).is_ok(),
        Some("date-time") => calendar::parse_date_time(text).is_ok(),
        Some("time") => calendar::parse_time(text).is_ok(),
        _ => true,
    };
    (!has_format).then(|| format!("no {:?}", limits.format))
}

fn outside_of_number(number: Decimal, limits: &Limits<'_>) -> Option<String> {
    if let Some(admitted) = &limits.admitted {
        let is = |value: &Json| number::read(&value.to_string()) == Some(number);
        return (!admitted.iter().any(|value| is(value))).then(|| format!("none of {admitted:?}"));
    }
    let assumed = Decimal::from(MOST_ASSUMED);
    let least = limits.minimum.unwrap_or(-assumed);
    let most = limits.maximum.unwrap_or(assumed);
    let decimals = limits.decimals.unwrap_or(DECIMALS_ASSUMED);
    let is_within = if limits.above {
        number > least
    } else {
        number >= least
    } && if limits.below {
        number < most
    } else {
        number <= most
    };
    if !is_within {
        return Some(format!("not within {least} and {most}"));
    }
    (number.scale() > decimals).then(|| format!("more than {decimals} decimals"))
}
