//! `cargo run -- check`: what is wrong with the routes, and `cargo run -- schema`, what a route is.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::fetch::fetch;
use author::{
    Severity, check,
    render::{self, Look},
};
use clap::Args;
use jiff::Timestamp;
use stafett_core::{
    id::AppId,
    route::{Routes, file_schema},
};

use crate::{
    Failure,
    bench::{self, Format},
    terminal,
};

/// What is wrong with the routes: with their files, and against the files of the apps that they name.
///
/// An app's files are looked for in each `--apps` DIR, in DIR/apps and, for the sample routes, among the sample apps.
#[derive(Debug, Args)]
#[command(after_help = bench::EXIT_CODES)]
pub(crate) struct Arguments {
    /// The directory of routes, or one route file [default: infra/routes]
    dir: Option<PathBuf>,
    /// A folder with apps' files, as their repositories have them; can be given more than once.
    #[arg(long, value_name = "DIR")]
    apps: Vec<PathBuf>,
    /// Fetch the apps' public files from here first, and store them in DIR/apps: `https://{org}.apps.tt02.altinn.no`.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// For people or for tools.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Let warnings count as errors.
    #[arg(long)]
    deny_warnings: bool,
}

/// Checks, and tells what it found.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    bench::exit(check(arguments).await)
}

async fn check(arguments: Arguments) -> Result<bool, Failure> {
    let routes = arguments.dir.unwrap_or_else(bench::default_routes);
    let directory = bench::directory(&routes);
    if let Some(base) = &arguments.from {
        fetch_all(base, &routes, directory).await?;
    }
    let apps = bench::apps(&arguments.apps, directory)?;
    let report = check::check(&routes, &apps, Timestamp::now())?;
    match arguments.format {
        // Of its colours a pipe and a terminal without any get none.
        Format::Text => terminal::print_styled(&render::text(&report, Look::Styled))?,
        Format::Json => terminal::print_plain(&format!("{:#}\n", render::json(&report)))?,
    }
    let warnings = if arguments.deny_warnings {
        report.count(Severity::Warning)
    } else {
        0
    };
    Ok(report.count(Severity::Error) + warnings == 0)
}

/// Stores the files of each app that a sound route names.
async fn fetch_all(base: &str, routes: &Path, directory: &Path) -> Result<(), Failure> {
    let files = if routes.is_file() {
        vec![routes.to_owned()]
    } else {
        Routes::files(routes)?
    };
    let (sound, _) = Routes::read(&files);
    let apps: BTreeSet<&AppId> = sound
        .iter()
        .flat_map(|(_, route)| [&route.from, &route.to.app])
        .collect();
    for app in apps {
        let into = directory.join("apps").join(app.org()).join(app.app());
        let fetched = fetch(base, app, &into).await?;
        terminal::note(&format!(
            "{app}: stored {} files in {}",
            fetched.stored.len(),
            into.display()
        ));
        for missing in fetched.missing {
            terminal::note(&format!(
                "{app}: no {}: {}",
                missing.file.display(),
                missing.why
            ));
        }
    }
    Ok(())
}

/// The JSON schema of a route file, for editors.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    /// Prints it.
    #[expect(clippy::unused_self, reason = "a command has arguments, even if none")]
    pub(crate) fn print(&self) -> Result<bool, Failure> {
        terminal::print_plain(&format!("{:#}\n", file_schema()))?;
        Ok(true)
    }
}
