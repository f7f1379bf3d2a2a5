//! Our own tokens: a signed assertion → a Maskinporten token → an Altinn token.
//!
//! Both tokens are kept until shortly before they expire, and only one caller at a time fetches new ones
//! (felleslosninger/docs: docs/Maskinporten/maskinporten_protocol_jwtgrant.md;
//! Altinn/altinn-authentication: src/Authentication/Controllers/AuthenticationController.cs).

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{error::TokenError, json::read_capped};
use crate::{
    clock::Clock,
    settings::{AltinnSettings, MaskinportenSettings},
};

mod key;

pub use key::{KeyError, SigningKey};

/// What we ask Maskinporten for: to act as service owner, and to read and write instances.
const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";
/// How long an assertion is valid; Maskinporten allows 120 s at most.
const ASSERTION_SECONDS: i64 = 60;
/// The longest that one of the requests may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a token is exchanged: the exchange answers 401 also on failures of its own.
const EXCHANGE_ATTEMPTS: u32 = 3;
/// For this long after a failure, other callers get its error and do not fetch.
const FAILURE_AGE: Duration = Duration::from_secs(1);
/// The largest answer that is read.
const MAX_BODY: usize = 64 * 1024;

/// The source of Altinn tokens.
pub struct Tokens {
    http: reqwest::Client,
    issuer: String,
    client_id: String,
    key: SigningKey,
    exchange: String,
    subscription_key: Option<SecretString>,
    clock: Clock,
    state: Mutex<State>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    endpoint: Option<Url>,
    maskinporten: Option<Token>,
    altinn: Option<Token>,
    failure: Option<(Instant, TokenError)>,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    expires: Timestamp,
}

impl Token {
    fn lasts(&self, least: Duration, now: Timestamp) -> bool {
        let left = self.expires.duration_since(now);
        left >= jiff::SignedDuration::try_from(least).unwrap_or(jiff::SignedDuration::MAX)
    }
}

/// What the client signs to get a token (RFC 7523, section 3).
#[derive(Serialize)]
struct Assertion<'a> {
    aud: &'a str,
    iss: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// A token of Maskinporten (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

/// A refusal of Maskinporten (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Tokens {
    /// Tokens for the client of `settings`, exchanged at `altinn`'s platform.
    #[must_use]
    pub fn new(
        settings: &MaskinportenSettings,
        key: SigningKey,
        altinn: &AltinnSettings,
        http: reqwest::Client,
        clock: Clock,
    ) -> Self {
        let platform = altinn.platform_url.as_str().trim_end_matches('/');
        Self {
            http,
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            key,
            exchange: format!("{platform}/authentication/api/v1/exchange/maskinporten"),
            subscription_key: altinn.subscription_key.clone(),
            clock,
            state: Mutex::default(),
        }
    }

    /// An Altinn token that is valid for `least` at least. A new one is fetched within `left`, if need be.
    ///
    /// # Errors
    /// [`TokenError`]. Callers that waited for a fetch that failed get its error, and do not fetch again.
    pub async fn get(&self, least: Duration, left: Duration) -> Result<SecretString, TokenError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(token) = state
            .altinn
            .as_ref()
            .filter(|token| token.lasts(least, now))
        {
            return Ok(token.text.clone());
        }
        if let Some((at, error)) = &state.failure
            && (*at >= asked || at.elapsed() < FAILURE_AGE)
        {
            return Err(error.clone());
        }
        let fetched = tokio::time::timeout(left, self.fetch(&mut state))
            .await
            .unwrap_or(Err(TokenError::Unavailable("Maskinporten")));
        match fetched {
            Ok(token) => {
                state.failure = None;
                let text = token.text.clone();
                state.altinn = Some(token);
                Ok(text)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Drops a token that was refused, unless a newer one has replaced it.
    pub async fn forget(&self, refused: &SecretString) {
        let mut state = self.state.lock().await;
        let is_refused = |token: &Token| token.text.expose_secret() == refused.expose_secret();
        if state.altinn.as_ref().is_some_and(is_refused) {
            state.altinn = None;
            state.maskinporten = None;
        }
    }

    async fn fetch(&self, state: &mut State) -> Result<Token, TokenError> {
        let mut attempt = 1;
        loop {
            let maskinporten = match &state.maskinporten {
                Some(token) if token.lasts(Duration::from_secs(30), self.clock.now()) => {
                    token.clone()
                }
                _ => self.grant(state).await?,
            };
            state.maskinporten = Some(maskinporten.clone());
            match self.exchange(&maskinporten).await {
                Err(TokenError::Unavailable(_)) if attempt < EXCHANGE_ATTEMPTS => {
                    state.maskinporten = None;
                    sleep(Duration::from_millis(200) * attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks Maskinporten for an access token, with an assertion of its own.
    async fn grant(&self, state: &mut State) -> Result<Token, TokenError> {
        const UNAVAILABLE: TokenError = TokenError::Unavailable("Maskinporten");
        let endpoint = match &state.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.discover().await?,
        };
        state.endpoint = Some(endpoint.clone());
        let now = self.clock.now();
        let assertion = self.key.sign(&Assertion {
            aud: &self.issuer,
            iss: &self.client_id,
            scope: SCOPES,
            iat: now.as_second(),
            exp: now.as_second() + ASSERTION_SECONDS,
            jti: Uuid::new_v4(),
        })?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ];
        let answer = self
            .http
            .post(endpoint)
            .timeout(TIMEOUT)
            .form(&form)
            .send()
            .await;
        let answer = answer.map_err(|_| UNAVAILABLE)?;
        let status = answer.status();
        let body = read_capped(answer, MAX_BODY)
            .await
            .map_err(|_| UNAVAILABLE)?;
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
            return Err(TokenError::Refused {
                error: refusal.as_ref().map_or_else(
                    || format!("status {}", status.as_u16()),
                    |refusal| word(&refusal.error),
                ),
                code: refusal.and_then(|refusal| code(&refusal.error_description?)),
            });
        }
        let granted: Granted = serde_json::from_slice(&body)
            .ok()
            .filter(|_| status.is_success())
            .ok_or(UNAVAILABLE)?;
        Ok(Token {
            text: granted.access_token.into(),
            expires: now + jiff::SignedDuration::from_secs(granted.expires_in.clamp(0, 86_400)),
        })
    }

    /// Finds the token endpoint.
    async fn discover(&self) -> Result<Url, TokenError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            token_endpoint: String,
        }
        const UNAVAILABLE: TokenError = TokenError::Unavailable("Maskinporten's metadata");
        let url = format!("{}.well-known/oauth-authorization-server", self.issuer);
        let answer = self
            .http
            .get(url)
            .timeout(TIMEOUT)
            .send()
            .await
            .map_err(|_| UNAVAILABLE)?;
        if !answer.status().is_success() {
            return Err(UNAVAILABLE);
        }
        let body = read_capped(answer, MAX_BODY)
            .await
            .map_err(|_| UNAVAILABLE)?;
        let metadata: Metadata = serde_json::from_slice(&body).map_err(|_| UNAVAILABLE)?;
        // The assertion is sent only to the issuer that the settings trust.
        Url::parse(&metadata.token_endpoint)
            .ok()
            .filter(|url| self.issuer.starts_with("http://") || url.scheme() == "https")
            .filter(|_| metadata.issuer == self.issuer)
            .ok_or(UNAVAILABLE)
    }

    /// Exchanges a Maskinporten token for an Altinn token. The body is the token, bare or as a JSON string.
    async fn exchange(&self, maskinporten: &Token) -> Result<Token, TokenError> {
        const UNAVAILABLE: TokenError = TokenError::Unavailable("Altinn's token exchange");
        let mut request = self
            .http
            .get(&self.exchange)
            .bearer_auth(maskinporten.text.expose_secret())
            .header(header::ACCEPT, "application/json")
            .timeout(TIMEOUT);
        if let Some(key) = &self.subscription_key {
            request = request.header("Ocp-Apim-Subscription-Key", key.expose_secret());
        }
        let answer = request.send().await.map_err(|_| UNAVAILABLE)?;
        if !answer.status().is_success() {
            return Err(UNAVAILABLE);
        }
        let body = read_capped(answer, MAX_BODY)
            .await
            .map_err(|_| UNAVAILABLE)?;
        let text = std::str::from_utf8(&body).map_err(|_| UNAVAILABLE)?.trim();
        let text = text
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(text);
        let expires = expiry(text).ok_or(UNAVAILABLE)?;
        Ok(Token {
            text: text.to_owned().into(),
            expires,
        })
    }
}

/// The `exp` of an Altinn token: Altinn chooses its lifetime.
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1)?)
        .ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Timestamp::from_second(claims.exp).ok()
}

/// An OAuth error code as Maskinporten writes it; any other text is dropped.
fn word(text: &str) -> String {
    let is_code = text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let kept = if is_code { text } else { "unnamed error" };
    kept.to_owned()
}

/// The `MP-…` code in Maskinporten's description.
fn code(description: &str) -> Option<String> {
    let start = description.find("MP-")?;
    let digits = description
        .get(start + 3..)?
        .chars()
        .take_while(char::is_ascii_digit);
    Some(format!("MP-{}", digits.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maskinportens_code_is_found_and_the_rest_left() {
        let description =
            "Invalid assertion. Client 6f1a authentication failed (MP-121) (trace id: 9)";
        assert_eq!(code(description).as_deref(), Some("MP-121"));
        assert_eq!(code("no code"), None);
    }

    #[test]
    fn an_error_code_is_repeated_and_no_other_text() {
        assert_eq!(word("invalid_grant"), "invalid_grant");
        for text in ["Ola Nordmann", "ola\n", "01017012345", &"a".repeat(41)] {
            assert_eq!(word(text), "unnamed error");
        }
    }

    #[test]
    fn the_expiry_is_read_from_the_token() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"exp":1787401802}"#);
        assert_eq!(
            expiry(&format!("h.{payload}.s")).unwrap().as_second(),
            1_787_401_802
        );
        assert_eq!(expiry("not a token"), None);
    }
}
