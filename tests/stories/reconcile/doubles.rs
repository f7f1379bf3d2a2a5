//! Doubles, which must never exist, and manual changes to a B.

use aws_sdk_dynamodb::types::AttributeValue;
use local_altinn::Stage;
use serde_json::{Value, json};
use tests::{CASEWORK, Folder, ROUTE, Story, permit_route, routes, stamp};

use super::{GRACE, HOUR, MINUTE, Observed, run, text};

/// Creates a B by hand, with these `dataValues`.
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
    let doubled = &report["doubled"][0];
    assert_eq!(doubled["relay"], stamp(ROUTE, &a));
    let [recorded, second] = [&doubled["instances"][0], &doubled["instances"][1]];
    assert_eq!((&recorded["id"], &second["id"]), (&json!(b), &json!(other)));
    assert_eq!(
        (&recorded["task"], &recorded["untouched"]),
        (&json!("Task_1"), &json!(true))
    );
    for told in [recorded, second] {
        let fields: Vec<&str> = told
            .as_object()
            .expect("it is an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            fields,
            ["id", "created", "lastChanged", "untouched", "task", "ended"],
            "and nothing personal"
        );
        assert!(told["created"].is_string() && told["lastChanged"].is_string());
    }
    assert_eq!(
        (&report["vanished"], &report["done"]),
        (&json!(0), &json!(1))
    );
    // Once one of them is deleted, nothing is reported.
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
async fn a_case_beside_a_deleted_one_is_no_double() {
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
async fn a_deleted_case_is_reported_and_not_created_again() {
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
async fn a_soft_deleted_case_is_neither_vanished_nor_a_double() {
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
async fn foreign_stamps_are_ignored() {
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
async fn a_double_is_reported_only_for_its_own_route() {
    let other = permit_route().replace(ROUTE, "another-route");
    let folder = routes([(ROUTE, permit_route()), ("another-route", other)]);
    let story = Story::on(&folder).await;
    let (a, _) = relayed(&story).await;
    story.reaches("another-route", &a, "done").await;
    let _other = by_hand(&story, json!({"stafett.relay": stamp(ROUTE, &a)}));
    story.pass(GRACE).await.expect("time passes");
    let answer = story.reconcile.invoke(&json!({})).await;
    let answer = answer.expect("the function answers");
    let doubles = [0, 1].map(|route| answer["routes"][route]["doubles"].clone());
    assert_eq!(doubles, [0, 1], "{answer}");
}

#[tokio::test]
async fn an_overwritten_stamp_is_reported() {
    let story = Story::of_the_permit().await;
    let (a, b) = relayed(&story).await;
    story.pass(GRACE).await.expect("time passes");
    let report = run(&story).await;
    assert_eq!(report["restamped"], 0, "{report}");
    let another = story.fill_in(Stage::Task("Task_1".to_owned()));
    for overwritten in [
        "",
        "somebody's own",
        &stamp(ROUTE, &another),
        &stamp("another-route", &a),
    ] {
        assert!(
            story
                .altinn
                .set_data_value(&b, "stafett.relay", overwritten)
        );
        story.pass(HOUR).await.expect("time passes");
        let all = story.altinn.instance(&b).expect("it is there");
        assert_eq!(all["dataValues"]["stafett.source"], a);
        super::keep(&story, &format!("{ROUTE}#b"), "").await;
        let report = run(&story).await;
        assert_eq!(
            (&report["restamped"], &report["doubles"]),
            (&json!(1), &json!(0)),
            "{overwritten:?}: {report}"
        );
    }
}

#[tokio::test]
async fn a_b_whose_relay_is_not_on_record_is_reported() {
    let story = Story::of_the_permit().await;
    let observed = Observed::new(&story).await;
    story.pass(10 * MINUTE).await.expect("time passes");
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    // As if a deployment with another ledger had made B.
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let delete = story
        .dynamodb()
        .delete_item()
        .table_name(&story.aws.resources().table)
        .key("pk", key(tests::guid(&a)))
        .key("sk", key(ROUTE));
    delete.send().await.expect("DynamoDB answers");
    story.pass(GRACE).await.expect("time passes");
    let report = observed.run().await;
    assert_eq!(report["unrecorded"], 1, "{report}");
}
