//! What is kept, under which key, and for how long.

use std::collections::BTreeMap;

use local_aws::Values;
use serde_json::{Value, json};

use super::{KEY, functions, keyed, properties, template, values};

/// The types of resources that keep something, with the property that names the key it is encrypted under.
const KEEPING: [(&str, &str); 5] = [
    ("AWS::DynamoDB::Table", "/SSESpecification/KMSMasterKeyId"),
    ("AWS::Logs::LogGroup", "/KmsKeyId"),
    ("AWS::SQS::Queue", "/KmsMasterKeyId"),
    ("AWS::SecretsManager::Secret", "/KmsKeyId"),
    // The functions' environment, from the globals.
    ("AWS::Serverless::Function", "/KmsKeyArn"),
];
/// Those that keep nothing of anybody's.
const PASSING: [&str; 4] = [
    "AWS::CloudFormation::Stack",
    "AWS::IAM::Role",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
];

/// The keys that what is kept is encrypted under, by resource.
fn keys(values: &Values) -> BTreeMap<String, Option<String>> {
    let template = template();
    let globals = &template.document()["Globals"]["Function"];
    assert_eq!(
        globals["KmsKeyArn"],
        json!({ "Fn::If": ["OwnKey", { "Ref": "KmsKeyArn" }, { "Ref": "AWS::NoValue" }] })
    );
    let mut keys = BTreeMap::new();
    for (kind, place) in KEEPING {
        for (id, resource) in template.resources(kind) {
            if kind == "AWS::Serverless::Function" {
                // Its own would go before the globals'.
                assert!(resource["Properties"].get("KmsKeyArn").is_none());
                continue;
            }
            let properties = properties(id, values);
            let key = properties.pointer(place).and_then(Value::as_str);
            keys.insert(id.to_owned(), key.map(str::to_owned));
        }
    }
    keys
}

#[test]
fn whatever_is_kept_is_under_the_owners_key_where_there_is_one() {
    let keyed = keys(&keyed());
    assert_eq!(keyed.len(), 10);
    for (id, key) in keyed {
        assert_eq!(key.as_deref(), Some(KEY), "{id}");
    }
    for (id, key) in keys(&values()) {
        assert_eq!(key, None, "{id}");
    }
}

#[test]
fn nothing_is_kept_in_what_has_no_key() {
    let template = template();
    let resources = template.document()["Resources"].as_object().unwrap();
    for (id, resource) in resources {
        let kind = resource["Type"].as_str().unwrap();
        let known = KEEPING.iter().any(|it| it.0 == kind) || PASSING.contains(&kind);
        assert!(known, "{id}: does a {kind} keep anything?");
    }
}

#[test]
fn every_queue_is_encrypted_in_one_way() {
    let template = template();
    for (id, _) in template.resources("AWS::SQS::Queue") {
        let own = properties(id, &keyed());
        // SQS refuses both at once.
        assert_eq!(own.get("SqsManagedSseEnabled"), None, "{id}");
        assert_eq!(properties(id, &values())["SqsManagedSseEnabled"], true);
    }
    for values in [values(), keyed()] {
        let ledger = properties("Ledger", &values);
        assert_eq!(ledger["SSESpecification"]["SSEEnabled"], true);
    }
}

#[test]
fn every_log_is_kept_as_long_as_the_owner_says() {
    let template = template();
    let asked = values().parameter("LogRetentionDays", "365");
    for (id, resource) in template.resources("AWS::Logs::LogGroup") {
        assert_eq!(properties(id, &asked)["RetentionInDays"], "365");
        assert_eq!(properties(id, &values())["RetentionInDays"], 90);
        assert_eq!(resource["DeletionPolicy"], "Delete", "{id}");
    }
    // One that Lambda made by itself would be kept for ever.
    for function in functions() {
        let properties = &template.document()["Resources"][&function]["Properties"];
        let group = format!("{function}Logs");
        assert_eq!(
            properties["LoggingConfig"]["LogGroup"],
            json!({ "Ref": group })
        );
        let group = &template.document()["Resources"][group]["Type"];
        assert_eq!(group, "AWS::Logs::LogGroup");
    }
}
