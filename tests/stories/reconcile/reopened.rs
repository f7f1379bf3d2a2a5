//! A B that its own app deletes after it was recorded is created again. Nobody else's deletion is undone.

use std::time::Duration;

use jiff::Timestamp;
use local_altinn::Stage;
use local_world::deployment::Plan;
use serde_json::{Value, json};
use stafett_core::{
    id::InstanceId,
    relay::{Holder, Record, RelayId, Sent, State},
};
use stafett_runtime::{
    altinn::{Budget, Connection, repair::Repair},
    clock::Clock,
    ledger::{Ledger, Put, RelayStatus, Reopened, Reopening},
    settings::{Environment, LedgerSettings},
};
use tests::{CASEWORK, ROUTE, Story, measures_route, permit_alone, routes, stamp};
use uuid::Uuid;

use super::{GRACE, HOUR, MINUTE, doubles::by_hand, run, text};

/// The settle time: how long B may still process a request.
const SETTLE: Duration = Duration::from_secs(1200);

async fn story() -> Story {
    settling(permit_alone()).await
}

async fn settling(plan: Plan) -> Story {
    let settle = SETTLE.as_secs().to_string();
    let story = Story::begin(plan.setting("STAFETT_SETTLE_SECONDS", &settle)).await;
    let casework = story.altinn.app(CASEWORK).expect("the app is there");
    casework.permit("delete");
    story
}

/// A permit that was relayed, and its recorded case.
async fn relayed(story: &Story) -> (String, String) {
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    (a, text(&item["instance"]))
}

/// B's app deletes an instance with the creator's token, as it does when a creation fails.
async fn its_app_deletes(story: &Story, b: &str) {
    let settings = &story.reconcile.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let connection = Connection::read(&source).expect("the settings are complete");
    let clock = story.altinn.clock().clone();
    let clock = Clock::reading(move || clock.now());
    let aws = story.aws.endpoints().sdk_config();
    let altinn = connection.open(&aws, clock).await.expect("it opens");
    let budget = Budget::new(Duration::from_secs(60));
    let app = CASEWORK.parse().expect("an app");
    let id = b.parse().expect("an instance id");
    let deleted = altinn.delete(&budget, &app, id).await;
    assert!(matches!(deleted, Repair::Worked), "{deleted:?}");
}

/// A run's counts: reopened relays, and cases that were only reported as gone.
async fn counts(story: &Story) -> [Value; 2] {
    let report = run(story).await;
    [report["reopened"].clone(), report["vanished"].clone()]
}

#[tokio::test]
async fn a_case_that_its_app_deletes_after_done_is_created_again() {
    let story = story().await;
    let (a, b) = relayed(&story).await;
    its_app_deletes(&story, &b).await;
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(1), json!(0)]);
    let item = story.reaches(ROUTE, &a, "waiting").await;
    assert_eq!(item["instance"], Value::Null, "{item}");
    assert_eq!(story.creations(), 1, "its app may still be at work");

    story.pass(SETTLE).await.expect("time passes");
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let case = story.the_live_b(ROUTE, &a);
    assert_eq!(item["instance"], case.id);
    assert_ne!(case.id, b);
    assert_eq!(story.creations(), 2);

    // It is reported once, and the new one stays.
    for _ in 0..3 {
        story.pass(5 * MINUTE).await.expect("time passes");
        assert_eq!(counts(&story).await, [json!(0), json!(0)]);
    }
    story.settled().await;
    assert_eq!(story.creations(), 2);
    story.end().await;
}

#[tokio::test]
async fn a_case_found_deleted_long_afterwards_is_created_again_at_once() {
    let story = story().await;
    let (a, b) = relayed(&story).await;
    its_app_deletes(&story, &b).await;
    story.pass(5 * HOUR).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(1), json!(0)]);
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let _ = story.the_live_b(ROUTE, &a);
    assert_eq!(story.creations(), 2);
    story.end().await;
}

#[tokio::test]
async fn a_deletion_by_the_owner_or_a_late_one_is_only_reported() {
    let story = story().await;
    let (_, by_its_owner) = relayed(&story).await;
    let deleted = story.altinn.delete(&by_its_owner, true);
    deleted.expect("it can be deleted");
    let (_, later) = relayed(&story).await;
    story.pass(SETTLE + MINUTE).await.expect("time passes");
    its_app_deletes(&story, &later).await;
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(0), json!(2)]);
    story.pass(SETTLE).await.expect("time passes");
    story.settled().await;
    assert_eq!(story.creations(), 2);
    story.end().await;
}

#[tokio::test]
async fn a_case_that_an_operator_removed_is_not_created_again() {
    let story = story().await;
    let (a, on_record) = relayed(&story).await;
    // Only the record of a relay that has been done for a while can be changed to another B.
    story.pass(15 * MINUTE).await.expect("time passes");
    let other = by_hand(&story, json!({"stafett.relay": stamp(ROUTE, &a)}));
    let request = json!({
        "action": "remove", "relay": stamp(ROUTE, &a), "instance": on_record, "keep": other,
    });
    let removed = story.redrive.invoke(&request).await;
    assert_eq!(removed.expect("it is removed")["outcome"], "removed");
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(0), json!(0)]);
    story.settled().await;
    let item = story.ledger_item(&a, ROUTE).await.expect("the ledger");
    assert_eq!(
        (&item["state"], &item["instance"]),
        (&json!("done"), &json!(other))
    );
    assert_eq!(story.posts().len(), 1);
    story.end().await;
}

#[tokio::test]
async fn a_dry_run_reopens_nothing() {
    let story = story().await;
    let (a, b) = relayed(&story).await;
    its_app_deletes(&story, &b).await;
    story.pass(GRACE).await.expect("time passes");
    let before = story.ledger_item(&a, ROUTE).await.expect("the ledger");
    let answer = story.reconcile.invoke(&json!({"dryRun": true})).await;
    let answer = answer.expect("the function answers");
    assert_eq!(answer["routes"][0]["reopened"], 1, "{answer}");
    let after = story.ledger_item(&a, ROUTE).await.expect("the ledger");
    assert_eq!(after, before);
    story.end().await;
}

#[tokio::test]
async fn only_the_deleted_case_of_a_set_is_created_again() {
    let routes = routes([(ROUTE, measures_route(ROUTE))]);
    let mut plan = permit_alone();
    plan.routes = routes.path().to_owned();
    let story = settling(plan).await;
    let a = story.import("two-measures");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let live = |story: &Story| {
        let cases = story.altinn.instances(CASEWORK).into_iter();
        let cases = cases.filter(|b| b["status"]["isHardDeleted"] != true);
        let mut stamps: Vec<(String, String)> = cases
            .map(|b| (text(&b["dataValues"]["stafett.relay"]), text(&b["id"])))
            .collect();
        stamps.sort();
        stamps
    };
    let before = live(&story);
    let [(stamp, gone), kept] = &before[..] else {
        panic!("two measures are two cases: {before:?}")
    };
    its_app_deletes(&story, gone).await;
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(1), json!(0)]);
    story.pass(SETTLE).await.expect("time passes");
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    let after = live(&story);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.contains(kept) && after.iter().any(|(its, _)| its == stamp));
    assert_eq!(story.creations(), 3);
    story.pass(GRACE).await.expect("time passes");
    assert_eq!(counts(&story).await, [json!(0), json!(0)]);
    story.end().await;
}

/// Writes a relay to the ledger; returns its status.
async fn put(
    ledger: &Ledger,
    relay: &RelayId,
    source: InstanceId,
    (rev, state): (u64, State),
    sent: Option<Sent>,
) -> RelayStatus {
    let now = Timestamp::now();
    let record = Record {
        rev,
        state,
        holder: Holder(Uuid::new_v4()),
        lease_until: now,
        not_before: None,
        sent,
        first: now,
        attempts: 1,
        targets: Default::default(),
        instance: Some(source),
        reason: None,
        detail: None,
        updated: now,
    };
    let replaces = rev.checked_sub(1).filter(|rev| *rev > 0);
    let put = ledger.put(relay, source, &record, replaces, None).await;
    assert_eq!(put.expect("DynamoDB answers"), Put::Written);
    standing(ledger, relay).await
}

async fn standing(ledger: &Ledger, relay: &RelayId) -> RelayStatus {
    let standings = ledger.statuses(std::slice::from_ref(relay)).await;
    let standing = standings.expect("DynamoDB answers").remove(0);
    standing.expect("it is there")
}

#[tokio::test]
async fn a_relay_and_its_set_are_reopened_together_or_not_at_all() {
    let story = story().await;
    let settings = &story.instantiate.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let settings = LedgerSettings::read(&source).expect("the settings are complete");
    let ledger = Ledger::new(&story.aws.endpoints().sdk_config(), &settings);
    let now = Timestamp::now();
    let sent = Sent {
        from: now,
        ended: now,
        quiet: now,
    };
    for state in [State::Done, State::Failed, State::Waiting, State::Claimed] {
        let a: InstanceId = format!("1/{}", Uuid::new_v4()).parse().expect("an id");
        let route = || ROUTE.parse().expect("a route");
        let (whole, part) = (RelayId::new(route(), a), RelayId::keyed(route(), a, "1"));
        let old_set = put(&ledger, &whole, a, (1, state), None).await;
        let set = put(&ledger, &whole, a, (2, state), None).await;
        let in_doubt = put(&ledger, &part, a, (1, State::Created), Some(sent)).await;
        let reopening = |relay, set| {
            ledger.reopen(Reopening {
                relay,
                set: Some(set),
                sent,
                named: None,
                now,
            })
        };
        let came = reopening(&in_doubt, &set).await;
        assert_eq!(came.expect("DynamoDB answers"), Reopened::Doubt);
        let done = put(&ledger, &part, a, (2, State::Done), None).await;
        for (relay, of) in [(&in_doubt, &set), (&done, &old_set)] {
            let came = reopening(relay, of).await;
            assert_eq!(came.expect("DynamoDB answers"), Reopened::Conflict);
            assert_eq!(standing(&ledger, &part).await, done);
            assert_eq!(standing(&ledger, &whole).await, set);
        }
        let came = reopening(&done, &set).await;
        assert_eq!(came.expect("DynamoDB answers"), Reopened::Opened);
        let opened = standing(&ledger, &part).await;
        assert_eq!((opened.rev, opened.state), (3, State::Waiting));
        assert_eq!((opened.instance, opened.due), (None, None));
        let set = standing(&ledger, &whole).await;
        assert_eq!(set.rev, 3);
        match state {
            State::Claimed => assert_eq!((set.state, set.due), (State::Claimed, None)),
            _ => {
                assert_eq!(set.state, State::Waiting);
                let (due, _) = ledger
                    .due(whole.route(), now + HOUR, None)
                    .await
                    .expect("DynamoDB answers");
                assert!(due.iter().any(|it| it.relay == whole));
            }
        }
    }
}
