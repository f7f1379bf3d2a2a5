//! What an operator gets to see.

use serde::Serialize;

use crate::{groups::Group, remove::Removed, walk::Stopped};

/// The answer to a [`Request`](crate::Request).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Answer {
    /// What is in the dead-letter queue; everything is still there.
    Inspect(Inspected),
    /// What was sent back, or would be.
    Redrive(Redriven),
    /// What was taken away, or would be.
    Remove(Removed),
}

/// What is in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// How many dead letters were looked at.
    pub total: usize,
    /// The same by route, state, reason and age.
    pub groups: Vec<Group>,
    /// How far this went.
    #[serde(flatten)]
    pub reach: Reach,
}

/// What was sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Nothing was sent, and nothing deleted.
    pub dry_run: bool,
    /// How many dead letters were looked at.
    pub total: usize,
    /// How many of them the filters admitted, `max` at most.
    pub matched: usize,
    /// How many of these were sent back to the queue.
    pub sent: usize,
    /// How many of those that were sent were deleted here. One that was sent and not deleted is in both
    /// queues, which does no harm.
    pub deleted: usize,
    /// How many of those that the filters admitted were not sent.
    pub left: usize,
    /// What the filters admitted, by route, state, reason and age.
    pub groups: Vec<Group>,
    /// How far this went.
    #[serde(flatten)]
    pub reach: Reach,
}

/// How far an invocation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// It came to the end of the queue, and nothing went wrong.
    pub complete: bool,
    /// Why it did not come to the end: `max`, `time` or `trouble`.
    pub stopped: Option<Stopped>,
    /// How many dead letters somebody else had taken when it began, which it cannot have seen: roughly,
    /// and as of the last minute. Null where SQS did not say.
    pub hidden: Option<u64>,
    /// What went wrong.
    pub trouble: Vec<String>,
}
