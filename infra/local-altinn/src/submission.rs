//! Users of the apps: they fill in forms, submit and delete instances.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::app::AppDefinition;
use crate::apps::{
    Actor, CREATED, Engine, Issue, PROCESS_COMPLETED, ProcessError, moved_to, new_user_instance,
    store_form,
};
use crate::instance::Instance;
use crate::register::Party;
use crate::world::World;

/// An instance that a user fills in.
#[derive(Clone)]
pub struct Submission {
    /// `org/app`.
    pub app: String,
    /// The owner, who fills it in.
    pub owner: SubmissionOwner,
    /// Forms by data type.
    pub forms: Vec<(String, FormContent)>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// The stage to which the user moves the process.
    pub until: Stage,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("app", &self.app)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Owner of a submission.
#[derive(Clone)]
pub enum SubmissionOwner {
    /// Altinn's party id.
    Party(u32),
    /// National identity number (eleven digits).
    Person(String),
    /// Organisation number (nine digits).
    Organisation(String),
}

/// The content of a form.
#[derive(Clone)]
pub enum FormContent {
    /// JSON with the field names of the model.
    Json(Value),
    /// An XML document.
    Xml(Bytes),
}

/// A file.
#[derive(Clone)]
pub struct Attachment {
    /// Its data type.
    pub data_type: String,
    /// Its name.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its content.
    pub bytes: Bytes,
}

/// A stage of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The process is in this task.
    Task(String),
    /// The process has ended and the instance is archived.
    Ended,
}

/// Why a user cannot perform an action.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// No app with this id is running.
    #[error("no app {0} is running here")]
    UnknownApp(String),
    /// The register does not know the owner.
    #[error("the owner of the submission to {0} is not in register.yaml")]
    UnknownOwner(String),
    /// No instance with this id exists.
    #[error("no instance {0}")]
    UnknownInstance(String),
    /// The content does not fit the app.
    #[error("submission to {app}: {problem}")]
    Content {
        /// `org/app`.
        app: String,
        /// What is wrong. Never contains form data.
        problem: String,
    },
    /// The process does not move.
    #[error("the process of {instance} does not move: {problem}")]
    Process {
        /// `{party}/{guid}`.
        instance: String,
        /// The reason.
        problem: String,
    },
}

/// Acts on instances as their owners.
pub(crate) struct Users<'w>(pub(crate) &'w Arc<World>);

impl Users<'_> {
    pub(crate) fn submit(&self, submission: &Submission) -> Result<String, SubmitError> {
        let world = self.0;
        let app = world
            .app_by_id(&submission.app)
            .ok_or_else(|| SubmitError::UnknownApp(submission.app.clone()))?;
        let party = match &submission.owner {
            SubmissionOwner::Party(id) => world.register.by_party_id(*id),
            SubmissionOwner::Person(number) => world.register.by_person_number(number),
            SubmissionOwner::Organisation(number) => world.register.by_organisation_number(number),
        };
        let party = party.ok_or_else(|| SubmitError::UnknownOwner(app.id.clone()))?;
        let mut instance = self.fill_in(&app, party, submission)?;
        world.store.insert(instance.clone());
        world.publish(&app, &instance, CREATED);
        loop {
            match (&submission.until, instance.current_task()) {
                (Stage::Ended, None) => return Ok(instance.id()),
                (Stage::Task(wanted), Some(task)) if task.element_id == *wanted => {
                    return Ok(instance.id());
                }
                (Stage::Task(wanted), None) => {
                    return Err(SubmitError::Process {
                        instance: instance.id(),
                        problem: format!("it never came to {wanted}"),
                    });
                }
                (_, Some(_)) => instance = self.step(&app, instance.guid, None)?,
            }
        }
    }

    /// Ends the current task of an instance, or goes back with the action `reject`.
    pub(crate) fn act(&self, id: &str, action: Option<&str>) -> Result<(), SubmitError> {
        let unknown = || SubmitError::UnknownInstance(id.to_owned());
        let guid = id
            .rsplit('/')
            .next()
            .and_then(|guid| guid.parse().ok())
            .ok_or_else(unknown)?;
        let app = self
            .0
            .store
            .get(guid)
            .and_then(|instance| self.0.app_by_id(&instance.app_id))
            .ok_or_else(unknown)?;
        self.step(&app, guid, action).map(|_| ())
    }

    pub(crate) fn delete(&self, id: &str, hard: bool) -> Result<(), SubmitError> {
        let now = self.0.clock.now();
        let deleted = id
            .rsplit('/')
            .next()
            .and_then(|guid| guid.parse().ok())
            .and_then(|guid| {
                self.0.store.change(guid, |stored| {
                    let actor = self
                        .0
                        .register
                        .by_party_id(stored.owner.party_id)
                        .map(|party| party.actor())
                        .unwrap_or_default();
                    stored.mark_deleted(hard, now);
                    stored.touch(now, &actor);
                })
            });
        deleted.ok_or_else(|| SubmitError::UnknownInstance(id.to_owned()))
    }

    /// Publishes the event for the current task of an instance.
    pub(crate) fn announce(&self, id: &str) -> Result<(), SubmitError> {
        let unknown = || SubmitError::UnknownInstance(id.to_owned());
        let guid = id
            .rsplit('/')
            .next()
            .and_then(|guid| guid.parse().ok())
            .ok_or_else(unknown)?;
        let instance = self.0.store.get(guid).ok_or_else(unknown)?;
        let app = self.0.app_by_id(&instance.app_id).ok_or_else(unknown)?;
        let first = app.settings.tasks.first().map(|task| task.id.as_str());
        let event = match instance.current_task() {
            None => PROCESS_COMPLETED.to_owned(),
            Some(task) if Some(task.element_id.as_str()) == first => CREATED.to_owned(),
            Some(task) => moved_to(&task.element_id),
        };
        self.0.publish(&app, &instance, &event);
        Ok(())
    }

    /// Creates the instance with all its data, in the first task.
    fn fill_in(
        &self,
        app: &AppDefinition,
        party: Party<'_>,
        submission: &Submission,
    ) -> Result<Instance, SubmitError> {
        let content = |problem: String| SubmitError::Content {
            app: app.id.clone(),
            problem,
        };
        let engine = Engine { world: self.0, app };
        let process = engine
            .start()
            .ok_or_else(|| content("the app has no tasks".to_owned()))?;
        let now = self.0.clock.now();
        let actor = party.actor();
        let mut instance = new_user_instance(app, party, process, now, &actor);
        for (data_type, form) in &submission.forms {
            let model = app
                .models
                .get(data_type)
                .ok_or_else(|| content(format!("{data_type} is no form data type")))?;
            let read = match form {
                FormContent::Json(value) => model.read_value(value),
                FormContent::Xml(document) => model.read_xml(document),
            };
            let read =
                read.map_err(|error| content(format!("{data_type}: {}", error.without_values())))?;
            let mut element = engine.new_element(data_type, &actor);
            store_form(app, &mut instance, &mut element, read);
            instance.data.push(element);
        }
        for attachment in &submission.attachments {
            if app
                .data_type(&attachment.data_type)
                .is_none_or(|data_type| data_type.is_form())
            {
                return Err(content(format!(
                    "{} is no data type for files",
                    attachment.data_type
                )));
            }
            let mut element = engine.new_element(&attachment.data_type, &actor);
            element.filename = Some(attachment.filename.clone());
            element.content_type.clone_from(&attachment.content_type);
            element.bytes = attachment.bytes.clone();
            instance.data.push(element);
        }
        let task = instance
            .current_task()
            .map(|task| task.element_id.clone())
            .unwrap_or_default();
        engine
            .enter_task(&mut instance, &task, &actor)
            .map_err(|error| content(error.to_string()))?;
        instance.record_process(&actor);
        Ok(instance)
    }

    fn step(
        &self,
        app: &AppDefinition,
        guid: Uuid,
        action: Option<&str>,
    ) -> Result<Instance, SubmitError> {
        let world = self.0;
        let stepped = world.store.change(guid, |stored| {
            let actor = world
                .register
                .by_party_id(stored.owner.party_id)
                .map(|party| party.actor())
                .unwrap_or_default();
            let mut moved = stored.clone();
            let event = Engine { world, app }
                .step(&mut moved, action, &Actor::user(&actor))
                .map_err(|error| (stored.id(), error))?;
            *stored = moved.clone();
            Ok((moved, event))
        });
        match stepped {
            None => Err(SubmitError::UnknownInstance(guid.to_string())),
            Some(Ok((instance, event))) => {
                world.publish(app, &instance, &event);
                Ok(instance)
            }
            Some(Err((instance, error))) => Err(SubmitError::Process {
                instance,
                problem: describe(&error),
            }),
        }
    }
}

fn describe(error: &ProcessError) -> String {
    let (_, title, detail) = error.describe("the current task");
    let issues: Vec<String> = match error {
        ProcessError::Invalid(issues) => issues.iter().map(Issue::summary).collect(),
        _ => Vec::new(),
    };
    format!("{title}: {detail} {}", issues.join("; "))
}
