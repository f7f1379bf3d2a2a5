//! Instantiation proper: from the party lookup to the answer, and the cleanup where it fails.
//!
//! Order of work and outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::parts::Part;
use super::template::Template;
use super::{CREATED, Visit, form, owner, upload};
use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::app::AppDefinition;
use crate::altinn::disposition;
use crate::altinn::faults::Fault;
use crate::altinn::instance::{Element, Instance, Mark, Owner, Process};
use crate::altinn::register::Party;

/// What shall be created.
pub(super) struct Order {
    pub(super) template: Template,
    pub(super) parts: Vec<Part>,
    /// Values for every form that the first task creates by itself.
    pub(super) prefill: Vec<(String, String)>,
    pub(super) source: Option<Instance>,
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
    let delayed = |fault: &Fault| {
        if let Fault::EffectDelayed(by) = fault {
            Some(*by)
        } else {
            None
        }
    };
    if let Some(by) = world.faults.take(Some(&app.id), delayed) {
        tokio::time::sleep(by).await;
    }
    let guid = storage_creates(visit, &order.template, party, process)?;
    let token_alive = TokenWatch::new(visit);
    match fill(visit, guid, order, &token_alive) {
        Ok(instance) => {
            world.publish(app, &instance, CREATED);
            let view = world.app_response(&instance, &visit.headers);
            let location = view["selfLinks"]["apps"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            Ok(answer::with_header(
                answer::json_value(StatusCode::CREATED, &view),
                header::LOCATION,
                &location,
            ))
        }
        Err(failure) => {
            clean_up(visit, guid, &token_alive);
            Err(failure)
        }
    }
}

/// Whether the caller's token is still good, which every call to Storage needs.
struct TokenWatch<'v> {
    visit: &'v Visit,
    expired_inside: bool,
}

impl<'v> TokenWatch<'v> {
    fn new(visit: &'v Visit) -> Self {
        Self {
            visit,
            expired_inside: visit
                .world
                .faults
                .strikes(Some(&visit.app.id), &Fault::TokenExpiresInside),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if !self.expired_inside && self.visit.caller.is_alive(&self.visit.world) {
            return Ok(());
        }
        Err(answer::problem(
            StatusCode::UNAUTHORIZED,
            "Platform error",
            "Storage answered 401",
        )
        .into())
    }
}

/// Storage makes the instance; its refusals keep their status.
fn storage_creates(
    visit: &Visit,
    template: &Template,
    party: Party<'_>,
    process: Process,
) -> Result<Uuid, Refusal> {
    let (world, app) = (&visit.world, &visit.app);
    let failed = || {
        let text = format!(
            "Instantiation of appId {} failed for party {}",
            app.id,
            party.party_id()
        );
        Refusal::from(answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text))
    };
    if world.faults.storage_is_down(&app.id) {
        return Err(failed());
    }
    if !visit.caller.is_alive(world) {
        return Err(answer::sentence(StatusCode::UNAUTHORIZED, "Storage answered 401").into());
    }
    let refused = |fault: &Fault| {
        if let Fault::StorageRefusesCreation(status) = fault {
            Some(*status)
        } else {
            None
        }
    };
    match world.faults.take(Some(&app.id), refused) {
        None => {}
        Some(status @ (403 | 404 | 409)) => {
            return Err(answer::empty(answer::status(status)).into());
        }
        Some(500) => return Err(failed()),
        Some(status) => {
            return Err(
                answer::sentence(answer::status(status), "Storage refused the instance").into(),
            );
        }
    }
    let now = world.clock.now();
    let actor = visit.caller.actor().to_owned();
    let mut instance = new_instance(&app.id, &app.org, party, template, process, now, &actor);
    if visit.caller.user.is_some() {
        instance.status.read_status = 1;
    }
    let guid = instance.guid;
    world.store.insert(instance);
    if world
        .faults
        .strikes(Some(&app.id), &Fault::CreationAnswerLost)
    {
        return Err(failed());
    }
    Ok(guid)
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
fn new_instance(
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
        lock: None,
        history: Vec::new(),
    }
}

/// Stores the parts and starts the first task. A failure in here leaves the instance as far as it got.
fn fill(
    visit: &Visit,
    guid: Uuid,
    order: Order,
    token: &TokenWatch<'_>,
) -> Result<Instance, Refusal> {
    let (world, app) = (&visit.world, &visit.app);
    let gone = || Refusal::from(answer::empty(StatusCode::INTERNAL_SERVER_ERROR));
    let instance = world.store.get(guid).ok_or_else(gone)?;
    let mut elements = Vec::with_capacity(order.parts.len());
    let mut copy = instance.clone();
    for (number, part) in order.parts.into_iter().enumerate() {
        let element = stage(visit, &mut copy, part, number)?;
        elements.push(element);
    }
    if let Some(source) = &order.source {
        elements.extend(copied(visit, source, &mut copy));
    }
    let wanted = elements.len();
    let failing = |fault: &Fault| {
        if let Fault::PartsFail { status, after } = fault {
            Some((*status, *after))
        } else {
            None
        }
    };
    let failing = world.faults.take(Some(&app.id), failing);
    let stored = failing.map_or(wanted, |(_, after)| after.min(wanted));
    if wanted > 0 {
        token.check()?;
        upload::require_identity(visit)?;
    }
    world.store.change(guid, |instance| {
        for element in elements.into_iter().take(stored) {
            instance.data.push(element);
        }
        if wanted > 0 && visit.caller.user.is_none() {
            instance.note_unread_change();
        }
        if stored == wanted {
            instance.data_values = copy.data_values;
            instance.presentation_texts = copy.presentation_texts;
        }
        instance.touch(world.clock.now(), visit.caller.actor());
    });
    if let Some((status, _)) = failing {
        let detail = format!(
            "Instantiation of data elements failed for instance {} for party {}",
            instance.id(),
            instance.owner.party_id
        );
        return Err(
            answer::problem(answer::status(status), "Instantiation failed", &detail).into(),
        );
    }
    start_first_task(visit, guid, &order.prefill, token)
}

fn start_first_task(
    visit: &Visit,
    guid: Uuid,
    prefill: &[(String, String)],
    token: &TokenWatch<'_>,
) -> Result<Instance, Refusal> {
    let (world, app) = (&visit.world, &visit.app);
    let failed = |party: u32| {
        let text = format!("Instantiation of appId {} failed for party {party}", app.id);
        Refusal::from(answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text))
    };
    let failing = |fault: &Fault| {
        if let Fault::TaskStartFails(status) = fault {
            Some(*status)
        } else {
            None
        }
    };
    if let Some(status) = world.faults.take(Some(&app.id), failing) {
        let text = format!("Starting the first task of {} failed", app.id);
        return Err(answer::problem(answer::status(status), "Instantiation failed", &text).into());
    }
    token.check()?;
    let mut instance = world.store.get(guid).ok_or_else(|| failed(0))?;
    let party = instance.owner.party_id;
    let Some(task) = instance.current_task().map(|task| task.element_id.clone()) else {
        return Err(failed(party));
    };
    let before: Vec<Uuid> = instance.data.iter().map(|element| element.id).collect();
    visit
        .engine()
        .enter_task(&mut instance, &task, visit.caller.actor())
        .map_err(|_| failed(party))?;
    apply_prefill(visit, &mut instance, &before, prefill).map_err(|()| failed(party))?;
    if !visit.caller.is_known_to_storage() {
        return Err(failed(party));
    }
    visit
        .engine()
        .note_start(&mut instance, visit.caller.performer());
    instance.touch(world.clock.now(), visit.caller.actor());
    world.store.change(guid, |stored| {
        stored.data = instance.data.clone();
        stored.data_values = instance.data_values.clone();
        stored.presentation_texts = instance.presentation_texts.clone();
        stored.history = instance.history.clone();
        stored.touch(instance.last_changed, visit.caller.actor());
    });
    world.store.get(guid).ok_or_else(|| failed(party))
}

/// Applies the caller's prefill to every form that the task start has just created.
fn apply_prefill(
    visit: &Visit,
    instance: &mut Instance,
    before: &[Uuid],
    prefill: &[(String, String)],
) -> Result<(), ()> {
    if prefill.is_empty() {
        return Ok(());
    }
    let mut data = std::mem::take(&mut instance.data);
    for element in data
        .iter_mut()
        .filter(|element| !before.contains(&element.id))
    {
        let Some(model) = visit.app.models.get(&element.data_type) else {
            continue;
        };
        let overwrite = visit
            .app
            .settings
            .prefill
            .get(&element.data_type)
            .is_some_and(|settings| settings.allow_overwrite);
        let mut form = form::decode(model, element).map_err(|_| ())?;
        for (path, text) in prefill {
            let text = between_apostrophes(text).ok_or(())?;
            model
                .prefill(&mut form, path, &text, overwrite)
                .map_err(|_| ())?;
        }
        form::store_form(&visit.app, instance, element, form);
    }
    instance.data = data;
    Ok(())
}

/// A text of the caller's prefill as the app reads it: as JSON between apostrophes, so that an apostrophe ends it and a
/// backslash begins an escape; an empty one is an error (Altinn/app-lib-dotnet:
/// src/Altinn.App.Core/Implementation/PrefillSI.cs).
fn between_apostrophes(text: &str) -> Option<String> {
    let (mut read, mut chars) = (String::new(), text.chars());
    while let Some(char) = chars.next() {
        read.push(match char {
            '\'' => return None,
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let is_hex =
                        digits.len() == 4 && digits.bytes().all(|it| it.is_ascii_hexdigit());
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| is_hex)?;
                    char::from_u32(code)?
                }
                sign @ ('\'' | '"' | '\\' | '/') => sign,
                _ => return None,
            },
            other => other,
        });
    }
    (!text.is_empty()).then_some(read)
}

/// Checks one part and makes its element, without storing it.
fn stage(
    visit: &Visit,
    instance: &mut Instance,
    part: Part,
    number: usize,
) -> Result<Element, Refusal> {
    let name = part.name.unwrap_or_default();
    let Some(data_type) = visit.app.data_type(&name) else {
        let detail = format!(
            "Data type with id {name} from request part {number} not found in application metadata"
        );
        return Err(answer::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Data type not found",
            &detail,
        )
        .into());
    };
    upload::check_access(visit, instance, data_type, upload::Way::Creation)?;
    let mut element = visit
        .engine()
        .new_element(&data_type.id, visit.caller.actor());
    let unread = || data_failed(instance);
    element.filename = match &part.filename {
        Some(name) => Some(disposition::as_stored(name).ok_or_else(unread)?),
        None => None,
    };
    if data_type.is_form() {
        let mut form = upload::read_form(visit, data_type, Some(&part.content_type), &part.bytes)?;
        let party = visit.world.register.by_party_id(instance.owner.party_id);
        form::prefill(&visit.app, &data_type.id, &mut form, party).map_err(|error| {
            answer::problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Prefill failed",
                &error.to_string(),
            )
        })?;
        form::store_form(&visit.app, instance, &mut element, form);
    } else {
        // The validator compared the media type only; this check compares the whole header.
        if data_type
            .allowed_content_types()
            .is_some_and(|allowed| !allowed.contains(&part.content_type))
        {
            return Err(data_failed(instance));
        }
        element.content_type = part.content_type;
        element.bytes = part.bytes;
    }
    Ok(element)
}

fn data_failed(instance: &Instance) -> Refusal {
    let text = format!(
        "Instantiation of data elements failed for instance {} for party {}",
        instance.id(),
        instance.owner.party_id
    );
    answer::sentence(StatusCode::INTERNAL_SERVER_ERROR, text).into()
}

/// The forms that a copy takes over.
fn copied(visit: &Visit, source: &Instance, target: &mut Instance) -> Vec<Element> {
    let settings = &visit.app.metadata.copy_instance_settings;
    let mut elements = Vec::new();
    for old in &source.data {
        let Some(model) = visit.app.models.get(&old.data_type) else {
            continue;
        };
        if settings.excluded_data_types.contains(&old.data_type) {
            continue;
        }
        let Ok(mut form) = form::decode(model, old) else {
            continue;
        };
        for path in &settings.excluded_data_fields {
            model.clear(&mut form, path);
        }
        let mut element = visit
            .engine()
            .new_element(&old.data_type, visit.caller.actor());
        form::store_form(&visit.app, target, &mut element, form);
        elements.push(element);
    }
    elements
}

/// The app's compensation: a hard delete with the caller's own token. Where the policy denies it, the half-made instance stays.
fn clean_up(visit: &Visit, guid: Uuid, token: &TokenWatch<'_>) {
    let owner = visit
        .world
        .store
        .get(guid)
        .map(|instance| instance.owner.party_id);
    if token.check().is_err() || !owner.is_some_and(|owner| visit.permits(owner, "delete")) {
        return;
    }
    let now = visit.world.clock.now();
    visit.world.store.change(guid, |instance| {
        instance.status.hard_deleted = Mark::at(now);
        instance.status.soft_deleted = Mark::at(now);
        instance.touch(now, visit.caller.actor());
    });
}
