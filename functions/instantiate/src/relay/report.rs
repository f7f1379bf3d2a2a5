//! What became of a relay in one delivery: in one log line, and in numbers.

use std::time::Duration;

use stafett_core::relay::{
    Reason, State,
    decide::{Attempt, Step, Verdict},
};
use stafett_runtime::metrics::{Outcome, Relayed};

use super::Work;

impl Work<'_> {
    /// The one line that says what became of the relay in this delivery.
    pub(super) fn conclude(&self, attempt: &Attempt, verdict: Verdict, elapsed: Duration) {
        self.measure(attempt, verdict);
        if attempt.is_repeat() && verdict == Verdict::GiveUp {
            // Its failure has been told; these receives only lead the message to the dead-letter queue.
            tracing::debug!("repeat of a failed relay");
            return;
        }
        let record = attempt.record();
        let state = record.map_or("unknown", |record| record.state.as_str());
        let reason = record.and_then(|record| record.reason).map(Reason::code);
        let detail = record.and_then(|record| record.detail.as_deref());
        let b = record
            .and_then(|record| record.instance)
            .map(|id| id.to_string());
        let again_s = match verdict {
            Verdict::Again(wait) => Some(wait.as_secs()),
            Verdict::Acknowledge | Verdict::GiveUp => None,
        };
        tracing::info!(
            outcome = state,
            adopted = attempt.has_adopted(),
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
        if attempt.has_adopted() && reason == Some(Reason::Incomplete.code()) {
            tracing::error!(
                b,
                detail,
                "B exists, and lacks what cannot be made afterwards"
            );
        }
        if attempt.is_doubled() {
            tracing::error!("more than one live B carries this relay's stamp");
        }
    }

    /// The same in numbers.
    fn measure(&self, attempt: &Attempt, verdict: Verdict) {
        let now = self.delivery.context.clock.now();
        let record = attempt.record().filter(|_| !attempt.is_repeat());
        let made = record.is_some_and(|record| {
            matches!(record.state, State::Created | State::Done) && record.instance.is_some()
        });
        let outcome = match record.map(|record| (record.state, record.reason)) {
            _ if made && attempt.has_adopted() => Outcome::Adopted,
            _ if made && self.made => Outcome::Created,
            Some((State::Failed, Some(reason))) if verdict == Verdict::GiveUp => {
                Outcome::Failed(reason)
            }
            Some((State::Waiting, _)) => Outcome::Waiting,
            _ => Outcome::Unchanged,
        };
        let since = self.ready.as_ref().map(|ready| ready.since);
        let seconds_to_b = since
            .filter(|_| matches!(outcome, Outcome::Created | Outcome::Adopted))
            .map(|since| now.duration_since(since).as_secs_f64());
        // Several relays of one delivery share a budget: their set tells what it came to.
        let own = self.relay.digest().is_none();
        Relayed {
            route: &self.route().name,
            outcome,
            doubled: attempt.is_doubled(),
            incomplete: made
                && attempt.has_adopted()
                && record.and_then(|record| record.reason) == Some(Reason::Incomplete),
            seconds_to_b,
            altinn: own.then(|| (self.budget().calls(), self.budget().waited())),
        }
        .emit(now);
    }
}

/// A step's name in the log.
pub(super) fn name(step: &Step) -> &'static str {
    match step {
        Step::Put { record, .. } => match record.state {
            State::Claimed => "claim",
            _ => "record",
        },
        Step::Read => "read",
        Step::Search { .. } => "search",
        Step::Create => "create",
        Step::Look(_) => "look",
        Step::AddForm(_) => "add-form",
        Step::Delete(_) => "delete",
        Step::Finish(_) => "finish",
        Step::Resume(_) => "resume",
        Step::AfterSteps => "after-steps",
        Step::End(_) => "end",
    }
}
