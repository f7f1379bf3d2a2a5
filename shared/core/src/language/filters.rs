//! The filters of the language: all that can stand behind `|`.

use std::borrow::Cow;

use super::{
    error::Problem,
    evaluate::{Call, Evaluated},
    infer::Applied,
    types::Type,
    typing,
    value::Value,
};

mod dates;
mod lists;
pub(super) mod numbers;
pub(super) mod text;

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
    plain("abs", &[], numbers::abs, typing::numbers::abs),
    plain(
        "add_days",
        &[needed("days")],
        dates::add_days,
        typing::dates::added_days,
    ),
    plain(
        "add_months",
        &[needed("months")],
        dates::add_months,
        typing::dates::added_months,
    ),
    plain(
        "add_years",
        &[needed("years")],
        dates::add_years,
        typing::dates::added_years,
    ),
    plain(
        "capitalize",
        &[],
        text::capitalize,
        typing::text::capitalize,
    ),
    plain("count", &[], lists::length, typing::lists::length),
    plain(
        "d",
        &[optional("value"), optional("boolean")],
        default,
        typing::default,
    ),
    plain(
        "date",
        &[optional("pattern"), optional("years_from")],
        dates::date,
        typing::dates::date,
    ),
    plain("datetime", &[], dates::datetime, typing::dates::datetime),
    plain("day", &[], dates::day, typing::dates::day),
    plain(
        "days_to",
        &[needed("date")],
        dates::days_to,
        typing::dates::distance,
    ),
    plain(
        "default",
        &[optional("value"), optional("boolean")],
        default,
        typing::default,
    ),
    plain("first", &[], lists::first, typing::lists::end),
    plain(
        "fixed",
        &[optional("places")],
        numbers::fixed,
        typing::numbers::written,
    ),
    plain("float", &[], numbers::as_number, typing::numbers::as_number),
    plain(
        "format",
        &[
            needed("value"),
            optional("second"),
            optional("third"),
            optional("fourth"),
        ],
        text::format,
        typing::text::format,
    ),
    plain(
        "format_date",
        &[needed("pattern")],
        dates::format_date,
        typing::dates::format_date,
    ),
    plain("int", &[], numbers::int, typing::numbers::int),
    of_items(
        "join",
        &[optional("separator"), optional("attribute")],
        lists::join,
        typing::lists::join,
    ),
    plain("last", &[], lists::last, typing::lists::end),
    plain("length", &[], lists::length, typing::lists::length),
    plain("lines", &[], text::lines, typing::text::lines),
    plain("list", &[], lists::list, typing::lists::list),
    plain("lower", &[], text::lower, typing::text::lower),
    read_as("map", &[], Form::Map),
    read_as("max", &[optional("attribute")], Form::Max),
    read_as("min", &[optional("attribute")], Form::Min),
    plain("month", &[], dates::month, typing::dates::month),
    plain(
        "norwegian",
        &[optional("places")],
        numbers::norwegian,
        typing::numbers::written,
    ),
    plain(
        "norwegian_day",
        &[],
        dates::norwegian_day,
        typing::dates::norwegian_day,
    ),
    plain(
        "norwegian_number",
        &[],
        numbers::norwegian_number,
        typing::numbers::norwegian_number,
    ),
    plain(
        "norwegian_time",
        &[],
        dates::norwegian_time,
        typing::dates::norwegian_time,
    ),
    plain(
        "number",
        &[],
        numbers::as_number,
        typing::numbers::as_number,
    ),
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
        text::replace,
        typing::text::replace,
    ),
    plain("reverse", &[], lists::reverse, typing::lists::list),
    plain(
        "round",
        &[optional("places"), optional("method")],
        numbers::round,
        typing::numbers::round,
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
    plain(
        "split",
        &[optional("separator")],
        text::split,
        typing::text::split,
    ),
    plain("string", &[], string, typing::string),
    of_items(
        "sum",
        &[optional("attribute")],
        lists::sum,
        typing::lists::sum,
    ),
    plain(
        "time",
        &[optional("pattern")],
        dates::time,
        typing::dates::time,
    ),
    plain("title", &[], text::title, typing::text::title),
    plain(
        "translate",
        &[needed("table"), optional("otherwise")],
        translate,
        typing::translate,
    ),
    plain("trim", &[], text::trim, typing::text::trim),
    read_as("unique", &[optional("attribute")], Form::Unique),
    plain("upper", &[], text::upper, typing::text::upper),
    read_as(
        "where",
        &[needed("attribute"), optional("value")],
        Form::Where,
    ),
    plain("year", &[], dates::year, typing::dates::year),
    plain(
        "years_to",
        &[needed("date")],
        dates::years_to,
        typing::dates::distance,
    ),
];

/// The filter of this name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// What a filter that is read into another node leaves to do: nothing.
fn itself<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    call.evaluation.value(call.of)
}

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
