//! Routes, queues and the ledger.

use std::{path::PathBuf, time::Duration};

use reqwest::Url;

use super::environment::{Environment, SettingError, Variable};

/// Where the route files are.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// `STAFETT_ROUTES`: a directory. Required.
    pub directory: PathBuf,
}

impl RouteSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let directory = environment.required(&Variable {
            name: "STAFETT_ROUTES",
            what: "the directory that holds the route files",
            example: "/opt/routes",
        })?;
        Ok(Self {
            directory: directory.into(),
        })
    }
}

/// The queue of triggers.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// `STAFETT_QUEUE_URL`. Required.
    pub url: String,
}

impl QueueSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let url: Url = environment.parsed(&Variable {
            name: "STAFETT_QUEUE_URL",
            what: "the URL of the queue of triggers",
            example: "https://sqs.eu-north-1.amazonaws.com/123456789012/stafett",
        })?;
        Ok(Self { url: url.into() })
    }
}

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterSettings {
    /// `STAFETT_DEAD_LETTER_QUEUE_URL`. Required.
    pub url: String,
}

impl DeadLetterSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let url: Url = environment.parsed(&Variable {
            name: "STAFETT_DEAD_LETTER_QUEUE_URL",
            what: "the URL of the dead-letter queue",
            example: "https://sqs.eu-north-1.amazonaws.com/123456789012/stafett-dead-letters",
        })?;
        Ok(Self { url: url.into() })
    }
}

/// How many containers share the pace to a B app.
#[derive(Debug, Clone, Copy)]
pub struct PaceSettings {
    /// `STAFETT_MAXIMUM_CONCURRENCY`: how many containers of `instantiate` work at the same time at most. Default 5.
    pub containers: u32,
}

/// How many containers share a pace where it is not set: the template's default.
const DEFAULT_CONTAINERS: u32 = 5;

impl PaceSettings {
    /// # Errors
    /// [`SettingError`] for a malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let variable = Variable {
            name: "STAFETT_MAXIMUM_CONCURRENCY",
            what: "a number from 1 to 1000: how many containers of instantiate work at the same time",
            example: "5",
        };
        let containers = match environment.optional(&variable) {
            None => DEFAULT_CONTAINERS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|containers| (1..=1_000).contains(containers))
                .ok_or_else(|| variable.malformed())?,
        };
        Ok(Self { containers })
    }
}

/// How long a claim lasts where it is not set.
const DEFAULT_LEASE: Duration = Duration::from_secs(300);
/// How long B is left to settle where it is not set.
const DEFAULT_SETTLE: Duration = Duration::from_secs(1_200);

/// The ledger, and how long a claim lasts.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// `STAFETT_TABLE`: the DynamoDB table. Required.
    pub table: String,
    /// `STAFETT_LEASE_SECONDS`: how long a claim lasts, in seconds; at least the function's timeout. Default 300.
    pub lease: Duration,
    /// `STAFETT_SETTLE_SECONDS`: how long B's app and Storage may go on with a request after its client gave up, in
    /// seconds. Default 1200: app-lib does not stop when its client is gone, and waits up to 100 s for each of some
    /// ten calls to Storage (measured).
    pub settle: Duration,
}

impl LedgerSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let lease = Variable {
            name: "STAFETT_LEASE_SECONDS",
            what: "a number of seconds, 1 at least: the timeout of the function that instantiates",
            example: "300",
        };
        let settings = Self {
            table: environment.required(&Variable {
                name: "STAFETT_TABLE",
                what: "the name of the DynamoDB table of relays",
                example: "stafett-ledger",
            })?,
            lease: environment.seconds(&lease, DEFAULT_LEASE)?,
            settle: environment.seconds(
                &Variable {
                    name: "STAFETT_SETTLE_SECONDS",
                    what: "a number of seconds: how long B may still work on a request that was given up",
                    example: "1200",
                },
                DEFAULT_SETTLE,
            )?,
        };
        if settings.lease.is_zero() {
            return Err(lease.malformed());
        }
        Ok(settings)
    }
}
