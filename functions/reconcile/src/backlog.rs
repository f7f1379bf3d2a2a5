//! A backlog: messages that wait in the queue for longer than a trigger is expected to be on its way.
//!
//! SQS does not say how old its messages are. So each run notes when it last found the queue all but empty: what was sent
//! before that has been received. What changed since may have its trigger in the queue still. It is neither missed nor told
//! of a second time.

use jiff::Timestamp;
use stafett_core::reconcile::{self, is_all_but_empty};
use stafett_runtime::telemetry::Causes;

use crate::{error::RunError, run::Context};

/// The name of the note. Those of a route begin with its name, which has no colon.
const NOTE: &str = "queue:empty";

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
    if !is_all_but_empty(waiting) {
        let noted = context.ledger.noted(NOTE).await?;
        let noted = noted.and_then(|noted| noted.parse().ok());
        let until = reconcile::received_until(noted, now);
        tracing::info!(waiting, since = %until, "what changed since is left to the messages that wait");
        return Ok(until);
    }
    if !dry_run {
        context.ledger.note(NOTE, &now.to_string()).await?;
    }
    Ok(now)
}
