//! A relay in doubt: a request was sent long ago, and nobody knows what it made.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderValue, StatusCode, header};
use jiff::SignedDuration;
use local_altinn::Stage;
use serde_json::json;
use testbed::wire::{Action, CannedResponse};
use tests::{Folder, ROUTE, Story, binaries, permit_alone, sqs_event};

use left::{import_case, leave_in_doubt, lists};

mod left;

/// The start of the slot that each list so far was of, in order.
fn slots_listed(story: &Story) -> Vec<String> {
    let all = story.altinn_wire.journal().all();
    let lists = all
        .iter()
        .filter(|exchange| lists().matches(exchange.head()));
    lists
        .map(|exchange| {
            let path = &exchange.head().path;
            let (_, from) = path.split_once("created=gte").expect("it has a start");
            from.split('&').next().unwrap_or_default().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn a_search_that_is_cut_off_three_times_goes_on_where_it_was_and_ends() {
    let mut plan = permit_alone();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    let folder = Folder::empty();
    let now = story.altinn.clock().now();
    for minute in 1..90 {
        import_case(&story, &folder, now - SignedDuration::from_mins(minute));
    }
    let a = story.fill_in(Stage::Ended);
    let ended = now - SignedDuration::from_mins(40);
    leave_in_doubt(&story, std::slice::from_ref(&a), ended).await;
    let busy = || {
        let status = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
        Action::Answer(status.header(header::RETRY_AFTER, HeaderValue::from_static("1")))
    };
    for cut in [2, 4, 6] {
        story.altinn_wire.faults().add(lists().nth(cut), busy());
    }
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert_eq!(item["attempts"], 2, "those that were cut off do not count");
    let listed = slots_listed(&story);
    assert!(listed.is_sorted(), "none begins anew: {listed:?}");
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!(listed.len(), distinct.len() + 3, "{listed:?}");
    assert!((6..=8).contains(&distinct.len()), "{listed:?}");
    story.end().await;
}

#[tokio::test]
async fn relays_in_doubt_of_one_batch_share_a_walk() {
    let mut plan = permit_alone();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    // The others of a container wait until its first B is read back.
    let first = story.fill_in(Stage::Ended);
    story.trigger(&first).await;
    story.reaches(ROUTE, &first, "done").await;
    story.settled().await;
    let permits: Vec<String> = (0..10).map(|_| story.fill_in(Stage::Ended)).collect();
    let ended = story.altinn.clock().now() - SignedDuration::from_mins(40);
    leave_in_doubt(&story, &permits, ended).await;
    let batch = sqs_event(permits.iter().map(|a| Story::message(ROUTE, a)));
    let answer = story.instantiate.invoke(&batch).await;
    assert_eq!(
        answer.expect("the batch is worked on"),
        json!({ "batchItemFailures": [] })
    );
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    assert_eq!(story.creations(), 1 + permits.len());
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for slot in slots_listed(&story) {
        *times.entry(slot).or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    assert!((6..=8).contains(&times.len()), "{times:?}");
    story.end().await;
}
