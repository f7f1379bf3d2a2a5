//! Errors in a document, with .NET's messages.

use super::chars::{XmlStr, is_char};

/// An error in the document.
#[derive(Debug)]
pub(in crate::form) struct Fault {
    /// The byte offset; `None` if .NET gives no position.
    pub(in crate::form) at: Option<usize>,
    pub(in crate::form) reason: String,
    pub(in crate::form) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::form) enum FaultKind {
    /// The XML is not well-formed. .NET's message repeats the position.
    Syntax,
    /// The document is not a form of this model.
    Structure,
    /// A property cannot hold a value, which the message contains.
    Value,
}

impl Fault {
    /// XML that is not well-formed.
    pub(super) fn syntax(at: usize, reason: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            reason: reason.into(),
            kind: FaultKind::Syntax,
        }
    }
}

/// The line and column of a byte offset, as .NET counts them: from 1, with columns in UTF-16 code units.
pub(in crate::form) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let bytes = before.as_bytes();
    let ends_line = |index: usize| match bytes.get(index) {
        Some(b'\n') => true,
        Some(b'\r') => text.as_bytes().get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    let lines = (0..bytes.len()).filter(|index| ends_line(*index)).count();
    let start = (0..bytes.len())
        .rev()
        .find(|index| ends_line(*index))
        .map_or(0, |index| index + 1);
    let column = before
        .get(start..)
        .unwrap_or_default()
        .encode_utf16()
        .count();
    (lines + 1, column + 1)
}

/// Refuses characters that XML does not allow. `begin` is the byte offset of `text`.
pub(super) fn check_chars(text: &str, begin: usize) -> Result<(), Fault> {
    match text.char_indices().find(|(_, char)| !is_char(*char)) {
        None => Ok(()),
        Some((at, char)) => Err(Fault::syntax(
            begin + at,
            format!("{}, is an invalid character.", XmlStr(char)),
        )),
    }
}

/// The token at `at` is not the expected one.
pub(super) fn unexpected(text: &str, at: usize, expected: &str) -> Fault {
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some(found) => {
            let reason =
                format!("'{found}' is an unexpected token. The expected token is {expected}.");
            Fault::syntax(at, reason)
        }
        None => Fault::syntax(at, "Unexpected end of file has occurred."),
    }
}

/// The text ends inside something.
pub(super) fn end_of_file(text: &str, what: &str) -> Fault {
    let reason = format!("Unexpected end of file while parsing {what} has occurred.");
    Fault::syntax(text.len(), reason)
}
