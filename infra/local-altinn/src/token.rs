//! Altinn tokens and the callers whom they name.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// A caller with a valid Altinn token.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Claim `urn:altinn:org`.
    pub(crate) org: Option<String>,
    /// Claim `urn:altinn:orgNumber`.
    pub(crate) org_number: String,
    /// The user, if the caller is a person.
    pub(crate) user: Option<User>,
    /// Claim `urn:altinn:authlevel`.
    pub(crate) level: u8,
    pub(crate) claims: Value,
    expires: i64,
}

/// A person with a token of Altinn's portal.
#[derive(Clone)]
pub(crate) struct User {
    /// Claim `urn:altinn:userid`.
    pub(crate) id: String,
    /// Claim `urn:altinn:partyid`.
    pub(crate) party: u32,
}

impl Caller {
    /// The caller whom a token names, if Altinn signed the token and it is valid at `now`.
    pub(crate) fn from_token(token: &str, key: &DecodingKey, now: Timestamp) -> Option<Self> {
        let claims = verify(token, key, &[Algorithm::RS256])?;
        let number = |name: &str| claims[name].as_i64();
        let expires = number("exp")?;
        let not_before = number("nbf").unwrap_or(0);
        let text = |name: &str| match &claims[name] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let user = text("urn:altinn:userid").zip(text("urn:altinn:partyid"));
        let caller = Self {
            org: text("urn:altinn:org"),
            org_number: text("urn:altinn:orgNumber").unwrap_or_default(),
            user: user.and_then(|(id, party)| {
                Some(User {
                    id,
                    party: party.parse().ok()?,
                })
            }),
            level: text("urn:altinn:authlevel")
                .and_then(|level| level.parse().ok())
                .unwrap_or(0),
            expires,
            claims,
        };
        (caller.is_alive(now) && not_before <= now.as_second()).then_some(caller)
    }

    /// Whether the token has not expired at `now`. No clock skew is allowed.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires
    }

    /// The caller as a value of `createdBy` and `lastChangedBy`.
    pub(crate) fn actor(&self) -> &str {
        self.user.as_ref().map_or(&self.org_number, |user| &user.id)
    }

    /// The caller's name in the history of a process.
    pub(crate) fn performer(&self) -> &str {
        self.org.as_deref().unwrap_or_else(|| self.actor())
    }

    /// Whether Storage accepts data and process events from the caller: it does from service owners and users.
    pub(crate) fn is_known_to_storage(&self) -> bool {
        self.org.is_some() || self.user.is_some()
    }

    /// Whether the token has a scope, as a whole word.
    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        has_scope(&self.claims, wanted)
    }

    pub(crate) fn owns(&self, org: &str) -> bool {
        self.org.as_deref() == Some(org)
    }
}

pub(crate) fn has_scope(claims: &Value, wanted: &str) -> bool {
    claims["scope"]
        .as_str()
        .is_some_and(|scopes| scopes.split(' ').any(|scope| scope == wanted))
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The claims of a JWT, if its signature is valid. The times are not checked here, because they depend on the clock.
pub(crate) fn verify(token: &str, key: &DecodingKey, algorithms: &[Algorithm]) -> Option<Value> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = algorithms.to_vec();
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, key, &validation)
        .ok()
        .map(|token| token.claims)
}
