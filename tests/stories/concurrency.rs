//! Many hear of the same instance at the same time, in several processes.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use local_altinn::Stage;
use local_aws::lambda::Program;
use local_world::deployment::Code;
use serde_json::json;
use testbed::wire::{Action, Gate};
use tests::{DEADLINE, ROUTE, Story, binaries, permit_alone, posts, sqs_event};

const DELIVERIES: usize = 20;
const PROCESSES: usize = 3;

/// The built binary in three processes, all of them there.
async fn story() -> Story {
    let mut plan = permit_alone();
    plan.code = Code::Programs {
        receive: Program::new(&binaries().receive).containers(1),
        instantiate: Program::new(&binaries().instantiate).containers(PROCESSES),
        reconcile: Program::new(&binaries().reconcile),
        redrive: Program::new(&binaries().redrive),
    };
    let story = Story::begin(plan).await;
    let processes = story.instantiate.processes().expect("it runs in processes");
    for _ in 0..PROCESSES {
        processes.warm_up().await.expect("it starts");
    }
    assert_eq!(processes.pids().len(), PROCESSES);
    story
}

#[tokio::test]
async fn twenty_deliveries_in_three_processes_send_one_request_and_make_one_case() {
    let story = story().await;
    let a = story.import("two-measures");
    let gate = Gate::default();
    story
        .altinn_wire
        .faults()
        .add(posts(), Action::HoldAfter(gate.clone()));
    let acknowledged = json!({ "batchItemFailures": [] });
    let delivery = || async {
        let event = sqs_event([Story::message(ROUTE, &a)]);
        story.instantiate.invoke(&event).await.expect("it answers")
    };

    let mut deliveries: FuturesUnordered<_> = (0..DELIVERIES).map(|_| delivery()).collect();
    // B has made its instance and says nothing yet: all the others come, and go without having done anything.
    for _ in 1..DELIVERIES {
        let answer = deliveries.next().await.expect("an answer");
        assert_ne!(answer, acknowledged, "nothing is done yet");
    }
    gate.arrived(1, DEADLINE).await.expect("one asks B");
    assert_eq!(story.posts().len(), 1);
    gate.open();
    let winner = deliveries.next().await.expect("an answer");
    assert_eq!(winner, acknowledged);
    drop(deliveries);

    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    // The others come again, to find that it is done.
    let again: FuturesUnordered<_> = (1..DELIVERIES).map(|_| delivery()).collect();
    let again: Vec<_> = again.collect().await;
    assert!(again.iter().all(|answer| *answer == acknowledged));
    assert_eq!(story.posts().len(), 1);
    assert_eq!(story.the_b(ROUTE, &a).id, b.id);
    let processes = story.instantiate.processes().expect("it runs in processes");
    assert_eq!(processes.pids().len(), PROCESSES, "each of them has worked");
    story.end().await;
}

#[tokio::test]
async fn twenty_messages_for_three_processes_end_with_one_case_and_an_empty_queue() {
    let story = story().await;
    let a = story.fill_in(Stage::Ended);
    story
        .send((0..DELIVERIES).map(|_| Story::message(ROUTE, &a)))
        .await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert_eq!(story.mapping.delivered().deleted, DELIVERIES);
    assert!(story.dead_letters(0).await.is_empty());
    story.end().await;
}
