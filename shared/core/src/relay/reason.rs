//! The reasons why a relay waits or failed: one table of codes for the ledger, logs and metrics.

/// Defines the enum and its table together, so that every code has a meaning and a remedy.
macro_rules! reasons {
    ($($name:ident $code:literal $meaning:literal $remedy:literal;)*) => {
        /// A reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $meaning, " ", $remedy)] $name,)*
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code in the ledger, logs and metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

reasons! {
    GateClosed "gate_closed" "A's process has not reached the route's gate." "Nothing: the relay goes on when it has.";
    AttachmentMissing "attachment_missing" "A has no element of a data type that the route requires." "Nothing, if A makes it late; else correct the route or A.";
    AttachmentScanned "attachment_scanned" "A's virus scan of an attachment is not done." "Nothing: the relay goes on when it is.";
    AttachmentInfected "attachment_infected" "A's virus scan found something in an attachment." "Have the file removed from A, then redrive.";
    SourceDeleted "source_deleted" "The A instance was deleted meanwhile." "Nothing to relay: delete the message.";
    SourceMissing "source_missing" "Altinn knows no such A instance." "If the id is right, redrive later; a made-up trigger can be deleted.";
    SourceForbidden "source_forbidden" "Altinn does not let us read the A instance." "Give the service owner `read` in A's policy, then redrive.";
    SourceForeign "source_foreign" "The instance belongs to another app than the route's A." "Correct whoever triggers.";
    SourceUnavailable "source_unavailable" "A, Storage or a token could not be had." "Nothing, if it passes; it is tried again.";
    SourceUnreadable "source_unreadable" "A's instance or form is there, and Altinn gives it in a form that cannot be read." "Look at the detail and at the instance in Altinn; redrive when it can be read.";
    MappingFailed "mapping_failed" "The route's mapping gives no draft for A's data." "Correct the route or A's data, deploy, redrive.";
    KeysAmbiguous "keys_ambiguous" "The route's `each` has values without a key, or several with the same." "Correct the route's `key` or A's data, deploy, redrive.";
    PartsFailed "parts_failed" "At least one relay of the route's `each` has failed; the others are finished." "Look at the failed ones' own reasons, then redrive.";
    PartsOpen "parts_open" "At least one relay of the route's `each` is not finished." "Nothing: only what is not finished is tried again.";
    DraftRefused "draft_refused" "B's metadata or schema does not admit the draft; nothing was sent." "Correct the route or B, deploy, redrive.";
    OwnerUnknown "owner_unknown" "Altinn's register does not know B's owner." "Correct the number in A's data or the route, redrive.";
    Refused "b_refused" "B refused the draft; no B was left behind." "Look at the detail, correct the route or B, redrive.";
    OrphanLeft "orphan_left" "B refused the draft and left a half-made instance that we may not delete." "Have it deleted, give the service owner `delete` in B's policy, redrive.";
    ArrivedDifferently "arrived_differently" "B was made, and its form lacks fields that were sent: B's class is not the one that the route was written for. If B is new, the route is stopped." "Look at the fields in the detail and at B. Correct the route or B, and deploy; have this B deleted, redrive. If B is right so, set `to.verify: never`, deploy, redrive.";
    RouteStopped "route_stopped" "A B of this route arrived differently from what was sent. No more are made until the route or B's schema changes." "Correct the route or B, and deploy; or invoke redrive with {\"action\":\"resume\"} and the route. The relays that wait go on by themselves.";
    Incomplete "incomplete" "B exists, but lacks something that its app should have made, and that cannot be made afterwards." "Look at the detail. Where B is no use so, have it deleted, delete the relay's item in the ledger, and trigger A again.";
    TargetUnavailable "b_unavailable" "B does not answer, or is too busy." "Nothing, if it passes; it is tried again.";
    BQuiet "b_quiet" "B is down or at the limit of its pace, and this relay's turn has not come." "Nothing, if it passes: one relay at a time tries B, and the others go on when it answers. Else see why B's app does not answer.";
    TargetForbidden "b_forbidden" "B's app answers that we have no right there. It answers the same while it cannot ask its policy service." "Nothing, if it passes. Else give the service owner `instantiate` in B's policy, or our client the scopes that B's app wants.";
    OutcomeUnknown "outcome_unknown" "B's answer was lost, or does not say what exists: B may exist." "Nothing while it waits: B is searched for before anything is sent again. If it failed so, search as the detail says; if there is no B, delete the relay's item in the ledger and trigger A again.";
    OutOfTime "out_of_time" "Too little of the lease was left for the next request." "Nothing: it is tried again.";
    AfterStepRefused "after_step_refused" "B is there; A's app refuses the substatus or the confirmation." "Give the service owner `complete` in A's policy; it is tried again by itself.";
    AfterStepUnavailable "after_step_unavailable" "B is there; A's app does not answer to the substatus or the confirmation." "Nothing, if it passes; it is tried again.";
    NotATrigger "not_a_trigger" "The message is not one of Stafett's, or of a newer version." "Deploy the newer functions and redrive, or delete the message.";
    LedgerRebuilding "ledger_rebuilding" "The ledger is new, emptied or restored, and is being filled from the stamps on B. Until that is done, an A that may have a B already is not relayed." "Nothing: it goes on when that is done. Invoke reconcile with {\"action\":\"status\"} to see how far it is.";
    RouteUnknown "route_unknown" "No deployed route has the name that the message carries." "Deploy the route, redrive.";
}

impl Reason {
    /// Reads what [`Reason::code`] wrote.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_operators_page_explains_every_reason() {
        let page = include_str!("../../../../infra/OPERATE.md");
        for reason in Reason::ALL {
            let row = format!(
                "| `{}` | {} | {} |",
                reason.code(),
                reason.meaning(),
                reason.remedy()
            );
            assert!(page.contains(&row), "infra/OPERATE.md lacks the row {row}");
        }
    }

    #[test]
    fn every_code_is_unique_and_is_read_back() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(
            Reason::ALL
                .iter()
                .all(|reason| Reason::parse(reason.code()) == Some(*reason))
        );
    }
}
