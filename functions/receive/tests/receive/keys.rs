//! When the issuer is asked for its keys, and what it may answer.

use futures_util::future::join_all;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use serde_json::json;
use stafett_runtime::caller::{CallerError, CallerVerifier, KeysError, TokenFault};

use crate::{
    issuer::{KID, Reply, header, jwk, key, packed, sign},
    verifier::{after, fault, refusal, start, unavailable, verifier},
};

#[tokio::test]
async fn a_token_without_a_key_id_causes_no_request_for_keys() {
    let (issuer, verifier) = verifier().await;
    for token in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        "eyJhbGciOiJSUzI1NiJ9",
        "ø.ø.ø",
    ] {
        assert_eq!(
            fault(&verifier, token, start()).await,
            TokenFault::NotAToken
        );
    }
    let nameless = sign(
        "issuer",
        &Header::new(Algorithm::RS256),
        &issuer.claims(start()),
    );
    assert_eq!(
        fault(&verifier, &nameless, start()).await,
        TokenFault::NoKeyId
    );
    assert_eq!((issuer.metadata_read(), issuer.keys_read()), (0, 0));
}

#[tokio::test]
async fn unknown_key_ids_cause_one_request_for_keys_a_minute() {
    let (issuer, verifier) = verifier().await;
    let unknown = async |number: usize, now: Timestamp| {
        let header = header(Algorithm::RS256, &format!("unknown-{number}"));
        let token = sign("stranger", &header, &issuer.claims(start()));
        assert_eq!(fault(&verifier, &token, now).await, TokenFault::UnknownKey);
    };
    join_all((0..40).map(|number| unknown(number, start()))).await;
    assert_eq!(issuer.keys_read(), 1, "one request serves all who wait");
    for number in 0..20 {
        unknown(number, after(59)).await;
    }
    assert_eq!(issuer.keys_read(), 1, "not again within the minute");
    for number in 0..20 {
        unknown(number, after(60)).await;
    }
    assert_eq!(issuer.keys_read(), 2, "once after it");
    assert_eq!(issuer.metadata_read(), 2);

    verifier
        .verify(&issuer.token(start()), after(60))
        .await
        .unwrap();
    assert_eq!(issuer.keys_read(), 2, "a known key needs no request");
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_found_and_a_withdrawn_one_dropped_within_a_day() {
    let (issuer, verifier) = verifier().await;
    verifier
        .verify(&issuer.token(start()), start())
        .await
        .unwrap();
    issuer.publishes(&[jwk("stranger", "key-2")]);

    let now = after(90);
    let new = sign(
        "stranger",
        &header(Algorithm::RS256, "key-2"),
        &issuer.claims(now),
    );
    verifier.verify(&new, now).await.unwrap();
    assert_eq!(issuer.keys_read(), 2);
    assert_eq!(
        fault(&verifier, &issuer.token(now), now).await,
        TokenFault::UnknownKey
    );

    issuer.publishes(&[jwk("issuer", KID)]);
    let now = after(90 + 24 * 3600);
    let withdrawn = sign(
        "stranger",
        &header(Algorithm::RS256, "key-2"),
        &issuer.claims(now),
    );
    assert_eq!(
        fault(&verifier, &withdrawn, now).await,
        TokenFault::UnknownKey
    );
}

#[tokio::test]
async fn while_keys_are_unavailable_no_caller_is_told_that_it_is_unauthorized() {
    let (issuer, verifier) = verifier().await;
    issuer.answers_keys(Reply::Status(503));
    let token = issuer.token(start());
    let (why, retry_after) = unavailable(&verifier, &token, start()).await;
    assert!(why.contains("503"), "{why}");
    assert_eq!(retry_after, 5);

    issuer.publishes(&[jwk("issuer", KID)]);
    let (_, retry_after) = unavailable(&verifier, &token, after(4)).await;
    assert_eq!(
        (retry_after, issuer.keys_read()),
        (1, 1),
        "not asked again at once"
    );
    verifier.verify(&token, after(5)).await.unwrap();
}

#[tokio::test]
async fn known_keys_are_used_during_an_outage_of_the_issuer() {
    let (issuer, verifier) = verifier().await;
    verifier
        .verify(&issuer.token(start()), start())
        .await
        .unwrap();
    issuer.answers_metadata(Reply::Status(500));

    let now = after(120);
    let unknown = sign(
        "stranger",
        &header(Algorithm::RS256, "key-2"),
        &issuer.claims(now),
    );
    let (_, retry_after) = unavailable(&verifier, &unknown, now).await;
    assert_eq!(retry_after, 60, "the key may be a new one: nobody can tell");
    verifier.verify(&issuer.token(now), now).await.unwrap();

    let now = after(3 * 24 * 3600);
    verifier.verify(&issuer.token(now), now).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_unavailable() {
    let (issuer, verifier) = verifier().await;
    let token = issuer.token(start());
    issuer.stop().await;
    match refusal(&verifier, &token, start()).await {
        CallerError::Unavailable { source, .. } => {
            assert!(matches!(*source, KeysError::Unreachable { .. }), "{source}");
        }
        other => panic!("expected that nobody can tell, not: {other}"),
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (issuer, verifier) = verifier().await;
    let token = issuer.token(start());
    issuer.answers_keys(Reply::Redirect);
    let (why, _) = unavailable(&verifier, &token, start()).await;
    assert!(why.contains("302"), "{why}");
    issuer.answers_metadata(Reply::Redirect);
    unavailable(&verifier, &token, after(5)).await;
    assert_eq!(issuer.trapped(), 0);
}

#[tokio::test]
async fn a_compressed_response_is_not_unpacked_and_an_endless_one_is_cut() {
    let (issuer, _) = verifier().await;
    let token = issuer.token(start());
    let name = issuer.name.clone();
    let Reply::Document(good) = issuer.metadata_with("issuer", name) else {
        panic!("a document")
    };
    let keys = json!({ "keys": [jwk("issuer", KID)] });
    for (reply, expected) in [
        (packed(&keys), "RFC 7517"),
        (packed(&"x".repeat(50_000_000).into()), "RFC 7517"),
        (Reply::Endless, "longer than"),
    ] {
        issuer.answers_keys(reply);
        let verifier = CallerVerifier::new(issuer.settings()).unwrap();
        let (why, _) = unavailable(&verifier, &token, start()).await;
        assert!(why.contains(expected), "{why}");
    }
    for (reply, expected) in [(packed(&good), "RFC 8414"), (Reply::Endless, "longer than")] {
        issuer.answers_metadata(reply);
        let verifier = CallerVerifier::new(issuer.settings()).unwrap();
        let (why, _) = unavailable(&verifier, &token, start()).await;
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn metadata_must_be_of_the_issuer_and_name_a_safe_address() {
    let (issuer, _) = verifier().await;
    let token = issuer.token(start());
    let name = issuer.name.clone();
    for (reply, expected) in [
        (
            issuer.metadata_with("issuer", name.trim_end_matches('/')),
            "another issuer",
        ),
        (
            issuer.metadata_with("issuer", "https://maskinporten.no/"),
            "another issuer",
        ),
        (
            issuer.metadata_with("jwks_uri", "http://example.no/jwk"),
            "https",
        ),
        (
            issuer.metadata_with("jwks_uri", "file:///etc/passwd"),
            "https",
        ),
        (issuer.metadata_with("jwks_uri", "jwk"), "https"),
        (issuer.metadata_with("jwks_uri", 7), "RFC 8414"),
        (Reply::Document(json!("x".repeat(70_000))), "longer than"),
        (Reply::Document(json!([])), "RFC 8414"),
    ] {
        issuer.answers_metadata(reply);
        let verifier = CallerVerifier::new(issuer.settings()).unwrap();
        let (why, _) = unavailable(&verifier, &token, start()).await;
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(
        issuer.keys_read(),
        0,
        "keys are not asked for at such a place"
    );
}

#[tokio::test]
async fn a_key_set_without_a_usable_key_is_refused() {
    let (issuer, _) = verifier().await;
    let token = issuer.token(start());
    let mut large = jwk("issuer", KID);
    large["x5c"] = "x".repeat(70_000).into();
    for (reply, expected) in [
        (json!({ "keys": [] }), "no RSA key"),
        (
            json!({ "keys": [{ "kty": "EC", "kid": KID }] }),
            "no RSA key",
        ),
        (json!({}), "RFC 7517"),
        (json!({ "keys": [large] }), "longer than"),
    ] {
        issuer.answers_keys(Reply::Document(reply));
        let verifier = CallerVerifier::new(issuer.settings()).unwrap();
        let (why, _) = unavailable(&verifier, &token, start()).await;
        assert!(why.contains(expected), "{why}");
    }
    // The fixture is what it seems: the same key, published as it should be, is accepted.
    issuer.publishes(&[json!({ "kty": "EC", "kid": "other" }), jwk("issuer", KID)]);
    let verifier = CallerVerifier::new(issuer.settings()).unwrap();
    verifier.verify(&token, start()).await.unwrap();
    assert_ne!(key("issuer").as_bytes(), key("stranger").as_bytes());
}
