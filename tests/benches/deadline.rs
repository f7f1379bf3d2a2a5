//! Deadline days, simulated: what they cost, and how long they take beside the least that they could.
//!
//! `cargo bench -p simulation` prints the whole table; `cargo bench -p simulation -- weekend` only what contains this word.
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::time::Instant;

use simulation::{figures, scenario::Scenario, world::World};

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with("--"))
        .collect();
    let divisor = asked
        .iter()
        .find_map(|it| it.strip_prefix('/')?.parse().ok());
    let word = asked.iter().find(|it| !it.starts_with('/'));
    println!("{}", figures::head());
    for scenario in Scenario::all(divisor.unwrap_or(1)) {
        if word.is_none_or(|word| scenario.name.contains(word.as_str())) {
            let began = Instant::now();
            let figures = World::simulate(scenario);
            println!("{figures}  ({:.1} s)", began.elapsed().as_secs_f64());
        }
    }
}
