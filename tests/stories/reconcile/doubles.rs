//! What must never be, and what somebody did to a B.

use local::altinn::Stage;
use serde_json::{Value, json};
use stories::{CASEWORK, Folder, ROUTE, Story, permit_alone, permit_route, routes, stamp};

use super::{GRACE, HOUR, run, text};

/// A B that somebody made by hand, with these `dataValues`.
pub(super) fn by_hand(story: &Story, data_values: Value) -> String {
    let now = story.altinn.clock().now();
    let b = json!({
        "instanceOwner": {"organisationNumber": "310075728"}, "appId": CASEWORK,
        "process": {"started": now, "currentTask": {"elementId": "Task_1"}},
        "created": now, "lastChanged": now, "data": [], "dataValues": data_values,
    });
    let folder = Folder::empty().with("instance.json", b.to_string());
    story.import_from(folder.path())
}

async fn relayed(story: &Story) -> (String, String) {
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    (a, text(&item["instance"]))
}

#[tokio::test]
async fn two_live_cases_of_one_permit_are_reported() {
    let story = Story::of_the_permit().await;
    let (a, b) = relayed(&story).await;
    let other = by_hand(&story, json!({"stafett.relay": stamp(ROUTE, &a)}));
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(report["doubles"], 1, "{b} and {other}");
    assert_eq!(
        (&report["vanished"], &report["done"]),
        (&json!(0), &json!(1))
    );
    // Once one of them is gone, there is nothing to report.
    story
        .altinn
        .delete(&other, true)
        .expect("it can be deleted");
    story.pass(HOUR).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["doubles"], &report["vanished"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn a_case_beside_one_that_was_deleted_is_no_double() {
    let story = Story::of_the_permit().await;
    let (a, b) = relayed(&story).await;
    story.altinn.delete(&b, true).expect("it can be deleted");
    let _other = by_hand(&story, json!({"stafett.relay": stamp(ROUTE, &a)}));
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["doubles"], &report["vanished"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test]
async fn a_case_that_was_deleted_is_reported_and_not_made_again() {
    let story = Story::of_the_permit().await;
    let (a, b) = relayed(&story).await;
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(run(&story).await["vanished"], 0);
    story.altinn.delete(&b, true).expect("it can be deleted");
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["vanished"], &report["missing"]),
        (&json!(1), &json!(0))
    );
    story.settled().await;
    assert_eq!(story.creations(), 1, "of {a}");
}

#[tokio::test]
async fn a_case_in_the_bin_is_neither_gone_nor_forgotten() {
    let story = Story::of_the_permit().await;
    let (_, b) = relayed(&story).await;
    story.altinn.delete(&b, false).expect("it can be deleted");
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["vanished"], &report["doubles"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn stamps_that_are_not_ours_mean_nothing() {
    let story = Story::of_the_permit().await;
    let (a, _) = relayed(&story).await;
    let ours = stamp(ROUTE, &a);
    for foreign in [
        json!({}),
        json!({"stafett.relay": ""}),
        json!({"stafett.relay": "permit-to-casework:"}),
        json!({"stafett.relay": format!("{ours}:0")}),
        json!({"stafett.relay": ours.to_uppercase()}),
        json!({"stafett.relay": stamp("another-route", &a)}),
        json!({"stafett.relay": stamp(ROUTE, "1/0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a")}),
        json!({"another.key": ours}),
    ] {
        let _ = by_hand(&story, foreign);
    }
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(
        (&report["doubles"], &report["vanished"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(report["finished"], true);
}

#[tokio::test]
async fn a_double_is_its_own_routes_and_no_other_ones() {
    let other = permit_route().replace(ROUTE, "another-route");
    let folder = routes([(ROUTE, permit_route()), ("another-route", other)]);
    let mut plan = permit_alone();
    plan.routes = folder.path().to_owned();
    let story = Story::begin(plan).await;
    let (a, _) = relayed(&story).await;
    story.reaches("another-route", &a, "done").await;
    let _other = by_hand(&story, json!({"stafett.relay": stamp(ROUTE, &a)}));
    story.pass(GRACE).await.expect("time passes");
    let answer = story.reconcile.invoke(&json!({})).await;
    let answer = answer.expect("the function answers");
    let doubles = [0, 1].map(|route| answer["routes"][route]["doubles"].clone());
    assert_eq!(doubles, [0, 1], "{answer}");
}
