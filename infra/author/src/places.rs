//! Finds the place of each field in a route file.

use std::{collections::HashMap, ops::Range};

use granit_parser::{Event, Parser, Span, StrInput};
use stafett_core::route::{MAX_BYTES, span::Scalar};

use crate::finding::Place;

/// The most bytes of all fields' names together, so that a deep file with long names stays small.
const MAX_NAMES: usize = 16 * 1024 * 1024;
/// The most levels of groups; no route may have as many.
const MAX_DEPTH: usize = 64;

/// The places of a route file's fields, dotted as in `from.app`, `model.soknad.vedtak.$each` and
/// `attachments[0].to`.
///
/// In a broken file, what stands before the break has a place. A field without a place of its own, such
/// as a field of a group that is an alias, has the place of the group around it.
#[derive(Debug, Clone, Default)]
pub struct Places {
    text: String,
    /// The bytes at which its lines start.
    lines: Vec<usize>,
    fields: HashMap<String, Field>,
}

#[derive(Debug, Clone)]
struct Field {
    key: Option<Range<usize>>,
    value: Range<usize>,
    scalar: Option<Scalar>,
}

impl Places {
    /// The places of all fields of `text`, a route file; none for a file that is larger than a route may be.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if u64::try_from(text.len()).is_ok_and(|size| size > MAX_BYTES) {
            return Self::default();
        }
        let mut reading = Reading::default();
        let options = granit_parser::options! {
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str_with_options(text, options);
        while let Some(Ok((event, span))) = parser.next_event() {
            if reading.event(text, &event, &span).is_none() {
                break;
            }
        }
        reading.end();
        reading.fold_values();
        let behind = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self {
            text: text.to_owned(),
            lines: std::iter::once(0).chain(behind).collect(),
            fields: reading.fields,
        }
    }

    /// The place of the field's name; for an item of a list, the place of the item.
    #[must_use]
    pub fn key(&self, field: &str) -> Option<Place> {
        let field = self.nearest(field)?;
        Some(self.place(field.key.clone().unwrap_or_else(|| field.value.clone())))
    }

    /// The place of the field's value; for a group or text of several lines, the place of the field's name.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<Place> {
        let exact = self.fields.contains_key(field);
        let field = self.nearest(field)?;
        let several_lines = self
            .text
            .get(field.value.clone())
            .is_some_and(|value| value.trim_end().contains('\n'));
        let range = match &field.key {
            Some(key) if several_lines || !exact || field.value.is_empty() => key,
            _ => &field.value,
        };
        Some(self.place(range.clone()))
    }

    /// The place of the bytes `piece` of the field's text, whole escapes and line breaks included; the whole value if it
    /// has no such piece.
    #[must_use]
    pub fn within(&self, field: &str, piece: Range<usize>) -> Option<Place> {
        let scalar = self
            .fields
            .get(field)
            .and_then(|field| field.scalar.as_ref());
        match scalar.and_then(|scalar| scalar.written(&self.text, piece)) {
            Some(range) => Some(self.place(range)),
            None => self.value(field),
        }
    }

    /// The text of the field if it is a scalar, without quotes and escapes.
    #[must_use]
    pub fn scalar(&self, field: &str) -> Option<&str> {
        Some(self.fields.get(field)?.scalar.as_ref()?.text())
    }

    /// The first key of the file.
    #[must_use]
    pub fn first(&self) -> Option<Place> {
        let keys = self.fields.values().filter_map(|field| field.key.clone());
        keys.min_by_key(|key| key.start).map(|key| self.place(key))
    }

    /// Whether the file has this field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// The place of a range of bytes of the file.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Place {
        // Counted from the start of the line only: a file has many lines and many places.
        let before = self.lines.partition_point(|start| *start <= range.start);
        let line = before.saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let end = range.end.max(range.start);
        let last = self.lines.partition_point(|start| *start <= end);
        let lines_end = self.lines.get(last).copied().unwrap_or(self.text.len());
        let lines = self.text.get(start..lines_end).unwrap_or_default();
        let place = Place::of(lines, range.start - start..end - start);
        Place {
            range: place.range.start + start..place.range.end + start,
            line: place.line + line,
            ..place
        }
    }

    /// The field, or else the closest group around it.
    fn nearest(&self, field: &str) -> Option<&Field> {
        let mut name = field;
        loop {
            if let Some(field) = self.fields.get(name) {
                return Some(field);
            }
            name = &name[..name.rfind(['.', '['])?];
        }
    }
}

/// A group or list that is being read.
#[derive(Debug)]
struct Frame {
    path: String,
    /// The bytes at which it starts.
    start: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A group, and the name of the field that is next.
    Group(Option<(String, Range<usize>)>),
    /// A list, and how many items it has so far.
    List(usize),
    /// A key that is itself a group or list, which is no field.
    Skipped,
}

#[derive(Debug, Default)]
struct Reading {
    fields: HashMap<String, Field>,
    names: usize,
    stack: Vec<Frame>,
    /// The end of what was read last.
    last: usize,
}

impl Reading {
    /// `None` when enough has been read.
    fn event(&mut self, file: &str, event: &Event<'_>, span: &Span) -> Option<()> {
        let range = span.byte_range().unwrap_or(self.last..self.last);
        match event {
            Event::Scalar(..) => self.leaf(range, Scalar::read(file, event, span)),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.leaf(range, None),
            Event::MappingStart(..) => self.open(range.start, Kind::Group(None)),
            Event::SequenceStart(..) => self.open(range.start, Kind::List(0)),
            Event::MappingEnd | Event::SequenceEnd => {
                // A group without brackets ends where the next node starts.
                let end = if range.is_empty() {
                    self.last
                } else {
                    range.end
                };
                self.last = end;
                self.close();
                Some(())
            }
            // A route is one document.
            Event::DocumentEnd => None,
            _ => Some(()),
        }
    }

    fn leaf(&mut self, range: Range<usize>, scalar: Option<Scalar>) -> Option<()> {
        self.last = range.end;
        if let Some(Frame {
            kind: Kind::Group(name @ None),
            ..
        }) = self.stack.last_mut()
        {
            let text = scalar.as_ref().map(Scalar::text).unwrap_or_default();
            *name = Some((text.to_owned(), range));
            return Some(());
        }
        let (path, key) = self.next_value()?;
        self.record(path, key, range, scalar)
    }

    fn open(&mut self, start: usize, kind: Kind) -> Option<()> {
        let is_name = matches!(
            self.stack.last(),
            Some(Frame {
                kind: Kind::Group(None) | Kind::Skipped,
                ..
            })
        );
        let (path, kind) = if is_name {
            (String::new(), Kind::Skipped)
        } else {
            let (path, key) = self.next_value()?;
            self.record(path.clone(), key, start..start, None)?;
            (path, kind)
        };
        self.stack.push(Frame { path, start, kind });
        Some(())
    }

    /// The path of the value that starts now, and the place of its name.
    fn next_value(&mut self) -> Option<(String, Option<Range<usize>>)> {
        match self.stack.last_mut() {
            None => Some((String::new(), None)),
            Some(Frame { path, kind, .. }) => match kind {
                Kind::Group(name) => {
                    let (name, key) = name.take()?;
                    let path = if path.is_empty() {
                        name
                    } else {
                        format!("{path}.{name}")
                    };
                    Some((path, Some(key)))
                }
                Kind::List(items) => {
                    let path = format!("{path}[{items}]");
                    *items += 1;
                    Some((path, None))
                }
                Kind::Skipped => Some((String::new(), None)),
            },
        }
    }

    fn record(
        &mut self,
        path: String,
        key: Option<Range<usize>>,
        value: Range<usize>,
        scalar: Option<Scalar>,
    ) -> Option<()> {
        self.names += path.len();
        if self.names > MAX_NAMES {
            return None;
        }
        // If a name stands twice, the first one is the field.
        self.fields
            .entry(path)
            .or_insert(Field { key, value, scalar });
        Some(())
    }

    fn close(&mut self) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        if matches!(frame.kind, Kind::Skipped) {
            if let Some(Frame {
                kind: Kind::Group(name @ None),
                ..
            }) = self.stack.last_mut()
            {
                *name = Some((String::new(), frame.start..self.last));
            }
            return;
        }
        if let Some(field) = self.fields.get_mut(&frame.path)
            && field.value.start == frame.start
        {
            field.value.end = self.last.max(frame.start);
        }
    }

    /// Gives a field whose expression stands in its `$value` the expression's place.
    fn fold_values(&mut self) {
        let valued = |(name, field): (&String, &Field)| {
            let name = name.strip_suffix(".$value")?.to_owned();
            Some((name, field.value.clone(), field.scalar.clone()))
        };
        let folded: Vec<_> = self.fields.iter().filter_map(valued).collect();
        for (name, value, scalar) in folded {
            if let Some(field) = self.fields.get_mut(&name) {
                (field.value, field.scalar) = (value, scalar);
            }
        }
    }

    /// Closes what a broken file leaves open; a name without a value is a field too.
    fn end(&mut self) {
        while let Some(frame) = self.stack.last() {
            if let Kind::Group(Some((_, key))) = &frame.kind {
                let end = key.end..key.end;
                if let Some((path, key)) = self.next_value() {
                    self.record(path, key, end, None);
                }
            }
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::Write,
        time::{Duration, Instant},
    };

    use proptest::prelude::*;

    use super::*;

    fn piece(text: &str, place: Option<Place>) -> &str {
        place.map_or("nowhere", |place| &text[place.range])
    }

    #[test]
    fn every_field_of_a_route_has_a_place() {
        let text = "from: { app: ttd/permit } # A\nmodel:\n  'sak':\n    $each: x in data.m.rows\n    navn: \"'Søk' ~ x.navn\"\n  b: &b |\n    x.y\n  c: *b\nattachments:\n- { from: a, to: b }\n-   from: c\n";
        let places = Places::of(text);
        for (field, key, value) in [
            ("from", "from", "{ app: ttd/permit }"),
            ("from.app", "app", "ttd/permit"),
            ("model", "model", "model"),
            ("model.sak", "'sak'", "'sak'"),
            ("model.sak.$each", "$each", "x in data.m.rows"),
            ("model.sak.navn", "navn", "\"'Søk' ~ x.navn\""),
            ("model.c", "c", "*b"),
            ("attachments[0].to", "to", "b"),
            ("attachments[1].from", "from", "c"),
            // A field that is not there has the place of the group around it.
            ("model.sak.kode", "'sak'", "'sak'"),
            ("to.app", "nowhere", "nowhere"),
        ] {
            assert_eq!(piece(text, places.key(field)), key, "{field}");
            assert_eq!(piece(text, places.value(field)), value, "{field}");
        }
        assert_eq!(piece(text, places.first()), "from");
        let at = 9..15;
        assert_eq!(piece(text, places.within("model.sak.navn", at)), "x.navn");
        assert_eq!(piece(text, places.within("model.b", 0..3)), "x.y");
    }

    #[test]
    fn a_word_has_a_place_behind_escapes_and_on_a_later_line() {
        let text = "a: \"'S\\u00f8k' ~\n  x.y\"\nb: 'S\n\n  x.y'\nc: >\n  S\n  x.y\nd:\n";
        let places = Places::of(text);
        for field in ["a", "b", "c"] {
            let text_of = places.scalar(field).unwrap();
            let at = text_of.find("x.y").unwrap();
            let place = places.within(field, at..at + 3);
            assert_eq!(piece(text, place.clone()), "x.y", "{field}");
            let start = place.map_or(0, |place| place.range.start);
            assert!(text[..start].ends_with("\n  "), "{field}");
        }
        assert_eq!(piece(text, places.within("a", 1..4)), "S\\u00f8");
        assert_eq!(places.scalar("d"), Some(""));
    }

    #[test]
    fn a_field_with_accepted_warnings_has_the_place_of_its_value() {
        let text = "model:\n  t:\n    $value: data.m.x ~ 'y'\n    $accept: [may-be-empty]\n    $because: z\n";
        let places = Places::of(text);
        assert_eq!(piece(text, places.value("model.t")), "data.m.x ~ 'y'");
        assert_eq!(piece(text, places.within("model.t", 0..8)), "data.m.x");
        assert_eq!(
            piece(text, places.value("model.t.$accept")),
            "[may-be-empty]"
        );
    }

    #[test]
    fn fields_before_a_syntax_error_have_places() {
        let text = "name: x\nfrom:\n  app: ttd/a\n  when: { process: completed\n  since: 'open";
        let places = Places::of(text);
        assert_eq!(piece(text, places.value("name")), "x");
        assert_eq!(piece(text, places.value("from.app")), "ttd/a");
        assert!(places.has("from.when.process"));
    }

    #[test]
    fn a_file_that_expands_hugely_is_read_quickly() {
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for (before, this) in ('a'..='y').zip('b'..='z') {
            let many = format!("*{before},").repeat(9);
            writeln!(bomb, "{this}: &{this} [{many}]").unwrap();
        }
        let name = "n".repeat(900);
        let deep: String = (0..50)
            .map(|depth| format!("{}{name}:\n", " ".repeat(depth)))
            .collect();
        let wide = format!(
            "{deep}{}",
            format!("{}x: 1\n", " ".repeat(50)).repeat(10_000)
        );
        let flow = "[".repeat(500_000);
        let large = "a: b\n".repeat(400_000);
        let started = Instant::now();
        for text in [&bomb, &wide, &flow, &large] {
            let places = Places::of(text);
            let _ = places.value("a");
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(!Places::of(&large).has("a"));
    }

    proptest! {
        #[test]
        fn a_place_is_the_same_however_it_is_counted(text in "[aæ\n\r ]{0,30}", start in 0..40_usize, length in 0..40_usize) {
            let range = start.min(text.len())..(start + length).min(text.len());
            prop_assert_eq!(Places::of(&text).place(range.clone()), Place::of(&text, range));
        }

        #[test]
        fn any_text_has_places_that_are_inside_of_it(text in "([a-c]: |- |\\{|\\}|\\[|\\]|\n|  |'|\"|,|&a |\\*a|\\||æ|#|[a-z]{1,3}){0,40}") {
            let places = Places::of(&text);
            for field in places.fields.keys() {
                for place in [places.key(field), places.value(field), places.within(field, 0..2)] {
                    let range = place.unwrap().range;
                    prop_assert!(text.get(range).is_some());
                }
            }
        }
    }
}
