//! What is wrong with a directory of routes.
//!
//! * [`diagnose`] puts into words what the reader of route files ([`stafett_core::route`]) refuses.
//! * [`lint`] finds what a route may say but hardly means.
//! * [`fit`] compares a route with the files of its apps.
//! * [`unchecked`] lists what could not be compared because a file is not at hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::route::{MAX_BYTES, Route, RouteErrors, Routes};
use thiserror::Error;

use crate::{
    finding::{Finding, Severity},
    located_route::LocatedRoute,
    places::Places,
    schema_in_use::SchemasInUse,
};
use app_files::{AppFiles, Apps};

mod accepted;
mod diagnose;
pub mod fit;
mod lint;
mod unchecked;
mod words;

/// At most this many findings are reported for one file.
const MAX_FINDINGS: usize = 100;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The routes that load, by name.
    pub routes: Vec<String>,
    /// What is wrong, by file and place.
    pub findings: Vec<Finding>,
    /// By which schema of B each route was compared, one line each.
    pub compared: Vec<String>,
    /// What could not be checked, and what is needed to check it, one line each.
    pub unchecked: Vec<String>,
    /// What is no mistake and good to know, one line each.
    pub notes: Vec<String>,
    /// The files' texts, for showing the places.
    #[serde(skip)]
    pub texts: BTreeMap<PathBuf, String>,
}

impl Report {
    /// How many findings have this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let of = |finding: &&Finding| finding.severity == severity;
        self.findings.iter().filter(of).count()
    }

    /// The findings in this file.
    pub fn of_file(&self, file: &Path) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |it| it.file == file)
    }
}

/// Why nothing could be checked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// There is no such directory, it cannot be read, or no route is in it.
    #[error(transparent)]
    NoRoutes(#[from] RouteErrors),
}

/// Checks the routes in `dir`, or the one in the file `dir`, against the files of those `apps` that
/// are available. `now` is what a route's `since` is compared with.
///
/// # Errors
/// [`CheckError`] when there is nothing to check.
pub fn check(dir: &Path, apps: &Apps, now: Timestamp) -> Result<Report, CheckError> {
    let files = if dir.is_file() {
        vec![dir.to_owned()]
    } else {
        Routes::files(dir)?
    };
    let texts: BTreeMap<PathBuf, String> = files.iter().map(|it| (it.clone(), text(it))).collect();
    let places: BTreeMap<&Path, Places> = texts
        .iter()
        .map(|(file, text)| (file.as_path(), Places::of(text)))
        .collect();
    let nowhere = Places::default();
    let places_of = |file: &Path| places.get(file).unwrap_or(&nowhere);

    let (sound, errors) = Routes::read(&files);
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| {
            let text = texts.get(&error.file).map_or("", String::as_str);
            diagnose::finding(error, text, places_of(&error.file))
        })
        .collect();
    let (mut not_checked, mut compared, mut notes) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (file, route) in &sound {
        let subject = LocatedRoute {
            route,
            file,
            places: places_of(file),
        };
        let checked = check_route(&subject, apps, now);
        findings.extend(checked.findings);
        not_checked.extend(checked.unchecked);
        notes.extend(checked.notes);
        compared.extend(compared_by(route, apps.get(&route.to.app)));
    }
    let mut unchecked: Vec<String> = not_checked.into_iter().collect();
    unchecked.extend(cut(&mut findings));
    let mut routes: Vec<String> = sound.iter().map(|(_, it)| it.name.to_string()).collect();
    routes.sort();
    Ok(Report {
        routes,
        findings,
        compared,
        unchecked,
        notes,
        texts,
    })
}

/// The schemas of B's forms by which a route was compared.
fn compared_by(route: &Route, b: Option<&AppFiles>) -> Option<String> {
    let app = b.map(AppFiles::target_app);
    let schemas = SchemasInUse::of(&route.to, app.as_ref());
    schemas
        .is_known()
        .then(|| format!("{}: {schemas}", route.name))
}

/// What a check of one route found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be checked, and what is needed to check it, one line each.
    pub unchecked: Vec<String>,
    /// What is no mistake and good to know, one line each.
    pub notes: Vec<String>,
}

impl Checked {
    /// What must be mended before anything is relayed.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        self.findings.iter().filter(is_error)
    }

    /// What B's app fills into its forms itself, one line each.
    pub fn prefilled(&self) -> impl Iterator<Item = &str> {
        let is_told =
            |finding: &&Finding| finding.severity == Severity::Warning && finding.code == "prefill";
        let told = self.findings.iter().filter(is_told);
        told.map(|finding| finding.message.as_str())
    }
}

/// Checks one route that loads, as [`check`] does.
#[must_use]
pub fn check_route(subject: &LocatedRoute<'_>, apps: &Apps, now: Timestamp) -> Checked {
    let route = subject.route;
    let (a, b) = (apps.get(&route.from), apps.get(&route.to.app));
    let mut found = lint::findings(subject, now);
    let fit = fit::findings(subject, a, b);
    found.extend(fit.findings);
    let is_known = a.is_some() && b.is_some();
    Checked {
        findings: accepted::without(subject, found, is_known),
        unchecked: unchecked::of(route, a, b),
        notes: fit.notes,
    }
}

/// Sorts the findings by file and place, and keeps at most [`MAX_FINDINGS`] per file, errors first. Returns a line for each file with more.
fn cut(findings: &mut Vec<Finding>) -> Vec<String> {
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    findings.sort_by(|a, b| (&a.file, a.severity).cmp(&(&b.file, b.severity)));
    findings.retain(|finding| {
        let count = counts.entry(finding.file.clone()).or_default();
        *count += 1;
        *count <= MAX_FINDINGS
    });
    let place = |finding: &Finding| finding.place.as_ref().map(|place| place.range.start);
    findings.sort_by(|a, b| (&a.file, place(a)).cmp(&(&b.file, place(b))));
    let left_out = counts.iter().filter(|(_, count)| **count > MAX_FINDINGS);
    left_out
        .map(|(file, count)| {
            let more = count - MAX_FINDINGS;
            format!("{}: {more} more findings are left out", file.display())
        })
        .collect()
}

/// The text of a route file; empty if the file cannot be read or is too large.
fn text(file: &Path) -> String {
    let is_small = std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.len() <= MAX_BYTES);
    let bytes = if is_small {
        std::fs::read(file).ok()
    } else {
        None
    };
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_is_left_out_in_favour_of_a_warning() {
        let warning = |_| Finding::warning("doubt", "a.yaml", "doubt");
        let mut findings: Vec<Finding> = (0..2 * MAX_FINDINGS).map(warning).collect();
        findings.push(Finding::error("wrong", "a.yaml", "wrong"));
        findings.push(Finding::warning("doubt", "b.yaml", "doubt"));
        let notes = cut(&mut findings);
        assert_eq!(notes, ["a.yaml: 101 more findings are left out"]);
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        assert!(findings.iter().any(|it| it.severity == Severity::Error));
    }
}
