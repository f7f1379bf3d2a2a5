//! Lists of instances: Storage's query, a page at a time.
//!
//! Storage drops a filter that it does not understand without a word, and lists deleted instances
//! (Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs). So a query is built from
//! parts that are known to work, and can be held against what came.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::{Altinn, AltinnError, Budget, Instance, Trouble};
use crate::{
    draft::Owner,
    id::{AppId, InstanceId},
};

/// Instances on a page; Storage sets no bound, its own clients ask for no more.
pub const PAGE_SIZE: usize = 100;
/// Two changes at the same time may leave an instance with another `lastChanged` than the one that it is
/// listed by (Altinn/altinn-storage: src/Storage/Migration/FunctionsAndProcedures/updateinstance.sql).
const STRAY: Duration = Duration::from_secs(120);

/// What is asked of Storage. Its text is the query, whose every character may stand in a URL as it is.
///
/// Ascending by `lastChanged`: the descending order skips and repeats instances at page boundaries
/// (Altinn/altinn-storage: src/Storage/Migration/FunctionsAndProcedures/readinstancefromquery.sql).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The app.
    pub app: AppId,
    /// Where the process must be.
    pub process: Option<ProcessFilter>,
    /// Only what the app's owner has not confirmed.
    pub unconfirmed: bool,
    /// Made at this moment or later.
    pub created_from: Option<Timestamp>,
    /// Changed at this moment or later.
    pub changed_from: Option<Timestamp>,
    /// Changed before this moment.
    pub changed_before: Option<Timestamp>,
    /// Of this owner: a party's id stands in the query, the others' numbers in a header.
    pub owner: Option<Owner>,
    /// Whether the instances come with their data elements.
    pub with_elements: bool,
}

/// Where a process must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessFilter {
    /// It has ended.
    Ended,
    /// It stands in this task.
    InTask(String),
}

/// A page of Storage's query.
#[derive(Debug)]
pub struct Page {
    /// The instances, in the order of the list.
    pub instances: Vec<Instance>,
    /// The query of the next page, verbatim. A page without instances may have one as well.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    instances: Vec<Value>,
    #[serde(default)]
    next: Option<String>,
}

impl InstanceQuery {
    /// All instances of an app, without their data elements.
    #[must_use]
    pub fn of(app: AppId) -> Self {
        Self {
            app,
            process: None,
            unconfirmed: false,
            created_from: None,
            changed_from: None,
            changed_before: None,
            owner: None,
            with_elements: false,
        }
    }

    /// The first filter that `instance` does not satisfy: Storage has not understood, or has ignored it.
    /// The owner is not looked at: Storage knows owners by more numbers than an instance tells.
    #[must_use]
    pub fn ignored_for(&self, instance: &Instance) -> Option<&'static str> {
        let changed = instance.last_changed;
        let process = &instance.process;
        let in_task = match &self.process {
            None => true,
            Some(ProcessFilter::Ended) => process.ended.is_some(),
            Some(ProcessFilter::InTask(wanted)) => process
                .current_task
                .as_ref()
                .is_some_and(|task| task.element_id == *wanted),
        };
        let is_confirmed = || {
            let owner = self.app.org();
            instance.confirmed_by.iter().any(|by| by == owner)
        };
        let is_since = |from: Timestamp| {
            let least = from.checked_sub(STRAY).unwrap_or(Timestamp::MIN);
            changed.is_some_and(|at| at >= least)
        };
        let is_before = |before: Timestamp| {
            let most = before.checked_add(STRAY).unwrap_or(Timestamp::MAX);
            changed.is_some_and(|at| at < most)
        };
        let filters = [
            ("appId", instance.app == self.app),
            (
                match self.process {
                    Some(ProcessFilter::InTask(_)) => "process.currentTask",
                    _ => "process.isComplete",
                },
                in_task,
            ),
            ("confirmed", !self.unconfirmed || !is_confirmed()),
            (
                "created",
                self.created_from
                    .is_none_or(|from| instance.created.is_some_and(|at| at >= from)),
            ),
            (
                "lastChanged",
                self.changed_from.is_none_or(is_since) && self.changed_before.is_none_or(is_before),
            ),
        ];
        filters
            .into_iter()
            .find_map(|(name, holds)| (!holds).then_some(name))
    }

    /// The header that names an owner by number.
    fn identifier(&self) -> Option<String> {
        match &self.owner {
            Some(Owner::Organisation(number)) => Some(format!("Organisation:{number}")),
            Some(Owner::Person(number)) => Some(format!("Person:{number}")),
            Some(Owner::Party(_)) | None => None,
        }
    }
}

impl fmt::Display for InstanceQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "appId={}", self.app)?;
        match &self.process {
            None => {}
            Some(ProcessFilter::Ended) => f.write_str("&process.isComplete=true")?,
            Some(ProcessFilter::InTask(task)) => {
                let task = Encoded(task);
                write!(f, "&process.currentTask={task}")?;
            }
        }
        if self.unconfirmed {
            f.write_str("&confirmed=false")?;
        }
        if let Some(from) = self.created_from {
            write!(f, "&created=gte:{}", Moment(from))?;
        }
        if let Some(from) = self.changed_from {
            write!(f, "&lastChanged=gte:{}", Moment(from))?;
        }
        if let Some(before) = self.changed_before {
            write!(f, "&lastChanged=lt:{}", Moment(before))?;
        }
        if let Some(Owner::Party(party)) = self.owner {
            write!(f, "&instanceOwner.partyId={party}")?;
        }
        if !self.with_elements {
            f.write_str("&includeDataElements=false")?;
        }
        write!(f, "&order=asc:lastChanged&size={PAGE_SIZE}")
    }
}

/// A moment in UTC, as fine as Storage compares it: PostgreSQL's microseconds, cut off.
struct Moment(Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

/// A text in which everything but letters and digits is percent-encoded.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'-' | b'.' | b'_' => write!(f, "{}", char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte)),
            byte => write!(f, "%{byte:02X}"),
        })
    }
}

impl Altinn {
    /// One page of a list: the first one of `query`, or the one that the page before named as `next`.
    ///
    /// # Errors
    /// [`AltinnError`], also when one of its instances cannot be read: nothing is taken for absent that
    /// was not seen.
    pub async fn page(
        &self,
        budget: &Budget,
        doing: &str,
        query: &InstanceQuery,
        next: Option<&str>,
    ) -> Result<Page, AltinnError> {
        let malformed = |what| AltinnError::new(doing, Trouble::Malformed(what));
        let asked = next.map_or_else(|| query.to_string(), str::to_owned);
        let url = format!("{}?{asked}", self.storage("instances"));
        let identifier = query.identifier();
        let request = || {
            let request = self.platform_request(Method::GET, &url);
            match &identifier {
                Some(identifier) => request.header("X-Ai-InstanceOwnerIdentifier", identifier),
                None => request,
            }
        };
        let json = self.read_json(budget, doing, request).await?;
        let wire: Wire =
            serde_json::from_value(json).map_err(|_| malformed("a page of instances"))?;
        let mut instances = Vec::with_capacity(wire.instances.len());
        for json in wire.instances {
            // Its id tells where to look; what else is in it is not ours to repeat.
            let id = json
                .get("id")
                .and_then(|id| InstanceId::deserialize(id).ok());
            instances.push(Instance::from_json(json).map_err(|_| {
                let of = id.map(|id| format!(" (see instance {id})"));
                AltinnError::new(
                    &format!("{doing}{}", of.unwrap_or_default()),
                    Trouble::Malformed("a page of instances that can be read"),
                )
            })?);
        }
        let next = match wire.next {
            None => None,
            Some(next) => {
                // Its query goes back verbatim, its host is not ours to call.
                let next = Url::parse(&next).ok();
                let next = next.as_ref().and_then(Url::query);
                let next = next.ok_or_else(|| malformed("a page with a usable `next`"))?;
                if next == asked {
                    return Err(malformed("a list that goes on"));
                }
                Some(next.to_owned())
            }
        };
        Ok(Page { instances, next })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn permits() -> InstanceQuery {
        InstanceQuery::of("ttd/permit".parse().unwrap())
    }

    #[test]
    fn a_query_falls_into_none_of_storages_traps() {
        let query = InstanceQuery {
            process: Some(ProcessFilter::Ended),
            changed_from: Some(at("2026-11-22T10:00:00Z")),
            changed_before: Some(at("2026-11-22T12:45:00.123456789+01:00")),
            ..permits()
        };
        assert_eq!(
            query.to_string(),
            "appId=ttd/permit&process.isComplete=true&lastChanged=gte:2026-11-22T10:00:00.000000Z\
             &lastChanged=lt:2026-11-22T11:45:00.123456Z&includeDataElements=false&order=asc:lastChanged&size=100"
        );
    }

    #[test]
    fn a_query_of_a_task_carries_any_name_that_a_task_can_have() {
        let query = InstanceQuery {
            process: Some(ProcessFilter::InTask("Task_2 & så+%".into())),
            ..permits()
        };
        assert_eq!(
            query.to_string(),
            "appId=ttd/permit&process.currentTask=Task_2%20%26%20s%C3%A5%2B%25&includeDataElements=false\
             &order=asc:lastChanged&size=100"
        );
    }

    #[test]
    fn the_query_of_unconfirmed_ones_has_no_lower_end() {
        let query = InstanceQuery {
            process: Some(ProcessFilter::Ended),
            unconfirmed: true,
            changed_before: Some(at("2026-11-22T10:00:00Z")),
            ..permits()
        };
        assert_eq!(
            query.to_string(),
            "appId=ttd/permit&process.isComplete=true&confirmed=false&lastChanged=lt:2026-11-22T10:00:00.000000Z\
             &includeDataElements=false&order=asc:lastChanged&size=100"
        );
    }

    #[test]
    fn an_owner_stands_in_the_query_by_party_and_in_a_header_by_number() {
        let of = |owner| InstanceQuery {
            owner: Some(owner),
            with_elements: true,
            ..permits()
        };
        let party = of(Owner::Party(50_085_321));
        assert_eq!(
            party.to_string(),
            "appId=ttd/permit&instanceOwner.partyId=50085321&order=asc:lastChanged&size=100"
        );
        assert_eq!(party.identifier(), None);
        let person = of(Owner::Person("12837832290".into()));
        assert!(!person.to_string().contains("12837832290"));
        assert_eq!(person.identifier().as_deref(), Some("Person:12837832290"));
    }

    fn instance(change: impl FnOnce(&mut Value)) -> Instance {
        let mut json = json!({
            "id": "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10", "appId": "ttd/permit",
            "process": {"ended": "2026-11-22T10:00:00Z"},
            "created": "2026-11-22T09:00:00Z", "lastChanged": "2026-11-22T10:00:00Z",
        });
        change(&mut json);
        Instance::from_json(json).unwrap()
    }

    #[test]
    fn each_filter_that_storage_ignores_is_recognised() {
        let asked = InstanceQuery {
            process: Some(ProcessFilter::Ended),
            unconfirmed: true,
            created_from: Some(at("2026-11-22T08:00:00Z")),
            changed_from: Some(at("2026-11-22T09:00:00Z")),
            changed_before: Some(at("2026-11-22T11:00:00Z")),
            ..permits()
        };
        assert_eq!(asked.ignored_for(&instance(|_| {})), None);
        for (field, value, filter) in [
            ("appId", json!("ttd/other"), "appId"),
            (
                "process",
                json!({"currentTask": {"elementId": "Task_1"}}),
                "process.isComplete",
            ),
            (
                "completeConfirmations",
                json!([{"stakeholderId": "ttd", "confirmedOn": "2026-11-22T10:30:00Z"}]),
                "confirmed",
            ),
            ("created", json!("2026-11-22T07:59:59Z"), "created"),
            ("lastChanged", json!("2026-11-22T08:30:00Z"), "lastChanged"),
            ("lastChanged", json!("2026-11-22T11:30:00Z"), "lastChanged"),
            ("lastChanged", json!(null), "lastChanged"),
        ] {
            let returned = instance(|json| json[field] = value);
            assert_eq!(asked.ignored_for(&returned), Some(filter), "{field}");
        }
        let in_task = InstanceQuery {
            process: Some(ProcessFilter::InTask("Task_2".into())),
            ..permits()
        };
        assert_eq!(
            in_task.ignored_for(&instance(|_| {})),
            Some("process.currentTask")
        );
    }

    #[test]
    fn what_others_confirmed_is_not_confirmed_by_the_owner() {
        let asked = InstanceQuery {
            unconfirmed: true,
            ..permits()
        };
        let by_others = instance(|json| {
            json["completeConfirmations"] =
                json!([{"stakeholderId": "nav", "confirmedOn": "2026-11-22T10:30:00Z"}]);
        });
        assert_eq!(asked.ignored_for(&by_others), None);
    }

    proptest! {
        #[test]
        fn no_task_breaks_out_of_its_parameter(task in "\\PC{1,30}") {
            let query = InstanceQuery { process: Some(ProcessFilter::InTask(task.clone())), ..permits() };
            let url = Url::parse(&format!("http://127.0.0.1/?{query}")).unwrap();
            let written = query.to_string();
            prop_assert_eq!(url.query(), Some(written.as_str()), "it goes over the wire as it is");
            let seen: Vec<_> = url.query_pairs().filter(|(name, _)| name == "process.currentTask").collect();
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(&seen[0].1, &task);
            prop_assert_eq!(url.query_pairs().count(), 5);
        }
    }
}
