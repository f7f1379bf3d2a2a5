//! An operator takes away one of two B with one stamp, and never the last one.

use std::time::Duration;

use local_altinn::Stage;
use reqwest::Method;
use serde_json::{Value, json};
use testbed::wire::On;
use tests::{CASEWORK, Folder, PERMIT, ROUTE, Story, permit_alone, stamp};

/// From then on the B on record may be another one.
const WHILE: Duration = Duration::from_secs(900);

/// A permit, its B on record, and a second live B with the same stamp.
struct Double {
    story: Story,
    relay: String,
    on_record: String,
    other: String,
}

impl Double {
    async fn come_about() -> Self {
        let story = Story::begin(permit_alone()).await;
        let a = story.fill_in(Stage::Ended);
        story.trigger(&a).await;
        let item = story.reaches(ROUTE, &a, "done").await;
        story.settled().await;
        let relay = stamp(ROUTE, &a);
        let other = by_hand(&story, CASEWORK, json!({ "stafett.relay": relay }));
        let casework = story.altinn.app(CASEWORK).expect("the app is there");
        casework.permit("delete");
        Self {
            on_record: item["instance"].as_str().expect("a B").to_owned(),
            story,
            relay,
            other,
        }
    }

    fn request(&self, instance: &str, more: Value) -> Value {
        let mut request = json!({ "action": "remove", "relay": self.relay, "instance": instance });
        for (name, value) in more.as_object().expect("an object") {
            request[name] = value.clone();
        }
        request
    }

    async fn remove(&self, instance: &str, more: Value) -> Result<Value, String> {
        let request = self.request(instance, more);
        let answer = self.story.redrive.invoke(&request).await;
        answer.map_err(|refused| refused.to_string())
    }

    /// Asks for what is refused, and checks that nothing was deleted; what it says.
    async fn refuse(&self, instance: &str, more: Value) -> String {
        let live = [self.is_live(&self.on_record), self.is_live(&self.other)];
        let refused = self.remove(instance, more).await;
        let refused = refused.expect_err("it is refused");
        let now = [self.is_live(&self.on_record), self.is_live(&self.other)];
        assert_eq!(now, live, "{refused}");
        refused
    }

    fn is_live(&self, b: &str) -> bool {
        self.story.b(b).instance["status"]["isHardDeleted"] != true
    }

    /// The B that the ledger names.
    async fn recorded(&self) -> String {
        let a = self.relay.split(':').nth(1).expect("a guid");
        let item = self.story.ledger_item(&format!("1/{a}"), ROUTE).await;
        item.expect("the ledger answers")["instance"]
            .as_str()
            .expect("a B")
            .to_owned()
    }

    /// How often the ledger was told to keep a B.
    fn writes(&self) -> usize {
        let write = On::operation("UpdateItem");
        self.story.dynamodb_wire.journal().count(&write)
    }

    fn deletions(&self) -> usize {
        let deletion = On::any().when(|seen| seen.method == Method::DELETE);
        self.story.altinn_wire.journal().count(&deletion)
    }
}

/// An instance that somebody made by hand, with these `dataValues`.
fn by_hand(story: &Story, app: &str, data_values: Value) -> String {
    let now = story.altinn.clock().now();
    let b = json!({
        "instanceOwner": {"organisationNumber": "310075728"}, "appId": app,
        "process": {"started": now, "currentTask": {"elementId": "Task_1"}},
        "created": now, "lastChanged": now, "data": [], "dataValues": data_values,
    });
    let folder = Folder::empty().with("instance.json", b.to_string());
    story.import_from(folder.path())
}

#[tokio::test]
async fn of_two_b_with_one_stamp_the_one_that_the_operator_names_is_deleted() {
    let double = Double::come_about().await;
    let (other, on_record) = (double.other.clone(), double.on_record.clone());
    let expected = |outcome: &str, dry_run: bool| {
        json!({
            "action": "remove", "dryRun": dry_run, "relay": double.relay, "instance": other,
            "kept": on_record, "putOnRecord": false, "outcome": outcome,
        })
    };
    let answer = double.remove(&other, json!({ "dryRun": true })).await;
    assert_eq!(answer, Ok(expected("would-be-removed", true)));
    assert_eq!(double.deletions(), 0);
    assert_eq!(double.writes(), 0);

    let answer = double.remove(&other, json!({})).await;
    assert_eq!(answer, Ok(expected("removed", false)));
    assert!(!double.is_live(&other) && double.is_live(&on_record));

    // Asked for again, it is told as it is.
    let answer = double.remove(&other, json!({})).await;
    assert_eq!(answer, Ok(expected("already-deleted", false)));
    assert_eq!(double.deletions(), 1);
    assert_eq!(double.recorded().await, on_record);
    double.story.end().await;
}

#[tokio::test]
async fn the_b_on_record_goes_only_after_the_other_one_was_put_on_record() {
    let double = Double::come_about().await;
    let (other, on_record) = (double.other.clone(), double.on_record.clone());
    let refused = double.refuse(&on_record, json!({})).await;
    assert!(
        refused.contains("name the other one as `keep`"),
        "{refused}"
    );
    let keep = json!({ "keep": other });
    let refused = double.refuse(&on_record, keep.clone()).await;
    assert!(refused.contains("ask again in "), "{refused}");
    assert_eq!(double.recorded().await, on_record);

    double.story.pass(WHILE).await.expect("time passes");
    let answer = double.remove(&on_record, keep).await.expect("it is done");
    assert_eq!(answer["outcome"], "removed", "{answer}");
    assert_eq!(answer["putOnRecord"], true, "{answer}");
    assert!(double.is_live(&other) && !double.is_live(&on_record));
    assert_eq!(double.recorded().await, other);
    double.story.end().await;
}

#[tokio::test]
async fn the_last_live_b_is_never_deleted() {
    let double = Double::come_about().await;
    let (other, on_record) = (double.other.clone(), double.on_record.clone());
    double.story.pass(WHILE).await.expect("time passes");
    // In the bin is not there: its owner may let it be purged.
    for hard in [false, true] {
        double
            .story
            .altinn
            .delete(&other, hard)
            .expect("it can be deleted");
        let refused = double.refuse(&on_record, json!({ "keep": other })).await;
        assert!(refused.contains("the last live B"), "{refused}");
    }
    assert_eq!(double.recorded().await, on_record);

    // Where the B on record is deleted, the other one is the last.
    let third = by_hand(
        &double.story,
        CASEWORK,
        json!({ "stafett.relay": double.relay }),
    );
    double
        .story
        .altinn
        .delete(&on_record, true)
        .expect("it can be deleted");
    let refused = double.refuse(&third, json!({})).await;
    assert!(refused.contains("the last live B"), "{refused}");
    assert!(double.is_live(&third));
    assert_eq!(double.deletions(), 0);
    double.story.end().await;
}

#[tokio::test]
async fn of_two_removals_that_cross_one_b_is_left() {
    let double = Double::come_about().await;
    double.story.pass(WHILE).await.expect("time passes");
    let (one, two) = tokio::join!(
        double.remove(&double.other, json!({})),
        double.remove(&double.on_record, json!({ "keep": double.other })),
    );
    let done = [one.is_ok(), two.is_ok()];
    assert_eq!(done.iter().filter(|it| **it).count(), 1, "{one:?} {two:?}");
    let live = [&double.other, &double.on_record].map(|b| double.is_live(b));
    assert_eq!(live.iter().filter(|it| **it).count(), 1);
    let recorded = double.recorded().await;
    assert!(double.is_live(&recorded), "{recorded}");
    double.story.end().await;
}

#[tokio::test]
async fn a_policy_without_delete_is_named_and_then_it_works() {
    let double = Double::come_about().await;
    let casework = double.story.altinn.app(CASEWORK).expect("the app");
    casework.forbid("delete");
    let refused = double.refuse(&double.other, json!({})).await;
    assert!(
        refused.contains("`delete`") && refused.contains("policy.xml"),
        "{refused}"
    );
    casework.permit("delete");
    let answer = double.remove(&double.other, json!({})).await;
    assert_eq!(answer.expect("it is done")["outcome"], "removed");
    double.story.end().await;
}

#[tokio::test]
async fn nothing_but_a_b_of_the_relay_is_deleted() {
    let double = Double::come_about().await;
    let story = &double.story;
    let unstamped = by_hand(story, CASEWORK, json!({}));
    let of_another = json!({ "stafett.relay": stamp(ROUTE, &double.other) });
    let of_another = by_hand(story, CASEWORK, of_another);
    let of_a = by_hand(story, PERMIT, json!({ "stafett.relay": double.relay }));
    let unknown = "50085321/0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a";
    for (instance, says) in [
        (unstamped.as_str(), "does not carry the stamp"),
        (&of_another, "does not carry the stamp"),
        (&of_a, "is not of ttd/casework"),
        (unknown, "Storage knows no instance"),
    ] {
        for request in [
            (instance, json!({})),
            (&double.other, json!({ "keep": instance })),
        ] {
            let refused = double.refuse(request.0, request.1).await;
            assert!(refused.contains(says), "{instance}: {refused}");
        }
    }
    for (field, value, says) in [
        (
            "relay",
            json!(stamp(
                "another-route",
                "1/0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a"
            )),
            "no deployed route",
        ),
        (
            "relay",
            json!(stamp(ROUTE, unknown)),
            "the ledger names no B",
        ),
        ("relay", json!("x"), "`relay` must be"),
        ("relay", Value::Null, "`relay` must be"),
        ("instance", Value::Null, "`instance` must be"),
        ("keep", json!("50085321"), "`keep` must be"),
    ] {
        let refused = double.refuse(&double.other, json!({ field: value })).await;
        assert!(refused.contains(says), "{field}: {refused}");
    }
    assert_eq!(double.deletions(), 0);
    double.story.end().await;
}
