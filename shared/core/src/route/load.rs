//! Loads the route files of a directory.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[cfg(feature = "schema")]
use schemars::generate::SchemaSettings;
#[cfg(feature = "schema")]
use serde_json::Value;

use super::{
    definition::Route,
    error::{Mistake, RouteError, RouteErrors},
    file,
};
use crate::id::{AppId, RouteName};

impl Route {
    /// Reads a route from a file.
    ///
    /// # Errors
    /// [`RouteErrors`] with all errors in the file.
    pub fn read(file: &Path) -> Result<Self, RouteErrors> {
        file::read(file).map_err(RouteErrors)
    }
}

/// All routes of a deployment.
#[derive(Debug)]
pub struct Routes(BTreeMap<RouteName, Route>);

impl Routes {
    /// Loads every `*.yaml` and `*.yml` file of `directory`.
    ///
    /// # Errors
    /// [`RouteErrors`] with all errors in all files, or if there is no file.
    pub fn load(directory: &Path) -> Result<Self, RouteErrors> {
        let (valid, errors) = Self::read(&Self::files(directory)?);
        if errors.is_empty() {
            let routes = valid
                .into_iter()
                .map(|(_, route)| (route.name.clone(), route));
            Ok(Self(routes.collect()))
        } else {
            Err(RouteErrors(errors))
        }
    }

    /// The route files of `directory`, sorted by name.
    ///
    /// # Errors
    /// [`RouteErrors`] if the directory cannot be read or has no route files.
    pub fn files(directory: &Path) -> Result<Vec<PathBuf>, RouteErrors> {
        let refused = |mistake, problem: String| {
            RouteErrors(vec![RouteError::new(directory, mistake, problem)])
        };
        let entries = std::fs::read_dir(directory).map_err(|error| {
            refused(
                Mistake::NoRoutes,
                format!("the directory of routes cannot be read: {error}"),
            )
        })?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|end| end == "yaml" || end == "yml")
            })
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(refused(
                Mistake::NoRoutes,
                "no route file here (*.yaml): a directory of routes has one file per route".into(),
            ));
        }
        Ok(files)
    }

    /// Reads `files`. Returns the valid routes with their files, and all errors, including conflicts between routes.
    #[must_use]
    pub fn read(files: &[PathBuf]) -> (Vec<(PathBuf, Route)>, Vec<RouteError>) {
        let mut valid: Vec<(PathBuf, Route)> = Vec::new();
        let mut errors = Vec::new();
        let mut named: BTreeMap<RouteName, &PathBuf> = BTreeMap::new();
        for path in files {
            let route = match file::read(path) {
                Ok(route) => route,
                Err(found) => {
                    errors.extend(found);
                    continue;
                }
            };
            match named.get(&route.name) {
                Some(first) => errors.push(RouteError {
                    field: Some("name".into()),
                    ..RouteError::new(
                        path,
                        Mistake::NameReused,
                        format!(
                            "{} has a route with the same name: each name belongs to one route",
                            first.display()
                        ),
                    )
                }),
                None => {
                    named.insert(route.name.clone(), path);
                    valid.push((path.clone(), route));
                }
            }
        }
        errors.extend(completed_twice(&valid));
        (valid, errors)
    }

    /// The route with this name.
    #[must_use]
    pub fn get(&self, name: &RouteName) -> Option<&Route> {
        self.0.get(name)
    }

    /// The routes that start at `app`.
    pub fn for_app(&self, app: &AppId) -> impl Iterator<Item = &Route> {
        self.0.values().filter(move |route| route.from == *app)
    }

    /// All routes, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.values()
    }

    /// The number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no routes. After [`Routes::load`] there is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An error for each route that completes the instances of an app that an earlier route already completes.
fn completed_twice(routes: &[(PathBuf, Route)]) -> Vec<RouteError> {
    let mut errors = Vec::new();
    let mut completing: BTreeMap<&AppId, &PathBuf> = BTreeMap::new();
    for (path, route) in routes.iter().filter(|(_, route)| route.then.complete) {
        match completing.get(&route.from) {
            Some(first) => errors.push(RouteError {
                field: Some("then.complete".into()),
                ..RouteError::new(
                    path,
                    Mistake::CompletedTwice,
                    format!(
                        "{} completes {} already: the app's unconfirmed instances are the work list of one route",
                        first.display(),
                        route.from
                    ),
                )
            }),
            None => {
                completing.insert(&route.from, path);
            }
        }
    }
    errors
}

/// The JSON schema (draft 2020-12) of a route file.
#[cfg(feature = "schema")]
#[must_use]
pub fn file_schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<file::RouteFile>()
        .to_value()
}
