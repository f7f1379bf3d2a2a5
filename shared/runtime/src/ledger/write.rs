//! Writing relays: each write is conditional on the revision that it replaces.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    relay::{Record, RelayId},
};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::{Item, key, number},
    status::RelayStatus,
};

/// What came of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// Written.
    Written,
    /// The ledger holds another revision: this one, or none at all.
    Conflict(Option<Box<Record>>),
}

impl Ledger {
    /// Writes `record`, if the ledger still has revision `replaces` of it (`None`: has none). Reconcile looks after
    /// the relay from `due` on.
    ///
    /// # Errors
    /// [`LedgerError`]. After [`LedgerError::Refused`] the write may have had its effect.
    pub async fn put(
        &self,
        relay: &RelayId,
        source: InstanceId,
        record: &Record,
        replaces: Option<u64>,
        due: Option<Timestamp>,
    ) -> Result<Put, LedgerError> {
        let operation = Operation::Write(relay.clone());
        let item = serde_dynamo::to_item(Item::new(relay, source, record, due))
            .map_err(|error| operation.clone().unreadable(error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match replaces {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(rev) => put
                .condition_expression("rev = :rev")
                .expression_attribute_values(":rev", number(rev)),
        };
        match put.send().await {
            Ok(_) => Ok(Put::Written),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                conflict(refusal.into_err(), record).map_err(|error| operation.unreadable(error))
            }
            Err(error) => {
                // The table may have been deleted, and made anew.
                self.forget_birth();
                Err(operation.refused(error))
            }
        }
    }

    /// Lets reconcile look after a relay only from `due` on, after it was enqueued, unless its record was written
    /// since. Its revision stays, so that a worker on it is not disturbed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn postpone(&self, status: &RelayStatus, due: Timestamp) -> Result<(), LedgerError> {
        let relay = &status.relay;
        let postponed = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            .update_expression("SET due = :due")
            .condition_expression("rev = :rev AND attribute_exists(due)")
            .expression_attribute_values(":due", number(due.as_millisecond()))
            .expression_attribute_values(":rev", number(status.rev))
            .send()
            .await;
        match postponed {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(())
            }
            Err(error) => Err(Operation::Postpone(relay.clone()).refused(error)),
        }
    }

    /// Puts `instance` on record as the B of a relay that has one, unless the record was written since. Returns
    /// whether it did.
    ///
    /// # Errors
    /// [`LedgerError`]. If the answer to our own write is lost, the repeated call returns `false`, as if somebody
    /// else had written.
    pub async fn keep(
        &self,
        status: &RelayStatus,
        instance: InstanceId,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let relay = &status.relay;
        let kept = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            // A new holder, so that a worker on the relay does not take this write for its own.
            .update_expression(
                "SET #instance = :instance, rev = :next, holder = :holder, updated = :now",
            )
            .expression_attribute_values(":holder", AttributeValue::S(Uuid::new_v4().to_string()))
            .condition_expression("rev = :rev AND attribute_exists(#instance)")
            .expression_attribute_names("#instance", "instance")
            .expression_attribute_values(":instance", AttributeValue::S(instance.to_string()))
            .expression_attribute_values(":rev", number(status.rev))
            .expression_attribute_values(":next", number(i128::from(status.rev) + 1))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .send()
            .await;
        match kept {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(Operation::Keep(relay.clone()).refused(error)),
        }
    }
}

/// What a refused condition means for a write of `record`.
fn conflict(refusal: PutItemError, record: &Record) -> Result<Put, serde_dynamo::Error> {
    let PutItemError::ConditionalCheckFailedException(failed) = refusal else {
        return Ok(Put::Conflict(None));
    };
    let Some(old) = failed.item else {
        return Ok(Put::Conflict(None));
    };
    let old = serde_dynamo::from_item::<_, Item>(old).and_then(Item::record)?;
    // The SDK repeats a call whose answer was lost, and then finds its own write.
    if old.rev == record.rev && old.holder == record.holder {
        Ok(Put::Written)
    } else {
        Ok(Put::Conflict(Some(Box::new(old))))
    }
}
