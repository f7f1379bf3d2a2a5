//! The functions' own tokens: rejected, unobtainable, or needed by many relays at once.

use http::{Method, StatusCode};
use local_altinn::Stage;
use testbed::wire::{Action, CannedResponse, On};
use tests::{ROUTE, Story, posts};

fn grants() -> On {
    On::request(Method::POST, "^/maskinporten/token$")
}

fn exchanges() -> On {
    On::request(Method::GET, "^/authentication/api/v1/exchange/maskinporten")
}

fn reads() -> On {
    On::request(Method::GET, "^/storage/api/v1/instances/[^/]+/[^/]+$")
}

fn counts(story: &Story) -> [usize; 2] {
    let journal = story.altinn_wire.journal();
    [journal.count(&grants()), journal.count(&exchanges())]
}

/// Relays one permit in this many deliveries, while one of these requests is rejected with 401.
async fn relayed_with_a_refused_token(on: On, deliveries: u32) -> Story {
    let story = Story::of_the_permit().await;
    let refusal = CannedResponse::status(StatusCode::UNAUTHORIZED);
    let rule = story
        .altinn_wire
        .faults()
        .add(on.nth(1), Action::Answer(refusal));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    assert_eq!(item["attempts"], deliveries);
    assert_eq!(story.altinn_wire.faults().applied(rule), 1);
    story.the_b(ROUTE, &a);
    assert_eq!(
        counts(&story),
        [2, 2],
        "the refused token is replaced, once"
    );
    story
}

#[tokio::test]
async fn a_read_with_a_rejected_token_is_repeated_once_with_a_new_one() {
    let story = relayed_with_a_refused_token(reads(), 1).await;
    // A twice, and B to read its form back.
    assert_eq!(story.altinn_wire.journal().count(&reads()), 3);
    assert_eq!(story.posts().len(), 1);
}

/// An app also passes on a 401 from Storage after B exists, so a search comes before the next request.
#[tokio::test]
async fn a_creation_with_a_rejected_token_is_searched_for_and_repeated_by_the_next_delivery() {
    let story = relayed_with_a_refused_token(posts(), 2).await;
    let searches = On::request(Method::GET, r"^/storage/api/v1/instances\?");
    // One search, in slots of ten minutes.
    let lists = story.altinn_wire.journal().count(&searches);
    assert!((1..=4).contains(&lists), "{lists}");
    assert_eq!(story.posts().len(), 2);
    assert_eq!(story.creations(), 1);
}

#[tokio::test]
async fn relays_wait_until_maskinporten_is_back() {
    let story = Story::of_the_permit().await;
    let faults = story.altinn_wire.faults();
    let down = faults.add(
        grants(),
        Action::Answer(CannedResponse::status(StatusCode::BAD_GATEWAY)),
    );
    let permits: Vec<String> = (0..3).map(|_| story.fill_in(Stage::Ended)).collect();
    for a in &permits {
        story.trigger(a).await;
        let item = story.reaches(ROUTE, a, "waiting").await;
        assert_eq!(item["reason"], "source_unavailable");
    }
    assert!(story.posts().is_empty());
    faults.remove(down);
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
        story.the_b(ROUTE, a);
    }
    story.settled().await;
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn ten_relays_at_once_share_one_token() {
    let story = Story::of_the_permit().await;
    let permits: Vec<String> = (0..10).map(|_| story.fill_in(Stage::Ended)).collect();
    story
        .send(permits.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    for a in &permits {
        story.reaches(ROUTE, a, "done").await;
    }
    assert_eq!(counts(&story), [1, 1]);
}
