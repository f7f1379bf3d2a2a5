//! `cargo run -- graph`: the routes between apps.

use std::{path::PathBuf, process::ExitCode};

use author::graph::Graph;
use clap::Args;
use stafett_core::route::Routes;

use crate::{Failure, bench, terminal};

const EXIT_CODES: &str = "Exit codes: 0 no route closes a cycle; 1 one does; 2 it could not be told, as the command was not \
     understood or a route is broken.";

/// The routes between apps, as text and as a picture. Routes over which an instance would lead to one of its own
/// app again are flagged as a cycle.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The directory of routes [default: infra/routes]
    dir: Option<PathBuf>,
    /// Draw the picture into this file, too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Draws.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    bench::exit(draw(arguments))
}

fn draw(arguments: Arguments) -> Result<bool, Failure> {
    let routes = Routes::load(&arguments.dir.unwrap_or_else(bench::default_routes))?;
    let graph = Graph::of(routes.iter());
    terminal::print(&graph.text())?;
    if let Some(file) = arguments.svg {
        std::fs::write(&file, graph.svg_file())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        terminal::note(&format!("\nThe picture is in {}", file.display()));
    }
    Ok(!graph.has_cycle())
}
