//! One Altinn environment, and our client at Maskinporten.

use reqwest::Url;
use secrecy::SecretString;

use super::{
    environment::{Environment, SettingError, Variable, parse_base_url},
    secret::SecretSource,
};

/// The apps and the platform of one Altinn environment.
#[derive(Debug, Clone)]
pub struct AltinnSettings {
    /// `ALTINN_PLATFORM_URL`: Storage, Events and the token exchange. Required.
    pub platform_url: Url,
    /// `ALTINN_APPS_URL`, with `{org}` in place of the organisation's code. Required.
    pub apps_url: String,
    /// `ALTINN_SUBSCRIPTION_KEY`: sent to the platform only. By default none is sent.
    pub subscription_key: Option<SecretString>,
}

impl AltinnSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let apps = Variable {
            name: "ALTINN_APPS_URL",
            what: "the https address of the apps, with {org} for the organisation's code",
            example: "https://{org}.apps.tt02.altinn.no",
        };
        let apps_url = environment.required(&apps)?;
        if parse_base_url(&apps_url.replace("{org}", "org")).is_none() {
            return Err(apps.malformed());
        }
        Ok(Self {
            platform_url: environment.base_url(&Variable {
                name: "ALTINN_PLATFORM_URL",
                what: "the https address of Altinn's platform",
                example: "https://platform.tt02.altinn.no",
            })?,
            apps_url: apps_url.trim_end_matches('/').to_owned(),
            subscription_key: environment
                .optional(&Variable {
                    name: "ALTINN_SUBSCRIPTION_KEY",
                    what: "a subscription key",
                    example: "0123456789abcdef0123456789abcdef",
                })
                .map(Into::into),
        })
    }
}

pub(super) const MASKINPORTEN_ISSUER: Variable = Variable {
    name: "MASKINPORTEN_ISSUER",
    what: "Maskinporten's issuer, an https address with its trailing slash",
    example: "https://test.maskinporten.no/",
};

/// Reads an issuer. It must be an address, but stays text, since issuers are compared byte by byte.
pub(super) fn issuer(
    environment: &Environment<'_>,
    variable: &Variable,
) -> Result<String, SettingError> {
    let text = environment.required(variable)?;
    if text.ends_with('/') && parse_base_url(&text).is_some() {
        Ok(text)
    } else {
        Err(variable.malformed())
    }
}

/// Our own client at Maskinporten.
#[derive(Debug, Clone)]
pub struct MaskinportenSettings {
    /// `MASKINPORTEN_ISSUER`, compared byte by byte. Required.
    pub issuer: String,
    /// `MASKINPORTEN_CLIENT_ID`. Required.
    pub client_id: String,
    /// `MASKINPORTEN_JWK`, the private key as a JWK, or `MASKINPORTEN_JWK_SECRET`, the ARN of a secret that holds it,
    /// which wins. One is required.
    pub jwk: SecretSource,
}

impl MaskinportenSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            issuer: issuer(environment, &MASKINPORTEN_ISSUER)?,
            client_id: environment.required(&Variable {
                name: "MASKINPORTEN_CLIENT_ID",
                what: "the id of the client at Maskinporten",
                example: "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11",
            })?,
            jwk: SecretSource::locate(
                environment,
                &Variable {
                    name: "MASKINPORTEN_JWK",
                    what: "the client's private key as a JWK (or set MASKINPORTEN_JWK_SECRET)",
                    example: r#"{"kty":"RSA","kid":"…","n":"…","e":"AQAB","d":"…","p":"…","q":"…","dp":"…","dq":"…","qi":"…"}"#,
                },
                &Variable {
                    name: "MASKINPORTEN_JWK_SECRET",
                    what: "the ARN of the secret that holds the private JWK",
                    example: "arn:aws:secretsmanager:eu-north-1:123456789012:secret:stafett/jwk-AbCdEf",
                },
            )?,
        })
    }
}
