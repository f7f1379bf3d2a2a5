//! Logs: one JSON object a line on standard output, which Lambda hands to CloudWatch.
//!
//! Only our own crates log below `warn`. Others never do, whatever level is set: at `debug` and `trace` the HTTP
//! stack, the AWS SDK and the Lambda runtime write headers, paths and bodies, and with them tokens, the events secret
//! and personal data.
//!
//! The records of [`crate::metrics`] are written to the same output, each on a line of its own, at every level but
//! `off`.

use std::{
    fmt,
    io::{self, Write},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
};

use crate::{
    metrics,
    settings::{Environment, LogSettings, MetricSettings},
};

mod trace;

pub use stafett_core::causes::Causes;
pub use trace::Trace;

/// The crates that log at the level that is set.
const OURS: [&str; 6] = [
    "stafett_core",
    "stafett_runtime",
    "receive",
    "instantiate",
    "reconcile",
    "redrive",
];

/// The one span of the Lambda runtime that is kept: it holds the request id and nothing of the event
/// (aws/aws-lambda-rust-runtime: lambda-runtime/src/layers/trace.rs).
const INVOCATION_SPAN: &str = "lambda_runtime::layers::trace";

/// Starts logging to standard output, as [`LogSettings`] and [`MetricSettings`] of the process environment say. A
/// process that has a subscriber already keeps it.
pub fn start() {
    let environment = Environment::process();
    metrics::set_namespace(MetricSettings::read(&environment));
    let LogSettings { level } = LogSettings::read(&environment);
    // An error means that a host program has set its own subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber(level, io::stdout));
    // A panic's message may quote the data that was being processed.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// Writes JSON lines to `writer`: of our crates at `level`, of others at `warn` and above, and the metrics unless
/// `level` is off.
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Clone + Send + Sync + 'static,
{
    let records = Records(writer.clone()).with_filter(filter_fn(move |line| {
        is_metric(line) && level != LevelFilter::OFF
    }));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_writer(writer);
    Registry::default()
        .with(lines.with_filter(filter_fn(move |line| is_logged(line, level))))
        .with(records)
}

fn is_metric(line: &Metadata<'_>) -> bool {
    line.is_event() && line.target() == metrics::TARGET
}

fn is_logged(line: &Metadata<'_>, level: LevelFilter) -> bool {
    if is_metric(line) {
        return false;
    }
    let target = line.target();
    let owner = target.split("::").next().unwrap_or(target);
    let most = if OURS.contains(&owner) {
        Level::TRACE
    } else if line.is_span() && target == INVOCATION_SPAN {
        Level::INFO
    } else {
        Level::WARN
    };
    *line.level() <= most && *line.level() <= level
}

/// Writes the records of [`metrics`] as they are.
struct Records<W>(W);

impl<S, W> Layer<S> for Records<W>
where
    S: Subscriber,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        line.0.push('\n');
        // In one piece, so that no other line comes in between. An error means that nobody reads the output any more.
        let _ = self
            .0
            .make_writer_for(event.metadata())
            .write_all(line.0.as_bytes());
    }
}

/// The record that an event carries.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == metrics::FIELD {
            self.0.push_str(value);
        }
    }

    // A record is a string, so `record_str` receives it.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written at `level` while `work` runs, one JSON value a line.
    fn logged(level: LevelFilter, work: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), work);
        let bytes = lines.0.lock().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_one_flat_json_object() {
        let lines = logged(LevelFilter::INFO, || {
            tracing::info!(status = 202, relays = 1, "answered");
        });
        let [line] = &lines[..] else {
            panic!("one event, one line: {lines:?}");
        };
        let mut fields = line.clone();
        let written = fields.as_object_mut().unwrap().remove("timestamp");
        assert!(written.unwrap().as_str().unwrap().ends_with('Z'));
        assert_eq!(
            fields,
            json!({
                "level": "INFO", "message": "answered", "status": 202, "relays": 1,
                "target": "stafett_runtime::telemetry::tests"
            })
        );
    }

    #[test]
    fn other_crates_stay_at_warn_even_when_everything_is_asked_for() {
        let lines = logged(LevelFilter::TRACE, || {
            for_each_level("hyper::proto::h1");
            for_each_level("aws_smithy_runtime::client");
            for_each_level("lambda_runtime::layers::api_response");
            for_each_level("stafett_lookalike");
        });
        let levels: Vec<_> = lines.iter().filter_map(|line| line.get("level")).collect();
        assert_eq!(
            levels,
            [
                "WARN", "ERROR", "WARN", "ERROR", "WARN", "ERROR", "WARN", "ERROR"
            ]
        );
    }

    #[test]
    fn our_crates_follow_the_level_asked_for() {
        let lines = logged(LevelFilter::DEBUG, || for_each_level("receive::events"));
        let levels: Vec<_> = lines.iter().filter_map(|line| line.get("level")).collect();
        assert_eq!(levels, ["DEBUG", "INFO", "WARN", "ERROR"]);
        let lines = logged(LevelFilter::ERROR, || {
            for_each_level("receive::events");
            for_each_level("hyper");
        });
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_line_names_the_invocation_it_belongs_to() {
        let lines = logged(LevelFilter::INFO, || {
            let span = tracing::info_span!(
                target: "lambda_runtime::layers::trace",
                "Lambda runtime invoke",
                requestId = "8476a536"
            );
            let _entered = span.entered();
            tracing::info!("answered");
        });
        let request = lines
            .first()
            .and_then(|line| line.pointer("/spans/0/requestId"));
        assert_eq!(request, Some(&json!("8476a536")));
    }

    #[test]
    fn metrics_are_lines_of_their_own_whatever_the_level_unless_it_is_off() {
        let relayed = || {
            let route = "permit-to-casework".parse().unwrap();
            metrics::Relayed {
                route: &route,
                outcome: metrics::Outcome::Created,
                doubled: false,
                incomplete: false,
                seconds_to_b: Some(1.5),
                altinn: Some((4, std::time::Duration::from_millis(80))),
            }
            .emit(jiff::Timestamp::UNIX_EPOCH);
        };
        for level in [LevelFilter::TRACE, LevelFilter::INFO, LevelFilter::ERROR] {
            let lines = logged(level, || {
                let _in_a_span = tracing::error_span!("relay", relay = "r:1").entered();
                relayed();
            });
            let [record] = &lines[..] else {
                panic!("one record, one line: {lines:?}");
            };
            assert_eq!(
                record["_aws"]["CloudWatchMetrics"][0]["Namespace"],
                "Stafett"
            );
            assert_eq!(record["Created"], 1);
            assert_eq!(record.get("spans"), None, "nothing is added to a record");
        }
        assert!(logged(LevelFilter::OFF, relayed).is_empty());
    }

    #[test]
    fn the_metrics_target_is_no_way_around_for_other_lines() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::error!(target: "stafett::metrics::lookalike", "a line like any other");
        });
        assert_eq!(lines[0]["message"], "a line like any other");
    }

    /// One line at each level, from the crate that `$target` names: a target is part of the call site.
    macro_rules! lines_from {
        ($($target:literal),*) => {
            fn for_each_level(target: &str) {
                match target {
                    $($target => {
                        tracing::trace!(target: $target, "header: Bearer x");
                        tracing::debug!(target: $target, "header: Bearer x");
                        tracing::info!(target: $target, "header: Bearer x");
                        tracing::warn!(target: $target, "retrying");
                        tracing::error!(target: $target, "gave up");
                    })*
                    other => panic!("no lines for {other}"),
                }
            }
        };
    }

    lines_from!(
        "hyper",
        "hyper::proto::h1",
        "aws_smithy_runtime::client",
        "lambda_runtime::layers::api_response",
        "stafett_lookalike",
        "receive::events"
    );
}
