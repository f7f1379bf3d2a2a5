//! What is in the way, and how long B may go on after a request that failed.

use std::time::Duration;

use crate::relay::Reason;

/// Why a relay cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The reason code.
    pub reason: Reason,
    /// Details, without personal data.
    pub detail: Option<String>,
    /// How long to wait before the next attempt, if the other side said so.
    pub after: Option<Duration>,
}

impl Failure {
    /// A failure without details.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            after: None,
        }
    }

    /// The same failure with a detail.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// The same failure with a time to wait.
    #[must_use]
    pub fn after(self, after: Option<Duration>) -> Self {
        Self { after, ..self }
    }
}

/// When B is quiet after a request: when neither B's app nor Storage can still be processing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quiet {
    /// At once: the app itself answered with a 4xx.
    Now,
    /// After a minute: the app itself answered with a 5xx, too early for any of its calls to Storage to have timed out.
    Soon,
    /// After the settling time: there was no answer, or it came from a gateway, or late.
    Settled,
}
