//! Instantiation: what is checked before Storage is asked for an instance.
//!
//! Order of work and outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::parts::Part;
use super::template::Template;
use super::{Visit, creation, owner};
use crate::altinn::answer::{self, Answer};
use crate::altinn::app::AppDefinition;
use crate::altinn::faults::Fault;
use crate::altinn::history::History;
use crate::altinn::instance::{Instance, Owner, Process};
use crate::altinn::register::Party;
use crate::altinn::workflow::Workflow;

/// What shall be created.
pub(super) struct Order {
    pub(super) template: Template,
    pub(super) parts: Vec<Part>,
    /// Values for every form that the first task creates by itself.
    pub(super) prefill: Vec<(String, String)>,
    pub(super) source: Option<Instance>,
    /// Whether it came by `instances/create`.
    pub(super) simplified: bool,
}

/// From the party lookup on.
pub(super) async fn instantiate(visit: &Visit, order: Order) -> Answer {
    let (world, app) = (&visit.world, &visit.app);
    let Some(reference) = &order.template.owner else {
        return Err(answer::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
    };
    let party = owner::look_up(visit, reference)?;
    if order
        .source
        .as_ref()
        .is_some_and(|source| source.owner.party_id != party.party_id())
    {
        return Err(answer::sentence(
            StatusCode::BAD_REQUEST,
            "It is not possible to copy instances between instance owners.",
        )
        .into());
    }
    visit.require(party.party_id(), "instantiate")?;
    if !party.is_allowed(&app.metadata.party_types_allowed) {
        let text = format!(
            "Party {} is not allowed to instantiate this application {}",
            party.party_id(),
            app.id
        );
        return Err(answer::sentence(StatusCode::FORBIDDEN, text).into());
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
        return Err(answer::json_value(StatusCode::FORBIDDEN, &body).into());
    }
    let Some(process) = visit.engine().start() else {
        return Err(
            answer::sentence(StatusCode::CONFLICT, "No start event found in the process").into(),
        );
    };
    creation::create(visit, order, party, process).await
}

/// An instance that a user starts, without a template.
pub(crate) fn new_user_instance(
    app: &AppDefinition,
    party: Party<'_>,
    process: Process,
    now: Timestamp,
    actor: &str,
) -> Instance {
    new_instance(
        &app.id,
        &app.org,
        party,
        &Template::default(),
        process,
        now,
        actor,
    )
}

/// What survives from a template (Altinn/altinn-storage: src/Storage/Controllers/InstancesController.cs, CreateInstanceFromTemplate).
pub(super) fn new_instance(
    app_id: &str,
    org: &str,
    party: Party<'_>,
    template: &Template,
    process: Process,
    now: Timestamp,
    actor: &str,
) -> Instance {
    Instance {
        internal_id: 0,
        guid: Uuid::new_v4(),
        owner: Owner {
            party_id: party.party_id(),
            person_number: party.person_number().map(str::to_owned),
            organisation_number: party.organisation_number().map(str::to_owned),
        },
        app_id: app_id.to_owned(),
        org: org.to_owned(),
        due_before: template.due_before,
        visible_after: Some(template.visible_after.unwrap_or(now)),
        process: Some(process),
        status: template.status.clone(),
        confirmations: Vec::new(),
        data: Vec::new(),
        presentation_texts: None,
        data_values: template.data_values.clone(),
        created: now,
        created_by: actor.to_owned(),
        last_changed: now,
        last_changed_by: actor.to_owned(),
        history: History::default(),
        workflow: Workflow::default(),
    }
}
