//! The most memory that `instantiate` has while it relays a large attachment.
//!
//! `cargo bench --profile dev -p tests --bench memory -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use bytes::Bytes;
use local_altinn::{Attachment, Stage};
use tests::{Binaries, CASEWORK, ROUTE, Story, app, peak_memory, permit_alone, sqs_event};

const MIB: u64 = 1024 * 1024;
const LARGE: usize = 100 * 1024 * 1024;

#[tokio::main]
async fn main() {
    let mut plan = permit_alone();
    plan.code = Binaries::of_arguments().code();
    let roomy = app(CASEWORK, |metadata| {
        for data_type in metadata["dataTypes"].as_array_mut().into_iter().flatten() {
            if data_type["id"] == "tegning" {
                data_type["maxSize"] = 200.into();
            }
        }
    });
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(roomy);
    let story = Story::begin(plan).await;

    println!("the most that was resident, after relaying");
    println!(
        "  one PDF             {:>4} MiB",
        relay(&story, Vec::new()).await / MIB
    );
    let drawing = Attachment {
        data_type: "tegning".to_owned(),
        filename: "tegning.png".to_owned(),
        content_type: "image/png".to_owned(),
        bytes: Bytes::from(vec![0x50; LARGE]),
    };
    let peak = relay(&story, vec![drawing.clone()]).await;
    println!("  and one of 100 MiB  {:>4} MiB", peak / MIB);
    let peak = relay(&story, vec![drawing; 5]).await;
    println!("  and five of these   {:>4} MiB", peak / MIB);
    story.end().await;
}

/// Relays a permit with these drawings; the process's peak after that.
async fn relay(story: &Story, drawings: Vec<Attachment>) -> u64 {
    let count = drawings.len();
    let a = story.fill_in_with(Stage::Ended, drawings);
    let event = sqs_event([Story::message(ROUTE, &a)]);
    story
        .instantiate
        .invoke(&event)
        .await
        .expect("the function answers");
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(b.attachments.len(), count + 1);
    let processes = story.instantiate.processes().expect("it runs in processes");
    let [pid] = processes.pids()[..] else {
        panic!("one process")
    };
    peak_memory(pid)
}
