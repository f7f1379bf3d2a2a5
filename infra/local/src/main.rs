//! `cargo run`: both apps, Altinn, AWS and the functions on this machine, and three applications that
//! are relayed before your eyes.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a terminal is what this writes to"
)]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

mod run;

/// Stafett on this machine: relays three sample applications from app A to app B and shows how.
#[derive(Debug, Parser)]
#[command(name = "stafett", version)]
struct Arguments {
    /// Relay the A instance in this folder instead: `instance.json` as Altinn gives it, and a file for each of its data elements.
    #[arg(long, value_name = "FOLDER")]
    input: Option<PathBuf>,
    /// The directory of route files.
    #[arg(long, value_name = "DIR")]
    routes: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run::run(arguments.input, arguments.routes).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
