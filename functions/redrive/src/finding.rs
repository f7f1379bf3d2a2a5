//! What is known of a dead letter: its relay, and the relay's state.

use stafett_core::{
    id::{InstanceId, RouteName},
    relay::{Reason, RelayId, State},
    trigger::{MessageError, Trigger},
};
use stafett_runtime::ledger::RelayStatus;

/// What is known of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The trigger's route; none where the dead letter carries no trigger.
    pub(crate) route: Option<RouteName>,
    /// The trigger's A instance.
    pub(crate) instance: Option<InstanceId>,
    /// The relay's state; none where the ledger has no record of it.
    pub(crate) state: Option<State>,
    /// Why the relay is not finished, if that is known.
    pub(crate) reason: Option<Reason>,
}

impl Finding {
    /// Combines a trigger with its relay's record, and with whether its route is deployed.
    pub(crate) fn of(
        trigger: &Result<Trigger, MessageError>,
        standing: Option<&RelayStatus>,
        deployed: bool,
    ) -> Self {
        let Ok(trigger) = trigger else {
            return Self {
                route: None,
                instance: None,
                state: None,
                reason: Some(Reason::NotATrigger),
            };
        };
        let state = standing.map(|standing| standing.state);
        let reason = match state {
            Some(State::Done) => None,
            // Whatever the recorded reason is, this one comes first.
            _ if !deployed => Some(Reason::RouteUnknown),
            _ => standing.and_then(|standing| standing.reason),
        };
        Self {
            route: Some(trigger.route.clone()),
            instance: Some(trigger.instance),
            state,
            reason,
        }
    }

    /// What an operator can do about it.
    pub(crate) fn hint(state: Option<State>, reason: Option<Reason>) -> String {
        match (state, reason) {
            (Some(State::Done), _) => {
                "The relay is finished: nothing happens when it is redriven, and the message may as well be deleted.".to_owned()
            }
            (Some(State::Told | State::Waiting | State::Claimed | State::Created), reason)
                if reason != Some(Reason::RouteUnknown) =>
            {
                let meaning = reason.map(|reason| format!("{} ", reason.meaning()));
                format!(
                    "{}The relay is not finished: redrive to try it at once, or leave it to reconcile.",
                    meaning.unwrap_or_default()
                )
            }
            (_, Some(reason)) => reason.remedy().to_owned(),
            (Some(_), None) => {
                "The relay failed for a reason that this version does not know: look at its item in the ledger.".to_owned()
            }
            (None, None) => {
                "No attempt is on record: see in the log of instantiate what kept it from working, then redrive.".to_owned()
            }
        }
    }
}

/// The relay that a trigger names; for a route with `each`, the one of the whole set.
pub(crate) fn relay(trigger: &Trigger) -> RelayId {
    RelayId::new(trigger.route.clone(), trigger.instance)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use stafett_core::trigger::Cause;

    use super::*;

    fn trigger() -> Trigger {
        let instance = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77".parse();
        Trigger::new(
            "permit-to-casework".parse().unwrap(),
            instance.unwrap(),
            Cause::Event,
            "7f8d6a4e".to_owned(),
            Timestamp::UNIX_EPOCH,
        )
    }

    fn standing(state: State, reason: Option<Reason>) -> RelayStatus {
        RelayStatus {
            relay: relay(&trigger()),
            source: trigger().instance,
            rev: 1,
            state,
            reason,
            instance: None,
            attempts: 1,
            first: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            due: None,
        }
    }

    fn found(standing: Option<&RelayStatus>, deployed: bool) -> (Option<State>, Option<Reason>) {
        let finding = Finding::of(&Ok(trigger()), standing, deployed);
        assert_eq!(finding.route, Some(trigger().route));
        assert_eq!(finding.instance, Some(trigger().instance));
        (finding.state, finding.reason)
    }

    #[test]
    fn state_and_reason_come_from_the_ledger() {
        let failed = standing(State::Failed, Some(Reason::DraftRefused));
        let expected = (Some(State::Failed), Some(Reason::DraftRefused));
        assert_eq!(found(Some(&failed), true), expected);
        assert_eq!(found(None, true), (None, None));
    }

    #[test]
    fn a_route_that_is_not_deployed_is_the_reason_unless_the_relay_is_finished() {
        let unknown = Some(Reason::RouteUnknown);
        assert_eq!(found(None, false), (None, unknown));
        let waiting = standing(State::Waiting, Some(Reason::OwnerUnknown));
        assert_eq!(
            found(Some(&waiting), false),
            (Some(State::Waiting), unknown)
        );
        let done = standing(State::Done, Some(Reason::OwnerUnknown));
        assert_eq!(found(Some(&done), false), (Some(State::Done), None));
        assert_eq!(found(Some(&done), true), (Some(State::Done), None));
    }

    #[test]
    fn a_message_that_is_not_a_trigger_has_no_route() {
        let body = Trigger::from_message("{\"route\":\"permit-to-casework\"}");
        let finding = Finding::of(&body, None, false);
        assert_eq!(
            (finding.route, finding.instance, finding.state),
            (None, None, None)
        );
        assert_eq!(finding.reason, Some(Reason::NotATrigger));
    }

    #[test]
    fn the_hint_for_a_failed_relay_is_the_remedy_of_its_reason() {
        for reason in Reason::ALL.iter().copied() {
            assert_eq!(
                Finding::hint(Some(State::Failed), Some(reason)),
                reason.remedy()
            );
        }
        assert_eq!(
            Finding::hint(Some(State::Waiting), Some(Reason::RouteUnknown)),
            Reason::RouteUnknown.remedy()
        );
        assert_eq!(
            Finding::hint(None, Some(Reason::NotATrigger)),
            Reason::NotATrigger.remedy()
        );
        let waiting = Finding::hint(Some(State::Waiting), Some(Reason::OwnerUnknown));
        assert!(
            waiting.starts_with(Reason::OwnerUnknown.meaning()),
            "{waiting}"
        );
    }
}
