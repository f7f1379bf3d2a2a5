//! How a function starts, or says in one line why it cannot.

use std::{error::Error, process::ExitCode};

use thiserror::Error;

use crate::{
    altinn::{HttpError, token::KeyError},
    route::RouteErrors,
    settings::{SecretError, SettingError},
    telemetry::Causes,
};

/// A function cannot start. Its text names the setting or the route file, and a valid example.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is missing or malformed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client's key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A route file is broken.
    #[error(transparent)]
    Routes(#[from] RouteErrors),
    /// No HTTP client.
    #[error("TLS cannot be set up")]
    Http(#[from] HttpError),
}

/// The exit code of a function's `main`; what ended it is logged.
#[must_use]
pub fn exit(outcome: Result<(), Box<dyn Error + Send + Sync>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = %Causes(&*error), "cannot start");
            ExitCode::FAILURE
        }
    }
}
