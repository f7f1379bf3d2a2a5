//! What an answer says of B's load.

use std::time::Duration;

use http::StatusCode;

/// What an answer to a request to B's app, or its absence, says of B's load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// B did what was asked.
    Done,
    /// B's app answered otherwise, and did not say that it is busy: it is up.
    Answered,
    /// B has too many requests (429), and asks for this pause.
    Busy(Option<Duration>),
    /// B is overloaded or down, and may ask for this pause: 502, 503, 504, a gateway's page, a time-out, no connection.
    Down(Option<Duration>),
    /// B did not answer within the time that a request has.
    Hung,
    /// Nothing: B was not asked, or the fault is not B's.
    Unknown,
}

impl Load {
    /// What a status says. `by_gateway` is whether a gateway answered in the place of B's app.
    #[must_use]
    pub fn of(status: StatusCode, by_gateway: bool, retry_after: Option<Duration>) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::Busy(retry_after),
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Down(retry_after),
            _ if by_gateway => Self::Down(retry_after),
            _ => Self::Answered,
        }
    }
}
