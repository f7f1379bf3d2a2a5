//! A trigger says that an A instance may be ready: a reference with a cause.
//!
//! It contains only ids and grants nothing. It is written as a queue message.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{InstanceId, RouteName};

/// The version of the queue message that this code writes and reads.
const VERSION: u32 = 1;

/// Who sent the trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// App A, over `POST /triggers`.
    App,
    /// Altinn Events.
    Event,
    /// The scheduled reconciliation.
    Reconcile,
    /// An operator, over redrive.
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

/// One route × one A instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    v: u32,
    /// The route to run.
    pub route: RouteName,
    /// The A instance.
    pub instance: InstanceId,
    /// Who sent it.
    pub cause: Cause,
    /// The id of the event or the request that caused it: for tracing, never for deduplication.
    pub id: String,
    /// When the trigger was received.
    pub at: Timestamp,
}

/// The error for a queue message that is no trigger. It never repeats the message's text.
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
    /// [`MessageError`] for an unknown version or a malformed body. The version is read first, because a later version may
    /// have other fields.
    pub fn from_message(body: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Versioned {
            // A larger type would let an error repeat a national identity number that was put here by mistake.
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
    /// If `serde_json` cannot write it, which does not happen for these fields.
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
    fn a_message_is_written_back_unchanged() {
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
    fn an_unknown_version_is_reported_even_if_all_other_fields_changed() {
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
        fn any_trigger_is_read_back_from_the_queue(party in any::<u32>(), guid in any::<u128>(), id in "\\PC{0,40}", second in 0i64..4_000_000_000) {
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
