//! Why the files of an app cannot be used.

use std::{io, path::PathBuf};

use stafett_core::id::AppId;
use thiserror::Error;

/// Why the files of an app cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppFilesError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}{}: {problem}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// 1-based, where it is known.
        line: Option<usize>,
        /// What is wrong there.
        problem: String,
    },
    /// No app is in a folder.
    #[error(
        "{} holds no app: neither it nor a folder up to two levels below has an \
         App/config/applicationmetadata.json or an applicationmetadata.json",
        folder.display()
    )]
    NoApp {
        /// The folder.
        folder: PathBuf,
    },
    /// Two folders hold the same app.
    #[error("{} and {} are both the app {id}: keep one of them", first.display(), second.display())]
    Twice {
        /// The app.
        id: AppId,
        /// One folder.
        first: PathBuf,
        /// The other one.
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
