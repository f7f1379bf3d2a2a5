//! Reads the ledger from DynamoDB for display. It holds only references and no personal data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use local_world::deployment::{CallError, Deployment};
use serde::{Deserialize, Serialize};

/// The maximum number of items to read; a longer table would be of no use.
const MOST: usize = 2_000;

/// A relay's item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Relay {
    /// The route's name.
    pub(super) route: String,
    /// The key's digest, for a route with `each`.
    pub(super) digest: Option<String>,
    /// The A instance, `{party}/{guid}`.
    pub(super) source: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) attempts: u64,
    /// B, `{party}/{guid}`.
    pub(super) instance: Option<String>,
    /// Whether B may exist without being recorded.
    pub(super) doubt: bool,
    /// When it was last written, in milliseconds since 1970.
    pub(super) updated: i64,
    /// When the claim expires, if it is claimed.
    pub(super) lease_until: Option<i64>,
}

/// The attributes of a relay's item; reconcile's notes have others.
#[derive(Debug, Deserialize)]
struct Item {
    sk: String,
    source: String,
    state: String,
    reason: Option<String>,
    detail: Option<String>,
    attempts: u64,
    instance: Option<String>,
    #[serde(default)]
    doubt: bool,
    updated: i64,
    lease_until: Option<i64>,
}

impl From<Item> for Relay {
    fn from(item: Item) -> Self {
        let (route, digest) = match item.sk.split_once('#') {
            Some((route, digest)) => (route.to_owned(), Some(digest.to_owned())),
            None => (item.sk, None),
        };
        Self {
            route,
            digest,
            source: item.source,
            lease_until: item.lease_until.filter(|_| item.state == "claimed"),
            state: item.state,
            reason: item.reason,
            detail: item.detail,
            attempts: item.attempts,
            instance: item.instance,
            doubt: item.doubt,
            updated: item.updated,
        }
    }
}

impl Relay {
    /// The relay's identity.
    fn id(&self) -> (&str, &str, Option<&str>) {
        (&self.source, &self.route, self.digest.as_deref())
    }
}

/// All recorded relays, the last written first; at most [`MOST`].
///
/// # Errors
///
/// When DynamoDB does not respond.
pub(super) async fn relays(deployment: &Deployment) -> Result<Vec<Relay>, CallError> {
    let client = deployment.dynamodb();
    let mut relays: Vec<Relay> = Vec::new();
    let mut from = None;
    loop {
        let page = client
            .scan()
            .table_name(&deployment.aws.resources().table)
            .consistent_read(true)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| CallError::Aws(error.into()))?;
        let items = page.items.unwrap_or_default().into_iter();
        relays.extend(items.filter_map(|item| {
            let item: Item = serde_dynamo::from_item(item).ok()?;
            Some(Relay::from(item))
        }));
        from = page.last_evaluated_key;
        if from.is_none() || relays.len() >= MOST {
            break;
        }
    }
    relays.sort_by(|a, b| (b.updated, a.id()).cmp(&(a.updated, b.id())));
    relays.truncate(MOST);
    Ok(relays)
}

/// How many relays changed from one state to another between two reads of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The state before; none if the relay was not recorded.
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) count: usize,
}

/// Relays that changed state or were tried again, in groups.
pub(super) fn changes(before: &[Relay], after: &[Relay]) -> Vec<Change> {
    let before: BTreeMap<_, _> = before.iter().map(|relay| (relay.id(), relay)).collect();
    let mut counts: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
    for relay in after {
        let earlier = before.get(&relay.id());
        let same = earlier.is_some_and(|it| {
            (&it.state, it.attempts, it.updated) == (&relay.state, relay.attempts, relay.updated)
        });
        if !same {
            let from = earlier.map(|it| it.state.as_str());
            *counts.entry((from, &relay.state)).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .map(|((from, to), count)| Change {
            from: from.map(str::to_owned),
            to: to.to_owned(),
            count,
        })
        .collect()
}

/// A time for display: `2026-11-22 10:00:05`, in UTC like Altinn's own.
pub(super) fn shown(moment: Timestamp) -> String {
    let text = moment.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    seconds.replace('T', " ")
}

/// The same for milliseconds since 1970.
pub(super) fn shown_ms(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .map(shown)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(source: &str, state: &str, attempts: u64) -> Relay {
        Relay {
            route: "permit-to-casework".to_owned(),
            digest: None,
            source: source.to_owned(),
            state: state.to_owned(),
            reason: None,
            detail: None,
            attempts,
            instance: None,
            doubt: false,
            updated: 0,
            lease_until: None,
        }
    }

    #[test]
    fn changes_are_counted_by_old_and_new_state() {
        let before = [
            relay("1/a", "waiting", 1),
            relay("1/b", "waiting", 1),
            relay("1/c", "done", 1),
        ];
        let after = [
            relay("1/a", "done", 2),
            relay("1/b", "waiting", 3),
            relay("1/c", "done", 1),
            relay("1/d", "done", 1),
        ];
        let changes = changes(&before, &after);
        let counted: Vec<_> = changes
            .iter()
            .map(|it| (it.from.as_deref(), it.to.as_str(), it.count))
            .collect();
        assert_eq!(
            counted,
            [
                (None, "done", 1),
                (Some("waiting"), "done", 1),
                (Some("waiting"), "waiting", 1)
            ]
        );
    }

    #[test]
    fn an_item_with_a_key_and_a_lease_is_read() {
        let item = |sk: &str, state: &str| Item {
            sk: sk.to_owned(),
            source: "1/a".to_owned(),
            state: state.to_owned(),
            reason: None,
            detail: None,
            attempts: 1,
            instance: None,
            doubt: false,
            updated: 1,
            lease_until: Some(7),
        };
        let part = Relay::from(item("estate#00ff", "claimed"));
        assert_eq!(
            (part.route.as_str(), part.digest.as_deref()),
            ("estate", Some("00ff"))
        );
        assert_eq!(part.lease_until, Some(7));
        assert_eq!(Relay::from(item("estate", "done")).lease_until, None);
    }

    #[test]
    fn a_moment_is_shown_to_the_second() {
        assert_eq!(shown_ms(1_800_000_000_123), "2027-01-15 08:00:00");
    }
}
