//! The content of a new instance.

use jiff::Timestamp;
use uuid::Uuid;

use super::parts::Part;
use super::template::Template;
use crate::app::AppDefinition;
use crate::history::History;
use crate::instance::{Instance, Owner, Process};
use crate::register::Party;
use crate::workflow::Workflow;

/// A validated request for a new instance.
pub(super) struct CreationRequest {
    pub(super) template: Template,
    pub(super) parts: Vec<Part>,
    /// Values for every form that the first task creates automatically.
    pub(super) prefill: Vec<(String, String)>,
    /// The instance to copy.
    pub(super) source: Option<Instance>,
    /// Whether it was sent to `instances/create`.
    pub(super) simplified: bool,
}

/// An instance that a user starts without a template.
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

/// A new instance with the fields that Storage takes from a template (Altinn/altinn-storage: src/Storage/Controllers/InstancesController.cs, CreateInstanceFromTemplate).
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
