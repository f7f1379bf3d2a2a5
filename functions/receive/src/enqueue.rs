//! One trigger per route into the queue.

use lambda_http::{Request, RequestExt, request::RequestContext};
use stafett_core::{
    id::{AppId, InstanceId, RouteName},
    route::Routes,
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    clock::Clock,
    queue::{Queue, QueueError},
    telemetry::Trace,
};
use uuid::Uuid;

/// Sends the triggers of an A instance.
#[derive(Debug)]
pub(crate) struct Enqueue {
    routes: Routes,
    queue: Queue,
    clock: Clock,
}

impl Enqueue {
    pub(crate) fn new(routes: Routes, queue: Queue, clock: Clock) -> Self {
        Self {
            routes,
            queue,
            clock,
        }
    }

    /// How many routes are deployed.
    pub(crate) fn routes(&self) -> usize {
        self.routes.len()
    }

    /// Sends one trigger for each route that starts at `app`, and returns these routes.
    pub(crate) async fn send(
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

/// The id that API Gateway gave the request, which the caller gets in the header `apigw-requestid`.
pub(crate) fn request_id(request: &Request) -> String {
    let given = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    given.unwrap_or_else(|| Uuid::now_v7().to_string())
}
