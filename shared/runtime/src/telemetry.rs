//! Logs: one JSON object a line on standard output, which Lambda hands to CloudWatch.
//!
//! Only our own crates log below `warn`. Others do not, whatever level is asked
//! for: at `debug` and `trace` the HTTP stack, the AWS SDK and the Lambda runtime
//! write headers, paths and bodies, and with them tokens, the events secret and
//! people's data.
//!
//! The records of [`crate::metrics`] go the same way, each a line of its own, whatever the level.

use std::{
    error::Error,
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

use crate::metrics;

/// The crates whose lines follow the level asked for.
const OURS: [&str; 6] = [
    "stafett_core",
    "stafett_runtime",
    "receive",
    "instantiate",
    "reconcile",
    "redrive",
];

/// The one span of the Lambda runtime that is wanted: it holds the request id and nothing of the event
/// (aws/aws-lambda-rust-runtime: lambda-runtime/src/layers/trace.rs).
const INVOCATION_SPAN: &str = "lambda_runtime::layers::trace";

/// Starts logging to standard output, at the level of `AWS_LAMBDA_LOG_LEVEL`, else of `RUST_LOG`,
/// else `info`. Where a process logs already, it goes on as it does.
pub fn start() {
    let level = level(|name| std::env::var(name).ok());
    // An error says that a subscriber is set already: then a host program decides on its logs.
    let _ = tracing::subscriber::set_global_default(subscriber(level, io::stdout));
    // What a panic says may quote what it was working on.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// The level asked for: one word (`trace`, `debug`, `info`, `warn`, `error`, `fatal`, `off`, in any
/// case). Anything else, such as a list of directives that could raise other crates' levels, is `info`.
fn level(variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let word = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"]
        .into_iter()
        .find_map(variable)
        .unwrap_or_default();
    match word.trim().to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        // Lambda's own levels end with FATAL, which tracing does not have
        // (AWS Lambda Developer Guide, "Log-level filtering").
        "error" | "fatal" => LevelFilter::ERROR,
        "off" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    }
}

/// JSON lines to `writer`: our crates at `level`, all others at `warn` at most; and the metrics, unless
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
        // In one piece, so that no other line comes in between. Where nobody reads any more, there is
        // nobody to tell either.
        let _ = self
            .0
            .make_writer_for(event.metadata())
            .write_all(line.0.as_bytes());
    }
}

/// A record, read from the event that carries it.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == metrics::FIELD {
            self.0.push_str(value);
        }
    }

    // A record is a text, which `record_str` gets.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// An error with all its causes, for one field of a log line: `cannot …: connection refused`.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// A trace header of AWS X-Ray, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`, by which the
/// steps of one relay are found across functions and queue.
///
/// It begins with whoever calls, who may write what they like into it: only what names
/// the trace is kept, and only in its form (AWS X-Ray Developer Guide, "Tracing header").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace(String);

impl Trace {
    /// Reads a header; none where no trace is named.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        let field = |name: &str, is_in_form: fn(&str) -> bool| {
            let mut named = header.split(';').map(str::trim).filter(|field| {
                let value = field.strip_prefix(name);
                value.is_some_and(is_in_form)
            });
            named.next()
        };
        let fields = [
            Some(field("Root=", is_trace_id)?),
            field("Parent=", |value| is_hex(value, 16)),
            field("Sampled=", |value| matches!(value, "0" | "1" | "?")),
        ];
        let fields: Vec<&str> = fields.into_iter().flatten().collect();
        Some(Self(fields.join(";")))
    }

    /// The header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `1-`, the time in 8 hexadecimal digits, `-`, and 24 more.
fn is_trace_id(text: &str) -> bool {
    let Some((time, unique)) = text.strip_prefix("1-").and_then(|id| id.split_once('-')) else {
        return false;
    };
    is_hex(time, 8) && is_hex(unique, 24)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
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
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the keys")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("connection refused"));
        assert_eq!(
            Causes(&error).to_string(),
            "cannot read the keys: connection refused"
        );
    }

    const HEADER: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_trace_header_is_kept_as_it_came() {
        assert_eq!(Trace::read(HEADER).unwrap().as_str(), HEADER);
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(Trace::read(root).unwrap().to_string(), root);
        assert_eq!(Trace::read("Parent=53995c3f42cd8ad8;Sampled=1"), None);
        assert_eq!(Trace::read(&root.replace('9', "g")), None);
    }

    proptest! {
        #[test]
        fn whatever_a_caller_adds_to_a_trace_header_goes_no_further(name in "\\PC{0,12}", text in "\\PC{0,40}") {
            prop_assume!(!["Root", "Parent", "Sampled"].contains(&name.trim()));
            let _ = Trace::read(&text);
            for header in [
                format!("{HEADER};{name}={text}hemmelig"),
                format!("{name}=hemmelig{text};{HEADER}"),
                format!("hemmelig;{HEADER};Root=hemmelig;Sampled=hemmelig"),
            ] {
                let trace = Trace::read(&header).unwrap();
                prop_assert_eq!(trace.as_str().split(';').count(), 3, "{}", trace);
                prop_assert!(!trace.as_str().contains("hemmelig"));
            }
        }
    }

    #[test]
    fn the_level_is_one_word_and_lambdas_own_setting_wins() {
        let of = |lambda: Option<&str>, rust: Option<&str>| {
            level(|name| match name {
                "AWS_LAMBDA_LOG_LEVEL" => lambda.map(str::to_owned),
                _ => rust.map(str::to_owned),
            })
        };
        assert_eq!(of(None, None), LevelFilter::INFO);
        assert_eq!(of(Some("DEBUG"), Some("error")), LevelFilter::DEBUG);
        assert_eq!(of(None, Some("warn")), LevelFilter::WARN);
        assert_eq!(of(Some("FATAL"), None), LevelFilter::ERROR);
        assert_eq!(of(None, Some("hyper=trace")), LevelFilter::INFO);
        assert_eq!(of(None, Some("trace,hyper=trace")), LevelFilter::INFO);
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
