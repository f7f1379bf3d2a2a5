//! The exchanges recorded from Altinn's own code in `tests/recorded`, with their placeholders filled in.
//!
//! Tests of other crates include this file by its path: they cannot depend on this crate, which depends on them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "each test that includes this file uses a part of it, and has failed where a recording cannot be read"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

/// A recorded exchange with Altinn.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its name, such as `storage-instance-ended`.
    pub name: String,
    /// The content of the file, with every placeholder filled.
    pub document: Value,
}

impl Recording {
    /// The status of the response; `None` if there was no response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        u16::try_from(self.document["answer"]["status"].as_u64()?).ok()
    }

    /// The response body as JSON; `None` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.document["answer"]
            .get("body")
            .filter(|body| !body.is_null())
    }

    /// A header of the response.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.document["answer"]["headers"][name].as_str()
    }

    /// The response body exactly as received, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let answer = &self.document["answer"];
        let exact = answer["exact"].as_str().or_else(|| answer["text"].as_str());
        exact
            .map(str::to_owned)
            .or_else(|| self.json().map(Value::to_string))
    }

    /// The path of the request, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.document["request"]["path"]
            .as_str()
            .unwrap_or_default();
        path.split('?').next().unwrap_or_default()
    }
}

/// The folder of the recordings.
#[must_use]
pub fn folder() -> PathBuf {
    // The including crate is somewhere below the root of the workspace.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .find(|above| above.join("Cargo.lock").is_file());
    root.unwrap_or_else(|| panic!("no workspace above {}", here.display()))
        .join("tests/recorded")
}

/// All recordings of all folders, by name.
#[must_use]
pub fn all() -> Vec<Recording> {
    let mut files: Vec<PathBuf> = ["", "events", "v9", "older"]
        .iter()
        .flat_map(|below| fs::read_dir(folder().join(below)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

/// The recording with this name.
#[must_use]
pub fn named(name: &str) -> Recording {
    let found = ["", "events", "v9", "older"]
        .map(|below| folder().join(below).join(format!("{name}.json")))
        .into_iter()
        .find(|file| file.is_file());
    read(&found.unwrap_or_else(|| panic!("no recording {name}")))
}

fn read(file: &Path) -> Recording {
    let document: Value = serde_json::from_slice(&fs::read(file).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Recording {
        name: document["name"].as_str().unwrap().to_owned(),
        document: filled(&document),
    }
}

/// Fills in the placeholders: the same value wherever a placeholder has the same name; for timestamps, increasing
/// values, with 1 to 7 fractional digits in turn where the placeholder asks for it.
#[must_use]
pub fn filled(document: &Value) -> Value {
    Filler::default().value(document)
}

#[derive(Default)]
struct Filler {
    moments: usize,
}

impl Filler {
    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                let filled = fields
                    .iter()
                    .map(|(name, value)| (self.text(name), self.value(value)));
                filled.collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let placeholder = after.split_once('}');
            match placeholder.and_then(|(name, after)| Some((self.named(name)?, after))) {
                Some((value, after)) => {
                    filled.push_str(&value);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }

    /// The value for a placeholder; `None` if the braces are not a placeholder.
    fn named(&mut self, name: &str) -> Option<String> {
        if let Some(form) = name.strip_prefix("time:") {
            return self.moment(form);
        }
        let is_letter = |name: &str| matches!(name.as_bytes(), [b'a'..=b'f']);
        let (thing, of_thing) = name.split_once('.').unwrap_or((name, ""));
        Some(match name {
            "party" => "501337".to_owned(),
            "T0" => "2026-11-29T08:00:00.0000000Z".to_owned(),
            "T0, encoded" => "2026-11-29T08%3A00%3A00.0000000Z".to_owned(),
            "T1" => "2026-11-29T08:30:00.0000000Z".to_owned(),
            "ticks" => "638999999999999999".to_owned(),
            "number" | "length" => "4711".to_owned(),
            "host" => "local.altinn.cloud".to_owned(),
            "platform" => "platform.local.altinn.cloud".to_owned(),
            "secret" => "0123456789abcdef0123456789abcdef".to_owned(),
            "trace" => "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".to_owned(),
            "boundary" => "gc0p4Jq0M2Yt08jU534c0p".to_owned(),
            "base64" => "c3RhZmV0dA==".to_owned(),
            "kid" | "path" | "stack" | "headers" | "L" | "N" => format!("[{name}]"),
            _ if is_letter(thing) && of_thing == "created" => {
                "2026-11-29T08:15:30.1234567Z".to_owned()
            }
            _ if is_letter(thing) => guid(name),
            _ if name
                .strip_prefix("guid")
                .is_some_and(|number| number.parse::<u32>().is_ok()) =>
            {
                guid(name)
            }
            _ => return None,
        })
    }

    /// `1-7Z` means a fraction of 1 to 7 digits and a Z; `0` means neither.
    fn moment(&mut self, form: &str) -> Option<String> {
        self.moments += 1;
        let (minute, second) = (self.moments / 60 % 60, self.moments % 60);
        let offset = form.trim_start_matches(|char: char| char.is_ascii_digit() || char == '-');
        let digits = match form.strip_suffix(offset)? {
            "0" => 0,
            "1-7" => (self.moments - 1) % 7 + 1,
            _ => return None,
        };
        // Altinn writes no trailing zero in a fraction.
        let fraction = match digits {
            0 => String::new(),
            digits => format!(".{}", &"1234567"[..digits]),
        };
        Some(format!(
            "2026-11-29T09:{minute:02}:{second:02}{fraction}{offset}"
        ))
    }
}

/// A GUID derived from a name.
fn guid(name: &str) -> String {
    let hash = |seed: u64| {
        name.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let (high, low) = (hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
