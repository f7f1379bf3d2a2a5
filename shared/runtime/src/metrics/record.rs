//! One record in the embedded metric format.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use stafett_core::{id::RouteName, relay::Reason};

use crate::settings::{DEFAULT_NAMESPACE, MetricSettings};

static NAMESPACE: OnceLock<String> = OnceLock::new();

/// Sets the namespace of all metrics of this process, the first time that it is called.
pub(crate) fn set_namespace(settings: MetricSettings) {
    // An error means that a host program has started this function before.
    let _ = NAMESPACE.set(settings.namespace);
}

fn namespace() -> &'static str {
    NAMESPACE.get().map_or(DEFAULT_NAMESPACE, String::as_str)
}

const ROUTE: &str = "Route";
const REASON: &str = "Reason";

#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Count,
    Seconds,
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// One record: the metrics that it defines for CloudWatch, and the members that hold their values.
pub(super) struct Record {
    at: Timestamp,
    members: Map<String, Value>,
    total: Vec<Value>,
    by_route: Vec<Value>,
    by_reason: Vec<Value>,
}

impl Record {
    pub(super) fn new(route: &RouteName, at: Timestamp) -> Self {
        let mut record = Self::of_all_routes(at);
        record
            .members
            .insert(ROUTE.to_owned(), route.as_str().into());
        record
    }

    pub(super) fn of_all_routes(at: Timestamp) -> Self {
        Self {
            at,
            members: Map::new(),
            total: Vec::new(),
            by_route: Vec::new(),
            by_reason: Vec::new(),
        }
    }

    /// Whether it defines no metric.
    pub(super) fn is_empty(&self) -> bool {
        self.total.is_empty() && self.by_route.is_empty() && self.by_reason.is_empty()
    }

    /// A count without a dimension, and by route if the record is of one.
    pub(super) fn totalled(mut self, name: &'static str, count: u64) -> Self {
        self.members.insert(name.to_owned(), count.into());
        self.total.push(definition(name, Unit::Count));
        self
    }

    /// A count by route.
    pub(super) fn counted(mut self, name: &'static str, count: u64) -> Self {
        self.members.insert(name.to_owned(), count.into());
        self.by_route.push(definition(name, Unit::Count));
        self
    }

    /// A measurement by route. A negative one, which clocks that differ can cause, becomes zero; a NaN or an
    /// infinity is left out.
    pub(super) fn measured(mut self, name: &'static str, unit: Unit, value: f64) -> Self {
        if value.is_finite() {
            self.members.insert(name.to_owned(), value.max(0.0).into());
            self.by_route.push(definition(name, unit));
        }
        self
    }

    /// One failed relay, by route and by route and reason.
    pub(super) fn failed(mut self, reason: Reason) -> Self {
        const FAILED: &str = "Failed";
        self.members.insert(REASON.to_owned(), reason.code().into());
        self.members.insert(FAILED.to_owned(), 1.into());
        self.by_reason.push(definition(FAILED, Unit::Count));
        self
    }

    /// The line. Its `timestamp` and `level` are for Lambda's log filter. The level is the highest, since a function
    /// whose log level is above `INFO` would otherwise lose its metrics (AWS Lambda Developer Guide, "Log-level
    /// filtering").
    pub(super) fn line(&self) -> String {
        let directive = |dimensions: Value, metrics: &[Value]| {
            (!metrics.is_empty()).then(
                || json!({ "Namespace": namespace(), "Dimensions": dimensions, "Metrics": metrics }),
            )
        };
        let total = match self.members.contains_key(ROUTE) {
            true => json!([[], [ROUTE]]),
            false => json!([[]]),
        };
        let directives: Vec<Value> = [
            directive(total, &self.total),
            directive(json!([[ROUTE]]), &self.by_route),
            directive(json!([[ROUTE], [ROUTE, REASON]]), &self.by_reason),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), self.at.to_string().into());
        line.insert("level".to_owned(), "FATAL".into());
        line.insert(
            "_aws".to_owned(),
            json!({ "Timestamp": self.at.as_millisecond(), "CloudWatchMetrics": directives }),
        );
        line.extend(self.members.clone());
        Value::Object(line).to_string()
    }
}

fn definition(name: &str, unit: Unit) -> Value {
    json!({ "Name": name, "Unit": unit.as_str() })
}
