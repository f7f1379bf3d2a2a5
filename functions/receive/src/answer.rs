//! What a caller gets when a call is not refused.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Value, json};
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::Reason,
};
use stafett_runtime::ledger::RelayStatus;

#[derive(Debug)]
pub(crate) enum Answer {
    /// A trigger lies in the queue for each of the routes.
    Triggered {
        instance: InstanceId,
        routes: Vec<RouteName>,
    },
    /// The same, said to Altinn Events.
    Noted {
        instance: InstanceId,
        routes: Vec<RouteName>,
    },
    /// An event that starts nothing. Accepted all the same, or Altinn would repeat it for two days.
    NothingToDo,
    /// How the relays of an A instance stand.
    Standing(Vec<RelayStatus>),
    Healthy {
        routes: usize,
    },
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Triggered { .. } => StatusCode::ACCEPTED,
            Self::Noted { .. } | Self::NothingToDo | Self::Standing(_) | Self::Healthy { .. } => {
                StatusCode::OK
            }
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let body = match self {
            Self::Triggered { instance, routes } | Self::Noted { instance, routes } => {
                json!({ "relays": relays(instance, &routes) })
            }
            Self::NothingToDo => json!({ "relays": [] }),
            Self::Standing(relays) => {
                let relays: Vec<Value> = relays.iter().map(standing).collect();
                json!({ "relays": relays })
            }
            Self::Healthy { routes } => {
                json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "routes": routes })
            }
        };
        respond(status, "application/json", &body)
    }
}

fn relays(instance: InstanceId, routes: &[RouteName]) -> Vec<Value> {
    routes
        .iter()
        .map(|route| json!({ "route": route, "status": format!("/relays/{instance}") }))
        .collect()
}

/// The key as its digest: the key itself may be personal.
fn standing(standing: &RelayStatus) -> Value {
    json!({
        "route": standing.relay.route(),
        "key": standing.relay.digest(),
        "state": standing.state.as_str(),
        "instance": standing.instance,
        "reason": standing.reason.map(Reason::code),
        "attempts": standing.attempts,
        "updatedAt": standing.updated,
    })
}

pub(crate) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: &Value,
) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
