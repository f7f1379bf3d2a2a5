//! How the function comes to its parts.

use stafett_core::route::Routes;
use stafett_runtime::{
    caller::CallerVerifier,
    clock::Clock,
    ledger::Ledger,
    queue::Queue,
    settings::{
        CallerSettings, Environment, EventsSettings, LedgerSettings, QueueSettings, RouteSettings,
    },
    start::StartError,
};

use crate::{EventsSecret, Receive};

impl Receive {
    /// The function as `environment` sets it up.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &aws_config::SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let events = EventsSettings::read(environment)?;
        let callers = CallerSettings::read(environment)?;
        let queue = QueueSettings::read(environment)?;
        let ledger = LedgerSettings::read(environment)?;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self {
            routes,
            callers: CallerVerifier::new(callers)?,
            secret: EventsSecret::new(&events.secret.read(aws).await?)?,
            queue: Queue::new(aws, &queue),
            ledger: Ledger::new(aws, &ledger),
            clock,
        })
    }
}
