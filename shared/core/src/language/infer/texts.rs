//! The limits of texts.

use crate::{
    language::types::{Kind, Type},
    schema::limits::Limits,
};

/// The limits of a text; none where other things are possible, too.
pub(in crate::language) fn limits_of_text<'a>(inferred: &Type<'_, 'a>) -> Limits<'a> {
    let mut kinds = inferred.known();
    match (kinds.next(), kinds.next()) {
        (Some(Kind::Text(limits)), None) => limits.clone(),
        _ => Limits::default(),
    }
}

pub(super) fn of_length<'a>(least: u64, most: u64) -> Limits<'a> {
    Limits {
        min_length: Some(least),
        max_length: Some(most),
        ..Limits::default()
    }
}

/// The most characters of a text, also where its format says so.
pub(in crate::language) fn longest(limits: &Limits<'_>) -> Option<u64> {
    let of_format = match limits.format {
        Some("date") => Some(10),
        Some("date-time" | "instant" | "time" | "uuid") => Some(36),
        _ => None,
    };
    limits.max_length.or(of_format)
}

/// The texts that one makes with another behind it.
pub(super) fn joined<'a>(a: &Limits<'a>, b: &Limits<'a>) -> Limits<'a> {
    const MOST: usize = 64;
    let admitted = match (&a.admitted, &b.admitted) {
        (Some(first), Some(second)) if first.len() * second.len() <= MOST => {
            let pairs = first
                .iter()
                .flat_map(|a| second.iter().map(move |b| (a, b)));
            let texts = pairs.filter_map(|(a, b)| Some(format!("{}{}", a.as_str()?, b.as_str()?)));
            Some(
                texts
                    .map(|text| std::borrow::Cow::Owned(text.into()))
                    .collect(),
            )
        }
        _ => None,
    };
    Limits {
        admitted,
        min_length: Some(a.min_length.unwrap_or(0) + b.min_length.unwrap_or(0)),
        max_length: longest(a).zip(longest(b)).map(|(a, b)| a.saturating_add(b)),
        ..Limits::default()
    }
}
