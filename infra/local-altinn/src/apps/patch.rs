//! JSON patches of form data.
//!
//! Source of the rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::data::{
    DEFAULT_LIMIT, ElementPath, InstancePath, enter, find, read_body, require_active, save, type_of,
};
use super::data_rules::{self, DataChange, DataRefusal};
use super::{AppRequest, form};
use crate::instance::Instance;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

#[derive(Deserialize)]
struct Patches {
    patches: Vec<ElementPatch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ElementPatch {
    data_element_id: Uuid,
    patch: json_patch::Patch,
}

#[derive(Deserialize)]
struct SinglePatch {
    patch: json_patch::Patch,
}

pub(super) async fn patch_several(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::PATCH, headers)?;
    let instance = enter(&request, &guid, "write")?;
    let body = read_body(body, DEFAULT_LIMIT).await?;
    let patches: Patches = serde_json::from_slice(&body).map_err(|_| unbound())?;
    let (instance, models) = apply(&request, instance, patches.patches)?;
    let models: Vec<Value> = models
        .into_iter()
        .map(|(id, data)| json!({"dataElementId": id, "data": data}))
        .collect();
    let response = json!({ "validationIssues": [], "newDataModels": models, "instance": request.view(&instance) });
    Ok(responses::json_value(StatusCode::OK, &response))
}

pub(super) async fn patch_one(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::PATCH, headers)?;
    let instance = enter(&request, &guid, "write")?;
    let body = read_body(body, DEFAULT_LIMIT).await?;
    let patch: SinglePatch = serde_json::from_slice(&body).map_err(|_| unbound())?;
    let data_element_id = find(&instance, &data)?.id;
    let (instance, models) = apply(
        &request,
        instance,
        vec![ElementPatch {
            data_element_id,
            patch: patch.patch,
        }],
    )?;
    let model = models.into_iter().next().map(|(_, data)| data);
    let response = json!({ "validationIssues": {}, "newDataModel": model, "instance": request.view(&instance) });
    Ok(responses::json_value(StatusCode::OK, &response))
}

fn unbound() -> Refusal {
    responses::binding_problem("$", "The JSON value could not be converted")
}

/// Applies patches over the JSON of forms, all or none. Returns the instance and the new forms.
fn apply(
    request: &AppRequest,
    mut instance: Instance,
    patches: Vec<ElementPatch>,
) -> Result<(Instance, Vec<(Uuid, Value)>), Refusal> {
    require_active(&instance)?;
    let unprocessable =
        |title, detail: String| DataRefusal::new(StatusCode::UNPROCESSABLE_ENTITY, title, detail);
    let unfit = |detail: String| unprocessable("Patch operation did not deserialize", detail);
    let mut changed = Vec::new();
    let mut models = Vec::new();
    for ElementPatch {
        data_element_id,
        patch,
    } in patches
    {
        let mut element = find(&instance, &data_element_id.to_string())?;
        let data_type = type_of(request, &element.data_type)?;
        data_rules::check_access(request, &instance, data_type, DataChange::Replacement)?;
        let Some(model) = request.app.models.get(&element.data_type) else {
            return Err(DataRefusal::new(
                StatusCode::BAD_REQUEST,
                "Patch not allowed",
                "Only form data can be patched",
            )
            .into());
        };
        let Ok(before) = form::decode(model, &element) else {
            return Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
        };
        let mut value = model.to_json(&before, true);
        json_patch::patch(&mut value, &patch).map_err(|error| match error.kind {
            json_patch::PatchErrorKind::TestFailed => DataRefusal::new(
                StatusCode::CONFLICT,
                "Precondition in patch failed",
                "A test operation failed",
            ),
            _ => unprocessable(
                "Patch operation failed",
                "A path does not exist in the model".to_owned(),
            ),
        })?;
        let form = model
            .read_patched(&before, &value)
            .map_err(|error| unfit(error.to_string()))?;
        if let Some(field) = unknown_property(&value, &model.to_json(&form, true)) {
            return Err(unfit(format!("The model has no {field}")).into());
        }
        models.push((element.id, model.to_json(&form, false)));
        form::store_form(&request.app, &mut instance, &mut element, form);
        changed.push(element);
    }
    for element in changed {
        (instance, _) = save(request, &instance, element)?;
    }
    Ok((instance, models))
}

/// A property, at any depth, that the model has no place for. `kept` is what the model made of `given`.
fn unknown_property(given: &Value, kept: &Value) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            given.iter().find_map(|(name, value)| match kept.get(name) {
                Some(kept) => unknown_property(value, kept),
                None => Some(name.clone()),
            })
        }
        (Value::Array(given), Value::Array(kept)) => given
            .iter()
            .zip(kept)
            .find_map(|(given, kept)| unknown_property(given, kept)),
        _ => None,
    }
}
