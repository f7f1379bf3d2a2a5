//! What an operator gets.

use serde::Serialize;
use serde_json::Value;
use stafett_core::id::InstanceId;

use crate::{failed::FailedGroup, groups::Group, walk::Stopped};

/// The response to a [`Request`](crate::Request).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Response {
    /// What is in the dead-letter queue and what is failed in the ledger; everything is still there.
    Inspect(Inspected),
    /// What was sent back, or would be.
    Redrive(Redriven),
    /// What was sent for failed relays on record, or would be.
    #[serde(rename = "redrive")]
    Resend(Resent),
    /// What was deleted, or would be.
    Remove(Removed),
    /// The route that goes on.
    Resume(Resumed),
}

/// What is in the dead-letter queue, and beside it, in `ledger`, what is failed there. A relay can be in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// How many dead letters were read from the queue.
    pub total: usize,
    /// The same, in groups by route, state, reason and age.
    pub groups: Vec<Group>,
    /// How far this went in the queue.
    #[serde(flatten)]
    pub reach: Reach,
    /// The failed relays in the ledger.
    pub ledger: InLedger,
}

/// The failed relays in the ledger: of each route that is deployed or has a dead letter, parts of sets included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InLedger {
    /// How many were read.
    pub total: usize,
    /// How many of these have no dead letter among those that were read from the queue: `{"from":"ledger"}` reaches them.
    pub without_letter: usize,
    /// The same, in groups by route and reason.
    pub groups: Vec<FailedGroup>,
    /// All were read.
    pub complete: bool,
    /// What went wrong.
    pub trouble: Vec<String>,
}

/// What was sent for failed relays on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resent {
    /// `ledger`.
    pub from: &'static str,
    /// Nothing was sent.
    pub dry_run: bool,
    /// How many failed relays were read from the ledger.
    pub total: usize,
    /// How many of them the filters admitted.
    pub matched: usize,
    /// How many triggers were sent for these, or would be: one for each A instance, however many of its parts failed.
    pub sent: usize,
    /// What the filters admitted, in groups by route and reason.
    pub groups: Vec<FailedGroup>,
    /// It reached the end of the list, and nothing went wrong.
    pub complete: bool,
    /// Why it did not reach the end: `max`, `time` or `trouble`.
    pub stopped: Option<Stopped>,
    /// What went wrong.
    pub trouble: Vec<String>,
    /// The request that goes on where this one stopped; null at the end of the list.
    pub next: Option<Value>,
}

/// What was sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Nothing was sent, and nothing was deleted.
    pub dry_run: bool,
    /// How many dead letters were read.
    pub total: usize,
    /// How many of them the filters admitted; `max` at most.
    pub matched: usize,
    /// How many of these were sent back to the queue.
    pub sent: usize,
    /// How many of those that were sent were then deleted from the dead-letter queue. One that was not deleted is in both
    /// queues, which does no harm.
    pub deleted: usize,
    /// How many of those that the filters admitted were not sent.
    pub left: usize,
    /// What the filters admitted, in groups by route, state, reason and age.
    pub groups: Vec<Group>,
    /// How far this went.
    #[serde(flatten)]
    pub reach: Reach,
    /// The request that goes on, if too little time was left; null otherwise. It leaves alone what was sent back and has
    /// failed again.
    pub next: Option<Value>,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Nothing was written, and nothing was deleted.
    pub dry_run: bool,
    /// The relay.
    pub relay: String,
    /// The B that is, or would be, deleted.
    pub instance: InstanceId,
    /// The B that stays, and is on record.
    pub kept: InstanceId,
    /// The ledger named another B until now.
    pub put_on_record: bool,
    /// What became of the B.
    pub outcome: RemovalOutcome,
}

/// A route goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// The route.
    pub route: String,
    /// It was stopped until now.
    pub was_stopped: bool,
}

/// What became of the B that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalOutcome {
    /// Its app has deleted it.
    Removed,
    /// It was already deleted.
    AlreadyDeleted,
    /// Its app would be asked to delete it.
    WouldBeRemoved,
}

/// How far an invocation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// It reached the end of the queue, and nothing went wrong.
    pub complete: bool,
    /// Why it did not reach the end: `max`, `time` or `trouble`.
    pub stopped: Option<Stopped>,
    /// About how many dead letters were hidden when it began, because somebody else had received them; as of the last
    /// minute. It cannot have read those. Null where SQS did not say.
    pub hidden: Option<u64>,
    /// What went wrong.
    pub trouble: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reach() -> Reach {
        Reach {
            complete: false,
            stopped: Some(Stopped::Time),
            hidden: None,
            trouble: Vec::new(),
        }
    }

    #[track_caller]
    fn assert_json(response: &Response, expected: Value) {
        assert_eq!(serde_json::to_value(response).unwrap(), expected);
    }

    #[test]
    fn each_response_has_the_fields_that_operators_know() {
        let inspected = Response::Inspect(Inspected {
            total: 3,
            groups: Vec::new(),
            reach: reach(),
            ledger: InLedger {
                total: 2,
                without_letter: 1,
                groups: Vec::new(),
                complete: true,
                trouble: Vec::new(),
            },
        });
        assert_json(
            &inspected,
            json!({
                "action": "inspect", "total": 3, "groups": [],
                "complete": false, "stopped": "time", "hidden": null, "trouble": [],
                "ledger": {
                    "total": 2, "withoutLetter": 1, "groups": [], "complete": true, "trouble": [],
                },
            }),
        );
        let resent = Response::Resend(Resent {
            from: "ledger",
            dry_run: false,
            total: 3,
            matched: 2,
            sent: 1,
            groups: Vec::new(),
            complete: false,
            stopped: Some(Stopped::Max),
            trouble: Vec::new(),
            next: Some(json!({"action": "redrive"})),
        });
        assert_json(
            &resent,
            json!({
                "action": "redrive", "from": "ledger", "dryRun": false, "total": 3, "matched": 2, "sent": 1,
                "groups": [], "complete": false, "stopped": "max", "trouble": [], "next": {"action": "redrive"},
            }),
        );
        let redriven = Response::Redrive(Redriven {
            dry_run: false,
            total: 3,
            matched: 2,
            sent: 1,
            deleted: 1,
            left: 1,
            groups: Vec::new(),
            reach: reach(),
            next: None,
        });
        assert_json(
            &redriven,
            json!({
                "action": "redrive", "dryRun": false, "total": 3, "matched": 2, "sent": 1,
                "deleted": 1, "left": 1, "groups": [],
                "complete": false, "stopped": "time", "hidden": null, "trouble": [], "next": null,
            }),
        );
        let (instance, kept) = (
            "1/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77",
            "1/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e78",
        );
        let removed = Response::Remove(Removed {
            dry_run: true,
            relay: "r:b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10".to_owned(),
            instance: instance.parse().unwrap(),
            kept: kept.parse().unwrap(),
            put_on_record: true,
            outcome: RemovalOutcome::WouldBeRemoved,
        });
        assert_json(
            &removed,
            json!({
                "action": "remove", "dryRun": true, "relay": "r:b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
                "instance": instance, "kept": kept, "putOnRecord": true, "outcome": "would-be-removed",
            }),
        );
        let resumed = Response::Resume(Resumed {
            route: "r".to_owned(),
            was_stopped: true,
        });
        assert_json(
            &resumed,
            json!({"action": "resume", "route": "r", "wasStopped": true}),
        );
    }
}
