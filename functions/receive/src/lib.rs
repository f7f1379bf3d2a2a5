//! `receive`: what the HTTP API calls.
//!
//! | call | who may | does |
//! |---|---|---|
//! | `POST /triggers` | an organisation with a Maskinporten token | enqueues one trigger per route of the app |
//! | `POST /events/{secret}` | Altinn Events, which knows the secret | the same, from a CloudEvent |
//! | `GET /relays/{party}/{guid}` | as `POST /triggers` | says how the relays of an A instance stand |
//! | `GET /health` | anybody | says that the function runs, and how many routes it knows |
//!
//! It reads nothing from Altinn and believes nothing but ids: a forged or repeated
//! trigger is harmless, since the gate is checked where the truth is.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod answer;
mod authorization;
mod body;
mod endpoint;
pub mod event;
mod events;
mod log;
mod problem;
mod relays;
mod secret;
mod start;
mod triggers;

use std::time::Instant;

use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, header::CACHE_CONTROL},
};
use stafett_core::{
    id::{AppId, InstanceId, RouteName},
    route::Routes,
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    caller::CallerVerifier,
    clock::Clock,
    ledger::Ledger,
    queue::{Queue, QueueError},
    telemetry::Trace,
};

pub use self::secret::EventsSecret;
use self::{answer::Answer, endpoint::Endpoint, log::Entry, problem::Problem};

/// The function's parts.
#[derive(Debug)]
pub struct Receive {
    /// What to trigger for which app.
    pub routes: Routes,
    /// Who may call `POST /triggers` and `GET /relays/{party}/{guid}`.
    pub callers: CallerVerifier,
    /// What makes up the address that Altinn Events calls.
    pub secret: EventsSecret,
    /// Where triggers go.
    pub queue: Queue,
    /// Where the relays are on record.
    pub ledger: Ledger,
    /// What time it is.
    pub clock: Clock,
}

/// Answers one call of the HTTP API, and logs one line about it.
///
/// Each refusal is a problem details document (RFC 9457) that names what is wrong
/// and repeats nothing of the call.
pub async fn handle(receive: &Receive, request: Request) -> Response<Body> {
    let began = Instant::now();
    let mut entry = Entry::of(&request);
    let endpoint = Endpoint::of(&request, &receive.secret);
    let outcome = receive.answer(endpoint, &request, &mut entry).await;
    entry.write(endpoint.route_key(), &outcome, began.elapsed());
    let mut response = match outcome {
        Ok(answer) => answer.into_response(),
        Err(problem) => problem.into_response(),
    };
    if let Endpoint::Relays(_) = endpoint {
        // How relays stand changes any moment, and not every caller may know.
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

impl Receive {
    async fn answer(
        &self,
        endpoint: Endpoint,
        request: &Request,
        entry: &mut Entry,
    ) -> Result<Answer, Problem> {
        endpoint.check_method(request.method())?;
        match endpoint {
            Endpoint::Triggers => triggers::receive(self, request, entry).await,
            Endpoint::Events => events::receive(self, request, entry).await,
            Endpoint::Relays(instance) => relays::receive(self, request, instance, entry).await,
            Endpoint::Health => Ok(Answer::Healthy {
                routes: self.routes.len(),
            }),
            Endpoint::Elsewhere => Err(Problem::NotFound),
        }
    }

    /// Sends one trigger for each route that starts at `app`; answers with these routes.
    async fn enqueue(
        &self,
        app: &AppId,
        instance: InstanceId,
        cause: Cause,
        id: &str,
        trace: Option<&Trace>,
    ) -> Result<Vec<RouteName>, QueueError> {
        let now = self.clock.now();
        let routes: Vec<RouteName> = self
            .routes
            .for_app(app)
            .map(|route| route.name().clone())
            .collect();
        let triggers: Vec<Trigger> = routes
            .iter()
            .map(|route| Trigger::new(route.clone(), instance, cause, id.to_owned(), now))
            .collect();
        self.queue.send(&triggers, trace.map(Trace::as_str)).await?;
        Ok(routes)
    }
}
