//! Where the text of a YAML scalar stands in a route file, character by character, in each of YAML's five styles.

use std::{collections::HashMap, ops::Range};

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, StrInput};

mod written;

/// A scalar of a route file: its text before YAML makes a number, a truth value or nothing of it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    text: String,
    style: ScalarStyle,
    tag: Option<String>,
    range: Range<usize>,
}

impl Scalar {
    /// The scalar that the YAML parser reports by `event` at `span` of `file`; `None` for any other event.
    #[must_use]
    pub fn read(file: &str, event: &Event<'_>, span: &Span) -> Option<Self> {
        let Event::Scalar(text, style, _, tag) = event else {
            return None;
        };
        let range = span.byte_range()?;
        // The parser reports a value that is missing as a plain `~`.
        let is_missing = *style == ScalarStyle::Plain
            && text == "~"
            && file.get(range.clone()) != Some(text.as_ref());
        let text = if is_missing { "" } else { text.as_ref() };
        Some(Self {
            text: text.to_owned(),
            style: *style,
            tag: tag
                .as_ref()
                .filter(|tag| tag.core_suffix() != Some("str"))
                .map(|tag| tag.original()),
            range,
        })
    }

    /// The text: folded, without quotes and escapes, and otherwise as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The explicit tag, such as `!!int`, unless it is `!!str`, which changes nothing.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The bytes of the file at which it stands, quotes included, tag and anchor excluded. A block scalar starts
    /// behind the indentation of its first line with text.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Whether it is written without quotes and is no block.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.style == ScalarStyle::Plain
    }

    /// Whether it is written as a block, behind `|` or `>`.
    #[must_use]
    pub fn is_block(&self) -> bool {
        matches!(self.style, ScalarStyle::Literal | ScalarStyle::Folded)
    }

    /// The bytes of `file`, the file that the scalar is from, that the bytes `piece` of its text are written as: whole
    /// escapes, and a line break with the indentation behind it where the text has a space for them.
    ///
    /// An empty piece has an empty range. `None` if the text has no such piece.
    #[must_use]
    pub fn written(&self, file: &str, piece: Range<usize>) -> Option<Range<usize>> {
        if piece.start > piece.end || piece.end > self.text.len() {
            return None;
        }
        let characters = written::characters(file, self)?;
        let behind = |at: usize| characters.partition_point(|(start, _)| *start < at);
        // The character that has the byte, or the end of the text.
        let first = characters.partition_point(|(start, _)| *start <= piece.start);
        let start = if piece.start == self.text.len() {
            characters.last().map_or_else(
                || written::content(self).map(|content| content.start),
                |(_, last)| Some(last.end),
            )?
        } else {
            characters.get(first.checked_sub(1)?)?.1.start
        };
        if piece.is_empty() {
            return Some(start..start);
        }
        let (_, last) = characters.get(behind(piece.end).checked_sub(1)?)?;
        Some(start..last.end)
    }
}

/// All scalars of a route file, by the bytes at which they stand.
#[derive(Debug, Default)]
pub(super) struct Scalars(HashMap<Range<usize>, Scalar>);

impl Scalars {
    /// The scalars of `file`, up to its first break. Aliases are not followed, so that it takes time linear in the
    /// file's length.
    pub(super) fn of(file: &str) -> Self {
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            emit_comments: false,
        };
        let parser: Parser<'_, StrInput<'_>> = Parser::new_from_str_with_options(file, options);
        let scalars = parser
            .map_while(Result::ok)
            .filter_map(|(event, span)| Scalar::read(file, &event, &span))
            .map(|scalar| (scalar.range(), scalar));
        Self(scalars.collect())
    }

    /// The scalar that stands at exactly these bytes.
    pub(super) fn at(&self, range: &Range<usize>) -> Option<&Scalar> {
        self.0.get(range)
    }
}

#[cfg(test)]
mod tests;
