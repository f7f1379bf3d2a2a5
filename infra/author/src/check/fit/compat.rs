//! Whether a field of B takes a value, or every value that a field of A may have.

use std::collections::{BTreeSet, HashSet};

use jiff::{Timestamp, civil};
use serde_json::Value;

use super::{
    limits::Limits,
    regular,
    shape::{FormSchema, Kind, Node, Shape},
};
use crate::{
    check::words::{characters, nearest, quoted},
    finding::Severity,
};

/// Levels of groups in a value that are looked at.
const MAX_DEPTH: usize = 64;
/// Pairs of fields that one comparison of groups looks at.
const MAX_PAIRS: usize = 5_000;
/// How many values a message lists.
const MAX_LISTED: usize = 12;

/// Why a field of B does not take a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    /// The path below the field, dotted; empty for the field itself.
    pub(super) below: String,
    /// What is wrong: the predicate of a sentence about the value.
    pub(super) what: String,
    pub(super) help: Option<String>,
    pub(super) suggestion: Option<String>,
}

impl Misfit {
    fn new(severity: Severity, code: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            below: String::new(),
            what: what.into(),
            help: None,
            suggestion: None,
        }
    }

    fn error(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, what)
    }

    fn warning(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, what)
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn in_field(mut self, name: &str) -> Self {
        self.below = if self.below.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{}", self.below)
        };
        self
    }
}

/// B's side of a comparison.
#[derive(Clone, Copy)]
pub(super) struct FormTarget<'f, 'a> {
    pub(super) form: &'f FormSchema<'a>,
    /// Whether each draft is validated against a schema, which tells text from number.
    pub(super) is_validated: bool,
}

impl<'a> FormTarget<'_, 'a> {
    /// Why `node` does not take `value`, if it does not.
    pub(super) fn refuses(&self, node: &Node<'a>, value: &Value) -> Option<Misfit> {
        self.refuses_at(node, value, 0)
    }

    fn refuses_at(&self, node: &Node<'a>, value: &Value, depth: usize) -> Option<Misfit> {
        let kind = Kind::of(value)?;
        let shape = self.form.shape(node);
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(misfit) = self.kind(&BTreeSet::from([kind]), &shape.kinds) {
            return Some(misfit);
        }
        if let Some(misfit) = value_breaks(&shape.limits, value) {
            return Some(misfit);
        }
        match value {
            Value::Array(items) => {
                let node = shape.items.as_ref()?;
                items
                    .iter()
                    .find_map(|item| self.refuses_at(node, item, depth + 1))
            }
            Value::Object(fields) => fields.iter().find_map(|(name, value)| {
                let misfit = match shape.field(name) {
                    Some(node) => self.refuses_at(node, value, depth + 1),
                    None if shape.is_closed() => Some(no_such_field()),
                    None => None,
                };
                misfit.map(|misfit| misfit.in_field(name))
            }),
            _ => None,
        }
    }

    /// Why values of the kinds `given` do not fit where the kinds `admitted` are allowed, if they do not.
    fn kind(&self, given: &BTreeSet<Kind>, admitted: &BTreeSet<Kind>) -> Option<Misfit> {
        if given.is_empty() || admitted.is_empty() {
            return None;
        }
        let text_carries = |kind: &Kind| {
            let is_scalar = !matches!(kind, Kind::List | Kind::Group);
            !self.is_validated && is_scalar && admitted.contains(&Kind::Text)
        };
        let misfits: Vec<Kind> = given
            .iter()
            .filter(|kind| !kind.fits(admitted) && !text_carries(kind))
            .copied()
            .collect();
        let first = *misfits.first()?;
        let wanted: Vec<_> = admitted.iter().map(|kind| kind.words()).collect();
        let wanted = wanted.join(" or ");
        let may = misfits.len() < given.len()
            || first == Kind::Number && admitted.contains(&Kind::Integer);
        let misfit = if may {
            Misfit::warning(
                "type",
                format!("may be {}, and B's field takes {wanted}", first.words()),
            )
        } else {
            Misfit::error(
                "type",
                format!("is {}, and B's field takes {wanted}", first.words()),
            )
        };
        let number = admitted.contains(&Kind::Number) || admitted.contains(&Kind::Integer);
        Some(match first {
            Kind::Text if number => {
                let filter = if admitted.contains(&Kind::Number) { "float" } else { "int" };
                misfit.help(format!("make it a number in the expression: `| {filter}`"))
            }
            Kind::Number if number => {
                misfit.help("say how a fraction is rounded: `| round | int`")
            }
            Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean if admitted.contains(&Kind::Text) => {
                misfit.help("make it a text in the expression: `| string`")
            }
            Kind::List if !admitted.contains(&Kind::List) => misfit
                .help("take one item of it, such as `| first`, or make one text of it, such as `| join(', ')`"),
            _ if admitted.contains(&Kind::List) => {
                misfit.help("a repeating group is a group with `$each: item in …` as its first line")
            }
            _ => misfit,
        })
    }

    /// Why `node` in B does not take every value that `theirs` in A may have.
    pub(super) fn misfits<'s>(
        &self,
        source: &FormSchema<'s>,
        theirs: &Node<'s>,
        node: &Node<'a>,
    ) -> Vec<Misfit> {
        let mut found = Vec::new();
        self.compare(source, theirs, node, &mut HashSet::new(), &mut found);
        found
    }

    fn compare<'s>(
        &self,
        source: &FormSchema<'s>,
        theirs: &Node<'s>,
        node: &Node<'a>,
        seen: &mut HashSet<(Node<'s>, Node<'a>)>,
        found: &mut Vec<Misfit>,
    ) {
        let is_new = seen.insert((theirs.clone(), node.clone()));
        if !is_new || seen.len() > MAX_PAIRS || found.len() > MAX_LISTED {
            return;
        }
        let (given, admitted) = (source.shape(theirs), self.form.shape(node));
        if let Some(misfit) = self.kind(&given.kinds, &admitted.kinds) {
            found.push(misfit);
            return;
        }
        found.extend(self.limits(&given, &admitted));
        if let (Some(given), Some(admitted)) = (&given.items, &admitted.items) {
            self.compare(source, given, admitted, seen, found);
        }
        if !admitted.is_closed() {
            return;
        }
        for (name, theirs) in &given.fields {
            let before = found.len();
            match admitted.field(name) {
                Some(node) => self.compare(source, theirs, node, seen, found),
                None => found.push(no_such_field()),
            }
            for misfit in found.drain(before..).collect::<Vec<_>>() {
                found.push(misfit.in_field(name));
            }
        }
    }

    /// What A's field may have and B's field does not take.
    fn limits(&self, given: &Shape<'_>, admitted: &Shape<'_>) -> Option<Misfit> {
        let (theirs, ours) = (&given.limits, &admitted.limits);
        if let Some(listed) = &theirs.admitted {
            let refused: Vec<(&Value, Misfit)> = listed
                .iter()
                .filter_map(|value| Some((*value, value_breaks(ours, value)?)))
                .collect();
            return if refused.len() < listed.len() {
                let words: Vec<_> = refused.iter().map(|(value, _)| plain(value)).collect();
                let (_, first) = refused.first()?;
                Some(
                    Misfit::warning(
                        first.code,
                        format!("may be {}, which B does not admit", one_of(&words)),
                    )
                    .help(
                        first
                            .help
                            .clone()
                            .unwrap_or_else(|| format!("B: it {}", first.what)),
                    ),
                )
            } else {
                let (_, first) = refused.into_iter().next()?;
                let words: Vec<_> = listed.iter().map(|value| plain(value)).collect();
                let what = format!("is one of {}, and B admits none of them", one_of(&words));
                Some(Misfit {
                    what,
                    suggestion: None,
                    ..first
                })
            };
        }
        // A's schema may have keywords that are not read here.
        if given.unsure {
            return None;
        }
        if let Some(listed) = &ours.admitted {
            let words: Vec<_> = listed.iter().map(|value| plain(value)).collect();
            let is_flag = given.kinds == BTreeSet::from([Kind::Boolean]) && listed.len() > 1;
            return (!is_flag).then(|| {
                Misfit::warning(
                    "enum",
                    format!("may be anything in A, and B admits {} only", one_of(&words)),
                )
            });
        }
        if let Some(limit) = ours.max_length
            && given.kinds.contains(&Kind::Text)
            && theirs.max_length.is_none_or(|longest| longest > limit)
            && !is_bounded(theirs, limit)
        {
            let longest = match theirs.max_length {
                Some(longest) => format!("may have {} in A", characters(longest)),
                None => "may have any length in A".into(),
            };
            return Some(
                Misfit::warning(
                    "length",
                    format!("{longest}, and B's field takes {limit} at most"),
                )
                .help(format!(
                    "shorten it in the expression, such as `[:{limit}]`, or limit it in A's schema"
                )),
            );
        }
        if let Some(limit) = ours.min_length.filter(|limit| *limit > 1)
            && given.kinds.contains(&Kind::Text)
            && theirs.min_length.is_none_or(|shortest| shortest < limit)
            && theirs.patterns.is_empty()
            && theirs.format.is_none()
        {
            return Some(Misfit::warning(
                "length",
                format!(
                    "may be shorter in A than the {} that B's field takes at least",
                    characters(limit)
                ),
            ));
        }
        if let Some(pattern) = ours
            .patterns
            .iter()
            .find(|pattern| !theirs.patterns.contains(pattern))
            && given.kinds.contains(&Kind::Text)
            && theirs.patterns.is_empty()
        {
            return Some(Misfit::warning(
                "pattern",
                format!("may be any text in A, and B's field takes what matches `{pattern}` only"),
            ));
        }
        if let Some(format) = ours.format.filter(|format| is_moment(format))
            && given.kinds.contains(&Kind::Text)
            && !moment_fits(theirs.format, format)
        {
            let given = match theirs.format {
                Some(format) => format!("is a `{format}` in A"),
                None => "may be any text in A".into(),
            };
            return Some(Misfit::warning(
                "format",
                format!("{given}, and B's field takes a `{format}`"),
            ));
        }
        let is_number = given.kinds.contains(&Kind::Number) || given.kinds.contains(&Kind::Integer);
        if let Some(least) = ours.minimum
            && is_number
            && theirs.minimum.is_none_or(|mine| mine < least)
        {
            return Some(Misfit::warning(
                "range",
                format!("may be less in A than {least}, the least that B's field takes"),
            ));
        }
        if let Some(most) = ours.maximum
            && is_number
            && theirs.maximum.is_none_or(|mine| mine > most)
        {
            return Some(Misfit::warning(
                "range",
                format!("may be more in A than {most}, the most that B's field takes"),
            ));
        }
        if let Some(most) = ours.max_items
            && given.is_list()
            && theirs.max_items.is_none_or(|mine| mine > most)
        {
            return Some(too_many(theirs.max_items, most));
        }
        None
    }
}

/// The misfit of a list that may have more items in A than B allows.
pub(super) fn too_many(theirs: Option<u64>, most: u64) -> Misfit {
    let many = match theirs {
        Some(many) => format!("may have {many} items in A"),
        None => "may have any number of items in A".into(),
    };
    Misfit::warning("items", format!("{many}, and B takes {most} at most")).help(format!(
        "take the first ones only: `[:{most}]`, or limit the list in A's schema"
    ))
}

fn no_such_field() -> Misfit {
    Misfit::error(
        "target-path",
        "is no field of B, which would drop it silently",
    )
}

/// Whether a pattern or format keeps texts short, as far as it can easily be told.
fn is_bounded(limits: &Limits<'_>, limit: u64) -> bool {
    // A date has ten characters, a date-time at most 35.
    let moment = match limits.format {
        Some("date") => limit >= 10,
        Some("date-time" | "time" | "uuid") => limit >= 36,
        _ => false,
    };
    let of_pattern = |pattern: &&str| regular::longest(pattern).is_some_and(|most| most <= limit);
    moment || limits.patterns.iter().any(of_pattern)
}

/// Which limit a value breaks, if any. A misfit never repeats the value.
fn value_breaks(limits: &Limits<'_>, value: &Value) -> Option<Misfit> {
    if let Some(listed) = &limits.admitted
        && !listed
            .iter()
            .any(|admitted| *admitted == value || plain(admitted) == plain(value))
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
        Value::Number(number) => number_breaks(limits, number.as_f64()?),
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
                "items",
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

fn number_breaks(limits: &Limits<'_>, number: f64) -> Option<Misfit> {
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
    let most = limits
        .maximum
        .filter(|most| number > *most || limits.below && number >= *most)?;
    let than = if limits.below {
        "not less than"
    } else {
        "more than"
    };
    Some(Misfit::error(
        "range",
        format!("is {than} {most}, and B's field takes no such number"),
    ))
}

/// The formats for which an app's model has types of their own.
fn is_moment(format: &str) -> bool {
    matches!(format, "date" | "date-time" | "time")
}

fn moment_fits(given: Option<&str>, wanted: &str) -> bool {
    // .NET also reads a date as a date-time.
    given == Some(wanted) || wanted == "date-time" && given == Some("date")
}

fn is_of_format(text: &str, format: &str) -> bool {
    let is_day = || text.parse::<civil::Date>().is_ok() && text.len() == 10;
    match format {
        "date" => is_day(),
        "time" => text.parse::<civil::Time>().is_ok(),
        // .NET also reads a date-time without a time zone.
        "date-time" => text.parse::<Timestamp>().is_ok() || text.parse::<civil::DateTime>().is_ok(),
        _ => true,
    }
}

/// A value as a message shows it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Values as a message lists them: only the first of many.
fn one_of(words: &[String]) -> String {
    let mut listed = quoted(words.iter().take(MAX_LISTED).map(String::as_str));
    if words.len() > MAX_LISTED {
        listed.push_str(&format!(" and {} more", words.len() - MAX_LISTED));
    }
    listed
}

#[cfg(test)]
mod tests;
