//! `receive`: what the HTTP API calls.
//!
//! | call | who may | does |
//! |---|---|---|
//! | `POST /triggers` | an organisation with a Maskinporten token | enqueues one trigger per route of the app |
//! | `POST /events/{secret}` | Altinn Events, which knows the secret | the same, from a CloudEvent |
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
mod body;
mod endpoint;
mod events;
mod log;
mod problem;
mod secret;
mod start;
mod triggers;

use std::time::Instant;

use jiff::Timestamp;
use lambda_http::{Body, Request, Response};
use stafett::{
    caller::CallerVerifier,
    id::{AppId, InstanceId, RouteName},
    queue::{Queue, QueueError},
    route::Routes,
    trigger::{Cause, Trigger},
};

pub use self::secret::EventsSecret;
use self::{answer::Answer, endpoint::Endpoint, log::Entry, problem::Problem};

/// The function's parts.
#[derive(Debug)]
pub struct Receive {
    /// What to trigger for which app.
    pub routes: Routes,
    /// Who may call `POST /triggers`.
    pub callers: CallerVerifier,
    /// What makes up the address that Altinn Events calls.
    pub secret: EventsSecret,
    /// Where triggers go.
    pub queue: Queue,
}

/// Answers one call of the HTTP API, and logs one line about it.
///
/// Each refusal is a problem details document (RFC 9457) that names what is wrong
/// and repeats nothing of the call.
pub async fn handle(receive: &Receive, request: Request) -> Response<Body> {
    let began = Instant::now();
    let mut entry = Entry::default();
    let endpoint = Endpoint::of(&request, &receive.secret);
    let outcome = receive.answer(endpoint, &request, &mut entry).await;
    entry.write(endpoint.route_key(), &outcome, began.elapsed());
    match outcome {
        Ok(answer) => answer.into_response(),
        Err(problem) => problem.into_response(),
    }
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
    ) -> Result<Vec<RouteName>, QueueError> {
        let now = Timestamp::now();
        let routes: Vec<RouteName> = self
            .routes
            .for_app(app)
            .map(|route| route.name().clone())
            .collect();
        let triggers: Vec<Trigger> = routes
            .iter()
            .map(|route| Trigger::new(route.clone(), instance, cause, id.to_owned(), now))
            .collect();
        self.queue.send(&triggers).await?;
        Ok(routes)
    }
}
