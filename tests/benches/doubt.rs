//! The pages that a relay in doubt costs, with many B in the day.
//!
//! `cargo bench --profile dev -p tests --bench doubt -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::time::Instant;

use jiff::SignedDuration;
use local_altinn::Stage;
use tests::{Binaries, Folder, ROUTE, Story, permit_alone};

use left::{import_case, leave_in_doubt, lists};

#[path = "../stories/doubt/left.rs"]
mod left;

/// B of the last day, one every 0.864 seconds.
const CASES: i64 = 100_000;
/// Minutes since the request ended.
const LATE: [i64; 5] = [21, 60, 240, 720, 1_320];

#[tokio::main]
async fn main() {
    let mut plan = permit_alone();
    plan.code = Binaries::of_arguments().code();
    let story = Story::begin(plan).await;
    let folder = Folder::empty();
    let now = story.altinn.clock().now();
    let began = Instant::now();
    for number in 0..CASES {
        let at = now - SignedDuration::from_millis(864 * number);
        import_case(&story, &folder, at);
    }
    println!(
        "{CASES} B in the day, made in {:.0} s; a request of 40 minutes, settled so many minutes after it ended:",
        began.elapsed().as_secs_f64()
    );
    for minutes in LATE {
        let a = story.fill_in(Stage::Ended);
        let ended = story.altinn.clock().now() - SignedDuration::from_mins(minutes);
        leave_in_doubt(&story, std::slice::from_ref(&a), ended).await;
        story.altinn_wire.journal().clear();
        let began = Instant::now();
        story.trigger(&a).await;
        story.reaches(ROUTE, &a, "done").await;
        println!(
            "  {minutes:>5}: {} pages, {:.1} s to B",
            story.altinn_wire.journal().count(&lists()),
            began.elapsed().as_secs_f64()
        );
        story.the_b(ROUTE, &a);
    }
    story.end().await;
}
