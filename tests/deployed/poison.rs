//! A message that no repetition can help.

use std::time::Instant;

use serde_json::json;
use tests::eventually;

use crate::deployed::{say, tell};

#[test]
fn a_poison_message_ends_in_the_dead_letter_queue_and_the_operator_is_told_why() {
    tell(async |deployed| {
        let began = Instant::now();
        let poison = deployed
            .sqs
            .send_message()
            .queue_url(deployed.named("/queue"));
        let sent = poison.message_body("no trigger at all").send().await;
        sent.expect("SQS takes a message");
        eventually("the message is a dead letter", async || {
            match deployed.depth("/deadLetterQueue").await {
                1 => Ok(()),
                depth => Err(format!("{depth} dead letters")),
            }
        })
        .await;
        say(format!(
            "from poison to dead letter: {} ms",
            began.elapsed().as_millis()
        ));
        assert_eq!(deployed.depth("/queue").await, 0);
        let shown = deployed
            .invoke("Redrive", json!({ "action": "inspect" }))
            .await;
        assert_eq!(shown["total"], 1, "{shown}");
        assert_eq!(shown["groups"][0]["reason"], "not_a_trigger", "{shown}");
        assert_eq!(
            deployed.depth("/deadLetterQueue").await,
            1,
            "it is still there"
        );
    });
}
