//! Authenticates callers: verifies the Maskinporten access token of an inbound call.
//!
//! These are the checks that Maskinporten requires of an API
//! (docs.digdir.no/docs/Maskinporten/maskinporten_guide_apitilbyder).

mod keys;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use thiserror::Error;

pub use self::keys::KeysError;
use self::keys::{Keys, Lookup};
use crate::settings::CallerSettings;

/// How far the issuer's clock and ours may be apart, in seconds.
const LEEWAY: f64 = 10.0;

/// How ISO 6523 writes a Norwegian organisation number.
const ORGANISATION_PREFIX: &str = "0192:";

/// An organisation that may trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its organisation number, nine digits. Under delegation, of the organisation acted for.
    pub organisation: String,
}

/// A caller that is refused. No variant holds any part of the token.
#[derive(Debug, Error)]
pub enum CallerError {
    /// The token is not valid: 401.
    #[error("the access token is not accepted")]
    Unauthorized(#[from] TokenFault),
    /// The token is valid, but does not allow this call: 403.
    #[error("the access token gives no right to this call")]
    Forbidden(#[from] MissingRight),
    /// The issuer's keys cannot be read, so the token cannot be checked: 503.
    #[error("the access token cannot be checked now")]
    Unavailable {
        /// Why not.
        #[source]
        source: Arc<KeysError>,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenFault {
    /// Not a signed JWT.
    #[error("it is not a signed JWT")]
    NotAToken,
    /// Another algorithm than ours, or extensions that must be understood.
    #[error("it is not signed with RS256, RS384 or RS512")]
    Algorithm,
    /// No `kid` in its header.
    #[error("its header names no key (kid)")]
    NoKeyId,
    /// No such key.
    #[error("the issuer has no key of that kid and algorithm")]
    UnknownKey,
    /// Signed by somebody else, or changed.
    #[error("its signature does not match the issuer's key")]
    Signature,
    /// A claim is missing or of another type.
    #[error("a claim is missing or not of its type; iss and exp are required")]
    Claims,
    /// `iss` names another issuer.
    #[error("it was issued by another issuer than this API trusts")]
    Issuer,
    /// `exp` has passed.
    #[error("it has expired; get a new one")]
    Expired,
    /// `nbf` is in the future.
    #[error("it is not valid yet; check the clocks")]
    NotYetValid,
    /// `aud` names another audience.
    #[error(
        "it is meant for another audience; ask Maskinporten for a token with this API as resource"
    )]
    Audience,
}

/// What a valid token lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MissingRight {
    /// Not the scope.
    #[error(
        "it lacks the scope of this API; ask its owner for access and request the scope from Maskinporten"
    )]
    Scope,
    /// Not the organisation.
    #[error(
        "its organisation (consumer) is not among those that may trigger; ask the API's owner to add it"
    )]
    Consumer,
}

/// Verifies access tokens against one issuer's keys, which it discovers and caches.
#[derive(Debug)]
pub struct CallerVerifier {
    settings: CallerSettings,
    keys: Keys,
}

impl CallerVerifier {
    /// Reads nothing yet; the keys are read when the first token comes.
    ///
    /// # Errors
    /// [`reqwest::Error`] when TLS cannot be set up on this machine.
    pub fn new(settings: CallerSettings) -> Result<Self, reqwest::Error> {
        Ok(Self {
            keys: Keys::new(&settings.issuer)?,
            settings,
        })
    }

    /// The organisation that `token` speaks for, at the time `now`.
    ///
    /// # Errors
    /// [`CallerError`], by the status that the caller gets.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, CallerError> {
        let claims = self.authentic(token, now).await?;
        claims.check_validity(&self.settings, now)?;
        Ok(claims.caller(&self.settings)?)
    }

    /// The claims of a token that the issuer signed. They are not checked yet.
    async fn authentic(&self, token: &str, now: Timestamp) -> Result<Claims, CallerError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::NotAToken)?;
        let ours = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
        // A critical extension that is not understood must not be accepted (RFC 7515, section 4.1.11).
        if !ours.contains(&header.alg) || header.crit.is_some() {
            return Err(TokenFault::Algorithm.into());
        }
        let id = header.kid.ok_or(TokenFault::NoKeyId)?;
        let key = match self.keys.find(&id, header.alg, now).await {
            Lookup::Found(key) => key,
            Lookup::Unknown => return Err(TokenFault::UnknownKey.into()),
            Lookup::Unavailable { error, retry_after } => {
                return Err(CallerError::Unavailable {
                    source: error,
                    retry_after,
                });
            }
        };
        // The library checks only the signature: its checks of claims read the machine's clock and skip
        // missing claims.
        let mut signature_only = Validation::new(header.alg);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        let token =
            jsonwebtoken::decode::<Claims>(token, &key, &signature_only).map_err(|error| {
                match error.kind() {
                    jsonwebtoken::errors::ErrorKind::Json(_) => TokenFault::Claims,
                    _ => TokenFault::Signature,
                }
            })?;
        Ok(token.claims)
    }
}

/// The claims of a Maskinporten access token, as far as they are checked. Times are seconds since 1970.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    exp: f64,
    nbf: Option<f64>,
    aud: Option<Audience>,
    scope: Option<String>,
    consumer: Option<Consumer>,
}

/// RFC 7519, section 4.1.3: one string or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Consumer {
    #[serde(rename = "ID")]
    id: String,
}

impl Claims {
    fn check_validity(&self, settings: &CallerSettings, now: Timestamp) -> Result<(), TokenFault> {
        if self.iss != settings.issuer {
            return Err(TokenFault::Issuer);
        }
        let now = now.as_duration().as_secs_f64();
        if now >= self.exp + LEEWAY {
            return Err(TokenFault::Expired);
        }
        if self.nbf.is_some_and(|begin| now < begin - LEEWAY) {
            return Err(TokenFault::NotYetValid);
        }
        let named = |wanted: &String| match &self.aud {
            None => false,
            Some(Audience::One(audience)) => audience == wanted,
            Some(Audience::Several(audiences)) => audiences.contains(wanted),
        };
        match &settings.audience {
            Some(wanted) if !named(wanted) => Err(TokenFault::Audience),
            _ => Ok(()),
        }
    }

    fn caller(&self, settings: &CallerSettings) -> Result<Caller, MissingRight> {
        let scopes = self.scope.as_deref().unwrap_or_default();
        if !scopes.split(' ').any(|scope| scope == settings.scope) {
            return Err(MissingRight::Scope);
        }
        let number = self
            .consumer
            .as_ref()
            .and_then(|consumer| consumer.id.strip_prefix(ORGANISATION_PREFIX));
        match number {
            Some(number) if settings.consumers.iter().any(|allowed| allowed == number) => {
                Ok(Caller {
                    organisation: number.to_owned(),
                })
            }
            _ => Err(MissingRight::Consumer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> CallerSettings {
        CallerSettings {
            issuer: "https://test.maskinporten.no/".to_owned(),
            scope: "ttd:stafett.trigger".to_owned(),
            consumers: vec!["310075728".to_owned()],
            audience: None,
        }
    }

    fn claims(more: &str) -> Claims {
        let json = format!(r#"{{"iss":"https://test.maskinporten.no/",{more}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    proptest! {
        #[test]
        fn a_token_is_valid_between_nbf_and_exp_with_ten_seconds_of_leeway(
            exp in 0..4_000_000_000_i64, life in 0..200_i64, early in -300..300_i64
        ) {
            let nbf = exp - life;
            let now = exp + early;
            let token = claims(&format!(r#""exp":{exp},"nbf":{nbf}"#));
            let at = Timestamp::from_second(now).unwrap();
            let expected = if now >= exp + 10 {
                Err(TokenFault::Expired)
            } else if now < nbf - 10 {
                Err(TokenFault::NotYetValid)
            } else {
                Ok(())
            };
            prop_assert_eq!(token.check_validity(&settings(), at), expected);
        }

        #[test]
        fn a_scope_is_a_whole_word_between_spaces(scopes in "[a-z:. ]{0,40}", inside: bool) {
            let scope = if inside { format!("{scopes} ttd:stafett.trigger") } else { scopes };
            let expected = scope.split_ascii_whitespace().any(|word| word == "ttd:stafett.trigger");
            let token = claims(&format!(
                r#""exp":1,"scope":"{scope}","consumer":{{"ID":"0192:310075728"}}"#
            ));
            prop_assert_eq!(token.caller(&settings()).is_ok(), expected);
        }

        #[test]
        fn only_an_organisation_on_the_list_is_a_caller(number in "(0192:)?[0-9]{8,10}|310075728") {
            let token = claims(&format!(
                r#""exp":1,"scope":"ttd:stafett.trigger","consumer":{{"ID":"0192:{number}"}}"#
            ));
            prop_assert_eq!(token.caller(&settings()).is_ok(), number == "310075728");
        }
    }
}
