//! Splits C# into tokens.

use std::sync::LazyLock;

use regex::Regex;

/// A token. A string literal is without its quotes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Literal(String),
    Mark(char),
}

impl Token {
    pub(super) fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?xs)
        (?: //[^\n]* | /\*.*?\*/ | \#[^\n]* | \s+ )
        | @" (?<verbatim> (?: [^"] | "" )* ) "
        | " (?<string> (?: [^"\\] | \\. )* ) "
        | '(?: [^'\\] | \\. )+'
        | (?<word> -? [\p{L}\p{Nd}_@] [\p{L}\p{Nd}_.]* )
        | (?<mark> . )"#,
    )
    .ok()
});

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let Some(pattern) = TOKEN.as_ref() else {
        return Vec::new();
    };
    let token = |found: regex::Captures<'_>| {
        if let Some(text) = found.name("verbatim") {
            return Some(Token::Literal(text.as_str().replace("\"\"", "\"")));
        }
        if let Some(text) = found.name("string") {
            return Some(Token::Literal(
                text.as_str().replace("\\\"", "\"").replace("\\\\", "\\"),
            ));
        }
        if let Some(word) = found.name("word") {
            return Some(Token::Word(
                word.as_str().trim_start_matches('@').to_owned(),
            ));
        }
        found
            .name("mark")
            .and_then(|mark| mark.as_str().chars().next())
            .map(Token::Mark)
    };
    pattern.captures_iter(text).filter_map(token).collect()
}
