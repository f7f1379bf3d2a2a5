//! The app's process engine.
//!
//! Order of the steps at the end of a task: Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessEngine.cs.

use app_files::Task;
use app_files::form::FormError;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{form, validation};
use crate::app::AppDefinition;
use crate::content_disposition;
use crate::faults::Fault;
use crate::instance::document::NOT_SCANNED;
use crate::instance::{CurrentTask, Element, Instance, Mark, Process};
use crate::pdf;
use crate::token::Caller;
use crate::world::World;

/// The event type of a process that ended.
pub(crate) const PROCESS_COMPLETED: &str = "app.instance.process.completed";
const PDF: &str = "ref-data-as-pdf";
const START_EVENT: &str = "StartEvent_1";
const END_EVENT: &str = "EndEvent_1";

/// The event type of a process that moved to a task.
pub(crate) fn moved_to(task: &str) -> String {
    format!("app.instance.process.movedTo.{task}")
}

pub(crate) struct Engine<'w> {
    pub(crate) world: &'w World,
    pub(crate) app: &'w AppDefinition,
}

/// Who moves a process.
pub(crate) struct Actor {
    /// The value of `createdBy` and `lastChangedBy`.
    pub(crate) name: String,
    /// The name in the process history.
    pub(crate) performer: String,
}

impl Actor {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self {
            name: caller.actor().to_owned(),
            performer: caller.performer().to_owned(),
        }
    }

    /// The owner of an instance.
    pub(crate) fn user(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            performer: name.to_owned(),
        }
    }
}

/// Why a process does not move.
pub(crate) enum ProcessError {
    NotStarted,
    Ended,
    Invalid(Vec<validation::Issue>),
    PdfFailed,
    /// A reject cannot go back, because the current task is the first one.
    FirstTask,
    Form(FormError),
}

impl Engine<'_> {
    /// A process that has just reached its first task.
    pub(crate) fn start(&self) -> Option<Process> {
        let first = self.app.settings.tasks.first()?;
        let started = self.now();
        let current = task_started(first, 2, "CompleteCurrentMoveToNext", self.now());
        Some(Process {
            started,
            start_event: START_EVENT.to_owned(),
            current: Some(current),
            ended: None,
            end_event: None,
        })
    }

    /// Enters a task: deletes the elements that were generated from it, unlocks its elements, and creates its missing forms.
    pub(crate) fn enter_task(
        &self,
        instance: &mut Instance,
        task: &str,
        actor: &str,
    ) -> Result<(), FormError> {
        instance
            .data
            .retain(|element| element.generated_from.as_deref() != Some(task));
        for element in &mut instance.data {
            if self.belongs_to(&element.data_type, task) {
                element.locked = false;
            }
        }
        for data_type in &self.app.metadata.data_types {
            let missing = data_type.is_auto_created()
                && data_type.task_id.as_deref() == Some(task)
                && instance.elements_of(&data_type.id).next().is_none();
            if let (true, Some(model)) = (missing, self.app.models.get(&data_type.id)) {
                let mut form = model.empty();
                form::prefill(
                    self.app,
                    &data_type.id,
                    &mut form,
                    self.world.register.by_party_id(instance.owner.party_id),
                )?;
                let mut element = self.new_element(&data_type.id, actor);
                form::store_form(self.app, instance, &mut element, form);
                instance.data.push(element);
            }
        }
        Ok(())
    }

    /// A new element without content.
    pub(crate) fn new_element(&self, data_type: &str, actor: &str) -> Element {
        let now = self.now();
        Element {
            id: Uuid::new_v4(),
            data_type: data_type.to_owned(),
            filename: None,
            content_type: "application/octet-stream".to_owned(),
            bytes: bytes::Bytes::new(),
            locked: false,
            // A user has read the elements that they created.
            is_read: self.world.register.is_user(actor),
            tags: Vec::new(),
            scan_result: NOT_SCANNED,
            generated_from: None,
            created: now,
            created_by: actor.to_owned(),
            last_changed: now,
            last_changed_by: actor.to_owned(),
        }
    }

    /// Ends the current task and enters the next one. `reject` goes back to the previous task if a gateway follows the current one, and
    /// otherwise forward like every other action. Returns the type of the event to publish.
    ///
    /// After an error the instance may be partly changed, so the caller must work on a copy and discard it.
    pub(crate) fn step(
        &self,
        instance: &mut Instance,
        action: Option<&str>,
        by: &Actor,
    ) -> Result<String, ProcessError> {
        let actor = by.name.as_str();
        let process = instance.process.clone().ok_or(ProcessError::NotStarted)?;
        let current = process.current.clone().ok_or(ProcessError::Ended)?;
        let tasks = &self.app.settings.tasks;
        let position = tasks.iter().position(|task| task.id == current.element_id);
        let here = position.and_then(|position| tasks.get(position));
        let (next, flow_type) = if action == Some("reject") {
            let next = if here.is_some_and(|task| task.gateway) {
                let before = position
                    .and_then(|position| position.checked_sub(1))
                    .and_then(|position| tasks.get(position));
                Some(before.ok_or(ProcessError::FirstTask)?)
            } else {
                position.and_then(|position| tasks.get(position + 1))
            };
            (next, "AbandonCurrentMoveToNext")
        } else {
            let issues = validation::task_issues(self.app, instance, &current.element_id);
            if issues.iter().any(validation::Issue::is_error) {
                return Err(ProcessError::Invalid(issues));
            }
            self.leave_task(instance, &current.element_id, actor)?;
            (
                position.and_then(|position| tasks.get(position + 1)),
                "CompleteCurrentMoveToNext",
            )
        };
        instance
            .history
            .task_ended(&current.element_id, self.now(), &by.performer);
        let event = match next {
            Some(task) => {
                self.enter_task(instance, &task.id, actor)
                    .map_err(ProcessError::Form)?;
                let started = task_started(task, current.flow + 1, flow_type, self.now());
                instance
                    .history
                    .task_started(&task.id, started.started, &by.performer);
                instance.process = Some(Process {
                    current: Some(started),
                    ..process
                });
                moved_to(&task.id)
            }
            None => {
                self.end(instance, process, &by.performer);
                PROCESS_COMPLETED.to_owned()
            }
        };
        instance.touch(self.now(), actor);
        Ok(event)
    }

    fn leave_task(
        &self,
        instance: &mut Instance,
        task: &str,
        actor: &str,
    ) -> Result<(), ProcessError> {
        let mut wants_pdf = false;
        for element in instance
            .data
            .iter_mut()
            .filter(|element| self.belongs_to(&element.data_type, task))
        {
            element.locked = true;
            if let (Some(model), Some(data_type)) = (
                self.app.models.get(&element.data_type),
                self.app.data_type(&element.data_type),
            ) {
                wants_pdf |= data_type.enable_pdf_creation;
                let mut form = form::decode(model, element).map_err(ProcessError::Form)?;
                model.remove_row_ids(&mut form);
                element.bytes = if element.content_type == form::JSON {
                    bytes::Bytes::from(model.to_json_text(&form, false))
                } else {
                    model.to_xml(&form)
                };
            }
        }
        if wants_pdf && self.app.data_type(PDF).is_some() {
            if self
                .world
                .faults
                .strikes(Some(&self.app.id), &Fault::PdfFails)
            {
                return Err(ProcessError::PdfFailed);
            }
            let receipt = self
                .receipt(instance, task, actor)
                .map_err(ProcessError::Form)?;
            instance.data.push(receipt);
        }
        Ok(())
    }

    fn receipt(&self, instance: &Instance, task: &str, actor: &str) -> Result<Element, FormError> {
        let title = ["nb", "en"]
            .into_iter()
            .find_map(|language| self.app.document["title"][language].as_str());
        let mut lines = vec![
            format!("{} {}", self.app.id, instance.id()),
            format!("{task}, {}", self.now()),
            String::new(),
        ];
        for element in instance
            .data
            .iter()
            .filter(|element| self.belongs_to(&element.data_type, task))
        {
            match self.app.models.get(&element.data_type) {
                Some(model) => pdf::describe(
                    &model.to_json(&form::decode(model, element)?, false),
                    "",
                    &mut lines,
                ),
                None => lines.push(format!(
                    "{}: {}",
                    element.data_type,
                    element.filename.as_deref().unwrap_or("-")
                )),
            }
        }
        let mut element = self.new_element(PDF, actor);
        let title = title.unwrap_or_else(|| self.app.name());
        element.filename = content_disposition::stored_filename(&format!("{title}.pdf"));
        element.content_type = "application/pdf".to_owned();
        element.bytes = pdf::document(title, &lines);
        element.generated_from = Some(task.to_owned());
        Ok(element)
    }

    fn end(&self, instance: &mut Instance, process: Process, performer: &str) {
        let ended = self.now();
        let gone = |data_type: &str| {
            self.app
                .data_type(data_type)
                .is_some_and(|data_type| data_type.is_deleted_on_process_end())
        };
        instance.data.retain(|element| !gone(&element.data_type));
        instance.process = Some(Process {
            current: None,
            ended: Some(ended),
            end_event: Some(END_EVENT.to_owned()),
            ..process
        });
        instance.status.archived = Mark::at(ended);
        if self.app.metadata.auto_delete_on_process_end {
            instance.status.soft_deleted = Mark::at(ended);
            instance.status.hard_deleted = Mark::at(ended);
        }
        instance
            .history
            .occurred("process_EndEvent", END_EVENT, ended, performer);
    }

    fn belongs_to(&self, data_type: &str, task: &str) -> bool {
        self.app
            .data_type(data_type)
            .is_some_and(|data_type| data_type.task_id.as_deref() == Some(task))
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }
}

impl ProcessError {
    /// Status, title and detail of the app's response.
    pub(crate) fn describe(&self, task: &str) -> (u16, &'static str, String) {
        match self {
            Self::NotStarted => (
                409,
                "Conflict",
                "Process is not started. Use start!".to_owned(),
            ),
            Self::Ended => (409, "Conflict", "Process is ended.".to_owned()),
            Self::Invalid(issues) => {
                let count = issues.iter().filter(|issue| issue.is_error()).count();
                (
                    409,
                    "Validation failed for task",
                    format!("{count} validation errors found for task {task}"),
                )
            }
            Self::PdfFailed => (
                500,
                "Process next failed.",
                "The PDF could not be generated".to_owned(),
            ),
            Self::FirstTask => (
                500,
                "Process next failed.",
                format!("No sequence flow leads back from {task}"),
            ),
            Self::Form(error) => (500, "Process next failed.", error.to_string()),
        }
    }

    pub(crate) fn issues(&self) -> serde_json::Value {
        match self {
            Self::Invalid(issues) => issues.iter().map(validation::Issue::view).collect(),
            _ => json!([]),
        }
    }
}

fn task_started(task: &Task, flow: u32, flow_type: &'static str, at: Timestamp) -> CurrentTask {
    CurrentTask {
        flow,
        started: at,
        element_id: task.id.clone(),
        name: task.name.clone(),
        kind: task.kind.clone(),
        flow_type,
    }
}
