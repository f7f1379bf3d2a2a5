//! Reading relays.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};
use jiff::Timestamp;
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::RelayId,
};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::{Attributes, OPEN, key, number},
    status::{self, PROJECTION, RelayStatus, reserved_names},
};
use crate::telemetry::Causes;

/// The most items that one call may ask for (Amazon DynamoDB API Reference, BatchGetItem).
const BATCH: usize = 100;
/// How often keys that DynamoDB left out of its answer are asked for, the first time included.
const BATCH_ATTEMPTS: u32 = 6;

/// Where a list of due relays continues.
#[derive(Debug, Clone)]
pub struct DueKey(Attributes);

impl Ledger {
    /// The sort keys of all relays of the same route and A instance as `relay`.
    ///
    /// # Errors
    /// [`LedgerError::Refused`].
    pub async fn of_route(&self, relay: &RelayId) -> Result<Vec<String>, LedgerError> {
        let text = |text: String| AttributeValue::S(text);
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :route)")
            .expression_attribute_values(":pk", text(relay.guid().to_string()))
            .expression_attribute_values(":route", text(relay.route().to_string()))
            .projection_expression("sk")
            .into_paginator()
            .items()
            .send();
        let mut keys = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| Operation::ReadSet(relay.clone()).refused(error))?;
            keys.extend(item.get("sk").and_then(|sk| sk.as_s().ok()).cloned());
        }
        // The name of another route may begin with the name of this one.
        let own = relay.route().as_str();
        keys.retain(|key| key.split('#').next() == Some(own));
        Ok(keys)
    }

    /// The status of each of `relays`, in their order; `None` for a relay that the ledger does not have.
    ///
    /// # Errors
    /// [`LedgerError`], if the status of any of them cannot be read.
    pub async fn statuses(
        &self,
        relays: &[RelayId],
    ) -> Result<Vec<Option<RelayStatus>>, LedgerError> {
        let mut found: HashMap<(Uuid, String), RelayStatus> = HashMap::new();
        for batch in relays.chunks(BATCH) {
            // DynamoDB refuses a call that names a key twice.
            let distinct: BTreeSet<_> = batch.iter().map(|r| (r.guid(), r.sort_key())).collect();
            let mut left: Vec<Attributes> = distinct
                .iter()
                .map(|(guid, sort_key)| key(&guid.to_string(), sort_key))
                .collect();
            let mut attempt = 0;
            while !left.is_empty() {
                attempt += 1;
                if attempt > BATCH_ATTEMPTS {
                    let (left, total) = (left.len(), relays.len());
                    return Err(LedgerError::Throttled { left, total });
                }
                if attempt > 1 {
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
                let (items, unprocessed) = self.look_up(left).await?;
                for item in items {
                    let status = status::read(item, &Operation::LookUp)?;
                    let key = (status.relay.guid(), status.relay.sort_key());
                    found.insert(key, status);
                }
                left = unprocessed;
            }
        }
        let of = |relay: &RelayId| found.get(&(relay.guid(), relay.sort_key())).cloned();
        Ok(relays.iter().map(of).collect())
    }

    /// Asks once for the items of `keys`: those that came, and the keys that DynamoDB left out.
    async fn look_up(
        &self,
        keys: Vec<Attributes>,
    ) -> Result<(Vec<Attributes>, Vec<Attributes>), LedgerError> {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .projection_expression(PROJECTION)
            .set_expression_attribute_names(Some(reserved_names()))
            .build()
            .map_err(|error| Operation::LookUp.refused(error))?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await
            .map_err(|error| Operation::LookUp.refused(error))?;
        let tables = answer.responses.into_iter().flatten();
        let left = answer.unprocessed_keys.into_iter().flatten();
        Ok((
            tables.flat_map(|(_, items)| items).collect(),
            left.flat_map(|(_, keys)| keys.keys).collect(),
        ))
    }

    /// The statuses of all relays of an A instance, of whole sets and of their parts, by sort key.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn of_source(&self, source: InstanceId) -> Result<Vec<RelayStatus>, LedgerError> {
        let operation = Operation::ReadSource(source);
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(source.guid.to_string()))
            // Explicit, because the role of receive allows no other selection.
            .select(Select::SpecificAttributes)
            .projection_expression(PROJECTION)
            .set_expression_attribute_names(Some(reserved_names()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut statuses = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| operation.clone().refused(error))?;
            statuses.push(status::read(item, &operation)?);
        }
        // The partition key has no party, so another instance id could have the same GUID.
        statuses.retain(|status| status.source == source);
        Ok(statuses)
    }

    /// A page of a route's unfinished relays that are due at `now`, the longest due first, and where the next page
    /// begins. The index lags shortly behind the table.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn due(
        &self,
        route: &RouteName,
        now: Timestamp,
        from: Option<DueKey>,
    ) -> Result<(Vec<RelayStatus>, Option<DueKey>), LedgerError> {
        let operation = Operation::ListOpen(route.clone());
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(OPEN)
            .key_condition_expression("#open = :route AND due <= :now")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":route", AttributeValue::S(route.to_string()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .set_exclusive_start_key(from.map(|key| key.0))
            .limit(i32::try_from(BATCH).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| operation.clone().refused(error))?;
        let items = answer.items.unwrap_or_default();
        let mut statuses = Vec::with_capacity(items.len());
        for item in items {
            match status::read(item, &operation) {
                Ok(status) => statuses.push(status),
                // One item that somebody changed by hand must not hide all others.
                Err(error) => {
                    tracing::error!(reason = %Causes(&error), "an open relay was passed over")
                }
            }
        }
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((statuses, next.map(DueKey)))
    }
}
