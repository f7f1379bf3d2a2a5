//! Metrics: one record a line on the same output as the logs, in CloudWatch's embedded metric format.
//!
//! CloudWatch reads the numbers from the log, so no call is made for them (Amazon CloudWatch User Guide,
//! "Specification: Embedded metric format").
//!
//! A record contains only names of routes and apps, reason codes and numbers, so it cannot contain personal data. It is a
//! `tracing` event with its own target ([`TARGET`]) and one field, the finished line. [`crate::telemetry`] writes it;
//! a host program with another subscriber may do otherwise.
//!
//! | metric | unit | dimensions | counts |
//! |---|---|---|---|
//! | `Created` | Count | Route | B that were made |
//! | `Adopted` | Count | Route | B that were found already made |
//! | `Incomplete` | Count | none; Route | B that lack something that cannot be made afterwards |
//! | `Changed` | Count | Route | fields of B that had another value than was sent, of the B that were compared |
//! | `Stopped` | Count | none; Route | B that lacked fields that were sent, which stopped their route |
//! | `Waiting` | Count | Route | deliveries that ended with the relay waiting |
//! | `Failed` | Count | Route; Route, Reason | relays that were refused for good |
//! | `Doubles` | Count | none; Route | second live B of one relay, and B whose relay is not on record, which must never happen |
//! | `SecondsToB` | Seconds | Route | from the moment that the gate opened to B |
//! | `AltinnCalls` | Count | Route | calls to Altinn that a delivery made |
//! | `AltinnMilliseconds` | Milliseconds | Route | how long these took, one after the other |
//! | `Reconciled` | Count | Route | runs of reconcile that read all of the route's A and B |
//! | `Missed` | Count | none; Route | relays without a trigger that reconcile found |
//! | `Due` | Count | none; Route | relays that made no progress and that reconcile enqueued again |
//! | `Vanished` | Count | none; Route | B on record that were deleted |
//! | `StillFailed` | Count | Route | failed relays on record, parts of sets included |
//! | `Rebuilding` | Count | Route | records that reconcile wrote while it rebuilt the ledger from the stamps on B |
//! | `RunsFinished` | Count | none | runs of reconcile that finished all routes |
//! | `BreakerOpened` | Count | App | how often a B app was found to be down, so that its breaker opened |
//! | `Quiet` | Count | none | B apps that nobody asks, because they are down, as a run of reconcile found them |
//!
//! A metric that has an alarm is also counted without a dimension, because an alarm cannot add up routes.

use std::time::Duration;

use jiff::Timestamp;
use stafett_core::{
    id::{AppId, RouteName},
    relay::Reason,
};

mod record;

pub(crate) use record::set_namespace;
use record::{Record, Unit};

/// The target of the events that carry a record.
pub const TARGET: &str = "stafett::metrics";

/// The name of the one field of these events: the record, one line of JSON.
pub(crate) const FIELD: &str = "record";

/// How one delivery of a trigger ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// B was made.
    Created,
    /// B was found already made.
    Adopted,
    /// The relay was refused for good.
    Failed(Reason),
    /// The relay waits.
    Waiting,
    /// Nothing new: the relay was done or had failed before, another delivery is working on it, or only its
    /// after-steps were left.
    Unchanged,
}

/// One delivery of a trigger.
#[derive(Debug, Clone, Copy)]
pub struct Relayed<'a> {
    /// The route.
    pub route: &'a RouteName,
    /// How it ended.
    pub outcome: Outcome,
    /// More than one live B carries the relay's stamp.
    pub doubled: bool,
    /// The B on record lacks something that cannot be added afterwards.
    pub incomplete: bool,
    /// The time from the gate's opening to B, in seconds, if B was made or adopted.
    pub seconds_to_b: Option<f64>,
    /// How many calls to Altinn it made, and how long these took together; `None` if another record counts them.
    pub altinn: Option<(u32, Duration)>,
}

impl Relayed<'_> {
    /// Publishes it with the time `now`.
    pub fn emit(&self, now: Timestamp) {
        emit(&self.record(now));
    }

    fn record(&self, now: Timestamp) -> Record<'_> {
        let record = Record::new(self.route, now);
        let record = match self.altinn {
            Some((calls, waited)) => record.counted("AltinnCalls", calls.into()).measured(
                "AltinnMilliseconds",
                Unit::Milliseconds,
                waited.as_secs_f64() * 1_000.0,
            ),
            None => record,
        };
        let record = match self.outcome {
            Outcome::Created => record.counted("Created", 1),
            Outcome::Adopted => record.counted("Adopted", 1),
            Outcome::Waiting => record.counted("Waiting", 1),
            Outcome::Failed(reason) => record.failed(reason),
            Outcome::Unchanged => record,
        };
        let record = match self.seconds_to_b {
            Some(seconds) => record.measured("SecondsToB", Unit::Seconds, seconds),
            None => record,
        };
        let record = if self.incomplete {
            record.totalled("Incomplete", 1)
        } else {
            record
        };
        if self.doubled {
            record.totalled("Doubles", 1)
        } else {
            record
        }
    }
}

/// What the comparison of a B with what was sent has shown.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// The route.
    pub route: &'a RouteName,
    /// How many fields had another value.
    pub changed: usize,
    /// Fields were missing, and the route is stopped.
    pub stopped: bool,
}

impl Arrived<'_> {
    /// Publishes it with the time `now`.
    pub fn emit(&self, now: Timestamp) {
        emit(&self.record(now));
    }

    fn record(&self, now: Timestamp) -> Record<'_> {
        Record::new(self.route, now)
            .counted("Changed", self.changed.try_into().unwrap_or(u64::MAX))
            .totalled("Stopped", self.stopped.into())
    }
}

/// What one run of reconcile found for one route.
#[derive(Debug, Clone, Copy)]
pub struct Reconciled<'a> {
    /// The route.
    pub route: &'a RouteName,
    /// The run read all of the route's A and B. After a run that stopped at its deadline or at an error, the next
    /// one continues where it stopped.
    pub finished: bool,
    /// Relays without a trigger.
    pub missed: u64,
    /// Relays that made no progress and were enqueued again.
    pub due: u64,
    /// Second live B of one relay, and B whose relay is not on record.
    pub doubles: u64,
    /// B on record that were deleted.
    pub vanished: u64,
    /// Relays that are failed, if they were counted.
    pub still_failed: Option<u64>,
    /// Records that were written while the ledger is rebuilt.
    pub rebuilt: u64,
}

impl Reconciled<'_> {
    /// Publishes it with the time `now`.
    pub fn emit(&self, now: Timestamp) {
        emit(&self.record(now));
    }

    /// Zeros are published too, so that an alarm can tell "none found" from "did not look".
    fn record(&self, now: Timestamp) -> Record<'_> {
        let record = Record::new(self.route, now)
            .totalled("Missed", self.missed)
            .totalled("Due", self.due)
            .totalled("Doubles", self.doubles)
            .totalled("Vanished", self.vanished);
        let record = match self.still_failed {
            Some(count) => record.counted("StillFailed", count),
            None => record,
        };
        // Hardly ever is anything rebuilt: no zeros, which would cost a metric.
        let record = if self.rebuilt > 0 {
            record.counted("Rebuilding", self.rebuilt)
        } else {
            record
        };
        if self.finished {
            record.counted("Reconciled", 1)
        } else {
            record
        }
    }
}

/// Publishes, with the time `now`, that a run of reconcile finished all routes.
pub fn run_finished(now: Timestamp) {
    emit(&Record::of_all_routes(now).totalled("RunsFinished", 1));
}

/// Publishes, with the time `now`, that a B app was found to be down, so that its breaker has opened.
pub fn breaker_opened(app: &AppId, now: Timestamp) {
    emit(&Record::of_app(app, now).counted("BreakerOpened", 1));
}

/// Publishes, with the time `now`, how many B apps nobody asks now, because they are down. Zero is published too, so that
/// an alarm can tell "none" from "did not look".
pub fn quiet(apps: u64, now: Timestamp) {
    emit(&Record::of_all_routes(now).totalled("Quiet", apps));
}

fn emit(record: &Record<'_>) {
    if record.is_empty() {
        return;
    }
    match record.line() {
        // The lowest level, so that a subscriber that does not know this target does not print it among other lines.
        Ok(line) => tracing::trace!(target: TARGET, record = line.as_str()),
        Err(error) => tracing::error!(reason = %error, "metrics cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, option, prelude::*, sample::select};
    use serde_json::{Value, json};

    use super::*;

    fn route() -> RouteName {
        "permit-to-casework".parse().unwrap()
    }

    fn parsed(record: &Record<'_>) -> Value {
        serde_json::from_str(&record.line().unwrap()).unwrap()
    }

    /// The rules of the specification, as far as a document can break them.
    fn check(document: &Value) {
        let at = document["_aws"]["Timestamp"].as_i64().unwrap();
        let written: Timestamp = document["timestamp"].as_str().unwrap().parse().unwrap();
        assert_eq!(at, written.as_millisecond(), "milliseconds since 1970");
        let directives = document["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert!(!directives.is_empty());
        let mut told = BTreeSet::new();
        for directive in directives {
            let namespace = directive["Namespace"].as_str().unwrap();
            assert!((1..=1024).contains(&namespace.len()));
            let sets = directive["Dimensions"].as_array().unwrap();
            assert!(!sets.is_empty());
            for set in sets {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for dimension in set {
                    let value = document[dimension.as_str().unwrap()].as_str().unwrap();
                    assert!((1..=1024).contains(&value.len()));
                    assert!(value.is_ascii() && !value.starts_with(':'));
                    told.insert(dimension.as_str().unwrap());
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                let name = metric["Name"].as_str().unwrap();
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
                assert!(document[name].is_number(), "{name} of {document}");
                let unit = metric["Unit"].as_str().unwrap();
                assert!(["Count", "Seconds", "Milliseconds"].contains(&unit));
                assert!(told.insert(name), "{name} is counted twice");
            }
        }
        // Nothing is in a record but what it tells CloudWatch or Lambda.
        told.extend(["_aws", "timestamp", "level"]);
        let members: BTreeSet<&str> = document
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(members, told);
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        let failed = select(Reason::ALL).prop_map(Outcome::Failed);
        let other = [
            Outcome::Created,
            Outcome::Adopted,
            Outcome::Waiting,
            Outcome::Unchanged,
        ];
        prop_oneof![failed, select(other.to_vec())]
    }

    proptest! {
        #[test]
        fn whatever_a_delivery_comes_to_cloudwatch_can_read_it(
            name in "[a-z][a-z0-9-]{0,62}", outcome in any_outcome(), doubled in any::<bool>(),
            incomplete in any::<bool>(), seconds_to_b in option::of(any::<f64>()), altinn in option::of((any::<u32>(), any::<Duration>())),
            second in 0i64..4_000_000_000,
        ) {
            let route = name.parse().unwrap();
            let relayed = Relayed { route: &route, outcome, doubled, incomplete, seconds_to_b, altinn };
            let record = relayed.record(Timestamp::from_second(second).unwrap());
            let told = outcome != Outcome::Unchanged || doubled || incomplete || altinn.is_some();
            prop_assert_eq!(record.is_empty(), !told && !seconds_to_b.is_some_and(f64::is_finite));
            if !record.is_empty() {
                check(&parsed(&record));
            }
        }

        #[test]
        fn whatever_a_reconciliation_comes_to_cloudwatch_can_read_it(
            counts in vec(any::<u32>(), 5), finished in any::<bool>(),
            still_failed in option::of(any::<u64>()), second in 0i64..4_000_000_000,
        ) {
            let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
            let [missed, due, doubles, vanished, rebuilt] = counts[..] else { unreachable!() };
            let route = route();
            let reconciled = Reconciled { route: &route, finished, missed, due, doubles, vanished, still_failed, rebuilt };
            let document = parsed(&reconciled.record(Timestamp::from_second(second).unwrap()));
            check(&document);
            prop_assert_eq!(document.get("Reconciled").is_some(), finished);
            prop_assert_eq!(&document["Missed"], missed);
            prop_assert_eq!(document.get("StillFailed").and_then(Value::as_u64), still_failed);
        }
    }

    #[test]
    fn a_comparison_counts_changed_fields_and_whether_the_route_is_stopped() {
        let (now, route) = (Timestamp::UNIX_EPOCH, route());
        for stopped in [false, true] {
            let arrived = Arrived {
                route: &route,
                changed: 3,
                stopped,
            };
            let document = parsed(&arrived.record(now));
            check(&document);
            assert_eq!(document["Changed"], 3);
            assert_eq!(document["Stopped"], u64::from(stopped));
        }
    }

    #[test]
    fn a_failure_is_counted_by_route_and_by_reason() {
        let relayed = Relayed {
            route: &route(),
            outcome: Outcome::Failed(Reason::MappingFailed),
            doubled: true,
            incomplete: false,
            seconds_to_b: None,
            altinn: Some((3, Duration::from_micros(120_500))),
        };
        assert_eq!(
            parsed(&relayed.record(Timestamp::from_millisecond(1_795_341_600_123).unwrap())),
            json!({
                "timestamp": "2026-11-22T10:00:00.123Z",
                "level": "FATAL",
                "_aws": {
                    "Timestamp": 1_795_341_600_123_i64,
                    "CloudWatchMetrics": [
                        {
                            "Namespace": "Stafett",
                            "Dimensions": [[], ["Route"]],
                            "Metrics": [{ "Name": "Doubles", "Unit": "Count" }],
                        },
                        {
                            "Namespace": "Stafett",
                            "Dimensions": [["Route"]],
                            "Metrics": [
                                { "Name": "AltinnCalls", "Unit": "Count" },
                                { "Name": "AltinnMilliseconds", "Unit": "Milliseconds" },
                            ],
                        },
                        {
                            "Namespace": "Stafett",
                            "Dimensions": [["Route"], ["Route", "Reason"]],
                            "Metrics": [{ "Name": "Failed", "Unit": "Count" }],
                        },
                    ],
                },
                "Route": "permit-to-casework",
                "AltinnCalls": 3,
                "AltinnMilliseconds": 120.5,
                "Reason": "mapping_failed",
                "Failed": 1,
                "Doubles": 1,
            })
        );
    }

    #[test]
    fn a_b_that_lacks_something_is_counted_by_route_and_for_all_routes_together() {
        let relayed = Relayed {
            route: &route(),
            outcome: Outcome::Adopted,
            doubled: false,
            incomplete: true,
            seconds_to_b: None,
            altinn: None,
        };
        let document = parsed(&relayed.record(Timestamp::UNIX_EPOCH));
        check(&document);
        assert_eq!(
            (&document["Adopted"], &document["Incomplete"]),
            (&json!(1), &json!(1))
        );
        let total = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(total["Dimensions"], json!([[], ["Route"]]));
        assert_eq!(total["Metrics"][0]["Name"], "Incomplete");
    }

    #[test]
    fn a_run_that_finished_is_counted_for_all_routes_together() {
        let record = Record::of_all_routes(Timestamp::UNIX_EPOCH).totalled("RunsFinished", 1);
        let document = parsed(&record);
        check(&document);
        assert_eq!(document["RunsFinished"], 1);
        assert_eq!(
            document["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([[]])
        );
    }

    #[test]
    fn a_breaker_is_counted_by_the_app_b_that_is_down() {
        let app = "ttd/casework".parse().unwrap();
        let record = Record::of_app(&app, Timestamp::UNIX_EPOCH).counted("BreakerOpened", 1);
        let document = parsed(&record);
        check(&document);
        assert_eq!(document["App"], "ttd/casework");
        assert_eq!(
            document["_aws"]["CloudWatchMetrics"],
            json!([{
                "Namespace": "Stafett",
                "Dimensions": [["App"]],
                "Metrics": [{ "Name": "BreakerOpened", "Unit": "Count" }],
            }])
        );
    }

    #[test]
    fn clocks_that_differ_make_no_negative_time() {
        let seconds = |seconds_to_b| {
            let route = route();
            let relayed = Relayed {
                route: &route,
                outcome: Outcome::Created,
                doubled: false,
                incomplete: false,
                seconds_to_b: Some(seconds_to_b),
                altinn: None,
            };
            parsed(&relayed.record(Timestamp::UNIX_EPOCH))
                .get("SecondsToB")
                .cloned()
        };
        assert_eq!(seconds(-2.5), Some(json!(0.0)));
        assert_eq!(seconds(2.5), Some(json!(2.5)));
        assert_eq!(seconds(f64::NAN), None);
    }
}
