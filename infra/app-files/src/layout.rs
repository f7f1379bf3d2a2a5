//! Where to find an app's files.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::error::AppFilesError;

/// How many levels below a given folder are searched for apps.
const MAX_DEPTH: usize = 2;
/// Where a repository's `config` and `models` folders can be, relative to its root; the first that matches is used.
const APP_FOLDERS: [&str; 2] = ["App", ""];

/// The paths of one app's files. Only the metadata is known to exist.
pub(super) struct Layout {
    pub(super) metadata: PathBuf,
    pub(super) process: PathBuf,
    pub(super) policy: PathBuf,
    pub(super) models: PathBuf,
    pub(super) settings: PathBuf,
    /// The folder of the C# project; `None` for a flat folder.
    pub(super) project: Option<PathBuf>,
}

impl Layout {
    /// The layout of the app in `folder`, or `None` if the folder is not an app's.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let settings = folder.join("app.yaml");
        for project in APP_FOLDERS.map(|name| folder.join(name)) {
            let config = project.join("config");
            let metadata = config.join("applicationmetadata.json");
            if metadata.is_file() {
                return Some(Self {
                    metadata,
                    process: config.join("process/process.bpmn"),
                    policy: config.join("authorization/policy.xml"),
                    models: project.join("models"),
                    settings,
                    project: Some(project),
                });
            }
        }
        let metadata = folder.join("applicationmetadata.json");
        metadata.is_file().then(|| Self {
            metadata,
            process: folder.join("process.bpmn"),
            policy: folder.join("policy.xml"),
            models: folder.join("models"),
            settings,
            project: None,
        })
    }
}

/// All app folders in `folder`, which may be one itself.
pub(super) fn app_folders(folder: &Path) -> Result<Vec<PathBuf>, AppFilesError> {
    let mut found = Vec::new();
    search(folder, MAX_DEPTH, &mut found)?;
    Ok(found)
}

/// Adds the app folders in `folder` and up to `levels` levels below it.
fn search(folder: &Path, levels: usize, found: &mut Vec<PathBuf>) -> Result<(), AppFilesError> {
    if Layout::of(folder).is_some() {
        found.push(folder.to_owned());
    } else if let Some(levels) = levels.checked_sub(1) {
        for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            search(&path, levels, found)?;
        }
    }
    Ok(())
}

/// The entries of a folder, sorted by name, without hidden ones.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, AppFilesError> {
    let failed = |source: io::Error| AppFilesError::Read {
        path: folder.into(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
