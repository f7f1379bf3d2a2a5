//! A form as `mode: prefill` carries it: texts by dotted path, which B reads in its own way.
//!
//! B puts each text between apostrophes and reads that as JSON, in which a text of the form of a date and time becomes
//! one. It then converts the outcome to the type of the field with .NET's invariant culture, in which a comma separates
//! thousands: `12,5` becomes the number 125 (measured). A text that it cannot convert, and an empty one, is a 500, after
//! the instance was made (Altinn/app-lib-dotnet: src/Altinn.App.Core/Implementation/PrefillSI.cs; Newtonsoft.Json:
//! `DateParseHandling.DateTime`).
//!
//! So what a text becomes depends on the type of the field. Where B's schema tells it, a text passes if it arrives as
//! it is meant. Where no schema does, a text passes if it arrives alike whatever the field is, or is refused by B
//! without a wrong value: `1 000` may be meant as text, and is no number to .NET; `12,5` would become another number.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Objection;
use crate::{
    schema::{Kind, Schema},
    xml,
};

/// The texts of a form. What would not arrive as it is meant, or cannot be carried, goes to `objections`.
pub(super) fn texts(
    model: &Map<String, Value>,
    schema: Option<&Schema>,
    objections: &mut Vec<Objection>,
) -> BTreeMap<String, String> {
    let mut form = Flat {
        schema,
        texts: BTreeMap::new(),
        objections,
    };
    form.group(&mut Vec::new(), model);
    form.texts
}

struct Flat<'a> {
    schema: Option<&'a Schema>,
    texts: BTreeMap<String, String>,
    objections: &'a mut Vec<Objection>,
}

impl Flat<'_> {
    fn group<'m>(&mut self, path: &mut Vec<&'m str>, model: &'m Map<String, Value>) {
        for (name, value) in model {
            path.push(name);
            match value {
                // B refuses an empty text; left out, the field stays as empty.
                Value::Null => {}
                Value::String(text) if text.is_empty() => {}
                Value::Object(group) => self.group(path, group),
                Value::String(text) => {
                    let kind = self.kind(path);
                    match trouble(text, kind) {
                        None => self.set(path, text.clone()),
                        Some(problem) => self.objections.push(Objection::Prefill {
                            field: format!("model.{}", path.join(".")),
                            problem,
                        }),
                    }
                }
                Value::Number(number) => {
                    let text = xml::plain(number);
                    // `3.0` is a whole number to a schema, and none to .NET.
                    let whole = text.split_once('.').map(|(whole, _)| whole.to_owned());
                    let is_whole = self.kind(path) == Kind::Whole;
                    self.set(path, whole.filter(|_| is_whole).unwrap_or(text));
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

    fn kind(&self, path: &[&str]) -> Kind {
        self.schema.map_or(Kind::Open, |schema| schema.kind(path))
    }

    fn set(&mut self, path: &[&str], text: String) {
        self.texts.insert(path.join("."), text);
    }
}

/// Why a text would not arrive in a field as it is meant.
fn trouble(text: &str, kind: Kind) -> Option<&'static str> {
    if text.contains(['\'', '\\']) {
        return Some(
            "an apostrophe or a backslash, which B's reader of prefill takes for its own signs",
        );
    }
    match kind {
        Kind::Text if is_json_date(text) => Some(
            "a date and time, of which B's reader of prefill makes another text, as 11/20/2026 09:12:45",
        ),
        Kind::Text => None,
        Kind::Date => (!is_date(text)).then_some("no date of the form 2026-11-20"),
        Kind::Moment => (!is_date(text) && !is_moment(text))
            .then_some("no date and time of the form 2026-11-20T09:12:45Z"),
        Kind::Number => (!is_number(text)).then_some(
            "no number of the form -1234.5: B would read a comma as a separator of thousands",
        ),
        Kind::Whole => (!is_whole(text)).then_some("no whole number of the form -1234"),
        Kind::Boolean => (!matches!(text, "true" | "false")).then_some("neither true nor false"),
        Kind::Open => open_trouble(text),
    }
}

/// Why a text would arrive in a field of some type as another value. Nothing tells the field's type.
fn open_trouble(text: &str) -> Option<&'static str> {
    let trimmed = text.trim();
    // .NET: `NumberStyles.Number`, which also takes the sign after the digits.
    let is_number_like = trimmed.bytes().any(|byte| byte.is_ascii_digit())
        && trimmed
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.' | b'+' | b'-'));
    if is_number_like && (trimmed.contains(',') || trimmed.ends_with(['+', '-'])) {
        return Some(
            "written like a number, of which B would make another one if the field is a number: write it as \
             1234.5, or name B's schema in to.schema",
        );
    }
    // .NET reads the month first.
    if is_day_first(trimmed) {
        return Some(
            "written like a date, of which B would make another one if the field is a date: write it as \
             2026-11-20, or name B's schema in to.schema",
        );
    }
    is_json_date(text).then_some(
        "a date and time, of which B would make another text if the field is a text: name B's schema in to.schema",
    )
}

/// Whether a text is a date such as `20.11.2026` or `20/11/26`, maybe with a time. One that begins with the year is
/// read as it is meant.
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

fn is_whole(text: &str) -> bool {
    digits(text.strip_prefix('-').unwrap_or(text))
}

fn is_number(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, fraction)) => is_whole(whole) && digits(fraction),
        None => is_whole(text),
    }
}

fn is_date(text: &str) -> bool {
    has_form(text, "0000-00-00") && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_moment(text: &str) -> bool {
    is_json_date(text) && crate::tolerant::parse_moment(text).is_some()
}

/// Whether Newtonsoft makes a date and time of a text (`DateTimeUtils.TryParseDateTime`).
fn is_json_date(text: &str) -> bool {
    let is_iso = text.len() <= 40
        && text
            .get(..19)
            .is_some_and(|start| has_form(start, "0000-00-00T00:00:00"))
        && text.get(19..).is_some_and(|rest| {
            let known = |byte: u8| {
                byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'+' | b'-' | b'Z')
            };
            rest.bytes().all(known)
        });
    is_iso || (text.starts_with("/Date(") && text.ends_with(")/"))
}

/// Whether a text has a digit wherever the form has a zero, and the form's own sign elsewhere.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        sign => byte == sign,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_passes_where_it_arrives_as_it_is_meant() {
        for (kind, passes, refused) in [
            (
                Kind::Number,
                vec!["12.5", "-3", "0.10", "1000"],
                vec![
                    "12,5", "1 000", "1.000,5", " 3", "3-", "1e3", ".5", "5.", "ti", "+1",
                ],
            ),
            (
                Kind::Whole,
                vec!["3", "-12", "007"],
                vec!["3.0", "1,000", "12,5", "x"],
            ),
            (
                Kind::Boolean,
                vec!["true", "false"],
                vec!["1", "ja", "True"],
            ),
            (
                Kind::Date,
                vec!["2026-11-20"],
                vec![
                    "20.11.2026",
                    "2026-13-01",
                    "2026-11-20T00:00:00Z",
                    "20/11/2026",
                ],
            ),
            (
                Kind::Moment,
                vec![
                    "2026-11-20",
                    "2026-11-20T09:12:45Z",
                    "2026-11-20T09:12:45.1+01:00",
                    "2026-11-20T09:12:45",
                ],
                vec!["20.11.2026 09:12", "2026-11-20 09:12", "i dag"],
            ),
            (
                Kind::Text,
                vec!["12,5", "1 000", "20.11.2026", "2026-11-20", "Åse"],
                vec!["2026-11-20T09:12:45Z", "O'Brien", "C:\\a", "/Date(0)/"],
            ),
            (
                Kind::Open,
                vec![
                    "12.5",
                    "1 000",
                    "22 33 44 55",
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
                assert_eq!(trouble(text, kind), None, "{kind:?} {text}");
            }
            for text in refused {
                assert!(trouble(text, kind).is_some(), "{kind:?} {text}");
            }
        }
    }

    proptest! {
        /// .NET's `NumberStyles.Number` leaves commas out: what differs without them never passes.
        #[test]
        fn no_number_with_a_comma_passes_as_a_number(
            whole in "-?[0-9]{1,6}", rest in "[0-9,.]{0,6}", kind in prop::sample::select(vec![Kind::Number, Kind::Whole, Kind::Open])
        ) {
            let text = format!("{whole}{rest}");
            if text.contains(',') {
                prop_assert!(trouble(&text, kind).is_some(), "{}", text);
            }
        }
    }
}
