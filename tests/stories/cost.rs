//! The table "What it costs" of `infra/OPERATE.md`: its arithmetic, and its amounts, counted where they are used.

use std::collections::BTreeSet;

use local_aws::lambda::Function;
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
/// In the one metrics line of each relay.
const METRICS: &str = "\"_aws\"";
/// In the last metrics line of each run of `reconcile`.
const FINISHED: &str = "\"RunsFinished\"";

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

const PAGE: &str = include_str!("../../infra/OPERATE.md");

/// A line of the table.
#[derive(Debug)]
struct Line {
    what: &'static str,
    /// US dollars for one.
    price: f64,
    /// How many a deployment uses a month without relays.
    idle: f64,
    /// How many each relay adds.
    per_relay: f64,
    /// US dollars as the page shows them: without relays, with a thousand, with a million.
    shown: Vec<f64>,
}

/// The lines of the table, and the sums below them.
fn table() -> (Vec<Line>, Vec<f64>) {
    let (_, section) = PAGE.split_once("## What it costs").expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|it| it.starts_with('|')).skip(2);
    let (mut lines, mut sums) = (Vec::new(), Vec::new());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, price, idle, thousand, shown @ ..] = cells.as_slice() else {
            panic!("{row}");
        };
        let shown = shown.iter().map(|cell| number(cell)).collect();
        if what.contains("together") {
            sums = shown;
            continue;
        }
        let (dollars, per) = match price.split_once(' ') {
            None => (*price, 1.0),
            Some((dollars, "a million")) => (dollars, 1_000_000.0),
            Some((dollars, per)) => (dollars, number(per.trim_start_matches("per "))),
        };
        lines.push(Line {
            what,
            price: number(dollars) / per,
            idle: number(idle),
            per_relay: number(thousand) / 1_000.0,
            shown,
        });
    }
    (lines, sums)
}

fn number(text: &str) -> f64 {
    let digits = text.trim_matches(['*', '$']).replace(',', "");
    digits
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn line<'a>(lines: &'a [Line], what: &str) -> &'a Line {
    lines.iter().find(|line| line.what == what).expect(what)
}

#[test]
fn the_cost_table_adds_up() {
    let (lines, sums) = table();
    let mut totals = [0.0; 3];
    for line in &lines {
        for (index, relays) in [0.0, 1_000.0, 1_000_000.0].into_iter().enumerate() {
            let dollars = line.price * (line.idle + relays * line.per_relay);
            assert_cents(line.what, line.shown[index], dollars);
            totals[index] += dollars;
        }
    }
    for (shown, total) in sums.iter().zip(totals) {
        assert_cents("together", *shown, total);
    }
    assert_eq!((lines.len(), sums.len()), (17, 3));
}

#[test]
fn ten_million_relays_a_year_cost_what_the_page_says() {
    let (_, page) = PAGE.split_once("## A deadline day").expect("a section");
    let (_, page) = page
        .split_once("**What a year costs.**")
        .expect("a paragraph");
    let page = page.split("\n\n").next().unwrap_or_default();
    let said: Vec<f64> = page
        .split_whitespace()
        .filter(|word| word.starts_with('$'))
        .map(|word| number(word.trim_end_matches(',')))
        .collect();
    let (lines, _) = table();
    let year = |line: &Line| line.price * (12.0 * line.idle + 10_000_000.0 * line.per_relay);
    let all: f64 = lines.iter().map(year).sum();
    let sent = year(line(&lines, "GB sent to B"));
    for (said, dollars) in said.iter().zip([all, sent, all - sent]) {
        let near = (said - dollars).abs() < 0.05 * dollars;
        assert!(near, "the page says {said}, it is {dollars}");
    }
    assert_eq!(said.len(), 3);
}

#[track_caller]
fn assert_cents(what: &str, shown: f64, dollars: f64) {
    let near = (shown - dollars).abs() < 0.005 + 1e-9;
    assert!(near, "{what}: the page says {shown}, it is {dollars}");
}

#[test]
fn the_cost_table_knows_what_the_templates_make() {
    let templates = [
        include_str!("../../template.yaml"),
        include_str!("../../infra/watch.yaml"),
    ]
    .concat();
    let count = |text: &str| templates.matches(text).count() as f64;
    let (lines, _) = table();
    let idle = |what| line(&lines, what).idle;
    // Only alarms name metrics in YAML.
    assert_eq!(idle("alarmed metrics"), count("MetricName: "));
    assert_eq!(
        idle("dashboards"),
        count("Type: AWS::CloudWatch::Dashboard")
    );
    // The Maskinporten key's is made by hand, and given as a parameter.
    assert_eq!(
        idle("secrets"),
        count("Type: AWS::SecretsManager::Secret") + 1.0
    );
    assert_eq!(
        idle("Scheduler invocations"),
        30.0 * 24.0 * 60.0 / RUN_MINUTES
    );
    for line in [
        "ScheduleExpression: rate(5 minutes)",
        "MemorySize: 256",
        "Default: 90",
    ] {
        assert!(templates.lines().any(|it| it.trim() == line), "{line}");
    }
}

/// Bytes.
const GIGABYTE: f64 = 1e9;
/// How long the ledger keeps an item.
const LEDGER_DAYS: f64 = 400.0;
/// Minutes between two runs of `reconcile`.
const RUN_MINUTES: f64 = 5.0;

/// The page's amount is what was measured, or somewhat more.
#[track_caller]
fn covers(what: &str, amount: f64, measured: usize) {
    let measured = measured as f64;
    assert!(
        amount >= measured * (1.0 - 1e-9) && amount <= 2.0 * measured,
        "{what}: infra/OPERATE.md says {amount}, and {measured} was measured"
    );
}

#[tokio::test]
async fn the_amounts_of_the_cost_table_are_what_a_relay_and_an_idle_run_use() {
    let (lines_of_page, _) = table();
    let page = |what| line(&lines_of_page, what);
    let runs = page("Scheduler invocations").idle;
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
    let permit = story.fill_in(local_altinn::Stage::Ended);
    story.trigger(&permit).await;
    let item = story.reaches(ROUTE, &permit, "done").await;
    story.settled().await;
    is_written(&story.receive, ANSWERED, told.0 + 1).await;
    is_written(&story.instantiate, METRICS, told.1 + 1).await;
    let relay = Used::by(&story).since(before);
    // Each write of an item changes its entry in the index of open relays: makes it, removes it.
    covers(
        "write units of a relay",
        page("DynamoDB write units").per_relay,
        2 * relay.puts,
    );
    assert_eq!(
        relay.reads, 1,
        "a clean relay asks the ledger for its birth, and reads nothing else from it"
    );
    // Received and deleted by Lambda.
    covers(
        "requests to SQS",
        page("SQS requests").per_relay,
        relay.sends + 2,
    );
    assert!(bytes(&item) < 1_000, "a write of an item is one unit");
    covers(
        "bytes of an item",
        page("DynamoDB GB").per_relay * GIGABYTE * 30.0 / LEDGER_DAYS,
        bytes(&item),
    );
    let logs = relay.log_bytes + 2 * PLATFORM + ACCESS;
    covers(
        "bytes of logs of a relay",
        page("log GB, written").per_relay * GIGABYTE,
        logs,
    );

    let before = Used::by(&story);
    idle_run(&story).await;
    let run = Used::by(&story).since(before);
    covers(
        "write units of a run",
        page("DynamoDB write units").idle / runs,
        run.puts,
    );
    covers(
        "read units of a run",
        page("DynamoDB read units").idle / runs,
        run.reads,
    );
    let logs = run.log_bytes + PLATFORM;
    covers(
        "bytes of logs of a run",
        page("log GB, written").idle / runs * GIGABYTE,
        logs,
    );

    let seen = metrics(&story).len();
    covers(
        "custom metrics of one route",
        page("custom metrics").idle,
        seen,
    );
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
    let runs = lines(&story.reconcile, FINISHED);
    let answer = story.reconcile.invoke(&json!({})).await.unwrap();
    let report = &answer["routes"][0];
    assert_eq!(report["trouble"], Value::Null, "{report}");
    assert_eq!(report["missing"], 0, "{report}");
    is_written(&story.reconcile, FINISHED, runs + 1).await;
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
