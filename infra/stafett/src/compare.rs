//! `cargo run -- compare`: what changes in B when a route changes.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use app_files::{AppFiles, Apps};
use author::{
    check,
    compare::{Comparison, Version},
    render::{self, Look},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use local_altinn::InstanceFolderReader;
use serde_json::json;
use stafett_core::causes::Causes;

use crate::{
    Failure,
    author_commands::{self, Format},
    route_file::{Reader, RouteFile},
    terminal,
};

/// Folders that cannot be read of which this many are told.
const TOLD: usize = 20;
const EXIT_CODES: &str = "Exit codes: 0 no B changes; 1 some do, or fail now, or fail no longer; 2 it could not be told, as the \
     command was not understood, a route is broken, or an instance could not be read.";

/// What changes in B when a route changes: runs both versions over a folder of A instances. Nothing is sent.
///
/// An app's files are looked for in each `--apps` DIR, in the folders `apps` beside the routes and, for the sample
/// routes, among the sample apps.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The route file as it is deployed, or the name of a route in infra/routes.
    old: PathBuf,
    /// The route file as it shall be.
    new: PathBuf,
    /// A folder that holds folders with A instances (instance.json as Altinn gives it, and a file for each data
    /// element, named by its `filename`, its data type or its id), at any depth.
    #[arg(long, value_name = "FOLDER")]
    instances: PathBuf,
    /// A folder with apps' files, as their repositories have them; can be given more than once.
    #[arg(long, value_name = "DIR")]
    apps: Vec<PathBuf>,
    /// Show up to so many examples of each change.
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// For people or for tools.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Compares, and tells what differs.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    author_commands::exit(compare(arguments))
}

fn compare(arguments: &Arguments) -> Result<bool, Failure> {
    let (old, new) = (
        RouteFile::read(&arguments.old)?,
        RouteFile::read(&arguments.new)?,
    );
    let (of_old, of_new) = (old.apps(&arguments.apps)?, new.apps(&arguments.apps)?);
    stop_at_errors(&new, &of_new)?;
    let all: [&Apps; 2] = [&of_new, &of_old];
    let bs = [&old, &new].map(|RouteFile { route, .. }| {
        let files = all.iter().find_map(|apps| apps.get(&route.to.app));
        files.map(AppFiles::target_app)
    });
    let [of_before, of_after] = [(&old.route, &bs[0]), (&new.route, &bs[1])].map(|(route, b)| {
        let b = b.as_ref();
        Version { route, b }
    });
    let mut wanted = vec![&old.route.from, &new.route.from];
    wanted.dedup();
    let reader = Reader::new(&[&old.route, &new.route], &all)?;
    for gap in &reader.gaps {
        terminal::note(gap);
    }
    let mut comparison = Comparison::new(of_before, of_after, arguments.examples);
    if !arguments.instances.is_dir() {
        return Err(format!("{}: no such folder", arguments.instances.display()).into());
    }
    let progress = progress(&arguments.instances);
    let mut unread = UnreadInstances::default();
    for folder in Folders::below(&arguments.instances) {
        progress.inc(1);
        let source = folder.and_then(|folder| {
            let app = InstanceFolderReader::app_of(&folder)?;
            let known = wanted.iter().any(|wanted| wanted.to_string() == app);
            known.then(|| reader.read(&folder)).transpose()
        });
        match source {
            Ok(Some(source)) => comparison.add(&source),
            Ok(None) => comparison.skip(),
            Err(error) => unread.note(&Causes(&*error).to_string()),
        }
    }
    progress.finish_and_clear();
    let report = comparison.report();
    match arguments.format {
        Format::Json => {
            let mut whole = serde_json::to_value(&report)?;
            whole["verdict"] = report.verdict().into();
            whole["unread"] = json!({"count": unread.count, "told": unread.told});
            terminal::print_plain(&format!("{whole:#}\n"))?;
        }
        Format::Text if report.instances > 0 => terminal::print(&report.text())?,
        Format::Text => {}
    }
    if unread.count > 0 {
        return Err(unread.words().into());
    }
    if report.instances == 0 {
        return Err(format!(
            "no instance of {} in {}: nothing to compare",
            old.route.from,
            arguments.instances.display()
        )
        .into());
    }
    Ok(report.is_same())
}

/// What `check` calls an error of the new route stops the comparison: no B would be as it shows.
fn stop_at_errors(new: &RouteFile, apps: &Apps) -> Result<(), Failure> {
    let checked = check::check_route(&new.located(), apps, Timestamp::now());
    let shown: Vec<String> = checked
        .errors()
        .map(|found| render::finding(found, &new.text, Look::Plain))
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    let shown = shown.join("\n\n");
    Err(format!("`check` finds an error in the new route:\n{shown}").into())
}

/// Instances that could not be read.
#[derive(Default)]
struct UnreadInstances {
    count: usize,
    told: Vec<String>,
}

impl UnreadInstances {
    fn note(&mut self, problem: &str) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(terminal::harmless(problem).into_owned());
        }
    }

    fn words(&self) -> String {
        let mut words = format!(
            "{} instances could not be read, so the verdict is not about all:",
            self.count
        );
        for told in &self.told {
            words.push_str(&format!("\n  {told}"));
        }
        words
    }
}

/// Shows how far it is, where somebody watches.
fn progress(folder: &Path) -> ProgressBar {
    if !terminal::is_watched() {
        return ProgressBar::hidden();
    }
    let count = Folders::below(folder).count();
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} instances, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The folders that hold an instance, in order, however deep.
struct Folders {
    due: Vec<PathBuf>,
}

impl Folders {
    fn below(folder: &Path) -> Self {
        Self {
            due: vec![folder.to_owned()],
        }
    }
}

impl Iterator for Folders {
    type Item = Result<PathBuf, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let folder = self.due.pop()?;
            match subfolders(&folder) {
                Err(error) => {
                    return Some(Err(format!(
                        "{}: cannot be read: {error}",
                        folder.display()
                    )
                    .into()));
                }
                Ok(mut below) => {
                    below.sort_by(|a, b| b.cmp(a));
                    self.due.append(&mut below);
                }
            }
            if folder.join("instance.json").is_file() {
                return Some(Ok(folder));
            }
        }
    }
}

/// The folders in a folder; links are not followed, as they may lead in circles.
fn subfolders(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below.push(entry.path());
        }
    }
    Ok(below)
}
