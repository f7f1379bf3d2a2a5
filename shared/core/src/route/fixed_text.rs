//! What was meant by a text that stands where an expression must: YAML takes one pair of quotes, and the expression
//! needs one of its own.

use super::{Mistake, span::Scalar};

/// The words that join values in an expression.
const OPERATORS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

/// What to write in place of the whole scalar.
pub(super) struct Meant {
    pub(super) help: String,
    pub(super) suggestion: String,
}

/// What was meant by a scalar that was refused as an expression, if it was a fixed text or no value.
pub(super) fn meant(scalar: &Scalar, mistake: &Mistake, locals: &[String]) -> Option<Meant> {
    if !matches!(mistake, Mistake::UnknownName(_) | Mistake::ExpressionSyntax) {
        return None;
    }
    let text = scalar.text().trim_matches([' ', '\t', '\n']);
    if scalar.is_plain() && (text == "~" || text.eq_ignore_ascii_case("null")) {
        return Some(Meant {
            help: "write `none`".into(),
            suggestion: "none".into(),
        });
    }
    let text = within_odd_quotes(text);
    let is_text = is_text(text, locals) && (!scalar.is_plain() || is_prose(text));
    is_text.then(|| {
        let suggestion = format!("\"'{text}'\"");
        Meant {
            help: format!("a text stands in quotes within quotes: {suggestion}"),
            suggestion,
        }
    })
}

/// A text without the quotes around it that no expression has.
fn within_odd_quotes(text: &str) -> &str {
    const ODD: [(char, char); 5] = [
        ('\u{2018}', '\u{2019}'),
        ('\u{201c}', '\u{201d}'),
        ('\u{201d}', '\u{201d}'),
        ('\u{ab}', '\u{bb}'),
        ('\u{b4}', '\u{b4}'),
    ];
    let inside = |(opens, closes)| text.strip_prefix(opens)?.strip_suffix(closes);
    ODD.into_iter().find_map(inside).unwrap_or(text)
}

/// Whether a text has nothing of an expression: no quote, operator, call, or path, and no word that has a meaning.
fn is_text(text: &str, locals: &[String]) -> bool {
    let is_code = |c: char| c.is_control() || r#"'"\~|{}[]=<>*+%"#.contains(c);
    let has_meaning = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
        word.is_empty()
            || OPERATORS.contains(&word)
            || ["data", "instance"].contains(&word)
            // `row-1` is meant as a subtraction.
            || locals.iter().any(|local| word.split('-').next() == Some(local))
    };
    let joins = |join: char, is_before: fn(char) -> bool, is_behind: fn(char) -> bool| {
        text.match_indices(join).any(|(at, join)| {
            let (before, behind) = (text.get(..at), text.get(at + join.len()..));
            before.is_some_and(|it| it.ends_with(is_before))
                && behind.is_some_and(|it| it.starts_with(is_behind))
        })
    };
    let ends_name = |c: char| c.is_alphanumeric() || c == '?';
    let is_path = joins('.', ends_name, char::is_alphabetic);
    let is_call = joins('(', char::is_alphanumeric, |_| true);
    !text.is_empty()
        && !text.contains(is_code)
        && !is_path
        && !is_call
        && !text.split_whitespace().any(has_meaning)
}

/// Whether a text is made of words and what stands between words.
fn is_prose(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || " ,.!?-_:".contains(c))
}
