//! The filters of texts.

use crate::language::{
    error::Problem,
    evaluate::{Call, Evaluated},
    printf, reading,
    value::Value,
};

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

pub(in crate::language) fn to_upper(text: &str) -> String {
    text.chars().map(upper_letter).collect()
}

pub(in crate::language) fn to_lower(text: &str) -> String {
    text.chars().map(lower_letter).collect()
}

pub(in crate::language) fn to_capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(upper_letter);
    first.into_iter().chain(letters.map(lower_letter)).collect()
}

pub(in crate::language) fn to_title(text: &str) -> String {
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

pub(super) fn upper<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_upper)
}

pub(super) fn lower<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_lower)
}

pub(super) fn capitalize<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_capitalized)
}

pub(super) fn title<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, to_title)
}

pub(super) fn trim<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    changed(call, |text| text.trim().to_owned())
}

pub(super) fn replace<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

pub(super) fn split<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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

pub(super) fn lines<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
    let text = call.text()?;
    let lines: Vec<Value<'a>> = text
        .lines()
        .map(|line| Value::text(line.to_owned()))
        .collect();
    call.evaluation.step(lines.len())?;
    Ok(Value::list(lines))
}

pub(super) fn format<'a>(call: &mut Call<'_, 'a>) -> Evaluated<'a> {
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
