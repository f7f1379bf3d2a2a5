//! What the commands of a route's author have in common.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use app_files::{AppFilesError, Apps};
use clap::ValueEnum;
use local_world::deployment;
use stafett_core::causes::Causes;

use crate::{Failure, terminal};

/// What these commands say by their exit code, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 nothing is wrong; 1 something is; 2 it could not be told, as the command was not \
     understood or a file could not be read.";

/// For whom a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For tools: one JSON document.
    Json,
}

/// The apps whose files are at hand for the routes in `routes`: those that are given, then those
/// beside the routes, then the samples for the sample routes.
pub(crate) fn apps(given: &[PathBuf], routes: &Path) -> Result<Apps, AppFilesError> {
    let mut folders = given.to_vec();
    folders.extend(Some(routes.join("apps")).filter(|beside| beside.is_dir()));
    let is_same = |a: &Path, b: &Path| {
        a.canonicalize()
            .is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
    };
    if is_same(routes, &deployment::sample_routes()) {
        folders.push(deployment::sample_apps());
    }
    Apps::read_all(&folders)
}

/// The sample routes, by the path under which they are seen from here.
pub(crate) fn default_routes() -> PathBuf {
    let here = PathBuf::from("infra/routes");
    if here.is_dir() {
        here
    } else {
        deployment::sample_routes()
    }
}

/// The directory of a route file, or of routes.
pub(crate) fn directory(routes: &Path) -> &Path {
    if routes.is_file() {
        let parent = routes.parent().filter(|it| !it.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    } else {
        routes
    }
}

/// The exit code: whether nothing is wrong, or why that could not be told.
pub(crate) fn exit(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            terminal::note(&Causes(&*error).to_string());
            ExitCode::from(2)
        }
    }
}
