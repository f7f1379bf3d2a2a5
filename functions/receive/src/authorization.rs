//! Who calls. A handler checks this first, so that a call without a good token learns nothing else.

use lambda_http::{
    Request,
    http::{HeaderMap, header::AUTHORIZATION},
};
use stafett_runtime::{caller::CallerVerifier, clock::Clock};

use crate::{log::Entry, problem_details::ProblemDetails};

/// Checks the access tokens of `POST /triggers` and `GET /relays/{party}/{guid}`.
#[derive(Debug)]
pub(crate) struct Authorization {
    callers: CallerVerifier,
    clock: Clock,
}

impl Authorization {
    pub(crate) fn new(callers: CallerVerifier, clock: Clock) -> Self {
        Self { callers, clock }
    }

    /// Checks the request's token, and enters the caller's organisation in the log.
    pub(crate) async fn check(
        &self,
        request: &Request,
        entry: &mut Entry,
    ) -> Result<(), ProblemDetails> {
        let token = bearer(request.headers()).ok_or(ProblemDetails::NoToken)?;
        let caller = self.callers.verify(token, self.clock.now()).await?;
        entry.caller = Some(caller.organisation);
        Ok(())
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
