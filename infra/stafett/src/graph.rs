//! `cargo run -- graph`: the routes between apps.

use std::{path::PathBuf, process::ExitCode};

use author::graph::Graph;
use clap::{Args, ValueEnum};
use stafett_core::route::Routes;

use crate::{Failure, bench, terminal};

const EXIT_CODES: &str = "Exit codes: 0 no route closes a cycle; 1 one does; 2 it could not be told, as the command was not \
     understood or a route is broken.";

/// The routes between apps, as text or as a diagram. Routes over which an instance would lead to one of its own
/// app again are flagged as a cycle.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The directory of routes [default: infra/routes]
    dir: Option<PathBuf>,
    /// The language of the output.
    #[arg(long, value_enum, default_value_t = Language::Text)]
    format: Language,
}

/// A language in which the graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// For people, as a tree.
    Text,
    /// A Mermaid flowchart, which GitHub and many editors draw.
    Mermaid,
    /// Graphviz DOT.
    Dot,
}

/// Draws.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    bench::exit(draw(arguments))
}

fn draw(arguments: Arguments) -> Result<bool, Failure> {
    let routes = Routes::load(&arguments.dir.unwrap_or_else(bench::default_routes))?;
    let graph = Graph::of(routes.iter());
    match arguments.format {
        Language::Text => terminal::print(&graph.text())?,
        Language::Mermaid => terminal::print_plain(&graph.mermaid())?,
        Language::Dot => terminal::print_plain(&graph.dot())?,
    }
    Ok(!graph.has_cycle())
}
