//! A creation from the moment at which Storage is asked for an instance: its steps in their order, and the clean-up where one fails.
//!
//! Order of work and outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs; measured, tests/recorded.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use super::calls::{CallError, Calls};
use super::instantiation::{Order, new_instance};
use super::parts::Part;
use super::upload::{self, Problem};
use super::{CREATED, Visit, form, workflow};
use crate::answer::{self, Answer};
use crate::disposition;
use crate::faults::{Fault, Step};
use crate::instance::{Element, Instance, Mark, Process};
use crate::library::Library;
use crate::register::Party;
use crate::workflow::Workflow;

/// Creates an instance and answers.
pub(super) async fn create(
    visit: &Visit,
    order: Order,
    party: Party<'_>,
    process: Process,
) -> Answer {
    let calls = Calls::begin(visit);
    let party_id = party.party_id();
    let made = calls.call(Step::Instance, || {
        let (app, now) = (&visit.app, visit.world.clock.now());
        let actor = visit.caller.actor();
        let mut instance = new_instance(
            &app.id,
            &app.org,
            party,
            &order.template,
            process,
            now,
            actor,
        );
        if visit.caller.user.is_some() {
            instance.status.read_status = 1;
        }
        let guid = instance.guid;
        visit.world.store.insert(instance);
        Ok(guid)
    });
    let made = made.await.map_err(|error| {
        let app = &visit.app.id;
        error.into_answer(&nothing_made(app, party_id))
    });
    let creation = Creation {
        visit: visit.clone(),
        calls,
        guid: made?,
        party: party_id,
        prefill: order.prefill.clone(),
        simplified: order.simplified,
    };
    let stored = match creation.store_parts(order).await {
        Ok(()) => creation.read_back().await.map_err(Failure::from),
        refused => refused,
    };
    let started = match stored {
        Ok(()) if creation.library().has_engine() => return workflow::start(creation).await,
        Ok(()) => creation.start_process().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match started {
        Ok(instance) => Ok(creation.created(&instance)),
        Err(failure) => Err(creation.failed(failure).await.into()),
    }
}

/// What the app says where it knows of no instance; `instances/create` says it always.
fn nothing_made(app: &str, party: u32) -> String {
    format!("Instantiation of appId {app} failed for party {party}")
}

/// A creation whose instance exists.
pub(super) struct Creation {
    pub(super) visit: Visit,
    pub(super) calls: Calls,
    pub(super) guid: Uuid,
    pub(super) party: u32,
    /// Values for every form that the first task creates by itself.
    pub(super) prefill: Vec<(String, String)>,
    simplified: bool,
}

/// Why a creation ends early.
pub(super) enum Failure {
    /// The app itself refuses a part.
    Refused(Problem),
    /// A call fails, or the app's own code throws.
    Exception(CallError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Exception(error)
    }
}

/// How the app's clean-up ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CleanUp {
    Deleted,
    /// The policy or the token does not allow it, or Storage did not do it.
    Denied,
}

impl Creation {
    /// What is left to do of an earlier creation.
    pub(super) fn of(visit: &Visit, instance: &Instance, prefill: Vec<(String, String)>) -> Self {
        Self {
            visit: visit.clone(),
            calls: Calls::without_trouble(visit),
            guid: instance.guid,
            party: instance.owner.party_id,
            prefill,
            simplified: false,
        }
    }

    fn library(&self) -> Library {
        self.visit.app.library()
    }

    fn instance(&self) -> Result<Instance, CallError> {
        let found = self.visit.world.store.get(self.guid);
        found.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// Changes the instance in Storage.
    fn change(&self, change: impl FnOnce(&mut Instance)) -> Result<(), CallError> {
        let (world, actor) = (&self.visit.world, self.visit.caller.actor());
        let changed = world.store.change(self.guid, |stored| {
            change(stored);
            stored.touch(world.clock.now(), actor);
        });
        changed.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// Stores the elements, and what the app copies from their forms to the instance.
    async fn store_parts(&self, order: Order) -> Result<(), Failure> {
        let before = self.instance()?;
        let mut staged = before.clone();
        if let Some(status) = self.refusal() {
            let text = "The parts were refused by the app's own code";
            return Err(Problem::new(status, "Instantiation failed", text).into());
        }
        if self.library() < Library::STORES_SIDE_BY_SIDE {
            for (number, part) in order.parts.into_iter().enumerate() {
                let element = self.stage(&mut staged, number, part)?;
                self.store(number, element).await?;
            }
            if let Some(source) = &order.source {
                let from = staged.data.len();
                for (number, element) in (from..).zip(self.copied(source, &mut staged)) {
                    self.store(number, element).await?;
                }
            }
        } else {
            let mut elements = Vec::with_capacity(order.parts.len());
            for (number, part) in order.parts.into_iter().enumerate() {
                elements.push(self.stage(&mut staged, number, part)?);
            }
            if let Some(source) = &order.source {
                elements.extend(self.copied(source, &mut staged));
            }
            let stored = elements.into_iter().enumerate();
            let stored = stored.map(|(number, element)| self.store(number, element));
            // Where one is refused, the others are stored all the same.
            let stored = futures_util::future::join_all(stored).await;
            stored.into_iter().collect::<Result<(), _>>()?;
        }
        if self.library() >= Library::WRITES_VALUES {
            self.write_values(before, staged).await?;
        }
        Ok(())
    }

    fn refusal(&self) -> Option<StatusCode> {
        let faults = &self.visit.world.faults;
        faults.take(Some(&self.visit.app.id), |fault| match fault {
            Fault::PartsRefused(status) => Some(answer::status(*status)),
            _ => None,
        })
    }

    async fn store(&self, number: usize, element: Element) -> Result<(), CallError> {
        let put = || self.put(element);
        self.calls.call(Step::Element(number), put).await
    }

    /// Storage takes an element.
    fn put(&self, mut element: Element) -> Result<(), CallError> {
        if !self.visit.caller.is_known_to_storage() {
            let text = "the caller is neither a user nor a service owner";
            return Err(CallError::answered(StatusCode::BAD_REQUEST, text));
        }
        if !self.visit.app.storage_knows(&element.data_type) {
            return Err(CallError::answered(
                StatusCode::BAD_REQUEST,
                upload::UNDECLARED,
            ));
        }
        // A name that Storage cannot read fails its own element alone.
        if let Some(name) = &element.filename {
            let read = disposition::as_stored(name).ok_or(CallError::NoAnswer)?;
            element.filename = Some(read);
        }
        self.change(|stored| {
            stored.data.push(element);
            if self.visit.caller.user.is_none() {
                stored.note_unread_change();
            }
        })
    }

    async fn write_values(&self, before: Instance, staged: Instance) -> Result<(), CallError> {
        if staged.presentation_texts != before.presentation_texts {
            let texts = staged.presentation_texts;
            let write = || self.change(|stored| stored.presentation_texts = texts);
            self.calls.call(Step::PresentationTexts, write).await?;
        }
        if staged.data_values != before.data_values {
            let values = staged.data_values;
            let write = || self.change(|stored| stored.data_values = values);
            self.calls.call(Step::DataValues, write).await?;
        }
        Ok(())
    }

    async fn read_back(&self) -> Result<(), CallError> {
        let read = || self.instance().map(|_| ());
        self.calls.call(Step::ReadBack, read).await
    }

    /// Starts the first task.
    async fn start_process(&self) -> Result<Instance, CallError> {
        self.make_forms(&self.calls).await?;
        self.write_process(&self.calls).await?;
        self.publish()
    }

    /// Publishes the event of a new instance.
    pub(super) fn publish(&self) -> Result<Instance, CallError> {
        let (instance, visit) = (self.instance()?, &self.visit);
        visit.world.publish(&visit.app, &instance, CREATED);
        Ok(instance)
    }

    pub(super) fn set_workflow(&self, workflow: Workflow) -> Result<(), CallError> {
        let store = &self.visit.world.store;
        let set = store.change(self.guid, |stored| stored.workflow = workflow);
        set.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// The task that the process starts with.
    pub(super) fn task(&self) -> String {
        let tasks = &self.visit.app.settings.tasks;
        tasks
            .first()
            .map(|task| task.id.clone())
            .unwrap_or_default()
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.visit.world.clock.now()
    }

    /// Makes the forms of the first task that are not there yet.
    pub(super) async fn make_forms(&self, calls: &Calls) -> Result<(), CallError> {
        let before = self.instance()?;
        let mut made = before.clone();
        let Some(task) = before.current_task() else {
            return Err(CallError::NoAnswer);
        };
        let engine = self.visit.engine();
        engine
            .enter_task(&mut made, &task.element_id, self.visit.caller.actor())
            .map_err(|_| CallError::NoAnswer)?;
        let known = |element: &Element| before.element(element.id).is_some();
        made.data.retain(|element| !known(element));
        if made.data.is_empty() {
            return Ok(());
        }
        self.apply_prefill(&mut made)
            .map_err(|()| CallError::NoAnswer)?;
        let store = || {
            self.change(|stored| {
                stored.data.extend(made.data);
                stored.presentation_texts = made.presentation_texts;
                stored.data_values = made.data_values;
            })
        };
        calls.call(Step::FurtherForms, store).await
    }

    /// Storage notes that the process has started; until then its history is empty.
    pub(super) async fn write_process(&self, calls: &Calls) -> Result<(), CallError> {
        let write = || {
            if !self.visit.caller.is_known_to_storage() {
                // Storage takes process events only from an organisation or a user that it knows.
                return Err(CallError::NoAnswer);
            }
            self.change(|stored| stored.record_process(self.visit.caller.performer()))
        };
        calls.call(Step::Process, write).await
    }

    /// Applies the caller's prefill to every form in `made`.
    fn apply_prefill(&self, made: &mut Instance) -> Result<(), ()> {
        if self.prefill.is_empty() {
            return Ok(());
        }
        let app = &self.visit.app;
        let mut data = std::mem::take(&mut made.data);
        for element in &mut data {
            let Some(model) = app.models.get(&element.data_type) else {
                continue;
            };
            let settings = app.settings.prefill.get(&element.data_type);
            let overwrite = settings.is_some_and(|settings| settings.allow_overwrite);
            let mut form = form::decode(model, element).map_err(|_| ())?;
            for (path, text) in &self.prefill {
                let text = between_apostrophes(text).ok_or(())?;
                model
                    .prefill(&mut form, path, &text, overwrite)
                    .map_err(|_| ())?;
            }
            form::store_form(app, made, element, form);
        }
        made.data = data;
        Ok(())
    }

    /// Checks one part and makes its element, without storing it.
    fn stage(
        &self,
        instance: &mut Instance,
        number: usize,
        part: Part,
    ) -> Result<Element, Failure> {
        let visit = &self.visit;
        let name = part.name.unwrap_or_default();
        let Some(data_type) = visit.app.data_type(&name) else {
            if self.library() < Library::REFUSES_FORMS {
                return Err(
                    CallError::answered(StatusCode::BAD_REQUEST, upload::UNDECLARED).into(),
                );
            }
            let text = format!(
                "Data type with id {name} from request part {number} not found in application metadata"
            );
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Problem::new(status, "Data type not found", text).into());
        };
        upload::check_access(visit, instance, data_type, upload::Way::Creation)?;
        let mut element = visit
            .engine()
            .new_element(&data_type.id, visit.caller.actor());
        element.filename = part.filename;
        if data_type.is_form() {
            let mut form =
                upload::read_form(visit, data_type, Some(&part.content_type), &part.bytes)?;
            let party = visit.world.register.by_party_id(self.party);
            form::prefill(&visit.app, &data_type.id, &mut form, party).map_err(|error| {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Problem::new(status, "Prefill failed", error.to_string())
            })?;
            form::store_form(&visit.app, instance, &mut element, form);
        } else {
            // The validator compared the media type only; this check compares the whole header.
            let allowed = data_type.allowed_content_types();
            if allowed.is_some_and(|allowed| !allowed.contains(&part.content_type)) {
                return Err(CallError::NoAnswer.into());
            }
            element.content_type = part.content_type;
            element.bytes = part.bytes;
        }
        Ok(element)
    }

    /// The forms that a copy takes over.
    fn copied(&self, source: &Instance, target: &mut Instance) -> Vec<Element> {
        let visit = &self.visit;
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

    pub(super) fn created(&self, instance: &Instance) -> Response {
        let (world, headers) = (&self.visit.world, &self.visit.headers);
        let mut view = world.app_response(instance, headers);
        if self.library() < Library::ANSWERS_PARTY
            && let Some(owner) = view["instanceOwner"].as_object_mut()
        {
            owner.retain(|field, _| field != "party" && field != "externalIdentifier");
        }
        let location = view["selfLinks"]["apps"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let response = answer::json_value(StatusCode::CREATED, &view);
        answer::with_header(response, header::LOCATION, &location)
    }

    /// The text of an exception (measured, tests/recorded/create-simplified-bad-number.json).
    fn exception_text(&self) -> String {
        let (party, guid) = (self.party, self.guid);
        if self.simplified {
            return nothing_made(&self.visit.app.id, party);
        }
        format!(
            "Instantiation of data elements failed for instance {party}/{guid} for party {party}"
        )
    }

    /// Cleans up as the app's library does, and answers.
    pub(super) async fn failed(&self, failure: Failure) -> Response {
        let text = self.exception_text();
        match failure {
            Failure::Refused(_) if self.library() < Library::REFUSES_FORMS => {
                answer::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text))
            }
            Failure::Refused(problem) => {
                let hides_the_error = self.library() < Library::CLEANS_UP_AFTER_ALL;
                if self.clean_up().await == CleanUp::Denied && hides_the_error {
                    return answer::empty(StatusCode::FORBIDDEN);
                }
                problem.details()
            }
            Failure::Exception(error) => {
                if self.library() >= Library::CLEANS_UP_AFTER_ALL {
                    self.clean_up().await;
                }
                error.into_answer(&text)
            }
        }
    }

    /// A hard delete with the caller's own token. Where the policy denies it, the half-made instance stays.
    pub(super) async fn clean_up(&self) -> CleanUp {
        let delete = || {
            if !self.visit.permits(self.party, "delete") {
                return Err(CallError::answered(StatusCode::FORBIDDEN, ""));
            }
            let now = self.visit.world.clock.now();
            self.change(|instance| {
                instance.status.hard_deleted = Mark::at(now);
                instance.status.soft_deleted = Mark::at(now);
            })
        };
        let deleted = self.calls.call(Step::CleanUp, delete).await;
        deleted.map_or(CleanUp::Denied, |()| CleanUp::Deleted)
    }
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
