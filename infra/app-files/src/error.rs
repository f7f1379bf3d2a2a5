//! The errors of reading an app's files.

use std::{io, path::PathBuf};

use stafett_core::id::AppId;
use thiserror::Error;

/// Why the files of an app cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppFilesError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The content of a file is invalid.
    #[error("{}{}: {problem}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// The 1-based line, if known.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// A folder contains no app.
    #[error(
        "{} holds no app: neither it nor a folder up to two levels below has an \
         App/config/applicationmetadata.json or an applicationmetadata.json",
        folder.display()
    )]
    NoApp {
        /// The folder.
        folder: PathBuf,
    },
    /// Two folders contain the same app.
    #[error("{} and {} are both the app {id}: keep one of them", first.display(), second.display())]
    Duplicate {
        /// The app.
        id: AppId,
        /// The first folder.
        first: PathBuf,
        /// The other folder.
        second: PathBuf,
    },
}

impl AppFilesError {
    pub(super) fn content(
        path: impl Into<PathBuf>,
        line: Option<usize>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Content {
            path: path.into(),
            line,
            problem: problem.into(),
        }
    }
}
