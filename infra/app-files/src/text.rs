//! Reads files as text or JSON, with a size limit.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_path_to_error::{Path as FieldPath, Segment};
use stafett_core::tolerant::Tolerant;

use crate::error::AppFilesError;

/// The largest file that is read, in bytes: 16 MiB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads a file's text, without the byte order mark that Altinn Studio often writes.
pub(super) fn read(path: &Path) -> Result<String, AppFilesError> {
    let failed = |source| AppFilesError::Read {
        path: path.into(),
        source,
    };
    // Opening a pipe would block until somebody writes to it.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::other(format!(
            "the file is larger than {} MiB",
            MAX_BYTES / 1024 / 1024
        ))));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = last_line(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        AppFilesError::content(path, Some(line), "not UTF-8: save the file as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads a file's text; `None` if the file does not exist.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, AppFilesError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(AppFilesError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a file's JSON.
pub(super) fn read_json(path: &Path) -> Result<Value, AppFilesError> {
    json(path, &read(path)?)
}

pub(super) fn json(path: &Path, text: &str) -> Result<Value, AppFilesError> {
    serde_json::from_str(text).map_err(|error| {
        AppFilesError::content(path, Some(error.line()), format!("not JSON: {error}"))
    })
}

/// Deserializes a JSON document of Altinn's as leniently as Altinn does. `text` is its source, in which errors are located.
pub(super) fn typed<'de, T: Deserialize<'de>>(
    path: &Path,
    text: &str,
    document: &'de Value,
) -> Result<T, AppFilesError> {
    serde_path_to_error::deserialize(Tolerant(document)).map_err(|error| {
        let field = error.path().to_string();
        let line = line_of(text, error.path());
        AppFilesError::content(path, line, format!("field `{field}`: {}", error.inner()))
    })
}

/// The 1-based line of the field at a path, or of the end of the group that lacks it.
fn line_of(text: &str, path: &FieldPath) -> Option<usize> {
    let segments: Vec<&Segment> = path.iter().collect();
    let mut document = serde_json::Deserializer::from_str(text);
    let stopped = PathFollower(&segments).deserialize(&mut document).err()?;
    Some(stopped.line()).filter(|line| *line > 0)
}

/// Follows a path through a document and fails at its end, because only a `serde_json` error gives the line.
#[derive(Clone, Copy)]
struct PathFollower<'a>(&'a [&'a Segment]);

impl PathFollower<'_> {
    fn stop<E: serde::de::Error>() -> E {
        E::custom("the end of the path")
    }
}

impl<'de> DeserializeSeed<'de> for PathFollower<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            IgnoredAny::deserialize(deserializer)?;
            return Err(Self::stop());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PathFollower<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a group or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match self.0 {
                [Segment::Map { key }, rest @ ..] if key.eq_ignore_ascii_case(&name) => {
                    map.next_value_seed(PathFollower(rest))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Err(Self::stop())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let [Segment::Seq { index }, rest @ ..] = self.0 else {
            return Err(Self::stop());
        };
        for _ in 0..*index {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(PathFollower(rest))?;
        Err(Self::stop())
    }
}

/// The 1-based line on which these bytes end.
pub(super) fn last_line(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count() + 1
}
