//! Altinn tokens: who calls.

use axum::http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;

use super::answer::{self, Refusal};
use super::world::World;

/// A caller with a valid Altinn token.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Claim `urn:altinn:org`.
    pub(crate) org: Option<String>,
    /// Claim `urn:altinn:orgNumber`.
    pub(crate) org_number: String,
    /// The person who calls, where it is one.
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
    /// The caller named by the bearer token.
    pub(crate) fn of(world: &World, headers: &HeaderMap) -> Result<Self, Refusal> {
        let refused = || Refusal::from(answer::empty(StatusCode::UNAUTHORIZED));
        let token = bearer(headers).ok_or_else(refused)?;
        let claims =
            verify(token, &world.altinn_verifying, &[Algorithm::RS256]).ok_or_else(refused)?;
        let number = |name: &str| claims[name].as_i64();
        let (Some(expires), not_before) = (number("exp"), number("nbf").unwrap_or(0)) else {
            return Err(refused());
        };
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
        if !caller.is_alive(world) || not_before > world.clock.now().as_second() {
            return Err(refused());
        }
        Ok(caller)
    }

    /// Whether the token is valid now, with zero clock skew.
    pub(crate) fn is_alive(&self, world: &World) -> bool {
        world.clock.now().as_second() < self.expires
    }

    /// What `createdBy` and `lastChangedBy` hold.
    pub(crate) fn actor(&self) -> &str {
        self.user.as_ref().map_or(&self.org_number, |user| &user.id)
    }

    /// Whom the history of a process names.
    pub(crate) fn performer(&self) -> &str {
        self.org.as_deref().unwrap_or_else(|| self.actor())
    }

    /// Storage takes data and process events only from an organisation or a user that it knows.
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

/// The claims of a JWT whose signature is right. Times are left to the caller, who has the clock.
pub(crate) fn verify(
    token: &str,
    key: &jsonwebtoken::DecodingKey,
    algorithms: &[Algorithm],
) -> Option<Value> {
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
