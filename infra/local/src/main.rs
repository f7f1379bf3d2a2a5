//! `cargo run`: both apps, Altinn, AWS and the functions on this machine, and applications that are
//! relayed before your eyes, whatever goes wrong.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal is what this writes to"
)]

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use local::cost::{self, Inputs};

mod connect;
mod run;
mod subscribe;

/// What ended a command.
type Failure = Box<dyn Error + Send + Sync>;

/// Stafett on this machine: relays sample applications from app A to app B and shows how, also where
/// nobody tells, a route is mistaken, or B is down for a night.
#[derive(Debug, Parser)]
#[command(name = "stafett", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Relay the A instance in this folder instead: `instance.json` as Altinn gives it, and a file for each of its data elements.
    #[arg(long, value_name = "FOLDER")]
    input: Option<PathBuf>,
    /// The directory of route files.
    #[arg(long, value_name = "DIR")]
    routes: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
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
        print!("{}", cost::table(&inputs, relays));
        Ok(true)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Subscribe(arguments)) => subscribe::run(arguments).await,
        Some(Command::Cost(cost)) => cost.print(),
        None => run::run(arguments.input, arguments.routes).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
