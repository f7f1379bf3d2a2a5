//! Why a document cannot be read, in .NET's words.

use super::chars::{XmlStr, is_char};

/// Why the document cannot be read on.
#[derive(Debug)]
pub(in crate::model) struct Fault {
    /// Byte offset; `None` where .NET tells no position.
    pub(in crate::model) at: Option<usize>,
    pub(in crate::model) reason: String,
    pub(in crate::model) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum FaultKind {
    /// The XML itself. Such a reason names the position once more.
    Syntax,
    /// It is not a form of this model.
    Structure,
    /// A value that its property cannot hold; the reason shows it.
    Value,
}

impl Fault {
    /// A fault of the XML itself.
    pub(super) fn syntax(at: usize, reason: impl Into<String>) -> Self {
        Self {
            at: Some(at),
            reason: reason.into(),
            kind: FaultKind::Syntax,
        }
    }
}

/// Line and column of an offset, as .NET counts them: from 1, columns in UTF-16 units.
pub(in crate::model) fn place(text: &str, at: usize) -> (usize, usize) {
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

pub(super) fn check_chars(text: &str, begin: usize) -> Result<(), Fault> {
    match text.char_indices().find(|(_, char)| !is_char(*char)) {
        None => Ok(()),
        Some((at, char)) => Err(Fault::syntax(
            begin + at,
            format!("{}, is an invalid character.", XmlStr(char)),
        )),
    }
}

/// Another token than the expected one.
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

/// The text ends in the middle of something.
pub(super) fn end_of_file(text: &str, what: &str) -> Fault {
    let reason = format!("Unexpected end of file while parsing {what} has occurred.");
    Fault::syntax(text.len(), reason)
}
