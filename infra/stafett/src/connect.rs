//! Connects a command-line command to the real Altinn.

use aws_config::BehaviorVersion;
use aws_types::SdkConfig;
use secrecy::SecretString;
use stafett_runtime::{
    altinn::{Altinn, Connection},
    clock::Clock,
    settings::{Environment, SecretError, SecretSource},
};

use crate::Failure;

/// A client that gets tokens as the functions do, with their Maskinporten client.
pub(crate) async fn altinn(environment: &Environment<'_>) -> Result<Altinn, Failure> {
    let connection = Connection::read(environment)?;
    let aws = aws(connection.key()).await;
    Ok(connection.open(&aws, Clock::system()).await?)
}

/// Reads a secret from the environment or from AWS.
pub(crate) async fn read(secret: &SecretSource) -> Result<SecretString, SecretError> {
    secret.read(&aws(secret).await).await
}

/// AWS is contacted only if a secret is stored there.
async fn aws(secret: &SecretSource) -> SdkConfig {
    match secret {
        SecretSource::Inline(_) => SdkConfig::builder().build(),
        SecretSource::SecretsManager { .. } => {
            aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
        }
    }
}
