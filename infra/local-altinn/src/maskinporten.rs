//! Maskinporten: metadata, keys and the JWT grant.
//!
//! Rules of the grant: felleslosninger/docs: docs/Maskinporten/maskinporten_protocol_jwtgrant.md.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};

use super::answer;
use super::keys::{DevelopmentKey, verifying_key};
use super::token::verify;
use super::world::World;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
/// Seconds that `iat` may be away from Maskinporten's clock.
const ISSUE_TOLERANCE: i64 = 10;
/// Seconds between `iat` and `exp` at most.
const LONGEST_ASSERTION: i64 = 120;
/// Seconds that an access token lives; `expires_in` says one less.
const TOKEN_LIFETIME: i64 = 120;
/// Registered keys expire after one year.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A client of Maskinporten.
#[derive(Clone, Debug)]
pub struct ClientRegistration {
    /// The client's id, the `iss` of its assertions.
    pub client_id: String,
    /// Number of the organisation that the client acts for (nine digits).
    pub org_number: String,
    /// Scopes granted to it.
    pub scopes: Vec<String>,
    /// Its public key as a JWK with `kid`.
    pub jwk: Value,
}

pub(crate) struct Maskinporten {
    clients: Mutex<HashMap<String, Client>>,
    used: Mutex<HashMap<(String, String), i64>>,
    keys: Mutex<Keys>,
}

struct Client {
    org_number: String,
    scopes: HashSet<String>,
    kid: Option<String>,
    key: DecodingKey,
    registered: Timestamp,
}

struct Keys {
    signing: DevelopmentKey,
    published: Vec<(String, Value, DecodingKey)>,
    next: Option<DevelopmentKey>,
}

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

impl Maskinporten {
    pub(crate) fn new() -> io::Result<Self> {
        let signing = DevelopmentKey::named("maskinporten")?;
        let keys = Keys {
            published: vec![published(&signing)?],
            signing,
            next: Some(DevelopmentKey::named("maskinporten_next")?),
        };
        Ok(Self {
            clients: Mutex::default(),
            used: Mutex::default(),
            keys: Mutex::new(keys),
        })
    }

    pub(crate) fn register(
        &self,
        registration: &ClientRegistration,
        now: Timestamp,
    ) -> io::Result<()> {
        let key = verifying_key(&registration.jwk).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("client {}: jwk: {error}", registration.client_id),
            )
        })?;
        let client = Client {
            org_number: registration.org_number.clone(),
            scopes: registration.scopes.iter().cloned().collect(),
            kid: registration.jwk["kid"].as_str().map(str::to_owned),
            key,
            registered: now,
        };
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(registration.client_id.clone(), client);
        Ok(())
    }

    /// Starts to sign with another key, which the JWKS shows beside the old one from now on.
    pub(crate) fn roll_keys(&self) -> io::Result<()> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = keys.next.take() {
            let entry = published(&next)?;
            keys.published.push(entry);
            keys.signing = next;
        }
        Ok(())
    }

    /// The claims of an access token that Maskinporten signed, times unchecked.
    pub(crate) fn verify(&self, token: &str) -> Option<Value> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, _, key) = keys
            .published
            .iter()
            .find(|(published, _, _)| *published == kid)?;
        verify(token, key, &ALGORITHMS)
    }

    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.signing.sign(Algorithm::RS256, claims).ok()
    }
}

fn published(key: &DevelopmentKey) -> io::Result<(String, Value, DecodingKey)> {
    Ok((
        key.kid().to_owned(),
        key.public_jwk(),
        key.verifying().map_err(io::Error::other)?,
    ))
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
    answer::json_value(StatusCode::OK, &document)
}

async fn jwks(State(world): State<Arc<World>>) -> Response {
    let keys = world
        .maskinporten
        .keys
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let published: Vec<_> = keys.published.iter().map(|(_, jwk, _)| jwk).collect();
    answer::json_value(StatusCode::OK, &json!({ "keys": published }))
}

async fn token(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    match grant(&world, &headers, &body) {
        Ok(token) => answer::json_value(StatusCode::OK, &token),
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
            answer::json_value(status, &body)
        }
    }
}

fn grant(world: &World, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
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
    let Some(assertion) = form.get("assertion") else {
        return refuse("invalid_request", 11, "The parameter assertion is missing");
    };
    let now = world.clock.now();
    let maskinporten = &world.maskinporten;

    let Ok(unverified) = jsonwebtoken::dangerous::insecure_decode::<Value>(assertion.as_ref())
    else {
        return refuse("invalid_grant", 11, "The assertion is not a JWT");
    };
    let client_id = unverified.claims["iss"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let clients = maskinporten
        .clients
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Some(client) = clients.get(&client_id) else {
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
    if now.duration_since(client.registered) > KEY_LIFETIME {
        return refuse("invalid_grant", 121, "The registered key has expired");
    }
    let Some(claims) = verify(assertion, &client.key, &ALGORITHMS) else {
        return refuse("invalid_grant", 123, "Invalid signature");
    };
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
    let second = now.as_second();
    if issued > second + ISSUE_TOLERANCE {
        return refuse("invalid_grant", 130, "Issue time is after now");
    }
    if issued < second - ISSUE_TOLERANCE || expires <= second {
        return refuse("invalid_grant", 130, "The assertion has expired");
    }
    if expires - issued > LONGEST_ASSERTION {
        return refuse(
            "invalid_grant",
            130,
            "The assertion lives longer than 120 seconds",
        );
    }
    if let Some(jti) = claims["jti"].as_str() {
        let mut used = maskinporten
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expires| *expires > second);
        if used
            .insert((client_id.clone(), jti.to_owned()), expires)
            .is_some()
        {
            return refuse("invalid_grant", 12, "The assertion has been used already");
        }
    }
    for delegation in ["consumer_org", "iss_onbehalfof"] {
        if !claims[delegation].is_null() {
            return refuse("forbidden", 251, "No delegation from that organisation");
        }
    }
    if !claims["authorization_details"].is_null() {
        return refuse("invalid_request", 301, "No such system user");
    }
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
    let audience = match &claims["resource"] {
        Value::Null => json!("unspecified"),
        Value::Array(resources) if resources.iter().all(Value::is_string) => {
            match resources.as_slice() {
                [one] => one.clone(),
                several => json!(several),
            }
        }
        _ => {
            return refuse(
                "invalid_request",
                11,
                "resource must be an array of strings",
            );
        }
    };
    let scope = scopes.join(" ");
    let claims = access_claims(world, &client_id, &client.org_number, &scope, &audience);
    let Some(access_token) = maskinporten.sign(&claims) else {
        return refuse("server_error", 0, "Signing failed");
    };
    Ok(
        json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME - 1, "scope": scope }),
    )
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
