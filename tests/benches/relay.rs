//! What a relay costs in a warm process, and what ten of a batch cost where Altinn is slow.
//!
//! `cargo bench --profile dev -p tests --bench relay -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::time::{Duration, Instant};

use local_altinn::Stage;
use testbed::wire::{Action, On};
use tests::{Binaries, ROUTE, Story, cpu, permit_alone, sqs_event};

const WARM: usize = 20;
const RELAYS: usize = 200;
const ROUNDS: usize = 7;
const LATENCY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() {
    let mut plan = permit_alone();
    plan.code = Binaries::of_arguments().code();
    let story = Story::begin(plan).await;
    for _ in 0..WARM {
        relay(&story, 1).await;
    }
    let processes = story.instantiate.processes().expect("it runs in processes");
    let [pid] = processes.pids()[..] else {
        panic!("one process")
    };

    let before = cpu(pid);
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..RELAYS {
        times.push(relay(&story, 1).await);
    }
    let used = cpu(pid) - before;
    let each = used / u32::try_from(RELAYS).unwrap_or(1);
    println!("{RELAYS} relays with one attachment, one after the other, in a warm process:");
    println!(
        "  {:.2} ms of CPU each, {:.2} ms each (p50)",
        ms(each),
        ms(median(times))
    );

    story
        .altinn_wire
        .faults()
        .add(On::any(), Action::Latency(LATENCY));
    let (mut ones, mut tens) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ones.push(relay(&story, 1).await);
        tens.push(relay(&story, 10).await);
    }
    let (one, ten) = (median(ones), median(tens));
    println!(
        "each call to Altinn {} ms late, p50 of {ROUNDS}:",
        LATENCY.as_millis()
    );
    println!(
        "  one relay {:.0} ms, a batch of ten {:.0} ms: × {:.2}",
        ms(one),
        ms(ten),
        ten.as_secs_f64() / one.as_secs_f64()
    );
    story.end().await;
}

/// One invocation with so many messages.
async fn relay(story: &Story, count: usize) -> Duration {
    let permits: Vec<String> = (0..count).map(|_| story.fill_in(Stage::Ended)).collect();
    let event = sqs_event(permits.iter().map(|a| Story::message(ROUTE, a)));
    let began = Instant::now();
    let answer = story
        .instantiate
        .invoke(&event)
        .await
        .expect("the function answers");
    let took = began.elapsed();
    assert_eq!(
        answer["batchItemFailures"].as_array().map(Vec::len),
        Some(0),
        "{answer}"
    );
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
