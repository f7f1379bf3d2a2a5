//! Where an app's files lie.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::AppFilesError;

/// How deep below a given folder apps are looked for.
const DEEPEST: usize = 2;
/// The folders between an app's folder and its `config` and `models`, a repository's first.
const APP_FOLDERS: [&str; 2] = ["App", ""];

/// Where one app's files lie; not all of them need to be there.
pub(super) struct Layout {
    pub(super) metadata: PathBuf,
    pub(super) process: PathBuf,
    pub(super) policy: PathBuf,
    pub(super) models: PathBuf,
    pub(super) settings: PathBuf,
    /// The C# project, where it is an app's repository.
    pub(super) project: Option<PathBuf>,
}

impl Layout {
    /// The layout of the app in a folder, if there is one.
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

/// The folders of all apps in a folder, itself included.
pub(super) fn app_folders(folder: &Path) -> Result<Vec<PathBuf>, AppFilesError> {
    let mut found = Vec::new();
    look(folder, DEEPEST, &mut found)?;
    Ok(found)
}

fn look(folder: &Path, deeper: usize, found: &mut Vec<PathBuf>) -> Result<(), AppFilesError> {
    if Layout::of(folder).is_some() {
        found.push(folder.to_owned());
    } else if let Some(deeper) = deeper.checked_sub(1) {
        for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            look(&path, deeper, found)?;
        }
    }
    Ok(())
}

/// What is in a folder, by name, without hidden files.
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
