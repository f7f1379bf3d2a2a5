//! The client for Altinn, made when it is first needed.

use std::fmt;

use aws_config::SdkConfig;
use stafett_runtime::{
    altinn::{Altinn, Connection, ConnectionError},
    clock::Clock,
};
use tokio::sync::OnceCell;

/// The client for Altinn, made for the first removal: an operator who looks into the dead-letter queue needs neither
/// key nor token.
pub(crate) struct LazyAltinn {
    connection: Connection,
    aws: SdkConfig,
    clock: Clock,
    altinn: OnceCell<Altinn>,
}

impl LazyAltinn {
    pub(crate) fn new(connection: Connection, aws: &SdkConfig, clock: Clock) -> Self {
        Self {
            connection,
            aws: aws.clone(),
            clock,
            altinn: OnceCell::new(),
        }
    }

    pub(crate) async fn get(&self) -> Result<&Altinn, ConnectionError> {
        self.altinn
            .get_or_try_init(|| self.connection.open(&self.aws, self.clock.clone()))
            .await
    }
}

impl fmt::Debug for LazyAltinn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyAltinn")
    }
}
