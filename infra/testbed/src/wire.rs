//! A wire between a client and a local server, which injects network failures.
//!
//! A [`Wire`] is a reverse proxy: it forwards requests to its upstream and streams both bodies. Its [`Faults`] delay requests, reset
//! connections, replace responses or hold requests back. Its [`Journal`] records every request.
//!
//! The upstream completes a forwarded request even if the client has disconnected, as real servers do. The effect of such a request
//! comes late.

mod body;
mod faults;
mod journal;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{self, HeaderMap, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use body::{Cut, RelayedBody};
pub use faults::{
    Action, CannedResponse, Faults, Gate, Hook, HookOutcome, NotInTime, On, RequestHead, RuleId,
};
use journal::Entry;
pub use journal::{Exchange, Journal};

/// Why a wire could not be started.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The upstream is not an address.
    #[error("a wire's upstream must be an address as http://127.0.0.1:8080, not {0:?}")]
    Upstream(String),
    /// No free port, or no network at all.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] io::Error),
}

/// A reverse proxy with faults. Dropping it closes all its connections to clients.
#[derive(Debug)]
pub struct Wire {
    url: String,
    faults: Faults,
    journal: Journal,
    _server: JoinSet<()>,
}

impl Wire {
    /// Starts a wire from a free port of 127.0.0.1 to `upstream`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// When the upstream is not an address, or no port is free.
    pub async fn start(upstream: &str) -> Result<Self, WireError> {
        let authority = upstream
            .strip_prefix("http://")
            .and_then(|rest| rest.trim_end_matches('/').parse::<Authority>().ok())
            .ok_or_else(|| WireError::Upstream(upstream.to_owned()))?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(WireError::Listen)?;
        let port = listener.local_addr().map_err(WireError::Listen)?.port();
        // Nagle's algorithm would make the wire slower than the real network.
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let relay = Relay {
            upstream: authority,
            client: Client::builder(TokioExecutor::new()).build(connector),
            faults: Faults::default(),
            journal: Journal::default(),
        };
        let (faults, journal) = (relay.faults.clone(), relay.journal.clone());
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::new(relay)));
        Ok(Self {
            url: format!("http://127.0.0.1:{port}"),
            faults,
            journal,
            _server: server,
        })
    }

    /// The URL for clients, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The rules for failures.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The requests that have gone over the wire.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

async fn accept(listener: TcpListener, relay: Arc<Relay>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, Arc::clone(&relay)));
                }
                Err(error) => tracing::warn!(%error, "a wire could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, relay: Arc<Relay>) {
    let cut = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let (relay, cut) = (Arc::clone(&relay), Arc::clone(&cut));
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            // Spawned, so that it continues after this connection has ended.
            tokio::spawn(async move {
                let _ = answer.send(relay.exchange(request).await);
            });
            let answered = answered.await.unwrap_or(Err(Cut));
            if answered.is_err() {
                cut.store(true, Ordering::Relaxed);
            }
            answered
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let served = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection on a wire ended early");
    }
    if cut.load(Ordering::Relaxed) {
        // Closing the connection then sends a reset.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

#[derive(Debug)]
struct Relay {
    upstream: Authority,
    client: Client<HttpConnector, RelayedBody>,
    faults: Faults,
    journal: Journal,
}

impl Relay {
    /// Handles one request, up to the head of its response.
    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<RelayedBody>, Cut> {
        let (parts, body) = request.into_parts();
        let (head, entry) = self.journal.begin(&parts);
        let entry = Arc::new(entry);
        let plan = self.faults.plan(&head);
        if let Some(fault) = plan.name() {
            entry.note(|it| it.fault = Some(fault));
        }
        if !plan.latency.is_zero() {
            tokio::time::sleep(plan.latency).await;
        }
        match &plan.action {
            Some(Action::ResetBefore) => return Err(Cut),
            Some(Action::Answer(answer)) => {
                // The body is read to its end, because a client that still writes would not see the response.
                let mut body = body::request(body, Arc::clone(&entry));
                while let Some(Ok(_)) = body.frame().await {}
                return Ok(made_up(answer, &entry));
            }
            Some(Action::HoldBefore(gate)) => gate.pass().await,
            Some(Action::HookBefore(hook))
                if hook.run(head.clone()).await == HookOutcome::Reset =>
            {
                return Err(Cut);
            }
            _ => {}
        }

        if let Some(Action::AnswerMeanwhile(answer)) = &plan.action {
            // The whole body is read before it is forwarded, because the client stops sending when it has its response.
            let body = body::request(body, Arc::clone(&entry)).collect().await;
            let body = body.map_err(|_| Cut)?.to_bytes();
            let upstream = self.upstream_request(parts, body::whole(body))?;
            let passed_on = self.client.request(upstream);
            let at_work = Arc::clone(&entry);
            tokio::spawn(async move {
                match passed_on.await {
                    Ok(_) => at_work.note(|it| it.forwarded = true),
                    Err(error) => tracing::debug!(%error, "a wire's upstream did not answer"),
                }
            });
            return Ok(made_up(answer, &entry));
        }
        let upstream = self.upstream_request(parts, body::request(body, Arc::clone(&entry)))?;
        let response = self.client.request(upstream).await.map_err(|error| {
            tracing::debug!(%error, "a wire's upstream did not answer");
            Cut
        })?;
        entry.note(|it| {
            it.forwarded = true;
            it.status = Some(response.status());
        });

        let mut limit = None;
        match &plan.action {
            Some(Action::ResetAfter) => return Err(Cut),
            Some(Action::AnswerAfter(answer)) => return Ok(made_up(answer, &entry)),
            Some(Action::HoldAfter(gate)) => gate.pass().await,
            Some(Action::HookAfter(hook)) if hook.run(head).await == HookOutcome::Reset => {
                return Err(Cut);
            }
            Some(Action::Truncate(bytes)) => limit = Some(*bytes),
            _ => {}
        }
        let (mut parts, body) = response.into_parts();
        strip_hop_by_hop(&mut parts.headers);
        Ok(Response::from_parts(
            parts,
            body::response(body, entry, limit),
        ))
    }

    /// The request to the upstream. It keeps the client's `Host`, from which the upstream builds links.
    fn upstream_request(
        &self,
        mut parts: http::request::Parts,
        body: RelayedBody,
    ) -> Result<Request<RelayedBody>, Cut> {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.upstream.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|_| Cut)?;
        parts.version = http::Version::HTTP_11;
        strip_hop_by_hop(&mut parts.headers);
        parts.headers.remove(header::EXPECT);
        Ok(Request::from_parts(parts, body))
    }
}

fn made_up(answer: &CannedResponse, entry: &Arc<Entry>) -> Response<RelayedBody> {
    entry.note(|it| it.status = Some(answer.status));
    let mut response = Response::new(body::made_up(answer.body.clone(), Arc::clone(entry)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    response
}

/// Removes the headers that apply to one connection only (RFC 9110, section 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
