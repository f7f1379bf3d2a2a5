//! applicationmetadata.json as an app and Storage send it. Both send every field of their models, with nulls and with both spellings of
//! `allowedContributors` (measured, tests/recorded/app-metadata-permit.json and storage-application.json).

use serde_json::{Map, Value, json};

use crate::library::Library;

/// The metadata as an app sends it. Only the field `altinnNugetVersion` depends on the library.
pub(crate) fn from_app(document: &Value, library: Library) -> Value {
    completed(
        document,
        &[
            ("id", Value::Null),
            (
                "features",
                json!({ "footer": true, "processActions": true, "jsonObjectInDataResponse": false }),
            ),
            ("onEntry", Value::Null),
            ("logo", Value::Null),
            ("altinnNugetVersion", json!(format!("{library}.0"))),
            ("externalApiIds", json!([])),
            ("versionId", Value::Null),
            ("org", Value::Null),
            ("title", Value::Null),
            ("validFrom", Value::Null),
            ("validTo", Value::Null),
            ("processId", Value::Null),
            ("dataTypes", json!([])),
            ("partyTypesAllowed", Value::Null),
            ("autoDeleteOnProcessEnd", json!(false)),
            ("preventInstanceDeletionForDays", Value::Null),
            ("presentationFields", Value::Null),
            ("dataFields", Value::Null),
            ("eFormidling", Value::Null),
            ("messageBoxConfig", Value::Null),
            ("copyInstanceSettings", Value::Null),
            ("apiScopes", Value::Null),
            ("storageAccountNumber", Value::Null),
            ("disallowUserInstantiation", json!(false)),
            ("homepage", Value::Null),
            ("keywords", Value::Null),
            ("description", Value::Null),
            ("access", Value::Null),
            ("contactPoints", Value::Null),
            ("created", Value::Null),
            ("createdBy", Value::Null),
            ("lastChanged", Value::Null),
            ("lastChangedBy", Value::Null),
        ],
    )
}

fn completed(document: &Value, fields: &[(&str, Value)]) -> Value {
    let mut view = with_all(document, fields);
    if let Some(data_types) = view.get_mut("dataTypes").and_then(Value::as_array_mut) {
        for data_type in data_types {
            *data_type = data_type_view(data_type);
        }
    }
    if let Some(allowed) = view
        .get_mut("partyTypesAllowed")
        .filter(|allowed| allowed.is_object())
    {
        let no = json!(false);
        *allowed = with_all(
            allowed,
            &["bankruptcyEstate", "organisation", "person", "subUnit"]
                .map(|name| (name, no.clone())),
        );
    }
    view
}

fn data_type_view(data_type: &Value) -> Value {
    let mut view = with_all(
        data_type,
        &[
            ("id", Value::Null),
            ("description", Value::Null),
            ("allowedContentTypes", Value::Null),
            ("allowedContributers", Value::Null),
            ("allowedContributors", Value::Null),
            ("actionRequiredToRead", Value::Null),
            ("actionRequiredToWrite", Value::Null),
            ("appLogic", Value::Null),
            ("taskId", Value::Null),
            ("maxSize", Value::Null),
            ("maxCount", json!(0)),
            ("minCount", json!(0)),
            ("grouping", Value::Null),
            ("enablePdfCreation", json!(true)),
            ("enableFileScan", json!(false)),
            ("validationErrorOnPendingFileScan", json!(false)),
            ("enabledFileAnalysers", json!([])),
            ("enabledFileValidators", json!([])),
            ("allowedKeysForUserDefinedMetadata", Value::Null),
        ],
    );
    if let Some(logic) = view.get_mut("appLogic").filter(|logic| logic.is_object()) {
        *logic = with_all(
            logic,
            &[
                ("autoCreate", Value::Null),
                ("classRef", Value::Null),
                ("schemaRef", Value::Null),
                ("allowAnonymousOnStateless", json!(false)),
                ("autoDeleteOnProcessEnd", json!(false)),
                ("disallowUserCreate", json!(false)),
                ("disallowUserDelete", json!(false)),
                ("shadowFields", Value::Null),
            ],
        );
    }
    view
}

/// The fields in this order, each with its given or default value, and after them the other fields that were given.
fn with_all(given: &Value, fields: &[(&str, Value)]) -> Value {
    let mut view: Map<String, Value> = fields
        .iter()
        .map(|(name, default)| {
            let value = given.get(name).unwrap_or(default);
            ((*name).to_owned(), value.clone())
        })
        .collect();
    for (name, value) in given.as_object().into_iter().flatten() {
        view.entry(name).or_insert_with(|| value.clone());
    }
    Value::Object(view)
}
