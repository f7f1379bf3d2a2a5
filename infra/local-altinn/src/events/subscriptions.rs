//! The endpoints of subscriptions. Statuses and texts were recorded (tests/recorded/events).
//!
//! Altinn/altinn-events: src/Events/Controllers/SubscriptionController.cs, src/Events/Services/AppSubscriptionService.cs.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};

use super::{app_of_resource, delivery, resource_of};
use crate::instance::without_nulls;
use crate::responses::{self, HandlerResult, Refusal};
use crate::token::Caller;
use crate::world::World;
use crate::world::events::{EventsState, Subscription, SubscriptionRequest};

const SUBSCRIBE_SCOPE: &str = "altinn:events.subscribe";
/// The prefix of the resource of an app.
const APP_RESOURCE: &str = "urn:altinn:resource:app_";

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/events/api/v1/subscriptions", get(list).post(subscribe))
        .route(
            "/events/api/v1/subscriptions/{id}",
            get(read).delete(unsubscribe),
        )
}

impl Subscription {
    fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id, "endPoint": self.request.end_point, "sourceFilter": self.request.source_filter,
            "subjectFilter": self.request.subject_filter, "resourceFilter": self.request.resource_filter,
            "alternativeSubjectFilter": self.request.alternative_subject_filter, "typeFilter": self.request.type_filter,
            "consumer": format!("/org/{}", self.consumer), "createdBy": format!("/org/{}", self.consumer), "created": self.created,
            "validated": self.validated, "includeSubunits": self.request.include_subunits,
        });
        without_nulls(&mut view);
        view
    }
}

fn enter(world: &World, headers: &HeaderMap) -> Result<(Caller, String), Refusal> {
    let caller = world.caller(headers)?;
    let org = caller
        .org
        .clone()
        .ok_or_else(|| responses::empty(StatusCode::UNAUTHORIZED))?;
    Ok((caller, org))
}

/// Reads the request for a subscription. A field of the wrong type is refused as ASP.NET's binding does.
fn read_request(body: &[u8]) -> Result<SubscriptionRequest, Refusal> {
    let unread = |path: &str, kind: &str| {
        let message = format!("The JSON value could not be converted to {kind}. Path: {path}");
        unbound(path, &message)
    };
    let request = "Altinn.Platform.Events.Models.SubscriptionRequestModel";
    let mut fields: Value = serde_json::from_slice(body).map_err(|_| unread("$", request))?;
    without_nulls(&mut fields);
    let object = fields.as_object().ok_or_else(|| unread("$", request))?;
    for (name, value) in object {
        let (kind, fits) = match name.as_str() {
            "endPoint" | "sourceFilter" => ("System.Uri", value.is_string()),
            "resourceFilter" | "subjectFilter" | "alternativeSubjectFilter" | "typeFilter" => {
                ("System.String", value.is_string())
            }
            "includeSubunits" => ("System.Boolean", value.is_boolean()),
            _ => continue,
        };
        if !fits {
            return Err(unread(&format!("$.{name}"), kind));
        }
    }
    serde_json::from_value(fields).map_err(|_| unread("$", request))
}

async fn subscribe(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    body: Bytes,
) -> HandlerResult {
    let caller = world.caller(&headers)?;
    let mut request = read_request(&body)?;
    check(&world, &mut request)?;
    let Some(org) = caller.org.clone() else {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            "A valid subject to the authenticated identity is required",
        ));
    };
    let resource = request.resource_filter.clone().unwrap_or_default();
    if resource.starts_with(APP_RESOURCE) {
        let app = app_of_resource(&world, &resource);
        // An app that does not exist permits nothing.
        if !app.is_some_and(|app| world.permits(&app, &caller, "read")) {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                &format!("Not authorized to create a subscription for resource {resource}."),
            ));
        }
    } else if !caller.has_scope(SUBSCRIBE_SCOPE) {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    let subscription = {
        let mut memory = world.events.lock();
        let known = memory
            .subscriptions
            .values()
            .find(|known| known.request == request && known.consumer == org)
            .cloned();
        match known {
            Some(known) => known,
            None => {
                memory.last_subscription += 1;
                let id = memory.last_subscription;
                let subscription = Subscription {
                    id,
                    request,
                    consumer: org,
                    created: world.clock.now(),
                    validated: false,
                };
                memory.subscriptions.insert(id, subscription.clone());
                subscription
            }
        }
    };
    delivery::validate(&world, &subscription);
    let location = format!("/events/api/v1/subscription/{}", subscription.id);
    let response = responses::json_value(StatusCode::CREATED, &subscription.view());
    Ok(responses::with_header(
        response,
        header::LOCATION,
        &location,
    ))
}

/// Events' refusal of a value that cannot be bound: problem details in `application/json`.
fn unbound(field: &str, message: &str) -> Refusal {
    let mut response = responses::binding_problem(field, message).into_response();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response.into()
}

/// A refusal with a text: a JSON string.
fn refusal(status: StatusCode, text: &str) -> Refusal {
    responses::json_value(status, &json!(text)).into()
}

/// Checks a request and completes its filters.
fn check(world: &World, request: &mut SubscriptionRequest) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(refusal(StatusCode::BAD_REQUEST, text));
    for filter in [
        &mut request.resource_filter,
        &mut request.source_filter,
        &mut request.subject_filter,
        &mut request.alternative_subject_filter,
    ] {
        if filter.as_deref() == Some("") {
            *filter = None;
        }
    }
    let local = world.events.settings.allow_local_http && is_local(&request.end_point);
    let uri = request
        .end_point
        .parse::<http::Uri>()
        .ok()
        .filter(|uri| uri.host().is_some());
    if !local && uri.is_none_or(|uri| uri.scheme_str() != Some("https")) {
        return refuse("Missing or invalid endpoint to push events towards");
    }
    if let Some(source) = &request.source_filter {
        if !source.starts_with("https://") {
            return refuse("SourceFilter must be an absolute URL with the https scheme.");
        }
        let Some(resource) = resource_of_source(world, source) else {
            return refuse("A valid app id is required in source filter {environment}/{org}/{app}");
        };
        if request
            .resource_filter
            .as_ref()
            .is_some_and(|given| *given != resource)
        {
            return refuse("Provided resource filter and source filter are not compatible");
        }
        request.resource_filter = Some(resource);
    }
    let Some(resource) = &request.resource_filter else {
        return refuse("Resource filter or source filter is required");
    };
    // Capital letters are refused, too.
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.:".contains(c);
    let name = resource.strip_prefix("urn:altinn:resource:");
    if !name.is_some_and(|name| !name.is_empty() && name.chars().all(is_plain)) {
        return refuse("Resource filter must be a valid urn");
    }
    if request.subject_filter.as_ref().is_some_and(|filter| {
        filter
            .strip_prefix("/party/")
            .is_none_or(|id| id.parse::<u32>().is_err())
    }) {
        return refuse("Subject filter must be /party/{partyId}");
    }
    if let Some(alternative) = &request.alternative_subject_filter {
        let party = match (
            alternative.strip_prefix("/org/"),
            alternative.strip_prefix("/person/"),
        ) {
            (Some(number), _) => world.register.by_organisation_number(number),
            (None, Some(number)) => world.register.by_person_number(number),
            (None, None) => None,
        };
        let Some(party) = party else {
            return refuse("A valid subject to the authenticated identity is required");
        };
        let subject = format!("/party/{}", party.party_id());
        if request
            .subject_filter
            .as_ref()
            .is_some_and(|given| *given != subject)
        {
            return refuse("Subject filter and alternative subject filter do not match");
        }
        request.subject_filter = Some(subject);
    }
    Ok(())
}

/// The resource of the app at `https://{org}.apps.{domain}/{org}/{app}`, even if no such app exists.
fn resource_of_source(world: &World, source: &str) -> Option<String> {
    let (host, id) = source.strip_prefix("https://")?.split_once('/')?;
    let (org, app) = id.split_once('/')?;
    let is_right = host == format!("{org}.apps.{}", world.domain) && !app.is_empty();
    (is_right && !app.contains('/')).then(|| resource_of(id))
}

fn is_local(end_point: &str) -> bool {
    end_point
        .parse::<http::Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host() == Some("127.0.0.1"))
}

async fn list(State(world): State<Arc<World>>, headers: HeaderMap) -> HandlerResult {
    let (_, org) = enter(&world, &headers)?;
    let memory = world.events.lock();
    let mine: Vec<Value> = memory
        .subscriptions
        .values()
        .filter(|subscription| subscription.consumer == org)
        .map(Subscription::view)
        .collect();
    Ok(responses::json_value(
        StatusCode::OK,
        &json!({ "count": mine.len(), "subscriptions": mine }),
    ))
}

/// Finds a subscription of the caller by the id in the path.
fn own<'m>(memory: &'m EventsState, id: &str, org: &str) -> Result<&'m Subscription, Refusal> {
    // Altinn's ids are 32-bit integers.
    let number: i32 = id
        .parse()
        .map_err(|_| unbound("id", &format!("The value '{id}' is not valid.")))?;
    let subscription = memory
        .subscriptions
        .get(&i64::from(number))
        .ok_or_else(|| responses::empty(StatusCode::NOT_FOUND))?;
    if subscription.consumer == org {
        Ok(subscription)
    } else {
        Err(responses::empty(StatusCode::FORBIDDEN).into())
    }
}

async fn read(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> HandlerResult {
    let (_, org) = enter(&world, &headers)?;
    let memory = world.events.lock();
    Ok(responses::json_value(
        StatusCode::OK,
        &own(&memory, &id, &org)?.view(),
    ))
}

async fn unsubscribe(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> HandlerResult {
    let (_, org) = enter(&world, &headers)?;
    let mut memory = world.events.lock();
    let id = own(&memory, &id, &org)?.id;
    memory.subscriptions.remove(&id);
    Ok(responses::empty(StatusCode::OK))
}
