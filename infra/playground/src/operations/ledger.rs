//! The ledger as it lies in DynamoDB, for looking at: it holds references only, and nothing personal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use local_world::deployment::{CallError, Deployment};

/// The most items that are read: a page with more would show nothing to anybody.
const MOST: usize = 2_000;

/// A relay's item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Relay {
    /// The route's name.
    pub(super) route: String,
    /// The key's digest, of a route with `each`.
    pub(super) digest: Option<String>,
    /// The A instance, `{party}/{guid}`.
    pub(super) source: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) attempts: u64,
    /// B, `{party}/{guid}`.
    pub(super) instance: Option<String>,
    /// Whether B may exist without being on record.
    pub(super) doubt: bool,
    /// When it was written last, in milliseconds since 1970.
    pub(super) updated: i64,
    /// Until when somebody works on it, of one that is claimed.
    pub(super) lease_until: Option<i64>,
}

/// The attributes of an item; those of reconcile's notes are others.
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
    /// By what it is told from all others.
    fn id(&self) -> (&str, &str, Option<&str>) {
        (&self.source, &self.route, self.digest.as_deref())
    }
}

/// All relays that are on record, the one that was written last first; [`MOST`] at most.
///
/// # Errors
/// When DynamoDB does not answer.
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

/// What has become of relays between two looks at the ledger: how many came from one state into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The state before; none of a relay that was not on record.
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) count: usize,
}

/// The relays that are in another state than before, or have been tried again, in groups.
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

/// A moment as pages show it: `2026-11-22 10:00:05`, in UTC as Altinn's own.
pub(super) fn shown(moment: Timestamp) -> String {
    let text = moment.to_string();
    let seconds = text.get(..19).unwrap_or(&text);
    seconds.replace('T', " ")
}

/// The same of milliseconds since 1970.
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
    fn what_has_changed_is_counted_by_where_it_came_from_and_where_it_is() {
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
    fn a_key_is_told_from_its_route_and_a_lease_is_a_claims() {
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
