//! The event that Lambda makes of a batch of messages, and what the function's answer means.
//!
//! AWS: "Using Lambda with Amazon SQS" (the event) and "Handling errors for an SQS event source in
//! Lambda" (partial batch responses).

use std::collections::HashSet;

use aws_sdk_sqs::types::Message;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::REGION;

/// The event of a batch.
pub(super) fn event(messages: &[Message], queue_arn: &str) -> Value {
    let records: Vec<Value> = messages.iter().map(|it| record(it, queue_arn)).collect();
    json!({ "Records": records })
}

fn record(message: &Message, queue_arn: &str) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str())))
        .collect();
    let message_attributes: Map<String, Value> = message
        .message_attributes
        .iter()
        .flatten()
        .map(|(name, value)| {
            let mut attribute = json!({
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value.data_type,
            });
            if let Some(text) = &value.string_value {
                attribute["stringValue"] = Value::from(text.as_str());
            }
            if let Some(bytes) = &value.binary_value {
                attribute["binaryValue"] = Value::from(BASE64_STANDARD.encode(bytes));
            }
            (name.clone(), attribute)
        })
        .collect();
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    });
    if let Some(digest) = &message.md5_of_message_attributes {
        record["md5OfMessageAttributes"] = Value::from(digest.as_str());
    }
    record
}

/// Ids of the messages that an answer reports as failed; all of them when it is not understood.
///
/// An answer without failures, also `null` or an empty one, means that all went well. A missing,
/// empty or unknown `itemIdentifier` fails the whole batch.
pub(super) fn failures<'a>(answer: &Value, batch: &HashSet<&'a str>) -> HashSet<&'a str> {
    let everything = || batch.clone();
    let reported = match answer {
        Value::Null => return HashSet::new(),
        Value::Object(answer) => match answer.get("batchItemFailures") {
            None | Some(Value::Null) => return HashSet::new(),
            Some(Value::Array(reported)) => reported,
            Some(_) => return everything(),
        },
        _ => return everything(),
    };
    let mut failed = HashSet::new();
    for item in reported {
        match item["itemIdentifier"].as_str().and_then(|id| batch.get(id)) {
            Some(id) => failed.insert(*id),
            None => return everything(),
        };
    }
    failed
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsEvent;
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};

    use super::*;

    fn failed(answer: Value) -> Vec<&'static str> {
        let mut failed: Vec<_> = failures(&answer, &HashSet::from(["a", "b"]))
            .into_iter()
            .collect();
        failed.sort_unstable();
        failed
    }

    #[test]
    fn an_answer_without_failures_means_that_all_went_well() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "batchItemFailures": null }),
            json!({ "batchItemFailures": [] }),
        ] {
            assert!(failed(answer).is_empty());
        }
    }

    #[test]
    fn only_the_reported_messages_fail() {
        assert_eq!(
            failed(json!({ "batchItemFailures": [{ "itemIdentifier": "b" }] })),
            ["b"]
        );
    }

    #[test]
    fn an_answer_that_is_not_understood_fails_the_whole_batch() {
        for answer in [
            json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
            json!({ "batchItemFailures": [{ "itemIdentifier": null }] }),
            json!({ "batchItemFailures": [{ "itemIdentifier": "x" }] }),
            json!({ "batchItemFailures": [{ "messageId": "b" }] }),
            json!({ "batchItemFailures": [{ "itemIdentifier": "b" }, {}] }),
            json!({ "batchItemFailures": "b" }),
            json!("b"),
        ] {
            assert_eq!(failed(answer), ["a", "b"]);
        }
    }

    #[test]
    fn the_event_reads_as_the_type_that_functions_use() {
        let message = Message::builder()
            .message_id("id")
            .receipt_handle("handle")
            .body("{}")
            .md5_of_body("digest")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
            .message_attributes(
                "note",
                MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value("x")
                    .build()
                    .unwrap(),
            )
            .message_attributes(
                "bytes",
                MessageAttributeValue::builder()
                    .data_type("Binary")
                    .binary_value(Blob::new([1, 2, 3]))
                    .build()
                    .unwrap(),
            )
            .build();
        let event: SqsEvent =
            serde_json::from_value(event(&[message], "arn:aws:sqs:eu-north-1:0:queue")).unwrap();
        let record = &event.records[0];
        assert_eq!(record.message_id.as_deref(), Some("id"));
        assert_eq!(record.receipt_handle.as_deref(), Some("handle"));
        assert_eq!(record.body.as_deref(), Some("{}"));
        assert_eq!(record.attributes["ApproximateReceiveCount"], "3");
        assert_eq!(
            record.event_source_arn.as_deref(),
            Some("arn:aws:sqs:eu-north-1:0:queue")
        );
        assert_eq!(record.event_source.as_deref(), Some("aws:sqs"));
        assert_eq!(
            record.message_attributes["note"].string_value.as_deref(),
            Some("x")
        );
        let bytes = record.message_attributes["bytes"]
            .binary_value
            .as_ref()
            .unwrap();
        assert_eq!(bytes.0, [1, 2, 3]);
    }
}
