//! Altinn Authentication: the exchange of Maskinporten tokens.
//!
//! Source of the rules: Altinn/altinn-authentication: src/Authentication/Controllers/AuthenticationController.cs.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use crate::responses;
use crate::token::bearer;
use crate::world::World;

/// Lifetime of an Altinn token in seconds.
const TOKEN_LIFETIME: i64 = 30 * 60;
/// Clock skew in seconds that the token exchange allows.
const SKEW: i64 = 10;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/authentication/api/v1/exchange/{provider}", get(exchange))
}

fn base(world: &World) -> String {
    format!("{}/authentication/api/v1", world.public_url)
}

async fn exchange(
    State(world): State<Arc<World>>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key("x-altinn-enterpriseuser-authentication") {
        return responses::problem(
            StatusCode::GONE,
            "Gone",
            "Enterprise user authentication is retired",
        );
    }
    if provider != "maskinporten" {
        return responses::text(
            StatusCode::BAD_REQUEST,
            format!(
                "Invalid token provider: {provider}. Trusted token providers are: maskinporten"
            ),
        );
    }
    let refused = || responses::empty(StatusCode::UNAUTHORIZED);
    let Some(claims) = bearer(&headers).and_then(|token| world.maskinporten.verify(token)) else {
        return refused();
    };
    let now = world.clock.now().as_second();
    let time = |name: &str| claims[name].as_i64();
    if time("exp").is_none_or(|expires| expires + SKEW <= now)
        || time("nbf").is_some_and(|from| from - SKEW > now)
    {
        return refused();
    }
    let Some(number) = claims["consumer"]["ID"]
        .as_str()
        .and_then(|id| id.strip_prefix("0192:"))
        .map(str::to_owned)
    else {
        return refused();
    };
    let mut exchanged = claims;
    if let Some(object) = exchanged.as_object_mut() {
        for removed in ["aud", "iss", "client_amr", "sid"] {
            object.shift_remove(removed);
        }
    }
    // Compared as a substring here, as a whole word everywhere else.
    let is_service_owner = exchanged["scope"]
        .as_str()
        .is_some_and(|scope| scope.contains("altinn:serviceowner"));
    if let Some(owner) = world
        .register
        .service_owner_by_number(&number)
        .filter(|_| is_service_owner)
    {
        let is_test = query.is_some_and(|query| {
            form_urlencoded::parse(query.as_bytes())
                .any(|(name, value)| name == "test" && value.eq_ignore_ascii_case("true"))
        });
        let org = if is_test && owner.org == "digdir" {
            "ttd"
        } else {
            &owner.org
        };
        exchanged["urn:altinn:org"] = json!(org);
    }
    exchanged["urn:altinn:orgNumber"] = json!(number);
    exchanged["urn:altinn:authenticatemethod"] = json!("maskinporten");
    exchanged["urn:altinn:authlevel"] = json!(3);
    issue(&world, exchanged, &headers)
}

/// Signs claims as an Altinn token.
pub(super) fn signed(world: &World, claims: &Value) -> jsonwebtoken::errors::Result<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(world.altinn_key.kid().to_owned());
    header.x5t = header.kid.clone();
    world.altinn_key.sign_with(&header, claims)
}

fn issue(world: &World, mut claims: Value, headers: &HeaderMap) -> Response {
    let now = world.clock.now().as_second();
    claims["iss"] = json!(format!("{}/openid/", base(world)));
    claims["sid"] = json!(uuid::Uuid::new_v4());
    claims["nbf"] = json!(now);
    claims["iat"] = json!(now);
    claims["exp"] = json!(now + TOKEN_LIFETIME);
    let Ok(token) = signed(world, &claims) else {
        return responses::empty(StatusCode::UNAUTHORIZED);
    };
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("application/json") {
        responses::json_value(StatusCode::OK, &json!(token))
    } else {
        responses::text(StatusCode::OK, token)
    }
}
