//! `POST /events/{secret}`: Altinn Events says that something happened to an instance.
//!
//! What is not a CloudEvent is refused. Every other event is answered with 200, whether it starts anything or not,
//! because Altinn sends a refused one up to twelve times more. Whether the instance is ready is for the gate to decide.

use lambda_http::Request;
use stafett_core::trigger::Cause;

use crate::{
    body,
    cloud_event::CloudEvent,
    enqueue::{Enqueue, request_id},
    log::Entry,
    problem_details::ProblemDetails,
    response::Response,
};

pub(crate) async fn handle(
    enqueue: &Enqueue,
    request: &Request,
    entry: &mut Entry,
) -> Result<Response, ProblemDetails> {
    entry.cause = Some(Cause::Event);
    let fields = body::object(request)?;
    let event = CloudEvent::read(&fields)?;
    let Some((app, instance)) = event.subject() else {
        return Ok(Response::NothingToDo);
    };
    entry.instance = Some(instance);
    let id = event
        .short_id()
        .map_or_else(|| request_id(request), str::to_owned);
    let trace = entry.trace.as_ref();
    let routes = enqueue
        .send(&app, instance, Cause::Event, &id, trace)
        .await?;
    if routes.is_empty() {
        return Ok(Response::NothingToDo);
    }
    entry.relays = routes.len();
    Ok(Response::Noted { instance, routes })
}
