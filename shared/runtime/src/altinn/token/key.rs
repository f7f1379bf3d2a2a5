//! The client's private key.

use std::fmt;

use aws_lc_rs::rsa::KeyPair;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs1::{UintRef, der::Encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::altinn::error::TokenError;

/// A private key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("MASKINPORTEN_JWK is not a private RSA key as a JWK with a kid: {0}")]
pub struct KeyError(&'static str);

/// The client's private key, ready to sign.
pub struct SigningKey {
    key: EncodingKey,
    kid: String,
    algorithm: Algorithm,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// A private RSA key (RFC 7518, section 6.3).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
    d: String,
    p: String,
    q: String,
    dp: String,
    dq: String,
    qi: String,
}

impl Jwk {
    /// The key as PKCS #1 has it.
    fn der(&self) -> Result<Vec<u8>, KeyError> {
        let decode = |text: &str| {
            BASE64_URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| KeyError("a number is not base64url"))
        };
        let numbers: [Vec<u8>; 8] = [
            decode(&self.n)?,
            decode(&self.e)?,
            decode(&self.d)?,
            decode(&self.p)?,
            decode(&self.q)?,
            decode(&self.dp)?,
            decode(&self.dq)?,
            decode(&self.qi)?,
        ];
        let unusable = |_| KeyError("its numbers are not those of a key");
        let [n, e, d, p, q, dp, dq, qi] = &numbers;
        pkcs1::RsaPrivateKey {
            modulus: UintRef::new(n).map_err(unusable)?,
            public_exponent: UintRef::new(e).map_err(unusable)?,
            private_exponent: UintRef::new(d).map_err(unusable)?,
            prime1: UintRef::new(p).map_err(unusable)?,
            prime2: UintRef::new(q).map_err(unusable)?,
            exponent1: UintRef::new(dp).map_err(unusable)?,
            exponent2: UintRef::new(dq).map_err(unusable)?,
            coefficient: UintRef::new(qi).map_err(unusable)?,
            other_prime_infos: None,
        }
        .to_der()
        .map_err(unusable)
    }
}

impl SigningKey {
    /// Reads a private JWK.
    ///
    /// # Errors
    /// [`KeyError`], which repeats nothing of the key.
    pub fn from_jwk(jwk: &SecretString) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_str(jwk.expose_secret())
            .map_err(|_| KeyError("one of kty, n, e, d, p, q, dp, dq and qi is missing"))?;
        if jwk.kty != "RSA" {
            return Err(KeyError("its kty is not RSA"));
        }
        let algorithm = match jwk.alg.as_deref() {
            None | Some("RS256") => Algorithm::RS256,
            Some("RS384") => Algorithm::RS384,
            Some("RS512") => Algorithm::RS512,
            Some(_) => return Err(KeyError("its alg is not RS256, RS384 or RS512")),
        };
        let der = jwk.der()?;
        // So that a key that cannot sign is found at the start, not at the first relay. The library checks that the
        // numbers belong together, which takes a quarter of the time of a signature.
        KeyPair::from_der(&der).map_err(|_| {
            KeyError("its numbers are not those of one RSA key of 2048 to 8192 bits")
        })?;
        Ok(Self {
            key: EncodingKey::from_rsa_der(&der),
            kid: jwk.kid.ok_or(KeyError("it has no kid"))?,
            algorithm,
        })
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, TokenError> {
        let header = Header {
            kid: Some(self.kid.clone()),
            ..Header::new(self.algorithm)
        };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| TokenError::Unsigned)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use proptest::{prelude::*, sample::select};
    use serde_json::{Map, Value, json};

    use super::*;

    /// A key that protects nothing (made with OpenSSL).
    const KEY: &str = include_str!("key/test-key.json");
    const NUMBERS: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

    fn jwk() -> Map<String, Value> {
        serde_json::from_str(KEY).unwrap()
    }

    fn read(jwk: Map<String, Value>) -> Result<SigningKey, KeyError> {
        SigningKey::from_jwk(&Value::Object(jwk).to_string().into())
    }

    #[test]
    fn what_a_key_signs_its_public_half_verifies() {
        for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
            let mut jwk = jwk();
            jwk["alg"] = json!(format!("{algorithm:?}"));
            let (n, e) = (jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap());
            let public = DecodingKey::from_rsa_components(n, e).unwrap();
            let token = read(jwk.clone())
                .unwrap()
                .sign(&json!({"exp": 9_999_999_999_u64}))
                .unwrap();
            let token = decode::<Value>(&token, &public, &Validation::new(algorithm)).unwrap();
            assert_eq!(token.header.kid.as_deref(), Some("of-the-tests"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_key_one_of_whose_numbers_belongs_to_another_key_is_refused(
            name in select(&NUMBERS[..]), at in any::<prop::sample::Index>(), bit in 0..8u8
        ) {
            let mut jwk = jwk();
            let mut number = BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
            let at = at.index(number.len());
            number[at] ^= 1 << bit;
            jwk[name] = json!(BASE64_URL_SAFE_NO_PAD.encode(&number));
            prop_assert!(read(jwk).is_err(), "{name}, bit {bit} of byte {at}");
        }
    }

    #[test]
    fn an_unusable_key_is_refused_without_being_repeated() {
        for jwk in [
            "hemmelig",
            r#"{"kty":"EC","n":"","e":"","d":"hemmelig","p":"","q":"","dp":"","dq":"","qi":""}"#,
            r#"{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB","d":"aGVtbWVsaWc","p":"AQ","q":"AQ","dp":"AQ","dq":"AQ","qi":"AQ"}"#,
        ] {
            let error = SigningKey::from_jwk(&jwk.into()).unwrap_err().to_string();
            assert!(error.starts_with("MASKINPORTEN_JWK is not"), "{error}");
            assert!(!error.contains("hemmelig"), "{error}");
        }
    }
}
