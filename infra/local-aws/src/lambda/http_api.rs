//! An API Gateway HTTP API in front of functions.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;

use super::http_event::{self, Routed};
use super::{Function, FunctionError};
use crate::HttpRoute;

/// AWS: "Quotas for configuring and running an HTTP API", payload size 10 MB.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// AWS: the same page, maximum integration timeout 30 seconds.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Why an API did not start.
#[derive(Debug, thiserror::Error)]
pub enum HttpApiError {
    /// The address is taken, or there is no network at all.
    #[error("cannot listen for the HTTP API")]
    Listen(#[from] io::Error),
}

/// A running HTTP API. Dropping it closes all its connections.
#[derive(Debug)]
pub struct HttpApi {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl HttpApi {
    /// Listens on `address`, as `127.0.0.1:0` for a free port, and sends each route's requests to
    /// its function.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on.
    pub async fn start(
        address: impl ToSocketAddrs,
        routes: impl IntoIterator<Item = (HttpRoute, Function)>,
    ) -> Result<Self, HttpApiError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router: Arc<Router> = Arc::new(routes.into_iter().map(Route::new).collect());
        let mut server = JoinSet::new();
        server.spawn(accept(listener, router));
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// Where callers call, as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: TcpListener, router: Arc<Router>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let router = Arc::clone(&router);
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let router = Arc::clone(&router);
                            async move {
                                Ok::<_, Infallible>(router.handle(request, peer).await.map(Full::new))
                            }
                        });
                        let io = TokioIo::new(stream);
                        if let Err(error) = http1::Builder::new().serve_connection(io, service).await
                        {
                            tracing::debug!(%error, "a connection to the HTTP API broke");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the HTTP API could not accept"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

struct Route {
    key: String,
    method: String,
    segments: Vec<Segment>,
    function: Function,
}

/// In the order in which a route wins over another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Text(String),
    Parameter(String),
    Rest(String),
}

impl Route {
    fn new((route, function): (HttpRoute, Function)) -> Self {
        let segments = route.path.split('/').skip(1).map(|segment| {
            match segment
                .strip_prefix('{')
                .and_then(|it| it.strip_suffix('}'))
            {
                None => Segment::Text(segment.to_owned()),
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Rest(name.to_owned()),
                    None => Segment::Parameter(name.to_owned()),
                },
            }
        });
        Self {
            key: format!("{} {}", route.method, route.path),
            segments: segments.collect(),
            method: route.method,
            function,
        }
    }

    /// The path parameters when the request is this route's.
    fn matches(&self, parts: &Parts) -> Option<Vec<(String, String)>> {
        if self.method != "ANY" && self.method != parts.method.as_str() {
            return None;
        }
        let mut parameters = Vec::new();
        let mut rest = parts.uri.path().strip_prefix('/')?;
        for (index, segment) in self.segments.iter().enumerate() {
            let last = index + 1 == self.segments.len();
            let (head, tail) = match rest.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (rest, None),
            };
            match segment {
                Segment::Rest(name) if !rest.is_empty() => {
                    parameters.push((name.clone(), rest.to_owned()));
                    return Some(parameters);
                }
                Segment::Text(text) if text == head => {}
                Segment::Parameter(name) if !head.is_empty() => {
                    parameters.push((name.clone(), head.to_owned()));
                }
                _ => return None,
            }
            match (tail, last) {
                (None, true) => return Some(parameters),
                (Some(tail), false) => rest = tail,
                _ => return None,
            }
        }
        None
    }
}

struct Router(Vec<Route>);

impl FromIterator<Route> for Router {
    fn from_iter<T: IntoIterator<Item = Route>>(routes: T) -> Self {
        let mut routes: Vec<Route> = routes.into_iter().collect();
        // The most particular route first: text before parameters, a method before any.
        routes.sort_by(|a, b| {
            a.segments
                .cmp(&b.segments)
                .then_with(|| (a.method == "ANY").cmp(&(b.method == "ANY")))
        });
        Self(routes)
    }
}

impl Router {
    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return gateway(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        };
        let found = self
            .0
            .iter()
            .find_map(|route| route.matches(&parts).map(|found| (route, found)));
        let Some((route, parameters)) = found else {
            return gateway(StatusCode::NOT_FOUND, "Not Found");
        };
        let routed = Routed {
            key: &route.key,
            parameters: &parameters,
            source: peer.ip(),
        };
        let event = http_event::event(&parts, &body, &routed);
        let function = route.function.clone();
        // On its own: the function goes on when its caller has gone, or has been told to give up.
        let invoked = tokio::spawn(async move { function.invoke(&event).await });
        let invoked = match tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await {
            Ok(Ok(invoked)) => invoked,
            Ok(Err(error)) => {
                tracing::error!(%error, "an invocation broke off");
                return gateway(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
            }
            Err(_) => return gateway(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        let answer = match &invoked {
            Ok(answer) => http_event::answer(answer),
            Err(FunctionError::TooLarge(_)) => {
                return gateway(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
            }
            Err(error) => {
                // The route's key, not the path: a path may be a secret.
                tracing::warn!(%error, route = route.key, "a request got no answer");
                None
            }
        };
        answer
            .unwrap_or_else(|| gateway(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
    }
}

/// An answer of the gateway itself.
fn gateway(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{{\"message\":\"{message}\"}}")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
