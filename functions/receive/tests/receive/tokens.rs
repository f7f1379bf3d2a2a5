//! Whose token is accepted, and what the issuer is asked for.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use stafett_runtime::caller::{CallerError, CallerVerifier, KeysError, MissingRight, TokenFault};

use crate::issuer::{Issuer, KID, ORGANISATION, Reply, SCOPE, header, jwk, key, packed, sign};

/// When these stories begin.
fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start()
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap()
}

async fn verifier() -> (Issuer, CallerVerifier) {
    let issuer = Issuer::start().await;
    let verifier = CallerVerifier::new(issuer.settings()).unwrap();
    (issuer, verifier)
}

/// Why `token` is refused. Whatever the reason, it shows nothing of the token.
async fn refusal(verifier: &CallerVerifier, token: &str, now: Timestamp) -> CallerError {
    let error = verifier.verify(token, now).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(!shown.contains(ORGANISATION), "{shown}");
    error
}

async fn fault(verifier: &CallerVerifier, token: &str, now: Timestamp) -> TokenFault {
    match refusal(verifier, token, now).await {
        CallerError::Unauthorized(fault) => fault,
        other => panic!("expected a faulty token, not: {other}"),
    }
}

async fn missing(verifier: &CallerVerifier, token: &str) -> MissingRight {
    match refusal(verifier, token, start()).await {
        CallerError::Forbidden(right) => right,
        other => panic!("expected a missing right, not: {other}"),
    }
}

async fn unavailable(verifier: &CallerVerifier, token: &str, now: Timestamp) -> (String, u64) {
    match refusal(verifier, token, now).await {
        CallerError::Unavailable {
            source,
            retry_after,
        } => (source.to_string(), retry_after.as_secs()),
        other => panic!("expected that nobody can tell, not: {other}"),
    }
}

/// The good claims, with some changed; null takes one away.
fn claims(issuer: &Issuer, changes: Value) -> Value {
    let mut claims = issuer.claims(start());
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().shift_remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[tokio::test]
async fn a_token_of_the_issuer_lets_its_organisation_in() {
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
async fn a_signature_made_with_the_public_key_is_none() {
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
async fn only_the_three_algorithms_count_even_with_the_issuers_key() {
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
async fn a_key_is_for_its_own_algorithm_and_use_only() {
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
async fn a_token_that_another_signed_or_changed_is_refused() {
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
async fn a_token_brings_no_key_of_its_own() {
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

#[tokio::test]
async fn what_cannot_name_a_key_makes_nobody_ask_for_keys() {
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
async fn a_flood_of_unknown_key_ids_asks_for_keys_once_a_minute() {
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
async fn a_new_key_of_the_issuer_is_found_and_an_old_one_given_up_within_a_day() {
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
async fn a_token_holds_from_nbf_to_exp_give_or_take_ten_seconds() {
    let (issuer, verifier) = verifier().await;
    let exp = start().as_second() + 100;
    let nbf = start().as_second() + 50;
    let token = issuer.sign(&claims(&issuer, json!({ "nbf": nbf, "exp": exp })));
    assert_eq!(
        fault(&verifier, &token, after(39)).await,
        TokenFault::NotYetValid
    );
    verifier.verify(&token, after(40)).await.unwrap();
    verifier.verify(&token, after(109)).await.unwrap();
    assert_eq!(
        fault(&verifier, &token, after(110)).await,
        TokenFault::Expired
    );
    assert_eq!(
        fault(&verifier, &token, after(100_000)).await,
        TokenFault::Expired
    );

    let fraction = issuer.sign(&claims(&issuer, json!({ "exp": exp as f64 + 0.5 })));
    verifier.verify(&fraction, after(110)).await.unwrap();
}

#[tokio::test]
async fn claims_that_are_missing_or_of_another_type_are_no_claims() {
    let (issuer, verifier) = verifier().await;
    let exp = start().as_second() + 100;
    for changes in [
        json!({ "exp": null }),
        json!({ "exp": exp.to_string() }),
        json!({ "exp": [exp] }),
        json!({ "iss": null }),
        json!({ "iss": [issuer.name] }),
        json!({ "nbf": "now" }),
        json!({ "scope": [SCOPE] }),
        json!({ "consumer": format!("0192:{ORGANISATION}") }),
        json!({ "aud": 7 }),
    ] {
        let token = issuer.sign(&claims(&issuer, changes.clone()));
        assert_eq!(
            fault(&verifier, &token, start()).await,
            TokenFault::Claims,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn the_issuer_is_compared_to_the_last_character() {
    let (issuer, verifier) = verifier().await;
    let name = &issuer.name;
    for other in [
        "https://test.maskinporten.no/".to_owned(),
        name.trim_end_matches('/').to_owned(),
        format!("{name}/"),
        format!(" {name}"),
        name.to_uppercase(),
        String::new(),
    ] {
        let token = issuer.sign(&claims(&issuer, json!({ "iss": other })));
        assert_eq!(
            fault(&verifier, &token, start()).await,
            TokenFault::Issuer,
            "{other:?}"
        );
    }
}

#[tokio::test]
async fn an_audience_counts_where_one_is_asked_for() {
    let (issuer, _) = verifier().await;
    let mut settings = issuer.settings();
    settings.audience = Some("https://stafett.example.no".to_owned());
    let verifier = CallerVerifier::new(settings).unwrap();
    for audience in [
        json!("https://stafett.example.no"),
        json!(["https://other.example.no", "https://stafett.example.no"]),
    ] {
        let token = issuer.sign(&claims(&issuer, json!({ "aud": audience })));
        verifier.verify(&token, start()).await.unwrap();
    }
    for audience in [
        Value::Null,
        json!("unspecified"),
        json!("https://stafett.example.no/"),
        json!([]),
        json!(["https://stafett.example"]),
    ] {
        let token = issuer.sign(&claims(&issuer, json!({ "aud": audience })));
        assert_eq!(
            fault(&verifier, &token, start()).await,
            TokenFault::Audience,
            "{audience}"
        );
    }
}

#[tokio::test]
async fn the_scope_must_be_there_whole() {
    let (issuer, verifier) = verifier().await;
    for scope in [
        Value::Null,
        json!(""),
        json!("altinn:serviceowner"),
        json!(format!("{SCOPE}s")),
        json!(format!("x{SCOPE}")),
        json!(format!("{SCOPE}/read")),
        json!(format!("a,{SCOPE},b")),
        json!(SCOPE.to_uppercase()),
        json!("ttd:stafett"),
    ] {
        let token = issuer.sign(&claims(&issuer, json!({ "scope": scope })));
        assert_eq!(
            missing(&verifier, &token).await,
            MissingRight::Scope,
            "{scope}"
        );
    }
    for scope in [
        SCOPE.to_owned(),
        format!("{SCOPE} a"),
        format!("a  {SCOPE}"),
    ] {
        let token = issuer.sign(&claims(&issuer, json!({ "scope": scope })));
        verifier.verify(&token, start()).await.unwrap();
    }
}

#[tokio::test]
async fn the_organisation_must_be_one_of_those_that_may_trigger() {
    let (issuer, verifier) = verifier().await;
    let supplier =
        json!({ "authority": "iso6523-actorid-upis", "ID": format!("0192:{ORGANISATION}") });
    for id in [
        "0192:991825827",
        ORGANISATION,
        "0192:",
        "9908:310075728",
        "0192:3100757280",
        "0192: 310075728",
        "0192:0192:310075728",
    ] {
        let consumer = json!({ "consumer": { "ID": id }, "supplier": supplier });
        let token = issuer.sign(&claims(&issuer, consumer));
        assert_eq!(
            missing(&verifier, &token).await,
            MissingRight::Consumer,
            "{id}"
        );
    }
    let nobody = issuer.sign(&claims(
        &issuer,
        json!({ "consumer": null, "supplier": supplier }),
    ));
    assert_eq!(missing(&verifier, &nobody).await, MissingRight::Consumer);

    let on_behalf = json!({ "consumer": { "ID": "0192:405003309" }, "supplier": supplier });
    let token = issuer.sign(&claims(&issuer, on_behalf));
    let caller = verifier.verify(&token, start()).await.unwrap();
    assert_eq!(
        caller.organisation, "405003309",
        "the organisation acted for"
    );
}

#[tokio::test]
async fn while_no_keys_can_be_had_nobody_is_called_unauthorized() {
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
async fn keys_once_had_outlive_an_outage_of_the_issuer() {
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
async fn what_the_issuer_packs_is_not_unpacked_and_what_does_not_end_is_not_read_to_its_end() {
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
async fn metadata_must_be_the_issuers_own_and_lead_to_a_safe_place() {
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
async fn a_key_set_without_a_usable_key_is_none() {
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
