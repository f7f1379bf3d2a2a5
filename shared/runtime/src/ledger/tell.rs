//! Telling of relays: reconcile puts on record that it enqueues them, before it does.
//!
//! Otherwise the next run could not tell an A instance whose message still waits in the queue from one that nobody has told
//! about, and would enqueue it once more.

use std::fmt::Write;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder as Update},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    relay::{Holder, Record, RelayId, State, decide::TOLD_FOR},
};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::{Item, key, number},
    status::RelayStatus,
};

/// Writes to the ledger at the same time.
const AT_ONCE: usize = 8;

/// A relay that reconcile is about to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// It has no record.
    New(RelayId, InstanceId),
    /// It waits for its gate, which is open now.
    Opened(RelayStatus),
}

/// What came of telling of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is on record as told, and is due in an hour. It is to be enqueued.
    Told,
    /// Somebody else has written its record since. Nothing was written, and it need not be enqueued.
    Known,
}

impl Telling {
    /// The A instance.
    #[must_use]
    pub fn source(&self) -> InstanceId {
        match self {
            Self::New(_, source) => *source,
            Self::Opened(status) => status.source,
        }
    }

    fn relay(&self) -> &RelayId {
        match self {
            Self::New(relay, _) => relay,
            Self::Opened(status) => &status.relay,
        }
    }
}

impl Ledger {
    /// Puts relays on record as told, each unless its record was written since. What came of each stands in their order.
    ///
    /// # Errors
    /// [`LedgerError`]. Relays may have been put on record; those are enqueued when they are due.
    pub async fn tell(
        &self,
        tellings: &[Telling],
        now: Timestamp,
    ) -> Result<Vec<Told>, LedgerError> {
        // Collected first, because a closure in the stream would bind the future to one thread.
        let writes: Vec<_> = tellings
            .iter()
            .map(|telling| self.tell_of(telling, now))
            .collect();
        stream::iter(writes).buffered(AT_ONCE).try_collect().await
    }

    async fn tell_of(&self, telling: &Telling, now: Timestamp) -> Result<Told, LedgerError> {
        let relay = telling.relay();
        let operation = Operation::Tell(relay.clone());
        let holder = Uuid::new_v4();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = match telling {
            Telling::New(relay, source) => told(update, relay, *source, holder, now)
                .map_err(|error| operation.clone().unreadable(error))?,
            Telling::Opened(status) => opened(update, status, holder, now),
        };
        match update.send().await {
            Ok(_) => Ok(Told::Told),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(if is_written_by(&refusal.into_err(), holder) {
                    Told::Told
                } else {
                    Told::Known
                })
            }
            Err(error) => Err(operation.refused(error)),
        }
    }
}

/// A relay that has no record gets a whole one. It is written as an update, which is all that reconcile's role may do with
/// a relay.
fn told(
    update: Update,
    relay: &RelayId,
    source: InstanceId,
    holder: Uuid,
    now: Timestamp,
) -> Result<Update, serde_dynamo::Error> {
    let record = Record {
        rev: 1,
        state: State::Told,
        holder: Holder(holder),
        lease_until: now,
        not_before: None,
        sent: None,
        first: now,
        attempts: 0,
        targets: [].into(),
        instance: None,
        reason: None,
        detail: None,
        updated: now,
    };
    let item: super::item::Attributes =
        serde_dynamo::to_item(Item::new(relay, source, &record, Some(due(now))))?;
    let attributes = item
        .into_iter()
        .filter(|(name, _)| name != "pk" && name != "sk");
    let mut expression = String::from("SET ");
    let mut update = update.condition_expression("attribute_not_exists(pk)");
    for (position, (name, value)) in attributes.enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(expression, "{comma}#a{position} = :a{position}");
        update = update
            .expression_attribute_names(format!("#a{position}"), name)
            .expression_attribute_values(format!(":a{position}"), value);
    }
    Ok(update.update_expression(expression))
}

/// A relay that waited for its gate keeps what it knows, and its attempts are counted anew.
fn opened(update: Update, status: &RelayStatus, holder: Uuid, now: Timestamp) -> Update {
    update
        .update_expression(
            "SET rev = :next, holder = :holder, #state = :told, attempts = :none, updated = :now, due = :due \
             REMOVE not_before, reason, detail",
        )
        .condition_expression("rev = :rev")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":rev", number(status.rev))
        .expression_attribute_values(":next", number(status.rev.saturating_add(1)))
        .expression_attribute_values(":holder", AttributeValue::S(holder.to_string()))
        .expression_attribute_values(":told", AttributeValue::S(State::Told.as_str().to_owned()))
        .expression_attribute_values(":none", number(0))
        .expression_attribute_values(":now", number(now.as_millisecond()))
        .expression_attribute_values(":due", number(due(now).as_millisecond()))
}

fn due(now: Timestamp) -> Timestamp {
    now.saturating_add(TOLD_FOR).unwrap_or(Timestamp::MAX)
}

/// The SDK repeats a call whose answer was lost, and then finds its own write.
fn is_written_by(refusal: &UpdateItemError, holder: Uuid) -> bool {
    let UpdateItemError::ConditionalCheckFailedException(failed) = refusal else {
        return false;
    };
    let written = failed.item.as_ref().and_then(|item| item.get("holder"));
    written == Some(&AttributeValue::S(holder.to_string()))
}
