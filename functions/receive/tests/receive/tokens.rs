//! Which signatures are accepted.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use stafett_runtime::caller::{CallerVerifier, TokenFault};

use crate::{
    issuer::{KID, ORGANISATION, header, jwk, sign},
    verifier::{claims, fault, start, verifier},
};

#[tokio::test]
async fn a_token_of_the_issuer_is_accepted() {
    let (issuer, verifier) = verifier().await;
    let caller = verifier
        .verify(&issuer.token(start()), start())
        .await
        .unwrap();
    assert_eq!(caller.organisation, ORGANISATION);

    let mut any_algorithm = jwk("issuer", KID);
    any_algorithm.as_object_mut().unwrap().shift_remove("alg");
    issuer.publishes(&[any_algorithm]);
    let verifier = CallerVerifier::new(issuer.settings()).unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        let token = sign("issuer", &header(algorithm, KID), &issuer.claims(start()));
        assert!(
            verifier.verify(&token, start()).await.is_ok(),
            "{algorithm:?}"
        );
    }
}

#[tokio::test]
async fn a_signature_made_with_the_public_key_is_refused() {
    let (issuer, verifier) = verifier().await;
    let public = jwk("issuer", KID);
    let modulus = public["n"].as_str().unwrap();
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(modulus).unwrap();
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{modulus}\n-----END RSA PUBLIC KEY-----\n");
    for secret in [
        modulus.as_bytes(),
        &decoded,
        public.to_string().as_bytes(),
        pem.as_bytes(),
        b"",
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = header(algorithm, KID);
            let secret = EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &issuer.claims(start()), &secret).unwrap();
            assert_eq!(
                fault(&verifier, &token, start()).await,
                TokenFault::Algorithm
            );
        }
    }
}

#[tokio::test]
async fn other_algorithms_are_refused_even_with_the_issuers_key() {
    let (issuer, verifier) = verifier().await;
    for algorithm in [Algorithm::PS256, Algorithm::PS384, Algorithm::PS512] {
        let token = sign("issuer", &header(algorithm, KID), &issuer.claims(start()));
        assert_eq!(
            fault(&verifier, &token, start()).await,
            TokenFault::Algorithm
        );
    }
    let good = issuer.token(start());
    let (_, rest) = good.split_once('.').unwrap();
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": KID }).to_string();
        let header = BASE64_URL_SAFE_NO_PAD.encode(header);
        let (payload, _) = rest.split_once('.').unwrap();
        for token in [format!("{header}.{rest}"), format!("{header}.{payload}.")] {
            assert_eq!(
                fault(&verifier, &token, start()).await,
                TokenFault::NotAToken
            );
        }
    }
}

#[tokio::test]
async fn a_key_is_used_only_for_its_own_algorithm_and_use() {
    let (issuer, verifier) = verifier().await;
    let token = sign(
        "issuer",
        &header(Algorithm::RS512, KID),
        &issuer.claims(start()),
    );
    assert_eq!(
        fault(&verifier, &token, start()).await,
        TokenFault::UnknownKey
    );

    for (field, value) in [
        ("use", "enc"),
        ("kty", "EC"),
        ("alg", "RSA-OAEP"),
        ("n", "?"),
    ] {
        let mut unfit = jwk("issuer", KID);
        unfit[field] = value.into();
        issuer.publishes(&[unfit, jwk("stranger", "another")]);
        let verifier = CallerVerifier::new(issuer.settings()).unwrap();
        let fault = fault(&verifier, &issuer.token(start()), start()).await;
        assert_eq!(fault, TokenFault::UnknownKey, "{field}");
    }
}

#[tokio::test]
async fn a_token_that_somebody_else_signed_or_changed_is_refused() {
    let (issuer, verifier) = verifier().await;
    let forged = sign(
        "stranger",
        &header(Algorithm::RS256, KID),
        &issuer.claims(start()),
    );
    assert_eq!(
        fault(&verifier, &forged, start()).await,
        TokenFault::Signature
    );

    let good = issuer.token(start());
    let parts: Vec<&str> = good.split('.').collect();
    let richer = claims(&issuer, json!({ "scope": "everything" })).to_string();
    let changed = format!(
        "{}.{}.{}",
        parts[0],
        BASE64_URL_SAFE_NO_PAD.encode(richer),
        parts[2]
    );
    assert_eq!(
        fault(&verifier, &changed, start()).await,
        TokenFault::Signature
    );
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(
        fault(&verifier, &unsigned, start()).await,
        TokenFault::Signature
    );
}

#[tokio::test]
async fn a_key_that_the_token_itself_names_is_not_used() {
    let (issuer, verifier) = verifier().await;
    let mut own = header(Algorithm::RS256, "mine");
    own.jwk = Some(serde_json::from_value(jwk("stranger", "mine")).unwrap());
    own.jku = Some(format!("{}../trap", issuer.name));
    own.x5u = own.jku.clone();
    let token = sign("stranger", &own, &issuer.claims(start()));
    assert_eq!(
        fault(&verifier, &token, start()).await,
        TokenFault::UnknownKey
    );
    assert_eq!(issuer.trapped(), 0);

    // Two algorithms, or two keys: a header that says a thing twice says nothing.
    let (head, rest) = token.split_once('.').unwrap();
    let head = BASE64_URL_SAFE_NO_PAD.decode(head).unwrap();
    let head = String::from_utf8(head).unwrap();
    for again in [r#""alg":"none""#, r#""alg":"HS256""#, r#""kid":"key-1""#] {
        let twice = head.replacen('{', &format!("{{{again},"), 1);
        let token = format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(twice));
        assert_eq!(
            fault(&verifier, &token, start()).await,
            TokenFault::NotAToken
        );
    }

    let mut critical = header(Algorithm::RS256, KID);
    critical.crit = Some(vec!["b64".to_owned()]);
    let token = sign("issuer", &critical, &issuer.claims(start()));
    assert_eq!(
        fault(&verifier, &token, start()).await,
        TokenFault::Algorithm
    );
}
