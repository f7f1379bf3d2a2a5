//! Dead letters, counted in groups of which the same is known.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{
    id::RouteName,
    relay::{Reason, State},
};

use crate::finding::Finding;

/// How many examples a group shows.
const EXAMPLES: usize = 5;
/// The most groups: a response of Lambda may have 6 MB.
const MOST_GROUPS: usize = 2000;

/// How long ago a dead letter was first sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Age {
    /// Less than an hour.
    #[serde(rename = "<1h")]
    Hour,
    /// Less than a day.
    #[serde(rename = "<1d")]
    Day,
    /// Less than seven days.
    #[serde(rename = "<7d")]
    Week,
    /// Seven days or more.
    #[serde(rename = "older")]
    Older,
}

impl Age {
    fn at(now: Timestamp, sent: Timestamp) -> Self {
        match now.duration_since(sent).as_hours() {
            ..1 => Self::Hour,
            1..24 => Self::Day,
            24..168 => Self::Week,
            _ => Self::Older,
        }
    }
}

/// Dead letters of which the same is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The route; null where they are not triggers.
    pub route: Option<RouteName>,
    /// The state of their relays; null where none is on record.
    pub state: Option<&'static str>,
    /// The code of the reason why their relays are not finished, if that is known.
    pub reason: Option<&'static str>,
    /// How long ago they were first sent.
    pub age: Age,
    /// How many there are.
    pub count: usize,
    /// When the oldest was first sent.
    pub oldest: Timestamp,
    /// Up to five of their A instances; for messages that are not triggers, message ids.
    pub examples: Vec<String>,
    /// What can be done about them.
    pub hint: String,
}

type Key = (Option<RouteName>, Option<State>, Option<Reason>, Age);

/// Counts dead letters.
#[derive(Debug)]
pub(crate) struct Groups {
    now: Timestamp,
    groups: BTreeMap<Key, Counted>,
    total: usize,
}

#[derive(Debug)]
struct Counted {
    count: usize,
    oldest: Timestamp,
    examples: Vec<String>,
}

impl Groups {
    /// No dead letters, with ages as of `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            groups: BTreeMap::new(),
            total: 0,
        }
    }

    /// Counts one: its message id, what is known of it, and when it was first sent.
    pub(crate) fn count(&mut self, id: &str, finding: &Finding, sent: Timestamp) {
        self.total += 1;
        let age = Age::at(self.now, sent);
        let key = (finding.route.clone(), finding.state, finding.reason, age);
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            return;
        }
        let group = self.groups.entry(key).or_insert(Counted {
            count: 0,
            oldest: sent,
            examples: Vec::new(),
        });
        group.count += 1;
        group.oldest = group.oldest.min(sent);
        let example = finding
            .instance
            .map_or_else(|| id.to_owned(), |it| it.to_string());
        if group.examples.len() < EXAMPLES && !group.examples.contains(&example) {
            group.examples.push(example);
        }
    }

    /// How many were counted, also beyond the most groups.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The groups by route, the largest first.
    pub(crate) fn list(self) -> Vec<Group> {
        let groups = self.groups.into_iter();
        let mut list: Vec<Group> = groups
            .map(|((route, state, reason, age), counted)| Group {
                route,
                state: state.map(State::as_str),
                reason: reason.map(Reason::code),
                age,
                count: counted.count,
                oldest: counted.oldest,
                examples: counted.examples,
                hint: Finding::hint(state, reason),
            })
            .collect();
        // The sort is stable: groups of the same size stay in the order of state, reason and age.
        list.sort_by(|a, b| a.route.cmp(&b.route).then(b.count.cmp(&a.count)));
        list
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::{collection::vec, option, prelude::*, sample::select};
    use stafett_core::id::InstanceId;
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn ages_change_at_an_hour_a_day_and_a_week() {
        let age = |span: jiff::Span| Age::at(now(), now() - span);
        assert_eq!(age(0.seconds()), Age::Hour);
        // The clocks of two machines differ.
        assert_eq!(age(-5.seconds()), Age::Hour);
        assert_eq!(age(59.minutes()), Age::Hour);
        assert_eq!(age(1.hour()), Age::Day);
        assert_eq!(age(24.hours()), Age::Week);
        assert_eq!(age((7 * 24).hours()), Age::Older);
        assert_eq!(Age::at(now(), Timestamp::MIN), Age::Older);
    }

    prop_compose! {
        fn any_letter()(
            route in option::of(select(&["one", "two"][..])), reason in option::of(select(Reason::ALL)),
            state in option::of(select(&[State::Failed, State::Waiting, State::Done][..])),
            guid in 0u128..8, hours in 0i64..400,
        ) -> (Finding, Timestamp) {
            let instance = InstanceId { party: 1, guid: Uuid::from_u128(guid) };
            let finding = Finding {
                route: route.map(|it| it.parse().unwrap()), instance: route.map(|_| instance), state, reason,
            };
            (finding, now() - hours.hours())
        }
    }

    proptest! {
        #[test]
        fn every_dead_letter_is_counted_in_exactly_one_group(letters in vec(any_letter(), 0..60)) {
            let mut groups = Groups::new(now());
            for (number, (finding, sent)) in letters.iter().enumerate() {
                groups.count(&format!("m-{number}"), finding, *sent);
            }
            prop_assert_eq!(groups.total(), letters.len());
            let list = groups.list();
            prop_assert_eq!(list.iter().map(|group| group.count).sum::<usize>(), letters.len());
            for (index, group) in list.iter().enumerate() {
                let same = |other: &Group| {
                    (&other.route, other.state, other.reason, other.age) == (&group.route, group.state, group.reason, group.age)
                };
                prop_assert_eq!(list.iter().position(same), Some(index), "a group of its own");
                let members = letters.iter().filter(|(finding, sent)| {
                    finding.route == group.route
                        && finding.state.map(State::as_str) == group.state
                        && finding.reason.map(Reason::code) == group.reason
                        && Age::at(now(), *sent) == group.age
                });
                let members: Vec<_> = members.collect();
                prop_assert_eq!(group.count, members.len());
                prop_assert_eq!(Some(group.oldest), members.iter().map(|(_, sent)| *sent).min());
                prop_assert!((1..=EXAMPLES).contains(&group.examples.len()));
                for example in &group.examples {
                    let known = members.iter().any(|(finding, _)| match finding.instance {
                        Some(instance) => instance.to_string() == *example,
                        None => example.starts_with("m-"),
                    });
                    prop_assert!(known, "{example}");
                }
            }
        }
    }

    #[test]
    fn a_response_with_many_routes_is_small_enough_for_lambda() {
        let mut groups = Groups::new(now());
        for number in 0..3 * MOST_GROUPS {
            let finding = Finding {
                route: Some(format!("route-{number}").parse().unwrap()),
                instance: Some(InstanceId {
                    party: u32::MAX,
                    guid: Uuid::from_u128(7),
                }),
                state: None,
                reason: Some(Reason::RouteUnknown),
            };
            groups.count("m", &finding, now());
        }
        assert_eq!(groups.total(), 3 * MOST_GROUPS);
        let list = serde_json::to_vec(&groups.list()).unwrap();
        assert!(list.len() < 5_000_000, "{}", list.len());
    }
}
