//! Logs: one JSON object a line on standard output, which Lambda hands to CloudWatch.
//!
//! Only our own crates log below `warn`. Others do not, whatever level is asked
//! for: at `debug` and `trace` the HTTP stack, the AWS SDK and the Lambda runtime
//! write headers, paths and bodies, and with them tokens, the events secret and
//! people's data.

use std::{error::Error, fmt, io};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
};

/// The crates whose lines follow the level asked for.
const OURS: [&str; 6] = [
    "stafett",
    "receive",
    "instantiate",
    "reconcile",
    "redrive",
    "local",
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

/// JSON lines to `writer`: our crates at `level`, all others at `warn` at most.
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_writer(writer);
    Registry::default().with(lines.with_filter(filter_fn(move |line| is_logged(line, level))))
}

fn is_logged(line: &Metadata<'_>, level: LevelFilter) -> bool {
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
                "target": "stafett::telemetry::tests"
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
