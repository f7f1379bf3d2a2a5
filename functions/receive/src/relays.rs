//! `GET /relays/{party}/{guid}`: the status of an A instance's relays.

use lambda_http::Request;
use stafett_core::id::InstanceId;
use stafett_runtime::ledger::Ledger;

use crate::{
    authorization::Authorization, log::Entry, problem_details::ProblemDetails, response::Response,
};

/// `instance` is none where the path holds no instance id; the caller is told the same as for an unknown instance.
pub(crate) async fn handle(
    authorization: &Authorization,
    ledger: &Ledger,
    request: &Request,
    instance: Option<InstanceId>,
    entry: &mut Entry,
) -> Result<Response, ProblemDetails> {
    authorization.check(request, entry).await?;
    let instance = instance.ok_or(ProblemDetails::NoRelay)?;
    entry.instance = Some(instance);
    let relays = ledger.of_source(instance).await?;
    if relays.is_empty() {
        return Err(ProblemDetails::NoRelay);
    }
    entry.relays = relays.len();
    Ok(Response::Relays(relays))
}
