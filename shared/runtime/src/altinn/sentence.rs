//! What Altinn says when it refuses, so that it can be shown to a person.

use std::fmt;

use serde::Deserialize;

/// The longest body of a refusal that is read, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// The longest sentence that is shown, in characters.
const MAX_CHARACTERS: usize = 300;
/// A run of letters, digits, `-` and `_` of this length may be a secret, a key or a part of a token. The
/// events secret is at least as long, and so is a subscription key.
const SECRET: usize = 32;
/// So many digits in a row may be a part of a national identity number.
const NUMBER: usize = 5;

/// Altinn's own words for a refusal, without what may be a secret or personal.
///
/// A sentence may repeat what was sent, the events address with its secret among it. What could be a secret
/// or a national identity number is replaced by `…`, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence(String);

impl Sentence {
    /// Reads the body of a refusal: a JSON string, as Events answers
    /// (measured, tests/recorded/events/events-subscribe-unknown-app.json), or problem details.
    /// None for any other body.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Body {
            Text(String),
            Problem {
                title: Option<String>,
                detail: Option<String>,
            },
        }
        let text = match serde_json::from_slice(body).ok()? {
            Body::Text(text) => text,
            Body::Problem { title, detail } => detail.or(title)?,
        };
        Self::new(&text)
    }

    fn new(text: &str) -> Option<Self> {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(without_secrets)
            .collect();
        let mut text: String = words.join(" ");
        if text.chars().count() > MAX_CHARACTERS {
            text = text.chars().take(MAX_CHARACTERS).collect();
            text.push('…');
        }
        (!text.is_empty()).then_some(Self(text))
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word with `…` in place of each run that may be a secret or a part of a personal number.
fn without_secrets(word: &str) -> String {
    let mut shown = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let end = match is_plain(first) {
            true => rest.find(|c| !is_plain(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (run, after) = rest.split_at(end);
        let mut pieces = run.split(|c: char| !c.is_numeric());
        let has_number = pieces.any(|digits| digits.chars().count() >= NUMBER);
        match has_number || run.chars().count() >= SECRET {
            true => shown.push('…'),
            false => shown.push_str(run),
        }
        rest = after;
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(body: &serde_json::Value) -> Option<String> {
        Sentence::read(body.to_string().as_bytes()).map(|it| it.to_string())
    }

    #[test]
    fn what_altinn_says_is_shown_as_it_says_it() {
        let said = "Not authorized to create a subscription for resource urn:altinn:resource:app_ttd_nothing-here.";
        assert_eq!(shown(&json!(said)).as_deref(), Some(said));
        let problem = json!({ "title": "Bad Request", "detail": "The 'Size' parameter is wrong." });
        assert_eq!(
            shown(&problem).as_deref(),
            Some("The 'Size' parameter is wrong.")
        );
        let title = json!({ "title": "Bad Request", "status": 400 });
        assert_eq!(shown(&title).as_deref(), Some("Bad Request"));
        assert_eq!(
            shown(&json!("two\nlines\u{1b}[31m")).as_deref(),
            Some("two lines [31m")
        );
        for nothing in [json!(7), json!({}), json!(""), json!([])] {
            assert_eq!(shown(&nothing), None, "{nothing}");
        }
        assert_eq!(Sentence::read(b"<html>"), None);
    }

    #[test]
    fn every_recorded_refusal_of_events_has_its_sentence() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/recorded/events");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let case = std::fs::read(file.unwrap().path()).unwrap();
            let case: serde_json::Value = serde_json::from_slice(&case).unwrap();
            let (answer, name) = (&case["answer"], &case["name"]);
            let is_refusal = answer["status"].as_u64().is_some_and(|it| it >= 400);
            if !is_refusal || case["request"]["at"] != "events" || answer["body"].is_null() {
                continue;
            }
            let sentence = shown(&answer["body"]).unwrap_or_else(|| panic!("{name}"));
            if let Some(text) = answer["body"].as_str()
                && !text.contains("{guid1}")
            {
                assert_eq!(sentence, text, "{name}");
            }
            read += 1;
        }
        assert!(read > 10, "{read} refusals were read");
    }

    proptest! {
        #[test]
        fn no_secret_and_no_personal_number_is_shown(
            before in "\\PC{0,30}", secret in "[A-Za-z0-9_-]{32,60}", number in "[0-9]{11}", after in "\\PC{0,30}",
            cut in 6usize..=6,
        ) {
            let halves = number.split_at(cut);
            let said = [
                format!("{before}https://api.example.no/events/{secret}{after}"),
                format!("{before}{secret}{after}"),
                format!("{before}/person/{number}{after}"),
                format!("{before}{number}{after}"),
                format!("{before} {} {}{after}", halves.0, halves.1),
            ];
            for said in said {
                let shown = shown(&json!(said)).unwrap();
                prop_assert!(!shown.contains(&secret), "{}", shown);
                for part in [number.as_str(), halves.0, halves.1] {
                    prop_assert!(!shown.contains(part), "{}", shown);
                }
            }
        }

        #[test]
        fn no_body_panics_and_none_is_shown_at_length(body in prop::collection::vec(any::<u8>(), 0..800), text in "\\PC{0,900}") {
            let _sentence = Sentence::read(&body);
            if let Some(shown) = shown(&json!(text)) {
                prop_assert!(shown.chars().count() <= MAX_CHARACTERS + 1);
            }
        }
    }
}
