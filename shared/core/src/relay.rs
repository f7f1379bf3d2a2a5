//! A relay: one route × one A instance × one key, with at most one B.
//!
//! This module has the relay's id, its record in the ledger, and the reasons for waiting and failing. [`decide`] decides
//! what happens next with a relay, and [`answer`] reads what B answers to its creation.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::id::{AppId, InstanceId, RouteName};

pub mod answer;
pub mod decide;
pub mod reason;

pub use reason::Reason;

/// A relay's id, `{route}:{A instance guid}[:{digest}]`. It is the stamp on the relay's B.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId {
    route: RouteName,
    guid: Uuid,
    digest: Option<String>,
}

impl RelayId {
    /// The relay of a route without `each`, or the relay of the whole set if the route has one.
    #[must_use]
    pub fn new(route: RouteName, source: InstanceId) -> Self {
        Self {
            route,
            guid: source.guid,
            digest: None,
        }
    }

    /// The relay of one value of a route's `each`. Only a digest of the key is kept, because the key may be personal.
    #[must_use]
    pub fn keyed(route: RouteName, source: InstanceId, key: &str) -> Self {
        let digest = short_digest(&[route.as_str(), &source.guid.to_string(), key]);
        Self {
            digest: Some(digest),
            ..Self::new(route, source)
        }
    }

    /// The A instance's GUID: the ledger's partition key.
    #[must_use]
    pub fn guid(&self) -> Uuid {
        self.guid
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> &RouteName {
        &self.route
    }

    /// The digest that stands for the key, if there is one: 16 hex digits.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The relay that has this key in the ledger.
    ///
    /// # Errors
    /// [`NotARelay`] for anything that [`RelayId::sort_key`] does not write.
    pub fn from_key(guid: Uuid, sort_key: &str) -> Result<Self, NotARelay> {
        let (route, digest) = match sort_key.split_once('#') {
            None => (sort_key, None),
            Some((route, digest)) => (route, Some(digest)),
        };
        Self::from_parts(route, guid, digest)
    }

    fn from_parts(route: &str, guid: Uuid, digest: Option<&str>) -> Result<Self, NotARelay> {
        let is_digest = |text: &str| {
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(NotARelay);
        }
        Ok(Self {
            route: route.parse().map_err(|_| NotARelay)?,
            guid,
            digest: digest.map(str::to_owned),
        })
    }

    /// The ledger's sort key: `{route}` or `{route}#{digest}`.
    #[must_use]
    pub fn sort_key(&self) -> String {
        match &self.digest {
            None => self.route.to_string(),
            Some(digest) => format!("{}#{digest}", self.route),
        }
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.route, self.guid)?;
        match &self.digest {
            Some(digest) => write!(f, ":{digest}"),
            None => Ok(()),
        }
    }
}

/// The error for a text that is no relay id. It does not repeat the text, because anybody can write a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "not a relay id: {{route}}:{{instance guid}}, with :{{16 hex digits}} behind where the route has a key"
)]
pub struct NotARelay;

impl FromStr for RelayId {
    type Err = NotARelay;

    /// Reads a stamp.
    fn from_str(stamp: &str) -> Result<Self, NotARelay> {
        let mut parts = stamp.split(':');
        let (Some(route), Some(guid), digest, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotARelay);
        };
        // Only the form that we write is a relay id: lower case, with hyphens.
        let parsed: Uuid = guid.parse().map_err(|_| NotARelay)?;
        if parsed.to_string() != guid {
            return Err(NotARelay);
        }
        Self::from_parts(route, parsed, digest)
    }
}

/// Identifies the worker on a relay: one delivery of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder(pub Uuid);

/// The first 16 hex digits of SHA-256 over `parts`, each preceded by its length so that no two lists collide.
pub(crate) fn short_digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A request that creates or changes B, until a search has shown what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sent {
    /// It was sent at this moment or later. Moved on by a conclusive search that was cut off: what this request
    /// created, it created at this moment or later.
    pub from: Timestamp,
    /// When its answer came, or its sender stopped waiting for one. It was sent at this moment or earlier.
    pub ended: Timestamp,
    /// From this moment on neither B's app nor Storage can still be processing it.
    pub quiet: Timestamp,
}

impl Sent {
    /// One request that covers both.
    #[must_use]
    pub fn join(earlier: Option<Self>, later: Self) -> Self {
        earlier.map_or(later, |earlier| Self {
            from: earlier.from.min(later.from),
            ended: earlier.ended.max(later.ended),
            quiet: earlier.quiet.max(later.quiet),
        })
    }
}

/// A relay's record in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// The revision: every write increments it, and names the revision that it replaces.
    pub rev: u64,
    /// The relay's state.
    pub state: State,
    /// Who wrote last.
    pub holder: Holder,
    /// Until when no other worker may claim the relay: the end of the lease, or when the claim was given back.
    pub lease_until: Timestamp,
    /// No attempt is made before this moment: the relay's message is invisible until then, or reconcile sends one then. Any
    /// other message for the relay is not needed until then.
    pub not_before: Option<Timestamp>,
    /// The request that no search has settled yet. Whoever takes over an expired claim adds the request that its worker
    /// may have sent.
    pub sent: Option<Sent>,
    /// When the relay was first told of by reconcile, or claimed.
    pub first: Timestamp,
    /// How often the relay was worked on since it was first told of, since it failed and was sent again, or since it stopped
    /// waiting for A: what its backoff and its patience are counted by. A search that was cut off and got further does not
    /// count.
    pub attempts: u32,
    /// The apps in which a B may have been created: the route may have changed between two attempts.
    pub targets: BTreeSet<AppId>,
    /// B. If the relay is neither created nor done: the instance that B's answer named.
    pub instance: Option<InstanceId>,
    /// Why the relay waits or failed, or that B lacks something.
    pub reason: Option<Reason>,
    /// Details on the reason, without personal data.
    pub detail: Option<String>,
    /// When this revision was written.
    pub updated: Timestamp,
}

/// The state of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Reconcile has enqueued it, and nobody has worked on it yet.
    Told,
    /// A worker has claimed it until the lease ends.
    Claimed,
    /// The gate is not open, an attachment is missing, or Altinn did not give the answer that is needed.
    Waiting,
    /// B exists. The after-steps are not done, or B is to be looked at again.
    Created,
    /// Finished.
    Done,
    /// Not tried again unless it is redriven.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Told,
        Self::Claimed,
        Self::Waiting,
        Self::Created,
        Self::Done,
        Self::Failed,
    ];

    /// The state as it is written in the ledger and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Claimed => "claimed",
            Self::Waiting => "waiting",
            Self::Created => "created",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_of_a_relay_without_key_is_route_and_guid() {
        let id = RelayId::new(
            "permit-to-casework".parse().unwrap(),
            "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
                .parse()
                .unwrap(),
        );
        assert_eq!(
            id.to_string(),
            "permit-to-casework:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
        );
        assert_eq!(id.sort_key(), "permit-to-casework");
    }

    #[test]
    fn a_key_shows_only_as_a_digest_that_depends_on_route_instance_and_key() {
        let source = |party: u32| InstanceId {
            party,
            guid: Uuid::from_u128(party.into()),
        };
        let id = |route: &str, party, key: &str| {
            RelayId::keyed(route.parse().unwrap(), source(party), key).to_string()
        };
        let heir = id("r", 1, "12837832290");
        assert!(!heir.contains("12837832290"));
        assert_eq!(heir, id("r", 1, "12837832290"));
        for other in [
            id("s", 1, "12837832290"),
            id("r", 2, "12837832290"),
            id("r", 1, "2"),
        ] {
            assert_ne!(heir, other);
        }
    }

    proptest! {
        #[test]
        fn different_keys_have_different_digests(one in "\\PC{1,30}", other in "\\PC{1,30}") {
            let source = InstanceId { party: 1, guid: Uuid::from_u128(7) };
            let id = |key: &str| RelayId::keyed("r".parse().unwrap(), source, key);
            prop_assert_eq!(one == other, id(&one) == id(&other));
            let digest = id(&one).sort_key().strip_prefix("r#").unwrap().to_owned();
            prop_assert!(digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
        }

        #[test]
        fn a_relay_id_is_read_back_from_the_stamp_and_from_the_ledger_key(guid in any::<u128>(), key in proptest::option::of(".*")) {
            let source = InstanceId { party: 1, guid: Uuid::from_u128(guid) };
            let route = "permit-to-casework".parse().unwrap();
            let id = match &key {
                None => RelayId::new(route, source),
                Some(key) => RelayId::keyed(route, source, key),
            };
            prop_assert_eq!(id.to_string().parse::<RelayId>(), Ok(id.clone()));
            prop_assert_eq!(RelayId::from_key(source.guid, &id.sort_key()), Ok(id));
        }

        #[test]
        fn only_stamps_in_the_form_that_we_write_are_relay_ids(text in "\\PC{0,60}") {
            if let Ok(id) = text.parse::<RelayId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn lists_that_concatenate_to_the_same_text_have_different_digests(text in "\\PC{2,20}", cut in 1usize..10) {
            let cut = text.char_indices().map(|(at, _)| at).nth(cut.min(text.chars().count() - 1)).unwrap();
            let (head, tail) = text.split_at(cut);
            prop_assert_ne!(short_digest(&[head, tail]), short_digest(&[&text, ""]));
        }
    }

    #[test]
    fn every_state_is_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("lost"), None);
    }
}
