//! The tests of the language: all that can stand behind `is`.

use super::{
    calendar,
    error::{EvaluationError, Problem},
    evaluate::TestCall,
    identity, reading,
    value::Value,
};

/// A test.
pub struct ValueTest {
    /// Its name.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arguments: usize,
    pub(super) holds: for<'e, 'a> fn(&mut TestCall<'e, 'a>) -> Held,
}

type Held = Result<bool, EvaluationError>;

impl std::fmt::Debug for ValueTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn test(
    name: &'static str,
    holds: for<'e, 'a> fn(&mut TestCall<'e, 'a>) -> Held,
) -> ValueTest {
    ValueTest {
        name,
        arguments: 0,
        holds,
    }
}

const fn test_with(
    name: &'static str,
    holds: for<'e, 'a> fn(&mut TestCall<'e, 'a>) -> Held,
) -> ValueTest {
    ValueTest {
        name,
        arguments: 1,
        holds,
    }
}

/// All tests, in the order of their names.
pub static TESTS: [ValueTest; 39] = [
    test("boolean", |call| {
        Ok(matches!(call.value()?, Value::Boolean(_)))
    }),
    test("date", |call| {
        Ok(match call.value()? {
            Value::Date(_) => true,
            Value::Text(text) => calendar::parse_date(&text).is_ok(),
            _ => false,
        })
    }),
    test("datetime", |call| {
        Ok(match call.value()? {
            Value::DateTime(_) => true,
            Value::Text(text) => matches!(
                calendar::parse_date_time(&text),
                Ok(calendar::Moment::Instant(_))
            ),
            _ => false,
        })
    }),
    test("defined", |call| Ok(!call.value()?.is_empty())),
    test_with("divisibleby", divisible),
    test("empty", |call| {
        Ok(match call.value()? {
            Value::Empty => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.len() == 0,
            Value::Group(group) => group.len() == 0,
            _ => false,
        })
    }),
    test_with("endingwith", |call| {
        pieces(call, |text, end| text.ends_with(end))
    }),
    test_with("eq", equal),
    test_with("equalto", equal),
    test("even", |call| parity(call, true)),
    test("false", |call| {
        Ok(matches!(call.value()?, Value::Boolean(false)))
    }),
    test_with("ge", |call| ordered(call, std::cmp::Ordering::is_ge)),
    test_with("greaterthan", |call| {
        ordered(call, std::cmp::Ordering::is_gt)
    }),
    test("group", is_group),
    test_with("gt", |call| ordered(call, std::cmp::Ordering::is_gt)),
    test_with("in", is_in),
    test("integer", is_integer),
    test("iterable", is_list),
    test_with("le", |call| ordered(call, std::cmp::Ordering::is_le)),
    test_with("lessthan", |call| ordered(call, std::cmp::Ordering::is_lt)),
    test("list", is_list),
    test_with("lt", |call| ordered(call, std::cmp::Ordering::is_lt)),
    test("mapping", is_group),
    test("national_identity_number", |call| {
        Ok(match call.value()? {
            Value::Text(text) => identity::is_national_identity_number(&text),
            _ => false,
        })
    }),
    test_with("ne", |call| Ok(!equal(call)?)),
    test("none", |call| Ok(call.value()?.is_empty())),
    test("norwegian_number", |call| {
        Ok(match call.value()? {
            Value::Text(text) => reading::norwegian_number(&text).is_ok(),
            _ => false,
        })
    }),
    test("number", |call| {
        Ok(matches!(call.value()?, Value::Number(_)))
    }),
    test("numeric", |call| {
        Ok(match call.value()? {
            Value::Number(_) => true,
            Value::Text(text) => reading::plain_number(text.trim()).is_ok(),
            _ => false,
        })
    }),
    test("odd", |call| parity(call, false)),
    test("organisation_number", |call| {
        Ok(match call.value()? {
            Value::Text(text) => identity::is_organisation_number(&text),
            _ => false,
        })
    }),
    test_with("sameas", equal),
    test("sequence", is_list),
    test_with("startingwith", |call| {
        pieces(call, |text, start| text.starts_with(start))
    }),
    test("string", is_text),
    test("text", is_text),
    test("time", |call| {
        Ok(match call.value()? {
            Value::Time(_) => true,
            Value::Text(text) => calendar::parse_time(&text).is_ok(),
            _ => false,
        })
    }),
    test("true", |call| {
        Ok(matches!(call.value()?, Value::Boolean(true)))
    }),
    test("undefined", |call| Ok(call.value()?.is_empty())),
];

/// The test of this name.
pub(super) fn find(name: &str) -> Option<&'static ValueTest> {
    let name = match name {
        "==" => "eq",
        "!=" => "ne",
        "<" => "lt",
        "<=" => "le",
        ">" => "gt",
        ">=" => "ge",
        name => name,
    };
    TESTS.iter().find(|test| test.name == name)
}

fn is_text(call: &mut TestCall<'_, '_>) -> Held {
    Ok(matches!(call.value()?, Value::Text(_)))
}

fn is_list(call: &mut TestCall<'_, '_>) -> Held {
    Ok(matches!(call.value()?, Value::List(_)))
}

fn is_group(call: &mut TestCall<'_, '_>) -> Held {
    Ok(matches!(call.value()?, Value::Group(_)))
}

fn is_integer(call: &mut TestCall<'_, '_>) -> Held {
    Ok(match call.value()? {
        Value::Number(number) => number.is_exact && number.value.fract().is_zero(),
        _ => false,
    })
}

fn equal(call: &mut TestCall<'_, '_>) -> Held {
    let (a, b) = (call.value()?, call.argument()?);
    a.equals(&b).map_err(|problem| call.wrong(problem))
}

fn ordered(call: &mut TestCall<'_, '_>, wanted: fn(std::cmp::Ordering) -> bool) -> Held {
    let argument = call.argument_expr();
    Ok(wanted(call.evaluation.order(call.of, argument)?))
}

fn pieces(call: &mut TestCall<'_, '_>, holds: fn(&str, &str) -> bool) -> Held {
    let text = match call.value()? {
        Value::Empty => return Ok(false),
        Value::Text(text) => text,
        other => return Err(call.wrong(other.not("a text"))),
    };
    match call.needed_argument()? {
        Value::Text(piece) => Ok(holds(&text, &piece)),
        other => Err(call.wrong_argument(other.not("a text"))),
    }
}

fn is_in(call: &mut TestCall<'_, '_>) -> Held {
    let argument = call.argument_expr();
    call.evaluation.contains(argument, call.of)
}

fn whole(call: &mut TestCall<'_, '_>) -> Result<rust_decimal::Decimal, EvaluationError> {
    let value = call.needed()?;
    let number = value.exact().map_err(|problem| call.wrong(problem))?;
    if number.fract().is_zero() {
        Ok(number)
    } else {
        Err(call.wrong(Problem::NotWhole))
    }
}

fn parity(call: &mut TestCall<'_, '_>, even: bool) -> Held {
    let rest = whole(call)? % rust_decimal::Decimal::TWO;
    Ok(rest.is_zero() == even)
}

fn divisible(call: &mut TestCall<'_, '_>) -> Held {
    let number = whole(call)?;
    let divisor = call.needed_argument()?.exact();
    let divisor = divisor.map_err(|problem| call.wrong_argument(problem))?;
    match number.checked_rem(divisor) {
        Some(rest) => Ok(rest.is_zero()),
        None => Err(call.wrong_argument(Problem::Zero)),
    }
}
