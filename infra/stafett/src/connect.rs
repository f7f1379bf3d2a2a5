//! The real Altinn, for a command that somebody runs at a terminal.

use aws_config::BehaviorVersion;
use aws_types::SdkConfig;
use secrecy::SecretString;
use stafett_runtime::{
    altinn::{Altinn, Connection},
    clock::Clock,
    settings::{Environment, SecretError, SecretSource},
};

use crate::Failure;

/// A client with tokens of the functions' own Maskinporten client.
pub(crate) async fn altinn(environment: &Environment<'_>) -> Result<Altinn, Failure> {
    let connection = Connection::read(environment)?;
    let aws = aws(connection.key()).await;
    Ok(connection.open(&aws, Clock::system()).await?)
}

/// A secret, wherever it lies.
pub(crate) async fn read(secret: &SecretSource) -> Result<SecretString, SecretError> {
    secret.read(&aws(secret).await).await
}

/// AWS is looked for only where a secret lies there.
async fn aws(secret: &SecretSource) -> SdkConfig {
    match secret {
        SecretSource::Inline(_) => SdkConfig::builder().build(),
        SecretSource::SecretsManager { .. } => {
            aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
        }
    }
}
