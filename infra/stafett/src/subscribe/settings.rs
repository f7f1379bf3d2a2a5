//! The settings of this command: the functions' variables, from options or the environment.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use stafett_runtime::settings::{Environment, EventsSettings, SettingError};

use crate::{Failure, connect};

/// No app is called, so this address never resolves (RFC 6761, `invalid`).
const NO_APPS: &str = "https://apps.invalid";

/// Everything that is not secret. Secrets come only from the environment or from AWS Secrets
/// Manager, because every user of a machine can read a process's arguments.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address of the deployed API: the output ApiUrl of the stack.
    #[arg(long, value_name = "URL", env = "STAFETT_API_URL")]
    api_url: Option<String>,
    /// The directory of the routes that are deployed [default: infra/routes]
    #[arg(long, value_name = "DIR", env = "STAFETT_ROUTES")]
    routes: Option<PathBuf>,
    /// Altinn's platform: `https://platform.tt02.altinn.no` or `https://platform.altinn.no`
    #[arg(long, value_name = "URL", env = "ALTINN_PLATFORM_URL")]
    platform_url: Option<String>,
    /// Maskinporten's issuer, with its slash: `https://test.maskinporten.no/` or `https://maskinporten.no/`
    #[arg(long, value_name = "URL", env = "MASKINPORTEN_ISSUER")]
    issuer: Option<String>,
    /// Id of the Maskinporten client that the functions use.
    #[arg(long, value_name = "ID", env = "MASKINPORTEN_CLIENT_ID")]
    client_id: Option<String>,
    /// The secret that holds the client's private JWK (or set MASKINPORTEN_JWK)
    #[arg(long, value_name = "ARN", env = "MASKINPORTEN_JWK_SECRET")]
    jwk_secret: Option<String>,
    /// The secret that holds the events secret: the output EventsSecretArn of the stack (or set EVENTS_SECRET,
    /// or type it when asked)
    #[arg(long, value_name = "ARN", env = "EVENTS_SECRET_ARN")]
    events_secret: Option<String>,
}

impl Options {
    /// Reads the settings; options override the environment.
    pub(super) fn source(&self) -> Environment<'_> {
        Environment::new(|name| match name {
            "STAFETT_API_URL" => self.api_url.clone(),
            "ALTINN_PLATFORM_URL" => self.platform_url.clone(),
            "MASKINPORTEN_ISSUER" => self.issuer.clone(),
            "MASKINPORTEN_CLIENT_ID" => self.client_id.clone(),
            "MASKINPORTEN_JWK_SECRET" => self.jwk_secret.clone(),
            "EVENTS_SECRET_ARN" => self.events_secret.clone(),
            "ALTINN_APPS_URL" => Some(NO_APPS.to_owned()),
            name => std::env::var(name).ok(),
        })
    }

    pub(super) fn routes(&self) -> PathBuf {
        let given = self.routes.clone();
        given.unwrap_or_else(local_world::deployment::sample_routes)
    }
}

/// The events secret, if a setting says where it is.
pub(super) async fn known_secret(
    environment: &Environment<'_>,
) -> Result<Option<SecretString>, Failure> {
    match EventsSettings::read(environment) {
        Ok(settings) => checked(connect::read(&settings.secret).await?).map(Some),
        Err(SettingError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The events secret; asks at the terminal if no setting says where it is.
pub(super) async fn secret(environment: &Environment<'_>) -> Result<SecretString, Failure> {
    if let Some(secret) = known_secret(environment).await? {
        return Ok(secret);
    }
    if !io::stdin().is_terminal() {
        // Its error names the missing setting.
        return checked(connect::read(&EventsSettings::read(environment)?.secret).await?);
    }
    let ask = || rpassword::prompt_password("The events secret (it is not shown): ");
    let typed = tokio::task::spawn_blocking(ask).await??;
    checked(typed.trim().to_owned().into())
}

fn checked(secret: SecretString) -> Result<SecretString, Failure> {
    EventsSettings::check(secret.expose_secret())?;
    Ok(secret)
}
