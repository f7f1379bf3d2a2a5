//! How a function starts, or says in one line why it cannot.

use std::{error::Error, process::ExitCode};

use aws_config::{BehaviorVersion, SdkConfig};
use stafett_core::route::{Mistake, RouteError, RouteErrors};
use thiserror::Error;

use crate::{
    altinn::{ConnectionError, HttpError},
    clock::Clock,
    settings::{Environment, SecretError, SettingError},
    telemetry::{self, Causes},
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
    /// The client of Altinn cannot be made.
    #[error(transparent)]
    Altinn(#[from] ConnectionError),
    /// A route file is broken.
    #[error(transparent)]
    Routes(RouteErrors),
    /// There is no directory of routes where the setting says.
    #[error("STAFETT_ROUTES must name a directory of routes")]
    NoRoutes(#[source] RouteErrors),
    /// No HTTP client.
    #[error("TLS cannot be set up")]
    Http(#[from] HttpError),
}

impl From<RouteErrors> for StartError {
    fn from(errors: RouteErrors) -> Self {
        let is_elsewhere = |error: &RouteError| error.mistake == Mistake::NoRoutes;
        if errors.0.iter().any(is_elsewhere) {
            Self::NoRoutes(errors)
        } else {
            Self::Routes(errors)
        }
    }
}

/// The `main` of a function: starts the log, and has `serve` build the function from the process environment and
/// serve its invocations until Lambda stops it. What ended it is logged.
pub async fn run<S>(serve: S) -> ExitCode
where
    S: AsyncFnOnce(&Environment<'_>, &SdkConfig, Clock) -> Result<(), Box<dyn Error + Send + Sync>>,
{
    telemetry::start();
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let environment = Environment::process();
    // Boxed: the compiler lays out futures only so deep.
    match Box::pin(serve(&environment, &aws, Clock::system())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = %Causes(&*error), "cannot start");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use stafett_core::route::Routes;

    #[test]
    fn an_error_about_the_directory_of_routes_names_its_setting() {
        let error = Routes::load(Path::new("/nowhere")).map(drop).unwrap_err();
        let start = "STAFETT_ROUTES must name a directory of routes: /nowhere: the directory of routes cannot be read: ";
        let line = Causes(&StartError::from(error)).to_string();
        assert!(line.starts_with(start), "{line}");
    }
}
