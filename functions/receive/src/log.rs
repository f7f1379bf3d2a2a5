//! One line per call: what it was, how it ended, and about which instance. Never the path, which may
//! hold the events secret, nor any header, nor a body.

use std::time::Duration;

use lambda_http::{Request, RequestExt};
use stafett_core::{id::InstanceId, trigger::Cause};
use stafett_runtime::telemetry::{Causes, Trace};

use crate::{answer::Answer, problem::Problem};

/// What is known of a call so far.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) cause: Option<Cause>,
    /// The organisation number of the caller, once it has proved it.
    pub(crate) caller: Option<String>,
    pub(crate) instance: Option<InstanceId>,
    /// How many triggers went into the queue, or how many relays were found.
    pub(crate) relays: usize,
    /// The trace that Lambda runs this call under.
    pub(crate) trace: Option<Trace>,
}

impl Entry {
    pub(crate) fn of(request: &Request) -> Self {
        let context = request.lambda_context_ref();
        let trace = context.and_then(|context| context.xray_trace_id.as_deref());
        Self {
            trace: trace.and_then(Trace::read),
            ..Self::default()
        }
    }

    pub(crate) fn write(
        self,
        route_key: &'static str,
        outcome: &Result<Answer, Problem>,
        took: Duration,
    ) {
        let cause = self.cause.map(Cause::as_str);
        let instance = self.instance.map(|id| id.to_string());
        let trace = self.trace.as_ref().map(Trace::as_str);
        let ms = took.as_secs_f64() * 1_000.0;
        match outcome {
            Ok(answer) => tracing::info!(
                route_key,
                status = answer.status().as_u16(),
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
