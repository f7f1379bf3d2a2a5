//! The steps of a creation after Storage has created the instance, and the clean-up after a failure.
//!
//! Order of the steps, and their outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs; measured, tests/recorded.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use super::calls::{CallError, Calls};
use super::data_rules::{self, DataRefusal};
use super::new_instance::CreationRequest;
use super::parts::Part;
use super::{AppRequest, CREATED, form};
use crate::content_disposition;
use crate::faults::{CreationStep, Fault};
use crate::instance::{Element, Instance, Mark};
use crate::library::Library;
use crate::responses;
use crate::workflow::Workflow;

/// The app's text for a failure before the instance exists. `instances/create` uses it for every failure.
pub(super) fn nothing_created(app: &str, party: u32) -> String {
    format!("Instantiation of appId {app} failed for party {party}")
}

/// A creation after Storage has created the instance.
pub(super) struct Creation {
    pub(super) request: AppRequest,
    pub(super) calls: Calls,
    pub(super) guid: Uuid,
    pub(super) party: u32,
    /// Values for every form that the first task creates automatically.
    pub(super) prefill: Vec<(String, String)>,
    pub(super) simplified: bool,
}

/// Why a creation fails.
pub(super) enum CreationError {
    /// The app refuses a part.
    Refused(DataRefusal),
    /// A call fails, or the app's own code throws an exception.
    Exception(CallError),
}

impl From<DataRefusal> for CreationError {
    fn from(refusal: DataRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CallError> for CreationError {
    fn from(error: CallError) -> Self {
        Self::Exception(error)
    }
}

/// The outcome of the app's clean-up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CleanUp {
    Deleted,
    /// The policy or the token does not allow the deletion, or Storage failed.
    Failed,
}

impl Creation {
    /// Continues an earlier creation.
    pub(super) fn of(
        request: &AppRequest,
        instance: &Instance,
        prefill: Vec<(String, String)>,
    ) -> Self {
        Self {
            request: request.clone(),
            calls: Calls::without_faults(request),
            guid: instance.guid,
            party: instance.owner.party_id,
            prefill,
            simplified: false,
        }
    }

    pub(super) fn library(&self) -> Library {
        self.request.app.library()
    }

    fn instance(&self) -> Result<Instance, CallError> {
        let found = self.request.world.store.get(self.guid);
        found.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// Changes the instance in Storage.
    fn change(&self, change: impl FnOnce(&mut Instance)) -> Result<(), CallError> {
        let (world, actor) = (&self.request.world, self.request.caller.actor());
        let changed = world.store.change(self.guid, |stored| {
            change(stored);
            stored.touch(world.clock.now(), actor);
        });
        changed.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// Stores the elements, and the values that the app copies from the forms to the instance.
    pub(super) async fn store_parts(&self, wanted: CreationRequest) -> Result<(), CreationError> {
        let before = self.instance()?;
        let mut staged = before.clone();
        if let Some(status) = self.refusal() {
            let text = "The parts were refused by the app's own code";
            return Err(DataRefusal::new(status, "Instantiation failed", text).into());
        }
        if self.library() < Library::STORES_CONCURRENTLY {
            for (number, part) in wanted.parts.into_iter().enumerate() {
                let element = self.stage(&mut staged, number, part)?;
                self.store(number, element).await?;
            }
            if let Some(source) = &wanted.source {
                let from = staged.data.len();
                for (number, element) in (from..).zip(self.copy_forms(source, &mut staged)) {
                    self.store(number, element).await?;
                }
            }
        } else {
            let mut elements = Vec::with_capacity(wanted.parts.len());
            for (number, part) in wanted.parts.into_iter().enumerate() {
                elements.push(self.stage(&mut staged, number, part)?);
            }
            if let Some(source) = &wanted.source {
                elements.extend(self.copy_forms(source, &mut staged));
            }
            let stored = elements.into_iter().enumerate();
            let stored = stored.map(|(number, element)| self.store(number, element));
            // If one is refused, the others are still stored.
            let stored = futures_util::future::join_all(stored).await;
            stored.into_iter().collect::<Result<(), _>>()?;
        }
        if self.library() >= Library::WRITES_VALUES {
            self.write_values(before, staged).await?;
        }
        Ok(())
    }

    fn refusal(&self) -> Option<StatusCode> {
        let faults = &self.request.world.faults;
        faults.take(Some(&self.request.app.id), |fault| match fault {
            Fault::PartsRefused(status) => Some(responses::status(*status)),
            _ => None,
        })
    }

    async fn store(&self, number: usize, element: Element) -> Result<(), CallError> {
        let put = || self.put(element);
        self.calls.call(CreationStep::Element(number), put).await
    }

    /// Stores an element, if Storage accepts it.
    fn put(&self, mut element: Element) -> Result<(), CallError> {
        if !self.request.caller.is_known_to_storage() {
            let text = "the caller is neither a user nor a service owner";
            return Err(CallError::answered(StatusCode::BAD_REQUEST, text));
        }
        if !self.request.app.storage_knows(&element.data_type) {
            return Err(CallError::answered(
                StatusCode::BAD_REQUEST,
                data_rules::UNDECLARED,
            ));
        }
        // A name that Storage cannot read fails only its own element.
        if let Some(name) = &element.filename {
            let read = content_disposition::stored_filename(name).ok_or(CallError::NoAnswer)?;
            element.filename = Some(read);
        }
        self.change(|stored| {
            stored.data.push(element);
            if self.request.caller.user.is_none() {
                stored.note_unread_change();
            }
        })
    }

    async fn write_values(&self, before: Instance, staged: Instance) -> Result<(), CallError> {
        if staged.presentation_texts != before.presentation_texts {
            let texts = staged.presentation_texts;
            let write = || self.change(|stored| stored.presentation_texts = texts);
            self.calls
                .call(CreationStep::PresentationTexts, write)
                .await?;
        }
        if staged.data_values != before.data_values {
            let values = staged.data_values;
            let write = || self.change(|stored| stored.data_values = values);
            self.calls.call(CreationStep::DataValues, write).await?;
        }
        Ok(())
    }

    pub(super) async fn read_back(&self) -> Result<(), CallError> {
        let read = || self.instance().map(|_| ());
        self.calls.call(CreationStep::ReadBack, read).await
    }

    /// Starts the first task.
    pub(super) async fn start_process(&self) -> Result<Instance, CallError> {
        self.create_forms(&self.calls).await?;
        self.write_process(&self.calls).await?;
        self.publish()
    }

    /// Publishes the event of a new instance.
    pub(super) fn publish(&self) -> Result<Instance, CallError> {
        let (instance, request) = (self.instance()?, &self.request);
        request.world.publish(&request.app, &instance, CREATED);
        Ok(instance)
    }

    pub(super) fn set_workflow(&self, workflow: Workflow) -> Result<(), CallError> {
        let store = &self.request.world.store;
        let set = store.change(self.guid, |stored| stored.workflow = workflow);
        set.ok_or_else(|| CallError::answered(StatusCode::NOT_FOUND, ""))
    }

    /// The first task of the process.
    pub(super) fn task(&self) -> String {
        let tasks = &self.request.app.settings.tasks;
        tasks
            .first()
            .map(|task| task.id.clone())
            .unwrap_or_default()
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.request.world.clock.now()
    }

    /// Creates the missing forms of the first task.
    pub(super) async fn create_forms(&self, calls: &Calls) -> Result<(), CallError> {
        let before = self.instance()?;
        let mut created = before.clone();
        let Some(task) = before.current_task() else {
            return Err(CallError::NoAnswer);
        };
        let engine = self.request.engine();
        engine
            .enter_task(&mut created, &task.element_id, self.request.caller.actor())
            .map_err(|_| CallError::NoAnswer)?;
        let known = |element: &Element| before.element(element.id).is_some();
        created.data.retain(|element| !known(element));
        if created.data.is_empty() {
            return Ok(());
        }
        self.apply_prefill(&mut created)
            .map_err(|()| CallError::NoAnswer)?;
        let store = || {
            self.change(|stored| {
                stored.data.extend(created.data);
                stored.presentation_texts = created.presentation_texts;
                stored.data_values = created.data_values;
            })
        };
        calls.call(CreationStep::FurtherForms, store).await
    }

    /// Records in Storage that the process has started. Until then, its history is empty.
    pub(super) async fn write_process(&self, calls: &Calls) -> Result<(), CallError> {
        let write = || {
            if !self.request.caller.is_known_to_storage() {
                // Storage accepts process events only from a service owner or a user.
                return Err(CallError::NoAnswer);
            }
            self.change(|stored| stored.record_process(self.request.caller.performer()))
        };
        calls.call(CreationStep::Process, write).await
    }

    /// Applies the caller's prefill to every form of the instance.
    fn apply_prefill(&self, instance: &mut Instance) -> Result<(), ()> {
        if self.prefill.is_empty() {
            return Ok(());
        }
        let app = &self.request.app;
        let mut data = std::mem::take(&mut instance.data);
        for element in &mut data {
            let Some(model) = app.models.get(&element.data_type) else {
                continue;
            };
            let settings = app.settings.prefill.get(&element.data_type);
            let overwrite = settings.is_some_and(|settings| settings.allow_overwrite);
            let mut form = form::decode(model, element).map_err(|_| ())?;
            for (path, text) in &self.prefill {
                let text = unquote_prefill(text).ok_or(())?;
                model
                    .prefill(&mut form, path, &text, overwrite)
                    .map_err(|_| ())?;
            }
            form::store_form(app, instance, element, form);
        }
        instance.data = data;
        Ok(())
    }

    /// Checks one part and creates its element without storing it.
    fn stage(
        &self,
        instance: &mut Instance,
        number: usize,
        part: Part,
    ) -> Result<Element, CreationError> {
        let request = &self.request;
        let name = part.name.unwrap_or_default();
        let Some(data_type) = request.app.data_type(&name) else {
            if self.library() < Library::REFUSES_FORMS {
                return Err(
                    CallError::answered(StatusCode::BAD_REQUEST, data_rules::UNDECLARED).into(),
                );
            }
            let text = format!(
                "Data type with id {name} from request part {number} not found in application metadata"
            );
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(DataRefusal::new(status, "Data type not found", text).into());
        };
        data_rules::check_access(
            request,
            instance,
            data_type,
            data_rules::DataChange::Creation,
        )?;
        let mut element = request
            .engine()
            .new_element(&data_type.id, request.caller.actor());
        element.filename = part.filename;
        if data_type.is_form() {
            let mut form =
                data_rules::read_form(request, data_type, Some(&part.content_type), &part.bytes)?;
            let party = request.world.register.by_party_id(self.party);
            form::prefill(&request.app, &data_type.id, &mut form, party).map_err(|error| {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                DataRefusal::new(status, "Prefill failed", error.to_string())
            })?;
            form::store_form(&request.app, instance, &mut element, form);
        } else {
            // The earlier validation compared the media type only; this check compares the whole header.
            let allowed = data_type.allowed_content_types();
            if allowed.is_some_and(|allowed| !allowed.contains(&part.content_type)) {
                return Err(CallError::NoAnswer.into());
            }
            element.content_type = part.content_type;
            element.bytes = part.bytes;
        }
        Ok(element)
    }

    /// Copies the forms of another instance.
    fn copy_forms(&self, source: &Instance, target: &mut Instance) -> Vec<Element> {
        let request = &self.request;
        let settings = &request.app.metadata.copy_instance_settings;
        let mut elements = Vec::new();
        for old in &source.data {
            let Some(model) = request.app.models.get(&old.data_type) else {
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
            let mut element = request
                .engine()
                .new_element(&old.data_type, request.caller.actor());
            form::store_form(&request.app, target, &mut element, form);
            elements.push(element);
        }
        elements
    }

    pub(super) fn created_response(&self, instance: &Instance) -> Response {
        let (world, headers) = (&self.request.world, &self.request.headers);
        let mut view = world.app_response(instance, headers);
        if self.library() < Library::RETURNS_PARTY
            && let Some(owner) = view["instanceOwner"].as_object_mut()
        {
            owner.retain(|field, _| field != "party" && field != "externalIdentifier");
        }
        let location = view["selfLinks"]["apps"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let response = responses::json_value(StatusCode::CREATED, &view);
        responses::with_header(response, header::LOCATION, &location)
    }

    /// The text of a failure (measured, tests/recorded/create-simplified-bad-number.json).
    fn exception_text(&self) -> String {
        let (party, guid) = (self.party, self.guid);
        if self.simplified {
            return nothing_created(&self.request.app.id, party);
        }
        format!(
            "Instantiation of data elements failed for instance {party}/{guid} for party {party}"
        )
    }

    /// Cleans up as the app's library does, and returns the response.
    pub(super) async fn fail(&self, failure: CreationError) -> Response {
        let text = self.exception_text();
        match failure {
            CreationError::Refused(_) if self.library() < Library::REFUSES_FORMS => {
                responses::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text))
            }
            CreationError::Refused(refusal) => {
                let hides_the_error = self.library() < Library::CLEANS_UP_AFTER_EXCEPTIONS;
                if self.clean_up().await == CleanUp::Failed && hides_the_error {
                    return responses::empty(StatusCode::FORBIDDEN);
                }
                refusal.problem_details()
            }
            CreationError::Exception(error) => {
                if self.library() >= Library::CLEANS_UP_AFTER_EXCEPTIONS {
                    self.clean_up().await;
                }
                error.into_response(&text)
            }
        }
    }

    /// Deletes the instance for good with the caller's own token. If the policy denies that, the incomplete instance stays.
    pub(super) async fn clean_up(&self) -> CleanUp {
        let delete = || {
            if !self.request.permits(self.party, "delete") {
                return Err(CallError::answered(StatusCode::FORBIDDEN, ""));
            }
            let now = self.request.world.clock.now();
            self.change(|instance| {
                instance.status.hard_deleted = Mark::at(now);
                instance.status.soft_deleted = Mark::at(now);
            })
        };
        let deleted = self.calls.call(CreationStep::CleanUp, delete).await;
        deleted.map_or(CleanUp::Failed, |()| CleanUp::Deleted)
    }
}

/// A prefill text as the app reads it: as a JSON string between apostrophes. An apostrophe ends the text, a backslash starts an
/// escape, and an empty text is an error (Altinn/app-lib-dotnet: src/Altinn.App.Core/Implementation/PrefillSI.cs).
fn unquote_prefill(text: &str) -> Option<String> {
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
