//! From settings to a client of Altinn, in two steps: a mistake in any setting is found before a secret is read.

use aws_config::SdkConfig;

use super::{Altinn, Tokens, http_client, token::SigningKey};
use crate::{
    clock::Clock,
    settings::{AltinnSettings, MaskinportenSettings, SecretSource, SettingError, Source},
    start::StartError,
};

/// What the client needs to know, checked.
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
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            altinn: AltinnSettings::read(source)?,
            maskinporten: MaskinportenSettings::read(source)?,
        })
    }

    /// Where the client's key lies.
    #[must_use]
    pub fn key(&self) -> &SecretSource {
        &self.maskinporten.jwk
    }

    /// Reads the key, from Secrets Manager where the settings say so, and makes the client. Nothing is sent to Altinn yet.
    ///
    /// # Errors
    /// [`StartError`] when the key cannot be read or cannot sign, or TLS cannot be set up.
    pub async fn open(&self, aws: &SdkConfig, clock: Clock) -> Result<Altinn, StartError> {
        let key = SigningKey::from_jwk(&self.key().read(aws).await?)?;
        let http = http_client()?;
        let tokens = Tokens::new(&self.maskinporten, key, &self.altinn, http.clone(), clock);
        Ok(Altinn::new(&self.altinn, http, tokens))
    }
}
