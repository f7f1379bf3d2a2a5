//! Instances and data elements in Storage, and their JSON in apps and in Storage.

pub(crate) mod document;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::history::History;
use crate::workflow::Workflow;

/// An instance.
#[derive(Clone)]
pub(crate) struct Instance {
    /// Storage's sequence number, by which instances with the same `lastChanged` are sorted.
    pub(crate) internal_id: i64,
    pub(crate) guid: Uuid,
    pub(crate) owner: Owner,
    /// `org/app`.
    pub(crate) app_id: String,
    pub(crate) org: String,
    pub(crate) due_before: Option<Timestamp>,
    pub(crate) visible_after: Option<Timestamp>,
    pub(crate) process: Option<Process>,
    pub(crate) status: Status,
    pub(crate) confirmations: Vec<Confirmation>,
    pub(crate) data: Vec<Element>,
    pub(crate) presentation_texts: Option<BTreeMap<String, String>>,
    pub(crate) data_values: Option<BTreeMap<String, String>>,
    pub(crate) created: Timestamp,
    pub(crate) created_by: String,
    pub(crate) last_changed: Timestamp,
    pub(crate) last_changed_by: String,
    pub(crate) history: History,
    pub(crate) workflow: Workflow,
}

/// Who owns an instance.
#[derive(Clone, Default)]
pub(crate) struct Owner {
    pub(crate) party_id: u32,
    pub(crate) person_number: Option<String>,
    pub(crate) organisation_number: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) started: Timestamp,
    pub(crate) start_event: String,
    pub(crate) current: Option<CurrentTask>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) end_event: Option<String>,
}

#[derive(Clone)]
pub(crate) struct CurrentTask {
    pub(crate) flow: u32,
    pub(crate) started: Timestamp,
    pub(crate) element_id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) flow_type: &'static str,
}

#[derive(Clone, Default)]
pub(crate) struct Status {
    pub(crate) archived: Mark,
    pub(crate) soft_deleted: Mark,
    pub(crate) hard_deleted: Mark,
    /// 0 Unread, 1 Read, 2 UpdatedSinceLastReview.
    pub(crate) read_status: u8,
    pub(crate) substatus: Option<Substatus>,
}

/// A flag with the time at which it was set. A template can set the flag without the time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    pub(crate) set: bool,
    pub(crate) at: Option<Timestamp>,
}

impl Mark {
    pub(crate) fn at(at: Timestamp) -> Self {
        Self {
            set: true,
            at: Some(at),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Substatus {
    pub(crate) label: String,
    pub(crate) description: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Confirmation {
    pub(crate) stakeholder: String,
    pub(crate) at: Timestamp,
}

/// A data element with its bytes.
#[derive(Clone)]
pub(crate) struct Element {
    pub(crate) id: Uuid,
    pub(crate) data_type: String,
    pub(crate) filename: Option<String>,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
    pub(crate) locked: bool,
    /// Whether a user has read it.
    pub(crate) is_read: bool,
    pub(crate) tags: Vec<String>,
    /// The result of the virus scan: `NotApplicable`, `Pending`, `Clean` or `Infected`.
    pub(crate) scan_result: &'static str,
    /// The task from which it was generated.
    pub(crate) generated_from: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) created_by: String,
    pub(crate) last_changed: Timestamp,
    pub(crate) last_changed_by: String,
}

/// The base URLs of the links of an instance.
pub(crate) struct Links<'a> {
    /// Scheme and host of the app. `None` in responses of Storage, and in those that an app passes on.
    pub(crate) app_host: Option<&'a str>,
    /// Base URL of the platform. `None` in Storage's responses to some writes.
    pub(crate) platform: Option<&'a str>,
}

impl Instance {
    /// `{party}/{guid}`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.owner.party_id, self.guid)
    }

    pub(crate) fn element(&self, id: Uuid) -> Option<&Element> {
        self.data.iter().find(|element| element.id == id)
    }

    pub(crate) fn elements_of<'a>(
        &'a self,
        data_type: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.data
            .iter()
            .filter(move |element| element.data_type == data_type)
    }

    pub(crate) fn current_task(&self) -> Option<&CurrentTask> {
        self.process
            .as_ref()
            .and_then(|process| process.current.as_ref())
    }

    pub(crate) fn is_active(&self) -> bool {
        !(self.status.archived.set || self.status.soft_deleted.set || self.status.hard_deleted.set)
    }

    /// Whether `preventInstanceDeletionForDays` still protects the archived instance from deletion.
    pub(crate) fn is_protected(&self, days: Option<u32>, now: Timestamp) -> bool {
        let Some((days, archived)) = days.zip(self.status.archived.at) else {
            return false;
        };
        now.duration_since(archived) < SignedDuration::from_hours(24 * i64::from(days))
    }

    /// Marks the instance as deleted, softly or for good. Earlier marks keep their times.
    pub(crate) fn mark_deleted(&mut self, hard: bool, now: Timestamp) {
        if !self.status.soft_deleted.set {
            self.status.soft_deleted = Mark::at(now);
        }
        if hard && !self.status.hard_deleted.set {
            self.status.hard_deleted = Mark::at(now);
        }
    }

    /// Adds a confirmation. A repeated confirmation changes nothing.
    pub(crate) fn confirm(&mut self, stakeholder: &str, now: Timestamp, actor: &str) {
        let known = |it: &Confirmation| it.stakeholder == stakeholder;
        if !self.confirmations.iter().any(known) {
            self.confirmations.push(Confirmation {
                stakeholder: stakeholder.to_owned(),
                at: now,
            });
            self.touch(now, actor);
        }
    }

    /// Records the process in Storage's history, unless the history has entries already.
    pub(crate) fn record_process(&mut self, by: &str) {
        let Some(process) = self.process.as_ref().filter(|_| self.history.is_empty()) else {
            return;
        };
        let history = &mut self.history;
        history.occurred(
            "process_StartEvent",
            &process.start_event,
            process.started,
            by,
        );
        if let Some(task) = &process.current {
            history.task_started(&task.element_id, task.started, by);
        }
        if let (Some(event), Some(ended)) = (&process.end_event, process.ended) {
            history.occurred("process_EndEvent", event, ended, by);
        }
    }

    /// Records that an organisation changed data after the owner had read it.
    pub(crate) fn note_unread_change(&mut self) {
        if self.status.read_status == 1 {
            self.status.read_status = 2;
        }
    }

    /// Records who changed the instance and when.
    pub(crate) fn touch(&mut self, at: Timestamp, by: &str) {
        self.last_changed = at;
        by.clone_into(&mut self.last_changed_by);
    }

    /// The instance as an app serializes it (System.Text.Json): with nulls, and with `readStatus` as a number.
    pub(crate) fn app_view(&self, links: &Links<'_>) -> Value {
        let status = &self.status;
        json!({
            "id": self.id(),
            "instanceOwner": {
                "partyId": self.owner.party_id.to_string(), "personNumber": self.owner.person_number,
                "organisationNumber": self.owner.organisation_number, "username": null, "externalIdentifier": null,
            },
            "appId": self.app_id,
            "org": self.org,
            "selfLinks": self.links(links, None),
            "dueBefore": self.due_before,
            "visibleAfter": self.visible_after,
            "process": self.process.as_ref().map(Process::view),
            "status": {
                "isArchived": status.archived.set, "archived": status.archived.at,
                "isSoftDeleted": status.soft_deleted.set, "softDeleted": status.soft_deleted.at,
                "isHardDeleted": status.hard_deleted.set, "hardDeleted": status.hard_deleted.at,
                "readStatus": status.read_status,
                "substatus": status.substatus.as_ref().map(|substatus| json!({"label": substatus.label, "description": substatus.description})),
            },
            "completeConfirmations": if self.confirmations.is_empty() { Value::Null } else {
                self.confirmations.iter().map(|c| json!({"stakeholderId": c.stakeholder, "confirmedOn": c.at})).collect()
            },
            "data": self.data.iter().map(|element| self.element_app_view(element, links)).collect::<Vec<_>>(),
            "presentationTexts": self.presentation_texts,
            "dataValues": self.data_values,
            "created": self.created,
            "createdBy": self.created_by,
            "lastChanged": self.last_changed,
            "lastChangedBy": self.last_changed_by,
        })
    }

    /// The instance as Storage serializes it (Newtonsoft): without nulls, and with `readStatus` as a word.
    pub(crate) fn storage_view(&self, platform: &str) -> Value {
        let mut view = self.app_view(&Links {
            app_host: None,
            platform: Some(platform),
        });
        view["status"]["readStatus"] = json!(match self.status.read_status {
            0 => "Unread",
            1 => "Read",
            _ => "UpdatedSinceLastReview",
        });
        without_nulls(&mut view);
        // The only null that Storage writes (measured, tests/recorded/storage-instance-substatus.json).
        if let Some(Substatus {
            description: None, ..
        }) = self.status.substatus
        {
            view["status"]["substatus"]["description"] = Value::Null;
        }
        view
    }

    /// A data element as an app serializes it.
    pub(crate) fn element_app_view(&self, element: &Element, links: &Links<'_>) -> Value {
        json!({
            "id": element.id,
            "instanceGuid": self.guid,
            "dataType": element.data_type,
            "filename": element.filename,
            "contentType": element.content_type,
            "blobStoragePath": format!("{}/{}/data/{}", self.app_id, self.guid, element.id),
            "selfLinks": self.links(links, Some(element.id)),
            "size": element.bytes.len(),
            "contentHash": null,
            "locked": element.locked,
            "refs": null,
            "isRead": element.is_read,
            "tags": element.tags,
            "userDefinedMetadata": null,
            "metadata": null,
            "deleteStatus": null,
            "fileScanResult": element.scan_result,
            "references": element.generated_from.as_ref().map(|task| json!([{"value": task, "relation": "GeneratedFrom", "valueType": "Task"}])),
            "created": element.created,
            "createdBy": element.created_by,
            "lastChanged": element.last_changed,
            "lastChangedBy": element.last_changed_by,
        })
    }

    fn links(&self, links: &Links<'_>, element: Option<Uuid>) -> Value {
        let tail = element.map(|id| format!("/data/{id}")).unwrap_or_default();
        let apps = links
            .app_host
            .map(|host| format!("{host}/{}/instances/{}{tail}", self.app_id, self.id()));
        let platform = links
            .platform
            .map(|platform| format!("{platform}/storage/api/v1/instances/{}{tail}", self.id()));
        if apps.is_none() && platform.is_none() {
            return Value::Null;
        }
        json!({ "apps": apps, "platform": platform })
    }
}

impl Process {
    pub(crate) fn view(&self) -> Value {
        json!({
            "started": self.started,
            "startEvent": self.start_event,
            "currentTask": self.current.as_ref().map(CurrentTask::view),
            "ended": self.ended,
            "endEvent": self.end_event,
        })
    }
}

impl CurrentTask {
    pub(crate) fn view(&self) -> Value {
        json!({
            "flow": self.flow, "started": self.started, "elementId": self.element_id, "name": self.name, "altinnTaskType": self.kind,
            "ended": null, "validated": null, "flowType": self.flow_type,
        })
    }
}

pub(crate) fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
