//! `POST /triggers`: app A says that an instance may be ready.

use jiff::Timestamp;
use lambda_http::{
    Request, RequestExt,
    http::{HeaderMap, header::AUTHORIZATION},
    request::RequestContext,
};
use stafett::{
    id::{AppId, InstanceId},
    trigger::Cause,
};
use uuid::Uuid;

use crate::{Receive, answer::Answer, body, log::Entry, problem::Problem};

/// Who calls is settled first: nothing of the body is looked at for a stranger.
pub(crate) async fn receive(
    receive: &Receive,
    request: &Request,
    entry: &mut Entry,
) -> Result<Answer, Problem> {
    entry.cause = Some(Cause::App);
    let token = bearer(request.headers()).ok_or(Problem::NoToken)?;
    let caller = receive.callers.verify(token, Timestamp::now()).await?;
    entry.caller = Some(caller.organisation);

    let fields = body::object(request)?;
    let app: AppId = body::id("app", fields.text("app")?)?;
    let instance: InstanceId = body::id("instance", fields.text("instance")?)?;
    entry.instance = Some(instance);

    let id = request_id(request);
    let routes = receive.enqueue(&app, instance, Cause::App, &id).await?;
    if routes.is_empty() {
        return Err(Problem::NoRoute);
    }
    entry.relays = routes.len();
    Ok(Answer::Triggered { instance, routes })
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The id that API Gateway gave to the request, and gives to the caller in `apigw-requestid`.
fn request_id(request: &Request) -> String {
    let given = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    given.unwrap_or_else(|| Uuid::now_v7().to_string())
}
