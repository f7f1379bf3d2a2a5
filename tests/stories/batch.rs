//! The messages of one batch are processed concurrently.

use local_altinn::Stage;
use serde_json::json;
use testbed::wire::{Action, Gate};
use tests::{DEADLINE, ROUTE, Story, binaries, permit_alone, posts, sqs_event};

#[tokio::test]
async fn all_relays_of_a_batch_call_b_at_the_same_time() {
    let mut plan = permit_alone();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    // The others of a container wait until its first B is read back.
    let first = story.fill_in(Stage::Ended);
    story.trigger(&first).await;
    story.reaches(ROUTE, &first, "done").await;
    story.settled().await;
    let gate = Gate::default();
    story
        .altinn_wire
        .faults()
        .add(posts(), Action::HoldBefore(gate.clone()));
    let permits: Vec<String> = (0..10).map(|_| story.fill_in(Stage::Ended)).collect();

    let batch = sqs_event(permits.iter().map(|a| Story::message(ROUTE, a)));
    let open = async {
        gate.arrived(10, DEADLINE)
            .await
            .expect("all ten are sent before one is answered");
        gate.open();
    };
    let (answer, ()) = tokio::join!(story.instantiate.invoke(&batch), open);
    assert_eq!(
        answer.expect("the batch is worked on"),
        json!({ "batchItemFailures": [] })
    );
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    story.end().await;
}
