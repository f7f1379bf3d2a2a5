//! How far a list of instances has been read, as it is kept between runs.
//!
//! A position is kept only after everything before it has been processed.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_runtime::altinn::cursor::Place;
use thiserror::Error;

use crate::time::earlier;

/// The version that is written and read.
const VERSION: u32 = 2;
/// The previous version, in which an unfinished pass kept Storage's `next`, which skips instances.
const WITH_NEXT: u32 = 1;

/// How far a list has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    v: u32,
    /// The list: its filters without the window of time. They differ with the gate and the app.
    of: String,
    /// The route's `since` when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// Everything that changed before this has been processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// The end of the last pass over the whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<Timestamp>,
    /// An unfinished pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<Stopped>,
}

/// Where a pass stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stopped {
    /// It reads the whole list, not only what changed.
    #[serde(default)]
    pub(crate) whole: bool,
    /// Where its window begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Timestamp>,
    /// Where its window ends.
    pub(crate) until: Timestamp,
    /// Where the list goes on.
    pub(crate) place: Place,
}

/// Why a kept position is not used. The list is then read from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Unusable {
    #[error("it was written by another version")]
    Version,
    #[error("it cannot be read")]
    Malformed,
    #[error("it is of another app or gate")]
    AnotherList,
    #[error("the route's `since` was moved back")]
    AnotherSince,
}

impl Position {
    /// The beginning of the list `of`.
    pub(crate) fn beginning(of: &str, since: Option<Timestamp>) -> Self {
        Self {
            v: VERSION,
            of: of.to_owned(),
            since,
            until: None,
            whole: None,
            stopped: None,
        }
    }

    /// Reads a kept position, for a list `of` and a route with this `since`. A position of the previous version keeps
    /// its finished passes, and its unfinished pass begins again.
    pub(crate) fn read(text: &str, of: &str, since: Option<Timestamp>) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u32,
        }
        let Versioned { v } = serde_json::from_str(text).map_err(|_| Unusable::Malformed)?;
        let mut kept: serde_json::Value =
            serde_json::from_str(text).map_err(|_| Unusable::Malformed)?;
        match v {
            VERSION => {}
            WITH_NEXT => {
                if let Some(fields) = kept.as_object_mut() {
                    fields.remove("stopped");
                }
            }
            _ => return Err(Unusable::Version),
        }
        let mut kept: Self = serde_json::from_value(kept).map_err(|_| Unusable::Malformed)?;
        if v == WITH_NEXT {
            kept.v = VERSION;
            kept.of = filters(&kept.of).to_owned();
        }
        if kept.of != of {
            return Err(Unusable::AnotherList);
        }
        let is_covered = |kept| since.is_some_and(|since| kept <= since);
        if !kept.since.is_none_or(is_covered) {
            return Err(Unusable::AnotherSince);
        }
        Ok(Self { since, ..kept })
    }

    /// The same, with an unfinished pass.
    pub(crate) fn stopped_at(&self, stopped: Stopped) -> Self {
        Self {
            stopped: Some(stopped),
            ..self.clone()
        }
    }

    /// The text that is kept.
    pub(crate) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Where the next window begins: at `since`, or one overlap before the end of the last one. An end after `latest`,
    /// which only a wrong clock can have written, counts as `latest`.
    pub(crate) fn next_from(
        &self,
        since: Timestamp,
        latest: Timestamp,
        overlap: Duration,
    ) -> Timestamp {
        self.until.map_or(since, |until| {
            earlier(until.min(latest), overlap).max(since)
        })
    }
}

/// The filters of a query, without the order and the size of its pages.
pub(crate) fn filters(query: &str) -> &str {
    query
        .split_once("&includeDataElements=")
        .map_or(query, |(filters, _)| filters)
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;

    const OF: &str = "appId=ttd/permit&process.isComplete=true";
    const OVERLAP: Duration = Duration::from_secs(600);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn moment() -> impl Strategy<Value = Timestamp> {
        (0i64..4_000_000_000_000_000).prop_map(|us| Timestamp::from_microsecond(us).unwrap())
    }

    prop_compose! {
        fn any_position()(
            since in option::of(moment()), until in option::of(moment()), whole in option::of(moment()),
            stopped in option::of((any::<bool>(), option::of(moment()), moment(), option::of(moment()), option::of("\\PC{0,80}"))),
        ) -> Position {
            let stopped = stopped.map(|(whole, from, until, place, next)| {
                let place = serde_json::from_value(serde_json::json!({"from": place, "next": next}));
                Stopped { whole, from, until, place: place.unwrap() }
            });
            Position { until, whole, stopped, ..Position::beginning(OF, since) }
        }
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_kept(position in any_position()) {
            let text = position.to_text().unwrap();
            prop_assert_eq!(Position::read(&text, OF, position.since), Ok(position));
        }

        #[test]
        fn no_kept_text_panics(text in "\\PC{0,60}") {
            prop_assert!(Position::read(&text, OF, None).is_err());
            let begun = format!(r#"{{"v":1,"of":{text}"#);
            prop_assert!(Position::read(&begun, OF, None).is_err());
        }

        #[test]
        fn windows_leave_no_gap(position in any_position(), since in moment(), latest in moment()) {
            let from = position.next_from(since, latest, OVERLAP);
            prop_assert!(from >= since);
            prop_assert!(position.until.is_none_or(|until| from <= until.max(since)));
            prop_assert!(from <= latest.max(since));
        }
    }

    #[test]
    fn a_position_of_another_version_or_form_is_not_used() {
        for (text, unusable) in [
            (
                r#"{"v":0,"cursor":"2026-11-01T00:00:00Z"}"#,
                Unusable::Version,
            ),
            (r#"{"v":3,"of":"x"}"#, Unusable::Version),
            (r#"{"cursor":"2026-11-01T00:00:00Z"}"#, Unusable::Malformed),
            (r#"{"v":1}"#, Unusable::Malformed),
            (
                r#"{"v":1,"of":"x","until":"yesterday"}"#,
                Unusable::Malformed,
            ),
            (
                r#"{"v":2,"of":"x","stopped":{"until":"2026-11-01T00:00:00Z","next":"y"}}"#,
                Unusable::Malformed,
            ),
            ("2026-11-01T00:00:00Z", Unusable::Malformed),
            ("", Unusable::Malformed),
        ] {
            assert_eq!(Position::read(text, OF, None), Err(unusable), "{text}");
        }
    }

    #[test]
    fn a_position_of_the_previous_version_keeps_its_finished_passes() {
        let text = r#"{
            "v": 1, "of": "appId=ttd/permit&process.isComplete=true&includeDataElements=false&order=asc:lastChanged&size=100",
            "until": "2026-11-22T10:00:00Z", "whole": "2026-11-22T09:00:00Z",
            "stopped": {"until": "2026-11-22T11:00:00Z", "next": "appId=ttd%2Fpermit&continuationToken=1%253b2"}
        }"#;
        let read = Position::read(text, OF, None).unwrap();
        let expected = Position {
            until: Some(at("2026-11-22T10:00:00Z")),
            whole: Some(at("2026-11-22T09:00:00Z")),
            ..Position::beginning(OF, None)
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_route_with_another_gate_begins_anew() {
        let text = Position::beginning(OF, None).to_text().unwrap();
        let of = "appId=ttd/permit&process.currentTask=Task_2";
        assert_eq!(Position::read(&text, of, None), Err(Unusable::AnotherList));
    }

    #[test]
    fn an_earlier_since_begins_anew_and_a_later_one_does_not() {
        let (earlier, later) = (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        let text = Position::beginning(OF, Some(later)).to_text().unwrap();
        for since in [None, Some(earlier)] {
            assert_eq!(
                Position::read(&text, OF, since),
                Err(Unusable::AnotherSince)
            );
        }
        assert!(Position::read(&text, OF, Some(later)).is_ok());
        let text = Position::beginning(OF, Some(earlier)).to_text().unwrap();
        assert!(Position::read(&text, OF, Some(later)).is_ok());
    }

    #[test]
    fn the_next_window_overlaps_with_the_last_one_but_never_begins_before_since() {
        let position = Position {
            until: Some(at("2026-11-22T10:00:00Z")),
            ..Position::beginning(OF, None)
        };
        let now = at("2026-11-22T11:00:00Z");
        let next_from = |since| position.next_from(at(since), now, OVERLAP);
        assert_eq!(
            next_from("2026-11-01T00:00:00Z"),
            at("2026-11-22T09:50:00Z")
        );
        assert_eq!(
            next_from("2026-11-22T09:55:00Z"),
            at("2026-11-22T09:55:00Z")
        );
    }

    #[test]
    fn a_position_in_the_future_does_not_hide_what_changes_now() {
        let position = Position {
            until: Some(at("2126-11-22T10:00:00Z")),
            ..Position::beginning(OF, None)
        };
        let now = at("2026-11-22T11:00:00Z");
        let from = position.next_from(at("2026-11-01T00:00:00Z"), now, OVERLAP);
        assert_eq!(from, at("2026-11-22T10:50:00Z"));
    }
}
