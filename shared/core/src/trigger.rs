//! A trigger: "A instance X may be ready", a reference with a cause.
//!
//! It carries ids only and grants nothing. Its written form is the queue message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{InstanceId, RouteName};

/// The version of the queue message that this code writes and reads.
const VERSION: u32 = 1;

/// Who said that the instance may be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// App A, over `POST /triggers`.
    App,
    /// Altinn Events.
    Event,
    /// The scheduled reconciliation.
    Reconcile,
    /// An operator.
    Redrive,
}

impl Cause {
    /// The cause as it is written in messages and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Event => "event",
            Self::Reconcile => "reconcile",
            Self::Redrive => "redrive",
        }
    }
}

/// One route × one A instance, as it lies in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    v: u32,
    /// The route to run.
    pub route: RouteName,
    /// The A instance.
    pub instance: InstanceId,
    /// Who triggered.
    pub cause: Cause,
    /// The event's id, or the id of the request that triggered: for tracing, never for deduplication.
    pub id: String,
    /// When the trigger was received.
    pub at: Timestamp,
}

/// A queue message that is no trigger. Never repeats the message's text.
#[derive(Debug, Error)]
pub enum MessageError {
    /// A version that this code does not know.
    #[error(
        "the queue message has version {0}, this function reads version {VERSION}: deploy the newer functions, then redrive"
    )]
    Version(u16),
    /// Not the JSON of a trigger.
    #[error("the queue message is not a trigger ({}, line {line}, column {column}): whoever sent it must follow the message format, the message cannot be repaired", category(*kind))]
    Malformed {
        /// What is wrong with it.
        kind: serde_json::error::Category,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
    },
}

fn category(kind: serde_json::error::Category) -> &'static str {
    match kind {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "a field is missing or of the wrong form",
        serde_json::error::Category::Eof => "cut short",
    }
}

impl From<serde_json::Error> for MessageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed {
            kind: error.classify(),
            line: error.line(),
            column: error.column(),
        }
    }
}

impl Trigger {
    /// A trigger of the current version.
    #[must_use]
    pub fn new(
        route: RouteName,
        instance: InstanceId,
        cause: Cause,
        id: String,
        at: Timestamp,
    ) -> Self {
        Self {
            v: VERSION,
            route,
            instance,
            cause,
            id,
            at,
        }
    }

    /// Reads a queue message. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`MessageError`] for an unknown version (decided before the other fields are
    /// looked at: a later version may have changed them) or a malformed body.
    pub fn from_message(body: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Versioned {
            // No larger: a number that somebody put here by mistake must not be repeated in an error.
            v: u16,
        }
        let Versioned { v } = serde_json::from_str(body)?;
        if u32::from(v) != VERSION {
            return Err(MessageError::Version(v));
        }
        Ok(serde_json::from_str(body)?)
    }

    /// The queue message.
    ///
    /// # Errors
    /// Only what `serde_json` may refuse, which for these fields is nothing.
    pub fn to_message(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &str = r#"{"v":1,"route":"permit-to-casework","instance":"50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77","cause":"event","id":"7f8d6a4e","at":"2026-11-22T10:00:00Z"}"#;

    #[test]
    fn a_message_is_written_as_it_was_read() {
        let trigger = Trigger::from_message(MESSAGE).unwrap();
        assert_eq!(trigger.to_message().unwrap(), MESSAGE);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let more = MESSAGE.replacen('{', r#"{"colour":"red","#, 1);
        assert_eq!(
            Trigger::from_message(&more).unwrap(),
            Trigger::from_message(MESSAGE).unwrap()
        );
    }

    #[test]
    fn an_unknown_version_is_named_even_when_all_else_changed() {
        let error = Trigger::from_message(r#"{"v":2,"relay":"x"}"#).unwrap_err();
        assert!(matches!(error, MessageError::Version(2)));
        assert!(error.to_string().contains("version 2"));
    }

    proptest! {
        #[test]
        fn no_body_panics_and_no_error_repeats_it(body in "\\PC{0,80}") {
            if let Err(error) = Trigger::from_message(&format!("{{\"v\":1,\"route\":\"secret-{body}\"")) {
                prop_assert!(!error.to_string().contains("secret-"));
            }
            let _ = Trigger::from_message(&body);
        }

        #[test]
        fn any_trigger_survives_the_queue(party in any::<u32>(), guid in any::<u128>(), id in "\\PC{0,40}", second in 0i64..4_000_000_000) {
            let trigger = Trigger::new(
                "r-1".parse().unwrap(),
                InstanceId { party, guid: uuid::Uuid::from_u128(guid) },
                Cause::App,
                id,
                Timestamp::from_second(second).unwrap(),
            );
            prop_assert_eq!(Trigger::from_message(&trigger.to_message().unwrap()).unwrap(), trigger);
        }
    }
}
