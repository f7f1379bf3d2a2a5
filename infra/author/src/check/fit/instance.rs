//! The JSON schema of an Altinn instance as Storage returns it: empty fields are left out.
//!
//! (Altinn/altinn-storage: src/Storage.Interface/Models/Instance.cs, InstanceOwner.cs,
//! ProcessState.cs, InstanceStatus.cs, DataElement.cs.)

use serde_json::{Value, json};
use stafett_core::{metadata::PartyTypesAllowed, route::Gate};

/// The schema of the instances of an app that a route's gate lets through. `owners` are the owners
/// that the app admits, where that is known.
pub(super) fn schema(gate: &Gate, owners: Option<PartyTypesAllowed>) -> Value {
    let has_ended = *gate == Gate::Completed;
    let text = || json!({"type": "string"});
    // Always with an offset, unlike the `date-time` of a form.
    let moment = || json!({"type": "string", "format": "instant"});
    let flag = || json!({"type": "boolean"});
    let mut owner = vec!["partyId"];
    if let Some(owners) = owners {
        let organisations = owners.organisation || owners.sub_unit || owners.bankruptcy_estate;
        // A person may lack a national identity number, but an owner who is no
        // organisation nearly always has one.
        if owners.person && !organisations {
            owner.push("personNumber");
        } else if organisations && !owners.person {
            owner.push("organisationNumber");
        }
    }
    let process = if has_ended {
        vec!["started", "startEvent", "ended", "endEvent"]
    } else {
        vec!["started", "startEvent"]
    };
    let process = json!({
        "type": "object",
        "required": process,
        "properties": {
            "started": moment(),
            "startEvent": text(),
            "currentTask": {
                "type": "object",
                "required": ["flow", "started", "elementId"],
                "properties": {
                    "flow": {"type": "integer"},
                    "started": moment(),
                    "elementId": text(),
                    "name": text(),
                    "altinnTaskType": text(),
                    "ended": moment(),
                    "flowType": text(),
                    "validated": {"type": "object"},
                },
            },
            "ended": moment(),
            "endEvent": text(),
        },
    });
    let status = json!({
        "type": "object",
        "required": ["isArchived", "isSoftDeleted", "isHardDeleted"],
        "properties": {
            "isArchived": flag(),
            "archived": moment(),
            "isSoftDeleted": flag(),
            "softDeleted": moment(),
            "isHardDeleted": flag(),
            "hardDeleted": moment(),
            "readStatus": text(),
            "substatus": {"type": "object", "properties": {"label": text(), "description": text()}},
        },
    });
    let element = json!({
        "type": "object",
        "required": ["id", "instanceGuid", "dataType", "created", "lastChanged"],
        "properties": {
            "id": text(),
            "instanceGuid": text(),
            "dataType": text(),
            "filename": text(),
            "contentType": text(),
            "blobStoragePath": text(),
            "selfLinks": {"type": "object"},
            "size": {"type": "integer", "@xsdType": "long", "minimum": 0},
            "contentHash": text(),
            "locked": flag(),
            "refs": {"type": "array", "items": text()},
            "isRead": flag(),
            "tags": {"type": "array", "items": text()},
            "userDefinedMetadata": {"type": "array"},
            "metadata": {"type": "array"},
            "deleteStatus": {"type": "object"},
            "fileScanResult": text(),
            "references": {"type": "array"},
            "created": moment(),
            "createdBy": text(),
            "lastChanged": moment(),
            "lastChangedBy": text(),
        },
    });
    json!({
        "type": "object",
        "required": [
            "id", "instanceOwner", "appId", "org", "selfLinks", "visibleAfter", "process", "status", "data",
            "created", "createdBy", "lastChanged", "lastChangedBy",
        ],
        "properties": {
            "id": text(),
            "instanceOwner": {
                "type": "object",
                "required": owner,
                "properties": {
                    "partyId": {"type": "string", "pattern": "^[0-9]{1,10}$"},
                    "personNumber": {"type": "string", "pattern": "^[0-9]{11}$"},
                    "organisationNumber": {"type": "string", "pattern": "^[0-9]{9}$"},
                    "username": text(),
                    "externalIdentifier": text(),
                },
            },
            "appId": text(),
            "org": text(),
            "selfLinks": {
                "type": "object",
                "required": ["apps", "platform"],
                "properties": {"apps": text(), "platform": text()},
            },
            "dueBefore": moment(),
            "visibleAfter": moment(),
            "process": process,
            "status": status,
            "completeConfirmations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"stakeholderId": text(), "confirmedOn": moment()},
                },
            },
            "data": {"type": "array", "items": element},
            // The app chooses their names.
            "presentationTexts": {"type": "object"},
            "dataValues": {"type": "object"},
            "created": moment(),
            "createdBy": text(),
            "lastChanged": moment(),
            "lastChangedBy": text(),
        },
    })
}
