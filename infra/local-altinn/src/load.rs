//! Reading the files from which the local Altinn is set up.

use std::io;
use std::path::{Path, PathBuf};

use app_files::AppFilesError;
use serde_json::Value;

/// Why an app, the register or an instance folder cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The content of a file is wrong.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in the file, and what is wrong there.
        message: String,
    },
    /// The files of an app are wrong.
    #[error(transparent)]
    App(AppFilesError),
}

pub(crate) fn read_text(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.into(),
        source,
    })
}

pub(crate) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let text = read_text(path)?;
    // Some editors write a byte order mark.
    let json = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(json).map_err(|error| LoadError::Content {
        path: path.into(),
        message: format!("not JSON: {error}"),
    })
}
