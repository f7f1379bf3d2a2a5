//! The filters of the language: all that can stand behind `|`.

use std::borrow::Cow;

use super::{
    calendar::{self, Pattern},
    error::{EvaluationError, Problem},
    evaluate::{Call, Evaluated},
    infer::Applied,
    number::{self, Rounding},
    printf,
    reading::{self, Decimals},
    types::Type,
    typing,
    value::Value,
};

/// A filter.
pub struct Filter {
    /// Its name.
    pub name: &'static str,
    /// Its parameters, in order.
    pub parameters: &'static [Parameter],
    /// How it is read.
    pub(super) form: Form,
    pub(super) evaluate: Evaluate,
    pub(super) infer: Infer,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A parameter of a filter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, by which an argument can be given.
    pub name: &'static str,
    /// Whether an argument must be given.
    pub is_required: bool,
}

/// How a filter is read: the ones that work on each item of a list become nodes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A function of a value and arguments.
    Plain,
    /// The same; with `attribute`, of the list of the items' fields.
    OfItems,
    /// `map('upper')`, `map(attribute='code')`
    Map,
    /// `select('number')`, `reject`, `selectattr('code', 'eq', 'A')`, `rejectattr`
    Keep { by_attribute: bool, wanted: bool },
    /// `where('code', 'A')`
    Where,
    /// `sort`
    Sort,
    /// `unique`
    Unique,
    /// `min`
    Min,
    /// `max`
    Max,
}

const fn needed(name: &'static str) -> Parameter {
    Parameter {
        name,
        is_required: true,
    }
}

const fn optional(name: &'static str) -> Parameter {
    Parameter {
        name,
        is_required: false,
    }
}

type Evaluate = for<'e, 'a> fn(&mut Call<'e, 'a>) -> Evaluated<'a>;
type Infer = for<'i, 'e, 's, 'a> fn(&mut Applied<'i, 'e, 's, 'a>) -> Type<'s, 'a>;

const fn plain(
    name: &'static str,
    parameters: &'static [Parameter],
    evaluate: Evaluate,
    infer: Infer,
) -> Filter {
    Filter {
        name,
        parameters,
        form: Form::Plain,
        evaluate,
        infer,
    }
}

/// A filter that is read into another node: only its name and form count.
const fn read_as(name: &'static str, parameters: &'static [Parameter], form: Form) -> Filter {
    Filter {
        name,
        parameters,
        form,
        evaluate: itself,
        infer: typing::itself,
    }
}

const fn of_items(
    name: &'static str,
    parameters: &'static [Parameter],
    evaluate: Evaluate,
    infer: Infer,
) -> Filter {
    Filter {
        name,
        parameters,
        form: Form::OfItems,
        evaluate,
        infer,
    }
}

/// All filters, in the order of their names.
pub static FILTERS: [Filter; 53] = [
    plain("abs", &[], abs, typing::abs),
    plain("add_days", &[needed("days")], add_days, typing::added_days),
    plain(
        "add_months",
        &[needed("months")],
        add_months,
        typing::added_months,
    ),
    plain(
        "add_years",
        &[needed("years")],
        add_years,
        typing::added_years,
    ),
    plain("capitalize", &[], capitalize, typing::capitalize),
    plain("count", &[], length, typing::length),
    plain(
        "d",
        &[optional("value"), optional("boolean")],
        default,
        typing::default,
    ),
    plain(
        "date",
        &[optional("pattern"), optional("years_from")],
        date,
        typing::date,
    ),
    plain("datetime", &[], datetime, typing::datetime),
    plain("day", &[], day, typing::day),
    plain("days_to", &[needed("date")], days_to, typing::distance),
    plain(
        "default",
        &[optional("value"), optional("boolean")],
        default,
        typing::default,
    ),
    plain("first", &[], first, typing::end),
    plain("fixed", &[optional("places")], fixed, typing::written),
    plain("float", &[], as_number, typing::as_number),
    plain(
        "format",
        &[
            needed("value"),
            optional("second"),
            optional("third"),
            optional("fourth"),
        ],
        format,
        typing::format,
    ),
    plain(
        "format_date",
        &[needed("pattern")],
        format_date,
        typing::format_date,
    ),
    plain("int", &[], int, typing::int),
    of_items(
        "join",
        &[optional("separator"), optional("attribute")],
        join,
        typing::join,
    ),
    plain("last", &[], last, typing::end),
    plain("length", &[], length, typing::length),
    plain("lines", &[], lines, typing::lines),
    plain("list", &[], list, typing::list),
    plain("lower", &[], lower, typing::lower),
    read_as("map", &[], Form::Map),
    read_as("max", &[optional("attribute")], Form::Max),
    read_as("min", &[optional("attribute")], Form::Min),
    plain("month", &[], month, typing::month),
    plain(
        "norwegian",
        &[optional("places")],
        norwegian,
        typing::written,
    ),
    plain("norwegian_day", &[], norwegian_day, typing::norwegian_day),
    plain(
        "norwegian_number",
        &[],
        norwegian_number,
        typing::norwegian_number,
    ),
    plain(
        "norwegian_time",
        &[],
        norwegian_time,
        typing::norwegian_time,
    ),
    plain("number", &[], as_number, typing::as_number),
    read_as(
        "reject",
        &[],
        Form::Keep {
            by_attribute: false,
            wanted: false,
        },
    ),
    read_as(
        "rejectattr",
        &[],
        Form::Keep {
            by_attribute: true,
            wanted: false,
        },
    ),
    plain(
        "replace",
        &[needed("old"), needed("new")],
        replace,
        typing::replace,
    ),
    plain("reverse", &[], reverse, typing::list),
    plain(
        "round",
        &[optional("places"), optional("method")],
        round,
        typing::round,
    ),
    read_as(
        "select",
        &[],
        Form::Keep {
            by_attribute: false,
            wanted: true,
        },
    ),
    read_as(
        "selectattr",
        &[],
        Form::Keep {
            by_attribute: true,
            wanted: true,
        },
    ),
    read_as(
        "sort",
        &[optional("reverse"), optional("attribute")],
        Form::Sort,
    ),
    plain("split", &[optional("separator")], split, typing::split),
    plain("string", &[], string, typing::string),
    of_items("sum", &[optional("attribute")], sum, typing::sum),
    plain("time", &[optional("pattern")], time, typing::time),
    plain("title", &[], title, typing::title),
    plain(
        "translate",
        &[needed("table"), optional("otherwise")],
        translate,
        typing::translate,
    ),
    plain("trim", &[], trim, typing::trim),
    read_as("unique", &[optional("attribute")], Form::Unique),
    plain("upper", &[], upper, typing::upper),
    read_as(
        "where",
        &[needed("attribute"), optional("value")],
        Form::Where,
    ),
    plain("year", &[], year, typing::year),
    plain("years_to", &[needed("date")], years_to, typing::distance),
];

/// The filter of this name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// What a filter that is read into another node leaves to do: nothing.
fn itself<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    call.evaluation.value(call.of)
}

// Any value.

fn default<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let value = call.evaluation.value(call.of)?;
    let replaces = value.is_empty() || call.flag(1)? && !value.is_true();
    match (replaces, call.argument(0)) {
        (false, _) => Ok(value),
        (true, Some(argument)) => call.evaluation.value(argument),
        (true, None) => Ok(Value::text("")),
    }
}

fn translate<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let code = call.evaluation.as_text(call.of)?;
    let table = match call.argument(0) {
        Some(table) => call.evaluation.needed(table)?,
        None => Value::Empty,
    };
    let Value::Group(table) = table else {
        return Err(call.wrong_argument(0, table.not("a group of fields")));
    };
    if table.names(&code) {
        return Ok(table.get(&code));
    }
    match call.argument(1) {
        Some(otherwise) => call.evaluation.value(otherwise),
        None => Err(call.wrong(Problem::UnknownCode)),
    }
}

fn string<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.evaluation.as_text(call.of)?;
    match text {
        Cow::Borrowed(text) => Ok(Value::text(text)),
        Cow::Owned(text) => call.evaluation.made(text),
    }
}

// Texts.

/// One letter for one letter, so that no text grows: `ß` stays `ß`.
fn upper_letter(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

fn lower_letter(letter: char) -> char {
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

fn changed<'a>(call: &mut Call<'_, 'a>, change: impl Fn(&str) -> String) -> Evaluated<'a> {
    let text = call.text()?;
    call.evaluation.made(change(&text))
}

pub(super) fn to_upper(text: &str) -> String {
    text.chars().map(upper_letter).collect()
}

pub(super) fn to_lower(text: &str) -> String {
    text.chars().map(lower_letter).collect()
}

pub(super) fn to_capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(upper_letter);
    first.into_iter().chain(letters.map(lower_letter)).collect()
}

pub(super) fn to_title(text: &str) -> String {
    let mut starts = true;
    let letter = |letter: char| {
        let written = if starts {
            upper_letter(letter)
        } else {
            lower_letter(letter)
        };
        starts = !letter.is_alphanumeric() && letter != '\'';
        written
    };
    text.chars().map(letter).collect()
}

fn upper<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_upper)
}

fn lower<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_lower)
}

fn capitalize<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_capitalized)
}

fn title<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_title)
}

fn trim<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, |text| text.trim().to_owned())
}

fn replace<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    let old = call.text_argument(0)?.unwrap_or_default();
    let new = call.text_argument(1)?.unwrap_or_default();
    if old.is_empty() {
        return Ok(Value::Text(text));
    }
    // Counted before it is made: a text can grow to any length here.
    let count = text.matches(&*old).count();
    call.evaluation.step(count.saturating_mul(new.len()) / 64)?;
    call.evaluation.made(text.replace(&*old, &new))
}

fn split<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    let parts: Vec<Value<'a>> = match call.text_argument(0)? {
        Some(separator) if !separator.is_empty() => text
            .split(&*separator)
            .map(|part| Value::text(part.to_owned()))
            .collect(),
        _ => text
            .split_whitespace()
            .map(|part| Value::text(part.to_owned()))
            .collect(),
    };
    call.evaluation.step(parts.len())?;
    Ok(Value::list(parts))
}

fn lines<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    let lines: Vec<Value<'a>> = text
        .lines()
        .map(|line| Value::text(line.to_owned()))
        .collect();
    call.evaluation.step(lines.len())?;
    Ok(Value::list(lines))
}

fn format<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let pattern = call.text()?;
    let pieces = printf::pieces(&pattern).map_err(|problem| call.wrong(problem))?;
    let mut text = String::new();
    let mut next = 0;
    for piece in pieces {
        match piece {
            printf::Piece::Text(piece) => text.push_str(piece),
            printf::Piece::Value(form) => {
                let Some(argument) = call.argument(next) else {
                    return Err(call.wrong(Problem::PatternUnfit));
                };
                next += 1;
                let written = match form {
                    printf::Form::Text => call.evaluation.as_text(argument)?.into_owned(),
                    printf::Form::Fixed(decimals) => {
                        reading::format_plain(call.evaluation.number(argument)?.value, decimals)
                    }
                    printf::Form::Whole { width } => {
                        let number = call.evaluation.exact(argument)?;
                        printf::padded(number.trunc(), width)
                    }
                };
                text.push_str(&written);
            }
        }
    }
    if call.argument(next).is_some() {
        return Err(call.wrong_argument(next, Problem::NoPlace));
    }
    call.evaluation.made(text)
}

// Numbers.

fn abs<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = call.evaluation.number(call.of)?;
    Ok(Value::Number(number::Number {
        value: number.value.abs(),
        ..number
    }))
}

/// The way to round that has this name.
fn rounding(method: &str) -> Option<Rounding> {
    Some(match method {
        "common" => Rounding::HalfAwayFromZero,
        "even" => Rounding::HalfEven,
        "ceil" => Rounding::Up,
        "floor" => Rounding::Down,
        _ => return None,
    })
}

/// Whether a text is the name of a way to round.
pub(super) fn is_rounding_method(text: &str) -> bool {
    rounding(text).is_some()
}

fn round<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = call.evaluation.number(call.of)?;
    // `round('even')` is as good as `round(0, 'even')`.
    let mut method = call.text_argument(1)?;
    let mut places = 0;
    if let Some(argument) = call.argument(0) {
        match call.evaluation.needed(argument)? {
            Value::Text(text) if method.is_none() => method = Some(text),
            _ => places = call.evaluation.whole(argument)?,
        }
    }
    let Some(how) = rounding(method.as_deref().unwrap_or("common")) else {
        let index = usize::from(call.argument(1).is_some());
        return Err(call.wrong_argument(index, Problem::RoundingMethod));
    };
    let places = i32::try_from(places.clamp(-30, 30)).unwrap_or_default();
    match number.rounded(places, how) {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err(call.wrong(Problem::DoesNotFit)),
    }
}

/// A number, or a text that is one.
fn read_number<'a>(call: &mut Call<'_, 'a>) -> Result<number::Number, EvaluationError> {
    match call.evaluation.needed(call.of)? {
        Value::Number(number) => Ok(number),
        Value::Text(text) => match reading::plain_number(text.trim()) {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(call.wrong(Problem::NoNumber)),
        },
        other => Err(call.wrong(other.not("a number"))),
    }
}

fn as_number<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::Number(read_number(call)?))
}

fn int<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = read_number(call)?;
    match number.rounded(0, Rounding::TowardsZero) {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err(call.wrong(Problem::DoesNotFit)),
    }
}

fn norwegian_number<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    match reading::norwegian_number(&text) {
        Ok(number) => Ok(Value::number(number)),
        Err(_) => Err(call.wrong(Problem::NoNorwegianNumber)),
    }
}

/// How many decimals a number is written with.
fn decimals(call: &mut Call<'_, '_>) -> Result<Decimals, EvaluationError> {
    let count = call.whole_argument(0)?.unwrap_or(2);
    let decimals = u32::try_from(count).ok().and_then(Decimals::new);
    decimals.ok_or_else(|| call.wrong_argument(0, Problem::TooLarge))
}

fn to_write(call: &mut Call<'_, '_>) -> Result<rust_decimal::Decimal, EvaluationError> {
    // What is rounded anyway need not be exact.
    Ok(call.evaluation.number(call.of)?.value)
}

fn fixed<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = to_write(call)?;
    let decimals = decimals(call)?;
    call.evaluation
        .made(reading::format_plain(number, decimals))
}

fn norwegian<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let number = to_write(call)?;
    let decimals = decimals(call)?;
    call.evaluation
        .made(reading::format_norwegian(number, decimals))
}

// Dates.

fn pattern(call: &mut Call<'_, '_>, index: usize) -> Result<Option<Pattern>, EvaluationError> {
    let Some(text) = call.text_argument(index)? else {
        return Ok(None);
    };
    match Pattern::new(&text) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(_) => Err(call.wrong_argument(index, Problem::NoPattern)),
    }
}

fn date<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

fn time<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

fn datetime<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::DateTime(moment(call)?))
}

fn norwegian_day<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::Date(calendar::norwegian_day(moment(call)?)))
}

fn norwegian_time<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

fn format_date<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

fn added<'a>(
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

fn add_days<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_days)
}

fn add_months<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_months)
}

fn add_years<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    added(call, calendar::add_years)
}

fn days_to<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let (from, to) = (as_date(call)?, date_argument(call)?);
    Ok(Value::number(calendar::days_between(from, to)))
}

fn years_to<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let (from, to) = (as_date(call)?, date_argument(call)?);
    Ok(Value::number(calendar::years_between(from, to)))
}

fn year<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.year()))
}

fn month<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.month()))
}

fn day<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::number(as_date(call)?.day()))
}

// Lists.

/// How many items, characters or fields; nothing has none.
fn length<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let length = match call.evaluation.value(call.of)? {
        Value::Empty => 0,
        Value::Text(text) => text.chars().count(),
        Value::List(list) => list.len(),
        Value::Group(group) => group.len(),
        other => return Err(call.wrong(other.not("a list or a text"))),
    };
    Ok(Value::number(u64::try_from(length).unwrap_or(u64::MAX)))
}

fn list<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::List(call.evaluation.list(call.of)?))
}

fn first<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(call
        .evaluation
        .list(call.of)?
        .get(0)
        .unwrap_or(Value::Empty))
}

fn last<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let list = call.evaluation.list(call.of)?;
    let last = list.len().checked_sub(1).and_then(|last| list.get(last));
    Ok(last.unwrap_or(Value::Empty))
}

fn reverse<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let list = call.evaluation.list(call.of)?;
    Ok(Value::list(list.iter().rev().collect()))
}

fn sum<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let list = call.evaluation.list(call.of)?;
    let mut sum = number::Number::from(rust_decimal::Decimal::ZERO);
    for item in list.iter() {
        match item {
            // What is empty adds nothing.
            Value::Empty => {}
            Value::Number(number) => {
                sum = match sum.plus(number) {
                    Ok(sum) => sum,
                    Err(_) => return Err(call.wrong(Problem::DoesNotFit)),
                };
            }
            other => {
                return Err(call.wrong(Problem::Item {
                    is: other.words(),
                    wanted: "a number",
                }));
            }
        }
    }
    Ok(Value::Number(sum))
}

fn join<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let separator = call.text_argument(0)?.unwrap_or_default();
    let list = call.evaluation.list(call.of)?;
    let mut text = String::new();
    let mut is_first = true;
    // What is empty is left out, its separator as well.
    for item in list.iter().filter(|item| !item.is_empty()) {
        if !is_first {
            text.push_str(&separator);
        }
        is_first = false;
        match item.as_text() {
            Ok(item) => text.push_str(&item),
            Err(Problem::Type { is, wanted }) => {
                return Err(call.wrong(Problem::Item { is, wanted }));
            }
            Err(problem) => return Err(call.wrong(problem)),
        }
        call.evaluation.step(1 + separator.len() / 64)?;
    }
    call.evaluation.made(text)
}
