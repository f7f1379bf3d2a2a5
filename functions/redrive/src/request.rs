//! What an operator asks for.

use jiff::Timestamp;
use serde_json::{Value, json};
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::{Reason, RelayId},
};
use stafett_runtime::ledger::FailedPlace;

use self::fields::Fields;

pub use self::error::RequestError;

mod error;
mod fields;

/// The most dead letters that one invocation reads. SQS hides 120 000 messages of a queue at most
/// (Amazon SQS Developer Guide, "Amazon SQS message quotas").
pub const MOST: usize = 100_000;
/// How many dead letters `inspect` reads by default.
const INSPECTED: usize = 10_000;
/// How many dead letters are sent back per second by default.
const PER_SECOND: u32 = 10;
/// The most per second.
const MOST_PER_SECOND: u32 = 1000;

/// What an operator asks for: the payload of the invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `{"action":"inspect"}`, with an optional `max`: counts what is in the dead-letter queue, and which relays are
    /// failed in the ledger, in groups.
    Inspect {
        /// The most dead letters to read, 1 to [`MOST`]; 10 000 by default.
        max: usize,
    },
    /// `{"action":"redrive"}`: sends a selection back to the queue.
    Redrive(Selection),
    /// `{"action":"redrive","from":"ledger"}`: sends a new trigger for failed relays that are on record.
    Resend(FailedSelection),
    /// `{"action":"remove"}`: deletes one of two B that carry the same stamp.
    Remove(Removal),
    /// `{"action":"resume"}`: lets a route go on that was stopped.
    Resume {
        /// `route`: the route, which must be deployed.
        route: RouteName,
    },
}

/// Which dead letters are sent back, and how. Every filter that is given must admit a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// `route`: triggers of this route only, deployed or not.
    pub route: Option<RouteName>,
    /// `reason`: only what has this reason.
    pub reason: Option<Reason>,
    /// `before`: only what was first sent before this moment.
    pub before: Option<Timestamp>,
    /// `max`: the most dead letters to send back, 1 to [`MOST`]; [`MOST`] by default.
    pub max: usize,
    /// `perSecond`: how many are sent back per second, 1 to 1000; 10 by default.
    pub per_second: u32,
    /// `dryRun`: only counts what would be sent back.
    pub dry_run: bool,
}

/// Which failed relays get a new trigger, and how. Every filter that is given must admit a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSelection {
    /// `route`: relays of this route, which must be deployed.
    pub route: RouteName,
    /// `reason`: only what has this reason.
    pub reason: Option<Reason>,
    /// `before`: only what failed before this moment; by default before this invocation began.
    pub before: Option<Timestamp>,
    /// `after`: goes on behind this place, where an earlier invocation stopped.
    pub after: Option<FailedPlace>,
    /// `max`: the most triggers to send, 1 to [`MOST`]; [`MOST`] by default.
    pub max: usize,
    /// `perSecond`: how many are sent per second, 1 to 1000; 10 by default.
    pub per_second: u32,
    /// `dryRun`: only counts what would be sent.
    pub dry_run: bool,
}

/// Which B is deleted: `{"action":"remove"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// `relay`: the relay whose stamp both carry.
    pub relay: RelayId,
    /// `instance`: the B that is deleted for good.
    pub instance: InstanceId,
    /// `keep`: the B that stays, if it is not the one on record.
    pub keep: Option<InstanceId>,
    /// `dryRun`: only checks, and changes nothing.
    pub dry_run: bool,
}

impl TryFrom<Value> for Request {
    type Error = RequestError;

    fn try_from(event: Value) -> Result<Self, RequestError> {
        let Value::Object(fields) = event else {
            return Err(RequestError::NotAnObject);
        };
        match fields.get("action").and_then(Value::as_str) {
            Some("inspect") => {
                let fields = Fields::new("inspect", &["max"], fields)?;
                let max = fields.count("max", MOST)?.unwrap_or(INSPECTED);
                Ok(Self::Inspect { max })
            }
            Some("redrive") if fields.get("from").and_then(Value::as_str) == Some("ledger") => {
                let allowed = [
                    "from",
                    "route",
                    "reason",
                    "before",
                    "after",
                    "max",
                    "perSecond",
                    "dryRun",
                ];
                let fields = Fields::new("redrive from the ledger", &allowed, fields)?;
                Ok(Self::Resend(FailedSelection {
                    route: fields.required_route()?,
                    reason: fields.reason()?,
                    before: fields.before()?,
                    after: fields.after()?,
                    max: fields.count("max", MOST)?.unwrap_or(MOST),
                    per_second: fields
                        .count("perSecond", MOST_PER_SECOND)?
                        .unwrap_or(PER_SECOND),
                    dry_run: fields.flag("dryRun")?,
                }))
            }
            Some("redrive") => {
                let allowed = [
                    "from",
                    "route",
                    "reason",
                    "before",
                    "max",
                    "perSecond",
                    "dryRun",
                ];
                let fields = Fields::new("redrive", &allowed, fields)?;
                fields.must_be_from_queue()?;
                Ok(Self::Redrive(Selection {
                    route: fields.route()?,
                    reason: fields.reason()?,
                    before: fields.before()?,
                    max: fields.count("max", MOST)?.unwrap_or(MOST),
                    per_second: fields
                        .count("perSecond", MOST_PER_SECOND)?
                        .unwrap_or(PER_SECOND),
                    dry_run: fields.flag("dryRun")?,
                }))
            }
            Some("remove") => {
                let allowed = ["relay", "instance", "keep", "dryRun"];
                let fields = Fields::new("remove", &allowed, fields)?;
                Ok(Self::Remove(Removal {
                    relay: fields.relay()?,
                    instance: fields.required_instance()?,
                    keep: fields.instance("keep")?,
                    dry_run: fields.flag("dryRun")?,
                }))
            }
            Some("resume") => {
                let fields = Fields::new("resume", &["route"], fields)?;
                let route = fields.required_route()?;
                Ok(Self::Resume { route })
            }
            _ => Err(RequestError::Action),
        }
    }
}

impl Selection {
    /// The request that goes on after `sent` were sent back since `began`. What has failed again since then is not
    /// selected.
    pub(crate) fn rest(&self, sent: usize, began: Timestamp) -> Value {
        let before = self.before.unwrap_or(began);
        let left = self.max.saturating_sub(sent).max(1);
        request([
            ("action", Some(json!("redrive"))),
            ("before", Some(json!(before.to_string()))),
            ("perSecond", Some(json!(self.per_second))),
            ("max", (self.max < MOST).then(|| json!(left))),
            ("route", self.route.as_ref().map(|it| json!(it.to_string()))),
            ("reason", self.reason.map(|it| json!(it.code()))),
        ])
    }
}

impl FailedSelection {
    /// The request that goes on behind `place`, with what failed before the same moment.
    pub(crate) fn rest(&self, before: Timestamp, place: Option<&FailedPlace>) -> Value {
        request([
            ("action", Some(json!("redrive"))),
            ("from", Some(json!("ledger"))),
            ("route", Some(json!(self.route.to_string()))),
            ("before", Some(json!(before.to_string()))),
            ("perSecond", Some(json!(self.per_second))),
            ("dryRun", Some(json!(self.dry_run))),
            ("max", (self.max < MOST).then(|| json!(self.max))),
            ("reason", self.reason.map(|it| json!(it.code()))),
            ("after", place.map(|it| json!(it.to_string()))),
        ])
    }
}

/// A request of the fields that have a value.
fn request<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter();
    let given = fields.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    fn request(event: Value) -> Result<Request, RequestError> {
        event.try_into()
    }

    fn refused(event: Value) -> String {
        request(event).unwrap_err().to_string()
    }

    fn selection(event: Value) -> Selection {
        match request(event).unwrap() {
            Request::Redrive(selection) => selection,
            other => panic!("another request: {other:?}"),
        }
    }

    #[test]
    fn every_field_has_a_default() {
        let inspect = request(json!({"action": "inspect"}));
        assert_eq!(inspect, Ok(Request::Inspect { max: 10_000 }));
        let all = Selection {
            route: None,
            reason: None,
            before: None,
            max: MOST,
            per_second: 10,
            dry_run: false,
        };
        assert_eq!(selection(json!({"action": "redrive"})), all);
        let nulls = json!({"action": "redrive", "route": null, "before": null, "dryRun": null});
        assert_eq!(selection(nulls), all);
    }

    #[test]
    fn a_removal_names_the_relay_and_the_b_to_delete() {
        const GUID: &str = "3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
        let (relay, b) = (format!("r:{GUID}"), format!("1/{GUID}"));
        let least = json!({"action": "remove", "relay": relay, "instance": b});
        let removal = |keep: Option<&str>, dry_run| {
            Ok(Request::Remove(Removal {
                relay: relay.parse().unwrap(),
                instance: b.parse().unwrap(),
                keep: keep.map(|it| it.parse().unwrap()),
                dry_run,
            }))
        };
        assert_eq!(request(least.clone()), removal(None, false));
        let other = b.replace("77", "78");
        let mut all = least.clone();
        (all["keep"], all["dryRun"]) = (json!(other), json!(true));
        assert_eq!(request(all), removal(Some(&other), true));
        for field in ["relay", "instance", "keep"] {
            let mut wrong = least.clone();
            wrong[field] = json!("hemmelig");
            let told = refused(wrong);
            assert!(told.starts_with(&format!("`{field}` must be")), "{told}");
            assert!(!told.contains("hemmelig"), "{told}");
        }
    }

    #[test]
    fn a_route_is_resumed_by_its_name() {
        let route = "permit-to-casework";
        let resumed = request(json!({"action": "resume", "route": route}));
        let route = route.parse().unwrap();
        assert_eq!(resumed, Ok(Request::Resume { route }));
        let nameless = refused(json!({"action": "resume"}));
        assert_eq!(nameless, "`route` must be the name of a route");
    }

    #[test]
    fn every_filter_is_read() {
        let given = selection(json!({
            "action": "redrive", "route": "permit-to-casework", "reason": "owner_unknown",
            "before": "2026-11-22T11:00:00+01:00", "max": 7, "perSecond": 1000, "dryRun": true,
        }));
        let expected = Selection {
            route: Some("permit-to-casework".parse().unwrap()),
            reason: Some(Reason::OwnerUnknown),
            before: Some("2026-11-22T10:00:00Z".parse().unwrap()),
            max: 7,
            per_second: 1000,
            dry_run: true,
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn failed_relays_are_selected_by_their_route_and_place() {
        const PLACE: &str = "1795341600123/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77/permit-to-casework";
        let least = json!({"action": "redrive", "from": "ledger", "route": "permit-to-casework"});
        let all = FailedSelection {
            route: "permit-to-casework".parse().unwrap(),
            reason: None,
            before: None,
            after: None,
            max: MOST,
            per_second: 10,
            dry_run: false,
        };
        assert_eq!(request(least.clone()), Ok(Request::Resend(all.clone())));
        let mut on = least;
        on["after"] = json!(PLACE);
        let after = Some(PLACE.parse().unwrap());
        assert_eq!(
            request(on),
            Ok(Request::Resend(FailedSelection { after, ..all }))
        );
        for (field, value, says) in [
            ("route", json!(null), "`route` must be the name of a route"),
            ("after", json!("hemmelig"), "`after` must be the one"),
            (
                "from",
                json!("hemmelig"),
                "`from` must be \"queue\" or \"ledger\"",
            ),
        ] {
            let mut wrong = json!({"action": "redrive", "from": "ledger", "route": "r"});
            wrong[field] = value;
            let told = refused(wrong);
            assert!(
                told.starts_with(says) && !told.contains("hemmelig"),
                "{told}"
            );
        }
    }

    #[test]
    fn an_event_that_is_not_a_request_is_refused_with_what_is_allowed() {
        for event in [json!(null), json!([]), json!("inspect"), json!(1)] {
            assert_eq!(request(event), Err(RequestError::NotAnObject));
        }
        for event in [
            json!({}),
            json!({"action": "purge"}),
            json!({"action": ["inspect"]}),
            json!({"Action": "inspect"}),
        ] {
            assert_eq!(
                refused(event),
                r#"`action` must be "inspect", "redrive", "remove" or "resume""#
            );
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_those_that_are_allowed() {
        assert_eq!(
            refused(json!({"action": "redrive", "rute": "permit-to-casework"})),
            r#"redrive has no field "rute"; it takes from, route, reason, before, max, perSecond, dryRun"#
        );
        assert_eq!(
            refused(json!({"action": "inspect", "reason": "b_refused"})),
            r#"inspect has no field "reason"; it takes max"#
        );
    }

    #[test]
    fn a_bad_value_is_refused_with_the_name_of_its_field_and_what_is_allowed() {
        for (field, bad, says) in [
            (
                "route",
                json!("Permit To Casework"),
                "`route` is not a route name",
            ),
            ("route", json!(7), "`route` is not a route name"),
            (
                "reason",
                json!("broken"),
                "`reason` must be one of gate_closed, ",
            ),
            (
                "before",
                json!("yesterday"),
                "`before` must be a moment with its offset",
            ),
            (
                "before",
                json!("2026-11-22"),
                "`before` must be a moment with its offset",
            ),
            (
                "before",
                json!("2026-11-22T10:00:00+01:00[America/New_York]"),
                "`before` must be a moment with its offset",
            ),
            (
                "before",
                json!("2026-11-22T10:00:60Z"),
                "`before` must be a moment with its offset",
            ),
            (
                "max",
                json!(0),
                "`max` must be a whole number from 1 to 100000",
            ),
            (
                "max",
                json!(100_001),
                "`max` must be a whole number from 1 to 100000",
            ),
            ("max", json!(1.5), "`max` must be a whole number"),
            (
                "perSecond",
                json!(-1),
                "`perSecond` must be a whole number from 1 to 1000",
            ),
            (
                "perSecond",
                json!(1001),
                "`perSecond` must be a whole number from 1 to 1000",
            ),
            ("dryRun", json!("yes"), "`dryRun` must be true or false"),
        ] {
            let text = refused(json!({"action": "redrive", field: bad}));
            assert!(text.starts_with(says), "{text}");
        }
    }

    #[test]
    fn the_test_events_for_the_console_are_requests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/test-events");
        let mut read = 0;
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("redrive")
            {
                let event: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                assert!(request(event).is_ok(), "{}", path.display());
                read += 1;
            }
        }
        assert_ne!(read, 0);
    }

    #[test]
    fn the_requests_on_the_operators_page_are_requests() {
        let page = include_str!("../../../infra/OPERATE.md");
        let blocks = page.split("```json\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split_once("\n```"));
        let mut read = 0;
        for (text, _) in blocks {
            let event: Value = serde_json::from_str(text).unwrap();
            assert!(request(event).is_ok(), "{text}");
            read += 1;
        }
        assert!(read >= 4, "{read}");
    }

    proptest! {
        /// Whatever a request selects, the one that goes on is a request for the rest of the same.
        #[test]
        fn the_request_that_goes_on_is_read_as_the_rest(
            route in any::<bool>(), reason in any::<bool>(), max in 1..MOST, per_second in 1u32..1000, sent in 0usize..500,
        ) {
            let began: Timestamp = "2026-11-22T10:00:00.5Z".parse().unwrap();
            let route = route.then(|| "permit-to-casework".parse().unwrap());
            let reason = reason.then_some(Reason::Refused);
            let first = Selection { route: route.clone(), reason, before: None, max, per_second, dry_run: false };
            let rest = Selection { before: Some(began), max: max.saturating_sub(sent).max(1), ..first.clone() };
            prop_assert_eq!(selection(first.rest(sent, began)), rest);
            let place: FailedPlace =
                "1795341600123/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77/permit-to-casework".parse().unwrap();
            let Some(route) = route else { return Ok(()) };
            let first = FailedSelection { route, reason, before: None, after: None, max, per_second, dry_run: false };
            let rest = FailedSelection { before: Some(began), after: Some(place.clone()), ..first.clone() };
            prop_assert_eq!(request(first.rest(began, Some(&place))), Ok(Request::Resend(rest)));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,80}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("\\PC{0,80}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_event_panics_and_no_refusal_repeats_a_value(
            event in any_json(), field in prop::sample::select(vec![
                "route", "reason", "before", "max", "perSecond", "dryRun",
            ]), value in "[A-Z]{12}",
        ) {
            let _ = request(event.clone());
            let _ = request(json!({"action": event}));
            let _ = request(json!({"action": "redrive", field: event}));
            let text = refused(json!({"action": "redrive", field: value.clone()}));
            prop_assert!(text.contains(field) && !text.contains(&value));
        }
    }
}
