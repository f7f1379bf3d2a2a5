//! The ledger: the DynamoDB table of relays.
//!
//! One item per relay (`pk` the A instance's GUID, `sk` the route, with the key's digest
//! where the route has one). Every write is conditional on the revision that it
//! replaces, so that of two writers one always learns that it lost.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, SdkError},
    operation::{put_item::PutItemError, query::QueryError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    id::{AppId, InstanceId},
    relay::{Holder, Reason, Record, RelayId, State, Target},
    settings::LedgerSettings,
};

/// Items go this long after they were written last.
const EXPIRY: Duration = Duration::from_secs(400 * 86_400);
/// An A instance that is younger than this cannot have an item that has gone: its item is younger still.
pub const MEMORY: Duration = Duration::from_secs(399 * 86_400);

const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 4;
const CALL: Duration = Duration::from_secs(8);
/// Details are for an operator's eyes, not an archive.
const MAX_DETAIL: usize = 500;

/// The ledger did not do what was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// DynamoDB did not answer, or refused. The write may have had its effect.
    #[error("cannot write relay {relay} to the ledger; see that STAFETT_TABLE names the table and dynamodb:PutItem is allowed on it: {}", DisplayErrorContext(&**source))]
    Unwritten {
        /// The relay.
        relay: RelayId,
        /// What the SDK said.
        source: Box<SdkError<PutItemError>>,
    },
    /// DynamoDB did not answer, or refused.
    #[error("cannot read the relays like {relay} from the ledger; see that STAFETT_TABLE names the table and dynamodb:Query is allowed on it: {}", DisplayErrorContext(&**source))]
    Unread {
        /// One of the relays.
        relay: RelayId,
        /// What the SDK said.
        source: Box<SdkError<QueryError>>,
    },
    /// The item cannot be written or read as a record.
    #[error(
        "the ledger's item of relay {relay} is not a record ({source}); it was written by another version, or by hand"
    )]
    Malformed {
        /// The relay.
        relay: RelayId,
        /// What is wrong.
        source: serde_dynamo::Error,
    },
}

/// What came of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// Written.
    Written,
    /// The ledger holds another revision: this one, or none at all.
    Conflict(Option<Record>),
}

/// The table of relays.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
}

/// A record as it lies in the table.
#[derive(Debug, Serialize, Deserialize)]
struct Item {
    pk: Uuid,
    sk: String,
    rev: u64,
    state: String,
    holder: Uuid,
    /// Milliseconds since 1970, as are all moments here but `expires`.
    lease_until: i64,
    doubt: bool,
    first: i64,
    attempts: u32,
    /// `{app} {rule}` each.
    targets: Vec<String>,
    source: InstanceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<InstanceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    updated: i64,
    /// Seconds since 1970: DynamoDB's time to live.
    expires: i64,
}

impl Item {
    fn new(relay: &RelayId, source: InstanceId, record: &Record) -> Self {
        let expires = record
            .updated
            .as_second()
            .saturating_add_unsigned(EXPIRY.as_secs());
        Self {
            pk: relay.guid(),
            sk: relay.sort_key(),
            rev: record.rev,
            state: record.state.as_str().to_owned(),
            holder: record.holder.0,
            lease_until: record.lease_until.as_millisecond(),
            doubt: record.doubt,
            first: record.first.as_millisecond(),
            attempts: record.attempts,
            targets: record
                .targets
                .iter()
                .map(|t| format!("{} {}", t.app, t.rule))
                .collect(),
            source,
            instance: record.instance,
            reason: record.reason.map(|reason| reason.code().to_owned()),
            detail: record
                .detail
                .as_ref()
                .map(|text| text.chars().take(MAX_DETAIL).collect()),
            updated: record.updated.as_millisecond(),
            expires,
        }
    }

    fn record(self) -> Result<Record, serde_dynamo::Error> {
        let malformed = |what: &str| <serde_dynamo::Error as serde::de::Error>::custom(what);
        let moment =
            |ms| Timestamp::from_millisecond(ms).map_err(|_| malformed("a moment out of range"));
        let targets: Option<BTreeSet<Target>> = self
            .targets
            .iter()
            .map(|text| {
                let (app, rule) = text.split_once(' ')?;
                Some(Target {
                    app: app.parse::<AppId>().ok()?,
                    rule: rule.to_owned(),
                })
            })
            .collect();
        Ok(Record {
            rev: self.rev,
            state: State::parse(&self.state).ok_or_else(|| malformed("an unknown state"))?,
            holder: Holder(self.holder),
            lease_until: moment(self.lease_until)?,
            doubt: self.doubt,
            first: moment(self.first)?,
            attempts: self.attempts,
            targets: targets.ok_or_else(|| malformed("an unreadable target"))?,
            instance: self.instance,
            // A code of another version is no reason to stop.
            reason: self.reason.as_deref().and_then(Reason::parse),
            detail: self.detail,
            updated: moment(self.updated)?,
        })
    }
}

impl Ledger {
    /// A client of the table. Its calls take eight seconds at most, four attempts included.
    #[must_use]
    pub fn new(aws: &aws_config::SdkConfig, settings: &LedgerSettings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(aws)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self {
            client: Client::from_conf(config),
            table: settings.table.clone(),
        }
    }

    /// The sort keys of all relays of the same route and A instance as `relay`.
    ///
    /// # Errors
    /// [`LedgerError::Unread`].
    pub async fn of_route(&self, relay: &RelayId) -> Result<Vec<String>, LedgerError> {
        let unread = |source: SdkError<QueryError>| LedgerError::Unread {
            relay: relay.clone(),
            source: Box::new(source),
        };
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
            let item = item.map_err(unread)?;
            keys.extend(item.get("sk").and_then(|sk| sk.as_s().ok()).cloned());
        }
        // Another route's name may begin with this one's.
        let own = relay.route().as_str();
        keys.retain(|key| key.split('#').next() == Some(own));
        Ok(keys)
    }

    /// Writes `record`, if the ledger still has revision `replaces` of it (`None`: has none).
    ///
    /// # Errors
    /// [`LedgerError`]; unless it says otherwise the write may have had its effect.
    pub async fn put(
        &self,
        relay: &RelayId,
        source: InstanceId,
        record: &Record,
        replaces: Option<u64>,
    ) -> Result<Put, LedgerError> {
        let malformed = |source| LedgerError::Malformed {
            relay: relay.clone(),
            source,
        };
        let item = serde_dynamo::to_item(Item::new(relay, source, record)).map_err(malformed)?;
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
                .expression_attribute_values(":rev", AttributeValue::N(rev.to_string())),
        };
        let Err(error) = put.send().await else {
            return Ok(Put::Written);
        };
        match error {
            SdkError::ServiceError(refusal)
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                let PutItemError::ConditionalCheckFailedException(failed) = refusal.into_err()
                else {
                    return Ok(Put::Conflict(None));
                };
                let Some(old) = failed.item else {
                    return Ok(Put::Conflict(None));
                };
                let old = serde_dynamo::from_item::<_, Item>(old)
                    .and_then(Item::record)
                    .map_err(malformed)?;
                // The SDK repeats a call whose answer was lost, and then meets its own write.
                if old.rev == record.rev && old.holder == record.holder {
                    Ok(Put::Written)
                } else {
                    Ok(Put::Conflict(Some(old)))
                }
            }
            error => Err(LedgerError::Unwritten {
                relay: relay.clone(),
                source: Box::new(error),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::btree_set, option, prelude::*, sample::select};

    use super::*;

    type Attributes = HashMap<String, AttributeValue>;

    fn any_instance() -> impl Strategy<Value = InstanceId> {
        (any::<u32>(), any::<u128>()).prop_map(|(party, guid)| InstanceId {
            party,
            guid: Uuid::from_u128(guid),
        })
    }

    /// Any moment of these millennia, as fine as the table keeps it.
    fn any_moment() -> impl Strategy<Value = Timestamp> {
        (-62_000_000_000_000_i64..253_402_000_000_000)
            .prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
    }

    fn any_state() -> impl Strategy<Value = State> {
        select(
            &[
                State::Claimed,
                State::Waiting,
                State::Created,
                State::Done,
                State::Failed,
            ][..],
        )
    }

    fn any_target() -> impl Strategy<Value = Target> {
        ("[a-z]{1,4}/[a-z][a-z0-9-]{0,8}", "[0-9a-f ]{0,16}").prop_map(|(app, rule)| Target {
            app: app.parse().unwrap(),
            rule,
        })
    }

    prop_compose! {
        fn any_record()(
            rev in any::<u64>(), state in any_state(), holder in any::<u128>(), doubt in any::<bool>(),
            (lease_until, first, updated) in (any_moment(), any_moment(), any_moment()),
            attempts in any::<u32>(), targets in btree_set(any_target(), 0..4),
            instance in option::of(any_instance()), reason in option::of(select(Reason::ALL)),
            detail in option::of(".{0,600}"),
        ) -> Record {
            let holder = Holder(Uuid::from_u128(holder));
            Record {
                rev, state, holder, lease_until, doubt, first, attempts, targets, instance, reason, detail, updated,
            }
        }
    }

    fn attributes(relay: &RelayId, source: InstanceId, record: &Record) -> Attributes {
        serde_dynamo::to_item(Item::new(relay, source, record)).unwrap()
    }

    fn read(attributes: Attributes) -> Result<Record, serde_dynamo::Error> {
        serde_dynamo::from_item::<_, Item>(attributes).and_then(Item::record)
    }

    proptest! {
        #[test]
        fn any_record_is_read_as_it_was_written(record in any_record(), source in any_instance(), key in option::of(".*")) {
            let route = || "permit-to-casework".parse().unwrap();
            let relay = match &key {
                None => RelayId::new(route(), source),
                Some(key) => RelayId::keyed(route(), source, key),
            };
            let item = attributes(&relay, source, &record);
            prop_assert_eq!(&item["pk"], &AttributeValue::S(source.guid.to_string()));
            prop_assert_eq!(&item["sk"], &AttributeValue::S(relay.sort_key()));
            prop_assert_eq!(&item["rev"], &AttributeValue::N(record.rev.to_string()));
            let expires = record.updated.as_second() + 400 * 86_400;
            prop_assert_eq!(&item["expires"], &AttributeValue::N(expires.to_string()));
            let detail = record.detail.as_ref().map(|text| text.chars().take(500).collect());
            prop_assert_eq!(read(item).unwrap(), Record { detail, ..record });
        }
    }

    fn written() -> Attributes {
        let source: InstanceId = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
            .parse()
            .unwrap();
        let record = Record {
            rev: 3,
            state: State::Failed,
            holder: Holder(Uuid::nil()),
            lease_until: Timestamp::UNIX_EPOCH,
            doubt: false,
            first: Timestamp::UNIX_EPOCH,
            attempts: 1,
            targets: [Target::new("ttd/casework".parse().unwrap(), "1")].into(),
            instance: None,
            reason: Some(Reason::Refused),
            detail: None,
            updated: Timestamp::UNIX_EPOCH,
        };
        let relay = RelayId::new("permit-to-casework".parse().unwrap(), source);
        attributes(&relay, source, &record)
    }

    #[test]
    fn what_another_version_added_is_no_reason_to_stop() {
        let mut item = written();
        item.insert("colour".into(), AttributeValue::S("red".into()));
        item.insert("reason".into(), AttributeValue::S("a_new_reason".into()));
        assert_eq!(read(item).unwrap().reason, None);
    }

    #[test]
    fn an_item_that_is_no_record_is_refused() {
        let text = |text: &str| AttributeValue::S(text.into());
        let number = |number: i64| AttributeValue::N(number.to_string());
        for (name, value) in [
            ("state", text("lost")),
            ("rev", number(-1)),
            ("rev", text("3")),
            ("holder", text("nobody")),
            ("lease_until", number(i64::MAX)),
            ("targets", AttributeValue::L(vec![text("ttd/casework")])),
            ("targets", AttributeValue::L(vec![text("TTD/casework 1")])),
            ("source", text("50085321")),
        ] {
            let mut item = written();
            item.insert(name.into(), value.clone());
            assert!(read(item).is_err(), "{name} {value:?}");
        }
        let mut item = written();
        item.remove("doubt");
        assert!(read(item).is_err());
    }
}
