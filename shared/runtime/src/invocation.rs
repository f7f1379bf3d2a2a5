//! What a function needs to know of one invocation beside its event.

use std::time::{Duration, SystemTime};

use lambda_runtime::Context;

use crate::telemetry::Trace;

/// The time left where Lambda does not say when it stops the function.
const UNKNOWN_LEFT: Duration = Duration::from_secs(60);

/// How long an invocation may run, and the trace that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The time left when the invocation began; Lambda stops the function after it.
    pub left: Duration,
    /// The trace that Lambda runs it under.
    pub trace: Option<Trace>,
}

impl Invocation {
    /// An invocation without a trace that may run for `left`.
    #[must_use]
    pub fn lasting(left: Duration) -> Self {
        Self { left, trace: None }
    }
}

/// An invocation of which Lambda says nothing: it may run for a minute, and has no trace.
impl Default for Invocation {
    fn default() -> Self {
        Self::lasting(UNKNOWN_LEFT)
    }
}

impl From<&Context> for Invocation {
    fn from(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        Self {
            left: left.unwrap_or(UNKNOWN_LEFT),
            trace: context.xray_trace_id.as_deref().and_then(Trace::read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_counted_to_the_deadline_and_is_a_minute_without_one() {
        let mut context = Context::default();
        assert_eq!(Invocation::from(&context), Invocation::default());
        let deadline = SystemTime::now() + Duration::from_secs(900);
        let since_1970 = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        context.deadline = u64::try_from(since_1970.as_millis()).unwrap();
        let left = Invocation::from(&context).left;
        assert!((890..=900).contains(&left.as_secs()), "{left:?}");
    }

    #[test]
    fn only_a_header_that_names_a_trace_is_one() {
        let mut context = Context::default();
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        for (header, kept) in [(trace, Some(trace)), ("no trace", None)] {
            context.xray_trace_id = Some(header.to_owned());
            let invocation = Invocation::from(&context);
            assert_eq!(invocation.trace.as_ref().map(Trace::as_str), kept);
        }
    }
}
