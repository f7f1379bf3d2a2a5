//! Data elements of an instance.
//!
//! Source of the rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs.

use std::sync::Arc;

use app_files::form::Model;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::data_rules::{self, DataChange, DataRefusal};
use super::instances::STORAGE_UNREACHABLE;
use super::{AppRequest, form, parts};
use crate::app::DataType;
use crate::content_disposition;
use crate::instance::{Element, Instance};
use crate::library::Library;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

type InstancePath = Path<(String, String, String, String)>;
type ElementPath = Path<(String, String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const DATA: &str = "/{org}/{app}/instances/{party}/{guid}/data";
    Router::new().route(DATA, post(add)).route(
        &format!("{DATA}/{{data}}"),
        get(read).put(replace).delete(delete),
    )
}

/// Finds the instance of a request, and checks that the caller may perform the action on it.
fn enter(request: &AppRequest, guid: &str, action: &str) -> Result<Instance, Refusal> {
    if request.world.faults.storage_is_down(&request.app.id) {
        return Err(request.exception(STORAGE_UNREACHABLE).into());
    }
    let instance = request.instance(guid).ok_or_else(|| {
        responses::problem(
            StatusCode::NOT_FOUND,
            "Instance Not Found",
            &format!("404 - Not Found - \"Unable to find instance {guid}\""),
        )
    })?;
    request.authorize(instance.owner.party_id, action)?;
    Ok(instance)
}

fn require_active(instance: &Instance) -> Result<(), DataRefusal> {
    if !instance.is_active() {
        let detail = format!(
            "Cannot update data element of archived or deleted instance {}",
            instance.id()
        );
        return Err(DataRefusal::new(
            StatusCode::CONFLICT,
            "Instance Not Active",
            detail,
        ));
    }
    if instance.current_task().is_none() {
        return Err(DataRefusal::new(
            StatusCode::CONFLICT,
            "Instance Not Active",
            "The process has no current task",
        ));
    }
    Ok(())
}

fn find(instance: &Instance, data: &str) -> Result<Element, Refusal> {
    let element = data
        .parse::<Uuid>()
        .ok()
        .and_then(|id| instance.element(id))
        .cloned();
    element.ok_or_else(|| {
        responses::problem(
            StatusCode::NOT_FOUND,
            "Data Element Not Found",
            &format!(
                "Did not find data element {data} on instance {}",
                instance.id()
            ),
        )
        .into()
    })
}

fn type_of<'v>(request: &'v AppRequest, id: &str) -> Result<&'v DataType, DataRefusal> {
    request.app.data_type(id).ok_or_else(|| {
        DataRefusal::new(
            StatusCode::BAD_REQUEST,
            "Data Type Not Found",
            format!("Could not find the specified data type: \"{id}\" in applicationmetadata.json"),
        )
    })
}

/// In older libraries, an unknown data type causes an exception (measured,
/// tests/recorded/older/v8.0.0-app-data-post-unknown-type.json).
fn require_type(request: &AppRequest, id: &str) -> Result<(), Refusal> {
    if request.app.library() < Library::NAMES_PROBLEMS && request.app.data_type(id).is_none() {
        let exception = "System.InvalidOperationException: Sequence contains no matching element";
        return Err(request.exception(exception).into());
    }
    Ok(())
}

async fn read_body(body: Body, limit: usize) -> Result<Bytes, DataRefusal> {
    let too_large = |_| {
        DataRefusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request body too large",
            "The body is larger than allowed, or broke off",
        )
    };
    http_body_util::Limited::new(body, limit)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(too_large)
}

async fn add(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid)): InstancePath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::POST, headers)?;
    let instance = enter(&request, &guid, "write")?;
    let data_type = query.as_deref().and_then(|query| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case("dataType"))
            .map(|(_, value)| value.into_owned())
    });
    let Some(data_type) = data_type.filter(|data_type| !data_type.is_empty()) else {
        return Err(responses::binding_problem(
            "dataType",
            "The dataType field is required.",
        ));
    };
    require_type(&request, &data_type)?;
    match add_element(&request, instance, &data_type, body).await {
        Ok((instance, element)) => {
            let view = request
                .world
                .element_view(&instance, &element, &request.headers);
            Ok(created(&view))
        }
        Err(refusal) => Ok(refusal.text()),
    }
}

async fn add_element(
    request: &AppRequest,
    mut instance: Instance,
    data_type: &str,
    body: Body,
) -> Result<(Instance, Element), DataRefusal> {
    let data_type = type_of(request, data_type)?;
    require_active(&instance)?;
    data_rules::check_access(request, &instance, data_type, DataChange::Addition)?;
    let mut element = request
        .engine()
        .new_element(&data_type.id, request.caller.actor());
    fill(
        request,
        &mut instance,
        data_type,
        DataChange::Addition,
        &mut element,
        body,
    )
    .await?;
    data_rules::require_identity(request)?;
    data_rules::require_known_to_storage(request, data_type)?;
    let now = request.world.clock.now();
    let stored = request.world.store.change(instance.guid, |stored| {
        // Two concurrent uploads may both have passed the check above.
        if data_rules::is_full(request, stored, data_type) {
            return None;
        }
        stored.data.push(element.clone());
        if request.caller.user.is_none() {
            stored.note_unread_change();
        }
        stored.data_values = instance.data_values;
        stored.presentation_texts = instance.presentation_texts;
        stored.touch(now, request.caller.actor());
        Some(stored.clone())
    });
    match stored {
        Some(Some(instance)) => Ok((instance, element)),
        Some(None) => Err(DataRefusal::too_many(data_type)),
        None => Err(DataRefusal::new(
            StatusCode::NOT_FOUND,
            "Instance Not Found",
            "The instance is gone",
        )),
    }
}

/// Reads the request's body into an element.
async fn fill(
    request: &AppRequest,
    instance: &mut Instance,
    data_type: &DataType,
    change: DataChange,
    element: &mut Element,
    body: Body,
) -> Result<(), DataRefusal> {
    if data_type.is_form() {
        let content_type = request
            .headers
            .get(header::CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let bytes = read_body(body, parts::LARGEST_REQUEST).await?;
        let mut form = data_rules::read_form(request, data_type, content_type.as_deref(), &bytes)?;
        let party = request.world.register.by_party_id(instance.owner.party_id);
        form::prefill(&request.app, &data_type.id, &mut form, party).map_err(|error| {
            DataRefusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Prefill failed",
                error.to_string(),
            )
        })?;
        form::store_form(&request.app, instance, element, form);
        return Ok(());
    }
    let (filename, content_type) = data_rules::check_binary(&request.headers, data_type, change)?;
    let limit = data_type
        .max_bytes()
        .map_or(parts::LARGEST_REQUEST, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
    let bytes = read_body(body, limit.min(parts::LARGEST_REQUEST)).await?;
    if bytes.is_empty() {
        return Err(DataRefusal::new(
            StatusCode::BAD_REQUEST,
            "Invalid data",
            "Invalid data provided. Error: The file is zero bytes.",
        ));
    }
    let filename = content_disposition::stored_filename(&filename).ok_or_else(|| {
        DataRefusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "Storage cannot read the file name",
        )
    })?;
    (element.filename, element.content_type, element.bytes) = (Some(filename), content_type, bytes);
    Ok(())
}

fn created(view: &Value) -> Response {
    let location = view["selfLinks"]["apps"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    responses::with_header(
        responses::json_value(StatusCode::CREATED, view),
        header::LOCATION,
        &location,
    )
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::GET, headers)?;
    element_response(&request, &guid, &data, query.as_deref())
}

fn element_response(
    request: &AppRequest,
    guid: &str,
    data: &str,
    query: Option<&str>,
) -> HandlerResult {
    let instance = enter(request, guid, "read")?;
    let element = find(&instance, data)?;
    let owner = instance.owner.party_id;
    let known = request.app.data_type(&element.data_type);
    if known
        .and_then(|known| known.action_required_to_read.as_deref())
        .is_some_and(|action| !request.permits(owner, action))
    {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    if request.caller.user.is_some() {
        request.world.store.change(instance.guid, |stored| {
            let read = stored
                .data
                .iter_mut()
                .find(|stored| stored.id == element.id);
            if let Some(read) = read {
                read.is_read = true;
            }
        });
    }
    let Some(model) = request.app.models.get(&element.data_type) else {
        if request
            .app
            .data_type(&element.data_type)
            .is_some_and(DataType::is_form)
        {
            // The real app has the class; here none could be made, and the bytes are not what it would answer.
            return Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
        }
        let response = responses::with_body(
            StatusCode::OK,
            Some(&element.content_type),
            Body::from(element.bytes),
        );
        let filename = element.filename.unwrap_or_else(|| element.id.to_string());
        return Ok(responses::with_header(
            response,
            header::CONTENT_DISPOSITION,
            &content_disposition::attachment(&filename),
        ));
    };
    form_response(request, model, &element, query)
}

/// The form of an element, as XML or JSON.
fn form_response(
    request: &AppRequest,
    model: &Model,
    element: &Element,
    query: Option<&str>,
) -> HandlerResult {
    let form = form::decode(model, element).map_err(|error| {
        responses::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            &error.to_string(),
        )
    })?;
    let accept = request
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if prefers_xml(accept) {
        let response = responses::with_body(
            StatusCode::OK,
            Some("application/xml; charset=utf-8"),
            Body::from(model.to_response_xml(&form)),
        );
        return Ok(response);
    }
    let include_row_id = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            name.eq_ignore_ascii_case("includeRowId") && value.eq_ignore_ascii_case("true")
        })
    });
    Ok(responses::with_body(
        StatusCode::OK,
        Some("application/json; charset=utf-8"),
        Body::from(model.to_json_text(&form, include_row_id)),
    ))
}

/// Whether the first acceptable media type is XML. JSON is the default.
fn prefers_xml(accept: &str) -> bool {
    for media_type in accept
        .split(',')
        .map(|entry| entry.split(';').next().unwrap_or_default().trim())
    {
        match media_type {
            form::XML => return true,
            form::JSON | "*/*" | "application/*" => return false,
            _ => {}
        }
    }
    false
}

async fn replace(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::PUT, headers)?;
    let mut instance = enter(&request, &guid, "write")?;
    let mut element = find(&instance, &data)?;
    require_active(&instance)?;
    let data_type = type_of(&request, &element.data_type)?;
    data_rules::check_access(&request, &instance, data_type, DataChange::Replacement)?;
    if data_type.is_form() && !request.headers.contains_key(header::CONTENT_TYPE) {
        return Err(DataRefusal::new(
            StatusCode::BAD_REQUEST,
            "Bad request",
            "Content-Type is missing",
        )
        .into());
    }
    let before = element.bytes.len();
    fill(
        &request,
        &mut instance,
        data_type,
        DataChange::Replacement,
        &mut element,
        body,
    )
    .await?;
    let (instance, element) = save(&request, &instance, element)?;
    let mut view = request
        .world
        .element_view(&instance, &element, &request.headers);
    if data_type.is_form() {
        // The response has the size of the form before the change (measured, tests/recorded/app-data-put-form.json).
        view["size"] = json!(before);
    }
    Ok(created(&view))
}

/// Saves a changed element. Storage refuses to change a locked one.
fn save(
    request: &AppRequest,
    changed: &Instance,
    mut element: Element,
) -> Result<(Instance, Element), Refusal> {
    data_rules::require_identity(request)?;
    let now = request.world.clock.now();
    element.last_changed = now;
    request
        .caller
        .actor()
        .clone_into(&mut element.last_changed_by);
    let saved = request.world.store.change(changed.guid, |stored| {
        let slot = stored
            .data
            .iter_mut()
            .find(|stored| stored.id == element.id)
            .ok_or(StatusCode::NOT_FOUND)?;
        if slot.locked {
            return Err(StatusCode::CONFLICT);
        }
        *slot = element.clone();
        slot.is_read = request.caller.user.is_some();
        if request.caller.user.is_none() {
            stored.note_unread_change();
        }
        stored.data_values.clone_from(&changed.data_values);
        stored
            .presentation_texts
            .clone_from(&changed.presentation_texts);
        stored.touch(now, request.caller.actor());
        Ok(stored.clone())
    });
    match saved.unwrap_or(Err(StatusCode::NOT_FOUND)) {
        Ok(instance) => Ok((instance, element)),
        Err(status) => Err(responses::empty(status).into()),
    }
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::DELETE, headers)?;
    let instance = enter(&request, &guid, "write")?;
    let element = find(&instance, &data)?;
    require_active(&instance)?;
    data_rules::check_access(
        &request,
        &instance,
        type_of(&request, &element.data_type)?,
        DataChange::Deletion,
    )?;
    if element.locked {
        return Err(responses::empty(StatusCode::CONFLICT).into());
    }
    let now = request.world.clock.now();
    let changed = request.world.store.change(instance.guid, |stored| {
        stored.data.retain(|stored| stored.id != element.id);
        stored.touch(now, request.caller.actor());
        stored.clone()
    });
    let instance = changed.ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
    let response = json!({ "instance": request.world.passed_on_view(&instance), "validationIssues": [], "newDataModels": [] });
    Ok(responses::json_value(StatusCode::OK, &response))
}
