//! `cargo run`: both apps, Altinn, AWS and the functions on this machine, relaying applications
//! while you watch, whatever goes wrong.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal is what this writes to"
)]

use std::{error::Error, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use stafett_core::causes::Causes;

mod author_commands;
mod check;
mod compare;
mod connect;
mod fetch;
mod graph;
mod route_file;
mod run;
mod subscribe;
mod terminal;
mod try_out;

/// The error that ended a command.
type Failure = Box<dyn Error + Send + Sync>;

/// Stafett on this machine: relays sample applications from app A to app B, also when the trigger is
/// lost, a route has a mistake, or B is down for a night. A local website, the playground, shows it all.
#[derive(Debug, Parser)]
#[command(name = "stafett", version, args_conflicts_with_subcommands = true)]
#[group(skip)]
struct Stafett {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Schema(check::Schema),
    Try(try_out::Arguments),
    Compare(compare::Arguments),
    Graph(graph::Arguments),
    Subscribe(subscribe::Arguments),
}

/// How long work that cannot be interrupted may delay the program's exit.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments = Stafett::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let code = runtime.block_on(run(arguments));
    runtime.shutdown_timeout(PATIENCE);
    code
}

async fn run(arguments: Stafett) -> ExitCode {
    let outcome = match arguments.command {
        Some(Command::Check(arguments)) => return check::run(arguments).await,
        Some(Command::Try(arguments)) => return try_out::run(arguments).await,
        Some(Command::Compare(arguments)) => return compare::run(&arguments),
        Some(Command::Graph(arguments)) => return graph::run(arguments),
        Some(Command::Schema(schema)) => schema.print(),
        Some(Command::Subscribe(arguments)) => subscribe::run(arguments).await,
        None => return run::run(arguments.run).await.unwrap_or_else(failed),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(error),
    }
}

fn failed(error: Failure) -> ExitCode {
    terminal::note(&Causes(&*error).to_string());
    ExitCode::FAILURE
}
