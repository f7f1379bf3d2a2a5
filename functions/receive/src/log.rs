//! One log line per call: which call it was, about which instance, and how it ended. It never holds the path, which may
//! contain the events secret, nor a header, nor a body.

use std::time::Duration;

use stafett_core::{id::InstanceId, trigger::Cause};
use stafett_runtime::telemetry::{Causes, Trace};

use crate::{problem_details::ProblemDetails, response::Response};

/// What is known of a call so far.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) cause: Option<Cause>,
    /// The organisation number of the caller, once its token was accepted.
    pub(crate) caller: Option<String>,
    pub(crate) instance: Option<InstanceId>,
    /// How many triggers were enqueued, or how many relays were found.
    pub(crate) relays: usize,
    /// The trace that Lambda runs this call under.
    pub(crate) trace: Option<Trace>,
}

impl Entry {
    pub(crate) fn new(trace: Option<Trace>) -> Self {
        Self {
            trace,
            ..Self::default()
        }
    }

    pub(crate) fn write(
        self,
        route_key: &'static str,
        outcome: &Result<Response, ProblemDetails>,
        took: Duration,
    ) {
        let cause = self.cause.map(Cause::as_str);
        let instance = self.instance.map(|id| id.to_string());
        let trace = self.trace.as_ref().map(Trace::as_str);
        let ms = took.as_secs_f64() * 1_000.0;
        match outcome {
            Ok(response) => tracing::info!(
                route_key,
                status = response.status().as_u16(),
                cause,
                caller = self.caller,
                instance,
                relays = self.relays,
                trace,
                ms,
                "answered"
            ),
            Err(problem) if problem.status().is_server_error() => tracing::error!(
                route_key,
                status = problem.status().as_u16(),
                problem = problem.name(),
                reason = %Causes(problem),
                cause,
                caller = self.caller,
                instance,
                trace,
                ms,
                "could not answer"
            ),
            Err(problem) => tracing::info!(
                route_key,
                status = problem.status().as_u16(),
                problem = problem.name(),
                reason = %Causes(problem),
                cause,
                caller = self.caller,
                instance,
                trace,
                ms,
                "refused"
            ),
        }
    }
}
