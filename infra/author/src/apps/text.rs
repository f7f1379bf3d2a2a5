//! Files as text, bounded.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde_json::Value;

use super::AppFilesError;

/// No file of an app that is read here is larger: 16 MiB.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A file's text, without the byte order mark that Altinn Studio often puts before it.
pub(super) fn read(path: &Path) -> Result<String, AppFilesError> {
    let failed = |source| AppFilesError::Read {
        path: path.into(),
        source,
    };
    // To open a pipe is to wait for who writes into it.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(io::Error::other(format!(
            "the file is larger than {} MiB",
            LARGEST / 1024 / 1024
        ))));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = lines(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        AppFilesError::content(path, Some(line), "not UTF-8: save the file as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A file's text, or `None` where there is no such file.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, AppFilesError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(AppFilesError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A file's JSON.
pub(super) fn read_json(path: &Path) -> Result<Value, AppFilesError> {
    json(path, &read(path)?)
}

pub(super) fn json(path: &Path, text: &str) -> Result<Value, AppFilesError> {
    serde_json::from_str(text).map_err(|error| {
        AppFilesError::content(path, Some(error.line()), format!("not JSON: {error}"))
    })
}

/// The 1-based line on which these bytes end.
pub(super) fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count() + 1
}
