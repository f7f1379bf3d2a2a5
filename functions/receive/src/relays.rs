//! `GET /relays/{party}/{guid}`: what became of an A instance.

use lambda_http::Request;
use stafett_core::id::InstanceId;

use crate::{Receive, answer::Answer, authorization, log::Entry, problem::Problem};

/// What is no id of an instance is answered as one that nobody knows.
pub(crate) async fn receive(
    receive: &Receive,
    request: &Request,
    instance: Option<InstanceId>,
    entry: &mut Entry,
) -> Result<Answer, Problem> {
    authorization::check(receive, request, entry).await?;
    let instance = instance.ok_or(Problem::NoRelay)?;
    entry.instance = Some(instance);
    let relays = receive.ledger.of_source(instance).await?;
    if relays.is_empty() {
        return Err(Problem::NoRelay);
    }
    entry.relays = relays.len();
    Ok(Answer::Standing(relays))
}
