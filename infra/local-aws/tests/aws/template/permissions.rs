//! The permissions of each role.

use std::collections::BTreeSet;

use axum::{Json, Router, extract::State};
use local_aws::{Endpoints, Values};
use serde_json::{Value, json};
use stafett_runtime::{ledger::Ledger, settings::LedgerSettings};
use tokio::{net::TcpListener, sync::mpsc};

use super::{KEY, functions, keyed, properties, template, values};

/// Every value with its path in the document.
fn walk<'a>(value: &'a Value, place: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(place, value);
    match value {
        Value::Object(entries) => {
            entries
                .iter()
                .for_each(|(key, it)| walk(it, &format!("{place}/{key}"), visit));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, it)| walk(it, &format!("{place}/{n}"), visit));
        }
        _ => {}
    }
}

/// The statements of a role's policies.
fn statements(role: &str, values: &Values) -> Vec<Value> {
    let properties = properties(role, values);
    assert!(
        properties.get("ManagedPolicyArns").is_none(),
        "{role} has policies of others"
    );
    let policies = properties["Policies"].as_array().unwrap().iter();
    policies
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap())
        .cloned()
        .collect()
}

type Permission = (BTreeSet<String>, String);

/// A role's permissions, as (actions, resource).
fn allowed(role: &str, values: &Values) -> Vec<Permission> {
    let permission = |statement: Value| {
        assert_eq!(statement["Effect"], "Allow");
        let actions = match &statement["Action"] {
            Value::String(action) => BTreeSet::from([action.clone()]),
            actions => {
                let actions = actions.as_array().unwrap().iter();
                actions.map(|it| it.as_str().unwrap().to_owned()).collect()
            }
        };
        (actions, statement["Resource"].as_str().unwrap().to_owned())
    };
    statements(role, values)
        .into_iter()
        .map(permission)
        .collect()
}

fn may<const N: usize>(actions: [&str; N], resource: &str) -> Permission {
    (actions.map(String::from).into(), resource.to_owned())
}

fn may_log(group: &str) -> Permission {
    may(["logs:CreateLogStream", "logs:PutLogEvents"], group)
}

fn may_read_secret(secret: &str) -> Permission {
    may(["secretsmanager:GetSecretValue"], secret)
}

fn may_work_on(queue: &str) -> Permission {
    let actions = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
    ];
    may(actions, queue)
}

#[test]
fn no_permission_has_a_wildcard() {
    let functions = functions();
    walk(template().document(), "", &mut |place, value| {
        let in_policy = [
            "/Action",
            "/Resource",
            "/Principal",
            "/NotAction",
            "/NotResource",
        ]
        .iter()
        .any(|key| place.contains("/Statement/") && place.contains(key));
        if in_policy && let Some(text) = value.as_str() {
            assert!(!text.contains('*'), "{place}: {text}");
        }
        assert!(
            !place.ends_with("/NotAction") && !place.ends_with("/NotResource"),
            "{place}"
        );
        // SAM's policy templates and managed policies allow more than needed.
        let properties = place.strip_suffix("/Policies").unwrap_or_default();
        assert!(
            !functions
                .iter()
                .any(|id| properties == format!("/Resources/{id}/Properties"))
        );
    });
}

#[test]
fn each_function_has_a_role_of_its_own_that_lambda_alone_may_take() {
    let template = template();
    for function in functions() {
        let resource = &template.document()["Resources"][&function]["Properties"]["Role"];
        let role = format!("{function}Role");
        assert_eq!(resource, &json!({ "Fn::GetAtt": [role, "Arn"] }));
        let trust = &properties(&role, &values())["AssumeRolePolicyDocument"]["Statement"];
        let lambda = json!({ "Service": "lambda.amazonaws.com" });
        assert_eq!(
            trust,
            &json!([{ "Effect": "Allow", "Principal": lambda, "Action": "sts:AssumeRole" }])
        );
    }
}

#[test]
fn each_function_may_do_exactly_what_it_does() {
    let values = values();
    assert_eq!(
        allowed("ReceiveRole", &values),
        [
            may(["sqs:SendMessage"], "Queue.Arn"),
            may(["dynamodb:Query"], "Ledger.Arn"),
            may_read_secret("EventsSecret"),
            may_log("ReceiveLogs.Arn"),
        ]
    );
    assert_eq!(
        allowed("InstantiateRole", &values),
        [
            may_work_on("Queue.Arn"),
            may(
                [
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:DescribeTable"
                ],
                "Ledger.Arn"
            ),
            may(["dynamodb:GetItem"], "Ledger.Arn"),
            may_read_secret("arn:jwk"),
            may_log("InstantiateLogs.Arn"),
        ]
    );
    assert_eq!(
        allowed("ReconcileRole", &values),
        [
            may(["sqs:GetQueueAttributes", "sqs:SendMessage"], "Queue.Arn"),
            may(
                [
                    "dynamodb:BatchGetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DescribeTable"
                ],
                "Ledger.Arn"
            ),
            may(["dynamodb:Query"], "Ledger.Arn/index/open"),
            may(["dynamodb:Query"], "Ledger.Arn/index/failed"),
            may(["dynamodb:GetItem"], "Ledger.Arn"),
            may_read_secret("arn:jwk"),
            may_log("ReconcileLogs.Arn"),
        ]
    );
    assert_eq!(
        allowed("RedriveRole", &values),
        [
            may_work_on("DeadLetterQueue.Arn"),
            may(["sqs:SendMessage"], "Queue.Arn"),
            may(
                ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"],
                "Ledger.Arn"
            ),
            may(["dynamodb:Query"], "Ledger.Arn/index/failed"),
            may(["dynamodb:PutItem"], "Ledger.Arn"),
            may_read_secret("arn:jwk"),
            may_log("RedriveLogs.Arn"),
        ]
    );
}

/// Sending to a queue needs both permissions, because the message is encrypted under a new data key; receiving
/// only needs to decrypt (Amazon SQS Developer Guide, "Key management").
#[test]
fn each_role_may_use_the_owners_key_only_as_it_sends_and_reads() {
    let (plain, keyed) = (values(), keyed());
    let read = may(["kms:Decrypt"], KEY);
    let send_and_read = may(["kms:Decrypt", "kms:GenerateDataKey"], KEY);
    for (role, permission) in [
        ("ReceiveRole", &send_and_read),
        ("InstantiateRole", &read),
        ("ReconcileRole", &send_and_read),
        ("RedriveRole", &send_and_read),
        ("ScheduleRole", &send_and_read),
    ] {
        let without = allowed(role, &plain);
        let sends = without.iter().any(|it| it.0.contains("sqs:SendMessage"));
        assert_eq!(permission.0.contains("kms:GenerateDataKey"), sends);
        let with = allowed(role, &keyed);
        assert_eq!(with, [without, vec![permission.clone()]].concat(), "{role}");
    }
    let template = template();
    assert_eq!(template.resources("AWS::IAM::Role").count(), 5);
}

#[test]
fn instantiate_and_reconcile_read_only_notes_as_whole_items() {
    for role in ["InstantiateRole", "ReconcileRole"] {
        let statements = statements(role, &values());
        let gets: Vec<&Value> = statements
            .iter()
            .filter(|it| it["Action"].to_string().contains("\"dynamodb:GetItem"))
            .collect();
        assert_eq!(gets.len(), 1, "{role}");
        assert_eq!(
            gets[0]["Condition"],
            json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["reconcile"] } }),
            "{role}"
        );
    }
}

/// The DynamoDB request that the ledger makes for a status call.
async fn status_query() -> Value {
    let (sender, mut calls) = mpsc::unbounded_channel();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = async |State(sender): State<mpsc::UnboundedSender<Value>>, body: String| {
        sender.send(serde_json::from_str(&body).unwrap()).unwrap();
        Json(json!({ "Items": [], "Count": 0, "ScannedCount": 0 }))
    };
    let server = Router::new().fallback(answer).with_state(sender);
    let server = tokio::spawn(async { axum::serve(listener, server).await });
    let endpoints = Endpoints {
        dynamodb: address.clone(),
        sqs: address,
    };
    let settings = LedgerSettings {
        table: "ledger".to_owned(),
        lease: std::time::Duration::from_secs(300),
        settle: std::time::Duration::from_secs(1200),
    };
    let ledger = Ledger::new(&endpoints.sdk_config(), &settings);
    let instance = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    let standings = ledger.of_source(instance.parse().unwrap()).await.unwrap();
    assert!(standings.is_empty());
    server.abort();
    calls.recv().await.unwrap()
}

/// The attributes that a request names (Amazon DynamoDB Developer Guide, "Using IAM policy
/// conditions for fine-grained access control": `dynamodb:Attributes`).
fn named(call: &Value) -> BTreeSet<String> {
    let name = |word: &str| match call["ExpressionAttributeNames"].get(word) {
        Some(name) => name.as_str().unwrap().to_owned(),
        None => word.to_owned(),
    };
    let projected = call["ProjectionExpression"].as_str().unwrap().split(',');
    let keys = call["KeyConditionExpression"].as_str().unwrap();
    let keys = keys.split(" AND ").map(|it| it.split(' ').next().unwrap());
    projected
        .chain(keys)
        .map(|word| name(word.trim()))
        .collect()
}

#[tokio::test]
async fn the_status_call_reads_what_its_role_may_and_not_an_attribute_less() {
    let statements = statements("ReceiveRole", &values());
    let query = statements
        .iter()
        .find(|it| it["Action"] == "dynamodb:Query");
    let conditions = &query.unwrap()["Condition"];
    let attributes = &conditions["ForAllValues:StringEquals"]["dynamodb:Attributes"];
    let attributes: BTreeSet<String> = serde_json::from_value(attributes.clone()).unwrap();
    let call = status_query().await;
    assert_eq!(named(&call), attributes);
    let select = &conditions["StringEqualsIfExists"]["dynamodb:Select"];
    assert_eq!(select, "SPECIFIC_ATTRIBUTES");
    assert!([&Value::Null, select].contains(&&call["Select"]));
    // Callers must not read reconcile's notes.
    let foreign = &conditions["ForAllValues:StringNotEquals"]["dynamodb:LeadingKeys"];
    assert_eq!(foreign, &json!(["reconcile"]));
    assert_eq!(conditions.as_object().unwrap().len(), 3);
}

#[test]
fn the_schedule_may_invoke_reconcile_and_no_other() {
    let template = template();
    let reconcile = &template.document()["Resources"]["Reconcile"]["Properties"];
    let schedule = &reconcile["Events"]["Schedule"]["Properties"];
    let arn = |id: &str| json!({ "Fn::GetAtt": [id, "Arn"] });
    assert_eq!(schedule["RoleArn"], arn("ScheduleRole"));
    assert_eq!(
        schedule["DeadLetterConfig"]["Arn"],
        arn("UndeliveredSchedule")
    );
    // The name that SAM generates is the same in every stack of an account.
    assert_eq!(schedule["OmitName"], true);
    assert_eq!(
        allowed("ScheduleRole", &values()),
        [
            may(["lambda:InvokeFunction"], "Reconcile.Arn"),
            may(["sqs:SendMessage"], "UndeliveredSchedule.Arn"),
        ]
    );
    let settings = template.schedule("Reconcile", &values()).unwrap();
    assert_eq!(settings.input, json!({}));
    // A run has ended before the next one begins.
    let reconcile = template.function("Reconcile", &values()).unwrap();
    assert!(reconcile.timeout <= settings.every);
}
