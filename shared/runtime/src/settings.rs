//! Settings from the environment: one struct per integration.
//!
//! A missing or malformed setting ends the start-up with one line that names the
//! variable and shows a valid example. Values are never repeated in errors, since
//! some are secret.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use reqwest::Url;
use secrecy::SecretString;
use thiserror::Error;

use crate::altinn::list::PAGE_SIZE;

/// A setting that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingError {
    /// Not set, and without a default.
    #[error("{variable} is not set; set it to {what}, for example {variable}={example}")]
    Missing {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        what: &'static str,
        /// A valid value.
        example: &'static str,
    },
    /// Set to something else than what it must be.
    #[error("{variable} is not {what}; a valid value is {example}")]
    Malformed {
        /// The environment variable.
        variable: &'static str,
        /// What it must be.
        what: &'static str,
        /// A valid value.
        example: &'static str,
    },
}

/// Where settings are read from: the process environment, or a map in tests and on one machine.
pub struct Source<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// One variable: its name, what it holds, and a valid example.
struct Variable {
    name: &'static str,
    what: &'static str,
    example: &'static str,
}

impl Variable {
    fn missing(&self) -> SettingError {
        SettingError::Missing {
            variable: self.name,
            what: self.what,
            example: self.example,
        }
    }

    fn malformed(&self) -> SettingError {
        SettingError::Malformed {
            variable: self.name,
            what: self.what,
            example: self.example,
        }
    }
}

impl<'a> Source<'a> {
    /// Reads the process environment.
    #[must_use]
    pub fn environment() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// Reads through `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    /// The variable's value; an empty value counts as not set, since CloudFormation cannot leave a variable out.
    fn optional(&self, variable: &Variable) -> Option<String> {
        (self.0)(variable.name).filter(|value| !value.is_empty())
    }

    fn required(&self, variable: &Variable) -> Result<String, SettingError> {
        self.optional(variable).ok_or_else(|| variable.missing())
    }

    fn parsed<T: FromStr>(&self, variable: &Variable) -> Result<T, SettingError> {
        self.required(variable)?
            .parse()
            .map_err(|_| variable.malformed())
    }

    fn base_url(&self, variable: &Variable) -> Result<Url, SettingError> {
        let text = self.required(variable)?;
        parse_base_url(&text).ok_or_else(|| variable.malformed())
    }

    fn secret(&self, inline: &Variable, by_arn: &Variable) -> Result<SecretSource, SettingError> {
        if let Some(arn) = self.optional(by_arn) {
            if !arn.starts_with("arn:") {
                return Err(by_arn.malformed());
            }
            return Ok(SecretSource::SecretsManager { arn });
        }
        Ok(SecretSource::Inline(self.required(inline)?.into()))
    }

    fn seconds(&self, variable: &Variable, default: u64) -> Result<Duration, SettingError> {
        match self.optional(variable) {
            None => Ok(Duration::from_secs(default)),
            Some(text) => text
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| variable.malformed()),
        }
    }
}

/// An absolute URL without query, over TLS or to this machine.
fn parse_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && local);
    (allowed && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

/// A secret, or where it lies.
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

/// A secret that cannot be had.
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
    /// The secret's text.
    ///
    /// # Errors
    /// [`SecretError`] when Secrets Manager does not give it out.
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

/// Where the route files are.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// `STAFETT_ROUTES`, a directory.
    pub directory: PathBuf,
}

impl RouteSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let directory = source.required(&Variable {
            name: "STAFETT_ROUTES",
            what: "the directory that holds the route files",
            example: "/opt/routes",
        })?;
        Ok(Self {
            directory: directory.into(),
        })
    }
}

/// The queue of triggers.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// `STAFETT_QUEUE_URL`.
    pub url: String,
}

impl QueueSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let url: Url = source.parsed(&Variable {
            name: "STAFETT_QUEUE_URL",
            what: "the URL of the queue of triggers",
            example: "https://sqs.eu-north-1.amazonaws.com/123456789012/stafett",
        })?;
        Ok(Self { url: url.into() })
    }
}

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterSettings {
    /// `STAFETT_DEAD_LETTER_QUEUE_URL`.
    pub url: String,
}

impl DeadLetterSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let url: Url = source.parsed(&Variable {
            name: "STAFETT_DEAD_LETTER_QUEUE_URL",
            what: "the URL of the dead-letter queue",
            example: "https://sqs.eu-north-1.amazonaws.com/123456789012/stafett-dead-letters",
        })?;
        Ok(Self { url: url.into() })
    }
}

/// What reconcile leaves alone, and what it looks at twice.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileSettings {
    /// `STAFETT_RECONCILE_GRACE_SECONDS`: an instance that changed within this time needs no help, its
    /// trigger is on its way.
    pub grace: Duration,
    /// `STAFETT_RECONCILE_OVERLAP_SECONDS`: each run looks so far back behind the end of the last one.
    pub overlap: Duration,
    /// `STAFETT_RECONCILE_PAGE`: so many instances on a page of Storage's lists.
    pub page: usize,
}

impl ReconcileSettings {
    /// # Errors
    /// [`SettingError`] for a malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            grace: source.seconds(
                &Variable {
                    name: "STAFETT_RECONCILE_GRACE_SECONDS",
                    what: "a number of seconds: how long a trigger may be on its way",
                    example: "600",
                },
                600,
            )?,
            overlap: source.seconds(
                &Variable {
                    name: "STAFETT_RECONCILE_OVERLAP_SECONDS",
                    what: "a number of seconds: how far a run looks back behind the end of the last one",
                    example: "600",
                },
                600,
            )?,
            page: Self::read_page(source)?,
        })
    }

    fn read_page(source: &Source<'_>) -> Result<usize, SettingError> {
        let variable = Variable {
            name: "STAFETT_RECONCILE_PAGE",
            what: "a number from 50 to 5000: how many instances stand on a page of Storage's lists",
            example: "1000",
        };
        match source.optional(&variable) {
            None => Ok(PAGE_SIZE),
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (50..=5_000).contains(size))
                .ok_or_else(|| variable.malformed()),
        }
    }
}

/// The ledger, and how long a claim lasts.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// `STAFETT_TABLE`, the DynamoDB table.
    pub table: String,
    /// `STAFETT_LEASE_SECONDS`: how long a claim lasts; at least the function's timeout.
    pub lease: Duration,
    /// `STAFETT_SETTLE_SECONDS`: how long B's app and Storage may still work on a request that nobody waits for. app-lib
    /// goes on when its client is gone, with up to 100 s for each of some ten calls to Storage (measured).
    pub settle: Duration,
}

impl LedgerSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let lease = Variable {
            name: "STAFETT_LEASE_SECONDS",
            what: "a number of seconds, 1 at least: the timeout of the function that instantiates",
            example: "300",
        };
        let settings = Self {
            table: source.required(&Variable {
                name: "STAFETT_TABLE",
                what: "the name of the DynamoDB table of relays",
                example: "stafett-ledger",
            })?,
            lease: source.seconds(&lease, 300)?,
            settle: source.seconds(
                &Variable {
                    name: "STAFETT_SETTLE_SECONDS",
                    what: "a number of seconds: how long B may still work on a request that was given up",
                    example: "1200",
                },
                1200,
            )?,
        };
        if settings.lease.is_zero() {
            return Err(lease.malformed());
        }
        Ok(settings)
    }
}

/// Where the deployed functions are called from outside.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// `STAFETT_API_URL`: what stands before `/triggers` and `/events/{secret}`.
    pub url: Url,
}

impl ApiSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let url = source.base_url(&Variable {
            name: "STAFETT_API_URL",
            what: "the https address of the deployed API, the output ApiUrl of its stack",
            example: "https://abc123.execute-api.eu-north-1.amazonaws.com",
        })?;
        Ok(Self { url })
    }
}

/// The apps and the platform of one Altinn environment.
#[derive(Debug, Clone)]
pub struct AltinnSettings {
    /// `ALTINN_PLATFORM_URL`: Storage, Events and the token exchange.
    pub platform_url: Url,
    /// `ALTINN_APPS_URL`, with `{org}` where the organisation's code stands.
    pub apps_url: String,
    /// `ALTINN_SUBSCRIPTION_KEY`: sent to the platform only.
    pub subscription_key: Option<SecretString>,
}

impl AltinnSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let apps = Variable {
            name: "ALTINN_APPS_URL",
            what: "the https address of the apps, with {org} for the organisation's code",
            example: "https://{org}.apps.tt02.altinn.no",
        };
        let apps_url = source.required(&apps)?;
        if parse_base_url(&apps_url.replace("{org}", "org")).is_none() {
            return Err(apps.malformed());
        }
        Ok(Self {
            platform_url: source.base_url(&Variable {
                name: "ALTINN_PLATFORM_URL",
                what: "the https address of Altinn's platform",
                example: "https://platform.tt02.altinn.no",
            })?,
            apps_url: apps_url.trim_end_matches('/').to_owned(),
            subscription_key: source
                .optional(&Variable {
                    name: "ALTINN_SUBSCRIPTION_KEY",
                    what: "a subscription key",
                    example: "0123456789abcdef0123456789abcdef",
                })
                .map(Into::into),
        })
    }
}

const MASKINPORTEN_ISSUER: Variable = Variable {
    name: "MASKINPORTEN_ISSUER",
    what: "Maskinporten's issuer, an https address with its trailing slash",
    example: "https://test.maskinporten.no/",
};

/// An issuer is compared byte by byte, so it stays text; it must still be an address.
fn issuer(source: &Source<'_>, variable: &Variable) -> Result<String, SettingError> {
    let text = source.required(variable)?;
    if text.ends_with('/') && parse_base_url(&text).is_some() {
        Ok(text)
    } else {
        Err(variable.malformed())
    }
}

/// Our own client at Maskinporten.
#[derive(Debug, Clone)]
pub struct MaskinportenSettings {
    /// `MASKINPORTEN_ISSUER`, byte-exact.
    pub issuer: String,
    /// `MASKINPORTEN_CLIENT_ID`.
    pub client_id: String,
    /// `MASKINPORTEN_JWK` or `MASKINPORTEN_JWK_SECRET`: the private key as a JWK.
    pub jwk: SecretSource,
}

impl MaskinportenSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            issuer: issuer(source, &MASKINPORTEN_ISSUER)?,
            client_id: source.required(&Variable {
                name: "MASKINPORTEN_CLIENT_ID",
                what: "the id of the client at Maskinporten",
                example: "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11",
            })?,
            jwk: source.secret(
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

/// Who may call `POST /triggers`.
#[derive(Debug, Clone)]
pub struct CallerSettings {
    /// `TRIGGER_ISSUER`, byte-exact; Maskinporten's issuer if not set.
    pub issuer: String,
    /// `TRIGGER_SCOPE`, one whole scope.
    pub scope: String,
    /// `TRIGGER_CONSUMERS`: organisation numbers, without the `0192:` of ISO 6523.
    pub consumers: Vec<String>,
    /// `TRIGGER_AUDIENCE`; no audience is required if not set.
    pub audience: Option<String>,
}

impl CallerSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let issuer_variable = Variable {
            name: "TRIGGER_ISSUER",
            ..MASKINPORTEN_ISSUER
        };
        let issuer = if source.optional(&issuer_variable).is_some() {
            issuer(source, &issuer_variable)?
        } else {
            issuer(source, &MASKINPORTEN_ISSUER)?
        };
        let scope_variable = Variable {
            name: "TRIGGER_SCOPE",
            what: "the one scope that a caller's token must have",
            example: "ttd:stafett.trigger",
        };
        let scope = source.required(&scope_variable)?;
        if scope.contains(char::is_whitespace) {
            return Err(scope_variable.malformed());
        }
        let consumers_variable = Variable {
            name: "TRIGGER_CONSUMERS",
            what: "the nine-digit organisation numbers that may trigger, separated by commas",
            example: "405003309,310075728",
        };
        let consumers: Vec<String> = source
            .required(&consumers_variable)?
            .split(',')
            .map(|number| number.trim().trim_start_matches("0192:").to_owned())
            .collect();
        let is_number = |n: &String| n.len() == 9 && n.bytes().all(|b| b.is_ascii_digit());
        if !consumers.iter().all(is_number) {
            return Err(consumers_variable.malformed());
        }
        let audience = source.optional(&Variable {
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
    /// `EVENTS_SECRET` or `EVENTS_SECRET_ARN`. Its length is checked when it has been read.
    pub secret: SecretSource,
}

/// The shortest secret that may stand in the path of `POST /events/{secret}`.
pub const EVENTS_SECRET_MIN_CHARACTERS: usize = 32;

const EVENTS_SECRET: Variable = Variable {
    name: "EVENTS_SECRET",
    what: "at least 32 letters, digits, hyphens or underscores (or set EVENTS_SECRET_ARN)",
    example: "uP3…, made by `openssl rand -hex 32`",
};

impl EventsSettings {
    /// # Errors
    /// [`SettingError`] for a missing or malformed variable.
    pub fn read(source: &Source<'_>) -> Result<Self, SettingError> {
        let secret = source.secret(
            &EVENTS_SECRET,
            &Variable {
                name: "EVENTS_SECRET_ARN",
                what: "the ARN of the secret that holds the secret path of the events endpoint",
                example: "arn:aws:secretsmanager:eu-north-1:123456789012:secret:stafett/events-AbCdEf",
            },
        )?;
        Ok(Self { secret })
    }

    /// Checks a secret that has been read: long enough, and of characters that a path carries unescaped.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn from<'a>(pairs: &'a [(&'a str, &'a str)]) -> Source<'a> {
        let map: BTreeMap<_, _> = pairs.iter().copied().collect();
        Source::new(move |name| map.get(name).map(|value| (*value).to_owned()))
    }

    const ALTINN: [(&str, &str); 2] = [
        ("ALTINN_PLATFORM_URL", "https://platform.tt02.altinn.no"),
        ("ALTINN_APPS_URL", "https://{org}.apps.tt02.altinn.no"),
    ];

    #[test]
    fn a_missing_setting_is_named_with_an_example() {
        let error = AltinnSettings::read(&from(&ALTINN[..1])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ALTINN_APPS_URL is not set; set it to the https address of the apps, with {org} for \
             the organisation's code, for example ALTINN_APPS_URL=https://{org}.apps.tt02.altinn.no"
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let read = |url| {
            let pairs = [("ALTINN_PLATFORM_URL", url), ALTINN[1]];
            AltinnSettings::read(&from(&pairs)).map(|_| ())
        };
        assert!(read("http://127.0.0.1:4711").is_ok());
        assert!(read("https://platform.altinn.no").is_ok());
        let error = read("http://platform.altinn.no").unwrap_err().to_string();
        assert!(
            error.starts_with("ALTINN_PLATFORM_URL is not the https address"),
            "{error}"
        );
    }

    #[test]
    fn the_trigger_issuer_defaults_to_maskinporten() {
        let mut pairs = vec![
            ("MASKINPORTEN_ISSUER", "https://test.maskinporten.no/"),
            ("TRIGGER_SCOPE", "ttd:stafett.trigger"),
            ("TRIGGER_CONSUMERS", "405003309, 0192:310075728"),
        ];
        let caller = CallerSettings::read(&from(&pairs)).unwrap();
        assert_eq!(caller.issuer, "https://test.maskinporten.no/");
        assert_eq!(caller.consumers, ["405003309", "310075728"]);
        pairs.push(("TRIGGER_ISSUER", "https://other.example.no/"));
        assert_eq!(
            CallerSettings::read(&from(&pairs)).unwrap().issuer,
            "https://other.example.no/"
        );
    }

    #[test]
    fn an_issuer_keeps_its_trailing_slash() {
        let error = MaskinportenSettings::read(&from(&[
            ("MASKINPORTEN_ISSUER", "https://test.maskinporten.no"),
            ("MASKINPORTEN_CLIENT_ID", "c"),
            ("MASKINPORTEN_JWK", "{}"),
        ]));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("MASKINPORTEN_ISSUER is not")
        );
    }

    #[test]
    fn a_short_or_unprintable_events_secret_is_refused_without_being_shown() {
        for secret in ["short", "contains/a/slash/and/is/long/enough/otherwise"] {
            let error = EventsSettings::check(secret).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
        EventsSettings::check(&"a".repeat(32)).unwrap();
    }

    #[test]
    fn no_settings_print_a_secret() {
        let settings =
            EventsSettings::read(&from(&[("EVENTS_SECRET", "hemmelig-hemmelig")])).unwrap();
        assert!(!format!("{settings:?}").contains("hemmelig"));
    }
}
