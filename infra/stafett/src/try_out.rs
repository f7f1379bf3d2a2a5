//! `cargo run -- try`: what B an A instance would lead to, with nothing sent.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use app_files::{AppFiles, Apps};
use author::{
    InstanceData, check,
    explain::explain,
    render::{self, Look},
    try_out::{Outcome, TryOut},
};
use clap::Args;
use jiff::Timestamp;
use local_altinn::InstanceFolderReader;
use stafett_core::{
    causes::Causes,
    id::InstanceId,
    preflight::TargetApp,
    prepare::{self, Obstacle},
    route::Route,
};
use stafett_runtime::{
    altinn::{Altinn, Budget},
    settings,
};

use crate::{
    Failure,
    author_commands::{self, Format},
    connect,
    route_file::{Reader, RouteFile},
    terminal,
};

/// For all that is read of Altinn.
const PATIENCE: Duration = Duration::from_secs(120);
const EXIT_CODES: &str = "Exit codes: 0 every B would be sent; 1 one would not, or the gate is closed; 2 it could not be told, as \
     the command was not understood, the route is broken or something could not be read.";

/// What B, or which B, an A instance would lead to: owner, form, attachments, stamps, and what B's files say of it.
/// Nothing is sent.
///
/// An app's files are looked for in each `--apps` DIR, in the folder `apps` beside the route and, for the sample
/// routes, among the sample apps.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// A route file, or the name of a route in infra/routes.
    route: PathBuf,
    /// A folder with an A instance (instance.json as Altinn gives it, and a file for each data element, named by its
    /// `filename`, its data type or its id), or the id of one, PARTY/GUID. An instance named by its id is read from Altinn, with the settings of the functions in the
    /// environment (ALTINN_…, MASKINPORTEN_…).
    #[arg(long, value_name = "FOLDER|ID")]
    instance: String,
    /// A folder with apps' files, as their repositories have them; can be given more than once.
    #[arg(long, value_name = "DIR")]
    apps: Vec<PathBuf>,
    /// Show where this came from instead: `model.soknad.tittel`, a group, `owner`, `due`, `key` or `attachments`.
    #[arg(long, value_name = "FIELD")]
    explain: Option<String>,
    /// For people or for tools.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Tries, and tells what came of it.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    author_commands::exit(try_out(arguments).await)
}

async fn try_out(arguments: Arguments) -> Result<bool, Failure> {
    let file = RouteFile::read(&arguments.route)?;
    let apps = file.apps(&arguments.apps)?;
    let (source, b) = read(&arguments.instance, &file.route, &apps).await?;
    if let Some(field) = &arguments.explain {
        return show_explanation(&file, &source, b.as_ref(), field, arguments.format);
    }
    let checked = check::check_route(&file.located(), &apps, Timestamp::now());
    let tried = TryOut::of(file.located(), &source, b.as_ref(), &checked);
    match arguments.format {
        Format::Json => {
            terminal::print_plain(&format!("{}\n", serde_json::to_string_pretty(&tried)?))?;
        }
        Format::Text => {
            terminal::print(&tried.text())?;
            for found in tried.all_findings() {
                let shown = render::finding(found, &file.text, Look::Styled);
                terminal::print_styled(&format!("\n{shown}\n"))?;
            }
        }
    }
    match tried.outcome() {
        Outcome::Sent => Ok(true),
        Outcome::NotSent => Ok(false),
        Outcome::NotTold => Err(format!(
            "whether {} takes it could not be told: its metadata or its form's schema is not at hand; name the folder of its \
             files with --apps",
            file.route.to.app
        )
        .into()),
    }
}

fn show_explanation(
    file: &RouteFile,
    source: &InstanceData,
    b: Option<&TargetApp>,
    field: &str,
    format: Format,
) -> Result<bool, Failure> {
    let explanation = explain(file.located(), source, b, field)?;
    match format {
        Format::Json => {
            terminal::print_plain(&format!(
                "{}\n",
                serde_json::to_string_pretty(&explanation)?
            ))?;
        }
        Format::Text => terminal::print(&explanation.text(&file.path))?,
    }
    Ok(!explanation.is_refused())
}

/// The A instance, and what B's app tells of itself where it is at hand.
async fn read(
    named: &str,
    route: &Route,
    apps: &Apps,
) -> Result<(InstanceData, Option<TargetApp>), Failure> {
    let files = || apps.get(&route.to.app).map(AppFiles::target_app);
    let path = Path::new(named);
    let source = match named.parse::<InstanceId>() {
        Ok(id) if !path.exists() => {
            let altinn = connect::altinn(&settings::Environment::process()).await?;
            let budget = Budget::new(PATIENCE);
            let source = from_altinn(&altinn, &budget, route, id).await?;
            let b = match altinn.target_app(&budget, &route.to, None).await {
                Ok(b) => Some(b),
                Err(error) => {
                    terminal::note(&format!(
                        "{}; B is judged by its files, where these are at hand",
                        Causes(&error)
                    ));
                    files()
                }
            };
            return Ok((source, b));
        }
        _ => folder(path, route, apps)?,
    };
    Ok((source, files()))
}

fn folder(path: &Path, route: &Route, apps: &Apps) -> Result<InstanceData, Failure> {
    if !path.exists() {
        return Err(format!(
            "{}: no such folder, and not the id of an instance, PARTY/GUID either",
            path.display()
        )
        .into());
    }
    let folder = if path.is_file() {
        path.parent().unwrap_or(path)
    } else {
        path
    };
    of_route(route, &InstanceFolderReader::app_of(folder)?)?;
    let reader = Reader::new(&[route], &[apps])?;
    for gap in &reader.gaps {
        terminal::note(gap);
    }
    reader.read(folder)
}

/// The instance and those of its forms that the route reads.
async fn from_altinn(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    id: InstanceId,
) -> Result<InstanceData, Failure> {
    let instance = altinn.instance(budget, id).await?;
    of_route(route, &instance.app.to_string())?;
    if let Err(Obstacle::Deleted) = prepare::opened(route, &instance) {
        // Its forms may be gone.
        return Ok(InstanceData::without_forms(instance));
    }
    Ok(altinn.instance_data(budget, route, &instance).await?)
}

fn of_route(route: &Route, app: &str) -> Result<(), Failure> {
    if app == route.from.to_string() {
        return Ok(());
    }
    Err(format!(
        "route {} starts at {}, this instance is of {app}",
        route.name, route.from
    )
    .into())
}
