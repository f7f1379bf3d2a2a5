//! The status of a relay, for those who do not work on it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use stafett_core::{
    id::InstanceId,
    relay::{Reason, RelayId, State},
};
use uuid::Uuid;

use super::{
    error::{LedgerError, Operation},
    item::{Attributes, malformed, moment},
};

/// The attributes that make up a [`RelayStatus`], as a projection expression.
pub(super) const PROJECTION: &str =
    "pk, sk, #source, rev, #state, reason, #instance, attempts, #first, updated, due";

/// The attributes of [`PROJECTION`] whose names are reserved words of DynamoDB
/// (Amazon DynamoDB Developer Guide, "Reserved words").
pub(super) fn reserved_names() -> HashMap<String, String> {
    ["source", "state", "instance", "first"]
        .map(|name| (format!("#{name}"), name.to_owned()))
        .into()
}

/// The status of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayStatus {
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
    /// How often it was worked on ([`Record::attempts`](stafett_core::relay::Record::attempts)).
    pub attempts: u32,
    /// When it was first told of, or claimed.
    pub first: Timestamp,
    /// When its record was last written.
    pub updated: Timestamp,
    /// The moment from which reconcile looks after it.
    pub due: Option<Timestamp>,
}

/// The attributes of [`RelayStatus`] as they are stored.
#[derive(Debug, Deserialize)]
struct StatusItem {
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

impl StatusItem {
    fn status(self) -> Result<RelayStatus, serde_dynamo::Error> {
        let relay = RelayId::from_key(self.pk, &self.sk).map_err(|error| malformed(&error))?;
        Ok(RelayStatus {
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

/// Reads the status of an item that `operation` found.
pub(super) fn read(item: Attributes, operation: &Operation) -> Result<RelayStatus, LedgerError> {
    serde_dynamo::from_item::<_, StatusItem>(item)
        .and_then(StatusItem::status)
        .map_err(|error| operation.clone().unreadable(error))
}
