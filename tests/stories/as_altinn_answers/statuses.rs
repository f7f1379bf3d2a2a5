//! An app passes Storage's status on, after the instance is made as well as before.

use local_altinn::{CallFault, CreationStep, Fault, Stage};
use tests::{CASEWORK, ROUTE, Story};

use super::{HOUR, b_meets, item, live, nothing_is_left, pass, story, triggered, whole};

const STATUSES: [u16; 5] = [429, 401, 400, 413, 503];
const STEPS: [CreationStep; 7] = [
    CreationStep::Instance,
    CreationStep::Element(0),
    CreationStep::ElementsFrom(0),
    CreationStep::PresentationTexts,
    CreationStep::DataValues,
    CreationStep::ReadBack,
    CreationStep::Process,
];

/// Relays permits whose creations meet each status at each step, and returns how many met one.
async fn relayed_through_all(
    story: &Story,
    trouble: impl Fn(u16) -> CallFault,
) -> (Vec<String>, usize) {
    let mut met = 0;
    for step in STEPS {
        for status in STATUSES {
            b_meets(story, Fault::at(step, trouble(status)));
            met += 1;
        }
    }
    let permits: Vec<String> = (0..met).map(|_| story.fill_in(Stage::Ended)).collect();
    let messages = permits.iter().map(|a| Story::message(ROUTE, a));
    story.send(messages).await;
    pass(story, 6 * HOUR).await;
    for a in &permits {
        whole(story, a).await;
    }
    assert_eq!(live(story), permits.len(), "one for each permit");
    nothing_is_left(story).await;
    (permits, met)
}

#[tokio::test]
async fn a_status_of_storage_at_any_step_is_answered_by_a_search_and_leaves_one_case() {
    let story = story(false).await;
    let (_, met) = relayed_through_all(&story, CallFault::Refused).await;
    // Only those that were refused the instance itself are asked for again.
    let again = STATUSES.len();
    assert_eq!(story.posts().len(), met + again);
    assert_eq!(story.creations(), met);
}

#[tokio::test]
async fn a_status_of_storage_after_its_effect_leaves_one_case_as_well() {
    let story = story(false).await;
    let (_, met) = relayed_through_all(&story, CallFault::DoneThen).await;
    assert_eq!(story.posts().len(), met);
    assert_eq!(story.creations(), met);
}

#[tokio::test]
async fn where_the_policy_gives_delete_what_is_left_half_made_gives_way_to_one_clean_case() {
    let story = story(true).await;
    let (permits, _) = relayed_through_all(&story, CallFault::Refused).await;
    for a in &permits {
        super::clean(&story, a).await;
    }
}

/// Storage holds B's metadata of before its last release, and refuses one of its data types for real.
async fn with_older_metadata() -> (Story, String) {
    let story = story(false).await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.hide_from_storage("vedlegg");
    let a = triggered(&story).await;
    (story, a)
}

#[tokio::test]
async fn storage_that_learns_a_data_type_late_gets_no_second_case() {
    let (story, a) = with_older_metadata().await;
    pass(&story, 2 * HOUR).await;
    let waiting = item(&story, &a).await;
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert_eq!(story.creations(), 1);
    story
        .altinn
        .app(CASEWORK)
        .expect("it runs")
        .show_to_storage();
    pass(&story, 2 * HOUR).await;
    whole(&story, &a).await;
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn a_relay_that_failed_for_want_of_a_data_type_is_redriven_to_the_case_that_is_there() {
    let (story, a) = with_older_metadata().await;
    pass(&story, 48 * HOUR).await;
    let failed = item(&story, &a).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let dead = story.dead_letters(1).await;
    assert_eq!(story.creations(), 1);
    story
        .altinn
        .app(CASEWORK)
        .expect("it runs")
        .show_to_storage();
    story.send(dead).await;
    pass(&story, 2 * HOUR).await;
    whole(&story, &a).await;
    assert_eq!((story.posts().len(), story.creations()), (1, 1));
    nothing_is_left(&story).await;
}
