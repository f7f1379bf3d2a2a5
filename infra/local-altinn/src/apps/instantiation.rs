//! Instantiation: the checks before Storage creates the instance, and the order of the steps after them.
//!
//! Order of the checks and steps, and their outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::StatusCode;
use serde_json::json;

use super::calls::Calls;
use super::creation::{Creation, CreationError, nothing_created};
use super::new_instance::{CreationRequest, new_instance};
use super::{AppRequest, owner, workflow};
use crate::faults::{CreationStep, Fault};
use crate::instance::Process;
use crate::register::Party;
use crate::responses::{self, HandlerResult};

/// Looks up the owner, checks that the caller may instantiate, and creates the instance.
pub(super) async fn instantiate(request: &AppRequest, wanted: CreationRequest) -> HandlerResult {
    let (world, app) = (&request.world, &request.app);
    let Some(reference) = &wanted.template.owner else {
        return Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
    };
    let party = owner::look_up(request, reference)?;
    if wanted
        .source
        .as_ref()
        .is_some_and(|source| source.owner.party_id != party.party_id())
    {
        return Err(responses::json_string(
            StatusCode::BAD_REQUEST,
            "It is not possible to copy instances between instance owners.",
        )
        .into());
    }
    request.require(party.party_id(), "instantiate")?;
    if !party.is_allowed(&app.metadata.party_types_allowed) {
        let text = format!(
            "Party {} is not allowed to instantiate this application {}",
            party.party_id(),
            app.id
        );
        return Err(responses::json_string(StatusCode::FORBIDDEN, text).into());
    }
    let refused = |fault: &Fault| {
        if let Fault::InstantiationRefused(message) = fault {
            Some(message.clone())
        } else {
            None
        }
    };
    if let Some(message) = world.faults.take(Some(&app.id), refused) {
        let body = json!({
            "valid": false, "message": message, "customTextKey": null, "customTextParameters": null, "validParties": [],
        });
        return Err(responses::json_value(StatusCode::FORBIDDEN, &body).into());
    }
    let Some(process) = request.engine().start() else {
        return Err(responses::json_string(
            StatusCode::CONFLICT,
            "No start event found in the process",
        )
        .into());
    };
    create(request, wanted, party, process).await
}

/// Creates the instance with its data, starts its process, and returns the response.
async fn create(
    request: &AppRequest,
    wanted: CreationRequest,
    party: Party<'_>,
    process: Process,
) -> HandlerResult {
    let calls = Calls::begin(request);
    let party_id = party.party_id();
    let created = calls.call(CreationStep::Instance, || {
        let (app, now) = (&request.app, request.world.clock.now());
        let actor = request.caller.actor();
        let mut instance = new_instance(
            &app.id,
            &app.org,
            party,
            &wanted.template,
            process,
            now,
            actor,
        );
        if request.caller.user.is_some() {
            instance.status.read_status = 1;
        }
        let guid = instance.guid;
        request.world.store.insert(instance);
        Ok(guid)
    });
    let created = created.await.map_err(|error| {
        let app = &request.app.id;
        error.into_response(&nothing_created(app, party_id))
    });
    let creation = Creation {
        request: request.clone(),
        calls,
        guid: created?,
        party: party_id,
        prefill: wanted.prefill.clone(),
        simplified: wanted.simplified,
    };
    let stored = match creation.store_parts(wanted).await {
        Ok(()) => creation.read_back().await.map_err(CreationError::from),
        refused => refused,
    };
    let started = match stored {
        Ok(()) if creation.library().has_engine() => return workflow::start(creation).await,
        Ok(()) => creation.start_process().await.map_err(CreationError::from),
        Err(failure) => Err(failure),
    };
    match started {
        Ok(instance) => Ok(creation.created_response(&instance)),
        Err(failure) => Err(creation.fail(failure).await.into()),
    }
}
