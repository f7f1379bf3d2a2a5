//! What a run came to, per route.

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{
    id::{InstanceId, RouteName},
    instance::Instance,
};
use stafett_runtime::telemetry::Causes;
use thiserror::Error;

use crate::{
    error::RunError,
    request::RequestError,
    status::{LedgerStatus, Status},
};

/// How many instances a report names.
const EXAMPLES: usize = 10;

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What a run came to.
    Run(Response),
    /// How far the ledger is.
    Status(Status),
    /// The ledger, after it was noted that none came before it.
    First(LedgerStatus),
}

/// Why the function does not answer.
#[derive(Debug, Error)]
pub enum HandleError {
    /// The event is not a request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The ledger did not answer.
    #[error("the ledger does not tell: {0}")]
    Ledger(String),
}

impl HandleError {
    pub(crate) fn of(error: RunError) -> Self {
        Self::Ledger(Causes(&error).to_string())
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// One report per route, in the order of their names.
    pub routes: Vec<Report>,
    /// Nothing was enqueued, and no position was kept.
    pub dry_run: bool,
}

/// What a run came to for one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The route.
    pub route: RouteName,
    /// The run read everything that there is to read. Otherwise the next run goes on where it stopped.
    pub finished: bool,
    /// A instances without a relay, which were enqueued.
    pub missing: u64,
    /// Relays that stood still, which were enqueued.
    pub due: Due,
    /// Failed relays of the A instances that were read. They are left alone.
    pub failed: u64,
    /// All failed relays of the route, parts of sets included, up to some 60,000; null if they could not be counted.
    pub still_failed: Option<u64>,
    /// Finished relays of the A instances that were read.
    pub done: u64,
    /// Unfinished relays of the A instances that were read, and those that an earlier run enqueued.
    pub in_hand: u64,
    /// A instances that are not to be relayed: deleted, or ready before the route's `since`.
    pub skipped: u64,
    /// Second live B of a relay, which must never exist.
    pub doubles: u64,
    /// Recorded B that were deleted before their process ended, by somebody other than B's app, or late.
    pub vanished: u64,
    /// Relays whose B its own app deleted soon after creating it. They were enqueued, and get a new B.
    pub reopened: u64,
    /// Recorded B that name their A, but do not carry the stamp of their relay: somebody has overwritten it.
    pub restamped: u64,
    /// Live B with a stamp of the route whose relay is not on record: another ledger is in use.
    pub unrecorded: u64,
    /// Records that were written while the ledger is rebuilt from the stamps on B.
    pub rebuilt: u64,
    /// Instances in Storage's lists that cannot be read. They are skipped.
    pub unreadable: u64,
    /// Instances that came in Storage's lists before older ones. This is normal, and the reason for the lists that do not
    /// depend on the time of the last change.
    pub drifted: u64,
    /// Pages of Storage's lists that were read.
    pub pages: u64,
    /// Calls to Altinn.
    pub calls: u32,
    /// Some of the A instances without a relay.
    pub examples: Vec<InstanceId>,
    /// Some of the instances that cannot be read.
    pub unreadable_examples: Vec<InstanceId>,
    /// Some of the doubles, with what was done with each B.
    pub doubled: Vec<Doubled>,
    /// What made the run stop looking at this route.
    pub trouble: Option<String>,
}

/// Two live B of one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Doubled {
    /// The relay.
    pub relay: String,
    /// The B on record, and the other one.
    pub instances: [InstanceSummary; 2],
}

/// What was done with an instance since it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSummary {
    /// The instance.
    pub id: InstanceId,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub last_changed: Option<Timestamp>,
    /// Nobody but its creator has changed it.
    pub untouched: bool,
    /// The task that it is in.
    pub task: Option<String>,
    /// When its process ended.
    pub ended: Option<Timestamp>,
}

impl InstanceSummary {
    pub(crate) fn of(instance: &Instance) -> Self {
        let task = instance.process.current_task.as_ref();
        Self {
            id: instance.id,
            created: instance.created,
            last_changed: instance.last_changed,
            untouched: instance.last_changed_by.is_some()
                && instance.last_changed_by == instance.created_by,
            task: task.map(|task| task.element_id.clone()),
            ended: instance.process.ended,
        }
    }
}

/// Relays that stood still, by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// Their lease ended without a result.
    pub claimed: u64,
    /// An earlier run enqueued them, and nobody has worked on them since.
    pub told: u64,
    /// They have waited long enough, or their gate is open now.
    pub waiting: u64,
    /// B exists, but the after-steps are not finished.
    pub created: u64,
}

impl Report {
    pub(crate) fn new(route: RouteName) -> Self {
        Self {
            route,
            finished: false,
            missing: 0,
            due: Due::default(),
            failed: 0,
            still_failed: None,
            done: 0,
            in_hand: 0,
            skipped: 0,
            doubles: 0,
            vanished: 0,
            reopened: 0,
            restamped: 0,
            unrecorded: 0,
            rebuilt: 0,
            unreadable: 0,
            drifted: 0,
            pages: 0,
            calls: 0,
            examples: Vec::new(),
            unreadable_examples: Vec::new(),
            doubled: Vec::new(),
            trouble: None,
        }
    }

    pub(crate) fn is_missing(&mut self, instance: InstanceId) {
        self.missing += 1;
        note(&mut self.examples, instance);
    }

    pub(crate) fn is_unreadable(&mut self, instance: Option<InstanceId>) {
        self.unreadable += 1;
        if let Some(instance) = instance {
            note(&mut self.unreadable_examples, instance);
        }
    }

    pub(crate) fn is_doubled(&mut self, doubled: Doubled) {
        self.doubles += 1;
        if self.doubled.len() < EXAMPLES {
            self.doubled.push(doubled);
        }
    }
}

/// Adds an example, if there is room. An instance that changed while its list was read is seen twice.
fn note(examples: &mut Vec<InstanceId>, instance: InstanceId) {
    if examples.len() < EXAMPLES && !examples.contains(&instance) {
        examples.push(instance);
    }
}

impl Due {
    /// How many there are in all.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.claimed + self.told + self.waiting + self.created
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_response_has_the_fields_that_operators_know() {
        let mut report = Report::new("permit-to-casework".parse().unwrap());
        report.is_missing(
            "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
                .parse()
                .unwrap(),
        );
        let response = Response {
            routes: vec![report],
            dry_run: true,
        };
        assert_eq!(
            serde_json::to_value(&response).unwrap(),
            json!({
                "routes": [{
                    "route": "permit-to-casework", "finished": false, "missing": 1,
                    "due": {"claimed": 0, "told": 0, "waiting": 0, "created": 0},
                    "failed": 0, "stillFailed": null, "done": 0, "inHand": 0, "skipped": 0, "doubles": 0, "vanished": 0,
                    "reopened": 0, "restamped": 0, "unrecorded": 0, "rebuilt": 0, "unreadable": 0, "drifted": 0, "pages": 0, "calls": 0,
                    "examples": ["50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"],
                    "unreadableExamples": [], "doubled": [], "trouble": null,
                }],
                "dryRun": true,
            })
        );
    }

    #[test]
    fn a_report_names_each_instance_once_and_ten_at_most() {
        let mut report = Report::new("r".parse().unwrap());
        for party in (0..30).flat_map(|party| [party, party]) {
            report.is_missing(InstanceId {
                party,
                guid: uuid::Uuid::from_u128(party.into()),
            });
        }
        assert_eq!(report.missing, 60);
        let named: Vec<u32> = report.examples.iter().map(|id| id.party).collect();
        assert_eq!(named, (0..10).collect::<Vec<_>>());
    }
}
