//! `cargo run`: both apps, Altinn, AWS and the functions on this machine, and applications that are
//! relayed before your eyes, whatever goes wrong.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal is what this writes to"
)]

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use local_world::cost::{self, Inputs};
use stafett_core::causes::Causes;

mod bench;
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

/// What ended a command.
type Failure = Box<dyn Error + Send + Sync>;

/// Stafett on this machine: relays sample applications from app A to app B and shows how, also where
/// nobody tells, a route is mistaken, or B is down for a night. A page, the playground, shows all of it.
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
    Cost(Cost),
}

/// What relays cost a month on AWS: list prices times what they use.
#[derive(Debug, Args)]
struct Cost {
    /// So many relays a month; can be given more than once [default: 1000 and 1000000]
    #[arg(long, value_name = "N")]
    relays: Vec<u64>,
    /// Other prices and amounts than those of infra/cost.yaml, in a file like it.
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
}

impl Cost {
    fn print(&self) -> Result<bool, Failure> {
        let inputs = match &self.inputs {
            Some(path) => Inputs::read(path)?,
            None => Inputs::default_file()?,
        };
        let relays = match self.relays.as_slice() {
            [] => &[1_000, 1_000_000],
            some => some,
        };
        terminal::print(&cost::table(&inputs, relays))?;
        Ok(true)
    }
}

/// How long work that cannot be interrupted keeps the program from ending.
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
        Some(Command::Cost(cost)) => cost.print(),
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
