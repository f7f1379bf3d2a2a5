//! A verifier of tokens with its issuer, and why it refuses a token.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use stafett_runtime::caller::{CallerError, CallerVerifier, MissingRight, TokenFault};

use crate::issuer::{Issuer, ORGANISATION};

/// When these tests begin.
pub(crate) fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    start()
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap()
}

pub(crate) async fn verifier() -> (Issuer, CallerVerifier) {
    let issuer = Issuer::start().await;
    let verifier = CallerVerifier::new(issuer.settings()).unwrap();
    (issuer, verifier)
}

/// Why `token` is refused. Whatever the reason, it shows nothing of the token.
pub(crate) async fn refusal(verifier: &CallerVerifier, token: &str, now: Timestamp) -> CallerError {
    let error = verifier.verify(token, now).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(!shown.contains(ORGANISATION), "{shown}");
    error
}

pub(crate) async fn fault(verifier: &CallerVerifier, token: &str, now: Timestamp) -> TokenFault {
    match refusal(verifier, token, now).await {
        CallerError::Unauthorized(fault) => fault,
        other => panic!("expected a faulty token, not: {other}"),
    }
}

pub(crate) async fn missing(verifier: &CallerVerifier, token: &str) -> MissingRight {
    match refusal(verifier, token, start()).await {
        CallerError::Forbidden(right) => right,
        other => panic!("expected a missing right, not: {other}"),
    }
}

pub(crate) async fn unavailable(
    verifier: &CallerVerifier,
    token: &str,
    now: Timestamp,
) -> (String, u64) {
    match refusal(verifier, token, now).await {
        CallerError::Unavailable {
            source,
            retry_after,
        } => (source.to_string(), retry_after.as_secs()),
        other => panic!("expected that nobody can tell, not: {other}"),
    }
}

/// The good claims, with some changed; null takes one away.
pub(crate) fn claims(issuer: &Issuer, changes: Value) -> Value {
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
