//! An issuer's signing keys: discovered, cached, and read again when a token names a key that is not among them.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{StatusCode, Url, redirect};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::{Mutex, RwLock};

/// Keys are read again after a day, so that a withdrawn one does not stay valid in a busy container.
const FRESH: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two requests for keys while some are held, however many unknown key ids come.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The least time between two requests while none are held: shorter, since nobody can call until then.
const PAUSE_WITHOUT_KEYS: SignedDuration = SignedDuration::from_secs(5);

const CONNECT: Duration = Duration::from_secs(3);
/// For metadata and keys together.
const FETCH: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 64 * 1024;

/// Keys that cannot be read.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The issuer does not answer, or breaks off.
    #[error(
        "cannot read the issuer's {what}: it does not answer; see that the function can reach it"
    )]
    Unreachable {
        /// Metadata or keys.
        what: &'static str,
        /// What the HTTP client said, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// The issuer takes too long.
    #[error("the issuer's metadata and keys did not arrive within {} seconds", FETCH.as_secs())]
    Slow,
    /// The issuer answers with a status other than 200; redirects are not followed.
    #[error("cannot read the issuer's {what}: it answers {status}")]
    Status {
        /// Metadata or keys.
        what: &'static str,
        /// The answer's status.
        status: StatusCode,
    },
    /// The answer is longer than any such document.
    #[error("the issuer's {what} are longer than {MAX_BODY} bytes")]
    TooLong {
        /// Metadata or keys.
        what: &'static str,
    },
    /// The answer is not the document.
    #[error("the issuer's {what} are not the JSON document that RFC {rfc} describes")]
    Malformed {
        /// Metadata or keys.
        what: &'static str,
        /// The specification that the answer does not follow.
        rfc: u16,
    },
    /// The metadata are another issuer's.
    #[error(
        "the metadata name another issuer; TRIGGER_ISSUER must be the issuer's own name, to the last character"
    )]
    OtherIssuer,
    /// The metadata send us to an address without TLS.
    #[error("the metadata's jwks_uri is not an https address")]
    Insecure,
    /// No key that could sign a token.
    #[error("the issuer's keys hold no RSA key for signing")]
    Empty,
}

/// One public key.
#[derive(Debug)]
struct Key {
    id: String,
    /// Any, unless the key names its own.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Debug)]
struct KeySet {
    keys: Vec<Key>,
    read: Timestamp,
}

impl KeySet {
    fn find(&self, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut keys = self.keys.iter();
        let found =
            keys.find(|key| key.id == id && key.algorithm.is_none_or(|own| own == algorithm))?;
        Some(found.key.clone())
    }
}

/// The last request for keys.
#[derive(Debug)]
struct Attempt {
    at: Timestamp,
    error: Option<Arc<KeysError>>,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) enum Lookup {
    /// The key.
    Found(DecodingKey),
    /// The issuer has no such key, as of a minute ago at most.
    Unknown,
    /// The keys cannot be read now. The caller may try again after `retry_after`.
    Unavailable {
        error: Arc<KeysError>,
        retry_after: Duration,
    },
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    http: reqwest::Client,
    held: RwLock<Option<KeySet>>,
    /// Locked while keys are read, so that one request serves all calls that wait for it.
    last: Mutex<Option<Attempt>>,
}

impl Keys {
    pub(super) fn new(issuer: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            // Requests are rare, and a container that was frozen would find a dead connection.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            issuer: issuer.to_owned(),
            http,
            held: RwLock::new(None),
            last: Mutex::new(None),
        })
    }

    /// The key named `id` for `algorithm`, from the cache or else from the issuer.
    pub(super) async fn find(&self, id: &str, algorithm: Algorithm, now: Timestamp) -> Lookup {
        if let Some(key) = self.fresh(id, algorithm, now).await {
            return Lookup::Found(key);
        }
        let mut last = self.last.lock().await;
        // While this call waited for the lock, another may have read the key.
        if let Some(key) = self.fresh(id, algorithm, now).await {
            return Lookup::Found(key);
        }
        let pause = match *self.held.read().await {
            Some(_) => PAUSE,
            None => PAUSE_WITHOUT_KEYS,
        };
        let due = |attempt: &Attempt| now.duration_since(attempt.at) >= pause;
        if last.as_ref().is_none_or(due) {
            let error = match self.fetch(now).await {
                Ok(set) => {
                    *self.held.write().await = Some(set);
                    None
                }
                Err(error) => Some(Arc::new(error)),
            };
            *last = Some(Attempt { at: now, error });
        }
        // An old key is better than none, but an old set does not prove that a key does not exist.
        if let Some(set) = &*self.held.read().await
            && let Some(key) = set.find(id, algorithm)
        {
            return Lookup::Found(key);
        }
        match &*last {
            Some(Attempt {
                at,
                error: Some(error),
            }) => Lookup::Unavailable {
                error: Arc::clone(error),
                retry_after: Duration::try_from(pause - now.duration_since(*at))
                    .unwrap_or_default()
                    .max(Duration::from_secs(1)),
            },
            _ => Lookup::Unknown,
        }
    }

    /// The key, if the cached set is fresh.
    async fn fresh(&self, id: &str, algorithm: Algorithm, now: Timestamp) -> Option<DecodingKey> {
        let held = self.held.read().await;
        let set = held.as_ref()?;
        (now.duration_since(set.read) < FRESH)
            .then(|| set.find(id, algorithm))
            .flatten()
    }

    async fn fetch(&self, now: Timestamp) -> Result<KeySet, KeysError> {
        tokio::time::timeout(FETCH, self.discover(now))
            .await
            .unwrap_or(Err(KeysError::Slow))
    }

    async fn discover(&self, now: Timestamp) -> Result<KeySet, KeysError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let address = format!("{}.well-known/oauth-authorization-server", self.issuer);
        let body = self.get("metadata", &address).await?;
        let metadata: Metadata =
            serde_json::from_slice(&body).map_err(|_| KeysError::Malformed {
                what: "metadata",
                rfc: 8414,
            })?;
        if metadata.issuer != self.issuer {
            return Err(KeysError::OtherIssuer);
        }
        if !self.may_hold_keys(&metadata.jwks_uri) {
            return Err(KeysError::Insecure);
        }
        let body = self.get("keys", &metadata.jwks_uri).await?;
        let keys = parse(&body)?;
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        Ok(KeySet { keys, read: now })
    }

    /// Keys are read over TLS. Only an issuer on this machine may serve them, from this machine, without it.
    fn may_hold_keys(&self, address: &str) -> bool {
        let local = |url: &Url| {
            url.scheme() == "http"
                && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
        };
        let local_issuer = Url::parse(&self.issuer).is_ok_and(|url| local(&url));
        Url::parse(address)
            .is_ok_and(|url| url.scheme() == "https" || (local_issuer && local(&url)))
    }

    async fn get(&self, what: &'static str, address: &str) -> Result<Vec<u8>, KeysError> {
        let unreachable = |error: reqwest::Error| KeysError::Unreachable {
            what,
            source: error.without_url(),
        };
        let mut answer = self.http.get(address).send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(KeysError::Status {
                what,
                status: answer.status(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(KeysError::TooLong { what });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The signing keys of a JWK set. Keys of other kinds are skipped, since an issuer may add them.
fn parse(body: &[u8]) -> Result<Vec<Key>, KeysError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        kid: String,
        #[serde(rename = "use")]
        usage: Option<String>,
        alg: Option<String>,
        n: String,
        e: String,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| KeysError::Malformed {
        what: "keys",
        rfc: 7517,
    })?;
    let keys = set.keys.into_iter().filter_map(|value| {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.kty != "RSA" || jwk.usage.is_some_and(|usage| usage != "sig") {
            return None;
        }
        Some(Key {
            id: jwk.kid,
            algorithm: jwk.alg.map(|name| name.parse()).transpose().ok()?,
            key: DecodingKey::from_rsa_components(&jwk.n, &jwk.e).ok()?,
        })
    });
    Ok(keys.collect())
}
