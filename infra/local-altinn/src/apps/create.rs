//! A creation arrives: `POST /instances` and `POST /instances/create`.
//!
//! Order of work and outcomes: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware;
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::Value;

use super::instantiation::{Order, instantiate};
use super::template::{OwnerReference, Template, field, time};
use super::{Visit, parts};
use crate::answer::{self, Answer, Refusal};
use crate::faults::{Admission, Fault};
use crate::instance::Instance;
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{org}/{app}/instances", post(create))
        .route("/{org}/{app}/instances/create", post(create_simplified))
        .layer(middleware::from_fn(answer::produce_json))
}

/// Newtonsoft's exception, which nothing catches.
const TEMPLATE_UNREADABLE: &str =
    "Newtonsoft.Json.JsonReaderException: The document could not be read.";

async fn create(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::POST, headers)?;
    let admission = admit(&visit)?;
    refuse_users_in_production(&visit)?;
    let mut parts = parts::read(&visit, body).await?;
    if visit.strikes(&Fault::SenderTooSlow) {
        return Err(parts::too_slow());
    }
    let query_party = query.as_deref().and_then(|query| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case("instanceOwnerPartyId"))
            .map(|(_, id)| id.into_owned())
    });
    // Everything from here on goes on when the caller hangs up: cancelling the request does not stop the app.
    detached(async move {
        let _held = admission;
        let template = match parts::take(&mut parts, "instance") {
            Some(part)
                if part.content_type.contains("application/json") && !part.bytes.is_empty() =>
            {
                Some(
                    Template::parse(&part.bytes)
                        .map_err(|_| visit.exception(TEMPLATE_UNREADABLE))?,
                )
            }
            _ => None,
        };
        if let Some(part) = parts::take(&mut parts, "notification") {
            let is_json = part.content_type.contains("application/json") && !part.bytes.is_empty();
            if is_json && serde_json::from_slice::<Value>(&part.bytes).is_err() {
                return Err(visit.exception(TEMPLATE_UNREADABLE).into());
            }
        }
        let template = settle_owner(template, query_party)?;
        parts::validate(&visit.app, &parts)?;
        instantiate(
            &visit,
            Order {
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
) -> Answer {
    let visit = Visit::new(world, &org, &app, &Method::POST, headers)?;
    let admission = admit(&visit)?;
    refuse_users_in_production(&visit)?;
    let is_json = visit
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    if !is_json {
        return Err(answer::client_error(StatusCode::UNSUPPORTED_MEDIA_TYPE).into());
    }
    let body = http_body_util::Limited::new(body, parts::LARGEST_REQUEST)
        .collect()
        .await;
    let body = body
        .map_err(|_| answer::binding_problem("$", "The body could not be read"))?
        .to_bytes();
    detached(async move {
        let _held = admission;
        let order = simplified_order(&visit, &body)?;
        instantiate(&visit, order).await
    })
    .await
}

async fn detached(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(_) => Err(answer::empty(StatusCode::INTERNAL_SERVER_ERROR).into()),
    }
}

fn admit(visit: &Visit) -> Result<Admission, Refusal> {
    match visit.world.faults.admit_creation(&visit.app.id) {
        Admission::Out(status, retry_after) => {
            let mut response = answer::empty(answer::status(status));
            if let Some(seconds) = retry_after {
                response = answer::with_header(response, header::RETRY_AFTER, &seconds.to_string());
            }
            Err(response.into())
        }
        admitted => Ok(admitted),
    }
}

fn refuse_users_in_production(visit: &Visit) -> Result<(), Refusal> {
    let app = &visit.app;
    if app.settings.production
        && app.metadata.disallow_user_instantiation
        && visit.caller.org.is_none()
    {
        let text = format!(
            "User instantiation is disabled for this application {}",
            app.id
        );
        return Err(answer::sentence(StatusCode::FORBIDDEN, text).into());
    }
    Ok(())
}

const NO_OWNER: &str = "Error: instanceOwnerPartyId query parameter is empty and InstanceOwner is missing from instance template. You must \
                        populate instanceOwnerPartyId or InstanceOwner";

/// Exactly one source must name the owner.
fn settle_owner(
    template: Option<Template>,
    query_party: Option<String>,
) -> Result<Template, Refusal> {
    let refuse = |text: &str| Err(answer::sentence(StatusCode::BAD_REQUEST, text).into());
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

/// What cannot be bound is also missed.
fn unbound_order(field: &str, message: &str) -> Refusal {
    answer::binding_problems(&[
        (
            "instansiationInstance",
            "The instansiationInstance field is required.",
        ),
        (field, message),
    ])
}

/// System.Text.Json binds the body: a prefill value or party id that is not text is refused there.
fn simplified_order(visit: &Visit, body: &[u8]) -> Result<Order, Refusal> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(unbound_order("$", "The JSON value could not be converted"));
    };
    let unbound = |name: &str| {
        unbound_order(
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
        return Err(answer::sentence(StatusCode::BAD_REQUEST, NO_OWNER).into());
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
        Some(id) => Some(copy_source(visit, &id)?),
        None => None,
    };
    Ok(Order {
        template,
        parts: Vec::new(),
        prefill,
        source,
        simplified: true,
    })
}

/// The instance that the new one copies.
fn copy_source(visit: &Visit, id: &str) -> Result<Instance, Refusal> {
    let refuse = |text: &str| Refusal::from(answer::sentence(StatusCode::BAD_REQUEST, text));
    if !visit.app.metadata.copy_instance_settings.enabled {
        return Err(refuse(
            "Creating instance based on a copy from an archived instance is not enabled for this app.",
        ));
    }
    let source = id
        .split_once('/')
        .and_then(|(_party, guid)| visit.instance(guid));
    let source = source.ok_or_else(|| {
        answer::sentence(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The source instance could not be read",
        )
    })?;
    if !source.status.archived.set {
        return Err(refuse("The instance being copied must be archived."));
    }
    Ok(source)
}
