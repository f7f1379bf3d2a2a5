//! From settings to a client of Altinn, in two steps, so that all settings are checked before a secret is read.

use aws_config::SdkConfig;
use thiserror::Error;

use super::{
    client::Altinn,
    http::{HttpError, http_client},
    token::{KeyError, SigningKey, Tokens},
};
use crate::{
    clock::Clock,
    settings::{
        AltinnSettings, Environment, MaskinportenSettings, SecretError, SecretSource, SettingError,
    },
};

/// The client cannot be made.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The key cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No HTTP client.
    #[error("TLS cannot be set up")]
    Http(#[from] HttpError),
}

/// The settings of the client, checked.
#[derive(Debug)]
pub struct Connection {
    altinn: AltinnSettings,
    maskinporten: MaskinportenSettings,
}

impl Connection {
    /// Reads `ALTINN_…` and `MASKINPORTEN_…`.
    ///
    /// # Errors
    /// [`SettingError`] for one that is missing or malformed.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            altinn: AltinnSettings::read(environment)?,
            maskinporten: MaskinportenSettings::read(environment)?,
        })
    }

    /// Where the client's key is stored.
    #[must_use]
    pub fn key(&self) -> &SecretSource {
        &self.maskinporten.jwk
    }

    /// Reads the key, from Secrets Manager if the settings say so, and makes the client. Sends nothing to Altinn yet.
    ///
    /// # Errors
    /// [`ConnectionError`] when the key cannot be read or cannot sign, or TLS cannot be set up.
    pub async fn open(&self, aws: &SdkConfig, clock: Clock) -> Result<Altinn, ConnectionError> {
        let key = SigningKey::from_jwk(&self.key().read(aws).await?)?;
        let http = http_client()?;
        let tokens = Tokens::new(&self.maskinporten, key, &self.altinn, http.clone(), clock);
        Ok(Altinn::new(&self.altinn, http, tokens))
    }
}
