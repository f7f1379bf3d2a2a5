//! How the function comes to its parts.

use stafett::{
    altinn::HttpError,
    caller::CallerVerifier,
    queue::Queue,
    route::{RouteErrors, Routes},
    settings::{
        CallerSettings, EventsSettings, QueueSettings, RouteSettings, SecretError, SettingError,
        Source,
    },
};
use thiserror::Error;

use crate::{EventsSecret, Receive};

/// The function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is missing or malformed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The secret of the events' path cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A route file is broken.
    #[error(transparent)]
    Routes(#[from] RouteErrors),
    /// No HTTP client for the issuer's keys.
    #[error("TLS cannot be set up")]
    Http(#[from] HttpError),
}

impl Receive {
    /// The function as `source` sets it up.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(source: &Source<'_>, aws: &aws_config::SdkConfig) -> Result<Self, StartError> {
        let events = EventsSettings::read(source)?;
        let callers = CallerSettings::read(source)?;
        let queue = QueueSettings::read(source)?;
        let routes = Routes::load(&RouteSettings::read(source)?.directory)?;
        Ok(Self {
            routes,
            callers: CallerVerifier::new(callers)?,
            secret: EventsSecret::new(&events.secret.read(aws).await?)?,
            queue: Queue::new(aws, &queue),
        })
    }
}
