use std::time::Duration;

use base64::Engine as _;
use jsonwebtoken::Algorithm;
use local_altinn::{ClientRegistration, DevelopmentKey};
use serde_json::{Value, json};
use testbed::clock::Clock;

use super::support::{Altinn, CASEWORK_OWNER, SCOPES, TTD, read, sign};

const CLIENT: &str = "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11";

fn register(altinn: &Altinn) -> DevelopmentKey {
    let key = DevelopmentKey::client().unwrap();
    let registration = ClientRegistration {
        client_id: CLIENT.to_owned(),
        org_number: TTD.to_owned(),
        scopes: SCOPES.split(' ').map(str::to_owned).collect(),
        jwk: key.public_jwk(),
    };
    altinn.local.register_client(&registration).unwrap();
    key
}

fn assertion(altinn: &Altinn) -> Value {
    let now = altinn.local.clock().now().as_second();
    json!({
        "aud": altinn.local.issuer(), "iss": CLIENT, "scope": SCOPES, "iat": now, "exp": now + 90, "jti": uuid::Uuid::new_v4(),
    })
}

async fn grant(altinn: &Altinn, assertion: &str) -> super::support::Reply {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion),
    ];
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let url = format!("{}token", altinn.local.issuer());
    let request = altinn
        .http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    read(request).await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_client_discovers_maskinporten_gets_a_token_and_exchanges_it() {
    let altinn = Altinn::start().await;
    let key = register(&altinn);
    let issuer = altinn.local.issuer();
    assert!(issuer.ends_with("/maskinporten/"));
    let metadata = altinn
        .get(&format!("{issuer}.well-known/oauth-authorization-server"))
        .await
        .expect(200)
        .json();
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["token_endpoint"], format!("{issuer}token"));

    let token = grant(&altinn, &sign(&key, &assertion(&altinn)))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&token["token_type"], &token["expires_in"], &token["scope"]),
        (&json!("Bearer"), &json!(119), &json!(SCOPES))
    );
    let access = claims(token["access_token"].as_str().unwrap());
    assert_eq!(access["iss"], issuer);
    assert_eq!(
        access["consumer"],
        json!({"authority": "iso6523-actorid-upis", "ID": format!("0192:{TTD}")})
    );
    assert_eq!(access["aud"], "unspecified");

    let request = altinn
        .http
        .get(format!(
            "{}/authentication/api/v1/exchange/maskinporten",
            altinn.local.url()
        ))
        .bearer_auth(token["access_token"].as_str().unwrap());
    let exchanged = claims(&read(request).await.expect(200).text());
    assert_eq!(exchanged["urn:altinn:org"], "ttd");
    assert_eq!(exchanged["urn:altinn:orgNumber"], TTD);
    assert_eq!(
        exchanged["exp"].as_i64().unwrap() - exchanged["iat"].as_i64().unwrap(),
        1800
    );
    assert_eq!(
        (&exchanged["aud"], &exchanged["client_amr"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&exchanged["jti"], &exchanged["scope"]),
        (&access["jti"], &access["scope"])
    );
}

#[tokio::test]
async fn a_development_client_has_all_its_settings() {
    let altinn = Altinn::start().await;
    let client = altinn.local.development_client(TTD, SCOPES).unwrap();
    let key = DevelopmentKey::client().unwrap();
    assert_eq!(client.jwk, key.private_jwk());
    let mut claims = assertion(&altinn);
    claims["iss"] = json!(client.client_id);
    grant(&altinn, &sign(&key, &claims)).await.expect(200);
    assert!(!format!("{client:?}").contains("\"d\""));
}

#[tokio::test]
async fn maskinporten_refuses_every_invalid_assertion() {
    let altinn = Altinn::start().await;
    let key = register(&altinn);
    altinn.local.clock().stand_at(altinn.local.clock().now());
    let now = altinn.local.clock().now().as_second();
    let with = |changes: &[(&str, Value)]| {
        let mut claims = assertion(&altinn);
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims
    };
    let issuer = altinn.local.issuer();
    type Case = (
        &'static str,
        Vec<(&'static str, Value)>,
        &'static str,
        &'static str,
    );
    let cases: Vec<Case> = vec![
        (
            "no trailing slash in aud",
            vec![("aud", json!(issuer.trim_end_matches('/')))],
            "invalid_grant",
            "MP-110",
        ),
        (
            "issued 11 s ago",
            vec![("iat", json!(now - 11))],
            "invalid_grant",
            "MP-130",
        ),
        (
            "issued in 11 s",
            vec![("iat", json!(now + 11)), ("exp", json!(now + 60))],
            "invalid_grant",
            "Issue time is after now",
        ),
        (
            "lives 121 s",
            vec![("exp", json!(now + 121))],
            "invalid_grant",
            "MP-130",
        ),
        (
            "expired",
            vec![("exp", json!(now))],
            "invalid_grant",
            "MP-130",
        ),
        (
            "unknown client",
            vec![("iss", json!("somebody"))],
            "invalid_grant",
            "MP-100",
        ),
        (
            "scope not granted",
            vec![("scope", json!("altinn:instances.read"))],
            "invalid_scope",
            "MP-201",
        ),
        (
            "no scope",
            vec![("scope", json!(""))],
            "invalid_scope",
            "MP-200",
        ),
        (
            "resource is no array",
            vec![("resource", json!("https://api"))],
            "invalid_request",
            "MP-011",
        ),
        (
            "no delegation",
            vec![("consumer_org", json!("310075728"))],
            "forbidden",
            "MP-251",
        ),
    ];
    for (name, changes, error, code) in cases {
        let reply = grant(&altinn, &sign(&key, &with(&changes))).await;
        assert!(
            (400..500).contains(&reply.status),
            "{name}: {}",
            reply.status
        );
        let body = reply.json();
        assert_eq!(body["error"], error, "{name}: {body}");
        assert!(
            body["error_description"].as_str().unwrap().contains(code),
            "{name}: {body}"
        );
    }

    let forged = {
        let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
        header.kid = Some(key.kid().to_owned());
        DevelopmentKey::stranger()
            .unwrap()
            .sign_with(&header, &assertion(&altinn))
            .unwrap()
    };
    assert!(
        grant(&altinn, &forged)
            .await
            .expect(400)
            .text()
            .contains("MP-123")
    );
    let foreign = sign(&DevelopmentKey::stranger().unwrap(), &assertion(&altinn));
    assert!(
        grant(&altinn, &foreign)
            .await
            .expect(400)
            .text()
            .contains("MP-120")
    );
    let symmetric = {
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.kid = Some(key.kid().to_owned());
        jsonwebtoken::encode(
            &header,
            &assertion(&altinn),
            &jsonwebtoken::EncodingKey::from_secret(b"x"),
        )
        .unwrap()
    };
    assert!(
        grant(&altinn, &symmetric)
            .await
            .expect(400)
            .text()
            .contains("MP-122")
    );

    for alg in [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512] {
        let good = key
            .sign(
                alg,
                &with(&[("iat", json!(now - 10)), ("exp", json!(now + 110))]),
            )
            .unwrap();
        grant(&altinn, &good).await.expect(200);
        assert!(
            grant(&altinn, &good)
                .await
                .expect(400)
                .text()
                .contains("MP-012"),
            "{alg:?} used twice"
        );
    }
    let audience = with(&[("resource", json!(["https://stafett.example.no"]))]);
    let token = grant(&altinn, &sign(&key, &audience))
        .await
        .expect(200)
        .json();
    assert_eq!(
        claims(token["access_token"].as_str().unwrap())["aud"],
        "https://stafett.example.no"
    );

    altinn
        .local
        .clock()
        .advance(Duration::from_secs(366 * 24 * 3600));
    assert!(
        grant(&altinn, &sign(&key, &assertion(&altinn)))
            .await
            .expect(400)
            .text()
            .contains("MP-121")
    );
}

#[tokio::test]
async fn the_exchanged_token_is_quoted_only_if_json_is_accepted() {
    let altinn = Altinn::start().await;
    let token = altinn.local.maskinporten_token(TTD, SCOPES, None).unwrap();
    for (accept, quoted) in [
        (None, false),
        (Some("text/plain"), false),
        (Some("application/json"), true),
    ] {
        let mut request = altinn
            .http
            .get(format!(
                "{}/authentication/api/v1/exchange/maskinporten",
                altinn.local.url()
            ))
            .bearer_auth(&token);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let text = read(request).await.expect(200).text();
        assert_eq!(
            text.starts_with('"') && text.ends_with('"'),
            quoted,
            "{accept:?}"
        );
        assert_eq!(text.trim_matches('"').split('.').count(), 3);
    }
}

#[tokio::test]
async fn only_a_known_service_owner_with_the_scope_gets_the_org_claim() {
    let altinn = Altinn::start().await;
    for (number, scopes, org) in [
        (TTD, SCOPES, json!("ttd")),
        (TTD, "altinn:instances.read", Value::Null),
        (CASEWORK_OWNER, SCOPES, Value::Null),
        (TTD, "altinn:serviceownersomething", json!("ttd")),
    ] {
        let token = altinn.token_of(number, scopes).await;
        assert_eq!(claims(&token)["urn:altinn:org"], org, "{number} {scopes}");
        assert_eq!(claims(&token)["urn:altinn:orgNumber"], number);
    }
}

#[tokio::test]
async fn the_exchange_refuses_everything_but_a_valid_maskinporten_token() {
    let altinn = Altinn::start().await;
    let path = "/authentication/api/v1/exchange/maskinporten";
    let exchange = |token: String| {
        read(
            altinn
                .http
                .get(format!("{}{path}", altinn.local.url()))
                .bearer_auth(token),
        )
    };
    read(altinn.http.get(format!("{}{path}", altinn.local.url())))
        .await
        .expect(401);
    exchange("x.y.z".to_owned()).await.expect(401);
    exchange(altinn.token.clone()).await.expect(401);
    let fresh = || altinn.local.maskinporten_token(TTD, SCOPES, None).unwrap();
    read(
        altinn
            .http
            .get(format!(
                "{}/authentication/api/v1/exchange/idporten",
                altinn.local.url()
            ))
            .bearer_auth(fresh()),
    )
    .await
    .expect(400);
    let retired = altinn
        .http
        .get(format!("{}{path}", altinn.local.url()))
        .bearer_auth(fresh());
    read(retired.header("X-Altinn-EnterpriseUser-Authentication", "x"))
        .await
        .expect(410);

    let old = fresh();
    altinn.local.clock().advance(Duration::from_secs(125));
    exchange(old.clone()).await.expect(200);
    altinn.local.clock().advance(Duration::from_secs(10));
    exchange(old).await.expect(401);
}

#[tokio::test]
async fn altinn_tokens_expire_without_clock_skew() {
    let altinn = Altinn::start().await;
    let expires = claims(&altinn.token)["exp"].as_i64().unwrap();
    let app = format!("/ttd/casework/instances/{}", altinn.case().await);
    let paths = [
        app.as_str(),
        "/storage/api/v1/instances?appId=ttd/casework",
        "/events/api/v1/subscriptions",
    ];
    for (second, status) in [(expires - 1, 200), (expires, 401)] {
        altinn
            .local
            .clock()
            .stand_at(jiff::Timestamp::from_second(second).unwrap());
        for path in paths {
            altinn.get(path).await.expect(status);
        }
    }
}

#[tokio::test]
async fn apps_and_storage_accept_only_altinn_tokens() {
    let mut altinn = Altinn::start().await;
    let app = format!("/ttd/casework/instances/{}", altinn.case().await);
    let maskinporten = altinn.local.maskinporten_token(TTD, SCOPES, None).unwrap();
    let forged = sign(&DevelopmentKey::stranger().unwrap(), &claims(&altinn.token));
    let unsigned = {
        let body = altinn.token.split('.').nth(1).unwrap();
        format!(
            "{}.{body}.",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)
        )
    };
    for token in [
        maskinporten,
        forged,
        unsigned,
        "nonsense".to_owned(),
        String::new(),
    ] {
        altinn.token = token;
        for path in [app.as_str(), "/storage/api/v1/instances?appId=ttd/casework"] {
            assert!(altinn.get(path).await.expect(401).bytes.is_empty());
        }
    }
}

#[tokio::test]
async fn maskinporten_publishes_its_keys_through_a_rollover() {
    let altinn = Altinn::start().await;
    let jwks_uri = format!("{}jwk", altinn.local.issuer());
    let before = altinn.get(&jwks_uri).await.json();
    altinn.local.roll_maskinporten_key().unwrap();
    let after = altinn.get(&jwks_uri).await.json();
    let count = |jwks: &Value| jwks["keys"].as_array().unwrap().len();
    assert_eq!((count(&before), count(&after)), (1, 2));
    let token = altinn.local.maskinporten_token(TTD, SCOPES, None).unwrap();
    assert_eq!(
        jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(),
        after["keys"][1]["kid"].as_str()
    );
    altinn.token_of(TTD, SCOPES).await;
}

#[tokio::test]
async fn documents_and_links_have_the_public_url_of_a_proxy() {
    let clock = Clock::default();
    let altinn = Altinn::with(|config| {
        config.public_url = Some("http://127.0.0.1:9/".to_owned());
        config.clock = clock;
    })
    .await;
    assert_eq!(altinn.local.issuer(), "http://127.0.0.1:9/maskinporten/");
    let metadata = altinn
        .get("/maskinporten/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata["jwks_uri"], "http://127.0.0.1:9/maskinporten/jwk");
    altinn.case().await;
    let page = altinn
        .get("/storage/api/v1/instances?appId=ttd/casework&size=1")
        .await
        .expect(200)
        .json();
    assert!(
        page["next"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:9/storage/api/v1/instances?")
    );
    assert!(
        page["instances"][0]["selfLinks"]["platform"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:9/")
    );
}
