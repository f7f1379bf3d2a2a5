//! Messages that are none.

use local_altinn::Stage;
use serde_json::json;
use tests::{ROUTE, Story, binaries, permit_alone};

#[tokio::test]
async fn a_poisoned_message_goes_to_the_dead_letters_as_it_was_and_takes_no_other_along() {
    let mut plan = permit_alone();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    let permits: Vec<String> = (0..6).map(|_| story.fill_in(Stage::Ended)).collect();
    let later = Story::message(ROUTE, &permits[0]).replace("\"v\":1", "\"v\":2");
    let mut poison = vec![
        "{ this is not JSON <&> ".to_owned(),
        json!({ "a": ["shape", "of", "its", "own"], "æ": "ø" }).to_string(),
        json!(["not", "even", "an", "object"]).to_string(),
        later,
    ];
    let relays = permits.iter().map(|a| Story::message(ROUTE, a));
    // Poison between the relays, all in one batch.
    let batch = relays.take(3).chain(poison.clone());
    let batch = batch.chain(permits.iter().skip(3).map(|a| Story::message(ROUTE, a)));
    story.send(batch).await;
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    let mut dead = story.dead_letters(poison.len()).await;
    dead.sort();
    poison.sort();
    assert_eq!(dead, poison);
    let logs = story.logs();
    assert!(
        !logs
            .iter()
            .any(|line| line.contains("of its own") || line.contains("this is not")),
        "a message's text is not ours to log"
    );
    story.end().await;
}
