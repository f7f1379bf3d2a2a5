//! A dead letter.

use std::fmt;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use jiff::Timestamp;
use serde_json::Value;
use stafett_core::trigger::{Cause, MessageError, Trigger};

/// A message of the dead-letter queue that was taken. Its sender may have put anything into its body, so the body is
/// neither returned nor printed.
#[derive(Clone)]
pub struct DeadLetter {
    id: String,
    receipt: Receipt,
    pub(super) body: String,
    pub(super) trace: Option<String>,
    group: Option<String>,
    sent: Timestamp,
}

/// The handle by which a dead letter that was taken is deleted or put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(pub(super) String);

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

impl DeadLetter {
    /// Reads a message of SQS; `None` for one without id or receipt, which SQS does not send.
    pub(super) fn read(message: Message, now: Timestamp) -> Option<Self> {
        use MessageSystemAttributeName::{AwsTraceHeader, MessageGroupId, SentTimestamp};
        let mut attributes = message.attributes.unwrap_or_default();
        let sent = attributes
            .get(&SentTimestamp)
            .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
        Some(Self {
            id: message.message_id?,
            receipt: Receipt(message.receipt_handle?),
            body: message.body.unwrap_or_default(),
            trace: attributes.remove(&AwsTraceHeader),
            group: attributes.remove(&MessageGroupId),
            // A letter of unknown age counts as new.
            sent: sent.unwrap_or(now),
        })
    }

    /// The id that SQS gave it, which it keeps on its way from the queue to the dead-letter queue.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The handle by which it is deleted or put back.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// When it was sent to the queue. Moving to the dead-letter queue does not change this time
    /// (Amazon SQS Developer Guide, "Using dead-letter queues": the enqueue timestamp is unchanged).
    #[must_use]
    pub fn sent(&self) -> Timestamp {
        self.sent
    }

    /// The message group to send it back with: the one that it has, and else its trigger's route. A message of an older
    /// version has none.
    pub(super) fn group(&self) -> Option<String> {
        let route = || Some(self.trigger().ok()?.route.to_string());
        self.group.clone().or_else(route)
    }

    /// How long its body is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// The trigger that it carries.
    ///
    /// # Errors
    /// [`MessageError`] if it carries none.
    pub fn trigger(&self) -> Result<Trigger, MessageError> {
        Trigger::from_message(&self.body)
    }
}

/// The body to send back: a trigger gets the cause `redrive` and keeps everything else, unknown fields included. A body
/// that is not a trigger stays as it is.
pub(super) fn sent_back(body: &str) -> String {
    let changed = Trigger::from_message(body).ok().and_then(|_| {
        let mut message: Value = serde_json::from_str(body).ok()?;
        *message.get_mut("cause")? = Cause::Redrive.as_str().into();
        Some(message.to_string())
    });
    changed.unwrap_or_else(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MESSAGE: &str = r#"{"v":1,"route":"permit-to-casework","later":{"b":1,"a":[1.50]},"instance":"50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77","cause":"event","id":"7f8d6a4e","at":"2026-11-22T10:00:00Z"}"#;

    #[test]
    fn only_the_cause_of_a_trigger_changes_when_it_is_sent_back() {
        let back = sent_back(MESSAGE);
        let mut expected: Value = serde_json::from_str(MESSAGE).unwrap();
        expected["cause"] = json!("redrive");
        assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), expected);
        assert_eq!(Trigger::from_message(&back).unwrap().cause, Cause::Redrive);
    }

    #[test]
    fn a_body_that_is_not_a_trigger_is_sent_back_unchanged() {
        for body in [
            "",
            "{ this is not JSON <&> ",
            r#"{"cause":"app"}"#,
            r#"{"v":2, "cause": "app"}"#,
            &MESSAGE.replace("event", "a-cause-to-come"),
        ] {
            assert_eq!(sent_back(body), body);
        }
    }

    #[test]
    fn a_dead_letter_is_printed_without_its_body() {
        let message = Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body("12837832290");
        let letter = DeadLetter::read(message.build(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(!format!("{letter:?}").contains("12837832290"));
        assert_eq!(letter.sent(), Timestamp::UNIX_EPOCH);
    }
}
