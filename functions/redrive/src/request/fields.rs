//! The fields of a request, each read by the name and the form that it has.

use jiff::Timestamp;
use serde_json::{Map, Value};
use stafett_core::{
    id::{InstanceId, RouteName},
    moment,
    relay::{Reason, RelayId},
};
use stafett_runtime::ledger::FailedPlace;

use super::error::RequestError;

/// What `relay` may be.
const RELAY: &str = "a relay's id, as B's stamp has it: {route}:{A instance guid}, with :{16 hex digits} behind where the route has a key";
/// What `instance` and `keep` may be.
const INSTANCE: &str = "an instance id, {party}/{guid}";

/// The fields of a request, without its action. A field that is null counts as absent.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new(
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

    /// The value of a field, read by `read`; none where it is absent.
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
    pub(super) fn count<T>(&self, name: &'static str, most: T) -> Result<Option<T>, RequestError>
    where
        T: TryFrom<u64> + PartialOrd + std::fmt::Display,
    {
        let allowed = || format!("a whole number from 1 to {most}");
        self.parsed(name, allowed, |value| {
            let count = value.as_u64().filter(|count| *count > 0)?;
            T::try_from(count).ok().filter(|count| *count <= most)
        })
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, RequestError> {
        let flag = self.parsed(name, || "true or false".to_owned(), Value::as_bool)?;
        Ok(flag.unwrap_or_default())
    }

    pub(super) fn before(&self) -> Result<Option<Timestamp>, RequestError> {
        let allowed = || "a moment with its offset, such as \"2026-11-22T10:00:00Z\"".to_owned();
        self.parsed("before", allowed, |value| moment::parse(value.as_str()?))
    }

    /// The place that an earlier answer gave.
    pub(super) fn after(&self) -> Result<Option<FailedPlace>, RequestError> {
        let allowed = || "the one that an earlier answer gave in its `next`".to_owned();
        self.parsed("after", allowed, |value| value.as_str()?.parse().ok())
    }

    /// `from` says nothing else than what it says by default.
    pub(super) fn must_be_from_queue(&self) -> Result<(), RequestError> {
        let allowed = || "\"queue\" or \"ledger\"".to_owned();
        let is_queue = |value: &Value| (value.as_str()? == "queue").then_some(());
        self.parsed("from", allowed, is_queue).map(drop)
    }

    pub(super) fn reason(&self) -> Result<Option<Reason>, RequestError> {
        let allowed = || {
            let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
            format!("one of {}", codes.join(", "))
        };
        self.parsed("reason", allowed, |value| Reason::parse(value.as_str()?))
    }

    pub(super) fn relay(&self) -> Result<RelayId, RequestError> {
        let allowed = || RELAY.to_owned();
        let relay = self.parsed("relay", allowed, |value| value.as_str()?.parse().ok())?;
        relay.ok_or_else(|| RequestError::Value {
            name: "relay",
            allowed: allowed(),
        })
    }

    pub(super) fn required_instance(&self) -> Result<InstanceId, RequestError> {
        let instance = self.instance("instance")?;
        instance.ok_or_else(|| RequestError::Value {
            name: "instance",
            allowed: INSTANCE.to_owned(),
        })
    }

    pub(super) fn instance(&self, name: &'static str) -> Result<Option<InstanceId>, RequestError> {
        let allowed = || INSTANCE.to_owned();
        self.parsed(name, allowed, |value| value.as_str()?.parse().ok())
    }

    pub(super) fn required_route(&self) -> Result<RouteName, RequestError> {
        self.route()?.ok_or_else(|| RequestError::Value {
            name: "route",
            allowed: "the name of a route".to_owned(),
        })
    }

    pub(super) fn route(&self) -> Result<Option<RouteName>, RequestError> {
        let Some(value) = self.get("route") else {
            return Ok(None);
        };
        let name = value.as_str().unwrap_or_default();
        name.parse().map(Some).map_err(RequestError::Route)
    }
}
