//! How the function comes to its parts.

use stafett_core::route::Routes;
use stafett_runtime::{
    caller::CallerVerifier,
    clock::Clock,
    ledger::Ledger,
    queue::Queue,
    settings::{
        CallerSettings, EventsSettings, LedgerSettings, QueueSettings, RouteSettings, Source,
    },
    start::StartError,
};

use crate::{EventsSecret, Receive};

impl Receive {
    /// The function as `source` sets it up.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        source: &Source<'_>,
        aws: &aws_config::SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let events = EventsSettings::read(source)?;
        let callers = CallerSettings::read(source)?;
        let queue = QueueSettings::read(source)?;
        let ledger = LedgerSettings::read(source)?;
        let routes = Routes::load(&RouteSettings::read(source)?.directory)?;
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
