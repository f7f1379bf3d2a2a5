//! Which claims a token must have.

use serde_json::{Value, json};
use stafett_runtime::caller::{CallerVerifier, MissingRight, TokenFault};

use crate::{
    issuer::{ORGANISATION, SCOPE},
    verifier::{after, claims, fault, missing, start, verifier},
};

#[tokio::test]
async fn a_token_is_valid_from_nbf_to_exp_with_ten_seconds_of_leeway() {
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
async fn missing_claims_and_claims_of_another_type_are_refused() {
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
async fn the_issuer_must_match_to_the_last_character() {
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
async fn the_audience_is_checked_where_one_is_set() {
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
async fn the_scope_must_be_there_as_a_whole_word() {
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
async fn the_organisation_must_be_one_that_may_trigger() {
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
