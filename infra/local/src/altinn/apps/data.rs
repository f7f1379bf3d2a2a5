//! Data elements of an instance.
//!
//! Source of the rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs.

use std::sync::Arc;

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

use super::instances::STORAGE_UNREACHABLE;
use super::upload::{self, Problem, Way};
use super::{Visit, form, parts};
use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::app::DataType;
use crate::altinn::disposition;
use crate::altinn::instance::{Element, Instance};
use crate::altinn::library::Library;
use crate::altinn::world::World;

type InstancePath = Path<(String, String, String, String)>;
type ElementPath = Path<(String, String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<World>> {
    const DATA: &str = "/{org}/{app}/instances/{party}/{guid}/data";
    Router::new().route(DATA, post(add)).route(
        &format!("{DATA}/{{data}}"),
        get(read).put(replace).delete(delete),
    )
}

/// The instance of a request, and the caller's right to it.
fn enter(visit: &Visit, guid: &str, action: &str) -> Result<Instance, Refusal> {
    if visit.world.faults.storage_is_down(&visit.app.id) {
        return Err(visit.exception(STORAGE_UNREACHABLE).into());
    }
    let instance = visit.instance(guid).ok_or_else(|| {
        answer::problem(
            StatusCode::NOT_FOUND,
            "Instance Not Found",
            &format!("404 - Not Found - \"Unable to find instance {guid}\""),
        )
    })?;
    visit.authorize(instance.owner.party_id, action)?;
    Ok(instance)
}

fn require_active(instance: &Instance) -> Result<(), Problem> {
    if !instance.is_active() {
        let detail = format!(
            "Cannot update data element of archived or deleted instance {}",
            instance.id()
        );
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "Instance Not Active",
            detail,
        ));
    }
    if instance.current_task().is_none() {
        return Err(Problem::new(
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
        answer::problem(
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

fn type_of<'v>(visit: &'v Visit, id: &str) -> Result<&'v DataType, Problem> {
    visit.app.data_type(id).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Data Type Not Found",
            format!("Could not find the specified data type: \"{id}\" in applicationmetadata.json"),
        )
    })
}

/// In older libraries a data type that there is none of is an exception (measured,
/// tests/recorded/older/v8.0.0-app-data-post-unknown-type.json).
fn require_type(visit: &Visit, id: &str) -> Result<(), Refusal> {
    if visit.app.library() < Library::NAMES_PROBLEMS && visit.app.data_type(id).is_none() {
        let exception = "System.InvalidOperationException: Sequence contains no matching element";
        return Err(visit.exception(exception).into());
    }
    Ok(())
}

async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = |_| {
        Problem::new(
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
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::POST, headers)?;
    let instance = enter(&visit, &guid, "write")?;
    let data_type = query.as_deref().and_then(|query| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case("dataType"))
            .map(|(_, value)| value.into_owned())
    });
    let Some(data_type) = data_type.filter(|data_type| !data_type.is_empty()) else {
        return Err(answer::binding_problem(
            "dataType",
            "The dataType field is required.",
        ));
    };
    require_type(&visit, &data_type)?;
    match add_element(&visit, instance, &data_type, body).await {
        Ok((instance, element)) => {
            let view = visit
                .world
                .element_view(&instance, &element, &visit.headers);
            Ok(created(&view))
        }
        Err(problem) => Ok(problem.plain()),
    }
}

async fn add_element(
    visit: &Visit,
    mut instance: Instance,
    data_type: &str,
    body: Body,
) -> Result<(Instance, Element), Problem> {
    let data_type = type_of(visit, data_type)?;
    require_active(&instance)?;
    upload::check_access(visit, &instance, data_type, Way::Addition)?;
    let mut element = visit
        .engine()
        .new_element(&data_type.id, visit.caller.actor());
    fill(
        visit,
        &mut instance,
        data_type,
        Way::Addition,
        &mut element,
        body,
    )
    .await?;
    upload::require_identity(visit)?;
    upload::require_known_to_storage(visit, data_type)?;
    let now = visit.world.clock.now();
    let stored = visit.world.store.change(instance.guid, |stored| {
        // Two uploads at once may both have found room.
        if upload::is_full(visit, stored, data_type) {
            return None;
        }
        stored.data.push(element.clone());
        if visit.caller.user.is_none() {
            stored.note_unread_change();
        }
        stored.data_values = instance.data_values;
        stored.presentation_texts = instance.presentation_texts;
        stored.touch(now, visit.caller.actor());
        Some(stored.clone())
    });
    match stored {
        Some(Some(instance)) => Ok((instance, element)),
        Some(None) => Err(Problem::too_many(data_type)),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "Instance Not Found",
            "The instance is gone",
        )),
    }
}

/// Reads the request's content into an element.
async fn fill(
    visit: &Visit,
    instance: &mut Instance,
    data_type: &DataType,
    way: Way,
    element: &mut Element,
    body: Body,
) -> Result<(), Problem> {
    if data_type.is_form() {
        let content_type = visit
            .headers
            .get(header::CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let bytes = read_body(body, parts::LARGEST_REQUEST).await?;
        let mut form = upload::read_form(visit, data_type, content_type.as_deref(), &bytes)?;
        let party = visit.world.register.by_party_id(instance.owner.party_id);
        form::prefill(&visit.app, &data_type.id, &mut form, party).map_err(|error| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Prefill failed",
                error.to_string(),
            )
        })?;
        form::store_form(&visit.app, instance, element, form);
        return Ok(());
    }
    let (filename, content_type) = upload::check_binary(&visit.headers, data_type, way)?;
    let limit = data_type
        .max_bytes()
        .map_or(parts::LARGEST_REQUEST, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
    let bytes = read_body(body, limit.min(parts::LARGEST_REQUEST)).await?;
    if bytes.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Invalid data",
            "Invalid data provided. Error: The file is zero bytes.",
        ));
    }
    let filename = disposition::as_stored(&filename).ok_or_else(|| {
        Problem::new(
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
    answer::with_header(
        answer::json_value(StatusCode::CREATED, view),
        header::LOCATION,
        &location,
    )
}

async fn read(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::GET, headers)?;
    answer_element(&visit, &guid, &data, query.as_deref())
}

fn answer_element(visit: &Visit, guid: &str, data: &str, query: Option<&str>) -> Answer {
    let instance = enter(visit, guid, "read")?;
    let element = find(&instance, data)?;
    let owner = instance.owner.party_id;
    let known = visit.app.data_type(&element.data_type);
    if known
        .and_then(|known| known.action_required_to_read.as_deref())
        .is_some_and(|action| !visit.permits(owner, action))
    {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    }
    if visit.caller.user.is_some() {
        visit.world.store.change(instance.guid, |stored| {
            let read = stored
                .data
                .iter_mut()
                .find(|stored| stored.id == element.id);
            if let Some(read) = read {
                read.is_read = true;
            }
        });
    }
    let Some(model) = visit.app.models.get(&element.data_type) else {
        let response = answer::with_body(
            StatusCode::OK,
            Some(&element.content_type),
            Body::from(element.bytes),
        );
        let filename = element.filename.unwrap_or_else(|| element.id.to_string());
        return Ok(answer::with_header(
            response,
            header::CONTENT_DISPOSITION,
            &disposition::attachment(&filename),
        ));
    };
    let form = form::decode(model, &element).map_err(|error| {
        answer::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            &error.to_string(),
        )
    })?;
    let accept = visit
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if prefers_xml(accept) {
        let response = answer::with_body(
            StatusCode::OK,
            Some("application/xml; charset=utf-8"),
            Body::from(model.to_xml_answer(&form)),
        );
        return Ok(response);
    }
    let include_row_id = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            name.eq_ignore_ascii_case("includeRowId") && value.eq_ignore_ascii_case("true")
        })
    });
    Ok(answer::with_body(
        StatusCode::OK,
        Some("application/json; charset=utf-8"),
        Body::from(model.to_json_text(&form, include_row_id)),
    ))
}

/// JSON is the answer to everything that does not ask for XML first.
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
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::PUT, headers)?;
    let mut instance = enter(&visit, &guid, "write")?;
    let mut element = find(&instance, &data)?;
    require_active(&instance)?;
    let data_type = type_of(&visit, &element.data_type)?;
    upload::check_access(&visit, &instance, data_type, Way::Replacement)?;
    if data_type.is_form() && !visit.headers.contains_key(header::CONTENT_TYPE) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Bad request",
            "Content-Type is missing",
        )
        .into());
    }
    let before = element.bytes.len();
    fill(
        &visit,
        &mut instance,
        data_type,
        Way::Replacement,
        &mut element,
        body,
    )
    .await?;
    let (instance, element) = save(&visit, &instance, element)?;
    let mut view = visit
        .world
        .element_view(&instance, &element, &visit.headers);
    if data_type.is_form() {
        // The app answers with the size that the form had before (measured, tests/recorded/app-data-put-form.json).
        view["size"] = json!(before);
    }
    Ok(created(&view))
}

/// Puts a changed element back; Storage refuses a locked one.
fn save(
    visit: &Visit,
    changed: &Instance,
    mut element: Element,
) -> Result<(Instance, Element), Refusal> {
    upload::require_identity(visit)?;
    let now = visit.world.clock.now();
    element.last_changed = now;
    visit
        .caller
        .actor()
        .clone_into(&mut element.last_changed_by);
    let saved = visit.world.store.change(changed.guid, |stored| {
        let slot = stored
            .data
            .iter_mut()
            .find(|stored| stored.id == element.id)
            .ok_or(StatusCode::NOT_FOUND)?;
        if slot.locked {
            return Err(StatusCode::CONFLICT);
        }
        *slot = element.clone();
        slot.is_read = visit.caller.user.is_some();
        if visit.caller.user.is_none() {
            stored.note_unread_change();
        }
        stored.data_values.clone_from(&changed.data_values);
        stored
            .presentation_texts
            .clone_from(&changed.presentation_texts);
        stored.touch(now, visit.caller.actor());
        Ok(stored.clone())
    });
    match saved.unwrap_or(Err(StatusCode::NOT_FOUND)) {
        Ok(instance) => Ok((instance, element)),
        Err(status) => Err(answer::empty(status).into()),
    }
}

async fn delete(
    State(world): State<Arc<World>>,
    Path((org, app, _party, guid, data)): ElementPath,
    headers: HeaderMap,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::DELETE, headers)?;
    let instance = enter(&visit, &guid, "write")?;
    let element = find(&instance, &data)?;
    require_active(&instance)?;
    upload::check_access(
        &visit,
        &instance,
        type_of(&visit, &element.data_type)?,
        Way::Deletion,
    )?;
    if element.locked {
        return Err(answer::empty(StatusCode::CONFLICT).into());
    }
    let now = visit.world.clock.now();
    let changed = visit.world.store.change(instance.guid, |stored| {
        stored.data.retain(|stored| stored.id != element.id);
        stored.touch(now, visit.caller.actor());
        stored.clone()
    });
    let instance = changed.ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
    let response = json!({ "instance": visit.world.passed_on_view(&instance), "validationIssues": [], "newDataModels": [] });
    Ok(answer::json_value(StatusCode::OK, &response))
}
