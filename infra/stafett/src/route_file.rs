//! One route file of an author's, and the A instances that it is tried on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use app_files::Apps;
use author::{
    InstanceData, LocatedRoute, Places, check,
    render::{self, Look},
};
use jiff::Timestamp;
use local_altinn::{App, Config, Gap, IncompleteApp, InstanceFolderReader, Register};
use local_world::deployment;
use stafett_core::{
    id::AppId,
    instance::Instance,
    metadata::ApplicationMetadata,
    route::{Route, Routes},
};

use crate::{Failure, author_commands};

/// A route with its file.
#[derive(Debug)]
pub(crate) struct RouteFile {
    pub(crate) route: Route,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    places: Places,
}

impl RouteFile {
    /// Reads a route file, or the sample route of that name. What is wrong with one is told as `check` does.
    pub(crate) fn read(named: &Path) -> Result<Self, Failure> {
        let path = find(named)?;
        let route = Route::read(&path).map_err(|errors| {
            let report = check::check(&path, &Apps::default(), Timestamp::now());
            let told = report.map(|report| render::text(&report, Look::Plain));
            told.unwrap_or_else(|_| errors.to_string())
        })?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
        Ok(Self {
            route,
            places: Places::of(&text),
            path,
            text,
        })
    }

    pub(crate) fn located(&self) -> LocatedRoute<'_> {
        LocatedRoute {
            route: &self.route,
            file: &self.path,
            places: &self.places,
        }
    }

    /// The apps whose files are at hand for this route.
    pub(crate) fn apps(&self, given: &[PathBuf]) -> Result<Apps, Failure> {
        Ok(author_commands::apps(
            given,
            author_commands::directory(&self.path),
        )?)
    }
}

/// The file of this name; else the file of the sample route of this name.
fn find(named: &Path) -> Result<PathBuf, Failure> {
    if named.exists() {
        return Ok(named.to_owned());
    }
    let samples = author_commands::default_routes();
    let files = Routes::files(&samples)?;
    let (routes, _) = Routes::read(&files);
    let known = routes
        .iter()
        .map(|(_, route)| route.name.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let found = routes
        .into_iter()
        .find(|(_, route)| Path::new(route.name.as_str()) == named);
    match found {
        Some((path, _)) => Ok(path),
        None => Err(format!(
            "{}: no such route file, and no route of that name in {} (there are {known})",
            named.display(),
            samples.display()
        )
        .into()),
    }
}

/// Reads instance folders of app A by its files.
pub(crate) struct Reader {
    folders: InstanceFolderReader,
    metadata: BTreeMap<AppId, ApplicationMetadata>,
    /// The data types whose fields the routes read.
    read: BTreeSet<String>,
    /// What the files of the apps leave out, one line each.
    pub(crate) gaps: Vec<String>,
}

impl Reader {
    /// A reader of the A instances of these routes.
    pub(crate) fn new(routes: &[&Route], apps: &[&Apps]) -> Result<Self, Failure> {
        let mut loaded = Vec::new();
        let mut metadata = BTreeMap::new();
        let mut left_out = Vec::new();
        for route in routes {
            let id = &route.from;
            if metadata.contains_key(id) {
                continue;
            }
            let files = apps.iter().find_map(|apps| apps.get(id)).ok_or_else(|| {
                format!(
                    "the files of {id} are not at hand, by which its forms are read: name their folder with --apps, \
                     or fetch them with `check --from URL`"
                )
            })?;
            metadata.insert(id.clone(), files.metadata.clone());
            let IncompleteApp { app, gaps } = App::from_incomplete_files(files)?;
            loaded.push(app);
            left_out.extend(gaps.into_iter().map(|gap| (id, gap)));
        }
        for route in routes {
            for (app, gap) in &left_out {
                let reads = |gap: &Gap| matches!(gap, Gap::Form { data_type, .. } if route.data_types().contains(data_type.as_str()));
                if **app == route.from && reads(gap) {
                    return Err(format!("{app}: {gap}; and the route reads it").into());
                }
            }
        }
        // The parties of the samples: a folder need not name a party's every id.
        let register = Register::load(&deployment::sample_apps().join("register.yaml"))?;
        let config = Config {
            apps: loaded,
            register,
            ..Config::default()
        };
        Ok(Self {
            folders: InstanceFolderReader::new(config)?,
            metadata,
            read: routes.iter().flat_map(|route| route.data_types()).collect(),
            gaps: left_out
                .iter()
                .map(|(app, gap)| format!("{app}: {gap}"))
                .collect(),
        })
    }

    /// The instance in a folder.
    pub(crate) fn read(&self, folder: &Path) -> Result<InstanceData, Failure> {
        let filled = self.folders.read(folder)?;
        for (data_type, problem) in filled.unreadable {
            if self.read.contains(&data_type) {
                return Err(problem.into());
            }
        }
        let instance = Instance::from_json(filled.instance)
            .map_err(|error| format!("{}: not an instance: {error}", folder.display()))?;
        Ok(match self.metadata.get(&instance.app) {
            Some(metadata) => InstanceData::new(instance, metadata, filled.forms),
            None => InstanceData::without_forms(instance),
        })
    }
}
