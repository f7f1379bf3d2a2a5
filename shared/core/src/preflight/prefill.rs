//! The form for `mode: prefill`: texts by dotted path, each of which B converts to the type of its field.
//!
//! B puts each text between apostrophes and parses it as JSON, which turns a text that looks like a date and time into
//! one. It then converts the result to the type of the field with .NET's invariant culture, in which a comma separates
//! thousands: `12,5` becomes the number 125 (measured). If it cannot convert a text, or the text is empty, it responds with
//! 500 after it has created the instance (Altinn/app-lib-dotnet: src/Altinn.App.Core/Implementation/PrefillSI.cs; Newtonsoft.Json:
//! `DateParseHandling.DateTime`).
//!
//! So the result depends on the type of the field. If B's schema gives the type, a text passes if the field gets the value
//! that the text means. Otherwise a text passes if no type of field would turn it into another value. `1 000` passes,
//! because a number field refuses it; `12,5` does not, because a number field would make it 125.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::objection::Objection;
use crate::{
    moment::{self, has_shape},
    number,
    schema::{FieldType, Schema},
    tolerant,
};

/// The texts of a form. Adds an objection for each value that would change on the way or cannot be sent.
pub(super) fn texts(
    model: &Map<String, Value>,
    schema: Option<&Schema>,
    objections: &mut Vec<Objection>,
) -> BTreeMap<String, String> {
    let mut flattener = Flattener {
        schema,
        texts: BTreeMap::new(),
        objections,
    };
    flattener.group(&mut Vec::new(), model);
    flattener.texts
}

/// What of a form `mode: prefill` would not carry as it is.
#[must_use]
pub fn lost(model: &Map<String, Value>, schema: Option<&Schema>) -> Vec<Objection> {
    let mut objections = Vec::new();
    texts(model, schema, &mut objections);
    objections
}

/// Flattens a form into texts.
struct Flattener<'a> {
    schema: Option<&'a Schema>,
    texts: BTreeMap<String, String>,
    objections: &'a mut Vec<Objection>,
}

impl Flattener<'_> {
    fn group<'m>(&mut self, path: &mut Vec<&'m str>, model: &'m Map<String, Value>) {
        for (name, value) in model {
            path.push(name);
            match value {
                // B refuses an empty text. If it is omitted, the field stays empty as well.
                Value::Null => {}
                Value::String(text) if text.is_empty() => {}
                Value::Object(group) => self.group(path, group),
                Value::String(text) => self.text(path, text.clone()),
                Value::Number(number) => {
                    // `3.0` is an integer in a JSON schema, but not in .NET.
                    let is_integer = self.field_type(path) == FieldType::Integer;
                    let whole = number::whole(number).filter(|_| is_integer);
                    // A number without a plain form has no place in XML either, which is checked for every draft.
                    if let Some(text) = whole.or_else(|| number::plain(number)) {
                        self.text(path, text);
                    }
                }
                Value::Bool(flag) => self.set(path, flag.to_string()),
                Value::Array(_) => {
                    let field = format!("model.{}", path.join("."));
                    self.objections.push(Objection::NotFlat(field));
                }
            }
            path.pop();
        }
    }

    fn field_type(&self, path: &[&str]) -> FieldType {
        self.schema
            .map_or(FieldType::Unknown, |schema| schema.field_type(path))
    }

    /// Sets a text, unless B would read it as another value.
    fn text(&mut self, path: &[&str], text: String) {
        match problem(&text, self.field_type(path)) {
            None => self.set(path, text),
            Some(problem) => self.object(path, problem),
        }
    }

    fn object(&mut self, path: &[&str], problem: &'static str) {
        self.objections.push(Objection::Prefill {
            field: format!("model.{}", path.join(".")),
            problem,
        });
    }

    fn set(&mut self, path: &[&str], text: String) {
        self.texts.insert(path.join("."), text);
    }
}

/// Why B would not read a text as the value that it means in a field of this type.
fn problem(text: &str, field_type: FieldType) -> Option<&'static str> {
    if text.contains(['\'', '\\']) {
        return Some(
            "an apostrophe or a backslash, which B's reader of prefill takes for its own signs",
        );
    }
    match field_type {
        FieldType::Text if is_json_date(text) => Some(
            "a date and time, of which B's reader of prefill makes another text, as 11/20/2026 09:12:45",
        ),
        FieldType::Text => None,
        FieldType::Date => (!is_date(text)).then_some("no date of the form 2026-11-20"),
        FieldType::DateTime => (!is_date(text) && !is_date_time(text))
            .then_some("no date and time of the form 2026-11-20T09:12:45Z"),
        FieldType::Number | FieldType::Double if !is_number(text) => {
            Some("no number of the form -1234.5: B would read a comma as a separator of thousands")
        }
        FieldType::Integer if !is_integer(text) => Some("no whole number of the form -1234"),
        FieldType::Number | FieldType::Double | FieldType::Integer => field_type.rounds(Some(text)),
        FieldType::Boolean => {
            (!matches!(text, "true" | "false")).then_some("neither true nor false")
        }
        FieldType::Unknown => problem_in_any_field(text),
    }
}

/// Why B would read a text as another value if the field has a certain type. The type is unknown.
fn problem_in_any_field(text: &str) -> Option<&'static str> {
    let trimmed = text.trim();
    // .NET's `NumberStyles.Number` also allows the sign after the digits.
    let is_number_like = trimmed.bytes().any(|byte| byte.is_ascii_digit())
        && trimmed
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'+' | b'-'));
    if is_number_like && (trimmed.contains(',') || trimmed.ends_with(['+', '-'])) {
        return Some(
            "written like a number, of which B would make another one if the field is a number: write it as \
             1234.5, or give the field a type in B's schema",
        );
    }
    if is_number(trimmed) && trimmed.contains('.') && number::decimal(trimmed).is_none() {
        return Some(
            "a number with more digits than .NET's decimal holds, which B would round if the field is a number",
        );
    }
    // .NET expects the month first.
    if is_day_first(trimmed) {
        return Some(
            "written like a date, of which B would make another one if the field is a date: write it as \
             2026-11-20, or give the field a type in B's schema",
        );
    }
    is_json_date(text).then_some(
        "a date and time, of which B would make another text if the field is a text: give the field a type in B's schema",
    )
}

/// Whether a text is a date such as `20.11.2026` or `20/11/26`, with or without a time. A date that begins with the year is
/// not ambiguous.
fn is_day_first(text: &str) -> bool {
    let (date, time) = text.split_once(' ').unwrap_or((text, ""));
    let parts: Vec<&str> = date.split(['.', '-', '/']).collect();
    let [day, month, year] = parts[..] else {
        return false;
    };
    let short = |part: &str| matches!(part.len(), 1 | 2) && digits(part);
    let is_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.');
    short(day)
        && short(month)
        && matches!(year.len(), 2 | 4)
        && digits(year)
        && time.bytes().all(is_time)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_integer(text: &str) -> bool {
    digits(text.strip_prefix('-').unwrap_or(text))
}

fn is_number(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, fraction)) => is_integer(whole) && digits(fraction),
        None => is_integer(text),
    }
}

fn is_date(text: &str) -> bool {
    moment::day(text).is_some()
}

fn is_date_time(text: &str) -> bool {
    is_json_date(text) && tolerant::parse_timestamp(text).is_some()
}

/// Whether Newtonsoft turns a text into a date and time (`DateTimeUtils.TryParseDateTime`).
fn is_json_date(text: &str) -> bool {
    let is_iso = text.len() <= 40
        && text
            .get(..19)
            .is_some_and(|start| has_shape(start, "0000-00-00T00:00:00"))
        && text.get(19..).is_some_and(|rest| {
            let known = |byte: u8| {
                byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'+' | b'-' | b'Z')
            };
            rest.bytes().all(known)
        });
    is_iso || (text.starts_with("/Date(") && text.ends_with(")/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_passes_if_b_reads_the_value_that_it_means() {
        for (kind, passes, refused) in [
            (
                FieldType::Number,
                vec![
                    "12.5",
                    "-3",
                    "0.10",
                    "1000",
                    "00.50",
                    "79228162514264337593543950335",
                ],
                vec![
                    "12,5",
                    "1 000",
                    "1.000,5",
                    " 3",
                    "3-",
                    "1e3",
                    ".5",
                    "5.",
                    "ti",
                    "+1",
                    "0.12345678901234567890123456789",
                    "79228162514264337593543950336",
                ],
            ),
            (
                FieldType::Double,
                vec!["12.5", "00.50", "0.1"],
                vec!["12,5", "12345678901234567.89"],
            ),
            (
                FieldType::Integer,
                vec!["3", "-12", "007"],
                vec!["3.0", "1,000", "12,5", "x"],
            ),
            (
                FieldType::Boolean,
                vec!["true", "false"],
                vec!["1", "ja", "True"],
            ),
            (
                FieldType::Date,
                vec!["2026-11-20"],
                vec![
                    "20.11.2026",
                    "2026-13-01",
                    "2026-11-20T00:00:00Z",
                    "20/11/2026",
                ],
            ),
            (
                FieldType::DateTime,
                vec![
                    "2026-11-20",
                    "2026-11-20T09:12:45Z",
                    "2026-11-20T09:12:45.1+01:00",
                    "2026-11-20T09:12:45",
                ],
                vec!["20.11.2026 09:12", "2026-11-20 09:12", "i dag"],
            ),
            (
                FieldType::Text,
                vec!["12,5", "1 000", "20.11.2026", "2026-11-20", "Åse"],
                vec!["2026-11-20T09:12:45Z", "O'Brien", "C:\\a", "/Date(0)/"],
            ),
            (
                FieldType::Unknown,
                vec![
                    "12.5",
                    "1 000",
                    "22 33 44 55",
                    "123456789012345678901234567890",
                    "0150",
                    "2026-11-20",
                    "Bod 2, Oslo",
                    "true",
                    "-",
                ],
                vec![
                    "12,5",
                    "1,000",
                    "1.000,5",
                    "0.12345678901234567890123456789",
                    " 12,5 ",
                    "5-",
                    "20.11.2026",
                    "2/3/26",
                    "20.11.2026 09:12",
                    "2026-11-20T09:12:45Z",
                    "d'Arc",
                ],
            ),
        ] {
            for text in passes {
                assert_eq!(problem(text, kind), None, "{kind:?} {text}");
            }
            for text in refused {
                assert!(problem(text, kind).is_some(), "{kind:?} {text}");
            }
        }
    }

    proptest! {
        /// .NET's `NumberStyles.Number` drops commas, so a number with one would become another number.
        #[test]
        fn no_number_with_a_comma_passes_as_a_number(
            whole in "-?[0-9]{1,6}", rest in "[0-9,.]{0,6}", kind in prop::sample::select(vec![FieldType::Number, FieldType::Integer, FieldType::Unknown])
        ) {
            let text = format!("{whole}{rest}");
            if text.contains(',') {
                prop_assert!(problem(&text, kind).is_some(), "{}", text);
            }
        }
    }
}
