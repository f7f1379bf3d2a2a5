//! From the start of a function's process to the first time it asks for work.
//!
//! `cargo bench --profile dev -p tests --bench start -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::path::Path;
use std::time::Duration;

use local_aws::FunctionSettings;
use local_aws::lambda::{Function, Program};
use tests::{Binaries, Story};

const STARTS: usize = 40;

#[tokio::main]
async fn main() {
    let binaries = Binaries::of_arguments();
    let story = Story::of_the_permit().await;
    let function = |settings: &FunctionSettings, binary: &Path| {
        Function::process(settings.clone(), Program::new(binary))
    };
    let functions = [
        (
            "bare",
            function(story.instantiate.settings(), &binaries.bare),
        ),
        (
            "receive",
            function(story.receive.settings(), &binaries.receive),
        ),
        (
            "instantiate",
            function(story.instantiate.settings(), &binaries.instantiate),
        ),
        (
            "reconcile",
            function(story.reconcile.settings(), &binaries.reconcile),
        ),
        (
            "redrive",
            function(story.redrive.settings(), &binaries.redrive),
        ),
    ];
    // In turns, so that a noisy moment strikes all of them.
    for _ in 0..STARTS {
        for (_, function) in &functions {
            let processes = function.processes().expect("it runs in processes");
            processes.warm_up().await.expect("it starts");
            processes.kill_all().await;
        }
    }
    let [bare, ..] = &functions;
    let least = median(&bare.1);
    println!("{STARTS} starts each, to the first poll of the runtime API:");
    for (name, function) in &functions {
        let ratio = median(function).as_secs_f64() / least.as_secs_f64();
        println!(
            "  {name:<12} p50 {:>7.2} ms  × {ratio:.2} of bare",
            ms(median(function))
        );
    }
}

fn median(function: &Function) -> Duration {
    let mut starts = function
        .processes()
        .map(|it| it.starts())
        .unwrap_or_default();
    starts.sort();
    starts.get(starts.len() / 2).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
