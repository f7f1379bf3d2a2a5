//! A backlog: messages that wait in the queue for longer than a trigger is expected to be on its way.
//!
//! SQS does not say how old its messages are. So each run notes when it last found the queue all but empty: what was sent
//! before that has been received. What changed since may have its trigger in the queue still. It is neither missed nor told
//! of a second time.

use std::time::Duration;

use jiff::Timestamp;
use stafett_runtime::telemetry::Causes;

use crate::{error::RunError, run::Context, time::earlier};

/// The name of the note. Those of a route begin with its name, which has no colon.
const NOTE: &str = "queue:empty";
/// So few messages are received within the grace, whatever B's pace.
const FEW: u64 = 100;
/// A backlog of this age is not trusted any longer: the queue may be that busy all the time.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// The moment before which every message that was sent has been received.
pub(crate) async fn received_until(
    context: &Context,
    dry_run: bool,
) -> Result<Timestamp, RunError> {
    let now = context.clock.now();
    let waiting = match context.queue.waiting().await {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::warn!(reason = %Causes(&error), "a backlog would not be seen");
            return Ok(now);
        }
    };
    if waiting > FEW {
        let noted = context.ledger.noted(NOTE).await?;
        let noted = noted.and_then(|noted| noted.parse().ok());
        let until = trusted(noted, now);
        tracing::info!(waiting, since = %until, "what changed since is left to the messages that wait");
        return Ok(until);
    }
    if !dry_run {
        context.ledger.note(NOTE, &now.to_string()).await?;
    }
    Ok(now)
}

/// When the queue was last seen empty, as far as that is trusted.
fn trusted(noted: Option<Timestamp>, now: Timestamp) -> Timestamp {
    noted.map_or(now, |noted| noted.clamp(earlier(now, LONGEST), now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_trusted_for_half_a_day_and_no_clock_runs_ahead() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-22T20:00:00Z");
        for (noted, until) in [
            (None, now),
            (Some(at("2026-11-22T17:00:00Z")), at("2026-11-22T17:00:00Z")),
            (Some(at("2026-11-21T17:00:00Z")), at("2026-11-22T08:00:00Z")),
            (Some(at("2026-11-22T21:00:00Z")), now),
        ] {
            assert_eq!(trusted(noted, now), until);
        }
    }
}
