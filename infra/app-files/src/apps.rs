//! Several apps, by id.

use std::{
    collections::{BTreeMap, btree_map},
    path::{Path, PathBuf},
};

use stafett_core::id::AppId;

use crate::{app::AppFiles, error::AppFilesError, layout};

/// The files of several apps, by app id.
#[derive(Debug, Clone, Default)]
pub struct Apps(BTreeMap<AppId, AppFiles>);

impl Apps {
    /// Reads all apps in these folders. Each folder may be an app itself, or contain apps up to two levels down:
    /// `{repository}` or `{org}/{app}`. If several folders contain the same app, the first folder's copy is used.
    ///
    /// # Errors
    /// As [`AppFiles::read`]; and if one folder contains the same app twice, or no app.
    pub fn read_all(folders: &[PathBuf]) -> Result<Self, AppFilesError> {
        let mut apps = BTreeMap::new();
        for folder in folders {
            for app in Self::read_folder(folder)? {
                apps.entry(app.id.clone()).or_insert(app);
            }
        }
        Ok(Self(apps))
    }

    fn read_folder(folder: &Path) -> Result<Vec<AppFiles>, AppFilesError> {
        let mut apps: Vec<AppFiles> = Vec::new();
        for found in layout::app_folders(folder)? {
            let app = AppFiles::read(&found)?;
            if let Some(first) = apps.iter().find(|first| first.id == app.id) {
                return Err(AppFilesError::Duplicate {
                    id: app.id,
                    first: first.folder.clone(),
                    second: found,
                });
            }
            apps.push(app);
        }
        if apps.is_empty() {
            return Err(AppFilesError::NoApp {
                folder: folder.to_owned(),
            });
        }
        Ok(apps)
    }

    /// The app with this id.
    #[must_use]
    pub fn get(&self, id: &AppId) -> Option<&AppFiles> {
        self.0.get(id)
    }

    /// All apps, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &AppFiles> {
        self.0.values()
    }

    /// The number of apps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no apps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<AppFiles> for Apps {
    fn from_iter<I: IntoIterator<Item = AppFiles>>(apps: I) -> Self {
        Self(apps.into_iter().map(|app| (app.id.clone(), app)).collect())
    }
}

impl IntoIterator for Apps {
    type Item = AppFiles;
    type IntoIter = btree_map::IntoValues<AppId, AppFiles>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}
