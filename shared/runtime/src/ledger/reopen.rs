//! Reopens a relay whose B was deleted.
//!
//! B's app may delete an instance that it made for us long after it answered. By then the relay is `created` or `done`,
//! so repeating its trigger would do nothing.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::UpdateBuilder,
    },
};
use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    relay::{Reason, Sent, State},
};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::{Attributes, EXPIRY, OPEN, key, number},
    status::RelayStatus,
};

/// How to reopen a relay.
#[derive(Debug, Clone, Copy)]
pub struct Reopening<'a> {
    /// The relay, `created` or `done`.
    pub relay: &'a RelayStatus,
    /// For a relay with a key: the relay of its whole set, if the ledger has one.
    pub set: Option<&'a RelayStatus>,
    /// The request that made its B, as an open request: the worker searches for the stamp before it sends another.
    pub sent: Sent,
    /// The deleted B, if it stays on record. Where B's app adds the stamp late, a search proves that there is no B only
    /// if it finds this one deleted.
    pub named: Option<InstanceId>,
    /// The current time.
    pub now: Timestamp,
}

/// What came of reopening a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    /// It waits, is due at once and has no B; so does its set, if it has one.
    Opened,
    /// The record of the relay or of its set was written since; nothing was written now.
    Conflict,
    /// It has an open request already, so the worker on it will look at its B. Nothing was written.
    Doubt,
}

impl Ledger {
    /// Reopens a relay, and its set with it, in one conditional write; writes nothing if either was written since.
    ///
    /// A claimed set stays `claimed` but gets a new revision: its worker may have passed this relay already, and must
    /// not be able to write that the set is done.
    ///
    /// # Errors
    /// [`LedgerError::Refused`]. The write may have had its effect; then the relay is due.
    pub async fn reopen(&self, reopening: Reopening<'_>) -> Result<Reopened, LedgerError> {
        let Reopening { relay, set, .. } = reopening;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            Operation::Reopen(relay.relay.clone()).refused(source)
        };
        let holder = Uuid::new_v4();
        let updates = [
            Some(self.opened(&reopening, holder)),
            set.map(|set| self.opened_set(set, holder, reopening.now)),
        ];
        let updates = updates
            .into_iter()
            .flatten()
            .map(UpdateBuilder::build)
            .collect::<Result<Vec<Update>, _>>()
            .map_err(|error| failed(error.into()))?;
        let items = updates
            .into_iter()
            .map(|update| TransactWriteItem::builder().update(update).build());
        // A transaction even for one item: when the SDK repeats it after a lost answer, its token keeps it from conflicting
        // with its own write.
        let written = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items.collect()))
            .client_request_token(holder.to_string())
            .send()
            .await;
        match written {
            Ok(_) => Ok(Reopened::Opened),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_transaction_canceled_exception() =>
            {
                let refusal = refusal.into_err();
                canceled(&refusal, relay).ok_or_else(|| failed(refusal.into()))
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    fn opened(&self, reopening: &Reopening<'_>, holder: Uuid) -> UpdateBuilder {
        let Reopening {
            relay, sent, now, ..
        } = *reopening;
        let gone = relay.instance.map_or_else(String::new, |b| format!(" {b}"));
        let update = self
            .waiting(relay, holder, now, Reason::OutcomeUnknown)
            .expression_attribute_values(":doubt", AttributeValue::Bool(true))
            .expression_attribute_values(":no_doubt", AttributeValue::Bool(false))
            .expression_attribute_values(":from", number(sent.from.as_millisecond()))
            .expression_attribute_values(":ended", number(sent.ended.as_millisecond()))
            .expression_attribute_values(":quiet", number(sent.quiet.as_millisecond()))
            .expression_attribute_values(
                ":detail",
                AttributeValue::S(format!(
                    "B{gone} was deleted at {}, before its app was quiet",
                    sent.ended
                )),
            )
            .condition_expression("rev = :rev AND doubt = :no_doubt")
            .expression_attribute_names("#instance", "instance")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut set = format!(
            "{WAITING}, detail = :detail, doubt = :doubt, sent_from = :from, sent_ended = :ended, sent_quiet = :quiet"
        );
        let update = if relay.relay.digest().is_none() {
            set += DUE;
            due(update, relay, now)
        } else {
            update
        };
        match reopening.named {
            Some(named) => update
                .update_expression(format!("{set}, #instance = :named REMOVE {CLEARED}"))
                .expression_attribute_values(":named", AttributeValue::S(named.to_string())),
            None => update.update_expression(format!("{set} REMOVE #instance, {CLEARED}")),
        }
    }

    fn opened_set(&self, set: &RelayStatus, holder: Uuid, now: Timestamp) -> UpdateBuilder {
        if set.state == State::Claimed {
            return self
                .update_of(set, holder)
                .update_expression("SET rev = :next, holder = :holder")
                .condition_expression("rev = :rev");
        }
        let update = self.waiting(set, holder, now, Reason::PartsOpen);
        due(update, set, now)
            .update_expression(format!("{WAITING}{DUE} REMOVE detail, {CLEARED}"))
            .condition_expression("rev = :rev")
    }

    /// An update of this revision of the record.
    fn update_of(&self, status: &RelayStatus, holder: Uuid) -> UpdateBuilder {
        let relay = &status.relay;
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            .expression_attribute_values(":rev", number(status.rev))
            .expression_attribute_values(":next", number(status.rev.saturating_add(1)))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_string()))
    }

    /// The values of [`WAITING`].
    fn waiting(
        &self,
        status: &RelayStatus,
        holder: Uuid,
        now: Timestamp,
        reason: Reason,
    ) -> UpdateBuilder {
        let expires = now.as_second().saturating_add_unsigned(EXPIRY.as_secs());
        self.update_of(status, holder)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(
                ":state",
                AttributeValue::S(State::Waiting.as_str().to_owned()),
            )
            .expression_attribute_values(":reason", AttributeValue::S(reason.code().to_owned()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":expires", number(expires))
    }
}

const WAITING: &str = "SET rev = :next, holder = :holder, #state = :state, reason = :reason, lease_until = :now, \
     updated = :now, expires = :expires";
/// Puts the item into the index, due at once.
const DUE: &str = ", #open = :route, due = :now";

/// Takes the item out of the index of failed relays, and ends its wait.
const CLEARED: &str = "failed, failed_at, not_before";

fn due(update: UpdateBuilder, status: &RelayStatus, now: Timestamp) -> UpdateBuilder {
    update
        .expression_attribute_names("#open", OPEN)
        .expression_attribute_values(
            ":route",
            AttributeValue::S(status.relay.route().to_string()),
        )
        .expression_attribute_values(":now", number(now.as_millisecond()))
}

/// Why DynamoDB did not write; `None` if the reason is not a revision
/// (Amazon DynamoDB API Reference, TransactWriteItems: `CancellationReasons`, in the order of the items).
fn canceled(refusal: &TransactWriteItemsError, relay: &RelayStatus) -> Option<Reopened> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = refusal else {
        return None;
    };
    let reasons = canceled.cancellation_reasons();
    let is_same_revision = |item: &Attributes| item.get("rev") == Some(&number(relay.rev));
    let mut written = false;
    for (index, reason) in reasons.iter().enumerate() {
        match reason.code() {
            None | Some("None") => {}
            Some("ConditionalCheckFailed" | "TransactionConflict") => {
                if index == 0 && reason.item().is_some_and(is_same_revision) {
                    return Some(Reopened::Doubt);
                }
                written = true;
            }
            Some(_) => return None,
        }
    }
    written.then_some(Reopened::Conflict)
}
