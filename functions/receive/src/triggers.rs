//! `POST /triggers`: app A says that an instance may be ready.

use lambda_http::{Request, RequestExt, request::RequestContext};
use stafett_core::{
    id::{AppId, InstanceId},
    trigger::Cause,
};
use uuid::Uuid;

use crate::{Receive, answer::Answer, authorization, body, log::Entry, problem::Problem};

/// Who calls is settled first: nothing of the body is looked at for a stranger.
pub(crate) async fn receive(
    receive: &Receive,
    request: &Request,
    entry: &mut Entry,
) -> Result<Answer, Problem> {
    entry.cause = Some(Cause::App);
    authorization::check(receive, request, entry).await?;

    let fields = body::object(request)?;
    let app: AppId = body::id("app", fields.text("app")?)?;
    let instance: InstanceId = body::id("instance", fields.text("instance")?)?;
    entry.instance = Some(instance);

    let id = request_id(request);
    let trace = entry.trace.as_ref();
    let routes = receive
        .enqueue(&app, instance, Cause::App, &id, trace)
        .await?;
    if routes.is_empty() {
        return Err(Problem::NoRoute);
    }
    entry.relays = routes.len();
    Ok(Answer::Triggered { instance, routes })
}

/// The id that API Gateway gave to the request, and gives to the caller in `apigw-requestid`.
pub(crate) fn request_id(request: &Request) -> String {
    let given = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    given.unwrap_or_else(|| Uuid::now_v7().to_string())
}
