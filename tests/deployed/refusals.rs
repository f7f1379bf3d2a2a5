//! Callers that the API refuses.

use http::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::deployed::{Deployed, run_story};

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let (start, end) = signature.split_at(signature.len() / 2);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{start}{other}{}", &end[1..])
}

#[test]
fn a_forged_token_is_refused_and_nothing_is_relayed() {
    run_story(async |deployed| {
        let a = deployed.submit();
        let token = deployed.token();
        let refused = deployed.trigger(&a, &forged(&token)).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        // A relay of the refused trigger would have been started before that of the accepted one.
        let next = deployed.submit();
        let accepted = deployed.trigger(&next, &token).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        deployed.done(&next).await;
        assert_eq!(deployed.state(&a).await, None);
    });
}

/// Status, content type and body of the response to an event.
async fn answer(deployed: &Deployed, path: &str) -> (StatusCode, String, Value) {
    let event = json!({
        "id": "5b0d9f0e-6a0c-4c53-a3f2-6f5f0a3a9d11",
        "source": "https://platform.tt02.altinn.no/events/api/v1/subscriptions/1",
        "specversion": "1.0",
        "type": "platform.events.validatesubscription",
    });
    let answer = deployed.call(Method::POST, path).json(&event).send().await;
    let answer = answer.expect("the API answers");
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .map(|it| it.to_str().unwrap_or_default().to_owned());
    let (status, kind) = (answer.status(), kind.unwrap_or_default());
    (status, kind, answer.json().await.unwrap_or_default())
}

#[test]
fn a_wrong_events_secret_gets_the_response_of_an_unknown_path() {
    run_story(async |deployed| {
        let right = format!("/events/{}", deployed.named("/eventsSecret"));
        assert_eq!(answer(deployed, &right).await.0, StatusCode::OK);
        let wrong = answer(deployed, &format!("/events/{}", "x".repeat(48))).await;
        assert_eq!(wrong.0, StatusCode::NOT_FOUND);
        assert_eq!(wrong, answer(deployed, "/nothing/here").await);
    });
}
