//! An Altinn instance, read from either of its two JSON formats.
//!
//! The app writes nulls and numeric enums; Storage omits nulls and writes enums as text
//! (Altinn/app-lib-dotnet: src/Altinn.App.Api/Models/InstanceResponse.cs;
//! Altinn/altinn-storage: src/Storage.Interface/Models/Instance.cs).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    id::{AppId, InstanceId},
    tolerant,
};

/// An instance. `Debug` omits the data, which may be personal.
#[derive(Clone)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its app.
    pub app: AppId,
    /// The state of its process.
    pub process: Process,
    /// Whether it is archived or deleted.
    pub status: Status,
    /// Its data elements, in no particular order.
    pub data: Vec<DataElement>,
    /// Key-value pairs set by its creator and its app.
    pub data_values: BTreeMap<String, String>,
    /// Texts for the inbox, which its app copied from the form.
    pub presentation_texts: BTreeMap<String, String>,
    /// The codes of the organisations that have confirmed it complete.
    pub confirmed_by: Vec<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub last_changed: Option<Timestamp>,
    /// Who created it: an organisation number or a user's id.
    pub created_by: Option<String>,
    /// Who changed it last: an organisation number or a user's id.
    pub last_changed_by: Option<String>,
    /// The JSON that Altinn returned.
    pub raw: Value,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// The state of an instance's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// When it ended.
    #[serde(deserialize_with = "tolerant::timestamp")]
    pub ended: Option<Timestamp>,
    /// Its current task.
    #[serde(deserialize_with = "task")]
    pub current_task: Option<Task>,
}

/// A task of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id in the process definition: `Task_1`.
    pub element_id: String,
    /// When the process entered it.
    pub started: Option<Timestamp>,
}

/// Reads a task. A task without an id is ignored, because no route can name it.
fn task<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Task>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(default)]
        element_id: Option<String>,
        #[serde(default, deserialize_with = "tolerant::timestamp")]
        started: Option<Timestamp>,
    }
    let wire = Option::<Wire>::deserialize(deserializer)?;
    Ok(wire.and_then(
        |Wire {
             element_id,
             started,
         }| {
            element_id.map(|element_id| Task {
                element_id,
                started,
            })
        },
    ))
}

/// Whether an instance is archived or deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Its process has ended.
    pub is_archived: bool,
    /// The substatus that its owner sees in the inbox.
    pub substatus: Option<Substatus>,
    /// Its owner has moved it to the bin.
    pub is_soft_deleted: bool,
    /// It is deleted for good, and is listed only until it is purged.
    pub is_hard_deleted: bool,
    /// When it was deleted for good.
    #[serde(deserialize_with = "tolerant::timestamp")]
    pub hard_deleted: Option<Timestamp>,
}

/// The substatus that an instance's owner sees in the inbox.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Substatus {
    /// A word or two.
    pub label: Option<String>,
    /// A sentence.
    pub description: Option<String>,
}

impl fmt::Debug for Substatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The service owner may have written personal data into it.
        f.write_str("Substatus")
    }
}

/// A data element: form data or an attachment.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataElement {
    /// Its id.
    pub id: Uuid,
    /// Its data type.
    pub data_type: String,
    /// The filename of the upload.
    #[serde(default)]
    pub filename: Option<String>,
    /// Its media type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// When it was stored.
    #[serde(default, deserialize_with = "tolerant::timestamp")]
    pub created: Option<Timestamp>,
    /// What it was generated from; a PDF refers to the task whose form it shows.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// The result of the virus scan: `NotApplicable`, `Pending`, `Clean` or `Infected`.
    #[serde(default)]
    pub file_scan_result: Option<Enumeration>,
    /// Its tags, which its app or the person who uploaded it has given it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it is being deleted.
    #[serde(default)]
    pub delete_status: Option<DeleteStatus>,
    /// Its task has ended, and Storage refuses to change it (409; Altinn/altinn-storage:
    /// src/Storage/Controllers/DataController.cs).
    #[serde(default)]
    pub locked: bool,
}

impl fmt::Debug for DataElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataElement")
            .field("id", &self.id)
            .field("data_type", &self.data_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What a data element was generated from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// The id of what it refers to: a task's id for `GeneratedFrom`.
    #[serde(default)]
    pub value: Option<String>,
}

/// Whether a data element is being deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteStatus {
    /// It is deleted for good, and is listed only until it is purged.
    pub is_hard_deleted: bool,
}

/// An enumeration, which Altinn writes as text or as a number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Enumeration {
    /// As text.
    Text(String),
    /// As its number.
    Number(i64),
}

impl DataElement {
    /// Whether the virus scan has not finished (`FileScanResult.Pending`, 1).
    #[must_use]
    pub fn is_being_scanned(&self) -> bool {
        self.scan_result_is("Pending", 1)
    }

    /// Whether the virus scan found something (`FileScanResult.Infected`, 3).
    #[must_use]
    pub fn is_infected(&self) -> bool {
        self.scan_result_is("Infected", 3)
    }

    fn scan_result_is(&self, text: &str, number: i64) -> bool {
        match &self.file_scan_result {
            // .NET accepts the name in any case, and the number as text too.
            Some(Enumeration::Text(result)) => {
                result.eq_ignore_ascii_case(text) || result.parse() == Ok(number)
            }
            Some(Enumeration::Number(result)) => *result == number,
            None => false,
        }
    }

    /// Whether the element is not being deleted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self
            .delete_status
            .is_some_and(|status| status.is_hard_deleted)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Confirmation {
    #[serde(default)]
    stakeholder_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: InstanceId,
    app_id: AppId,
    #[serde(default)]
    process: Process,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    data: Vec<DataElement>,
    #[serde(default, deserialize_with = "texts")]
    data_values: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "texts")]
    presentation_texts: BTreeMap<String, String>,
    #[serde(default)]
    complete_confirmations: Vec<Confirmation>,
    #[serde(default, deserialize_with = "tolerant::timestamp")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "tolerant::timestamp")]
    last_changed: Option<Timestamp>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    last_changed_by: Option<String>,
}

/// Reads a dictionary of texts. An entry that is not a text is skipped, so that it does not make the instance unreadable.
fn texts<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let entries = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| Some((key, text(value)?)))
        .collect())
}

impl Instance {
    /// Reads an instance in either format.
    ///
    /// # Errors
    /// If the JSON is not an instance. The message may contain values: do not log it.
    pub fn from_json(raw: Value) -> serde_json::Result<Self> {
        let wire: Wire = tolerant::read(&raw)?;
        Ok(Self {
            id: wire.id,
            app: wire.app_id,
            process: wire.process,
            status: wire.status,
            data: wire.data,
            data_values: wire.data_values,
            presentation_texts: wire.presentation_texts,
            confirmed_by: wire
                .complete_confirmations
                .into_iter()
                .filter_map(|confirmation| confirmation.stakeholder_id)
                .collect(),
            created: wire.created,
            last_changed: wire.last_changed,
            created_by: wire.created_by,
            last_changed_by: wire.last_changed_by,
            raw,
        })
    }

    /// Whether the organisation with this code has confirmed the instance complete.
    #[must_use]
    pub fn is_confirmed_by(&self, org: &str) -> bool {
        self.confirmed_by
            .iter()
            .any(|stakeholder| stakeholder == org)
    }

    /// The elements of a data type that are not being deleted, oldest first.
    #[must_use]
    pub fn elements(&self, data_type: &str) -> Vec<&DataElement> {
        let mut elements: Vec<_> = self
            .data
            .iter()
            .filter(|element| element.data_type == data_type && element.is_live())
            .collect();
        elements.sort_by_key(|element| (element.created, element.id));
        elements
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app_form() -> Value {
        json!({
            "id": "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10", "appId": "ttd/app-b", "org": "ttd",
            "instanceOwner": {"partyId": "50085321", "personNumber": null, "party": {"partyTypeName": 2, "ssn": "", "name": "EKSEMPEL BEDRIFT AS"}},
            "process": {"started": "2026-08-22T10:00:02.0911234Z", "currentTask": {"flow": 2, "started": "2026-08-22T10:00:02.0954321Z", "elementId": "Task_1", "ended": null}, "ended": null, "endEvent": null},
            "status": {"isArchived": false, "isSoftDeleted": false, "isHardDeleted": null, "readStatus": 0, "substatus": null},
            "completeConfirmations": null, "presentationTexts": null,
            "data": [{
                "id": "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301", "dataType": "model", "filename": null, "contentType": "application/xml", "size": 412,
                "locked": false, "refs": [], "deleteStatus": null, "fileScanResult": "NotApplicable", "references": null, "created": "2026-08-22T10:00:02.412345Z",
            }],
            "dataValues": {"stafett.relay": "r:1", "gone": null}, "created": "2026-08-22T10:00:02.114201Z", "createdBy": "405003309", "lastChanged": "2026-08-22T10:00:02Z",
        })
    }

    fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k.clone(), without_nulls(v)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Value::Array(items) => items.iter().map(without_nulls).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn both_formats_give_the_same_instance() {
        let app = Instance::from_json(app_form()).unwrap();
        let mut storage_form = without_nulls(&app_form());
        storage_form["status"]["readStatus"] = json!("Unread");
        storage_form["data"][0]["fileScanResult"] = json!(0);
        let storage = Instance::from_json(storage_form).unwrap();
        for instance in [&app, &storage] {
            assert_eq!(instance.id.party, 50_085_321);
            assert_eq!(
                instance.process.current_task.as_ref().unwrap().element_id,
                "Task_1"
            );
            assert!(!instance.status.is_hard_deleted);
            assert_eq!(instance.elements("model").len(), 1);
            assert_eq!(instance.data_values.len(), 1);
            assert!(!instance.data.iter().any(DataElement::is_infected));
        }
    }

    #[test]
    fn absent_empty_and_null_dictionaries_are_alike() {
        for empty in [json!(null), json!({})] {
            let mut form = app_form();
            form["dataValues"] = empty;
            assert!(Instance::from_json(form).unwrap().data_values.is_empty());
        }
        let mut form = app_form();
        form.as_object_mut().unwrap().remove("dataValues");
        assert!(Instance::from_json(form).unwrap().data_values.is_empty());
    }

    #[test]
    fn a_dictionary_entry_that_is_not_a_text_is_skipped() {
        let mut form = app_form();
        form["dataValues"] =
            json!({"stafett.relay": "r:1", "links": {"apps": "x"}, "none": null, "count": 3});
        let read = Instance::from_json(form).unwrap().data_values;
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [
                ("count".to_owned(), "3".to_owned()),
                ("stafett.relay".to_owned(), "r:1".to_owned())
            ]
        );
    }

    #[test]
    fn a_deleted_element_is_not_listed() {
        let mut form = app_form();
        form["data"][0]["deleteStatus"] = json!({"isHardDeleted": true});
        assert!(
            Instance::from_json(form)
                .unwrap()
                .elements("model")
                .is_empty()
        );
    }

    #[test]
    fn debug_omits_the_name_of_the_owner() {
        let instance = Instance::from_json(app_form()).unwrap();
        assert!(!format!("{instance:?}").contains("EKSEMPEL"));
    }
}
