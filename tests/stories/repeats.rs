//! The same instance is heard of more than once.

use local_altinn::Stage;
use tests::{PERMIT, ROUTE, Story};

#[tokio::test]
async fn a_trigger_that_comes_twice_makes_one_case() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    tokio::join!(story.trigger(&a), story.trigger(&a));
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    // Long after, too.
    story.trigger(&a).await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn trigger_and_event_at_once_make_one_case() {
    let story = Story::of_the_permit().await;
    story
        .subscribe(PERMIT)
        .await
        .expect("Altinn Events validates the address");
    // Submitting it publishes the event.
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn an_event_alone_is_enough() {
    let story = Story::of_the_permit().await;
    story
        .subscribe(PERMIT)
        .await
        .expect("Altinn Events validates the address");
    let a = story.fill_in(Stage::Ended);
    story.reaches(ROUTE, &a, "done").await;
    story.the_b(ROUTE, &a);
}
