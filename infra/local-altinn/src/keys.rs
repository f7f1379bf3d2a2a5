//! Fixed keys for development, because generating RSA keys takes seconds in a debug build.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};

/// Keys that are public and protect nothing. They must never be registered anywhere else.
const DEVELOPMENT_KEYS: &str = include_str!("development-keys.json");

/// An RSA key pair for local development.
#[derive(Clone)]
pub struct DevelopmentKey {
    kid: String,
    jwk: BTreeMap<String, String>,
    x5c: Option<String>,
    signing: EncodingKey,
}

impl std::fmt::Debug for DevelopmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevelopmentKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl DevelopmentKey {
    /// The key pair that local Maskinporten clients use.
    ///
    /// # Errors
    /// Only when the program was built from a damaged `development-keys.json`.
    pub fn client() -> io::Result<Self> {
        Self::named("client")
    }

    /// A key pair that no client has registered.
    ///
    /// # Errors
    /// As [`DevelopmentKey::client`].
    pub fn stranger() -> io::Result<Self> {
        Self::named("stranger")
    }

    pub(crate) fn named(name: &str) -> io::Result<Self> {
        let damaged =
            |what: &str| io::Error::other(format!("development-keys.json: key `{name}` {what}"));
        let all: Value = serde_json::from_str(DEVELOPMENT_KEYS)?;
        let jwk: BTreeMap<String, String> = serde_json::from_value(all[name]["jwk"].clone())?;
        let pkcs1 = all[name]["pkcs1"]
            .as_str()
            .ok_or_else(|| damaged("has no pkcs1"))?;
        let pkcs1 = STANDARD
            .decode(pkcs1)
            .map_err(|_| damaged("is not base64"))?;
        Ok(Self {
            kid: jwk
                .get("kid")
                .cloned()
                .ok_or_else(|| damaged("has no kid"))?,
            jwk,
            x5c: all[name]["x5c"].as_str().map(str::to_owned),
            signing: EncodingKey::from_rsa_der(&pkcs1),
        })
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key as a JWK (RFC 7517), as the setting `MASKINPORTEN_JWK` has it.
    pub fn private_jwk(&self) -> String {
        json!(self.jwk).to_string()
    }

    /// The public key as a JWK, as a client registers it with Maskinporten.
    pub fn public_jwk(&self) -> Value {
        let private = ["d", "p", "q", "dp", "dq", "qi"];
        self.jwk
            .iter()
            .filter(|(name, _)| !private.contains(&name.as_str()))
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect()
    }

    /// Signs claims as a JWT with `alg` and this key's `kid` in the header.
    ///
    /// # Errors
    /// When the claims cannot be serialized or the algorithm is not an RSA algorithm.
    pub fn sign(&self, alg: Algorithm, claims: &Value) -> jsonwebtoken::errors::Result<String> {
        let mut header = Header::new(alg);
        header.kid = Some(self.kid.clone());
        self.sign_with(&header, claims)
    }

    /// Signs claims with the given header.
    ///
    /// # Errors
    /// As [`DevelopmentKey::sign`].
    pub fn sign_with(
        &self,
        header: &Header,
        claims: &Value,
    ) -> jsonwebtoken::errors::Result<String> {
        jsonwebtoken::encode(header, claims, &self.signing)
    }

    pub(crate) fn verifying(&self) -> jsonwebtoken::errors::Result<DecodingKey> {
        verifying_key(&self.public_jwk())
    }

    /// The public key as Altinn publishes it: `n` and `e` in base64 instead of base64url (Altinn/altinn-authentication:
    /// src/Authentication/Controllers/OpenIdController.cs).
    pub(crate) fn altinn_jwk(&self) -> Value {
        let ordinary = |name: &str| {
            let bytes = self
                .jwk
                .get(name)
                .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
                .unwrap_or_default();
            STANDARD.encode(bytes)
        };
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "e": ordinary("e"), "n": ordinary("n"), "x5c": self.x5c.iter().collect::<Vec<_>>(),
        })
    }
}

/// The verifying key of a public JWK.
pub(crate) fn verifying_key(jwk: &Value) -> jsonwebtoken::errors::Result<DecodingKey> {
    DecodingKey::from_rsa_components(
        jwk["n"].as_str().unwrap_or_default(),
        jwk["e"].as_str().unwrap_or_default(),
    )
}
