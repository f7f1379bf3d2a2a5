//! Instance folders: `instance.json`, and a file for each data element.

pub mod element_files;
pub(crate) mod reader;

use std::collections::BTreeMap;
use std::path::Path;

use app_files::form::Model;
use app_files::{Task, dates};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use stafett_core::tolerant;
use uuid::Uuid;

use crate::app::{App, AppDefinition};
use crate::history::History;
use crate::instance::document::{parse_scan_result, parse_status};
use crate::instance::{Confirmation, CurrentTask, Element, Instance, Mark, Owner, Process};
use crate::load::{LoadError, read_json};
use crate::workflow::Workflow;
use crate::world::World;
use element_files::{ElementFiles, INSTANCE_FILE, is_json};

/// The first party id that is given to owners who have none in the register or the folder.
const FIRST_FREE_PARTY: u32 = 59_000_000;

/// Reads an instance folder into the local Altinn. Returns the instance's id.
pub(crate) fn import(world: &World, folder: &Path) -> Result<String, LoadError> {
    let (instance, unreadable) = read(world, folder)?;
    if let Some(error) = unreadable.into_values().next() {
        return Err(error);
    }
    if world.store.lock().contains(instance.guid) {
        return Err(LoadError::Content {
            path: folder.join(INSTANCE_FILE),
            message: format!("field `id`: instance {} exists already", instance.guid),
        });
    }
    let id = instance.id();
    world.store.insert(instance);
    Ok(id)
}

/// By data type, why an element of it cannot be read by its model.
pub(crate) type Unreadable = BTreeMap<String, LoadError>;

/// Reads an instance folder. A form that its model cannot read is kept as it is, and told.
pub(crate) fn read(world: &World, folder: &Path) -> Result<(Instance, Unreadable), LoadError> {
    let path = folder.join(INSTANCE_FILE);
    let document = read_json(&path)?;
    let reader = DocumentReader {
        path: &path,
        folder,
        world,
    };
    let mut unreadable = Unreadable::new();
    let instance = reader.instance(&document, &mut unreadable)?;
    Ok((instance, unreadable))
}

/// A form's file without the byte order mark that some editors write, because Altinn stores none.
fn form_text<'b>(file: &Path, bytes: &'b [u8]) -> Result<&'b [u8], LoadError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes()),
        Err(error) => Err(LoadError::Content {
            path: file.into(),
            message: format!("not UTF-8: {error}"),
        }),
    }
}

struct DocumentReader<'f> {
    path: &'f Path,
    folder: &'f Path,
    world: &'f World,
}

impl DocumentReader<'_> {
    fn wrong(&self, field: &str, problem: &str) -> LoadError {
        LoadError::Content {
            path: self.path.into(),
            message: format!("field `{field}`: {problem}"),
        }
    }

    fn text<'v>(
        &self,
        parent: &'v Value,
        field: &str,
        name: &str,
    ) -> Result<Option<&'v str>, LoadError> {
        match tolerant::field(parent, name) {
            Value::Null => Ok(None),
            Value::String(text) if !text.is_empty() => Ok(Some(text)),
            Value::String(_) => Ok(None),
            _ => Err(self.wrong(field, "must be a string")),
        }
    }

    fn required<'v>(
        &self,
        parent: &'v Value,
        field: &str,
        name: &str,
    ) -> Result<&'v str, LoadError> {
        self.text(parent, field, name)?
            .ok_or_else(|| self.wrong(field, "is missing"))
    }

    fn time(
        &self,
        parent: &Value,
        field: &str,
        name: &str,
    ) -> Result<Option<Timestamp>, LoadError> {
        let parse = |text: &str| {
            dates::parse(text).ok_or_else(|| self.wrong(field, "is not a date and time"))
        };
        self.text(parent, field, name)?.map(parse).transpose()
    }

    fn texts(
        &self,
        parent: &Value,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, LoadError> {
        match tolerant::field(parent, name) {
            Value::Null => Ok(None),
            value => tolerant::read(value)
                .map(Some)
                .map_err(|_| self.wrong(name, "must hold strings only")),
        }
    }

    fn instance(
        &self,
        document: &Value,
        unreadable: &mut Unreadable,
    ) -> Result<Instance, LoadError> {
        let app_id = self.required(document, "appId", "appId")?;
        let app = self.world.app_by_id(app_id).ok_or_else(|| {
            let apps = self.world.apps();
            let known: Vec<&str> = apps.iter().map(App::id).collect();
            self.wrong(
                "appId",
                &format!(
                    "`{app_id}` is not running here; known: {}",
                    known.join(", ")
                ),
            )
        })?;
        let now = self.world.clock.now();
        let owner = self.owner(tolerant::field(document, "instanceOwner"))?;
        let guid = match self.text(document, "id", "id")? {
            Some(id) => id
                .rsplit('/')
                .next()
                .and_then(|guid| guid.parse().ok())
                .ok_or_else(|| self.wrong("id", "must be `<party id>/<guid>`"))?,
            None => Uuid::new_v4(),
        };
        let created = self.time(document, "created", "created")?.unwrap_or(now);
        let last_changed = self
            .time(document, "lastChanged", "lastChanged")?
            .unwrap_or(now);
        let process = self.process(&app, tolerant::field(document, "process"), created)?;
        let mut status = parse_status(tolerant::field(document, "status"))
            .map_err(|_| self.wrong("status", "cannot be read"))?;
        if let Some(ended) = process.ended
            && !status.archived.set
        {
            status.archived = Mark::at(ended);
        }
        let actor = self
            .world
            .register
            .by_party_id(owner.party_id)
            .map(|party| party.actor())
            .unwrap_or_default();
        let by = |name: &str| {
            Ok(self
                .text(document, name, name)?
                .unwrap_or(&actor)
                .to_owned())
        };
        let mut instance = Instance {
            internal_id: 0,
            guid,
            owner,
            app_id: app.id.clone(),
            org: app.org.clone(),
            due_before: self.time(document, "dueBefore", "dueBefore")?,
            visible_after: Some(
                self.time(document, "visibleAfter", "visibleAfter")?
                    .unwrap_or(created),
            ),
            process: Some(process),
            status,
            confirmations: self
                .confirmations(tolerant::field(document, "completeConfirmations"), created)?,
            data: Vec::new(),
            presentation_texts: self.texts(document, "presentationTexts")?,
            data_values: self.texts(document, "dataValues")?,
            created,
            created_by: by("createdBy")?,
            last_changed,
            last_changed_by: by("lastChangedBy")?,
            history: History::default(),
            workflow: Workflow::default(),
        };
        let by = instance.created_by.clone();
        instance.record_process(&by);
        instance.data = self.elements(&app, &instance, document, unreadable)?;
        Ok(instance)
    }

    /// Reads the data elements that are not deleted, with their files.
    fn elements(
        &self,
        app: &AppDefinition,
        instance: &Instance,
        document: &Value,
        unreadable: &mut Unreadable,
    ) -> Result<Vec<Element>, LoadError> {
        let elements = match tolerant::field(document, "data") {
            Value::Array(elements) => elements.as_slice(),
            Value::Null => &[],
            _ => return Err(self.wrong("data", "must be a list")),
        };
        let files =
            ElementFiles::find(self.folder, elements).map_err(|source| LoadError::Read {
                path: self.folder.to_owned(),
                source,
            })?;
        let mut read = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            if is_deleted(element) {
                continue;
            }
            let field = format!("data[{index}]");
            let file = files.of(index).ok_or_else(|| {
                let data_type = tolerant::field(element, "dataType");
                let problem = format!(
                    "no file for this {} element in {}: {}",
                    data_type.as_str().unwrap_or("data"),
                    self.folder.display(),
                    files.names(index)
                );
                self.wrong(&field, &problem)
            });
            let element = self.element(app, instance, element, &field, file, unreadable)?;
            read.push(element);
        }
        Ok(read)
    }

    fn owner(&self, value: &Value) -> Result<Owner, LoadError> {
        if !value.is_object() {
            return Err(self.wrong("instanceOwner", "is missing"));
        }
        let text = |name: &str| self.text(value, &format!("instanceOwner.{name}"), name);
        let (person, organisation) = (text("personNumber")?, text("organisationNumber")?);
        let given = match tolerant::field(value, "partyId") {
            Value::Number(number) => number.as_u64().and_then(|id| u32::try_from(id).ok()),
            Value::String(id) => id.parse().ok(),
            Value::Null => None,
            _ => return Err(self.wrong("instanceOwner.partyId", "must be a number")),
        };
        let register = &self.world.register;
        let known = person
            .and_then(|number| register.by_person_number(number))
            .or_else(|| register.by_organisation_number(organisation?))
            .or_else(|| register.by_party_id(given?));
        if person.is_none() && organisation.is_none() && given.is_none() {
            return Err(self.wrong(
                "instanceOwner",
                "needs personNumber, organisationNumber or partyId",
            ));
        }
        let party_id = given
            .or_else(|| known.map(|party| party.party_id()))
            .unwrap_or_else(|| {
                let store = self.world.store.lock();
                let taken = store
                    .instances()
                    .map(|instance| instance.owner.party_id)
                    .filter(|id| *id >= FIRST_FREE_PARTY);
                taken.max().map_or(FIRST_FREE_PARTY, |highest| highest + 1)
            });
        let known_person = known.and_then(|party| party.person_number().map(str::to_owned));
        let known_organisation =
            known.and_then(|party| party.organisation_number().map(str::to_owned));
        Ok(Owner {
            party_id,
            person_number: person.map(str::to_owned).or(known_person),
            organisation_number: organisation.map(str::to_owned).or(known_organisation),
        })
    }

    fn process(
        &self,
        app: &AppDefinition,
        value: &Value,
        created: Timestamp,
    ) -> Result<Process, LoadError> {
        if !value.is_object() {
            return Err(self.wrong("process", "is missing"));
        }
        let started = self
            .time(value, "process.started", "started")?
            .unwrap_or(created);
        let ended = self.time(value, "process.ended", "ended")?;
        let current = match tolerant::field(value, "currentTask") {
            Value::Null => None,
            task => {
                let field = "process.currentTask.elementId";
                let id = self.required(task, field, "elementId")?;
                let known = match app.task(id) {
                    Some(known) => known.clone(),
                    None if !app.knows_tasks => Task {
                        id: id.to_owned(),
                        kind: "data".to_owned(),
                        name: id.to_owned(),
                        gateway: false,
                    },
                    None => {
                        let problem = format!("`{id}` is no task of {}", app.id);
                        return Err(self.wrong(field, &problem));
                    }
                };
                Some(CurrentTask {
                    flow: tolerant::field(task, "flow")
                        .as_u64()
                        .and_then(|flow| u32::try_from(flow).ok())
                        .unwrap_or(2),
                    started: self
                        .time(task, "process.currentTask.started", "started")?
                        .unwrap_or(started),
                    element_id: known.id,
                    name: known.name,
                    kind: known.kind,
                    flow_type: "CompleteCurrentMoveToNext",
                })
            }
        };
        if current.is_some() == ended.is_some() {
            return Err(self.wrong("process", "needs either currentTask or ended"));
        }
        let text = |name: &str, default: &str| -> Result<String, LoadError> {
            Ok(self
                .text(value, &format!("process.{name}"), name)?
                .unwrap_or(default)
                .to_owned())
        };
        let end_event = ended
            .is_some()
            .then(|| text("endEvent", "EndEvent_1"))
            .transpose()?;
        Ok(Process {
            started,
            start_event: text("startEvent", "StartEvent_1")?,
            current,
            ended,
            end_event,
        })
    }

    fn confirmations(
        &self,
        value: &Value,
        created: Timestamp,
    ) -> Result<Vec<Confirmation>, LoadError> {
        let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let read = |(index, entry): (usize, &Value)| {
            let field = |name: &str| format!("completeConfirmations[{index}].{name}");
            let at = self.time(entry, &field("confirmedOn"), "confirmedOn")?;
            Ok(Confirmation {
                stakeholder: self
                    .required(entry, &field("stakeholderId"), "stakeholderId")?
                    .to_owned(),
                at: at.unwrap_or(created),
            })
        };
        entries.iter().enumerate().map(read).collect()
    }

    fn element(
        &self,
        app: &AppDefinition,
        instance: &Instance,
        value: &Value,
        field: &str,
        file: Result<&Path, LoadError>,
        unreadable: &mut Unreadable,
    ) -> Result<Element, LoadError> {
        let in_field = |name: &str| format!("{field}.{name}");
        let data_type = self.required(value, &in_field("dataType"), "dataType")?;
        if app.data_type(data_type).is_none() {
            return Err(self.wrong(
                &in_field("dataType"),
                &format!("`{data_type}` is no data type of {}", app.id),
            ));
        }
        let id = match self.text(value, &in_field("id"), "id")? {
            Some(id) => id
                .parse()
                .map_err(|_| self.wrong(&in_field("id"), "is not a GUID"))?,
            None => Uuid::new_v4(),
        };
        let filename = self.text(value, &in_field("filename"), "filename")?;
        let file = file?;
        let given_type = self.text(value, &in_field("contentType"), "contentType")?;
        let model = app.models.get(data_type);
        let (content_type, bytes, problem) = content(model, given_type, file)?;
        if let Some(problem) = problem {
            unreadable.entry(data_type.to_owned()).or_insert(problem);
        }
        let created = self
            .time(value, &in_field("created"), "created")?
            .unwrap_or(instance.created);
        let by = |name: &str| {
            Ok(self
                .text(value, &in_field(name), name)?
                .unwrap_or(&instance.created_by)
                .to_owned())
        };
        let ended = instance.current_task().is_none();
        Ok(Element {
            id,
            data_type: data_type.to_owned(),
            filename: filename.map(str::to_owned),
            content_type,
            bytes,
            locked: tolerant::field(value, "locked").as_bool().unwrap_or(ended),
            is_read: tolerant::field(value, "isRead").as_bool().unwrap_or(false),
            scan_result: parse_scan_result(tolerant::field(value, "fileScanResult")).map_err(
                |_| {
                    let problem = "must be NotApplicable, Pending, Clean or Infected";
                    self.wrong(&in_field("fileScanResult"), problem)
                },
            )?,
            tags: serde_json::from_value(tolerant::field(value, "tags").clone())
                .unwrap_or_default(),
            generated_from: generated_from(tolerant::field(value, "references")),
            created,
            created_by: by("createdBy")?,
            last_changed: self
                .time(value, &in_field("lastChanged"), "lastChanged")?
                .unwrap_or(created),
            last_changed_by: by("lastChangedBy")?,
        })
    }
}

/// The content type and the bytes of an element, as Altinn would have stored the file; of a form that its model cannot read,
/// as they are, and why.
fn content(
    model: Option<&Model>,
    given_type: Option<&str>,
    file: &Path,
) -> Result<(String, Bytes, Option<LoadError>), LoadError> {
    let bytes = std::fs::read(file).map_err(|source| LoadError::Read {
        path: file.to_owned(),
        source,
    })?;
    let implied = || {
        mime_guess::from_path(file)
            .first_raw()
            .unwrap_or("application/octet-stream")
    };
    let Some(model) = model else {
        let content_type = given_type.unwrap_or_else(implied).to_owned();
        return Ok((content_type, Bytes::from(bytes), None));
    };
    Ok(match form(model, given_type, file, &bytes) {
        Ok((content_type, bytes)) => (content_type.to_owned(), bytes, None),
        Err(problem) => {
            let content_type = given_type.unwrap_or_else(implied).to_owned();
            (content_type, Bytes::from(bytes), Some(problem))
        }
    })
}

/// The content type and the bytes of a form.
fn form(
    model: &Model,
    given_type: Option<&str>,
    file: &Path,
    bytes: &[u8],
) -> Result<(&'static str, Bytes), LoadError> {
    let bytes = form_text(file, bytes)?;
    let is_json_file = is_json(file, bytes);
    let form = if is_json_file {
        model.read_json(bytes)
    } else {
        model.read_xml(bytes)
    };
    let form = form.map_err(|error| LoadError::Content {
        path: file.to_owned(),
        message: error.without_values(),
    })?;
    let stored_as_json = given_type.is_some_and(|given| given.contains("json"));
    Ok(match (is_json_file, stored_as_json) {
        (true, false) => ("application/xml", model.to_xml(&form)),
        (false, true) => (
            "application/json",
            Bytes::from(model.to_json_text(&form, false)),
        ),
        (true, true) => ("application/json", Bytes::copy_from_slice(bytes)),
        (false, false) => ("application/xml", Bytes::copy_from_slice(bytes)),
    })
}

/// Whether an element is deleted and only listed until it is purged. Storage does not give its bytes any more.
fn is_deleted(element: &Value) -> bool {
    let status = tolerant::field(element, "deleteStatus");
    tolerant::field(status, "isHardDeleted").as_bool() == Some(true)
}

fn generated_from(references: &Value) -> Option<String> {
    // `RelationType.GeneratedFrom` is the first value of the enumeration, so its number is 0.
    let is_generated = |reference: &&Value| match tolerant::field(reference, "relation") {
        Value::String(relation) => relation.eq_ignore_ascii_case("GeneratedFrom"),
        relation => relation.as_u64() == Some(0),
    };
    let reference = references.as_array()?.iter().find(is_generated)?;
    tolerant::field(reference, "value")
        .as_str()
        .map(str::to_owned)
}
