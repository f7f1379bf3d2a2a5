//! The item of a relay: how a record is stored in the table.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::{
    id::{AppId, InstanceId},
    relay::{Holder, Reason, Record, RelayId, Sent, State},
};
use uuid::Uuid;

/// The sparse index of relays that are not finished, and the attribute that puts an item into it.
pub(super) const OPEN: &str = "open";
/// The sparse index of relays that have failed, and the attribute that puts an item into it.
pub(super) const FAILED: &str = "failed";
/// DynamoDB deletes an item this long after its last write.
pub(super) const EXPIRY: Duration = Duration::from_secs(400 * 86_400);
/// An A instance that is younger than this cannot have an item that has expired, since the item is younger still.
pub const MEMORY: Duration = Duration::from_secs(399 * 86_400);

/// How long B is left to settle, in milliseconds, after a request that an older version left in doubt.
const SETTLING_BEFORE: i64 = 1_200_000;
/// The longest detail that is stored, in characters.
const MAX_DETAIL: usize = 500;

/// An item, or its key.
pub(super) type Attributes = HashMap<String, AttributeValue>;

pub(super) fn key(partition: &str, sort: &str) -> Attributes {
    [("pk", partition), ("sk", sort)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn malformed(what: &dyn std::fmt::Display) -> serde_dynamo::Error {
    <serde_dynamo::Error as serde::de::Error>::custom(what)
}

pub(super) fn moment(ms: i64) -> Result<Timestamp, serde_dynamo::Error> {
    Timestamp::from_millisecond(ms).map_err(|_| malformed(&"a moment out of range"))
}

/// A record as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Item {
    pk: Uuid,
    sk: String,
    rev: u64,
    state: String,
    holder: Uuid,
    /// Milliseconds since 1970, like all moments here but `expires`.
    lease_until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    /// Whether a request is open. Its `sent_…` are missing in an item of an older version.
    doubt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ended: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_quiet: Option<i64>,
    first: i64,
    attempts: u32,
    /// `{app} ` each. Older versions wrote more after the space, which is ignored.
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
    /// The route, while the relay is unfinished and reconcile looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    /// The moment from which reconcile looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<i64>,
    /// The route, while the relay is failed. Missing in an item that an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_at: Option<i64>,
}

impl Item {
    pub(super) fn new(
        relay: &RelayId,
        source: InstanceId,
        record: &Record,
        due: Option<Timestamp>,
    ) -> Self {
        // Reconcile looks after the set, not after its parts.
        let due = due.filter(|_| relay.digest().is_none());
        let failed = (record.state == State::Failed).then_some(record.updated);
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
            not_before: record.not_before.map(Timestamp::as_millisecond),
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
            failed: failed.map(|_| relay.route().to_string()),
            failed_at: failed.map(Timestamp::as_millisecond),
        }
    }

    /// The open request. An older version stored only that there was one, between the first claim and the last
    /// write.
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

    pub(super) fn record(self) -> Result<Record, serde_dynamo::Error> {
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
            not_before: self.not_before.map(moment).transpose()?,
            sent,
            first: moment(self.first)?,
            attempts: self.attempts,
            targets: targets.ok_or_else(|| malformed(&"an unreadable target"))?,
            instance: self.instance,
            // A code of another version is ignored.
            reason: self.reason.as_deref().and_then(Reason::parse),
            detail: self.detail,
            updated: moment(self.updated)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, option, prelude::*, sample::select};

    use super::*;
    use crate::ledger::{
        error::Operation,
        status::{self, RelayStatus},
    };

    fn any_instance() -> impl Strategy<Value = InstanceId> {
        (any::<u32>(), any::<u128>()).prop_map(|(party, guid)| InstanceId {
            party,
            guid: Uuid::from_u128(guid),
        })
    }

    /// Any moment that the table can hold, in milliseconds.
    fn any_moment() -> impl Strategy<Value = Timestamp> {
        (-62_000_000_000_000_i64..253_402_000_000_000)
            .prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
    }

    fn any_state() -> impl Strategy<Value = State> {
        select(&State::ALL[..])
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
            not_before in option::of(any_moment()),
            attempts in any::<u32>(), targets in btree_set(any_target(), 0..4),
            instance in option::of(any_instance()), reason in option::of(select(Reason::ALL)),
            detail in option::of(".{0,600}"),
        ) -> Record {
            let holder = Holder(Uuid::from_u128(holder));
            Record {
                rev, state, holder, lease_until, not_before, sent, first, attempts, targets, instance, reason, detail, updated,
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
            // A finished relay, and a part of a set, is not in the index.
            let indexed = due.is_some() && key.is_none();
            prop_assert_eq!(item.contains_key("due") && item.contains_key("open"), indexed);
            // A failed one is in the other index, and so is a failed part of a set.
            let failed = (record.state == State::Failed).then(|| {
                let (route, at) = (relay.route().to_string(), record.updated.as_millisecond());
                (AttributeValue::S(route), AttributeValue::N(at.to_string()))
            });
            prop_assert_eq!(item.get("failed").cloned().zip(item.get("failed_at").cloned()), failed);
            let seen = status::read(item.clone(), &Operation::LookUp).unwrap();
            prop_assert_eq!(seen, RelayStatus {
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
            not_before: None,
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
    fn attributes_and_reasons_of_another_version_are_ignored() {
        let mut item = written();
        item.insert("colour".into(), AttributeValue::S("red".into()));
        item.insert("reason".into(), AttributeValue::S("a_new_reason".into()));
        assert_eq!(read(item).unwrap().reason, None);
    }

    #[test]
    fn the_open_request_of_an_older_version_lies_between_its_first_claim_and_its_last_write() {
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
    fn an_item_that_is_not_a_record_is_refused() {
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
