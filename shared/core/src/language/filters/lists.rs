//! The filters of lists.

use crate::language::{
    error::Problem,
    evaluate::{Call, Evaluated},
    number,
    value::Value,
};

/// How many items, characters or fields; nothing has none.
pub(super) fn length<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let length = match call.evaluation.value(call.of)? {
        Value::Empty => 0,
        Value::Text(text) => text.chars().count(),
        Value::List(list) => list.len(),
        Value::Group(group) => group.len(),
        other => return Err(call.wrong(other.not("a list or a text"))),
    };
    Ok(Value::number(u64::try_from(length).unwrap_or(u64::MAX)))
}

pub(super) fn list<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(Value::List(call.evaluation.list(call.of)?))
}

pub(super) fn first<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    Ok(call
        .evaluation
        .list(call.of)?
        .get(0)
        .unwrap_or(Value::Empty))
}

pub(super) fn last<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let list = call.evaluation.list(call.of)?;
    let last = list.len().checked_sub(1).and_then(|last| list.get(last));
    Ok(last.unwrap_or(Value::Empty))
}

pub(super) fn reverse<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let list = call.evaluation.list(call.of)?;
    Ok(Value::list(list.iter().rev().collect()))
}

pub(super) fn sum<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

pub(super) fn join<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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
