//! Why a call is refused: problem details (RFC 9457).

use std::time::Duration;

use lambda_http::{
    Body,
    http::{
        self, HeaderValue, Method, StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde_json::json;
use stafett_runtime::{
    caller::{CallerError, MissingRight},
    ledger::LedgerError,
    queue::QueueError,
    telemetry::Causes,
};
use thiserror::Error;

use crate::{
    body::{BodyError, Malformed},
    response::with_json,
};

/// `Retry-After` while the queue or the ledger is down.
const PAUSE: Duration = Duration::from_secs(10);

/// A refusal. Its text is the `detail` that the caller gets; its source is for the log only.
#[derive(Debug, Error)]
pub(crate) enum ProblemDetails {
    #[error("Nothing is here; check the path of the call.")]
    NotFound,
    #[error("This call is made with {allowed}.")]
    Method { allowed: Method },
    #[error(
        "The call needs a Maskinporten access token; send it in the header Authorization: Bearer <token>."
    )]
    NoToken,
    #[error("The caller is not let in: {}.", Causes(.0))]
    Caller(CallerError),
    #[error(
        "Nobody can check access tokens just now; send the same call again after the seconds in Retry-After."
    )]
    CallersUnavailable {
        #[source]
        source: CallerError,
        retry_after: Duration,
    },
    #[error("The body is longer than 64 KiB; a trigger carries an app id and an instance id only.")]
    TooLarge,
    #[error("The body cannot be used: {0}.")]
    Malformed(Malformed),
    #[error(
        "No route starts from this app; check the app id, or ask whoever runs this service to add a route."
    )]
    NoRoute,
    #[error(
        "No relay of this instance is on record; check the id, or trigger the instance and ask again a little later."
    )]
    NoRelay,
    #[error(
        "Nobody can look up relays just now; send the same call again after the seconds in Retry-After."
    )]
    Ledger(#[source] LedgerError),
    #[error(
        "What is on record of this instance cannot be read; whoever runs this service finds the reason in its log."
    )]
    Unreadable(#[source] LedgerError),
    #[error(
        "Not everything could be queued; send the same call again after the seconds in Retry-After, repeating it does no harm."
    )]
    Queue(#[from] QueueError),
}

impl From<CallerError> for ProblemDetails {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Unavailable { retry_after, .. } => Self::CallersUnavailable {
                source: error,
                retry_after,
            },
            error => Self::Caller(error),
        }
    }
}

impl From<LedgerError> for ProblemDetails {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unreadable { .. } => Self::Unreadable(error),
            error => Self::Ledger(error),
        }
    }
}

impl From<BodyError> for ProblemDetails {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Malformed(malformed) => Self::Malformed(malformed),
        }
    }
}

impl From<Malformed> for ProblemDetails {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl ProblemDetails {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NoRoute | Self::NoRelay => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::Caller(CallerError::Forbidden(_)) => StatusCode::FORBIDDEN,
            Self::Caller(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::CallersUnavailable { .. } | Self::Ledger(_) | Self::Queue(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The end of the problem's `type`, by which callers tell problems apart. It must never be renamed.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Method { .. } => "method-not-allowed",
            Self::NoToken => "no-token",
            Self::Caller(CallerError::Forbidden(_)) => "forbidden",
            Self::Caller(_) => "invalid-token",
            Self::CallersUnavailable { .. } => "issuer-unavailable",
            Self::TooLarge => "body-too-large",
            Self::Malformed(_) => "malformed-body",
            Self::NoRoute => "no-route",
            Self::NoRelay => "no-relay",
            Self::Ledger(_) => "ledger-unavailable",
            Self::Unreadable(_) => "unreadable-record",
            Self::Queue(_) => "queue-unavailable",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Method { .. } => "Method not allowed",
            Self::NoToken => "No access token",
            Self::Caller(CallerError::Forbidden(_)) => "Not allowed to call",
            Self::Caller(_) => "Access token not accepted",
            Self::CallersUnavailable { .. } => "Access token cannot be checked",
            Self::TooLarge => "Body too large",
            Self::Malformed(_) => "Body not understood",
            Self::NoRoute => "No route for this app",
            Self::NoRelay => "No relay of this instance",
            Self::Ledger(_) => "Ledger not available",
            Self::Unreadable(_) => "Record not readable",
            Self::Queue(_) => "Queue not available",
        }
    }

    pub(crate) fn into_http(self) -> http::Response<Body> {
        let status = self.status();
        let body = json!({
            "type": format!("urn:stafett:problem:{}", self.name()),
            "title": self.title(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let mut response = with_json(status, "application/problem+json", &body);
        let headers = response.headers_mut();
        // The challenges of RFC 6750, section 3.
        match self {
            Self::Method { allowed } => {
                if let Ok(value) = HeaderValue::from_str(allowed.as_str()) {
                    headers.insert(ALLOW, value);
                }
            }
            Self::NoToken => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Caller(CallerError::Forbidden(MissingRight::Scope)) => {
                let value = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
                headers.insert(WWW_AUTHENTICATE, value);
            }
            Self::Caller(CallerError::Unauthorized(_)) => {
                let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, value);
            }
            Self::CallersUnavailable { retry_after, .. } => {
                headers.insert(RETRY_AFTER, retry_after.as_secs().into());
            }
            Self::Ledger(_) | Self::Queue(_) => {
                headers.insert(RETRY_AFTER, PAUSE.as_secs().into());
            }
            _ => {}
        }
        response
    }
}
