//! The ledger: the DynamoDB table of relays.
//!
//! One item per relay (`pk` the A instance's GUID, `sk` the route, with the key's digest
//! where the route has one). Every write is conditional on the revision that it
//! replaces, so that of two writers one always learns that it lost.
//!
//! A relay that is not finished, nor part of a set, stands in the sparse index `open` as
//! well (`open` the route, `due` the moment from which reconcile is to look after it), so
//! that finding the few that are due costs nothing for the many that are done. Reconcile's
//! own notes lie beside the relays, under `pk` = `reconcile`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{DisplayErrorContext, SdkError},
    operation::{put_item::PutItemError, query::QueryError},
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, Select},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::{settings::LedgerSettings, telemetry::Causes};
use stafett_core::{
    id::{AppId, InstanceId, RouteName},
    relay::{Holder, Reason, Record, RelayId, Sent, State},
};

mod reopen;

pub use reopen::{Reopened, Reopening};

/// Items go this long after they were written last.
const EXPIRY: Duration = Duration::from_secs(400 * 86_400);
/// An A instance that is younger than this cannot have an item that has gone: its item is younger still.
pub const MEMORY: Duration = Duration::from_secs(399 * 86_400);

/// How long B is left to settle, in milliseconds, after what an older version left in doubt.
const SETTLING_BEFORE: i64 = 1_200_000;

const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 4;
const CALL: Duration = Duration::from_secs(8);
/// Details are for an operator's eyes, not an archive.
const MAX_DETAIL: usize = 500;

/// The sparse index of relays that are not finished.
const OPEN: &str = "open";
/// The partition of reconcile's notes; no GUID.
const NOTES: &str = "reconcile";
/// The most items that one call may ask for (Amazon DynamoDB API Reference, BatchGetItem).
const BATCH: usize = 100;
/// How often keys that DynamoDB had no time for are asked for again.
const BATCH_ATTEMPTS: u32 = 6;
/// All attributes that make up a [`Standing`].
const STANDING: &str =
    "pk, sk, #source, rev, #state, reason, #instance, attempts, #first, updated, due";

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
    /// DynamoDB did not answer, or refused, for what is no single relay.
    #[error("cannot {doing} in the ledger; see that STAFETT_TABLE names the table and dynamodb:{permission} is allowed on it: {}", DisplayErrorContext(source.as_ref()))]
    Refused {
        /// What was being done, without personal data.
        doing: String,
        /// What the function's role needs for it.
        permission: &'static str,
        /// What the SDK said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item that was found is not a relay's.
    #[error(
        "cannot {doing}: an item of the ledger is not a relay ({source}); it was written by another version, or by hand"
    )]
    Unreadable {
        /// What was being done, without personal data.
        doing: String,
        /// What is wrong.
        source: serde_dynamo::Error,
    },
    /// DynamoDB goes on leaving keys out of its answers.
    #[error(
        "the ledger has no capacity for the {left} of {total} relays that were asked for; this passes"
    )]
    Throttled {
        /// Relays that were not looked up.
        left: usize,
        /// Relays that were asked for.
        total: usize,
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
    Conflict(Option<Box<Record>>),
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
    /// Whether `sent_…` are there. What an older version wrote has this alone.
    doubt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ended: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_quiet: Option<i64>,
    first: i64,
    attempts: u32,
    /// `{app} ` each. What older versions wrote behind the blank is not read any more.
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
    /// The route, while the relay is not finished and reconcile is to look after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    /// From when on.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<i64>,
}

/// How a relay stands, as far as those need it who do not work on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The relay.
    pub relay: RelayId,
    /// The A instance.
    pub source: InstanceId,
    /// The revision of its record.
    pub rev: u64,
    /// Its state.
    pub state: State,
    /// Why it waits or failed.
    pub reason: Option<Reason>,
    /// B.
    pub instance: Option<InstanceId>,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was first claimed.
    pub first: Timestamp,
    /// When it was written last.
    pub updated: Timestamp,
    /// From when on reconcile is to look after it.
    pub due: Option<Timestamp>,
}

/// The attributes of [`Standing`] as they lie in the table.
#[derive(Debug, Deserialize)]
struct StandingItem {
    pk: Uuid,
    sk: String,
    rev: u64,
    state: String,
    attempts: u32,
    first: i64,
    source: InstanceId,
    instance: Option<InstanceId>,
    reason: Option<String>,
    updated: i64,
    due: Option<i64>,
}

impl StandingItem {
    fn standing(self) -> Result<Standing, serde_dynamo::Error> {
        let relay = RelayId::from_key(self.pk, &self.sk).map_err(|error| malformed(&error))?;
        Ok(Standing {
            relay,
            source: self.source,
            rev: self.rev,
            state: State::parse(&self.state).ok_or_else(|| malformed(&"an unknown state"))?,
            reason: self.reason.as_deref().and_then(Reason::parse),
            instance: self.instance,
            attempts: self.attempts,
            first: moment(self.first)?,
            updated: moment(self.updated)?,
            due: self.due.map(moment).transpose()?,
        })
    }
}

fn malformed(what: &dyn std::fmt::Display) -> serde_dynamo::Error {
    <serde_dynamo::Error as serde::de::Error>::custom(what)
}

fn moment(ms: i64) -> Result<Timestamp, serde_dynamo::Error> {
    Timestamp::from_millisecond(ms).map_err(|_| malformed(&"a moment out of range"))
}

/// Where a list of due relays goes on.
#[derive(Debug, Clone)]
pub struct DueKey(HashMap<String, AttributeValue>);

impl Item {
    fn new(relay: &RelayId, source: InstanceId, record: &Record, due: Option<Timestamp>) -> Self {
        // A part of a set is looked after with its set.
        let due = due.filter(|_| relay.digest().is_none());
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
            doubt: record.sent.is_some(),
            sent_from: record.sent.map(|sent| sent.from.as_millisecond()),
            sent_ended: record.sent.map(|sent| sent.ended.as_millisecond()),
            sent_quiet: record.sent.map(|sent| sent.quiet.as_millisecond()),
            first: record.first.as_millisecond(),
            attempts: record.attempts,
            targets: record.targets.iter().map(|app| format!("{app} ")).collect(),
            source,
            instance: record.instance,
            reason: record.reason.map(|reason| reason.code().to_owned()),
            detail: record
                .detail
                .as_ref()
                .map(|text| text.chars().take(MAX_DETAIL).collect()),
            updated: record.updated.as_millisecond(),
            expires,
            open: due.map(|_| relay.route().to_string()),
            due: due.map(Timestamp::as_millisecond),
        }
    }

    /// The request that is open. An older version kept only that there was one: between the first claim and the
    /// last write.
    fn sent(&self) -> Result<Option<Sent>, serde_dynamo::Error> {
        let sent = match (self.sent_from, self.sent_ended, self.sent_quiet) {
            (Some(from), Some(ended), Some(quiet)) => Sent {
                from: moment(from)?,
                ended: moment(ended)?,
                quiet: moment(quiet)?,
            },
            _ if self.doubt => Sent {
                from: moment(self.first)?,
                ended: moment(self.updated)?,
                quiet: moment(self.updated.saturating_add(SETTLING_BEFORE))?,
            },
            _ => return Ok(None),
        };
        Ok(Some(sent))
    }

    fn record(self) -> Result<Record, serde_dynamo::Error> {
        let sent = self.sent()?;
        let targets: Option<BTreeSet<AppId>> = self
            .targets
            .iter()
            .map(|text| text.split_once(' ')?.0.parse().ok())
            .collect();
        Ok(Record {
            rev: self.rev,
            state: State::parse(&self.state).ok_or_else(|| malformed(&"an unknown state"))?,
            holder: Holder(self.holder),
            lease_until: moment(self.lease_until)?,
            sent,
            first: moment(self.first)?,
            attempts: self.attempts,
            targets: targets.ok_or_else(|| malformed(&"an unreadable target"))?,
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

    /// How each of `relays` stands, in their order; `None` where the ledger has nothing of one.
    ///
    /// # Errors
    /// [`LedgerError`]; then of none.
    pub async fn standings(
        &self,
        relays: &[RelayId],
    ) -> Result<Vec<Option<Standing>>, LedgerError> {
        let mut found: HashMap<(Uuid, String), Standing> = HashMap::new();
        for batch in relays.chunks(BATCH) {
            // A key that stands twice in one call is refused.
            let distinct: BTreeSet<_> = batch.iter().map(|r| (r.guid(), r.sort_key())).collect();
            let mut left: Vec<Key> = distinct
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
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut left)))
                    .consistent_read(true)
                    .projection_expression(STANDING)
                    .set_expression_attribute_names(Some(reserved_names()))
                    .build()
                    .map_err(|error| refused("look up relays", "BatchGetItem", error))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, keys)
                    .send()
                    .await
                    .map_err(|error| refused("look up relays", "BatchGetItem", error))?;
                for item in answer
                    .responses
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, items)| items)
                {
                    let standing = standing(item, "look up relays")?;
                    let key = (standing.relay.guid(), standing.relay.sort_key());
                    found.insert(key, standing);
                }
                left = answer
                    .unprocessed_keys
                    .into_iter()
                    .flatten()
                    .flat_map(|(_, keys)| keys.keys)
                    .collect();
            }
        }
        let of = |relay: &RelayId| found.get(&(relay.guid(), relay.sort_key())).cloned();
        Ok(relays.iter().map(of).collect())
    }

    /// How all relays of an A instance stand, whole sets and their parts, by sort key.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn of_source(&self, source: InstanceId) -> Result<Vec<Standing>, LedgerError> {
        let doing = format!("read the relays of {source}");
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(source.guid.to_string()))
            // Said out loud: the role of receive is allowed no other selection.
            .select(Select::SpecificAttributes)
            .projection_expression(STANDING)
            .set_expression_attribute_names(Some(reserved_names()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut standings = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| refused(&doing, "Query", error))?;
            standings.push(standing(item, &doing)?);
        }
        // The GUID alone does not name the instance.
        standings.retain(|standing| standing.source == source);
        Ok(standings)
    }

    /// A page of the open relays of a route that reconcile is to look after at `now`, longest due first,
    /// and where the next page begins. Shortly after a write the index may show what was before.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn due(
        &self,
        route: &RouteName,
        now: Timestamp,
        from: Option<DueKey>,
    ) -> Result<(Vec<Standing>, Option<DueKey>), LedgerError> {
        let doing = format!("list the open relays of route {route}");
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(OPEN)
            .key_condition_expression("#open = :route AND due <= :now")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":route", AttributeValue::S(route.to_string()))
            .expression_attribute_values(
                ":now",
                AttributeValue::N(now.as_millisecond().to_string()),
            )
            .set_exclusive_start_key(from.map(|key| key.0))
            .limit(i32::try_from(BATCH).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| refused(&doing, "Query", error))?;
        let items = answer.items.unwrap_or_default();
        let mut standings = Vec::with_capacity(items.len());
        for item in items {
            match standing(item, &doing) {
                Ok(standing) => standings.push(standing),
                // One item that somebody changed by hand must not hide all others.
                Err(error) => {
                    tracing::error!(reason = %Causes(&error), "an open relay was passed over")
                }
            }
        }
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((standings, next.map(DueKey)))
    }

    /// Has reconcile look after a relay at `due` only, now that it was enqueued, unless it was written since.
    /// Its revision stays: whoever works on it is not disturbed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn postpone(&self, standing: &Standing, due: Timestamp) -> Result<(), LedgerError> {
        let relay = &standing.relay;
        let doing = format!("postpone relay {relay}");
        let postponed = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            .update_expression("SET due = :due")
            .condition_expression("rev = :rev AND attribute_exists(due)")
            .expression_attribute_values(
                ":due",
                AttributeValue::N(due.as_millisecond().to_string()),
            )
            .expression_attribute_values(":rev", AttributeValue::N(standing.rev.to_string()))
            .send()
            .await;
        match postponed {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(())
            }
            Err(error) => Err(refused(&doing, "UpdateItem", error)),
        }
    }

    /// Puts `instance` on record as the B of a relay that has one, unless the relay was written since; whether it did.
    /// The record is a new revision in any case.
    ///
    /// # Errors
    /// [`LedgerError`]. A call of ours whose answer was lost may look like another writer's.
    pub async fn keep(
        &self,
        standing: &Standing,
        instance: InstanceId,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let relay = &standing.relay;
        let number = |number: i128| AttributeValue::N(number.to_string());
        let kept = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&relay.guid().to_string(), &relay.sort_key())))
            // A holder of its own: one that works on the relay must not take this for its write.
            .update_expression(
                "SET #instance = :instance, rev = :next, holder = :holder, updated = :now",
            )
            .expression_attribute_values(":holder", AttributeValue::S(Uuid::new_v4().to_string()))
            .condition_expression("rev = :rev AND attribute_exists(#instance)")
            .expression_attribute_names("#instance", "instance")
            .expression_attribute_values(":instance", AttributeValue::S(instance.to_string()))
            .expression_attribute_values(":rev", number(standing.rev.into()))
            .expression_attribute_values(":next", number(i128::from(standing.rev) + 1))
            .expression_attribute_values(":now", number(now.as_millisecond().into()))
            .send()
            .await;
        match kept {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => {
                let doing = format!("put the B of relay {relay} on record");
                Err(refused(&doing, "UpdateItem", error))
            }
        }
    }

    /// Keeps a text of reconcile's own under a name. Of two writers the later wins.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn note(&self, name: &str, text: &str) -> Result<(), LedgerError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(NOTES, name)))
            .item("note", AttributeValue::S(text.to_owned()))
            .send()
            .await
            .map(drop)
            .map_err(|error| refused(&format!("keep the note {name}"), "PutItem", error))
    }

    /// The text that was kept under a name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn noted(&self, name: &str) -> Result<Option<String>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(NOTES, name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| refused(&format!("read the note {name}"), "GetItem", error))?;
        let note = answer.item.and_then(|mut item| item.remove("note"));
        Ok(note.and_then(|note| match note {
            AttributeValue::S(text) => Some(text),
            _ => None,
        }))
    }

    /// Writes `record`, if the ledger still has revision `replaces` of it (`None`: has none); reconcile is to
    /// look after the relay from `due` on.
    ///
    /// # Errors
    /// [`LedgerError`]; unless it says otherwise the write may have had its effect.
    pub async fn put(
        &self,
        relay: &RelayId,
        source: InstanceId,
        record: &Record,
        replaces: Option<u64>,
        due: Option<Timestamp>,
    ) -> Result<Put, LedgerError> {
        let malformed = |source| LedgerError::Malformed {
            relay: relay.clone(),
            source,
        };
        let item =
            serde_dynamo::to_item(Item::new(relay, source, record, due)).map_err(malformed)?;
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
                    Ok(Put::Conflict(Some(Box::new(old))))
                }
            }
            error => Err(LedgerError::Unwritten {
                relay: relay.clone(),
                source: Box::new(error),
            }),
        }
    }
}

type Key = HashMap<String, AttributeValue>;

fn key(partition: &str, sort: &str) -> Key {
    [("pk", partition), ("sk", sort)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}

/// The attributes of [`STANDING`] whose names are words of DynamoDB's own
/// (Amazon DynamoDB Developer Guide, "Reserved words").
fn reserved_names() -> HashMap<String, String> {
    ["source", "state", "instance", "first"]
        .map(|name| (format!("#{name}"), name.to_owned()))
        .into()
}

fn refused(
    doing: &str,
    permission: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> LedgerError {
    LedgerError::Refused {
        doing: doing.to_owned(),
        permission,
        source: source.into(),
    }
}

fn standing(item: Key, doing: &str) -> Result<Standing, LedgerError> {
    serde_dynamo::from_item::<_, StandingItem>(item)
        .and_then(StandingItem::standing)
        .map_err(|source| LedgerError::Unreadable {
            doing: doing.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
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

    fn any_target() -> impl Strategy<Value = AppId> {
        "[a-z]{1,4}/[a-z][a-z0-9-]{0,8}".prop_map(|app| app.parse().unwrap())
    }

    prop_compose! {
        fn any_sent()(from in any_moment(), ended in any_moment(), quiet in any_moment()) -> Sent {
            Sent { from, ended, quiet }
        }
    }

    prop_compose! {
        fn any_record()(
            rev in any::<u64>(), state in any_state(), holder in any::<u128>(), sent in option::of(any_sent()),
            (lease_until, first, updated) in (any_moment(), any_moment(), any_moment()),
            attempts in any::<u32>(), targets in btree_set(any_target(), 0..4),
            instance in option::of(any_instance()), reason in option::of(select(Reason::ALL)),
            detail in option::of(".{0,600}"),
        ) -> Record {
            let holder = Holder(Uuid::from_u128(holder));
            Record {
                rev, state, holder, lease_until, sent, first, attempts, targets, instance, reason, detail, updated,
            }
        }
    }

    fn attributes(
        relay: &RelayId,
        source: InstanceId,
        record: &Record,
        due: Option<Timestamp>,
    ) -> Attributes {
        serde_dynamo::to_item(Item::new(relay, source, record, due)).unwrap()
    }

    fn read(attributes: Attributes) -> Result<Record, serde_dynamo::Error> {
        serde_dynamo::from_item::<_, Item>(attributes).and_then(Item::record)
    }

    proptest! {
        #[test]
        fn any_record_is_read_as_it_was_written(record in any_record(), source in any_instance(), key in option::of(".*"), due in option::of(any_moment())) {
            let route = || "permit-to-casework".parse().unwrap();
            let relay = match &key {
                None => RelayId::new(route(), source),
                Some(key) => RelayId::keyed(route(), source, key),
            };
            let item = attributes(&relay, source, &record, due);
            prop_assert_eq!(&item["pk"], &AttributeValue::S(source.guid.to_string()));
            prop_assert_eq!(&item["sk"], &AttributeValue::S(relay.sort_key()));
            prop_assert_eq!(&item["rev"], &AttributeValue::N(record.rev.to_string()));
            let expires = record.updated.as_second() + 400 * 86_400;
            prop_assert_eq!(&item["expires"], &AttributeValue::N(expires.to_string()));
            let detail = record.detail.as_ref().map(|text| text.chars().take(500).collect());
            // What is finished, or part of a set, is not in the index.
            let indexed = due.is_some() && key.is_none();
            prop_assert_eq!(item.contains_key("due") && item.contains_key("open"), indexed);
            let seen = standing(item.clone(), "test").unwrap();
            prop_assert_eq!(seen, Standing {
                relay: relay.clone(), source, rev: record.rev, state: record.state, reason: record.reason,
                instance: record.instance, attempts: record.attempts, first: record.first, updated: record.updated,
                due: due.filter(|_| indexed),
            });
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
            sent: None,
            first: Timestamp::UNIX_EPOCH,
            attempts: 1,
            targets: ["ttd/casework".parse().unwrap()].into(),
            instance: None,
            reason: Some(Reason::Refused),
            detail: None,
            updated: Timestamp::UNIX_EPOCH,
        };
        let relay = RelayId::new("permit-to-casework".parse().unwrap(), source);
        attributes(&relay, source, &record, None)
    }

    #[test]
    fn what_another_version_added_is_no_reason_to_stop() {
        let mut item = written();
        item.insert("colour".into(), AttributeValue::S("red".into()));
        item.insert("reason".into(), AttributeValue::S("a_new_reason".into()));
        assert_eq!(read(item).unwrap().reason, None);
    }

    #[test]
    fn a_doubt_of_an_older_version_is_a_request_between_its_first_claim_and_its_last_write() {
        let mut item = written();
        item.insert("doubt".into(), AttributeValue::Bool(true));
        item.insert("updated".into(), AttributeValue::N("60000".into()));
        let second = |second| Timestamp::from_second(second).unwrap();
        let sent = Sent {
            from: second(0),
            ended: second(60),
            quiet: second(1_260),
        };
        assert_eq!(read(item).unwrap().sent, Some(sent));
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
