//! Who may call the functions, and at which address.

use reqwest::Url;

use super::{
    altinn::{MASKINPORTEN_ISSUER, issuer},
    environment::{Environment, SettingError, Variable},
    secret::SecretSource,
};

/// Where the deployed functions are called from outside.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `STAFETT_API_URL`: the address before `/triggers` and `/events/{secret}`. Required.
    pub url: Url,
}

impl ApiSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let url = environment.base_url(&Variable {
            name: "STAFETT_API_URL",
            what: "the https address of the deployed API, the output ApiUrl of its stack",
            example: "https://abc123.execute-api.eu-north-1.amazonaws.com",
        })?;
        Ok(Self { url })
    }
}

/// Who may call `POST /triggers`.
#[derive(Debug, Clone)]
pub struct CallerSettings {
    /// `TRIGGER_ISSUER`, compared byte by byte. Default `MASKINPORTEN_ISSUER`.
    pub issuer: String,
    /// `TRIGGER_SCOPE`: one whole scope. Required.
    pub scope: String,
    /// `TRIGGER_CONSUMERS`: organisation numbers, without the `0192:` of ISO 6523. Required, one at least.
    pub consumers: Vec<String>,
    /// `TRIGGER_AUDIENCE`: the audience that a token must name. By default any, or none.
    pub audience: Option<String>,
}

impl CallerSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let issuer_variable = Variable {
            name: "TRIGGER_ISSUER",
            ..MASKINPORTEN_ISSUER
        };
        let issuer = if environment.optional(&issuer_variable).is_some() {
            issuer(environment, &issuer_variable)?
        } else {
            issuer(environment, &MASKINPORTEN_ISSUER)?
        };
        let scope_variable = Variable {
            name: "TRIGGER_SCOPE",
            what: "the one scope that a caller's token must have",
            example: "ttd:stafett.trigger",
        };
        let scope = environment.required(&scope_variable)?;
        if scope.contains(char::is_whitespace) {
            return Err(scope_variable.malformed());
        }
        let consumers_variable = Variable {
            name: "TRIGGER_CONSUMERS",
            what: "the nine-digit organisation numbers that may trigger, separated by commas",
            example: "405003309,310075728",
        };
        let consumers: Vec<String> = environment
            .required(&consumers_variable)?
            .split(',')
            .map(|number| number.trim().trim_start_matches("0192:").to_owned())
            .collect();
        let is_number = |n: &String| n.len() == 9 && n.bytes().all(|b| b.is_ascii_digit());
        if !consumers.iter().all(is_number) {
            return Err(consumers_variable.malformed());
        }
        let audience = environment.optional(&Variable {
            name: "TRIGGER_AUDIENCE",
            what: "the audience that a caller's token must name",
            example: "https://relay.example.no",
        });
        Ok(Self {
            issuer,
            scope,
            consumers,
            audience,
        })
    }
}

/// The secret in the path that Altinn Events calls.
#[derive(Debug, Clone)]
pub struct EventsSettings {
    /// `EVENTS_SECRET`, or `EVENTS_SECRET_ARN`, which wins. One is required. [`EventsSettings::check`] checks the
    /// secret once it has been read.
    pub secret: SecretSource,
}

/// The least length of the secret in the path of `POST /events/{secret}`, in characters.
pub const EVENTS_SECRET_MIN_CHARACTERS: usize = 32;

const EVENTS_SECRET: Variable = Variable {
    name: "EVENTS_SECRET",
    what: "at least 32 letters, digits, hyphens or underscores (or set EVENTS_SECRET_ARN)",
    example: "uP3…, made by `openssl rand -hex 32`",
};

impl EventsSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        let secret = SecretSource::locate(
            environment,
            &EVENTS_SECRET,
            &Variable {
                name: "EVENTS_SECRET_ARN",
                what: "the ARN of the secret that holds the secret path of the events endpoint",
                example: "arn:aws:secretsmanager:eu-north-1:123456789012:secret:stafett/events-AbCdEf",
            },
        )?;
        Ok(Self { secret })
    }

    /// Checks that a secret is long enough, and that a path need not escape any of its characters.
    ///
    /// # Errors
    /// [`SettingError::Malformed`] if not.
    pub fn check(secret: &str) -> Result<(), SettingError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if secret.len() >= EVENTS_SECRET_MIN_CHARACTERS && secret.bytes().all(plain) {
            Ok(())
        } else {
            Err(EVENTS_SECRET.malformed())
        }
    }
}
