//! The stack is deleted, and another one is deployed with the ledger that it left behind.
//!
//! `.ci/deployed` runs this last, because the stack of the other stories is gone afterwards.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{CASEWORK, eventually};

use crate::deployed::{Deployed, run_story};

async fn trigger(deployed: &Deployed, permits: &[String]) {
    for a in permits {
        let answer = deployed.trigger(a, &deployed.token()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
}

/// The number of B that were ever made.
fn cases(deployed: &Deployed) -> usize {
    let made = deployed.altinn.creations().into_iter();
    made.filter(|it| it.app == CASEWORK).count()
}

/// Waits until no message is left, and checks that none has failed.
async fn nothing_is_left(deployed: &Deployed) {
    eventually("the queue is empty", async || {
        match deployed.depth("/queue").await {
            0 => Ok(()),
            depth => Err(format!("{depth} messages")),
        }
    })
    .await;
    assert_eq!(deployed.depth("/deadLetterQueue").await, 0);
}

#[test]
fn a_stack_that_is_given_the_ledger_of_a_deleted_one_relays_nothing_twice() {
    run_story(async |first| {
        let mut permits: Vec<String> = (0..3).map(|_| first.submit()).collect();
        trigger(first, &permits).await;
        for a in &permits {
            first.done(a).await;
        }
        assert_eq!(cases(first), 3);

        let second = first.replaced().await;
        assert_eq!(second.named("/table"), first.named("/table"));
        let status = second
            .invoke("Reconcile", json!({ "action": "status" }))
            .await;
        assert_eq!(status["ledger"]["first"], true, "{status}");
        trigger(&second, &permits).await;
        nothing_is_left(&second).await;
        assert_eq!(cases(&second), 3, "nothing is relayed again");

        // What is new is relayed, with the rights that the stack has to a table that it did not make.
        permits.push(second.submit());
        trigger(&second, &permits[3..]).await;
        for a in &permits {
            second.done(a).await;
            second.the_one_complete_b(a);
        }
        nothing_is_left(&second).await;
        let report = second.invoke("Reconcile", json!({})).await;
        for route in report["routes"].as_array().into_iter().flatten() {
            assert_eq!(route["trouble"], Value::Null, "{route}");
            for found in ["missing", "doubles", "unrecorded"] {
                assert_eq!(route[found], 0, "{found}: {route}");
            }
        }
        assert_eq!(cases(&second), 4);
    });
}
