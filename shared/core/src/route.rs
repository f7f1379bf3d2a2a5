//! A route: from which app, when, to which app, and how.
//!
//! One file per route. [`Routes::load`] reads all of a directory and refuses to start
//! with any of them broken: a broken route stops the deployment, not the night shift.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::{Span, Timestamp};

use crate::{
    id::{AppId, RouteName},
    schema::Schema,
};

mod error;
pub mod expression;
mod file;
#[cfg(feature = "schema")]
pub mod file_schema;
mod lower;
pub mod model;
mod read;
#[cfg(feature = "schema")]
mod schema_parts;
pub mod span;
mod words;

pub use error::{Expected, Mistake, RouteError, RouteErrors, Words, YamlMistake};
pub use expression::{EvaluationError, Expression, Scope};
pub use model::MappingError;
pub use read::MAX_BYTES;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// The route's name, the first part of each of its relay ids.
    pub name: RouteName,
    /// App A.
    pub from: AppId,
    /// When an A instance is ready.
    pub gate: Gate,
    /// Reconcile looks no further back. Always there unless the route completes A.
    pub since: Option<Timestamp>,
    /// App B, and how B is made.
    pub to: Target,
    /// The shape of B's form.
    pub model: model::Group,
    /// What of A's data elements B gets.
    pub attachments: Vec<AttachmentRule>,
    /// B's due date: this long after the gate opened.
    pub due: Option<Span>,
    /// Fan-out: one relay per value.
    pub each: Option<Each>,
    /// What follows on A once B exists.
    pub then: AfterSteps,
}

/// What follows on A, through A's app, once B exists: of a fan-out, once all of them do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AfterSteps {
    /// The substatus that A gets.
    pub substatus: Option<Substatus>,
    /// A is confirmed complete, and so leaves the list of unconfirmed instances.
    pub complete: bool,
}

impl AfterSteps {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.substatus.is_none() && !self.complete
    }
}

/// What is shown beside an instance in its owner's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substatus {
    /// A word or two, or the key of one of A's own texts.
    pub label: String,
    /// A sentence, likewise.
    pub description: Option<String>,
}

/// A fan-out: one relay, with an owner and a form of its own, per value of a list.
#[derive(Debug)]
pub struct Each {
    /// The name that the value has in the other expressions.
    pub name: String,
    /// The list.
    pub list: Expression,
    /// What makes a value itself, however the list changes.
    pub key: Expression,
}

/// The condition on A's process state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// A's process has ended.
    Completed,
    /// A stands in this task, or its process has ended.
    Task(String),
}

/// App B.
#[derive(Debug)]
pub struct Target {
    /// The app.
    pub app: AppId,
    /// Who owns B.
    pub owner: OwnerRule,
    /// B's form data type; if not given, the only one with app logic.
    pub data_type: Option<String>,
    /// The XML root element of B's form.
    pub root: String,
    /// B's JSON schema.
    pub schema: Option<Schema>,
    /// How B is made.
    pub mode: Mode,
}

/// How B is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By one multipart request: form, attachments and stamp together.
    Complete,
    /// By the simplified request of Altinn's guide, which takes flat texts and neither stamp nor
    /// attachments. The stamp stands in a field of B's form, which B's `dataFields` copy to its
    /// `dataValues` when the form is saved: a B that its app left half-made carries none, and a
    /// second one may be made after it.
    Prefill {
        /// The field of B's form that carries the relay's id, dotted.
        stamp: String,
    },
}

/// Which kind of owner the expression names.
#[derive(Debug)]
pub enum OwnerRule {
    /// A nine-digit organisation number.
    Organisation(Expression),
    /// An eleven-digit national identity number.
    Person(Expression),
    /// A party id.
    Party(Expression),
}

impl OwnerRule {
    /// The expression, whatever it names.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        match self {
            Self::Organisation(expression) | Self::Person(expression) | Self::Party(expression) => {
                expression
            }
        }
    }
}

/// A data type of A whose elements B gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRule {
    /// A's data type.
    pub from: String,
    /// B's data type.
    pub to: String,
    /// Whether the relay waits until there is one.
    pub required: bool,
}

impl Route {
    /// Reads the route in one file.
    ///
    /// # Errors
    /// [`RouteErrors`] with everything that is wrong with it.
    pub fn read(file: &Path) -> Result<Self, RouteErrors> {
        read::read(file).map_err(RouteErrors)
    }

    /// The route's name.
    #[must_use]
    pub fn name(&self) -> &RouteName {
        &self.name
    }

    /// A's form data types that the route reads.
    #[must_use]
    pub fn data_types(&self) -> BTreeSet<&str> {
        let mut types: BTreeSet<&str> = self.to.owner.expression().data_types().collect();
        for expression in self.each.iter().flat_map(|each| [&each.list, &each.key]) {
            types.extend(expression.data_types());
        }
        model::expressions(&self.model, &mut |expression| {
            types.extend(expression.data_types())
        });
        types
    }

    /// The paths into A's data that the route reads, with a value's fields as fields of its list.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<String> {
        let mut paths: BTreeSet<String> = self
            .to
            .owner
            .expression()
            .paths()
            .map(str::to_owned)
            .collect();
        model::paths(&self.model, &mut |path| {
            paths.insert(path);
        });
        let Some(each) = &self.each else { return paths };
        paths.extend(each.list.paths().chain(each.key.paths()).map(str::to_owned));
        let item = format!("{}.", each.name);
        let of_list = |path: String| match path.strip_prefix(&item) {
            Some(field) => format!("{}.{field}", each.list.source().trim()),
            None => path,
        };
        paths.into_iter().map(of_list).collect()
    }
}

/// All routes of a deployment.
#[derive(Debug)]
pub struct Routes(BTreeMap<RouteName, Route>);

impl Routes {
    /// Loads every `*.yaml` and `*.yml` file of `directory`.
    ///
    /// # Errors
    /// [`RouteErrors`] with everything that is wrong in any of the files, or when there is none.
    pub fn load(directory: &Path) -> Result<Self, RouteErrors> {
        let (sound, errors) = Self::read(&Self::files(directory)?);
        if errors.is_empty() {
            let routes = sound
                .into_iter()
                .map(|(_, route)| (route.name.clone(), route));
            Ok(Self(routes.collect()))
        } else {
            Err(RouteErrors(errors))
        }
    }

    /// The route files of `directory`, in the order of their names.
    ///
    /// # Errors
    /// [`RouteErrors`] when it cannot be read, or has none.
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

    /// The routes in those of `files` that are sound, each with its file, and everything that is
    /// wrong with the others, or with all of them together.
    #[must_use]
    pub fn read(files: &[PathBuf]) -> (Vec<(PathBuf, Route)>, Vec<RouteError>) {
        let mut sound: Vec<(PathBuf, Route)> = Vec::new();
        let mut errors = Vec::new();
        let mut named: BTreeMap<RouteName, &PathBuf> = BTreeMap::new();
        for path in files {
            let route = match read::read(path) {
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
                        format!("{} names its route so too", first.display()),
                    )
                    .help("a name belongs to one route")
                }),
                None => {
                    named.insert(route.name.clone(), path);
                    sound.push((path.clone(), route));
                }
            }
        }
        let mut completing: BTreeMap<&AppId, &PathBuf> = BTreeMap::new();
        for (path, route) in sound.iter().filter(|(_, route)| route.then.complete) {
            match completing.get(&route.from) {
                Some(first) => errors.push(RouteError {
                    field: Some("then.complete".into()),
                    ..RouteError::new(
                        path,
                        Mistake::CompletedTwice,
                        format!("{} completes {} already", first.display(), route.from),
                    )
                    .help("the app's unconfirmed instances are the work list of one route")
                }),
                None => {
                    completing.insert(&route.from, path);
                }
            }
        }
        (sound, errors)
    }

    /// The route of this name.
    #[must_use]
    pub fn get(&self, name: &RouteName) -> Option<&Route> {
        self.0.get(name)
    }

    /// The routes that start at `app`.
    pub fn for_app(&self, app: &AppId) -> impl Iterator<Item = &Route> {
        self.0.values().filter(move |route| route.from == *app)
    }

    /// All routes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.values()
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which [`Routes::load`] does not let happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
