//! Logs and metrics. Reading these cannot fail: a function must be able to log why it does not start.

use tracing::level_filters::LevelFilter;

use super::environment::{Environment, Variable};

const LAMBDA_LEVEL: Variable = Variable {
    name: "AWS_LAMBDA_LOG_LEVEL",
    what: "a log level of Lambda: TRACE, DEBUG, INFO, WARN, ERROR or FATAL",
    example: "INFO",
};
const RUST_LEVEL: Variable = Variable {
    name: "RUST_LOG",
    what: "one log level: trace, debug, info, warn, error or off",
    example: "info",
};

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets, else `RUST_LOG`: one word in any case (`trace`, `debug`, `info`,
    /// `warn`, `error`, `fatal`, `off`). Default `info`, also for anything else, such as a list of directives that
    /// could raise the levels of other crates.
    pub level: LevelFilter,
}

impl LogSettings {
    /// Reads the level; an unknown one is `info`.
    #[must_use]
    pub fn read(environment: &Environment<'_>) -> Self {
        let word = [LAMBDA_LEVEL, RUST_LEVEL]
            .iter()
            .find_map(|variable| environment.optional(variable))
            .unwrap_or_default();
        let level = match word.trim().to_ascii_lowercase().as_str() {
            "trace" => LevelFilter::TRACE,
            "debug" => LevelFilter::DEBUG,
            "warn" => LevelFilter::WARN,
            // Lambda's highest level is FATAL, which `tracing` does not have
            // (AWS Lambda Developer Guide, "Log-level filtering").
            "error" | "fatal" => LevelFilter::ERROR,
            "off" => LevelFilter::OFF,
            _ => LevelFilter::INFO,
        };
        Self { level }
    }
}

/// The namespace of the metrics where none is set.
pub(crate) const DEFAULT_NAMESPACE: &str = "Stafett";

/// How metrics are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSettings {
    /// `STAFETT_METRICS_NAMESPACE`: CloudWatch's namespace, which tells two deployments in one account apart.
    /// Default `Stafett`.
    pub namespace: String,
}

impl MetricSettings {
    /// Reads the namespace.
    #[must_use]
    pub fn read(environment: &Environment<'_>) -> Self {
        let namespace = environment.optional(&Variable {
            name: "STAFETT_METRICS_NAMESPACE",
            what: "the CloudWatch namespace of all metrics",
            example: DEFAULT_NAMESPACE,
        });
        Self {
            namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_one_word_and_lambdas_own_setting_wins() {
        let of = |lambda: Option<&str>, rust: Option<&str>| {
            let environment = Environment::new(|name| match name {
                "AWS_LAMBDA_LOG_LEVEL" => lambda.map(str::to_owned),
                _ => rust.map(str::to_owned),
            });
            LogSettings::read(&environment).level
        };
        assert_eq!(of(None, None), LevelFilter::INFO);
        assert_eq!(of(Some("DEBUG"), Some("error")), LevelFilter::DEBUG);
        assert_eq!(of(None, Some("warn")), LevelFilter::WARN);
        assert_eq!(of(Some("FATAL"), None), LevelFilter::ERROR);
        assert_eq!(of(None, Some("hyper=trace")), LevelFilter::INFO);
        assert_eq!(of(None, Some("trace,hyper=trace")), LevelFilter::INFO);
    }

    #[test]
    fn the_namespace_is_stafett_where_none_or_an_empty_one_is_set() {
        let of = |value: Option<&str>| {
            MetricSettings::read(&Environment::new(|_| value.map(str::to_owned))).namespace
        };
        assert_eq!(of(None), "Stafett");
        assert_eq!(of(Some("")), "Stafett");
        assert_eq!(of(Some("Stafett-test")), "Stafett-test");
    }
}
