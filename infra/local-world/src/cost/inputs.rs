//! The inputs: prices, and what is used.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// The inputs that the README's table is computed from.
const DEFAULT: &str = include_str!("../../../cost.yaml");

/// All inputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Inputs {
    /// List prices.
    pub prices: Prices,
    /// What one relay uses.
    pub relay: Relay,
    /// What one run of reconcile uses for one route.
    pub reconcile: ReconcileRun,
    /// What is there whether relays come or not.
    pub deployment: Deployment,
}

/// A list price.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Price {
    /// US dollars for `per` units.
    pub usd: f64,
    /// How many units that is for.
    pub per: f64,
    /// The AWS region that it is of.
    pub region: String,
    /// The page of AWS that says so.
    pub page: String,
}

/// List prices, of one unit each (a month's, where a unit is a thing that stays).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Prices {
    /// A request to the HTTP API.
    pub api_request: Price,
    /// An invocation of a function.
    pub lambda_request: Price,
    /// A second of a function with a GB of memory.
    pub lambda_gb_second: Price,
    /// A request to SQS.
    pub queue_request: Price,
    /// A write of at most 1 KB to DynamoDB.
    pub write_unit: Price,
    /// A consistent read of at most 4 KB from DynamoDB.
    pub read_unit: Price,
    /// A GB in the table.
    pub table_gb_month: Price,
    /// A GB of the table under point-in-time recovery.
    pub backup_gb_month: Price,
    /// An invocation by EventBridge Scheduler.
    pub scheduled_run: Price,
    /// A GB of logs, when it is written.
    pub log_gb: Price,
    /// A compressed GB of logs, while it is kept.
    pub log_gb_month: Price,
    /// A custom metric.
    pub metric: Price,
    /// A metric that an alarm looks at.
    pub alarmed_metric: Price,
    /// A dashboard.
    pub dashboard: Price,
    /// A secret.
    pub secret: Price,
    /// A read of a secret.
    pub secret_read: Price,
    /// A GB sent to the internet.
    pub gb_out: Price,
}

/// What one relay uses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Relay {
    /// Requests to the API, each an invocation of `receive`.
    pub api_requests: f64,
    /// Requests to SQS.
    pub queue_requests: f64,
    /// DynamoDB write units.
    pub write_units: f64,
    /// DynamoDB read units.
    pub read_units: f64,
    /// Size of its item in the ledger, in KB.
    pub item_kilobytes: f64,
    /// Duration of `receive`, in milliseconds, for one request.
    pub receive_milliseconds: f64,
    /// Duration of `instantiate`, in milliseconds.
    pub instantiate_milliseconds: f64,
    /// Logs, in KB.
    pub log_kilobytes: f64,
    /// What is sent to B, in KB.
    pub attachment_kilobytes: f64,
}

/// What one run of `reconcile` uses for one route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReconcileRun {
    /// Duration, in milliseconds.
    pub milliseconds: f64,
    /// DynamoDB write units.
    pub write_units: f64,
    /// DynamoDB read units.
    pub read_units: f64,
    /// Logs, in KB.
    pub log_kilobytes: f64,
}

/// What is there whether relays come or not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    /// Routes.
    pub routes: f64,
    /// Starts of processes of the functions, a day.
    pub starts_per_day: f64,
    /// Memory of each function, in MB.
    pub memory_megabytes: f64,
    /// Minutes between two runs of `reconcile`.
    pub reconcile_every_minutes: f64,
    /// Days that the ledger keeps an item.
    pub ledger_days: f64,
    /// Days that logs are kept.
    pub log_days: f64,
    /// Compressed size of logs, as a share of what was written.
    pub log_compression: f64,
    /// Connections that Lambda waits at the queue with.
    pub pollers: f64,
    /// Seconds that each of them waits at a time.
    pub poll_seconds: f64,
    /// Custom metrics of a route.
    pub metrics_per_route: f64,
    /// Custom metrics of all routes together.
    pub metrics_of_all_routes: f64,
    /// Metrics that alarms look at.
    pub alarmed_metrics: f64,
    /// Dashboards.
    pub dashboards: f64,
    /// Secrets.
    pub secrets: f64,
}

/// Inputs that cannot be read.
#[derive(Debug, Error)]
pub enum InputsError {
    /// The file.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its text.
    #[error("the inputs are not like infra/cost.yaml")]
    Malformed(#[from] serde_saphyr::Error),
}

impl Inputs {
    /// The inputs of `infra/cost.yaml`, as they were when this program was built.
    ///
    /// # Errors
    /// [`InputsError`] when that file was broken.
    pub fn default_file() -> Result<Self, InputsError> {
        Ok(serde_saphyr::from_str(DEFAULT)?)
    }

    /// The inputs of another file.
    ///
    /// # Errors
    /// [`InputsError`].
    pub fn read(path: &Path) -> Result<Self, InputsError> {
        let text = std::fs::read_to_string(path).map_err(|source| InputsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Ok(serde_saphyr::from_str(&text)?)
    }
}
