//! What Maskinporten remembers: its clients, the assertions that were used, and its own keys.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use crate::keys::{DevelopmentKey, verifying_key};
use crate::token::verify;

/// The signature algorithms that Maskinporten accepts.
pub(crate) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// A client of Maskinporten.
#[derive(Clone, Debug)]
pub struct ClientRegistration {
    /// The client's id, the `iss` of its assertions.
    pub client_id: String,
    /// Number of the organisation for which the client acts (nine digits).
    pub org_number: String,
    /// The scopes that are granted to the client.
    pub scopes: Vec<String>,
    /// The client's public key as a JWK with `kid`.
    pub jwk: Value,
}

pub(crate) struct Maskinporten {
    clients: Mutex<HashMap<String, Client>>,
    /// When each used assertion expires (seconds since 1970), by client and `jti`.
    used: Mutex<HashMap<(String, String), i64>>,
    keys: Mutex<Keys>,
}

/// A registered client, as the token endpoint checks it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) org_number: String,
    pub(crate) scopes: HashSet<String>,
    pub(crate) kid: Option<String>,
    pub(crate) key: DecodingKey,
    pub(crate) registered: Timestamp,
}

struct Keys {
    signing: DevelopmentKey,
    /// Key id, public JWK and verifying key.
    published: Vec<(String, Value, DecodingKey)>,
    /// The key to sign with after the next rollover.
    next: Option<DevelopmentKey>,
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
        lock(&self.clients).insert(registration.client_id.clone(), client);
        Ok(())
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        lock(&self.clients).get(id).cloned()
    }

    /// Remembers an assertion until it expires. Returns whether it had not been used before.
    pub(crate) fn use_assertion(&self, client_id: &str, jti: &str, expires: i64, now: i64) -> bool {
        let mut used = lock(&self.used);
        used.retain(|_, expires| *expires > now);
        let key = (client_id.to_owned(), jti.to_owned());
        used.insert(key, expires).is_none()
    }

    /// The public keys, as the JWKS shows them.
    pub(crate) fn public_keys(&self) -> Vec<Value> {
        let keys = lock(&self.keys);
        keys.published
            .iter()
            .map(|(_, jwk, _)| jwk.clone())
            .collect()
    }

    /// Starts to sign with another key. The JWKS shows both keys from then on.
    pub(crate) fn roll_keys(&self) -> io::Result<()> {
        let mut keys = lock(&self.keys);
        if let Some(next) = keys.next.take() {
            let entry = published(&next)?;
            keys.published.push(entry);
            keys.signing = next;
        }
        Ok(())
    }

    /// The claims of an access token, if Maskinporten signed it. The times are not checked.
    pub(crate) fn verify(&self, token: &str) -> Option<Value> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let keys = lock(&self.keys);
        let (_, _, key) = keys
            .published
            .iter()
            .find(|(published, _, _)| *published == kid)?;
        verify(token, key, &ALGORITHMS)
    }

    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let keys = lock(&self.keys);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
