//! An Altinn instance, in one model for both of its JSON forms.
//!
//! The app writes nulls and numeric enums, Storage leaves nulls out and writes enums
//! as text (Altinn/app-lib-dotnet: src/Altinn.App.Api/Models/InstanceResponse.cs;
//! Altinn/altinn-storage: src/Storage.Interface/Models/Instance.cs).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use super::tolerant;
use crate::id::{AppId, InstanceId};

/// An instance. Holds personal data, and so does not print it.
#[derive(Clone)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its app.
    pub app: AppId,
    /// Where its process is.
    pub process: Process,
    /// Whether it is archived or deleted.
    pub status: Status,
    /// Its data elements, in no particular order.
    pub data: Vec<DataElement>,
    /// What its creator and its app noted on it.
    pub data_values: BTreeMap<String, String>,
    /// What its app copied from its form for the inbox.
    pub presentation_texts: BTreeMap<String, String>,
    /// Who has confirmed that it is dealt with: organisation codes.
    pub confirmed_by: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub last_changed: Option<Timestamp>,
    /// Who made it: an organisation number, or a user's id.
    pub created_by: Option<String>,
    /// Who changed it last, likewise.
    pub last_changed_by: Option<String>,
    /// The whole instance, as Altinn gave it.
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

/// Where an instance's process is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// When it ended.
    #[serde(deserialize_with = "tolerant::moment")]
    pub ended: Option<Timestamp>,
    /// The task in which it stands.
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

/// A task without an id is none that a route could name.
fn task<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Task>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        #[serde(default)]
        element_id: Option<String>,
        #[serde(default, deserialize_with = "tolerant::moment")]
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
    /// What its owner sees beside it.
    pub substatus: Option<Substatus>,
    /// Its owner put it into the bin.
    pub is_soft_deleted: bool,
    /// It is gone, and is only listed until it is purged.
    pub is_hard_deleted: bool,
    /// When that was.
    #[serde(deserialize_with = "tolerant::moment")]
    pub hard_deleted: Option<Timestamp>,
}

/// What an instance's owner sees beside it.
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
        // Somebody else may have written a name into it.
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
    /// The name under which it was uploaded.
    #[serde(default)]
    pub filename: Option<String>,
    /// Its media type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// When it was stored.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub created: Option<Timestamp>,
    /// What it was made from: a PDF names the task whose form it shows.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// What the virus scan said: `NotApplicable`, `Pending`, `Clean` or `Infected`.
    #[serde(default)]
    pub file_scan_result: Option<Enumeration>,
    /// Whether it is being deleted.
    #[serde(default)]
    pub delete_status: Option<DeleteStatus>,
    /// Its task has ended, and Storage takes no change of it (409; Altinn/altinn-storage:
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

/// What a data element was made from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reference {
    /// The id of that: a task's id for `GeneratedFrom`.
    #[serde(default)]
    pub value: Option<String>,
}

/// Whether a data element is being deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteStatus {
    /// It is gone, and is only listed until it is purged.
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
    /// The virus scan is not done yet (`FileScanResult.Pending`, 1).
    #[must_use]
    pub fn is_being_scanned(&self) -> bool {
        self.scan_says("Pending", 1)
    }

    /// The virus scan found something (`FileScanResult.Infected`, 3).
    #[must_use]
    pub fn is_infected(&self) -> bool {
        self.scan_says("Infected", 3)
    }

    fn scan_says(&self, text: &str, number: i64) -> bool {
        match &self.file_scan_result {
            // .NET reads the name in any case, and the number also as text.
            Some(Enumeration::Text(result)) => {
                result.eq_ignore_ascii_case(text) || result.parse() == Ok(number)
            }
            Some(Enumeration::Number(result)) => *result == number,
            None => false,
        }
    }

    /// The element is there, not on its way out.
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
    #[serde(default, deserialize_with = "tolerant::moment")]
    created: Option<Timestamp>,
    #[serde(default, deserialize_with = "tolerant::moment")]
    last_changed: Option<Timestamp>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    last_changed_by: Option<String>,
}

/// A dictionary of texts. An entry that is none hides nothing of the instance.
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
    /// Reads an instance in either form.
    ///
    /// # Errors
    /// What is not an instance. The error's text may quote values: do not log it.
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

    /// Whether an organisation, by its code, has confirmed that the instance is dealt with.
    #[must_use]
    pub fn is_confirmed_by(&self, org: &str) -> bool {
        self.confirmed_by
            .iter()
            .any(|stakeholder| stakeholder == org)
    }

    /// The elements of a data type that are not on their way out, oldest first.
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
    fn both_forms_are_the_same_instance() {
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
    fn an_entry_of_a_dictionary_that_is_no_text_hides_nothing() {
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
    fn a_deleted_element_does_not_count() {
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
    fn no_name_is_printed() {
        let instance = Instance::from_json(app_form()).unwrap();
        assert!(!format!("{instance:?}").contains("EKSEMPEL"));
    }
}
