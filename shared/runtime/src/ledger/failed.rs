//! The relays that have failed, by route. They stay in the ledger when their message has left the dead-letter queue.

use std::{fmt, str::FromStr};

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use jiff::Timestamp;
use stafett_core::{id::RouteName, relay::RelayId};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::{Attributes, FAILED, key, moment, number},
    status::{self, RelayStatus},
};
use crate::telemetry::Causes;

/// Relays on a page.
const PAGE: i32 = 100;

/// A place in the list of a route's failed relays: behind this one. Its text is `{milliseconds}/{guid}/{sort key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPlace {
    relay: RelayId,
    failed_at: Timestamp,
}

impl fmt::Display for FailedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relay, failed_at } = self;
        let (guid, sort_key) = (relay.guid(), relay.sort_key());
        write!(f, "{}/{guid}/{sort_key}", failed_at.as_millisecond())
    }
}

/// A text that is not a place in a list of failed relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the list of failed relays, as an earlier answer gave it")]
pub struct NotAPlace;

impl FromStr for FailedPlace {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let mut parts = text.splitn(3, '/');
        let (Some(failed_at), Some(guid), Some(sort_key)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAPlace);
        };
        let guid: Uuid = guid.parse().map_err(|_| NotAPlace)?;
        Ok(Self {
            relay: RelayId::from_key(guid, sort_key).map_err(|_| NotAPlace)?,
            failed_at: failed_at
                .parse()
                .ok()
                .and_then(|ms| moment(ms).ok())
                .ok_or(NotAPlace)?,
        })
    }
}

impl FailedPlace {
    /// The key of its item in the index.
    fn key(&self) -> Attributes {
        let mut key = key(&self.relay.guid().to_string(), &self.relay.sort_key());
        let route = AttributeValue::S(self.relay.route().to_string());
        key.insert(FAILED.to_owned(), route);
        let failed_at = number(self.failed_at.as_millisecond());
        key.insert("failed_at".to_owned(), failed_at);
        key
    }

    /// The place that an answer of DynamoDB's ends at.
    fn read(key: &Attributes) -> Option<Self> {
        let text = |name: &str| key.get(name)?.as_s().ok();
        let failed_at = key.get("failed_at")?.as_n().ok()?.parse().ok()?;
        let guid = text("pk")?.parse().ok()?;
        Some(Self {
            relay: RelayId::from_key(guid, text("sk")?).ok()?,
            failed_at: moment(failed_at).ok()?,
        })
    }
}

impl Ledger {
    /// A page of a route's relays that failed before a moment and are still failed, the earliest first, each with its
    /// place; and the place where the next page begins. The index lags shortly behind the table.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn failed(
        &self,
        route: &RouteName,
        before: Timestamp,
        from: Option<&FailedPlace>,
    ) -> Result<(Vec<(RelayStatus, FailedPlace)>, Option<FailedPlace>), LedgerError> {
        let operation = Operation::ListFailed(route.clone());
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(FAILED)
            .key_condition_expression("failed = :route AND failed_at < :before")
            .expression_attribute_values(":route", AttributeValue::S(route.to_string()))
            .expression_attribute_values(":before", number(before.as_millisecond()))
            .set_exclusive_start_key(from.map(FailedPlace::key))
            .limit(PAGE)
            .send()
            .await
            .map_err(|error| operation.clone().refused(error))?;
        let mut relays = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let place = FailedPlace::read(&item);
            match status::read(item, &operation) {
                Ok(status) => relays.extend(place.map(|place| (status, place))),
                // One item that somebody changed by hand must not hide all others.
                Err(error) => {
                    tracing::error!(reason = %Causes(&error), "a failed relay was passed over");
                }
            }
        }
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((relays, next.as_ref().and_then(FailedPlace::read)))
    }

    /// How many relays of a route are failed, parts of sets included; more than that if `pages` do not hold all. A page
    /// has a megabyte, some 3,000 relays, and costs 128 read units; none costs a half.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn count_failed(&self, route: &RouteName, pages: usize) -> Result<u64, LedgerError> {
        let (mut count, mut from) = (0, None);
        for _ in 0..pages {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(FAILED)
                .select(Select::Count)
                .key_condition_expression("failed = :route")
                .expression_attribute_values(":route", AttributeValue::S(route.to_string()))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| Operation::ListFailed(route.clone()).refused(error))?;
            count += u64::try_from(answer.count).unwrap_or_default();
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stafett_core::id::InstanceId;

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_read_from_its_text_and_from_its_key(
            guid in any::<u128>(), key in proptest::option::of(".*"), ms in 0i64..253_402_000_000_000,
        ) {
            let source = InstanceId { party: 1, guid: Uuid::from_u128(guid) };
            let route = "permit-to-casework".parse().unwrap();
            let relay = match &key {
                None => RelayId::new(route, source),
                Some(key) => RelayId::keyed(route, source, key),
            };
            let place = FailedPlace { relay, failed_at: Timestamp::from_millisecond(ms).unwrap() };
            prop_assert_eq!(place.to_string().parse(), Ok(place.clone()));
            prop_assert_eq!(FailedPlace::read(&place.key()), Some(place));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<FailedPlace>();
        }
    }
}
