//! Secrets: in the environment, or in AWS Secrets Manager.

use secrecy::SecretString;
use thiserror::Error;

use super::environment::{Environment, SettingError, Variable};

/// A secret, or where it is stored.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// The secret itself, from the environment: for one machine and tests.
    Inline(SecretString),
    /// A secret in AWS Secrets Manager, read once at start-up.
    SecretsManager {
        /// The secret's ARN.
        arn: String,
    },
}

/// A secret that cannot be read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Secrets Manager refused or did not answer.
    #[error(
        "cannot read secret {arn} from AWS Secrets Manager; allow secretsmanager:GetSecretValue on it to this function"
    )]
    Unreadable {
        /// The secret's ARN.
        arn: String,
        /// What the SDK said.
        #[source]
        source: Box<aws_sdk_secretsmanager::Error>,
    },
    /// The secret holds bytes, not text.
    #[error("secret {arn} has no SecretString; store it as text")]
    NotText {
        /// The secret's ARN.
        arn: String,
    },
}

impl SecretSource {
    /// Reads where the secret is: `by_arn` names a secret of Secrets Manager, `inline` holds it itself.
    pub(super) fn locate(
        environment: &Environment<'_>,
        inline: &Variable,
        by_arn: &Variable,
    ) -> Result<Self, SettingError> {
        if let Some(arn) = environment.optional(by_arn) {
            if !arn.starts_with("arn:") {
                return Err(by_arn.malformed());
            }
            return Ok(Self::SecretsManager { arn });
        }
        Ok(Self::Inline(environment.required(inline)?.into()))
    }

    /// The secret's text.
    ///
    /// # Errors
    /// [`SecretError`] when Secrets Manager does not return it, or returns bytes.
    pub async fn read(&self, aws: &aws_config::SdkConfig) -> Result<SecretString, SecretError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::SecretsManager { arn } => {
                let answer = aws_sdk_secretsmanager::Client::new(aws)
                    .get_secret_value()
                    .secret_id(arn)
                    .send()
                    .await
                    .map_err(|error| SecretError::Unreadable {
                        arn: arn.clone(),
                        source: Box::new(error.into()),
                    })?;
                let text = answer.secret_string;
                text.map(Into::into)
                    .ok_or_else(|| SecretError::NotText { arn: arn.clone() })
            }
        }
    }
}
