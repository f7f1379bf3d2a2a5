//! Finds how each character of a scalar's text is written in the file.
//!
//! The text is known. The file is read along with it, so that a wrong place is never given: where the two differ, there
//! is none.

use std::{iter::Peekable, ops::Range, str::CharIndices};

use serde_saphyr::granit_parser::ScalarStyle;

use super::Scalar;

/// A byte of the text at which a character starts, and the bytes of the file that the character is written as.
pub(super) type Written = (usize, Range<usize>);

/// The bytes of the scalar without its quotes.
pub(super) fn content(scalar: &Scalar) -> Option<Range<usize>> {
    let Range { start, end } = scalar.range;
    match scalar.style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            (end - start >= 2).then_some(start + 1..end - 1)
        }
        _ => Some(start..end),
    }
}

/// How each character of the scalar's text is written in `file`; `None` for a file that the scalar is not from.
pub(super) fn characters(file: &str, scalar: &Scalar) -> Option<Vec<Written>> {
    let Range { start, end } = content(scalar)?;
    let reading = Reading {
        rest: file.get(start..end)?,
        at: start,
        text: scalar.text.char_indices().peekable(),
        written: Vec::new(),
    };
    match scalar.style {
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let line = file.get(..start)?.rfind(is_break).map_or(0, |at| at + 1);
            let indent = file.get(line..start)?;
            if !indent.bytes().all(|byte| byte == b' ') {
                // The block has no line with text; it starts at its `|` or `>`.
                return None;
            }
            reading.block(indent.len(), scalar.style == ScalarStyle::Folded)
        }
        style => reading.flow(style),
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

struct Reading<'a> {
    /// What of the scalar is still to be read, and the byte of the file at which it starts.
    rest: &'a str,
    at: usize,
    /// What of the text is still to be found.
    text: Peekable<CharIndices<'a>>,
    written: Vec<Written>,
}

impl Reading<'_> {
    /// A plain or quoted scalar (YAML 1.2.2, 6.5 and 7.3).
    fn flow(mut self, style: ScalarStyle) -> Option<Vec<Written>> {
        while let Some(next) = self.rest.chars().next() {
            match (next, style) {
                (blank, _) if is_blank(blank) => self.blanks()?,
                (newline, _) if is_break(newline) => self.fold()?,
                ('\\', ScalarStyle::DoubleQuoted) => self.escape()?,
                ('\'', ScalarStyle::SingleQuoted) => {
                    let range = self.take(2);
                    self.put('\'', range)?;
                }
                (same, _) => {
                    let range = self.take(same.len_utf8());
                    self.put(same, range)?;
                }
            }
        }
        self.text.peek().is_none().then_some(self.written)
    }

    /// Blanks within a line; those at its end are no text.
    fn blanks(&mut self) -> Option<()> {
        let behind = self.rest.trim_start_matches(is_blank);
        if behind.starts_with(is_break) {
            self.take(self.rest.len() - behind.len());
        }
        while let Some(blank) = self.rest.chars().next().filter(|it| is_blank(*it)) {
            let range = self.take(1);
            self.put(blank, range)?;
        }
        Some(())
    }

    /// A line break with what belongs to it: a space, or a line break for each line without text behind it.
    fn fold(&mut self) -> Option<()> {
        let start = self.at;
        self.take_break();
        let found = self.written.len();
        self.lines_without_text()?;
        if self.written.len() == found {
            self.put(' ', start..self.at)?;
        }
        Some(())
    }

    /// Line breaks that are text, and the blanks before each and behind the last.
    fn lines_without_text(&mut self) -> Option<()> {
        loop {
            let behind = self.rest.trim_start_matches(is_blank);
            self.take(self.rest.len() - behind.len());
            let Some(range) = self.take_break() else {
                return Some(());
            };
            self.put('\n', range)?;
        }
    }

    /// An escape of a text in double quotes (YAML 1.2.2, 5.7).
    fn escape(&mut self) -> Option<()> {
        let escaped = self.rest.get(1..)?.chars().next()?;
        if is_break(escaped) {
            self.take(1);
            self.take_break();
            return self.lines_without_text();
        }
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let code = u32::from_str_radix(self.rest.get(2..2 + digits)?, 16).unwrap_or_default();
        let is_first_of_two = digits == 4 && (0xD800..0xDC00).contains(&code);
        let length = if is_first_of_two { 12 } else { 2 + digits };
        let range = self.take(length);
        let (at, _) = self.text.next()?;
        self.written.push((at, range));
        Some(())
    }

    /// A block scalar (YAML 1.2.2, 8.1), from the first line with text on.
    fn block(mut self, indent: usize, is_folded: bool) -> Option<Vec<Written>> {
        // Lines without text before it stand in front of where the parser says that the scalar starts.
        while self.text.peek().is_some_and(|(_, next)| *next == '\n') {
            self.put('\n', self.at..self.at)?;
        }
        let mut breaks: Vec<Range<usize>> = Vec::new();
        let mut was_indented = false;
        loop {
            let is_indented = self.rest.starts_with(is_blank);
            if let Some((first, more)) = breaks.split_first() {
                if !is_folded || was_indented || is_indented {
                    self.put('\n', first.clone())?;
                } else if more.is_empty() {
                    self.put(' ', first.start..self.at)?;
                }
                for newline in more {
                    self.put('\n', newline.clone())?;
                }
            }
            was_indented = is_indented;
            while let Some(same) = self.rest.chars().next().filter(|it| !is_break(*it)) {
                let range = self.take(same.len_utf8());
                self.put(same, range)?;
            }
            let mut column = 0;
            breaks.clear();
            while let Some(newline) = self.take_break() {
                breaks.push(newline);
                let spaces = self.rest.bytes().take(indent);
                column = spaces.take_while(|byte| *byte == b' ').count();
                self.take(column);
            }
            if column < indent || self.rest.is_empty() {
                break;
            }
        }
        // As many of the last line breaks as the header keeps. The end of the file counts as one.
        let end = self.at..self.at;
        let mut breaks = breaks.into_iter();
        while self.text.peek().is_some() {
            self.put('\n', breaks.next().unwrap_or(end.clone()))?;
        }
        Some(self.written)
    }

    /// Takes the next bytes, and says where they stand.
    fn take(&mut self, length: usize) -> Range<usize> {
        let start = self.at;
        if let Some(rest) = self.rest.get(length..) {
            self.rest = rest;
            self.at += length;
        } else {
            self.at += self.rest.len();
            self.rest = "";
        }
        start..self.at
    }

    /// Takes a line break, of which `\r\n` is one.
    fn take_break(&mut self) -> Option<Range<usize>> {
        let length = if self.rest.starts_with("\r\n") { 2 } else { 1 };
        self.rest.starts_with(is_break).then(|| self.take(length))
    }

    /// The next character of the text, which must be this one, is written at these bytes.
    fn put(&mut self, character: char, range: Range<usize>) -> Option<()> {
        let (at, _) = self.text.next_if(|(_, next)| *next == character)?;
        self.written.push((at, range));
        Some(())
    }
}
