//! `receive`: what the HTTP API calls.
//!
//! | call | who may call | what it does |
//! |---|---|---|
//! | `POST /triggers` | an organisation with a Maskinporten token | enqueues one trigger per route of the app |
//! | `POST /events/{secret}` | Altinn Events, which knows the secret | the same, from a CloudEvent |
//! | `GET /relays/{party}/{guid}` | as `POST /triggers` | tells the status of each relay of an A instance |
//! | `GET /health` | anybody | says that the function runs, and how many routes it knows |
//!
//! It reads nothing from Altinn, and takes only ids from a call. A forged or repeated trigger is harmless, because
//! `instantiate` checks the gate against A itself.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod authorization;
mod body;
mod cloud_event;
mod endpoint;
mod enqueue;
pub mod event;
mod events;
mod log;
mod problem_details;
mod relays;
mod response;
mod secret;
mod triggers;

use std::time::Instant;

use aws_config::SdkConfig;
use lambda_http::{
    Body, Request,
    http::{self, HeaderValue, header::CACHE_CONTROL},
};
use stafett_core::route::Routes;
use stafett_runtime::{
    caller::CallerVerifier,
    clock::Clock,
    invocation::Invocation,
    ledger::Ledger,
    queue::Queue,
    settings::{
        CallerSettings, Environment, EventsSettings, LedgerSettings, QueueSettings, RouteSettings,
    },
    start::StartError,
};

use self::{
    authorization::Authorization, endpoint::Endpoint, enqueue::Enqueue, log::Entry,
    problem_details::ProblemDetails, response::Response, secret::EventsSecret,
};

/// The function with its dependencies.
#[derive(Debug)]
pub struct Receive {
    secret: EventsSecret,
    authorization: Authorization,
    enqueue: Enqueue,
    ledger: Ledger,
}

impl Receive {
    /// Builds the function from its settings.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let events = EventsSettings::read(environment)?;
        let callers = CallerSettings::read(environment)?;
        let queue = Queue::new(aws, &QueueSettings::read(environment)?);
        let ledger = Ledger::new(aws, &LedgerSettings::read(environment)?);
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self {
            authorization: Authorization::new(CallerVerifier::new(callers)?, clock.clone()),
            secret: EventsSecret::new(&events.secret.read(aws).await?)?,
            enqueue: Enqueue::new(routes, queue, clock),
            ledger,
        })
    }

    /// Answers one call of the HTTP API, and logs one line about it.
    ///
    /// Each refusal is a problem details document (RFC 9457) that names what is wrong
    /// and repeats nothing of the call.
    pub async fn handle(&self, request: Request, invocation: &Invocation) -> http::Response<Body> {
        let began = Instant::now();
        let mut entry = Entry::new(invocation.trace.clone());
        let endpoint = Endpoint::of(&request, &self.secret);
        let outcome = self.answer(endpoint, &request, &mut entry).await;
        entry.write(endpoint.route_key(), &outcome, began.elapsed());
        let mut response = match outcome {
            Ok(response) => response.into_http(),
            Err(problem) => problem.into_http(),
        };
        if let Endpoint::Relays(_) = endpoint {
            // The status of a relay changes at any moment, and not everybody may see it.
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    async fn answer(
        &self,
        endpoint: Endpoint,
        request: &Request,
        entry: &mut Entry,
    ) -> Result<Response, ProblemDetails> {
        endpoint.check_method(request.method())?;
        let (authorization, enqueue) = (&self.authorization, &self.enqueue);
        match endpoint {
            Endpoint::Triggers => triggers::handle(authorization, enqueue, request, entry).await,
            Endpoint::Events => events::handle(enqueue, request, entry).await,
            Endpoint::Relays(instance) => {
                relays::handle(authorization, &self.ledger, request, instance, entry).await
            }
            Endpoint::Health => Ok(Response::Healthy {
                routes: enqueue.routes(),
            }),
            Endpoint::Elsewhere => Err(ProblemDetails::NotFound),
        }
    }
}
