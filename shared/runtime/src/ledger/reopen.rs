//! Opens a relay again whose B is gone.
//!
//! B's app may delete an instance that it has made for us, long after it answered. The relay is `created` or `done` by
//! then, and every repeat of its trigger would be a no-op.

use std::collections::HashMap;

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

use super::{EXPIRY, Ledger, LedgerError, OPEN, Standing, key, refused};

/// How a relay is opened again.
#[derive(Debug, Clone, Copy)]
pub struct Reopening<'a> {
    /// The relay, `created` or `done`.
    pub relay: &'a Standing,
    /// Of a relay with a key: the relay of its whole set, where the ledger has one.
    pub set: Option<&'a Standing>,
    /// The request that made its B, open again: a search comes before the next one.
    pub sent: Sent,
    /// The B that is gone stays named. A search of an app that stamps late proves that there is none only
    /// where it finds the named one deleted.
    pub named: Option<InstanceId>,
    /// The present moment.
    pub now: Timestamp,
}

/// What came of opening a relay again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    /// It waits, is due at once and has no B; its set, where it has one, waits as well.
    Opened,
    /// The relay, or its set, was written since: nothing was written now.
    Conflict,
    /// A request of it is open already: whoever works on it looks at its B by itself. Nothing was written.
    Doubt,
}

impl Ledger {
    /// Opens a relay again, and its set with it, in one conditional write: nothing where either was written since.
    ///
    /// A set that somebody works on stays `claimed`, but loses its revision: whoever works on it may have passed over
    /// this relay already, and cannot write that the set is done.
    ///
    /// # Errors
    /// [`LedgerError::Refused`]; the write may have had its effect, and the relay is due then.
    pub async fn reopen(&self, reopening: Reopening<'_>) -> Result<Reopened, LedgerError> {
        let Reopening { relay, set, .. } = reopening;
        let doing = format!("open relay {} again", relay.relay);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            refused(&doing, "UpdateItem", source)
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
        // A transaction for one item, too: repeated by the SDK after a lost answer, it does not meet its own write.
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
                .update_expression(set + ", #instance = :named")
                .expression_attribute_values(":named", AttributeValue::S(named.to_string())),
            None => update.update_expression(set + " REMOVE #instance"),
        }
    }

    fn opened_set(&self, set: &Standing, holder: Uuid, now: Timestamp) -> UpdateBuilder {
        if set.state == State::Claimed {
            return self
                .update_of(set, holder)
                .update_expression("SET rev = :next, holder = :holder")
                .condition_expression("rev = :rev");
        }
        let update = self.waiting(set, holder, now, Reason::PartsOpen);
        due(update, set, now)
            .update_expression(format!("{WAITING}{DUE} REMOVE detail"))
            .condition_expression("rev = :rev")
    }

    /// An update of this revision of a record.
    fn update_of(&self, standing: &Standing, holder: Uuid) -> UpdateBuilder {
        let relay = &standing.relay;
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            .expression_attribute_values(":rev", number(standing.rev))
            .expression_attribute_values(":next", number(standing.rev.saturating_add(1)))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_string()))
    }

    /// The values of [`WAITING`].
    fn waiting(
        &self,
        standing: &Standing,
        holder: Uuid,
        now: Timestamp,
        reason: Reason,
    ) -> UpdateBuilder {
        let expires = now.as_second().saturating_add_unsigned(EXPIRY.as_secs());
        self.update_of(standing, holder)
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
/// In the index, due at once.
const DUE: &str = ", #open = :route, due = :now";

fn due(update: UpdateBuilder, standing: &Standing, now: Timestamp) -> UpdateBuilder {
    update
        .expression_attribute_names("#open", OPEN)
        .expression_attribute_values(
            ":route",
            AttributeValue::S(standing.relay.route().to_string()),
        )
        .expression_attribute_values(":now", number(now.as_millisecond()))
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Why DynamoDB has not written; none where it is no matter of revisions
/// (Amazon DynamoDB API Reference, TransactWriteItems: `CancellationReasons`, in the order of the items).
fn canceled(refusal: &TransactWriteItemsError, relay: &Standing) -> Option<Reopened> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = refusal else {
        return None;
    };
    let reasons = canceled.cancellation_reasons();
    let is_held =
        |item: &HashMap<String, AttributeValue>| item.get("rev") == Some(&number(relay.rev));
    let mut written = false;
    for (index, reason) in reasons.iter().enumerate() {
        match reason.code() {
            None | Some("None") => {}
            Some("ConditionalCheckFailed" | "TransactionConflict") => {
                if index == 0 && reason.item().is_some_and(is_held) {
                    return Some(Reopened::Doubt);
                }
                written = true;
            }
            Some(_) => return None,
        }
    }
    written.then_some(Reopened::Conflict)
}
