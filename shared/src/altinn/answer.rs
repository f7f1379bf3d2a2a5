//! What B's answer to the request that makes it says of B's existence.
//!
//! Altinn's creation is not idempotent, and what it answers depends on how far it came:
//! a refusal before the instance is made, one after, or a failure of which nobody knows
//! (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs, Post).
//! Bodies are looked at for their kind only: they may quote personal data.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::relay::{
    Reason,
    decide::{Answer, Problem},
};

/// An answer within this time cannot come from a token that expired while B worked.
pub(super) const AT_ONCE: Duration = Duration::from_secs(5);

/// B's answer, other than success.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: &'a [u8],
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub elapsed: Duration,
}

/// The kinds of body that Altinn's apps answer with.
enum Body {
    Empty,
    /// Plain text or a JSON string.
    Text(String),
    /// An object with a `title`: RFC 9457 problem details.
    Problem(Value),
    /// Another JSON object: failed obligations, a validation result.
    Object(Value),
}

impl Body {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim();
        if text.is_empty() {
            return Self::Empty;
        }
        match serde_json::from_str(text) {
            Ok(Value::String(text)) => Self::Text(text),
            Ok(object @ Value::Object(_)) if object.get("title").is_some() => Self::Problem(object),
            Ok(object @ Value::Object(_)) => Self::Object(object),
            _ => Self::Text(text.to_owned()),
        }
    }
}

/// Reads a refusal.
#[must_use]
pub fn classify(refusal: &Refusal<'_>) -> Answer {
    let status = refusal.status;
    let problem = |reason: Reason, what: &str| {
        Problem::new(reason)
            .because(format!("B answered {}{what}", status.as_u16()))
            .after(refusal.retry_after)
    };
    let body = Body::read(refusal.body);
    if let Body::Problem(details) | Body::Object(details) = &body
        && let Some(answer) = workflow(details, &problem)
    {
        return answer;
    }
    match (status, body) {
        (StatusCode::BAD_REQUEST, Body::Text(_)) => {
            Answer::Refused(problem(Reason::Refused, " before anything was made"))
        }
        (StatusCode::BAD_REQUEST, Body::Problem(details)) if is_unread(&details) => {
            Answer::Refused(problem(Reason::Refused, ": it could not read the request"))
        }
        (StatusCode::UNAUTHORIZED, _) if refusal.elapsed < AT_ONCE => {
            Answer::Later(problem(Reason::TargetUnavailable, " to our token"))
        }
        (StatusCode::UNAUTHORIZED, _) => Answer::Unknown(problem(
            Reason::OutcomeUnknown,
            " after a while: our token expired",
        )),
        (StatusCode::FORBIDDEN, Body::Text(_)) => Answer::Refused(problem(
            Reason::Refused,
            ": this owner or this caller is not admitted",
        )),
        (StatusCode::FORBIDDEN, Body::Object(details)) if details.get("valid").is_some() => {
            Answer::Refused(problem(
                Reason::Refused,
                ": its own rules do not admit this owner",
            ))
        }
        (
            StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Body::Problem(details),
        ) if is_scope(&details) => Answer::Refused(problem(
            Reason::Refused,
            ": our token lacks a scope that B wants",
        )),
        (
            StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Body::Problem(_),
        ) => Answer::Orphaned(problem(
            Reason::Refused,
            " when an instance existed already",
        )),
        (StatusCode::NOT_FOUND, Body::Text(text)) if text.contains("Cannot lookup party") => {
            Answer::Later(problem(
                Reason::OwnerUnknown,
                ": it cannot look up the owner",
            ))
        }
        (StatusCode::CONFLICT, Body::Text(_)) => {
            Answer::Refused(problem(Reason::Refused, ": its process cannot start"))
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => {
            Answer::Refused(problem(Reason::Refused, ": the request is too large"))
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            Answer::Later(problem(Reason::TargetUnavailable, ": it is too busy"))
        }
        (StatusCode::FORBIDDEN, _) => Answer::Unknown(problem(
            Reason::Refused,
            ": no right to instantiate, or its policy could not be asked",
        )),
        (StatusCode::NOT_FOUND | StatusCode::CONFLICT, _) => {
            Answer::Unknown(problem(Reason::TargetUnavailable, " without a word"))
        }
        (status, _) if status.is_client_error() => Answer::Refused(problem(Reason::Refused, "")),
        _ => Answer::Unknown(problem(Reason::OutcomeUnknown, "")),
    }
}

/// The request itself could not be read, before anything was made.
fn is_unread(details: &Value) -> bool {
    details.get("title").and_then(Value::as_str) == Some("Error reading request")
        || details.get("errors").is_some_and(Value::is_object)
}

/// The app's `apiScopes` are checked before anything else.
fn is_scope(details: &Value) -> bool {
    details.get("title").and_then(Value::as_str) == Some("Insufficient scope")
        || details
            .get("detail")
            .and_then(Value::as_str)
            .is_some_and(|d| d.contains("Insufficient scope"))
}

/// Apps with the workflow engine say themselves what to do (Altinn/altinn-studio: src/App/backend,
/// `WorkflowInitializationProblemDetails`).
fn workflow(details: &Value, problem: &impl Fn(Reason, &str) -> Problem) -> Option<Answer> {
    let action = details.get("recommendedAction")?.as_str()?;
    let deleted = details
        .get("instanceDeleted")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let is = |word: &str| action.eq_ignore_ascii_case(word);
    Some(if is("retryInstanceCreation") && deleted {
        Answer::Later(problem(
            Reason::TargetUnavailable,
            ": its workflow did not start, the instance was deleted",
        ))
    } else {
        // `inspectInstance`, `resumeCurrentTask`, or a word of a later version.
        Answer::Unknown(problem(
            Reason::OutcomeUnknown,
            ": its workflow did not start as it should",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str, elapsed_seconds: u64) -> &'static str {
        let answer = classify(&Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.as_bytes(),
            retry_after: None,
            elapsed: Duration::from_secs(elapsed_seconds),
        });
        match answer {
            Answer::Created(_) => "created",
            Answer::Refused(_) => "refused",
            Answer::Later(problem) if problem.reason == Reason::OwnerUnknown => "owner unknown",
            Answer::Later(_) => "later",
            Answer::Orphaned(_) => "orphaned",
            Answer::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn every_answer_of_altinn_is_read_for_what_it_says_of_b() {
        const PROBLEM: &str =
            r#"{"title":"File validation failed","status":400,"detail":"Common checks failed"}"#;
        for (status, body, seconds, expected) in [
            (
                400,
                r#""Error when comparing content to application metadata: x""#,
                0,
                "refused",
            ),
            (
                400,
                "The query parameter 'instanceOwnerPartyId' must be provided",
                0,
                "refused",
            ),
            (
                400,
                r#"{"title":"Error reading request","status":400,"detail":"Part number 2 doesn't have a content type"}"#,
                0,
                "refused",
            ),
            (
                400,
                r#"{"type":"x","title":"One or more validation errors occurred.","status":400,"errors":{"f":["bad"]}}"#,
                0,
                "refused",
            ),
            (400, PROBLEM, 0, "orphaned"),
            (403, PROBLEM, 0, "orphaned"),
            (409, PROBLEM, 0, "orphaned"),
            (415, PROBLEM, 0, "orphaned"),
            (401, "", 0, "later"),
            (401, "", 60, "unknown"),
            (
                403,
                "Party 50085321 is not allowed to instantiate this application ttd/app-b",
                0,
                "refused",
            ),
            (
                403,
                r#"{"valid":false,"message":"no","customTextKey":null,"validParties":[]}"#,
                0,
                "refused",
            ),
            (
                403,
                r#"{"title":"Forbidden","status":403,"detail":"Insufficient scope"}"#,
                0,
                "refused",
            ),
            (
                403,
                r#"{"urn:altinn:minimum-authenticationlevel":"3"}"#,
                0,
                "unknown",
            ),
            (403, "", 0, "unknown"),
            (
                404,
                r#""Cannot lookup party: Unknown party""#,
                0,
                "owner unknown",
            ),
            (404, "", 0, "unknown"),
            (409, "", 0, "unknown"),
            (409, "The process cannot start", 0, "refused"),
            (413, "", 0, "refused"),
            (429, "", 0, "later"),
            (
                500,
                "Instantiation of appId ttd/app-b failed for party 1",
                0,
                "unknown",
            ),
            (502, "", 0, "unknown"),
            (503, "", 0, "unknown"),
            (504, "<html>", 0, "unknown"),
            (
                500,
                r#"{"title":"x","state":"workflowNotAccepted","recommendedAction":"retryInstanceCreation","instanceDeleted":true}"#,
                0,
                "later",
            ),
            (
                500,
                r#"{"title":"x","state":"workflowNotAccepted","recommendedAction":"retryInstanceCreation","instanceDeleted":false}"#,
                0,
                "unknown",
            ),
            (
                500,
                r#"{"title":"x","state":"acceptanceUnknown","recommendedAction":"inspectInstance"}"#,
                0,
                "unknown",
            ),
            (
                500,
                r#"{"title":"x","state":"failed","recommendedAction":"resumeCurrentTask"}"#,
                0,
                "unknown",
            ),
        ] {
            assert_eq!(kind(status, body, seconds), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_body() {
        let answer = classify(&Refusal {
            status: StatusCode::NOT_FOUND,
            body: br#""Cannot lookup party: Failed to lookup party by personNumber: 01017012345""#,
            retry_after: Some(Duration::from_secs(7)),
            elapsed: Duration::ZERO,
        });
        assert!(!format!("{answer:?}").contains("01017012345"));
        let Answer::Later(problem) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(problem.after, Some(Duration::from_secs(7)));
    }
}
