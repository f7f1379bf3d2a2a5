//! Checks the route files, and deploys them whenever they change and have no errors.
//!
//! The author edits them in an editor; nothing here writes to them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use app_files::Apps;
use author::{
    Finding, Severity,
    check::{self, Report},
    render::{self, Look},
};
use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{causes::Causes, route::Routes};

use super::ledger::shown;
use crate::Site;

/// How often to look for changes.
const EVERY: Duration = Duration::from_millis(500);
/// How many levels below the routes directory to look: schemas and apps are there.
const DEPTH: usize = 6;
/// The maximum number of files to look at.
const MOST_FILES: usize = 5_000;
/// The maximum number of lines of a file to show.
const MOST_LINES: usize = 2_000;

/// The last check; none before the first check has finished.
#[derive(Debug, Default)]
pub(super) struct RouteFiles(Mutex<Option<Arc<Checked>>>);

impl RouteFiles {
    pub(super) fn checked(&self) -> Option<Arc<Checked>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, checked: Checked) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(checked));
    }
}

/// The result of the last check.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    /// When it ran, by the machine's clock.
    at: String,
    outcome: Outcome,
    /// Why the files are not deployed, if the reason is not a finding.
    trouble: Option<String>,
    files: Vec<File>,
    /// Findings in other files, such as an app's own.
    elsewhere: Vec<Shown>,
    /// By which schema of B each route was compared.
    compared: Vec<String>,
    /// What could not be checked.
    unchecked: Vec<String>,
    errors: usize,
    warnings: usize,
}

/// What happened to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// No change: the result of the check at the start.
    Started,
    /// The change is deployed.
    Deployed,
    /// The previous routes stay deployed.
    Kept,
}

/// A route file.
#[derive(Debug, Serialize)]
struct File {
    name: String,
    lines: Vec<Line>,
    /// How many more lines it has.
    left_out: usize,
    findings: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Line {
    number: usize,
    text: String,
    /// The worst severity of its findings.
    mark: Option<Severity>,
}

/// A finding, in parts and as text.
#[derive(Debug, Serialize)]
struct Shown {
    severity: Severity,
    code: &'static str,
    line: Option<usize>,
    /// The file, if the finding is not about particular lines.
    file: Option<String>,
    message: String,
    label: Option<String>,
    help: Vec<String>,
    /// The affected lines, with what is underlined and the suggested replacement.
    snippet: Option<String>,
}

impl Shown {
    fn new(finding: &Finding, report: &Report) -> Self {
        let text = report.texts.get(&finding.file);
        let snippet = text.filter(|_| finding.place.is_some()).map(|text| {
            // The messages are shown beside the excerpt, where they can wrap.
            let bare = Finding {
                label: None,
                help: Vec::new(),
                ..finding.clone()
            };
            let whole = render::finding(&bare, text, Look::Plain);
            let mut lines = whole.lines();
            // The file is shown already.
            lines.find(|line| line.contains("-->"));
            lines.collect::<Vec<_>>().join("\n")
        });
        Self {
            severity: finding.severity,
            code: finding.code,
            line: finding.place.as_ref().map(|place| place.line),
            file: snippet
                .is_none()
                .then(|| finding.file.display().to_string()),
            message: finding.message.clone(),
            label: finding.label.clone(),
            help: finding.help.clone(),
            snippet,
        }
    }
}

impl Checked {
    fn new(outcome: Outcome, report: &Report, trouble: Option<String>) -> Self {
        let files = report
            .texts
            .iter()
            .map(|(file, text)| File::new(file, text, report));
        let elsewhere = report
            .findings
            .iter()
            .filter(|finding| !report.texts.contains_key(&finding.file));
        Self {
            at: shown(Timestamp::now()),
            outcome,
            trouble,
            files: files.collect(),
            elsewhere: elsewhere
                .map(|finding| Shown::new(finding, report))
                .collect(),
            compared: report.compared.clone(),
            unchecked: report.unchecked.clone(),
            errors: report.count(Severity::Error),
            warnings: report.count(Severity::Warning),
        }
    }
}

impl File {
    fn new(file: &Path, text: &str, report: &Report) -> Self {
        let mut marks: BTreeMap<usize, Severity> = BTreeMap::new();
        for finding in report.of_file(file) {
            if let Some(place) = &finding.place {
                let mark = marks.entry(place.line).or_insert(finding.severity);
                // Errors sort first.
                *mark = finding.severity.min(*mark);
            }
        }
        let lines = text
            .lines()
            .zip(1..)
            .take(MOST_LINES)
            .map(|(text, number)| Line {
                number,
                text: text.to_owned(),
                mark: marks.get(&number).copied(),
            });
        let name = file.file_name().unwrap_or(file.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            lines: lines.collect(),
            left_out: text.lines().count().saturating_sub(MOST_LINES),
            findings: report
                .of_file(file)
                .map(|finding| Shown::new(finding, report))
                .collect(),
        }
    }
}

/// Modification times and sizes, to detect changes.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The files below a directory, without hidden ones, which editors use for themselves.
fn look(directory: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut directories = vec![(directory.to_owned(), DEPTH)];
    while let Some((directory, depth)) = directories.pop() {
        let entries = std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            if seen.len() >= MOST_FILES {
                return seen;
            }
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let path = entry.path();
            match std::fs::metadata(&path) {
                Ok(_) if is_hidden => {}
                Ok(found) if found.is_dir() && depth > 0 => directories.push((path, depth - 1)),
                Ok(found) if found.is_file() => {
                    seen.insert(path, (found.modified().ok(), found.len()));
                }
                _ => {}
            }
        }
    }
    seen
}

/// Checks the files now, and after every change, until the playground stops.
pub(super) fn watch(site: Site) -> impl Future<Output = ()> + Send {
    // Look before the first check, so that no edit is missed in between.
    let known = look(&site.routes_folder);
    watch_from(site, known)
}

async fn watch_from(site: Site, mut known: Seen) {
    let folder = site.routes_folder.clone();
    let looked = || {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || look(&folder))
    };
    let checked = match checked(&site).await {
        Ok(report) => Checked::new(Outcome::Started, &report, None),
        Err(trouble) => Checked::new(Outcome::Started, &Report::default(), Some(trouble)),
    };
    site.operations.route_files.keep(checked);
    site.changed();
    let mut changed: Option<Seen> = None;
    loop {
        tokio::time::sleep(EVERY).await;
        // Whoever has the exclusive turn may have deployed other routes temporarily.
        if site.busy().is_some() {
            continue;
        }
        let Ok(seen) = looked().await else { continue };
        if seen == known {
            changed = None;
        } else if changed.as_ref() == Some(&seen) {
            // Unchanged since the last look, so the editor has finished writing.
            (known, changed) = (seen, None);
            let checked = renew(&site).await;
            site.operations.route_files.keep(checked);
            site.changed();
        } else {
            changed = Some(seen);
        }
    }
}

/// Checks the files, and deploys them if there is no error.
async fn renew(site: &Site) -> Checked {
    let report = match checked(site).await {
        Ok(report) => report,
        Err(trouble) => return Checked::new(Outcome::Kept, &Report::default(), Some(trouble)),
    };
    if report.count(Severity::Error) > 0 {
        return Checked::new(Outcome::Kept, &report, None);
    }
    let folder = &site.routes_folder;
    let deployed = async {
        let routes = Routes::load(folder).map_err(|error| error.to_string())?;
        let deployed = site.deployment.deploy(folder).await;
        deployed.map_err(|error| Causes(&error).to_string())?;
        Ok::<_, String>(routes)
    };
    match deployed.await {
        Ok(routes) => {
            site.set_routes(routes);
            Checked::new(Outcome::Deployed, &report, None)
        }
        Err(trouble) => Checked::new(Outcome::Kept, &report, Some(trouble)),
    }
}

/// The check's report, or why the check could not run.
async fn checked(site: &Site) -> Result<Report, String> {
    let (routes, apps) = (site.routes_folder.clone(), site.apps_folders.clone());
    let checked = tokio::task::spawn_blocking(move || {
        // Show paths as an editor does.
        let routes = routes.canonicalize().unwrap_or(routes);
        let beside = routes.join("apps");
        let folders = apps.into_iter().chain([beside]).filter(|it| it.is_dir());
        let folders: Vec<PathBuf> = folders.collect();
        let (apps, unread) = match Apps::read_all(&folders) {
            Ok(apps) => (apps, None),
            Err(error) => (Apps::default(), Some(Causes(&error).to_string())),
        };
        let mut report =
            check::check(&routes, &apps, Timestamp::now()).map_err(|error| error.to_string())?;
        report.unchecked.extend(unread);
        Ok(report)
    });
    checked.await.unwrap_or_else(|error| Err(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_of_any_file_is_seen_and_an_editors_own_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("route.yaml", "name: a");
        let first = look(folder.path());
        assert_eq!(first.len(), 1);
        write(".route.yaml.swp", "x");
        assert_eq!(look(folder.path()), first);
        fs::create_dir(folder.path().join("apps")).unwrap();
        assert_eq!(look(folder.path()), first);
        write("apps/applicationmetadata.json", "{}");
        let second = look(folder.path());
        assert_eq!(second.len(), 2);
        write("route.yaml", "name: another");
        assert_ne!(look(folder.path()), second);
        fs::remove_file(folder.path().join("route.yaml")).unwrap();
        assert_eq!(look(folder.path()).len(), 1);
        assert_eq!(look(Path::new("/nonexistent")), Seen::new());
    }

    #[test]
    fn a_line_is_marked_with_the_worst_that_is_wrong_there() {
        let file = PathBuf::from("routes/x.yaml");
        let text = "name: x\nto: y\nmodel: z\n";
        let place = |at: usize| Some(author::Place::of(text, at..at + 1));
        let report = Report {
            findings: vec![
                Finding::warning("w", &file, "a warning").at(place(8)),
                Finding::error("e", &file, "an error").at(place(9)),
                Finding::warning("v", &file, "another").at(place(14)),
                Finding::error("f", &file, "of the whole file"),
                Finding::error("g", "routes/apps/b.json", "of another file"),
            ],
            texts: BTreeMap::from([(file, text.to_owned())]),
            ..Report::default()
        };
        let checked = Checked::new(Outcome::Kept, &report, None);
        let [file] = &checked.files[..] else {
            panic!("one file")
        };
        assert_eq!(file.name, "x.yaml");
        let marks: Vec<_> = file.lines.iter().map(|line| line.mark).collect();
        assert_eq!(
            marks,
            [None, Some(Severity::Error), Some(Severity::Warning)]
        );
        assert_eq!((file.findings.len(), checked.elsewhere.len()), (4, 1));
        assert_eq!((checked.errors, checked.warnings), (3, 2));
        let [_, error, ..] = &file.findings[..] else {
            panic!("more than one")
        };
        let snippet = error.snippet.as_deref().unwrap_or_default();
        assert!(
            snippet.contains("to: y") && snippet.contains('^'),
            "{snippet}"
        );
        assert!(!snippet.contains("an error"), "{snippet}");
        let elsewhere = &checked.elsewhere[0];
        assert_eq!(
            (elsewhere.snippet.as_deref(), elsewhere.file.as_deref()),
            (None, Some("routes/apps/b.json"))
        );
    }
}
