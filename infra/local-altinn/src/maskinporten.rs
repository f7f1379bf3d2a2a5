//! Maskinporten: metadata, keys and the JWT grant.
//!
//! Rules of the grant: felleslosninger/docs: docs/Maskinporten/maskinporten_protocol_jwtgrant.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::responses;
use crate::token::verify;
use crate::world::World;
use crate::world::maskinporten::{ALGORITHMS, Client};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The largest difference of `iat` from Maskinporten's clock in seconds.
const ISSUE_TOLERANCE: i64 = 10;
/// The longest time between `iat` and `exp` in seconds.
const LONGEST_ASSERTION: i64 = 120;
/// Lifetime of an access token in seconds. `expires_in` is one second less.
const TOKEN_LIFETIME: i64 = 120;
/// Lifetime of a registered key.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A refused token request (RFC 6749, section 5.2, with Maskinporten's code in the description).
struct Refusal {
    error: &'static str,
    description: String,
}

fn refuse<T>(error: &'static str, code: u16, what: &str) -> Result<T, Refusal> {
    let trace = uuid::Uuid::new_v4().simple();
    Err(Refusal {
        error,
        description: format!("{what} (MP-{code:03}) (trace_id: {trace})"),
    })
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route(
            "/maskinporten/.well-known/oauth-authorization-server",
            get(metadata),
        )
        .route("/maskinporten/jwk", get(jwks))
        .route("/maskinporten/token", post(token))
}

pub(crate) fn issuer(world: &World) -> String {
    format!("{}/maskinporten/", world.public_url)
}

async fn metadata(State(world): State<Arc<World>>) -> Response {
    let issuer = issuer(&world);
    let document = json!({
        "issuer": issuer, "token_endpoint": format!("{issuer}token"), "jwks_uri": format!("{issuer}jwk"),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"], "grant_types_supported": [GRANT_TYPE],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "RS512"],
    });
    responses::json_value(StatusCode::OK, &document)
}

async fn jwks(State(world): State<Arc<World>>) -> Response {
    let published = world.maskinporten.public_keys();
    responses::json_value(StatusCode::OK, &json!({ "keys": published }))
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    match grant(&world, &headers, &body) {
        Ok(token) => responses::json_value(StatusCode::OK, &token),
        Err(refusal) => {
            let status = if refusal.error == "forbidden" {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::BAD_REQUEST
            };
            let body = json!({
                "error": refusal.error, "error_description": refusal.description,
                "error_uri": "https://docs.digdir.no/docs/Maskinporten/maskinporten_feilsokning",
            });
            responses::json_value(status, &body)
        }
    }
}

/// The JWT grant: an access token in exchange for a signed assertion.
fn grant(world: &World, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let assertion = read_assertion(headers, body)?;
    let (client_id, client, claims) = authenticate(world, &assertion)?;
    check_claims(world, &client_id, &claims)?;
    let scope = granted_scope(&client, &claims)?;
    let audience = requested_audience(&claims)?;
    let claims = access_claims(world, &client_id, &client.org_number, &scope, &audience);
    let Some(access_token) = world.maskinporten.sign(&claims) else {
        return refuse("server_error", 0, "Signing failed");
    };
    Ok(
        json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME - 1, "scope": scope }),
    )
}

fn read_assertion(headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return refuse("invalid_request", 11, "The request must be form encoded");
    }
    let form: BTreeMap<_, _> = form_urlencoded::parse(body).collect();
    if form.get("grant_type").map(AsRef::as_ref) != Some(GRANT_TYPE) {
        return refuse("unsupported_grant_type", 11, "Unsupported grant_type");
    }
    match form.get("assertion") {
        Some(assertion) => Ok(assertion.as_ref().to_owned()),
        None => refuse("invalid_request", 11, "The parameter assertion is missing"),
    }
}

/// Finds the client and checks its signature. Returns the client's id, the client and the claims.
fn authenticate(world: &World, assertion: &str) -> Result<(String, Client, Value), Refusal> {
    let Ok(unverified) = jsonwebtoken::dangerous::insecure_decode::<Value>(assertion) else {
        return refuse("invalid_grant", 11, "The assertion is not a JWT");
    };
    let client_id = unverified.claims["iss"].as_str().unwrap_or_default();
    let Some(client) = world.maskinporten.client(client_id) else {
        return refuse(
            "invalid_grant",
            100,
            "Unknown client, or client authentication failed",
        );
    };
    if !ALGORITHMS.contains(&unverified.header.alg) {
        return refuse("invalid_grant", 122, "Unsupported signing algorithm");
    }
    if unverified.header.kid.is_none() || unverified.header.kid != client.kid {
        return refuse("invalid_grant", 120, "No registered key has this kid");
    }
    if world.clock.now().duration_since(client.registered) > KEY_LIFETIME {
        return refuse("invalid_grant", 121, "The registered key has expired");
    }
    match verify(assertion, &client.key, &ALGORITHMS) {
        Some(claims) => Ok((client_id.to_owned(), client, claims)),
        None => refuse("invalid_grant", 123, "Invalid signature"),
    }
}

/// Checks audience and times, that the assertion is used once, and that it asks for nothing that is not supported here.
fn check_claims(world: &World, client_id: &str, claims: &Value) -> Result<(), Refusal> {
    if claims["aud"].as_str() != Some(&issuer(world)) {
        return refuse(
            "invalid_grant",
            110,
            "The audience of the assertion must be the issuer",
        );
    }
    let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
        return refuse("invalid_grant", 11, "The assertion must have iat and exp");
    };
    let now = world.clock.now().as_second();
    if issued > now + ISSUE_TOLERANCE {
        return refuse("invalid_grant", 130, "Issue time is after now");
    }
    if issued < now - ISSUE_TOLERANCE || expires <= now {
        return refuse("invalid_grant", 130, "The assertion has expired");
    }
    if expires - issued > LONGEST_ASSERTION {
        return refuse(
            "invalid_grant",
            130,
            "The assertion lives longer than 120 seconds",
        );
    }
    if let Some(jti) = claims["jti"].as_str()
        && !world
            .maskinporten
            .use_assertion(client_id, jti, expires, now)
    {
        return refuse("invalid_grant", 12, "The assertion has been used already");
    }
    for delegation in ["consumer_org", "iss_onbehalfof"] {
        if !claims[delegation].is_null() {
            return refuse("forbidden", 251, "No delegation from that organisation");
        }
    }
    if !claims["authorization_details"].is_null() {
        return refuse("invalid_request", 301, "No such system user");
    }
    Ok(())
}

fn granted_scope(client: &Client, claims: &Value) -> Result<String, Refusal> {
    let scopes: Vec<&str> = claims["scope"]
        .as_str()
        .unwrap_or_default()
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .collect();
    if scopes.is_empty() {
        return refuse("invalid_scope", 200, "No scope was asked for");
    }
    if scopes.iter().any(|scope| !client.scopes.contains(*scope)) {
        return refuse("invalid_scope", 201, "A scope is not granted to the client");
    }
    Ok(scopes.join(" "))
}

fn requested_audience(claims: &Value) -> Result<Value, Refusal> {
    match &claims["resource"] {
        Value::Null => Ok(json!("unspecified")),
        Value::Array(resources) if resources.iter().all(Value::is_string) => {
            Ok(match resources.as_slice() {
                [one] => one.clone(),
                several => json!(several),
            })
        }
        _ => refuse(
            "invalid_request",
            11,
            "resource must be an array of strings",
        ),
    }
}

pub(crate) fn access_claims(
    world: &World,
    client_id: &str,
    org_number: &str,
    scope: &str,
    audience: &Value,
) -> Value {
    let now = world.clock.now().as_second();
    json!({
        "iss": issuer(world), "client_id": client_id, "client_amr": "private_key_jwt",
        "consumer": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{org_number}") },
        "scope": scope, "token_type": "Bearer", "aud": audience, "iat": now, "exp": now + TOKEN_LIFETIME,
        "jti": uuid::Uuid::new_v4().simple().to_string(),
    })
}
