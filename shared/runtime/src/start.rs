//! How a function starts, or says in one line why it cannot.

use std::{error::Error, process::ExitCode};

use aws_config::{BehaviorVersion, SdkConfig};
use stafett_core::route::{Mistake, RouteError, RouteErrors};
use thiserror::Error;

use crate::{
    altinn::{HttpError, token::KeyError},
    clock::Clock,
    settings::{SecretError, SettingError, Source},
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
    /// The client's key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A route file is broken, or there is none where the setting says.
    #[error("{setting}{0}", setting = setting(.0))]
    Routes(#[from] RouteErrors),
    /// No HTTP client.
    #[error("TLS cannot be set up")]
    Http(#[from] HttpError),
}

/// The setting that has to be corrected, where it is not a file.
fn setting(errors: &RouteErrors) -> &'static str {
    let is_elsewhere = |error: &RouteError| error.mistake == Mistake::NoRoutes;
    if errors.0.iter().any(is_elsewhere) {
        "STAFETT_ROUTES: "
    } else {
        ""
    }
}

/// The `main` of a function: starts the log, and has `serve` build the function from the process environment and
/// serve its invocations until Lambda stops it. What ended it is logged.
pub async fn run<S>(serve: S) -> ExitCode
where
    S: AsyncFnOnce(&Source<'_>, &SdkConfig, Clock) -> Result<(), Box<dyn Error + Send + Sync>>,
{
    telemetry::start();
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let environment = Source::environment();
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
    fn a_directory_without_routes_is_said_with_the_setting_that_names_it() {
        let error = Routes::load(Path::new("/nowhere")).map(drop).unwrap_err();
        let start = "STAFETT_ROUTES: /nowhere: the directory of routes cannot be read: ";
        let line = StartError::from(error).to_string();
        assert!(line.starts_with(start), "{line}");
    }
}
