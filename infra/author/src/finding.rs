//! What is wrong with a route file, where, and what to do about it.

use std::{ops::Range, path::PathBuf};

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The route is refused, or relays would fail.
    Error,
    /// Relays may fail, or leave something behind, depending on A's data.
    Warning,
}

/// A piece of a file's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Bytes from the start of the file. Empty where one point is meant.
    #[serde(skip)]
    pub range: Range<usize>,
    /// 1-based line on which it starts.
    pub line: usize,
    /// 1-based column, in characters, at which it starts.
    pub column: usize,
    /// How many characters of that line it covers, at least 1.
    pub length: usize,
}

impl Place {
    /// The place of `range` in `text`; a range that does not fit is cut to the text.
    #[must_use]
    pub fn of(text: &str, range: Range<usize>) -> Self {
        let start = floor(text, range.start);
        let end = floor(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        Self {
            range: start..end,
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end.min(line_end)].chars().count().max(1),
        }
    }
}

/// The last character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len()))
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or_default()
}

/// One thing that is wrong. Contains no citizen's data: it is found without any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for the kind of mistake, such as `unknown-key`.
    pub code: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The field of the route, dotted, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where in the file; `None` where it is about the file as a whole.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong, one line, without the place.
    pub message: String,
    /// A word or two beside the underlined text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is allowed, or what to do, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// What was probably meant, in place of the underlined text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Finding {
    /// An error of this kind.
    #[must_use]
    pub fn error(code: &'static str, file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, file.into(), message.into())
    }

    /// A warning of this kind.
    #[must_use]
    pub fn warning(
        code: &'static str,
        file: impl Into<PathBuf>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, file.into(), message.into())
    }

    fn new(severity: Severity, code: &'static str, file: PathBuf, message: String) -> Self {
        Self {
            severity,
            code,
            file,
            field: None,
            place: None,
            message,
            label: None,
            help: Vec::new(),
            suggestion: None,
        }
    }

    /// About this field of the route, dotted.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// With these words beside the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With one more line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// With what was probably meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_from_one_and_columns_in_characters() {
        let text = "name: x\nmodel:\n  søknad: æøå # ja\n";
        let start = text.find("æøå").unwrap_or_default();
        let place = Place::of(text, start..start + "æøå".len());
        assert_eq!((place.line, place.column, place.length), (3, 11, 3));
    }

    #[test]
    fn a_place_outside_the_text_or_inside_a_character_is_moved_to_a_boundary() {
        let text = "æ";
        assert_eq!(Place::of(text, 1..50).range, 0..2);
        assert_eq!(Place::of("", 3..7).range, 0..0);
    }
}
