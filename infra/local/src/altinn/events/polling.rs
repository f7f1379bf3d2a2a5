//! Polling for events.
//!
//! Altinn/altinn-events: src/Events/Controllers/AppController.cs, EventsController.cs.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{RETENTION, Registered, app_of_resource, resource_of};
use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::storage::is_like;
use crate::altinn::token::Caller;
use crate::altinn::world::World;

const DEFAULT_SIZE: usize = 50;
/// Only the generic form has an upper bound.
const LARGEST_GENERIC: usize = 1000;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/events/api/v1/app/{org}/{app}", get(of_app))
        .route("/events/api/v1/events", get(of_resource))
}

fn bad(detail: &str) -> Refusal {
    answer::problem(StatusCode::BAD_REQUEST, "Bad Request", detail).into()
}

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn new(query: Option<&str>) -> Self {
        Self(
            form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0
            .iter()
            .filter(move |(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn first<'p>(&'p self, name: &'p str) -> Option<&'p str> {
        self.all(name).next()
    }

    fn size(&self) -> Result<usize, Refusal> {
        let Some(size) = self.first("size") else {
            return Ok(DEFAULT_SIZE);
        };
        let size: i64 = size
            .parse()
            .map_err(|_| bad("The 'size' parameter must be a number."))?;
        usize::try_from(size)
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| bad("The 'size' parameter must be a number larger that 0."))
    }

    /// A moment with a time zone.
    fn moment(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        // An unencoded `+` has become a space.
        let parse = |text: &str| {
            text.replace(' ', "+")
                .parse::<Timestamp>()
                .map_err(|_| bad(&format!("The '{name}' parameter must specify timezone.")))
        };
        self.first(name).map(parse).transpose()
    }
}

/// What a poll looks for.
struct Poll {
    resource: String,
    after: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    types: Vec<String>,
    subject: Option<String>,
    alternative_subject: Option<String>,
    size: usize,
}

async fn of_app(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let caller = Caller::of(&world, &headers)?;
    if caller.org.is_none() {
        return Err(answer::text(
            StatusCode::UNAUTHORIZED,
            "Only an organisation can read the events of an app",
        )
        .into());
    }
    let parameters = Parameters::new(query.as_deref());
    let (from, to) = (parameters.moment("from")?, parameters.moment("to")?);
    if from.is_none() && parameters.first("after").is_none() {
        return Err(bad("The 'From' or 'After' parameter must be defined."));
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let poll = Poll {
        resource: resource_of(&format!("{org}/{app}")),
        after: parameters.first("after").map(str::to_owned),
        from,
        to,
        types: parameters.all("type").map(str::to_owned).collect(),
        subject: parameters
            .first("party")
            .map(|party| format!("/party/{party}")),
        alternative_subject: parameters
            .first("unit")
            .map(|unit| format!("/org/{unit}"))
            .or_else(|| header("person").map(|person| format!("/person/{person}"))),
        size: parameters.size()?,
    };
    Ok(answer_poll(
        &world,
        &caller,
        &poll,
        &format!("/events/api/v1/app/{org}/{app}"),
        &parameters,
    ))
}

async fn of_resource(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let caller = Caller::of(&world, &headers)?;
    if !caller.has_scope("altinn:events.subscribe") {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    }
    let parameters = Parameters::new(query.as_deref());
    let resource = parameters
        .first("resource")
        .ok_or_else(|| bad("The 'resource' parameter must be defined."))?;
    let after = parameters
        .first("after")
        .ok_or_else(|| bad("The 'after' parameter must be defined."))?;
    let poll = Poll {
        resource: resource.to_owned(),
        after: Some(after.to_owned()),
        from: None,
        to: None,
        types: parameters.all("type").map(str::to_owned).collect(),
        subject: parameters.first("subject").map(str::to_owned),
        alternative_subject: headers
            .get("altinn-alternativesubject")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        size: parameters.size()?.min(LARGEST_GENERIC),
    };
    Ok(answer_poll(
        &world,
        &caller,
        &poll,
        "/events/api/v1/events",
        &parameters,
    ))
}

fn answer_poll(
    world: &World,
    caller: &Caller,
    poll: &Poll,
    path: &str,
    parameters: &Parameters,
) -> Response {
    let mut page = page(world, poll);
    // Authorization comes after the limit, so a page that is denied looks like the end.
    if !app_of_resource(world, &poll.resource)
        .is_some_and(|app| world.permits(&app, caller, "read"))
    {
        page.clear();
    }
    let last = page
        .last()
        .and_then(|event| event["id"].as_str())
        .map(str::to_owned);
    let body = Value::Array(page).to_string();
    let response = answer::with_body(
        StatusCode::OK,
        Some("application/cloudevents+json"),
        Body::from(body),
    );
    let Some(last) = last else { return response };
    // Not percent-encoded, as in the real one.
    let others = parameters
        .0
        .iter()
        .filter(|(name, _)| !["after", "from"].contains(&name.to_ascii_lowercase().as_str()));
    let mut query = vec![format!("after={last}")];
    query.extend(others.map(|(name, value)| format!("{name}={value}")));
    let next = format!("{}{path}?{}", world.public_url, query.join("&"));
    answer::with_header(response, HeaderName::from_static("next"), &next)
}

fn page(world: &World, poll: &Poll) -> Vec<Value> {
    let now = world.clock.now();
    let back = |by: SignedDuration| now.checked_sub(by).unwrap_or(Timestamp::MIN);
    let visible = back(
        SignedDuration::try_from(world.events.settings.visibility).unwrap_or(SignedDuration::MAX),
    );
    let oldest = back(RETENTION);
    let memory = world.events.lock();
    let kept: Vec<&Registered> = memory
        .log
        .iter()
        .filter(|registered| registered.at > oldest)
        .collect();
    // An id that is unknown or expired means the beginning.
    let start = poll.after.as_ref().and_then(|after| {
        kept.iter()
            .position(|registered| registered.event["id"] == after.as_str())
    });
    let is = |wanted: &Option<String>, actual: &Value| {
        wanted.is_none() || wanted.as_deref() == actual.as_str()
    };
    kept.into_iter()
        .skip(start.map_or(0, |index| index + 1))
        .filter(|registered| registered.at <= visible)
        .filter(|registered| {
            poll.from.is_none_or(|from| registered.at >= from)
                && poll.to.is_none_or(|to| registered.at <= to)
        })
        .map(|registered| &registered.event)
        .filter(|event| event["resource"] == poll.resource.as_str())
        .filter(|event| {
            is(&poll.subject, &event["subject"])
                && is(&poll.alternative_subject, &event["alternativesubject"])
        })
        .filter(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            poll.types.is_empty() || poll.types.iter().any(|pattern| is_like(kind, pattern))
        })
        .take(poll.size)
        .cloned()
        .collect()
}
