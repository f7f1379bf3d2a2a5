//! Placeholders for the values that differ between conversations: `{guid1}`, `{time:1-7Z}`, `{a.model}` and so on.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use serde_json::Value;

/// The values of the placeholders of one conversation.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    known: BTreeMap<String, String>,
}

impl Bindings {
    /// Binds a placeholder. `name` has no braces.
    pub fn bind(&mut self, name: &str, value: impl Into<String>) {
        self.known.insert(name.to_owned(), value.into());
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// Unbinds the placeholders with these names.
    pub fn forget(&mut self, which: impl Fn(&str) -> bool) {
        self.known.retain(|name, _| !which(name));
    }

    /// Binds an instance and its data elements: `{a}`, `{a.model}`, `{a.vedlegg}`, `{a.vedlegg2}` …
    pub fn bind_instance(&mut self, name: &str, instance: &Value) {
        let id = instance["id"].as_str().unwrap();
        self.bind(name, id.rsplit('/').next().unwrap());
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for element in instance["data"].as_array().into_iter().flatten() {
            let data_type = element["dataType"].as_str().unwrap();
            let count = counts.entry(data_type).or_default();
            *count += 1;
            let number = if *count == 1 {
                String::new()
            } else {
                count.to_string()
            };
            self.bind(
                &format!("{name}.{data_type}{number}"),
                element["id"].as_str().unwrap(),
            );
        }
    }

    /// Replaces the placeholders in a text by their values. An unbound GUID is generated and bound.
    pub fn fill(&mut self, text: &str) -> String {
        let pieces = pieces(text);
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Placeholder { name, encoded } => {
                    if is_guid(name) && !self.known.contains_key(name) {
                        self.bind(name, uuid::Uuid::new_v4().to_string());
                    }
                    let value = self
                        .known
                        .get(name)
                        .unwrap_or_else(|| panic!("nothing is known of {{{name}}} in {text}"));
                    if encoded {
                        filled.push_str(&encode(value));
                    } else {
                        filled.push_str(value);
                    }
                }
            }
        }
        filled
    }

    /// Whether a text matches a pattern. Unbound placeholders are bound to the text that they match.
    pub fn matches(&mut self, pattern: &str, text: &str) -> bool {
        if !pattern.contains('{') && !pattern.contains("https://") {
            return pattern == text;
        }
        let mut expression = String::from(r"(?s)\A");
        let mut met = Vec::new();
        for piece in pieces(pattern) {
            match piece {
                // The local Altinn has no TLS.
                Piece::Literal(literal) => {
                    expression.push_str(
                        &regex::escape(literal)
                            .replace("https://", "https?://")
                            .replace("http://", "https?://"),
                    );
                }
                Piece::Placeholder { name, encoded } => match self.known.get(name) {
                    Some(value) if encoded => {
                        expression.push_str(&format!("(?i:{})", regex::escape(&encode(value))));
                    }
                    Some(value) => {
                        expression.push_str(&format!("(?i:{})", regex::escape(value)));
                    }
                    None if is_guid(name) => {
                        expression.push('(');
                        expression.push_str(GUID);
                        expression.push(')');
                        met.push(name);
                    }
                    None => expression.push_str(&of_kind(name)),
                },
            }
        }
        expression.push_str(r"\z");
        let expression = regex::RegexBuilder::new(&expression)
            .size_limit(1 << 26)
            .build()
            .unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let Some(captures) = expression.captures(text) else {
            return false;
        };
        let mut bound = self.known.clone();
        for (index, name) in met.into_iter().enumerate() {
            let value = captures[index + 1].to_lowercase();
            let known = bound
                .entry(name.to_owned())
                .or_insert_with(|| value.clone());
            if *known != value {
                return false;
            }
        }
        self.known = bound;
        true
    }
}

const GUID: &str = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

fn is_guid(name: &str) -> bool {
    name.strip_prefix("guid")
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The regular expression for a placeholder whose value is irrelevant.
fn of_kind(name: &str) -> String {
    if let Some(form) = name.strip_prefix("time:") {
        let digits = form.len() - form.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // `1-7` digits, `0` for none, or an exact number. .NET removes trailing zeros, so `1-7` digits may also be none.
        let (fraction, zone) = match form.strip_prefix("1-7") {
            Some(zone) => (r"(?:\.\d{1,7})?".to_owned(), zone),
            None if form.starts_with('0') => (String::new(), &form[1..]),
            None => (format!(r"\.\d{{{}}}", &form[..digits]), &form[digits..]),
        };
        return format!(
            r"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d{fraction}{}",
            regex::escape(zone)
        );
    }
    let expression = match name {
        "host" | "platform" => r"[A-Za-z0-9.\-]+(?::\d+)?",
        "length" | "number" => r"\d+",
        "ticks" => r"\d{18}",
        "trace" => r"00-[0-9a-f]{32}-[0-9a-f]{16}-0\d",
        "base64" => r"[A-Za-z0-9+/=_\-]{200,}",
        "kid" => r"[A-Za-z0-9_\-]+",
        "boundary" | "token" => r"\S+",
        // Text that only a development environment returns.
        "stack" | "headers" | "path" | "…" => r".*",
        other => return regex::escape(&format!("{{{other}}}")),
    };
    expression.to_owned()
}

enum Piece<'t> {
    Literal(&'t str),
    Placeholder { name: &'t str, encoded: bool },
}

/// Splits a text at its placeholders. Braces of JSON are not placeholders: a placeholder has no quotes, and spaces only in `, encoded`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    static PLACEHOLDER: std::sync::LazyLock<Regex> = std::sync::LazyLock::new(|| {
        Regex::new(
            r"\{(guid\d+|[a-f](?:\.[A-Za-z][\w\-]*)?|party|T[01]|time:[0-9Z+:\-]+|host|platform|length|number|ticks|trace|base64|kid|boundary|token|stack|headers|path|…)(, encoded)?\}",
        )
        .unwrap()
    });
    let mut pieces = Vec::new();
    let mut end = 0;
    for found in PLACEHOLDER.captures_iter(text) {
        let whole = found.get(0).unwrap();
        pieces.push(Piece::Literal(&text[end..whole.start()]));
        pieces.push(Piece::Placeholder {
            name: found.get(1).unwrap().as_str(),
            encoded: found.get(2).is_some(),
        });
        end = whole.end();
    }
    pieces.push(Piece::Literal(&text[end..]));
    pieces
}

fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

#[test]
fn a_guid_is_the_same_everywhere() {
    let (one, other) = (
        "11111111-1111-4111-8111-111111111111",
        "22222222-2222-4222-8222-222222222222",
    );
    let mut bindings = Bindings::default();
    assert!(bindings.matches("501337/{guid1}", &format!("501337/{one}")));
    assert!(bindings.matches(
        "https://{host}/{guid1}/{guid2}/{guid2}",
        &format!("http://127.0.0.1:80/{one}/{other}/{other}")
    ));
    assert!(!bindings.matches("{guid1}", other));
    assert!(!bindings.matches("{guid3}/{guid3}", &format!("{one}/{other}")));
    assert_eq!(
        bindings.fill("{guid2}{\"a\":1}"),
        format!("{other}{{\"a\":1}}")
    );
}

#[test]
fn a_time_has_the_digits_and_the_zone_that_were_recorded() {
    let mut bindings = Bindings::default();
    for (pattern, text, wanted) in [
        ("{time:1-7Z}", "2026-11-29T10:00:00.1234567Z", true),
        ("{time:1-7Z}", "2026-11-29T10:00:00.12345678Z", false),
        ("{time:1-7Z}", "2026-11-29T10:00:00.1+00:00", false),
        ("{time:0Z}", "2026-11-29T10:00:00.1Z", false),
        ("{time:0+00:00}", "2026-11-29T10:00:00+00:00", true),
    ] {
        assert_eq!(bindings.matches(pattern, text), wanted, "{pattern} {text}");
    }
    bindings.bind("T0", "2026-11-29T10:00:00.123000Z");
    assert_eq!(
        bindings.fill("{T0, encoded}"),
        "2026-11-29T10%3A00%3A00.123000Z"
    );
}
