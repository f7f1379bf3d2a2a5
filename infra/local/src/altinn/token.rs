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
    pub(crate) claims: Value,
    expires: i64,
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
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let caller = Self {
            org: text("urn:altinn:org"),
            org_number: text("urn:altinn:orgNumber").unwrap_or_default(),
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

    /// What `createdBy` and `lastChangedBy` hold for an organisation.
    pub(crate) fn actor(&self) -> &str {
        &self.org_number
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
