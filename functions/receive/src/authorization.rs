//! Who calls: settled first, so that a stranger learns nothing else.

use lambda_http::{
    Request,
    http::{HeaderMap, header::AUTHORIZATION},
};

use crate::{Receive, log::Entry, problem::Problem};

/// Lets in whoever has a token that opens `POST /triggers`.
pub(crate) async fn check(
    receive: &Receive,
    request: &Request,
    entry: &mut Entry,
) -> Result<(), Problem> {
    let token = bearer(request.headers()).ok_or(Problem::NoToken)?;
    let caller = receive.callers.verify(token, receive.clock.now()).await?;
    entry.caller = Some(caller.organisation);
    Ok(())
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
