//! What a caller gets when a call is not refused.

use lambda_http::{
    Body,
    http::{self, HeaderValue, StatusCode, header::CONTENT_TYPE},
};
use serde_json::{Value, json};
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::Reason,
};
use stafett_runtime::ledger::RelayStatus;

#[derive(Debug)]
pub(crate) enum Response {
    /// `POST /triggers`: the queue has a trigger for each of the routes.
    Triggered {
        instance: InstanceId,
        routes: Vec<RouteName>,
    },
    /// `POST /events/{secret}`: the same.
    Noted {
        instance: InstanceId,
        routes: Vec<RouteName>,
    },
    /// An event that starts nothing. It is accepted, because Altinn would send a refused one again for two days.
    NothingToDo,
    /// The status of each relay of an A instance.
    Relays(Vec<RelayStatus>),
    Healthy {
        routes: usize,
    },
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Triggered { .. } => StatusCode::ACCEPTED,
            Self::Noted { .. } | Self::NothingToDo | Self::Relays(_) | Self::Healthy { .. } => {
                StatusCode::OK
            }
        }
    }

    pub(crate) fn into_http(self) -> http::Response<Body> {
        let status = self.status();
        let body = match self {
            Self::Triggered { instance, routes } | Self::Noted { instance, routes } => {
                json!({ "relays": triggered(instance, &routes) })
            }
            Self::NothingToDo => json!({ "relays": [] }),
            Self::Relays(relays) => {
                let relays: Vec<Value> = relays.iter().map(relay).collect();
                json!({ "relays": relays })
            }
            Self::Healthy { routes } => {
                json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "routes": routes })
            }
        };
        with_json(status, "application/json", &body)
    }
}

/// The relays that were triggered, each with the path that tells its status.
fn triggered(instance: InstanceId, routes: &[RouteName]) -> Vec<Value> {
    routes
        .iter()
        .map(|route| json!({ "route": route, "status": format!("/relays/{instance}") }))
        .collect()
}

/// One relay on record. Its key is shown as its digest, because the key may be personal.
fn relay(standing: &RelayStatus) -> Value {
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

/// An HTTP response with a JSON body.
pub(crate) fn with_json(
    status: StatusCode,
    content_type: &'static str,
    body: &Value,
) -> http::Response<Body> {
    let mut response = http::Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
