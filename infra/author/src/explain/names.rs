//! The names of what can be explained.

use serde_json::{Map, Value};
use stafett_core::route::Route;
use thiserror::Error;

use crate::fields;

/// A field that the route does not fill.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("route {route} has no field `{field}`{}; it has {known}", meant.as_ref().map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default())]
pub struct UnknownField {
    /// The route.
    pub route: String,
    /// What was asked for.
    pub field: String,
    /// What was probably meant.
    pub meant: Option<String>,
    /// All that can be asked for.
    pub known: String,
}

pub(super) fn head(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or_default()
}

/// The rules of B's forms that are `field`, or stand below it.
pub(super) fn rules_below(route: &Route, field: &str) -> Vec<String> {
    let wanted = segments(field);
    let mut rules = fields::rules(&route.to);
    rules.retain(|rule| matches(&wanted, &segments(rule)));
    rules
}

pub(super) fn unknown(route: &Route, field: &str) -> UnknownField {
    let mut known = fields::rules(&route.to);
    known.push("owner".into());
    known.extend(route.due.map(|_| "due".into()));
    known.extend(route.each.iter().map(|_| "key".into()));
    known.extend((0..route.attachments.len()).map(|index| format!("attachments[{index}]")));
    let plain = fields::without_indexes(&field.replace("[]", ""));
    let distance = |known: &String| strsim::damerau_levenshtein(&plain, known);
    let meant = known.iter().min_by_key(|known| distance(known)).cloned();
    let near = |meant: &String| distance(meant) <= 1 + plain.chars().count() / 4;
    UnknownField {
        route: route.name.to_string(),
        field: field.to_owned(),
        meant: meant.filter(near),
        known: known
            .iter()
            .map(|known| format!("`{known}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// A field's names, each with its index where it has one.
pub(super) fn segments(field: &str) -> Vec<(&str, Option<&str>)> {
    let segment = |segment| match str::split_once(segment, '[') {
        Some((name, index)) => (
            name,
            Some(index.trim_end_matches(']')).filter(|i| !i.is_empty()),
        ),
        None => (segment, None),
    };
    field.split('.').map(segment).collect()
}

/// Whether `field` is what is wanted, or stands below it.
pub(super) fn matches(wanted: &[(&str, Option<&str>)], field: &[(&str, Option<&str>)]) -> bool {
    wanted.len() <= field.len()
        && wanted
            .iter()
            .zip(field)
            .all(|((name, index), (known, at))| {
                name == known && (index.is_none() || at.is_none() || index == at)
            })
}

/// Which element of its group a field is, from 0, and of how many. The field is named as below `model`.
pub(super) fn position(model: &Map<String, Value>, field: &str) -> Option<(usize, usize)> {
    let mut names = segments(field).into_iter().skip(1).peekable();
    let mut group = model;
    while let Some((name, index)) = names.next() {
        if names.peek().is_none() {
            let at = group.keys().position(|known| known == name)?;
            return Some((at, group.len()));
        }
        let mut here = group.get(name)?;
        if let Some(index) = index {
            here = here.get(index.parse::<usize>().ok()?)?;
        }
        group = here.as_object()?;
    }
    None
}
