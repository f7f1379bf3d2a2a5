//! What the cost table is computed from, counted where it is used.

use std::collections::BTreeSet;

use local_aws::lambda::Function;
use local_world::cost::Inputs;
use local_world::deployment::Deployment;
use serde_json::{Value, json};
use testbed::wire::{Journal, On};
use tests::{ROUTE, Story, binaries, eventually, permit_alone};

/// What CloudWatch counts for each line beside its text (Amazon CloudWatch Logs User Guide, PutLogEvents).
const LINE: usize = 26;
/// What Lambda writes of one invocation, and the API of one request, in bytes; nobody writes that here.
const PLATFORM: usize = 1_000;
const ACCESS: usize = 300;
/// In the one line of each request to `receive`.
const ANSWERED: &str = "\"answered\"";
/// In the one metrics line of each invocation of the others.
const METRICS: &str = "\"_aws\"";

/// What the functions have used so far.
#[derive(Clone, Copy, Debug)]
struct Used {
    puts: usize,
    reads: usize,
    sends: usize,
    log_bytes: usize,
}

impl Used {
    fn by(deployment: &Deployment) -> Self {
        let count = |journal: &Journal, operations: &[&str]| -> usize {
            let on = |name: &&str| journal.matching(&On::operation(name)).len();
            operations.iter().map(on).sum()
        };
        let table = deployment.dynamodb_wire.journal();
        let written = |function: &Function| -> usize {
            let lines = function.processes().map(|it| it.log()).unwrap_or_default();
            lines.iter().map(|line| line.text.len() + LINE).sum()
        };
        let functions = [
            &deployment.receive,
            &deployment.instantiate,
            &deployment.reconcile,
        ];
        Self {
            puts: count(table, &["PutItem"]),
            reads: count(table, &["GetItem", "Query", "BatchGetItem"]),
            sends: count(
                deployment.sqs_wire.journal(),
                &["SendMessage", "SendMessageBatch"],
            ),
            log_bytes: functions.map(written).iter().sum(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            puts: self.puts - before.puts,
            reads: self.reads - before.reads,
            sends: self.sends - before.sends,
            log_bytes: self.log_bytes - before.log_bytes,
        }
    }
}

/// The input is what was measured, or somewhat more.
#[track_caller]
fn covers(what: &str, input: f64, measured: usize) {
    let measured = measured as f64;
    assert!(
        input >= measured && input <= 2.0 * measured,
        "{what}: infra/cost.yaml says {input}, and {measured} was measured"
    );
}

#[tokio::test]
async fn the_inputs_of_the_cost_table_are_what_a_relay_and_an_idle_run_use() {
    let inputs = Inputs::default_file().unwrap();
    let mut plan = permit_alone();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    // The first of each writes of its start as well.
    let warm = story.import("two-measures");
    story.trigger(&warm).await;
    story.reaches(ROUTE, &warm, "done").await;
    is_written(&story.receive, ANSWERED, 1).await;
    is_written(&story.instantiate, METRICS, 1).await;
    idle_run(&story).await;

    let told = (
        lines(&story.receive, ANSWERED),
        lines(&story.instantiate, METRICS),
    );
    let before = Used::by(&story);
    let permit = story.import("minimal");
    story.trigger(&permit).await;
    let item = story.reaches(ROUTE, &permit, "done").await;
    story.settled().await;
    is_written(&story.receive, ANSWERED, told.0 + 1).await;
    is_written(&story.instantiate, METRICS, told.1 + 1).await;
    let relay = Used::by(&story).since(before);
    // Each write of an item changes its entry in the index of open relays: makes it, removes it.
    covers(
        "write units of a relay",
        inputs.relay.write_units,
        2 * relay.puts,
    );
    assert_eq!(
        relay.reads, 0,
        "a clean relay reads nothing from the ledger"
    );
    // Received and deleted by Lambda.
    covers(
        "requests to SQS",
        inputs.relay.queue_requests,
        relay.sends + 2,
    );
    assert!(bytes(&item) < 1_000, "a write of an item is one unit");
    covers(
        "bytes of an item",
        inputs.relay.item_kilobytes * 1_000.0,
        bytes(&item),
    );
    let logs = relay.log_bytes + 2 * PLATFORM + ACCESS;
    covers(
        "bytes of logs of a relay",
        inputs.relay.log_kilobytes * 1_000.0,
        logs,
    );

    let before = Used::by(&story);
    idle_run(&story).await;
    let run = Used::by(&story).since(before);
    covers(
        "write units of a run",
        inputs.reconcile.write_units,
        run.puts,
    );
    covers(
        "read units of a run",
        inputs.reconcile.read_units,
        run.reads,
    );
    let logs = run.log_bytes + PLATFORM;
    covers(
        "bytes of logs of a run",
        inputs.reconcile.log_kilobytes * 1_000.0,
        logs,
    );

    let seen = metrics(&story).len();
    let of_one_route =
        inputs.deployment.metrics_of_all_routes + inputs.deployment.metrics_per_route;
    covers("custom metrics of one route", of_one_route, seen);
    story.end().await;
}

/// The metrics that CloudWatch has seen by now: each name with each of its dimensions.
fn metrics(story: &Story) -> BTreeSet<String> {
    let logs = story.logs();
    let records = logs
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut seen = BTreeSet::new();
    for mut record in records {
        let Value::Array(directives) = record["_aws"]["CloudWatchMetrics"].take() else {
            continue;
        };
        for directive in directives {
            let (metrics, sets) = (&directive["Metrics"], &directive["Dimensions"]);
            let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
            for (metric, set) in all(metrics)
                .iter()
                .flat_map(|it| all(sets).into_iter().map(move |set| (it, set)))
            {
                seen.insert(format!("{} by {set}", metric["Name"]));
            }
        }
    }
    seen
}

/// What changed within the last minutes is left to the triggers, so it finds nothing.
async fn idle_run(story: &Story) {
    let runs = lines(&story.reconcile, METRICS);
    let answer = story.reconcile.invoke(&json!({})).await.unwrap();
    let report = &answer["routes"][0];
    assert_eq!(report["trouble"], Value::Null, "{report}");
    assert_eq!(report["missing"], 0, "{report}");
    is_written(&story.reconcile, METRICS, runs + 1).await;
}

/// How many lines with this text a function has written.
fn lines(function: &Function, text: &str) -> usize {
    let log = function.processes().expect("a process").log();
    log.iter().filter(|line| line.text.contains(text)).count()
}

/// Waits for the last line of an invocation: what a process wrote may be seen later than what it answered.
async fn is_written(function: &Function, text: &str, count: usize) {
    eventually("a function's last line is seen", async || {
        let seen = lines(function, text);
        (seen >= count)
            .then_some(())
            .ok_or_else(|| format!("{seen} of {count}"))
    })
    .await;
}

/// Bytes of an item as DynamoDB counts them, or some more: names and values (Amazon DynamoDB Developer
/// Guide, "DynamoDB item sizes and formats").
fn bytes(item: &Value) -> usize {
    let fields = item.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| name.len() + value.to_string().len())
        .sum()
}
