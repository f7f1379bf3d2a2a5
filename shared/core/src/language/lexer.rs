//! Splits the text of an expression into tokens.

use std::ops::Range;

use rust_decimal::Decimal;

use super::{error::SyntaxError, number, odd};

/// A token and the bytes of the text in which it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name or a word of the language.
    Word(String),
    /// A number.
    Number(Decimal),
    /// A text, without its quotes and escapes.
    Text(String),
    /// An operator, a bracket or a comma.
    Sign(&'static str),
}

/// The signs of the language. Those of two characters come first.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "//", "**", ".", ",", ":", "|", "~", "+", "-", "*", "/", "%", "<", ">",
    "=", "(", ")", "[", "]", "{", "}", "&", "!",
];

/// The tokens of `source`.
///
/// # Errors
/// [`SyntaxError`] for a character, a number or a text that the language does not have.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

/// Whether `text` is a name as it can stand in an expression without quotes.
pub(super) fn is_name(text: &str) -> bool {
    let lexer = Lexer {
        source: text,
        at: 0,
    };
    text.starts_with(starts_name) && lexer.word().len() == text.len()
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

fn starts_name(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn continues_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Option<Token>, SyntaxError> {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.at += self.rest().len() - self.rest().trim_start_matches(blank).len();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        let kind = if starts_name(first) {
            let word = self.word();
            self.at += word.len();
            TokenKind::Word(word.to_owned())
        } else if first.is_ascii_digit() {
            TokenKind::Number(self.number()?)
        } else if matches!(first, '\'' | '"') {
            TokenKind::Text(self.text(first)?)
        } else if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            TokenKind::Sign(sign)
        } else {
            return Err(odd::character(first, start));
        };
        Ok(Some(Token {
            kind,
            span: start..self.at,
        }))
    }

    /// The name at this place. A hyphen belongs to it where a letter or digit follows: most forms that come
    /// from Altinn 2 have such names.
    fn word(&self) -> &'s str {
        let rest = self.rest();
        let mut characters = rest.char_indices().peekable();
        let mut end = 0;
        while let Some((at, character)) = characters.next() {
            let is_part = continues_name(character)
                || character == '-'
                    && at > 0
                    && characters
                        .peek()
                        .is_some_and(|(_, next)| continues_name(*next) || *next == '-');
            if !is_part {
                break;
            }
            end = at + character.len_utf8();
        }
        rest.get(..end).unwrap_or_default().trim_end_matches('-')
    }

    fn number(&mut self) -> Result<Decimal, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        // All that is written together with the digits: `01017012345`, `1e3`, `0x1F`, `2026-11-01`.
        let mut length = 0;
        let mut characters = rest.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let before_digit = characters.peek().is_some_and(|(_, c)| c.is_ascii_digit());
            let is_part = continues_name(character)
                || character == '.' && before_digit
                || character == '-' && before_digit && length >= 4;
            if !is_part {
                break;
            }
            length = at + character.len_utf8();
        }
        let written = rest.get(..length).unwrap_or_default();
        let digits = written.bytes().take_while(u8::is_ascii_digit).count();
        // `2026-1` is a subtraction; `2026-11-01` and `2026-11` with a leading zero are not.
        let plain = written
            .get(digits..)
            .and_then(|rest| rest.strip_prefix('.'))
            .map_or(digits, |fraction| {
                digits + 1 + fraction.bytes().take_while(u8::is_ascii_digit).count()
            });
        let text = match written.get(plain..) {
            Some(rest) if rest.starts_with('-') && written.matches('-').count() == 1 => {
                written.get(..plain).unwrap_or_default()
            }
            _ => written,
        };
        self.at = start + text.len();
        let span = start..self.at;
        number::literal(text).map_err(|problem| SyntaxError::number(text, problem, span))
    }

    fn text(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => {
                    let escape = characters.next().map(|(_, escape)| escape);
                    let meant = match escape {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some(same @ ('\\' | '\'' | '"' | '/')) => same,
                        Some('u') => {
                            let digits: String =
                                characters.by_ref().take(4).map(|(_, c)| c).collect();
                            // A sign is no digit, though the parser of numbers takes one.
                            let are_digits =
                                digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                            let code = u32::from_str_radix(&digits, 16).ok();
                            match code.and_then(char::from_u32).filter(|_| are_digits) {
                                Some(meant) => meant,
                                None => {
                                    return Err(SyntaxError::escape(start + at..start + at + 2));
                                }
                            }
                        }
                        _ => {
                            let width = 1 + escape.map_or(0, char::len_utf8);
                            return Err(SyntaxError::escape(start + at..start + at + width));
                        }
                    };
                    text.push(meant);
                }
                end if end == quote => {
                    self.at = start + at + 1;
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        self.at = self.source.len();
        Err(SyntaxError::open_text(start..start + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source)
            .unwrap()
            .into_iter()
            .map(|token| source[token.span].to_owned())
            .collect()
    }

    #[test]
    fn a_hyphen_belongs_to_a_name_unless_a_blank_follows() {
        for (source, expected) in [
            ("data.A3_RA-0792_M.x", "data . A3_RA-0792_M . x"),
            ("data.Innledning-grp-9309", "data . Innledning-grp-9309"),
            ("a - b", "a - b"),
            ("a- b", "a - b"),
            ("a -b", "a - b"),
            ("a--b", "a--b"),
            ("data.m.fødselsnummer-1", "data . m . fødselsnummer-1"),
            ("3-1", "3 - 1"),
            ("2026-1", "2026 - 1"),
            ("1.50*2", "1.50 * 2"),
        ] {
            assert_eq!(words(source).join(" "), expected, "{source}");
        }
    }

    #[test]
    fn what_looks_like_a_number_and_is_none_is_refused_as_a_whole() {
        for source in [
            "01017012345",
            "00",
            "1e3",
            "0x1F",
            "1_000",
            "2026-11-01",
            "2026-11-01T12",
            "1.2.3",
            "12345678901234567890123456789",
        ] {
            let error = tokens(source).unwrap_err();
            assert_eq!(error.range, Some(0..source.len()), "{source}");
            let help = error.help.unwrap();
            assert!(help.contains(&format!("'{source}'")), "{source}: {help}");
        }
    }

    #[test]
    fn a_text_is_read_with_its_escapes() {
        let text = |source: &str| match tokens(source).map(|mut tokens| tokens.remove(0).kind) {
            Ok(TokenKind::Text(text)) => Some(text),
            _ => None,
        };
        assert_eq!(text(r"'it\'s \u00e5'").as_deref(), Some("it's å"));
        assert_eq!(text("\"'\"").as_deref(), Some("'"));
        for refused in [r"'\d'", r"'\u00'", r"'\u+0e5'", "'open", r"'\", r"'\u"] {
            assert_eq!(text(refused), None, "{refused}");
        }
    }
}
