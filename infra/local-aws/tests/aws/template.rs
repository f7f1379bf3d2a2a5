//! Rules for the templates that no linter checks.

mod encryption;
mod permissions;
mod watch;

use std::path::Path;
use std::time::Duration;

use local_aws::{LocalAws, Stack, Template, Values};
use serde_json::{Value, json};
use stafett_runtime::settings::{
    AltinnSettings, CallerSettings, DeadLetterSettings, Environment, EventsSettings,
    LedgerSettings, MaskinportenSettings, QueueSettings, RouteSettings,
};

/// The ARN of an owner's KMS key.
const KEY: &str = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn template() -> Template {
    Template::stafett().unwrap()
}

/// Values for everything without a default. A resource's reference is its own id, and an attribute
/// is the id with the attribute's name.
fn values() -> Values {
    let template = template();
    let resources = template.document()["Resources"].as_object().unwrap();
    let mut values = Values::default()
        .parameter("MaskinportenClientId", "client")
        .parameter("MaskinportenJwkSecretArn", "arn:jwk")
        .parameter("TriggerScope", "ttd:trigger")
        .parameter("TriggerConsumers", "991825827");
    for id in resources.keys() {
        values.resources.insert(id.clone(), id.clone());
        for attribute in ["Arn", "QueueName"] {
            let name = format!("{id}.{attribute}");
            values.resources.insert(name.clone(), name);
        }
    }
    values
}

/// The same with the owner's key.
fn keyed() -> Values {
    values().parameter("KmsKeyArn", KEY)
}

/// A resource's properties with all references resolved.
fn properties(id: &str, values: &Values) -> Value {
    template().properties(id, values).unwrap()
}

fn functions() -> Vec<String> {
    template()
        .resources("AWS::Serverless::Function")
        .map(|(id, _)| id.to_owned())
        .collect()
}

#[test]
fn only_failed_messages_of_a_batch_come_back() {
    let template = template();
    let sources: Vec<_> = functions()
        .into_iter()
        .filter(|id| template.event_source(id, &values()).is_ok())
        .collect();
    assert_eq!(sources, ["Instantiate"]);
    let events = &template.document()["Resources"]["Instantiate"]["Properties"]["Events"];
    for event in events
        .as_object()
        .unwrap()
        .values()
        .filter(|it| it["Type"] == "SQS")
    {
        let types = &event["Properties"]["FunctionResponseTypes"];
        assert_eq!(types, &json!(["ReportBatchItemFailures"]));
    }
}

#[test]
fn the_indexes_of_open_and_of_failed_relays_have_what_is_read_from_them() {
    let stack = Stack::stafett().unwrap();
    let expected = [("open", "due"), ("failed", "failed_at")];
    assert_eq!(stack.table.indexes.len(), expected.len());
    for (index, (name, range)) in stack.table.indexes.iter().zip(expected) {
        assert_eq!(index.name, name);
        assert_eq!(
            index.keys,
            [(name.into(), "HASH".into()), (range.into(), "RANGE".into())]
        );
        // DynamoDB would silently accept a projected name that no item has.
        let known = [
            "source", "rev", "state", "reason", "instance", "attempts", "first", "updated",
        ];
        assert_eq!(index.attributes, known);
    }
}

#[test]
fn a_named_table_is_the_ledger_wherever_the_stacks_own_would_be() {
    let template = template();
    let ledger = &template.document()["Resources"]["Ledger"];
    assert_eq!(ledger["Condition"], "MakesLedger");
    assert_eq!(ledger["DeletionPolicy"], "RetainExceptOnCreate");
    let mut named = values().parameter("LedgerTable", "restored");
    // What the stack does not make cannot be referred to.
    named.resources.retain(|id, _| !id.starts_with("Ledger"));
    named
        .resources
        .insert("LedgerTable".into(), "restored".into());
    for function in functions() {
        let environment = template.function(&function, &named).unwrap().environment;
        assert_eq!(environment["STAFETT_TABLE"], "restored", "{function}");
        properties(&format!("{function}Role"), &named);
    }
    assert_eq!(
        properties("Watch", &named)["Parameters"]["LedgerName"],
        "restored"
    );
}

#[test]
fn no_log_has_the_path_of_a_request() {
    let template = template();
    let mut formats = 0;
    for (_, api) in template.resources("AWS::Serverless::HttpApi") {
        let format = api["Properties"]["AccessLogSettings"]["Format"]
            .as_str()
            .unwrap();
        let fields: Value = serde_json::from_str(format).unwrap();
        for field in fields.as_object().unwrap().values() {
            let field = field.as_str().unwrap();
            for leak in [
                "path",
                "Path",
                "rawQuery",
                "resource",
                "error.message",
                "sourceIp",
            ] {
                assert!(!field.contains(leak), "{field}");
            }
        }
        formats += 1;
    }
    assert_eq!(formats, 1);
}

#[test]
fn a_claim_lasts_as_long_as_the_function_may_run_and_a_message_stays_hidden_far_longer() {
    let instantiate = template().function("Instantiate", &values()).unwrap();
    let lease: u64 = instantiate.environment["STAFETT_LEASE_SECONDS"]
        .parse()
        .unwrap();
    assert_eq!(Duration::from_secs(lease), instantiate.timeout);
    let reconcile = template().function("Reconcile", &values()).unwrap();
    assert_eq!(
        reconcile.environment["STAFETT_LEASE_SECONDS"],
        instantiate.environment["STAFETT_LEASE_SECONDS"],
    );
    // AWS recommends six times the function's timeout for a queue with an event source mapping.
    assert!(Stack::stafett().unwrap().queue.visibility_timeout >= 6 * instantiate.timeout);
}

#[test]
fn a_message_has_time_left_when_it_reaches_the_dead_letter_queue() {
    let stack = Stack::stafett().unwrap();
    let fortnight = Duration::from_secs(14 * 24 * 60 * 60);
    assert_eq!(stack.queue.max_receive_count, Some(40));
    // The maximum that SQS allows: a message keeps its age when it moves.
    assert_eq!(stack.queue.retention, fortnight);
    assert_eq!(stack.dead_letter_queue.retention, fortnight);
}

#[test]
fn every_parameter_says_what_it_is_and_what_it_may_be() {
    let template = template();
    for (name, parameter) in template.document()["Parameters"].as_object().unwrap() {
        for key in ["Description", "ConstraintDescription"] {
            assert!(parameter[key].is_string(), "{name} has no {key}");
        }
        let bounds = match parameter["Type"].as_str() {
            Some("String") => &["AllowedPattern"][..],
            _ => &["AllowedValues", "MinValue"],
        };
        assert!(
            bounds.iter().any(|key| parameter.get(*key).is_some()),
            "{name} has no bounds"
        );
        if let (Some(pattern), Some(default)) = (
            parameter["AllowedPattern"].as_str(),
            parameter["Default"].as_str(),
        ) {
            assert!(
                regex::Regex::new(pattern).unwrap().is_match(default),
                "{name}: {default}"
            );
        }
    }
}

#[test]
fn every_function_is_a_program_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (id, function) in template().resources("AWS::Serverless::Function") {
        let program = function["Metadata"]["BuildProperties"]["Binary"]
            .as_str()
            .unwrap();
        let manifest = root.join("functions").join(program).join("Cargo.toml");
        assert!(manifest.is_file(), "{id}: {}", manifest.display());
    }
}

#[test]
fn the_api_has_exactly_its_routes() {
    let mut routes: Vec<_> = template()
        .http_routes()
        .into_iter()
        .map(|it| format!("{} {}", it.method, it.path))
        .collect();
    routes.sort();
    assert_eq!(
        routes,
        [
            "ANY /{proxy+}",
            "GET /health",
            "GET /relays/{party}/{guid}",
            "POST /events/{secret}",
            "POST /triggers"
        ]
    );
}

#[tokio::test]
async fn every_function_finds_its_settings_in_the_environment_that_the_template_gives_it() {
    let aws = LocalAws::start(&Stack::stafett().unwrap()).await.unwrap();
    let values = Values {
        resources: aws.resources().values().resources,
        ..values()
    };
    let environment = |function| template().function(function, &values).unwrap().environment;

    let receive = environment("Receive");
    let source = Environment::new(|name| receive.get(name).cloned());
    let routes = RouteSettings::read(&source).unwrap();
    assert_eq!(routes.directory, Path::new("/opt/routes"));
    let queue = QueueSettings::read(&source).unwrap();
    assert_eq!(queue.url, aws.resources().queue.url);
    let caller = CallerSettings::read(&source).unwrap();
    assert_eq!(caller.issuer, "https://test.maskinporten.no/");
    assert_eq!(caller.consumers, ["991825827"]);
    assert!(caller.audience.is_none());
    EventsSettings::read(&source).unwrap();
    LedgerSettings::read(&source).unwrap();

    let instantiate = environment("Instantiate");
    let source = Environment::new(|name| instantiate.get(name).cloned());
    RouteSettings::read(&source).unwrap();
    QueueSettings::read(&source).unwrap();
    let ledger = LedgerSettings::read(&source).unwrap();
    assert_eq!(ledger.table, aws.resources().table);
    assert_eq!(ledger.settle, Duration::from_secs(1200));
    let altinn = AltinnSettings::read(&source).unwrap();
    assert!(altinn.subscription_key.is_none());
    let maskinporten = MaskinportenSettings::read(&source).unwrap();
    assert_eq!(maskinporten.client_id, "client");

    let reconcile = environment("Reconcile");
    let source = Environment::new(|name| reconcile.get(name).cloned());
    RouteSettings::read(&source).unwrap();
    QueueSettings::read(&source).unwrap();
    LedgerSettings::read(&source).unwrap();
    AltinnSettings::read(&source).unwrap();
    MaskinportenSettings::read(&source).unwrap();

    let redrive = environment("Redrive");
    let source = Environment::new(|name| redrive.get(name).cloned());
    RouteSettings::read(&source).unwrap();
    LedgerSettings::read(&source).unwrap();
    AltinnSettings::read(&source).unwrap();
    MaskinportenSettings::read(&source).unwrap();
    let queue = QueueSettings::read(&source).unwrap();
    let dead_letters = DeadLetterSettings::read(&source).unwrap();
    let resources = aws.resources();
    assert_eq!(
        (queue.url, dead_letters.url),
        (
            resources.queue.url.clone(),
            resources.dead_letter_queue.url.clone()
        )
    );
}
