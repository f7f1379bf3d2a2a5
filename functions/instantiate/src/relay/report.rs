//! Reports what became of a relay in one delivery: one log line, and metrics.

use std::time::Duration;

use stafett_core::relay::{
    Reason, State,
    decide::{Disposition, End, Step},
};
use stafett_runtime::metrics::{Outcome, Relayed};

use super::RelayRun;

impl RelayRun<'_> {
    /// Logs the one line that says what became of the relay in this delivery, and emits its metrics.
    pub(super) fn conclude(&self, end: &End, elapsed: Duration) {
        self.measure(end);
        if end.is_repeat && end.disposition == Disposition::GiveUp {
            // Its failure has been reported; these receives only move the message to the dead-letter queue.
            tracing::debug!("repeat of a failed relay");
            return;
        }
        let record = end.record.as_deref();
        let state = record.map_or("unknown", |record| record.state.as_str());
        let reason = record.and_then(|record| record.reason).map(Reason::code);
        let detail = record.and_then(|record| record.detail.as_deref());
        let b = record
            .and_then(|record| record.instance)
            .map(|id| id.to_string());
        let again_s = match end.disposition {
            Disposition::Again(wait) => Some(wait.as_secs()),
            Disposition::Acknowledge | Disposition::GiveUp => None,
        };
        tracing::info!(
            outcome = state,
            adopted = end.adopted,
            b,
            reason,
            detail,
            again_s,
            attempt = record.map(|record| record.attempts),
            calls = self.budget().calls(),
            altinn_ms = self.budget().waited().as_millis(),
            ms = elapsed.as_millis(),
            "relay"
        );
        if end.adopted && reason == Some(Reason::Incomplete.code()) {
            tracing::error!(
                b,
                detail,
                "B exists, and lacks what cannot be made afterwards"
            );
        }
        if end.doubled {
            tracing::error!("more than one live B carries this relay's stamp");
        }
    }

    fn measure(&self, end: &End) {
        let now = self.delivery.context.clock.now();
        let record = end.record.as_deref().filter(|_| !end.is_repeat);
        let made = record.is_some_and(|record| {
            matches!(record.state, State::Created | State::Done) && record.instance.is_some()
        });
        let outcome = match record.map(|record| (record.state, record.reason)) {
            _ if made && end.adopted => Outcome::Adopted,
            _ if made && self.made => Outcome::Created,
            Some((State::Failed, Some(reason))) if end.disposition == Disposition::GiveUp => {
                Outcome::Failed(reason)
            }
            Some((State::Waiting, _)) => Outcome::Waiting,
            _ => Outcome::Unchanged,
        };
        let since = self.ready.as_ref().map(|ready| ready.since);
        let seconds_to_b = since
            .filter(|_| matches!(outcome, Outcome::Created | Outcome::Adopted))
            .map(|since| now.duration_since(since).as_secs_f64());
        // The relays of a set share one budget: the set's relay reports it.
        let own = self.relay.digest().is_none();
        Relayed {
            route: &self.route().name,
            outcome,
            doubled: end.doubled,
            incomplete: made
                && end.adopted
                && record.and_then(|record| record.reason) == Some(Reason::Incomplete),
            seconds_to_b,
            altinn: own.then(|| (self.budget().calls(), self.budget().waited())),
        }
        .emit(now);
    }
}

/// The step's name in the log.
pub(super) fn name(step: &Step) -> &'static str {
    match step {
        Step::Claim(_) => "claim",
        Step::Record(_) => "record",
        Step::Read(_) => "read",
        Step::Search(_) => "search",
        Step::Create(_) => "create",
        Step::Verify(_) => "verify",
        Step::Look(_) => "look",
        Step::AddForm(_) => "add-form",
        Step::Delete(_) => "delete",
        Step::Finish(_) => "finish",
        Step::Resume(_) => "resume",
        Step::AfterSteps(_) => "after-steps",
        Step::End(_) => "end",
    }
}
