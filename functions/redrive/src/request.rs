//! What an operator asks for.

use jiff::Timestamp;
use serde_json::{Map, Value};
use stafett_core::{
    id::{InstanceId, InvalidId, RouteName},
    relay::{Reason, RelayId},
};
use thiserror::Error;

use crate::{finding::Finding, remove::Removal};

/// The most dead letters that one invocation looks at. SQS hides 120 000 of a queue at most
/// (Amazon SQS Developer Guide, "Amazon SQS message quotas").
pub const MOST: usize = 100_000;
/// How many dead letters `inspect` looks at unless told.
const INSPECTED: usize = 10_000;
/// How many dead letters a second are sent back unless told.
const PER_SECOND: u32 = 10;
/// The most a second.
const MOST_PER_SECOND: u32 = 1000;

/// What `relay` may be.
const RELAY: &str = "a relay's id, as B's stamp has it: {route}:{A instance guid}, with :{16 hex digits} behind where the route has a key";
/// What `instance` and `keep` may be.
const INSTANCE: &str = "an instance id, {party}/{guid}";

/// A request that cannot be followed. Names fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a JSON object.
    #[error("the event must be one JSON object, such as {{\"action\":\"inspect\"}}")]
    NotAnObject,
    /// No `action`, or none that there is.
    #[error("`action` must be \"inspect\", \"redrive\" or \"remove\"")]
    Action,
    /// A field that the action does not have.
    #[error("{action} has no field {name:?}; it takes {allowed}")]
    Unknown {
        /// The field.
        name: String,
        /// The action.
        action: &'static str,
        /// What it takes.
        allowed: String,
    },
    /// A field whose value it cannot have, or that must be there.
    #[error("`{name}` must be {allowed}")]
    Value {
        /// The field.
        name: &'static str,
        /// What it may be.
        allowed: String,
    },
    /// A route's name that none can have.
    #[error("`route` is {0}")]
    Route(InvalidId),
}

/// What an operator asks for: the payload of the invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `{"action":"inspect"}`, with an optional `max`: groups what is in the dead-letter queue.
    Inspect {
        /// The most dead letters to look at, 1 to [`MOST`]; 10 000 unless given.
        max: usize,
    },
    /// `{"action":"redrive"}`: sends a selection back to the queue.
    Redrive(Selection),
    /// `{"action":"remove"}`: takes away one of two B with one stamp.
    Remove(Removal),
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
    /// `max`: the most dead letters to send back, 1 to [`MOST`], which it is unless given.
    pub max: usize,
    /// `perSecond`: how many are sent back a second, 1 to 1000; 10 unless given.
    pub per_second: u32,
    /// `dryRun`: only counts what would be sent back.
    pub dry_run: bool,
}

impl Selection {
    /// Whether a dead letter is to be sent back: what was found of it, and when it was first sent.
    pub(crate) fn admits(&self, finding: &Finding, sent: Timestamp) -> bool {
        let route = self.route.as_ref();
        route.is_none_or(|route| finding.route.as_ref() == Some(route))
            && self
                .reason
                .is_none_or(|reason| finding.reason == Some(reason))
            && self.before.is_none_or(|before| sent < before)
    }
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
            Some("redrive") => {
                let allowed = ["route", "reason", "before", "max", "perSecond", "dryRun"];
                let fields = Fields::new("redrive", &allowed, fields)?;
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
            _ => Err(RequestError::Action),
        }
    }
}

/// The fields of a request beside its action; one that is null is as good as none.
struct Fields(Map<String, Value>);

impl Fields {
    fn new(
        action: &'static str,
        allowed: &[&str],
        mut fields: Map<String, Value>,
    ) -> Result<Self, RequestError> {
        fields.remove("action");
        match fields.keys().find(|name| !allowed.contains(&name.as_str())) {
            None => Ok(Self(fields)),
            Some(name) => Err(RequestError::Unknown {
                name: name.chars().take(40).collect(),
                action,
                allowed: allowed.join(", "),
            }),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A field that is read by `read`.
    fn parsed<T>(
        &self,
        name: &'static str,
        allowed: impl FnOnce() -> String,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, RequestError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(RequestError::Value {
                name,
                allowed: allowed(),
            }),
        }
    }

    /// A whole number from 1 to `most`.
    fn count<T>(&self, name: &'static str, most: T) -> Result<Option<T>, RequestError>
    where
        T: TryFrom<u64> + PartialOrd + std::fmt::Display,
    {
        let allowed = || format!("a whole number from 1 to {most}");
        self.parsed(name, allowed, |value| {
            let count = value.as_u64().filter(|count| *count > 0)?;
            T::try_from(count).ok().filter(|count| *count <= most)
        })
    }

    fn flag(&self, name: &'static str) -> Result<bool, RequestError> {
        let flag = self.parsed(name, || "true or false".to_owned(), Value::as_bool)?;
        Ok(flag.unwrap_or_default())
    }

    fn before(&self) -> Result<Option<Timestamp>, RequestError> {
        let allowed = || "a moment with its offset, such as \"2026-11-22T10:00:00Z\"".to_owned();
        self.parsed("before", allowed, |value| value.as_str()?.parse().ok())
    }

    fn reason(&self) -> Result<Option<Reason>, RequestError> {
        let allowed = || {
            let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
            format!("one of {}", codes.join(", "))
        };
        self.parsed("reason", allowed, |value| Reason::parse(value.as_str()?))
    }

    fn relay(&self) -> Result<RelayId, RequestError> {
        let allowed = || RELAY.to_owned();
        let relay = self.parsed("relay", allowed, |value| value.as_str()?.parse().ok())?;
        relay.ok_or_else(|| RequestError::Value {
            name: "relay",
            allowed: allowed(),
        })
    }

    fn required_instance(&self) -> Result<InstanceId, RequestError> {
        let instance = self.instance("instance")?;
        instance.ok_or_else(|| RequestError::Value {
            name: "instance",
            allowed: INSTANCE.to_owned(),
        })
    }

    fn instance(&self, name: &'static str) -> Result<Option<InstanceId>, RequestError> {
        let allowed = || INSTANCE.to_owned();
        self.parsed(name, allowed, |value| value.as_str()?.parse().ok())
    }

    fn route(&self) -> Result<Option<RouteName>, RequestError> {
        let Some(value) = self.get("route") else {
            return Ok(None);
        };
        let name = value.as_str().unwrap_or_default();
        name.parse().map(Some).map_err(RequestError::Route)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;
    use serde_json::json;

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
    fn everything_may_be_left_to_its_default() {
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
    fn a_removal_names_the_relay_and_the_b_that_goes() {
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
    fn what_is_no_request_is_told_what_one_is() {
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
                r#"`action` must be "inspect", "redrive" or "remove""#
            );
        }
    }

    #[test]
    fn an_unknown_filter_is_named_with_those_that_there_are() {
        assert_eq!(
            refused(json!({"action": "redrive", "rute": "permit-to-casework"})),
            r#"redrive has no field "rute"; it takes route, reason, before, max, perSecond, dryRun"#
        );
        assert_eq!(
            refused(json!({"action": "inspect", "reason": "b_refused"})),
            r#"inspect has no field "reason"; it takes max"#
        );
    }

    #[test]
    fn a_bad_value_is_refused_by_the_name_of_its_field_with_what_it_may_be() {
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

        #[test]
        fn a_dead_letter_is_admitted_if_every_filter_that_is_given_admits_it(
            route in prop::option::of(0..2), reason in prop::option::of(0..2), before in prop::option::of(0i64..3),
            its_route in prop::option::of(0..2), its_reason in prop::option::of(0..2), sent in 0i64..3,
        ) {
            let name = |number: i32| format!("route-{number}").parse::<RouteName>().unwrap();
            let code = |number: i32| if number == 0 { Reason::Refused } else { Reason::OrphanLeft };
            let moment = |second| Timestamp::from_second(second).unwrap();
            let selection = Selection {
                route: route.map(name), reason: reason.map(code), before: before.map(moment),
                max: 1, per_second: 1, dry_run: false,
            };
            let finding = Finding {
                route: its_route.map(name), reason: its_reason.map(code), instance: None, state: None,
            };
            let expected = route.is_none_or(|it| Some(it) == its_route)
                && reason.is_none_or(|it| Some(it) == its_reason)
                && before.is_none_or(|it| sent < it);
            prop_assert_eq!(selection.admits(&finding, moment(sent)), expected);
        }
    }
}
