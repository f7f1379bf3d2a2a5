//! The nested template's alarms and dashboard, checked against the metrics that the functions and
//! AWS emit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use local_aws::{Template, Values};
use regex::Regex;
use serde_json::{Value, json};
use stafett_core::relay::Reason;
use stafett_runtime::{
    metrics::{self, Arrived, Outcome, Reconciled, Relayed},
    telemetry,
};
use tracing_subscriber::filter::LevelFilter;

use super::{functions, properties, template, values};

/// A metric's name with the names of its dimensions.
type Metric = (String, BTreeSet<String>);

fn watch() -> Template {
    Template::parse(include_str!("../../../../watch.yaml")).unwrap()
}

/// The parameters that the template passes to the nested one.
fn handed_over(values: &Values) -> Values {
    let parameters = &properties("Watch", values)["Parameters"];
    let parameters = parameters.as_object().unwrap().iter();
    let mut handed_over = Values::default();
    for (name, value) in parameters {
        handed_over = handed_over.parameter(name, value.as_str().unwrap());
    }
    for id in watch().document()["Resources"].as_object().unwrap().keys() {
        handed_over.resources.insert(id.clone(), id.clone());
    }
    handed_over
}

fn alarms(values: &Values) -> BTreeMap<String, Value> {
    let watch = watch();
    let alarms = watch.resources("AWS::CloudWatch::Alarm");
    alarms
        .map(|(id, _)| (id.to_owned(), watch.properties(id, values).unwrap()))
        .collect()
}

/// All metrics that the functions emit.
fn told() -> BTreeSet<Metric> {
    let output = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = telemetry::subscriber(LevelFilter::INFO, output.clone());
    tracing::subscriber::with_default(subscriber, || {
        let (route, now) = ("permit-to-casework".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let failures = Reason::ALL.iter().copied().map(Outcome::Failed);
        let others = [Outcome::Created, Outcome::Adopted, Outcome::Waiting];
        for outcome in failures.chain(others) {
            let relayed = Relayed {
                route: &route,
                outcome,
                doubled: true,
                incomplete: true,
                seconds_to_b: Some(1.0),
                altinn: Some((4, Duration::from_secs(1))),
            };
            relayed.emit(now);
        }
        let reconciled = Reconciled {
            route: &route,
            finished: true,
            missed: 1,
            due: 1,
            doubles: 1,
            vanished: 1,
            still_failed: Some(1),
            rebuilt: 1,
        };
        reconciled.emit(now);
        let arrived = Arrived {
            route: &route,
            changed: 1,
            stopped: true,
        };
        arrived.emit(now);
        metrics::run_finished(now);
        metrics::breaker_opened(&"ttd/casework".parse().unwrap(), now);
        metrics::quiet(1, now);
    });
    let mut lines = String::new();
    (&*output).rewind().unwrap();
    (&*output).read_to_string(&mut lines).unwrap();
    let mut told = BTreeSet::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        for directive in record["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for metric in directive["Metrics"].as_array().unwrap() {
                for dimensions in directive["Dimensions"].as_array().unwrap() {
                    let name = metric["Name"].as_str().unwrap().to_owned();
                    let dimensions = serde_json::from_value(dimensions.clone()).unwrap();
                    told.insert((name, dimensions));
                }
            }
        }
    }
    told
}

/// The AWS metrics that are used, with their dimension (Amazon SQS Developer Guide, "Available
/// CloudWatch metrics"; AWS Lambda Developer Guide, "Types of metrics"; Amazon API Gateway
/// Developer Guide, "Monitoring HTTP API metrics"; Amazon DynamoDB Developer Guide, "DynamoDB
/// metrics and dimensions").
const OF_AWS: [(&str, &str, &[&str]); 4] = [
    (
        "AWS/SQS",
        "QueueName",
        &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
        ],
    ),
    (
        "AWS/Lambda",
        "FunctionName",
        &["Duration", "Errors", "Throttles"],
    ),
    ("AWS/ApiGateway", "ApiId", &["Count", "4xx", "5xx"]),
    ("AWS/DynamoDB", "TableName", &["ConsumedWriteCapacityUnits"]),
];

/// The allowed dimension values of AWS's metrics.
fn is_ours(dimension: &str, value: &str) -> bool {
    let kind = match dimension {
        "QueueName" => "AWS::SQS::Queue",
        "FunctionName" => "AWS::Serverless::Function",
        "ApiId" => "AWS::Serverless::HttpApi",
        "TableName" => "AWS::DynamoDB::Table",
        _ => return false,
    };
    let id = value.strip_suffix(".QueueName").unwrap_or(value);
    template().resources(kind).any(|(ours, _)| ours == id)
}

/// A metric that an alarm or a widget uses.
#[derive(Debug)]
struct Look {
    namespace: String,
    name: String,
    dimensions: BTreeMap<String, Option<String>>,
}

impl Look {
    fn check(&self, namespace: &str, told: &BTreeSet<Metric>) {
        if self.namespace == namespace {
            let dimensions = self.dimensions.keys().cloned().collect();
            let metric = (self.name.clone(), dimensions);
            assert!(told.contains(&metric), "nothing tells of {self:?}");
            return;
        }
        let known = OF_AWS.iter().find(|it| it.0 == self.namespace);
        let (_, dimension, names) = known.unwrap_or_else(|| panic!("{self:?}"));
        assert!(names.contains(&self.name.as_str()), "{self:?}");
        let dimensions: Vec<_> = self.dimensions.iter().collect();
        let [(name, Some(value))] = dimensions[..] else {
            panic!("{self:?} has one dimension of one value")
        };
        assert!(name == dimension && is_ours(name, value), "{self:?}");
    }
}

fn alarmed(alarm: &Value) -> Look {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dimensions = alarm["Dimensions"].as_array().into_iter().flatten();
    Look {
        namespace: text(&alarm["Namespace"]),
        name: text(&alarm["MetricName"]),
        dimensions: dimensions
            .map(|it| (text(&it["Name"]), Some(text(&it["Value"]))))
            .collect(),
    }
}

/// A row of a widget's metrics: namespace, name, dimensions with their values, and options; or only
/// options with an expression (Amazon CloudWatch API Reference, "Dashboard Body Structure and
/// Syntax").
fn charted(row: &Value) -> Look {
    let row = row.as_array().unwrap();
    if let [options] = &row[..] {
        let expression = options["expression"].as_str().unwrap();
        // A name with other characters than letters and digits is in quotes
        // (Amazon CloudWatch User Guide, "CloudWatch search expression syntax").
        let syntax =
            r#"^SEARCH\('\{"([^"]+)"((?:,[A-Za-z0-9]+)*)\} MetricName="(\w+)"', '\w+', 300\)$"#;
        let parts = Regex::new(syntax).unwrap().captures(expression);
        let parts = parts.unwrap_or_else(|| panic!("{expression}"));
        let dimensions = parts[2].split(',').filter(|name| !name.is_empty());
        return Look {
            namespace: parts[1].to_owned(),
            name: parts[3].to_owned(),
            dimensions: dimensions.map(|name| (name.to_owned(), None)).collect(),
        };
    }
    let words: Vec<String> = row
        .iter()
        .filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect();
    let [namespace, name, dimensions @ ..] = &words[..] else {
        panic!("{row:?}")
    };
    let (pairs, []) = dimensions.as_chunks::<2>() else {
        panic!("{row:?}")
    };
    Look {
        namespace: namespace.clone(),
        name: name.clone(),
        dimensions: pairs
            .iter()
            .map(|[name, value]| (name.clone(), Some(value.clone())))
            .collect(),
    }
}

fn dashboard(values: &Values) -> Value {
    let dashboard: Value = watch().properties("Dashboard", values).unwrap();
    serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).unwrap()
}

fn widgets(dashboard: &Value, kind: &str) -> Vec<Value> {
    let widgets = dashboard["widgets"].as_array().unwrap().iter();
    widgets
        .filter(|widget| widget["type"] == kind)
        .map(|widget| widget["properties"].clone())
        .collect()
}

/// The namespace of all the functions' metrics.
fn namespace() -> String {
    let environments = functions().into_iter().map(|function| {
        let settings = template().function(&function, &values()).unwrap();
        settings.environment["STAFETT_METRICS_NAMESPACE"].clone()
    });
    let namespaces: BTreeSet<String> = environments.collect();
    assert_eq!(namespaces.len(), 1);
    namespaces.into_iter().next().unwrap()
}

#[test]
fn the_nested_template_is_given_all_that_it_asks_for() {
    let template = template();
    let resource = &template.document()["Resources"]["Watch"];
    assert_eq!(resource["Type"], "AWS::CloudFormation::Stack");
    assert_eq!(resource["Properties"]["TemplateURL"], "infra/watch.yaml");
    let given = resource["Properties"]["Parameters"].as_object().unwrap();
    let given: BTreeSet<_> = given.keys().collect();
    let watch = watch();
    let asked = watch.document()["Parameters"].as_object().unwrap();
    assert_eq!(given, asked.keys().collect());
}

#[test]
fn alarms_and_widgets_look_at_what_is_told_and_nothing_else() {
    let (handed_over, namespace, told) = (handed_over(&values()), namespace(), told());
    let mut charts = BTreeSet::new();
    for alarm in alarms(&handed_over).values() {
        alarmed(alarm).check(&namespace, &told);
    }
    for widget in widgets(&dashboard(&handed_over), "metric") {
        for row in widget["metrics"].as_array().unwrap() {
            let look = charted(row);
            look.check(&namespace, &told);
            charts.insert(look.name);
        }
    }
    // A metric costs the same whether it is used or not.
    for (name, _) in told {
        assert!(charts.contains(&name), "{name} is on no widget");
    }
}

#[test]
fn every_alarm_comes_and_goes_at_the_topic_and_says_what_to_do() {
    let operations = "arn:aws:sns:eu-north-1:123456789012:operations";
    let theirs = values().parameter("AlarmTopicArn", operations);
    for (values, topic) in [(values(), "AlarmTopic"), (theirs, operations)] {
        let alarms = alarms(&handed_over(&values));
        assert!(alarms.len() > 10);
        let mut names = BTreeSet::new();
        for (id, alarm) in alarms {
            for actions in ["AlarmActions", "OKActions"] {
                assert_eq!(alarm[actions], json!([topic]), "{id}");
            }
            let description = alarm["AlarmDescription"].as_str().unwrap();
            assert!(description.split_whitespace().count() > 12, "{id}");
            // Two stacks in one account need alarms with different names.
            let name = alarm["AlarmName"].as_str().unwrap().to_owned();
            assert!(name.starts_with("local-") && names.insert(name), "{id}");
        }
        let topics: Value = watch().document()["Outputs"]["AlarmTopicArn"]["Value"].clone();
        assert_eq!(topics["Fn::If"][0], "MakeTopic");
    }
}

#[test]
fn every_critical_condition_has_an_alarm() {
    let alarms = alarms(&handed_over(&values()));
    let on = |name: &str, dimension: Option<&str>| {
        let mut found = alarms.values().filter(|alarm| {
            let look = alarmed(alarm);
            let value = look.dimensions.values().next().cloned().flatten();
            look.name == name && value.as_deref() == dimension
        });
        let alarm = found.next();
        alarm.unwrap_or_else(|| panic!("no alarm on {name} of {dimension:?}"))
    };
    // The number of messages in a queue without a consumer, reported while they are there.
    for queue in ["DeadLetterQueue.QueueName", "UndeliveredSchedule.QueueName"] {
        let alarm = on("ApproximateNumberOfMessagesVisible", Some(queue));
        assert_eq!(alarm["Threshold"], 0);
        assert_eq!(alarm["Statistic"], "Maximum");
    }
    on("ApproximateAgeOfOldestMessage", Some("Queue.QueueName"));
    for function in functions() {
        assert_eq!(on("Errors", Some(&function))["Threshold"], 0);
    }
    for function in ["Receive", "Instantiate", "Reconcile"] {
        on("Throttles", Some(function));
    }
    for name in ["Missed", "Doubles", "Stopped", "Quiet"] {
        assert_eq!(on(name, None)["Threshold"], 0);
    }
    // A B that is down for a few minutes is nobody's concern.
    let quiet = on("Quiet", None);
    let [period, periods, all] =
        ["Period", "EvaluationPeriods", "DatapointsToAlarm"].map(|name| quiet[name].as_u64());
    assert_eq!(period.zip(periods).map(|(a, b)| a * b), Some(3600));
    assert_eq!(all, periods);
    // Missing data means that the check did not run.
    let unreconciled = on("RunsFinished", None);
    assert_eq!(unreconciled["TreatMissingData"], "breaching");
    assert_eq!(unreconciled["Period"], 3600);
    assert_eq!(unreconciled["ComparisonOperator"], "LessThanThreshold");
}

#[test]
fn the_last_failures_are_read_from_the_log_of_instantiate() {
    let dashboard = dashboard(&handed_over(&values()));
    let [log] = &widgets(&dashboard, "log")[..] else {
        panic!("one log widget")
    };
    let query = log["query"].as_str().unwrap();
    assert!(query.starts_with("SOURCE 'InstantiateLogs' |"), "{query}");
}

#[test]
fn no_widget_covers_another() {
    let dashboard = dashboard(&handed_over(&values()));
    let side = |widget: &Value, name: &str| widget[name].as_u64().unwrap();
    let mut covered = BTreeSet::new();
    for widget in dashboard["widgets"].as_array().unwrap() {
        let [x, y] = ["x", "y"].map(|name| side(widget, name));
        let (width, height) = (side(widget, "width"), side(widget, "height"));
        assert!(x + width <= 24, "the grid is 24 wide");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(covered.insert(place), "{place:?} is covered twice");
        }
    }
}
