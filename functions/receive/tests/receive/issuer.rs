//! An issuer of access tokens: metadata, keys, and a place that nobody must ever visit.

use std::{
    convert::Infallible,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{AlgorithmParameters, Jwk},
};
use serde_json::{Value, json};
use stafett_runtime::settings::CallerSettings;
use tokio::task::JoinSet;

pub(crate) const SCOPE: &str = "ttd:stafett.trigger";
pub(crate) const ORGANISATION: &str = "310075728";
pub(crate) const KID: &str = "key-1";

/// What the issuer answers when its keys or its metadata are asked for.
#[derive(Clone)]
pub(crate) enum Reply {
    Document(Value),
    Status(u16),
    /// A redirect to the trap, which would give what was asked for.
    Redirect,
    /// What was asked for, packed: see [`packed`].
    Packed(Bytes),
    /// An answer that does not end.
    Endless,
}

struct Shared {
    metadata: Mutex<Reply>,
    keys: Mutex<Reply>,
    metadata_read: AtomicUsize,
    keys_read: AtomicUsize,
    trapped: AtomicUsize,
}

pub(crate) struct Issuer {
    /// As it stands in tokens: with its trailing slash.
    pub(crate) name: String,
    shared: Arc<Shared>,
    server: JoinSet<()>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = format!("http://{}/issuer/", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            metadata: Mutex::new(Reply::Document(metadata(&name))),
            keys: Mutex::new(Reply::Document(json!({ "keys": [jwk("issuer", KID)] }))),
            metadata_read: AtomicUsize::new(0),
            keys_read: AtomicUsize::new(0),
            trapped: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route(
                "/issuer/.well-known/oauth-authorization-server",
                get(async |State(shared): State<Arc<Shared>>| {
                    shared.metadata_read.fetch_add(1, Ordering::SeqCst);
                    answer(&shared.metadata)
                }),
            )
            .route(
                "/issuer/jwk",
                get(async |State(shared): State<Arc<Shared>>| {
                    shared.keys_read.fetch_add(1, Ordering::SeqCst);
                    answer(&shared.keys)
                }),
            )
            .route(
                "/trap",
                get(async |State(shared): State<Arc<Shared>>| {
                    shared.trapped.fetch_add(1, Ordering::SeqCst);
                    json!({ "keys": [jwk("issuer", KID)] }).to_string()
                }),
            )
            .with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            name,
            shared,
            server,
        }
    }

    /// From now on nobody listens.
    pub(crate) async fn stop(mut self) {
        self.server.shutdown().await;
    }

    pub(crate) fn settings(&self) -> CallerSettings {
        CallerSettings {
            issuer: self.name.clone(),
            scope: SCOPE.to_owned(),
            consumers: vec!["405003309".to_owned(), ORGANISATION.to_owned()],
            audience: None,
        }
    }

    pub(crate) fn answers_metadata(&self, reply: Reply) {
        *self.shared.metadata.lock().unwrap() = reply;
    }

    pub(crate) fn answers_keys(&self, reply: Reply) {
        *self.shared.keys.lock().unwrap() = reply;
    }

    pub(crate) fn publishes(&self, keys: &[Value]) {
        self.answers_keys(Reply::Document(json!({ "keys": keys })));
    }

    /// How often anybody asked for metadata.
    pub(crate) fn metadata_read(&self) -> usize {
        self.shared.metadata_read.load(Ordering::SeqCst)
    }

    /// How often anybody asked for keys.
    pub(crate) fn keys_read(&self) -> usize {
        self.shared.keys_read.load(Ordering::SeqCst)
    }

    /// How often anybody followed a redirect.
    pub(crate) fn trapped(&self) -> usize {
        self.shared.trapped.load(Ordering::SeqCst)
    }

    /// The claims of a token as Maskinporten issues it at `now`, for two minutes.
    pub(crate) fn claims(&self, now: Timestamp) -> Value {
        json!({
            "iss": self.name,
            "client_id": "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11",
            "client_amr": "private_key_jwt",
            "consumer": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{ORGANISATION}") },
            "scope": format!("altinn:serviceowner {SCOPE} altinn:instances.read"),
            "token_type": "Bearer",
            "aud": "unspecified",
            "iat": now.as_second(),
            "exp": now.as_second() + 120,
            "jti": "S1x0b8qv1S0c5aZ0pGm0yq2vLw9Hk7v3",
        })
    }

    /// A token with these claims that the issuer signed.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign("issuer", &header(Algorithm::RS256, KID), claims)
    }

    /// A good token at `now`.
    pub(crate) fn token(&self, now: Timestamp) -> String {
        self.sign(&self.claims(now))
    }
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}token"),
        "jwks_uri": format!("{issuer}jwk"),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
    })
}

impl Issuer {
    /// The issuer's metadata with one field changed.
    pub(crate) fn metadata_with(&self, field: &str, value: impl Into<Value>) -> Reply {
        let mut metadata = metadata(&self.name);
        metadata[field] = value.into();
        Reply::Document(metadata)
    }
}

fn answer(reply: &Mutex<Reply>) -> Response {
    match &*reply.lock().unwrap() {
        Reply::Document(document) => document.to_string().into_response(),
        Reply::Status(status) => StatusCode::from_u16(*status).unwrap().into_response(),
        Reply::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/trap")]).into_response(),
        Reply::Packed(bytes) => {
            ([(header::CONTENT_ENCODING, "gzip")], bytes.clone()).into_response()
        }
        Reply::Endless => {
            let chunks = stream::repeat_with(|| Ok::<_, Infallible>(" ".repeat(16_384)));
            Body::from_stream(chunks).into_response()
        }
    }
}

/// A document that is packed. Packing a large one takes longer than anybody waits for an answer.
pub(crate) fn packed(document: &Value) -> Reply {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(document.to_string().as_bytes()).unwrap();
    Reply::Packed(packed.finish().unwrap().into())
}

/// One of the two key pairs: `issuer` or `stranger`.
pub(crate) fn key(owner: &str) -> EncodingKey {
    let keys: Value = serde_json::from_str(include_str!("keys.json")).unwrap();
    let der = BASE64_STANDARD
        .decode(keys[owner].as_str().unwrap())
        .unwrap();
    EncodingKey::from_rsa_der(&der)
}

/// The public half, as it stands in a JWK set.
pub(crate) fn jwk(owner: &str, kid: &str) -> Value {
    let jwk = Jwk::from_encoding_key(&key(owner), Algorithm::RS256).unwrap();
    let AlgorithmParameters::RSA(rsa) = jwk.algorithm else {
        panic!("the keys are RSA keys");
    };
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": rsa.n, "e": rsa.e })
}

pub(crate) fn header(algorithm: Algorithm, kid: &str) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    header
}

pub(crate) fn sign(owner: &str, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &key(owner)).unwrap()
}
