//! The cost of finding 50 permits without a case among 10,000.
//!
//! `cargo bench --profile dev -p tests --bench reconcile -- target/release`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use local_altinn::Stage;
use serde_json::{Value, json};
use stafett_core::relay::{Holder, Record, RelayId, State};
use stafett_runtime::{
    ledger::{Ledger, Put},
    settings::{Environment, LedgerSettings},
};
use testbed::wire::On;
use tests::{Binaries, CASEWORK, Folder, PERMIT, ROUTE, Story, peak_memory, permit_alone, stamp};
use uuid::Uuid;

const PERMITS: usize = 10_000;
const LACKING: usize = 50;
const MIB: u64 = 1024 * 1024;

#[tokio::main]
async fn main() {
    let plan = permit_alone();
    let mut plan = plan.setting("STAFETT_RECONCILE_GRACE_SECONDS", "0");
    plan.code = Binaries::of_arguments().code();
    let story = Story::begin(plan).await;
    let folder = Folder::empty();
    let relayed: Vec<(String, String)> = (0..PERMITS - LACKING)
        .map(|number| permit_with_case(&story, &folder, number))
        .collect();
    record(&story, &relayed).await;
    let lacking: Vec<String> = (0..LACKING).map(|_| story.fill_in(Stage::Ended)).collect();

    println!("{PERMITS} permits, {LACKING} of them without a case:");
    let report = reconcile(&story, "the first run").await;
    assert_eq!(report["missing"], LACKING);
    assert_eq!(report["done"], PERMITS - LACKING);
    let began = Instant::now();
    for a in &lacking {
        story.reaches(ROUTE, a, "done").await;
    }
    println!(
        "  all {LACKING} relayed {:.1} s later",
        began.elapsed().as_secs_f64()
    );
    story.settled().await;
    for a in &lacking {
        story.the_b(ROUTE, a);
    }
    let report = reconcile(&story, "the next run").await;
    assert_eq!(
        (&report["missing"], &report["doubles"]),
        (&json!(0), &json!(0))
    );
    story.end().await;
}

/// Runs reconcile once and prints what it cost.
async fn reconcile(story: &Story, what: &str) -> Value {
    for wire in [&story.altinn_wire, &story.dynamodb_wire, &story.sqs_wire] {
        wire.journal().clear();
    }
    let processes = story.reconcile.processes().expect("it runs in processes");
    if processes.pids().is_empty() {
        processes.warm_up().await.expect("it starts");
    }
    let [pid] = processes.pids()[..] else {
        panic!("one process")
    };
    let began = Instant::now();
    let answer = story.reconcile.invoke(&json!({})).await;
    let took = began.elapsed();
    let report = answer.expect("the function answers")["routes"][0].take();
    assert_eq!(report["finished"], true, "{report}");
    let lists = On::request(Method::GET, r"^/storage/api/v1/instances\?");
    println!(
        "  {what}: {:.1} s, {} pages of Storage, {} calls of Altinn in all, {} MiB at the most",
        took.as_secs_f64(),
        story.altinn_wire.journal().count(&lists),
        report["calls"],
        peak_memory(pid) / MIB,
    );
    let mut operations: BTreeMap<String, usize> = BTreeMap::new();
    // `instantiate` also calls SQS and DynamoDB, but with other operations.
    let own = [
        "BatchGetItem",
        "GetItem",
        "Query",
        "UpdateItem",
        "SendMessageBatch",
    ];
    for wire in [&story.dynamodb_wire, &story.sqs_wire] {
        for exchange in wire.journal().all() {
            let operation = exchange.head().operation().unwrap_or_default().to_owned();
            if own.contains(&operation.as_str()) {
                *operations.entry(operation).or_default() += 1;
            }
        }
    }
    println!("    {operations:?}, and PutItem for the positions");
    report
}

/// A recent permit, and its case.
fn permit_with_case(story: &Story, folder: &Folder, number: usize) -> (String, String) {
    let seconds = i64::try_from(20 * PERMITS - 20 * number).unwrap_or_default();
    let at = story.altinn.clock().now() - SignedDuration::from_secs(600 + seconds);
    let permit = import(
        story,
        folder,
        &json!({
            "instanceOwner": {"personNumber": "12837832290"}, "appId": PERMIT,
            "process": {"started": at, "ended": at}, "created": at, "lastChanged": at, "data": [],
        }),
    );
    let case = import(
        story,
        folder,
        &json!({
            "instanceOwner": {"organisationNumber": "310075728"}, "appId": CASEWORK,
            "process": {"started": at, "currentTask": {"elementId": "Task_1"}},
            "created": at, "lastChanged": at, "data": [],
            "dataValues": {"stafett.relay": stamp(ROUTE, &permit), "stafett.source": permit},
        }),
    );
    (permit, case)
}

fn import(story: &Story, folder: &Folder, instance: &Value) -> String {
    folder.write("instance.json", instance.to_string());
    story.import_from(folder.path())
}

/// Records them in the ledger as done.
async fn record(story: &Story, relayed: &[(String, String)]) {
    let settings = &story.instantiate.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let settings = LedgerSettings::read(&source).expect("the settings are complete");
    let ledger = Ledger::new(&story.aws.endpoints().sdk_config(), &settings);
    let now = Timestamp::now();
    let puts = relayed.iter().map(|(permit, case)| {
        let ledger = &ledger;
        async move {
            let source = permit.parse().expect("an instance id");
            let relay = RelayId::new(ROUTE.parse().expect("a route"), source);
            let record = Record {
                rev: 2,
                state: State::Done,
                holder: Holder(Uuid::new_v4()),
                lease_until: now,
                not_before: None,
                sent: None,
                first: now,
                attempts: 1,
                targets: Default::default(),
                instance: Some(case.parse().expect("an instance id")),
                reason: None,
                detail: None,
                updated: now,
            };
            let put = ledger.put(&relay, source, &record, None, None).await;
            assert_eq!(put.expect("DynamoDB answers"), Put::Written);
        }
    });
    stream::iter(puts)
        .buffer_unordered(32)
        .for_each(async |()| {})
        .await;
}
