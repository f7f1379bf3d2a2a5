//! An app passes on Storage's status, both before and after the instance is created.

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

/// Relays permits so that each status hits a creation at each step; returns how many creations were hit.
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
async fn a_storage_error_at_any_step_leads_to_a_search_and_one_case() {
    let story = story(false).await;
    let (_, met) = relayed_through_all(&story, CallFault::Refused).await;
    // Only where Storage refused the instance itself is the creation sent again.
    let again = STATUSES.len();
    assert_eq!(story.posts().len(), met + again);
    assert_eq!(story.creations(), met);
}

#[tokio::test]
async fn a_storage_error_after_the_effect_leaves_one_case() {
    let story = story(false).await;
    let (_, met) = relayed_through_all(&story, CallFault::DoneThen).await;
    assert_eq!(story.posts().len(), met);
    assert_eq!(story.creations(), met);
}

#[tokio::test]
async fn a_half_made_case_is_replaced_by_a_clean_one_if_the_policy_allows_delete() {
    let story = story(true).await;
    let (permits, _) = relayed_through_all(&story, CallFault::Refused).await;
    for a in &permits {
        super::clean(&story, a).await;
    }
}

/// Storage holds B's metadata from before its last release, and really refuses one of its data types.
async fn with_older_metadata() -> (Story, String) {
    let story = story(false).await;
    let b = story.altinn.app(CASEWORK).expect("it runs");
    b.hide_from_storage("vedlegg");
    let a = triggered(&story).await;
    (story, a)
}

#[tokio::test]
async fn a_data_type_that_storage_learns_late_causes_no_second_case() {
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
async fn a_relay_that_failed_on_an_unknown_data_type_is_redriven_to_the_existing_case() {
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
