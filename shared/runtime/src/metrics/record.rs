//! One record in the embedded metric format.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use stafett_core::{
    id::{AppId, RouteName},
    relay::Reason,
};

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

const APP: &str = "App";
const ROUTE: &str = "Route";
const REASON: &str = "Reason";

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) enum Unit {
    Count,
    Seconds,
    Milliseconds,
}

/// The value of a metric.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Amount {
    Count(u64),
    Measured(f64),
}

/// The sets of dimensions by which CloudWatch adds up a metric.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// All together, and by what the record is of.
    Total,
    /// By what the record is of.
    Subject,
    /// By route, and by route and reason.
    Reason,
}

/// What a record is of.
#[derive(Clone, Copy)]
enum Subject<'a> {
    All,
    Route(&'a RouteName),
    App(&'a AppId),
}

#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    unit: Unit,
    by: By,
    amount: Amount,
}

/// One record: metrics, and the route or app and the reason by which they are counted.
pub(super) struct Record<'a> {
    at: Timestamp,
    subject: Subject<'a>,
    reason: Option<Reason>,
    metrics: Vec<Metric>,
}

impl<'a> Record<'a> {
    pub(super) fn new(route: &'a RouteName, at: Timestamp) -> Self {
        Self::of(Subject::Route(route), at)
    }

    pub(super) fn of_app(app: &'a AppId, at: Timestamp) -> Self {
        Self::of(Subject::App(app), at)
    }

    pub(super) fn of_all_routes(at: Timestamp) -> Self {
        Self::of(Subject::All, at)
    }

    fn of(subject: Subject<'a>, at: Timestamp) -> Self {
        Self {
            at,
            subject,
            reason: None,
            metrics: Vec::new(),
        }
    }

    /// Whether it has no metric.
    pub(super) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// A count without a dimension, and by the route or app if the record is of one.
    pub(super) fn totalled(self, name: &'static str, count: u64) -> Self {
        self.with(name, Unit::Count, By::Total, Amount::Count(count))
    }

    /// A count by route or app.
    pub(super) fn counted(self, name: &'static str, count: u64) -> Self {
        self.with(name, Unit::Count, By::Subject, Amount::Count(count))
    }

    /// A measurement by route or app. A negative one, which clocks that differ can cause, becomes zero; a NaN or an
    /// infinity is left out.
    pub(super) fn measured(self, name: &'static str, unit: Unit, value: f64) -> Self {
        if value.is_finite() {
            self.with(name, unit, By::Subject, Amount::Measured(value.max(0.0)))
        } else {
            self
        }
    }

    /// One failed relay, by route and by route and reason.
    pub(super) fn failed(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self.with("Failed", Unit::Count, By::Reason, Amount::Count(1))
    }

    fn with(mut self, name: &'static str, unit: Unit, by: By, amount: Amount) -> Self {
        self.metrics.push(Metric {
            name,
            unit,
            by,
            amount,
        });
        self
    }

    /// The line.
    ///
    /// # Errors
    /// None: all keys are texts, and all numbers are finite.
    pub(super) fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What tells CloudWatch which members of the record are metrics.
    fn directives(&self) -> Vec<Directive> {
        let (total, by_subject): (&[&[&str]], &[&[&str]]) = match self.subject {
            Subject::All => (&[&[]], &[&[]]),
            Subject::Route(_) => (&[&[], &[ROUTE]], &[&[ROUTE]]),
            Subject::App(_) => (&[&[], &[APP]], &[&[APP]]),
        };
        let by_reason: &[&[&str]] = &[&[ROUTE], &[ROUTE, REASON]];
        let mut directives = Vec::new();
        for (by, dimensions) in [
            (By::Total, total),
            (By::Subject, by_subject),
            (By::Reason, by_reason),
        ] {
            let metrics = self.metrics.iter().filter(|metric| metric.by == by);
            let metrics: Vec<Definition> = metrics
                .map(|&Metric { name, unit, .. }| Definition { name, unit })
                .collect();
            if !metrics.is_empty() {
                directives.push(Directive {
                    namespace: namespace(),
                    dimensions,
                    metrics,
                });
            }
        }
        directives
    }
}

/// Its `timestamp` and `level` are for Lambda's log filter. The level is the highest, since a function whose log level is
/// above `INFO` would otherwise lose its metrics (AWS Lambda Developer Guide, "Log-level filtering").
impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("timestamp", &self.at)?;
        line.serialize_entry("level", "FATAL")?;
        let definitions = Definitions {
            timestamp: self.at.as_millisecond(),
            cloud_watch_metrics: self.directives(),
        };
        line.serialize_entry("_aws", &definitions)?;
        match self.subject {
            Subject::All => {}
            Subject::Route(route) => line.serialize_entry(ROUTE, route.as_str())?,
            Subject::App(app) => line.serialize_entry(APP, app)?,
        }
        if let Some(reason) = self.reason {
            line.serialize_entry(REASON, reason.code())?;
        }
        for metric in &self.metrics {
            line.serialize_entry(metric.name, &metric.amount)?;
        }
        line.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definitions {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: Unit,
}
