//! `POST /triggers`: app A says that an instance may be ready.

use lambda_http::Request;
use stafett_core::{
    id::{AppId, InstanceId},
    trigger::Cause,
};

use crate::{
    authorization::Authorization,
    body,
    enqueue::{Enqueue, request_id},
    log::Entry,
    problem_details::ProblemDetails,
    response::Response,
};

/// Reads the body only after the caller's token was accepted.
pub(crate) async fn handle(
    authorization: &Authorization,
    enqueue: &Enqueue,
    request: &Request,
    entry: &mut Entry,
) -> Result<Response, ProblemDetails> {
    entry.cause = Some(Cause::App);
    authorization.check(request, entry).await?;

    let fields = body::object(request)?;
    let app: AppId = body::id("app", fields.text("app")?)?;
    let instance: InstanceId = body::id("instance", fields.text("instance")?)?;
    entry.instance = Some(instance);

    let id = request_id(request);
    let trace = entry.trace.as_ref();
    let routes = enqueue.send(&app, instance, Cause::App, &id, trace).await?;
    if routes.is_empty() {
        return Err(ProblemDetails::NoRoute);
    }
    entry.relays = routes.len();
    Ok(Response::Triggered { instance, routes })
}
