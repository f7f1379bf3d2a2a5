//! The endpoints that create instances: `POST /instances` and `POST /instances/create`.
//!
//! Order of the checks, and their outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware;
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::Value;

use super::instantiation::instantiate;
use super::new_instance::CreationRequest;
use super::template::{OwnerReference, Template};
use super::{AppRequest, parts};
use crate::faults::{Admission, Fault};
use crate::instance::Instance;
use crate::instance::document::{field, time};
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{org}/{app}/instances", post(create))
        .route("/{org}/{app}/instances/create", post(create_simplified))
        .layer(middleware::from_fn(responses::produce_json))
}

/// Newtonsoft's exception, which the app does not handle.
const TEMPLATE_UNREADABLE: &str =
    "Newtonsoft.Json.JsonReaderException: The document could not be read.";

async fn create(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::POST, headers)?;
    let admission = admit(&request)?;
    refuse_users_in_production(&request)?;
    let mut parts = parts::read(&request, body).await?;
    if request.strikes(&Fault::SenderTooSlow) {
        return Err(parts::too_slow());
    }
    let query_party = query.as_deref().and_then(|query| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case("instanceOwnerPartyId"))
            .map(|(_, id)| id.into_owned())
    });
    // From here on, the app goes on even if the caller disconnects.
    detached(async move {
        let _held = admission;
        let template = match parts::take(&mut parts, "instance") {
            Some(part)
                if part.content_type.contains("application/json") && !part.bytes.is_empty() =>
            {
                Some(
                    Template::parse(&part.bytes)
                        .map_err(|_| request.exception(TEMPLATE_UNREADABLE))?,
                )
            }
            _ => None,
        };
        if let Some(part) = parts::take(&mut parts, "notification") {
            let is_json = part.content_type.contains("application/json") && !part.bytes.is_empty();
            if is_json && serde_json::from_slice::<Value>(&part.bytes).is_err() {
                return Err(request.exception(TEMPLATE_UNREADABLE).into());
            }
        }
        let template = resolve_owner(template, query_party)?;
        parts::validate(&request.app, &parts)?;
        instantiate(
            &request,
            CreationRequest {
                template,
                parts,
                prefill: Vec::new(),
                source: None,
                simplified: false,
            },
        )
        .await
    })
    .await
}

async fn create_simplified(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult {
    let request = AppRequest::new(world, &org, &app, &Method::POST, headers)?;
    let admission = admit(&request)?;
    refuse_users_in_production(&request)?;
    let is_json = request
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    if !is_json {
        return Err(responses::client_error(StatusCode::UNSUPPORTED_MEDIA_TYPE).into());
    }
    let body = http_body_util::Limited::new(body, parts::LARGEST_REQUEST)
        .collect()
        .await;
    let body = body
        .map_err(|_| responses::binding_problem("$", "The body could not be read"))?
        .to_bytes();
    detached(async move {
        let _held = admission;
        let wanted = read_simplified(&request, &body)?;
        instantiate(&request, wanted).await
    })
    .await
}

/// Runs the work to its end even if the caller disconnects.
async fn detached(work: impl Future<Output = HandlerResult> + Send + 'static) -> HandlerResult {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into()),
    }
}

fn admit(request: &AppRequest) -> Result<Admission, Refusal> {
    match request.world.faults.admit_creation(&request.app.id) {
        Admission::Rejected(status, retry_after) => {
            let mut response = responses::empty(responses::status(status));
            if let Some(seconds) = retry_after {
                response =
                    responses::with_header(response, header::RETRY_AFTER, &seconds.to_string());
            }
            Err(response.into())
        }
        admitted => Ok(admitted),
    }
}

fn refuse_users_in_production(request: &AppRequest) -> Result<(), Refusal> {
    let app = &request.app;
    if app.settings.production
        && app.metadata.disallow_user_instantiation
        && request.caller.org.is_none()
    {
        let text = format!(
            "User instantiation is disabled for this application {}",
            app.id
        );
        return Err(responses::json_string(StatusCode::FORBIDDEN, text).into());
    }
    Ok(())
}

const NO_OWNER: &str = "Error: instanceOwnerPartyId query parameter is empty and InstanceOwner is missing from instance template. You must \
                        populate instanceOwnerPartyId or InstanceOwner";

/// Determines the owner, whom either the template or the query must name, but not both.
fn resolve_owner(
    template: Option<Template>,
    query_party: Option<String>,
) -> Result<Template, Refusal> {
    let refuse = |text: &str| Err(responses::json_string(StatusCode::BAD_REQUEST, text).into());
    match (template, query_party) {
        (None, None) => refuse(
            "Cannot create an instance without an instanceOwner.partyId. Either provide instanceOwner party Id as a query parameter or an \
             instanceTemplate object in the body.",
        ),
        (None, Some(party)) => {
            let owner = OwnerReference {
                party_id: Some(party),
                ..OwnerReference::default()
            };
            Ok(Template {
                owner: Some(owner),
                ..Template::default()
            })
        }
        (Some(template), query_party) => {
            let owner = template.owner.as_ref();
            if query_party.is_some() && owner.is_some_and(|owner| owner.party_id.is_some()) {
                return refuse(
                    "You cannot provide an instanceOwnerPartyId as a query param as well as an instance template in the body. Choose one or \
                     the other.",
                );
            }
            if owner.is_none_or(OwnerReference::is_empty) {
                return refuse(NO_OWNER);
            }
            Ok(template)
        }
    }
}

/// ASP.NET reports a body that it cannot bind as missing, too.
fn unbound_body(field: &str, message: &str) -> Refusal {
    responses::binding_problems(&[
        (
            "instansiationInstance",
            "The instansiationInstance field is required.",
        ),
        (field, message),
    ])
}

/// Reads the body of `instances/create`. System.Text.Json refuses a prefill value or party id that is not a string.
fn read_simplified(request: &AppRequest, body: &[u8]) -> Result<CreationRequest, Refusal> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(unbound_body("$", "The JSON value could not be converted"));
    };
    let unbound = |name: &str| {
        unbound_body(
            &format!("$.{name}"),
            "The JSON value could not be converted",
        )
    };
    let owner = field(&object, "instanceOwner");
    if owner.as_object().is_some_and(|owner| {
        owner
            .values()
            .any(|value| !value.is_string() && !value.is_null())
    }) {
        return Err(unbound("instanceOwner"));
    }
    let owner = OwnerReference::parse(owner).map_err(|_| unbound("instanceOwner"))?;
    if owner.as_ref().is_none_or(OwnerReference::is_empty) {
        return Err(responses::json_string(StatusCode::BAD_REQUEST, NO_OWNER).into());
    }
    let prefill = match field(&object, "prefill") {
        Value::Null => Vec::new(),
        Value::Object(values) => values
            .iter()
            .map(|(path, value)| match value {
                Value::String(text) => Ok((path.clone(), text.clone())),
                _ => Err(unbound(&format!("prefill.{path}"))),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(unbound("prefill")),
    };
    let source = match field(&object, "sourceInstanceId") {
        Value::Null => None,
        Value::String(id) => Some(id.clone()),
        _ => return Err(unbound("sourceInstanceId")),
    };
    let template = Template {
        owner,
        due_before: time(field(&object, "dueBefore")).map_err(|_| unbound("dueBefore"))?,
        visible_after: time(field(&object, "visibleAfter")).map_err(|_| unbound("visibleAfter"))?,
        ..Template::default()
    };
    let source = match source {
        Some(id) => Some(copy_source(request, &id)?),
        None => None,
    };
    Ok(CreationRequest {
        template,
        parts: Vec::new(),
        prefill,
        source,
        simplified: true,
    })
}

/// Finds the instance to copy.
fn copy_source(request: &AppRequest, id: &str) -> Result<Instance, Refusal> {
    let refuse = |text: &str| Refusal::from(responses::json_string(StatusCode::BAD_REQUEST, text));
    if !request.app.metadata.copy_instance_settings.enabled {
        return Err(refuse(
            "Creating instance based on a copy from an archived instance is not enabled for this app.",
        ));
    }
    let source = id
        .split_once('/')
        .and_then(|(_party, guid)| request.instance(guid));
    let source = source.ok_or_else(|| {
        responses::json_string(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The source instance could not be read",
        )
    })?;
    if !source.status.archived.set {
        return Err(refuse("The instance being copied must be archived."));
    }
    Ok(source)
}
