//! Whether a field of B takes a value, or every value that a field of A may have.

use std::collections::{BTreeSet, HashSet};

use rust_decimal::Decimal;
use serde_json::Value;
use stafett_core::{
    language::{
        calendar, number,
        types::{self, Fields, Type},
    },
    schema::{
        is_date_time, is_pattern_read,
        limits::Limits,
        shape::{FormSchema, Kind, Node, Shape},
    },
};

use super::regular;
use crate::{
    check::words::{characters, known, nearest, quoted},
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
    /// The type that would do, in words, and the filter that makes it of the value.
    conversion: Option<(&'static str, &'static str)>,
    /// Whether it is about each item of the list, and not about the list.
    of_item: bool,
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
            conversion: None,
            of_item: false,
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

    fn convert(mut self, wanted: &'static str, filter: &'static str) -> Self {
        self.conversion = Some((wanted, filter));
        self
    }

    /// The same about an item of a list. What can be done with one value cannot be done with the list.
    fn in_item(mut self) -> Self {
        if self.below.is_empty() {
            self.of_item = true;
            self.limit_in_schema();
        }
        self
    }

    fn limit_in_schema(&mut self) {
        if self.code == "length" && self.help.is_some() {
            self.help = Some("limit it in A's schema".to_owned());
        }
    }

    /// What the sentence is about: the value of `expression`, or a part of it.
    pub(super) fn subject(&self, expression: &str) -> String {
        match (self.below.as_str(), self.of_item) {
            ("", false) => format!("`{expression}`"),
            ("", true) => format!("an item of `{expression}`"),
            (below, false) => format!("`{below}` in `{expression}`"),
            (below, true) => format!("an item of `{below}` in `{expression}`"),
        }
    }

    /// What to do about it.
    pub(super) fn way_out(&self) -> Option<String> {
        let Some((wanted, filter)) = self.conversion else {
            return self.help.clone();
        };
        Some(match (self.below.is_empty(), self.of_item) {
            (true, false) => format!("make it {wanted} in the expression: `| {filter}`"),
            (true, true) => format!("make each {wanted} in the expression: `| map('{filter}')`"),
            (false, false) => {
                format!("write the group field by field, and make this one {wanted}: `| {filter}`")
            }
            (false, true) => format!(
                "write the group field by field, and make each of these {wanted}: `| map('{filter}')`"
            ),
        })
    }

    fn in_field(mut self, name: &str) -> Self {
        self.limit_in_schema();
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
    /// Whether B's required fields and the fewest items of its lists count.
    pub(super) is_complete: bool,
}

impl<'a> FormTarget<'_, 'a> {
    /// Why `node` does not take `value`, if it does not.
    pub(super) fn refuses(&self, node: &Node<'a>, value: &Value) -> Option<Misfit> {
        self.refuses_at(node, value, 0)
    }

    fn refuses_at(&self, node: &Node<'a>, value: &Value, depth: usize) -> Option<Misfit> {
        let shape = self.form.shape(node);
        // The simplified request carries texts, of which B reads no digit as a truth value.
        let as_read = self.is_validated.then(|| read_as(value, &shape)).flatten();
        let value = as_read.as_ref().unwrap_or(value);
        let kind = Kind::of(value)?;
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(misfit) = self.kind(&BTreeSet::from([kind]), &shape.kinds, true) {
            return Some(field_by_field(misfit, kind, &shape));
        }
        // Of an empty list there is no element, and its items are not counted.
        if let Some(misfit) = value_breaks(&shape.limits, value)
            && (misfit.code != "few-items" || self.is_complete && !has_no_element(value))
        {
            return Some(misfit);
        }
        match value {
            Value::Array(items) => {
                let node = shape.items.as_ref()?;
                if items.iter().any(Value::is_null) && self.form.shape(node).refuses_null {
                    return Some(Misfit::error("may-be-empty", HOLES));
                }
                items
                    .iter()
                    .find_map(|item| self.refuses_at(node, item, depth + 1))
                    .map(Misfit::in_item)
            }
            Value::Object(fields) => {
                let is_set = |name: &str| {
                    let node = shape.field(name);
                    node.is_some_and(|node| self.form.shape(node).is_fixed)
                };
                let is_lacking = |name: &&&str| {
                    self.is_complete
                        && fields.get(**name).is_none_or(has_no_element)
                        && !is_set(name)
                };
                if let Some(name) = shape.required.iter().find(is_lacking) {
                    return Some(not_there().in_field(name));
                }
                fields.iter().find_map(|(name, value)| {
                    let misfit = match shape.field(name) {
                        Some(node) => self.refuses_at(node, value, depth + 1),
                        None if shape.is_closed() => Some(no_such_field()),
                        None => None,
                    };
                    misfit.map(|misfit| misfit.in_field(name))
                })
            }
            _ => None,
        }
    }

    /// Why values of the kinds `given` do not fit where the kinds `admitted` are allowed, if they do not. Of a text that may be
    /// any, B takes those that are numbers or truth values; `is_value` says that it is none of them.
    fn kind(
        &self,
        given: &BTreeSet<Kind>,
        admitted: &BTreeSet<Kind>,
        is_value: bool,
    ) -> Option<Misfit> {
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
        let is_read = !is_value
            && first == Kind::Text
            && [Kind::Number, Kind::Integer, Kind::Boolean]
                .iter()
                .any(|kind| admitted.contains(kind));
        let misfit = if is_read {
            let what = format!(
                "is a text, and B's field takes {wanted}: no B is made of a text that is none"
            );
            Misfit::warning("type", what)
        } else if may {
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
                misfit.convert("a number", filter)
            }
            Kind::Number if number => {
                misfit.help("say how a fraction is rounded: `| round | int`")
            }
            Kind::Boolean if admitted.contains(&Kind::Text) => {
                misfit.help("say the texts in the expression: `'ja' if … else 'nei'`")
            }
            Kind::Integer | Kind::Number if admitted.contains(&Kind::Text) => {
                misfit.convert("a text", "string")
            }
            Kind::List if !admitted.contains(&Kind::List) => misfit
                .help("take one item of it, such as `| first`, or make one text of it, such as `| join(', ')`"),
            Kind::Group if !admitted.contains(&Kind::Group) && !admitted.contains(&Kind::List) => {
                misfit.help("name one of its fields")
            }
            _ if admitted.contains(&Kind::List) => {
                misfit.help("a repeating group is a group with `$each: item in …` as its first line")
            }
            _ => misfit,
        })
    }

    /// Why `node` in B does not take every value of this type.
    pub(super) fn misfits<'s>(&self, given: &Type<'_, 's>, node: &Node<'a>) -> Vec<Misfit> {
        let mut found = Vec::new();
        self.compare(given, node, 0, &mut HashSet::new(), &mut found);
        found
    }

    fn compare<'s>(
        &self,
        given: &Type<'_, 's>,
        node: &Node<'a>,
        depth: usize,
        seen: &mut HashSet<(Node<'s>, Node<'a>)>,
        found: &mut Vec<Misfit>,
    ) {
        if depth > MAX_DEPTH || seen.len() > MAX_PAIRS || found.len() > MAX_LISTED {
            return;
        }
        let admitted = self.form.shape(node);
        let kinds: BTreeSet<Kind> = given.known().map(kind_of).collect();
        if let Some(misfit) = self.kind(&kinds, &admitted.kinds, false) {
            let misfit = match (kinds.first(), first_field_of_items(given)) {
                (Some(Kind::List), Some(name)) if !admitted.kinds.contains(&Kind::List) => misfit
                    .help(format!(
                        "take a field of one item, `(… | first).{name}`, or make one text of a field of each, `| join(', ', '{name}')`"
                    )),
                (Some(kind), _) => field_by_field(misfit, *kind, &admitted),
                (None, _) => misfit,
            };
            found.push(misfit);
            return;
        }
        for kind in given.known() {
            match kind {
                types::Kind::Text(limits) => found.extend(text_misfit(limits, &admitted)),
                types::Kind::Number { limits, .. } => {
                    found.extend(number_misfit(limits, &admitted))
                }
                types::Kind::Boolean => found.extend(flag_misfit(&admitted)),
                types::Kind::Date => found.extend(text_misfit(&of_format("date"), &admitted)),
                types::Kind::DateTime => {
                    found.extend(text_misfit(&of_format("date-time"), &admitted))
                }
                types::Kind::Time => found.extend(text_misfit(&of_format("time"), &admitted)),
                types::Kind::List { least, most, .. } => {
                    let least = if self.is_complete { *least } else { u64::MAX };
                    found.extend(count_misfit(least, *most, &admitted));
                    if let (Some(item), Some(items)) = (given.item(), &admitted.items) {
                        if item.may_be_empty && self.form.shape(items).refuses_null {
                            let help = "leave them out: `| select('defined')`";
                            found.push(Misfit::warning("may-be-empty", HOLES).help(help));
                        }
                        let before = found.len();
                        self.compare(&item, items, depth + 1, seen, found);
                        let of_items = found.drain(before..).map(Misfit::in_item);
                        let of_items: Vec<_> = of_items.collect();
                        found.extend(of_items);
                    }
                }
                types::Kind::Group(fields) => {
                    self.fields(fields, node, &admitted, depth, seen, found)
                }
            }
        }
    }

    fn fields<'s>(
        &self,
        fields: &Fields<'_, 's>,
        node: &Node<'a>,
        admitted: &Shape<'a>,
        depth: usize,
        seen: &mut HashSet<(Node<'s>, Node<'a>)>,
        found: &mut Vec<Misfit>,
    ) {
        // A group within itself is compared once.
        if let Fields::Given(_, theirs) = fields
            && !seen.insert((theirs.clone(), node.clone()))
        {
            return;
        }
        if !admitted.is_closed() {
            return;
        }
        let fields = fields.all();
        for (name, field) in &fields {
            let before = found.len();
            match admitted.field(name) {
                Some(node) => self.compare(field, node, depth + 1, seen, found),
                None => found.push(no_such_field()),
            }
            if self.is_complete
                && may_be_left_out(field)
                && admitted.required.contains(name.as_str())
            {
                let what = "may be empty, and B requires this field";
                found.push(Misfit::warning("may-be-empty", what));
            }
            for misfit in found.drain(before..).collect::<Vec<_>>() {
                found.push(misfit.in_field(name));
            }
        }
        let is_set = |name: &str| {
            let node = admitted.field(name);
            node.is_some_and(|node| self.form.shape(node).is_fixed)
        };
        for name in admitted.required.iter().filter(|_| self.is_complete) {
            if !fields.iter().any(|(known, _)| known == name) && !is_set(name) {
                found.push(not_there().in_field(name));
            }
        }
    }
}

/// The misfit of a single value where B has a group: which fields the group has.
fn field_by_field(misfit: Misfit, given: Kind, admitted: &Shape<'_>) -> Misfit {
    let is_group = admitted.kinds.contains(&Kind::Group) && admitted.is_closed();
    if !is_group || matches!(given, Kind::List | Kind::Group) {
        return misfit;
    }
    let names = known(admitted.names());
    misfit.help(format!("write the group field by field: it has {names}"))
}

/// The first field of a list's items, if these are groups of which some field is known.
fn first_field_of_items(given: &Type<'_, '_>) -> Option<String> {
    let item = given.item()?;
    let fields = item.known().find_map(|kind| match kind {
        types::Kind::Group(fields) => Some(fields.all()),
        _ => None,
    })?;
    fields.into_iter().next().map(|(name, _)| name.to_string())
}

/// Whether B gets no element of a value.
pub(super) fn has_no_element(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether B may get no element of it: it may be empty, or a list without items.
pub(super) fn may_be_left_out(given: &Type<'_, '_>) -> bool {
    given.may_be_empty
        || given
            .known()
            .any(|kind| matches!(kind, types::Kind::List { least: 0, .. }))
}

/// The value that B's class makes of another one that it reads without loss: a number of a text, true or false of a digit.
fn read_as(value: &Value, admitted: &Shape<'_>) -> Option<Value> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if admitted.kinds.is_empty() || Kind::of(value)?.fits(&admitted.kinds) {
        return None;
    }
    if admitted.kinds.contains(&Kind::Boolean) {
        return match text.as_str() {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        };
    }
    let is_plain = !text.contains(['e', 'E']);
    is_plain
        .then(|| text.parse().ok().map(Value::Number))
        .flatten()
}

/// The kind of a value as a schema names it.
fn kind_of(kind: &types::Kind<'_, '_>) -> Kind {
    match kind {
        types::Kind::Text(_) | types::Kind::Date | types::Kind::DateTime | types::Kind::Time => {
            Kind::Text
        }
        types::Kind::Number { limits, .. } if limits.decimals == Some(0) => Kind::Integer,
        types::Kind::Number { .. } => Kind::Number,
        types::Kind::Boolean => Kind::Boolean,
        types::Kind::List { .. } => Kind::List,
        types::Kind::Group(_) => Kind::Group,
    }
}

/// A text of a format.
fn of_format(format: &'static str) -> Limits<'static> {
    Limits {
        format: Some(format),
        ..Limits::default()
    }
}

/// What a value of these may be and B's field does not take, where the values are listed.
fn listed_misfit(listed: &[std::borrow::Cow<'_, Value>], ours: &Limits<'_>) -> Option<Misfit> {
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

fn flag_misfit(admitted: &Shape<'_>) -> Option<Misfit> {
    let listed = admitted.limits.admitted.as_ref()?;
    (listed.len() < 2).then(|| listed_only(admitted)).flatten()
}

fn text_misfit(theirs: &Limits<'_>, admitted: &Shape<'_>) -> Option<Misfit> {
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

fn number_misfit(theirs: &Limits<'_>, admitted: &Shape<'_>) -> Option<Misfit> {
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

fn is_multiple(number: Decimal, step: Decimal) -> bool {
    number.checked_rem(step).is_some_and(|rest| rest.is_zero())
}

/// Whether every number of these has the 15 digits at most that every double of .NET holds.
fn has_digits_of_double(theirs: &Limits<'_>) -> bool {
    let (least, most, places) = types::bounds(theirs);
    let whole = least.abs().max(most.abs()).trunc().to_string().len();
    whole + places as usize <= 15
}

/// Whether a double of .NET is written with the digits of this number again.
fn is_double(number: Decimal) -> bool {
    let nearest: Option<f64> = number.to_string().parse().ok();
    let again = nearest.and_then(|nearest| Decimal::from_str_exact(&nearest.to_string()).ok());
    again == Some(number)
}

fn count_misfit(least: u64, most: Option<u64>, admitted: &Shape<'_>) -> Option<Misfit> {
    if let Some(limit) = admitted.limits.max_items
        && most.is_none_or(|most| most > limit)
    {
        return Some(too_many(most, limit));
    }
    let limit = admitted.limits.min_items.filter(|limit| least < *limit)?;
    Some(too_few(least, limit))
}

/// The misfit of a list that may have fewer items than B takes.
pub(super) fn too_few(theirs: u64, least: u64) -> Misfit {
    Misfit::warning(
        "items",
        format!("may have {theirs} items, and B takes {least} at least"),
    )
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

/// A list whose items may be empty.
const HOLES: &str = "may have empty items, and B takes none";

fn not_there() -> Misfit {
    Misfit::error("required", "is not there, and B requires it")
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

/// Which limit a value breaks, if any. A misfit never repeats the value.
fn value_breaks(limits: &Limits<'_>, value: &Value) -> Option<Misfit> {
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

/// The formats for which an app's model has types of their own.
fn is_moment(format: &str) -> bool {
    matches!(format, "date" | "date-time" | "time")
}

fn moment_fits(given: Option<&str>, wanted: &str) -> bool {
    // .NET also reads a date as a date-time.
    given == Some(wanted) || wanted == "date-time" && matches!(given, Some("date" | "instant"))
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
