//! Lists of instances: Storage's query, a page at a time.
//!
//! Storage drops a filter that it does not understand without a word, and lists deleted instances
//! (Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs). So a query is built from
//! parts that are known to work, and can be held against what came. [`super::cursor`] continues a list.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use jiff::{Timestamp, civil::Date};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    tolerant::{self, Tolerant},
};
use uuid::Uuid;

use super::{Altinn, AltinnError, Budget, Trouble, json};

/// Instances on a page, where the caller does not say otherwise: about 1.2 MB of JSON. Each page costs Storage a scan from
/// where it begins, so few are cheap.
pub const PAGE_SIZE: usize = 1_000;

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
    /// Made at this moment or later. `created` never moves: instance and column agree.
    pub created_from: Option<Timestamp>,
    /// Made at this moment or earlier.
    pub created_until: Option<Timestamp>,
    /// The process ended on this day (UTC) or later. Storage compares the texts of the moments, so a day is as
    /// fine as it gets (measured, wire-protocol of Storage d9364e40: `…33.5Z` sorts before `…33Z`).
    pub ended_from: Option<Date>,
    /// Storage's own time of the last change is this moment or later.
    pub changed_from: Option<Timestamp>,
    /// Storage's own time of the last change is before this moment.
    pub changed_before: Option<Timestamp>,
    /// Instances on a page at the most. Storage takes 20,000 and sets no bound (measured).
    pub size: usize,
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
#[derive(Debug, Default)]
pub struct Page {
    /// The instances, in the order of the list.
    pub instances: Vec<Instance>,
    /// What stands in the list and cannot be read as an instance.
    pub unreadable: Vec<Unreadable>,
    /// All of them in the order of the list, also those that the reader did not keep.
    pub(super) rows: Vec<Row>,
    /// The query of the next page, verbatim. A page without instances may have one as well.
    pub next: Option<String>,
}

/// A place in a list, and what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: Option<Uuid>,
    /// `lastChanged` as the document has it, in whole microseconds like Storage's column.
    pub(super) changed: Option<Timestamp>,
}

/// An element of a list that cannot be read as an instance. Holds personal data, and so does not print it.
pub struct Unreadable {
    /// Its id, where it has one.
    pub id: Option<InstanceId>,
    raw: Box<RawValue>,
}

impl Unreadable {
    /// Whether `text` stands in it anywhere, as a text of its own or within another.
    #[must_use]
    pub fn carries(&self, text: &str) -> bool {
        fn within(value: &Value, text: &str) -> bool {
            match value {
                Value::String(own) => own.contains(text),
                Value::Array(items) => items.iter().any(|item| within(item, text)),
                Value::Object(fields) => fields
                    .iter()
                    .any(|(name, value)| name.contains(text) || within(value, text)),
                _ => false,
            }
        }
        let json = self.raw.get();
        // Unfolded, a text is found however it is escaped.
        json.contains(text) || json::parse(json.as_bytes()).is_ok_and(|value| within(&value, text))
    }
}

impl fmt::Debug for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unreadable")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Unreadable {
    /// Where to look.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "instance {id}"),
            None => f.write_str("an instance without a readable id"),
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    instances: Vec<&'a RawValue>,
    #[serde(default)]
    next: Option<String>,
}

/// The fields of an element that cannot be read as a whole. Of one that is there twice the last one counts.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Fields<'a>(#[serde(borrow)] HashMap<String, &'a RawValue>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        json::parse(self.0.get(name)?.get().as_bytes()).ok()
    }

    fn id(&self) -> Option<InstanceId> {
        tolerant::read(&self.get("id")?).ok()
    }

    fn last_changed(&self) -> Option<Timestamp> {
        tolerant::moment(Tolerant(&self.get("lastChanged")?))
            .ok()
            .flatten()
    }
}

impl InstanceQuery {
    /// All instances of an app. They come without their data elements.
    #[must_use]
    pub fn of(app: AppId) -> Self {
        Self {
            app,
            process: None,
            unconfirmed: false,
            created_from: None,
            created_until: None,
            ended_from: None,
            changed_from: None,
            changed_before: None,
            size: PAGE_SIZE,
        }
    }

    /// The first filter that `instance` does not satisfy: Storage has not understood, or has ignored it.
    ///
    /// `lastChanged` and `confirmed` are not looked at: Storage filters by columns of its own that can disagree with the document (measured
    /// on Storage d9364e40: a write of data values beside a change of the process takes `lastChanged` back).
    #[must_use]
    pub fn ignored_for(&self, instance: &Instance) -> Option<&'static str> {
        let process = &instance.process;
        let in_task = match &self.process {
            None => true,
            Some(ProcessFilter::Ended) => process.ended.is_some(),
            Some(ProcessFilter::InTask(wanted)) => process
                .current_task
                .as_ref()
                .is_some_and(|task| task.element_id == *wanted),
        };
        // The column has microseconds, the document may have a digit more.
        let created = instance.created.map(in_microseconds);
        let made_since = |from| created.is_some_and(|at| at >= in_microseconds(from));
        let made_until = |until| created.is_some_and(|at| at <= in_microseconds(until));
        let ended_since = |day: Date| {
            let ended = process.ended.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
            ended.is_some_and(|at| at.date() >= day)
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
            (
                "created",
                self.created_from.is_none_or(made_since)
                    && self.created_until.is_none_or(made_until),
            ),
            ("process.ended", self.ended_from.is_none_or(ended_since)),
        ];
        filters
            .into_iter()
            .find_map(|(name, holds)| (!holds).then_some(name))
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
        if let Some(until) = self.created_until {
            write!(f, "&created=lte:{}", Moment(until))?;
        }
        if let Some(day) = self.ended_from {
            write!(f, "&process.ended=gte:{day}T00:00:00Z")?;
        }
        if let Some(from) = self.changed_from {
            write!(f, "&lastChanged=gte:{}", Moment(from))?;
        }
        if let Some(before) = self.changed_before {
            write!(f, "&lastChanged=lt:{}", Moment(before))?;
        }
        let size = self.size;
        write!(
            f,
            "&includeDataElements=false&order=asc:lastChanged&size={size}"
        )
    }
}

/// A moment without what PostgreSQL's column cuts off.
pub(super) fn in_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
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
    /// One page of a list: the first one of `query`, or the one that the page before named as `next`. Of its
    /// instances come those that `keep` keeps.
    ///
    /// # Errors
    /// [`AltinnError`]. An instance that cannot be read is none: it stands in the page as [`Unreadable`].
    pub async fn page(
        &self,
        budget: &Budget,
        doing: &str,
        query: &InstanceQuery,
        next: Option<&str>,
        keep: impl Fn(&Instance) -> bool + Sync,
    ) -> Result<Page, AltinnError> {
        let malformed = |what| AltinnError::new(doing, Trouble::Malformed(what));
        let asked = next.map_or_else(|| query.to_string(), str::to_owned);
        let url = format!("{}?{asked}", self.storage("instances"));
        let request = || self.platform_request(Method::GET, &url);
        let text = self.read_text(budget, doing, request).await?;
        let wire: Wire<'_> =
            serde_json::from_slice(&text).map_err(|_| malformed("a page of instances"))?;
        let mut page = Page::default();
        // One by one: unfolded, a page takes many times the memory that its text takes.
        for raw in wire.instances {
            page.take(raw, &keep);
        }
        page.next = match wire.next {
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
        Ok(page)
    }
}

impl Page {
    /// Leaves out what is known already. Its rows stay: they show where the list goes on.
    pub(super) fn drop_known(&mut self, known: impl Iterator<Item = Uuid>) {
        let known: HashSet<Uuid> = known.collect();
        self.instances.retain(|it| !known.contains(&it.id.guid));
        self.unreadable
            .retain(|it| it.id.is_none_or(|id| !known.contains(&id.guid)));
    }

    /// How many instances stand before one whose document is older: their own is younger than their place.
    #[must_use]
    pub fn drifted(&self) -> usize {
        let mut least = None;
        let mut drifted = 0;
        for at in self.rows.iter().rev().filter_map(|row| row.changed) {
            match least {
                Some(least) if at > least => drifted += 1,
                _ => least = Some(at),
            }
        }
        drifted
    }

    /// Adds an element of the list.
    fn take(&mut self, raw: &RawValue, keep: impl Fn(&Instance) -> bool) {
        let read = json::parse(raw.get().as_bytes())
            .ok()
            .and_then(|json| Instance::from_json(json).ok());
        let row = match &read {
            Some(instance) => Row {
                id: Some(instance.id.guid),
                changed: instance.last_changed.map(in_microseconds),
            },
            None => {
                let fields: Fields<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
                let id = fields.id();
                let changed = fields.last_changed();
                self.unreadable.push(Unreadable {
                    id,
                    raw: raw.to_owned(),
                });
                Row {
                    id: id.map(|id| id.guid),
                    changed: changed.map(in_microseconds),
                }
            }
        };
        self.rows.push(row);
        self.instances.extend(read.filter(|it| keep(it)));
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
             &lastChanged=lt:2026-11-22T11:45:00.123456Z&includeDataElements=false&order=asc:lastChanged&size=1000"
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
             &order=asc:lastChanged&size=1000"
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
             &includeDataElements=false&order=asc:lastChanged&size=1000"
        );
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
            created_until: Some(at("2026-11-22T09:00:00Z")),
            ended_from: Some("2026-11-22".parse().unwrap()),
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
            ("created", json!("2026-11-22T07:59:59Z"), "created"),
            ("created", json!("2026-11-22T09:00:01Z"), "created"),
            (
                "process",
                json!({"ended": "2026-11-21T23:59:59.9Z"}),
                "process.ended",
            ),
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
    fn what_storage_keeps_in_columns_is_not_held_against_the_document() {
        let asked = InstanceQuery {
            unconfirmed: true,
            changed_from: Some(at("2026-11-22T11:00:00Z")),
            changed_before: Some(at("2026-11-22T12:00:00Z")),
            ..permits()
        };
        let returned = instance(|json| {
            json["completeConfirmations"] =
                json!([{"stakeholderId": "ttd", "confirmedOn": "2026-11-22T10:30:00Z"}]);
        });
        assert_eq!(asked.ignored_for(&returned), None);
    }

    #[test]
    fn what_cannot_be_read_keeps_its_place_in_the_page_and_nothing_else_suffers() {
        let good = json!({
            "id": "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10", "appId": "ttd/permit",
            "lastChanged": "2026-11-22T10:00:00.1234567Z",
        });
        let broken = json!({
            "id": "50085321/0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301", "appId": 7,
            "lastChanged": "2026-11-22T10:00:01Z", "dataValues": {"stafett.relay": "r:1"},
        });
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        let escaped = r#"{"appId": null, "dataValues": {"stafett.relay": "r\u003a1"}}"#;
        let mut page = Page::default();
        for text in [
            &good.to_string(),
            &broken.to_string(),
            "null",
            &deep,
            escaped,
        ] {
            page.take(&RawValue::from_string(text.to_owned()).unwrap(), |_| true);
        }
        assert_eq!(page.instances.len(), 1);
        let row = |id: &str, changed: &str| Row {
            id: Some(id.parse().unwrap()),
            changed: Some(at(changed)),
        };
        let nothing = Row {
            id: None,
            changed: None,
        };
        assert_eq!(
            page.rows,
            [
                row(
                    "b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
                    "2026-11-22T10:00:00.123456Z"
                ),
                row(
                    "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301",
                    "2026-11-22T10:00:01Z"
                ),
                nothing,
                nothing,
                nothing,
            ]
        );
        let carries: Vec<bool> = page.unreadable.iter().map(|it| it.carries("r:1")).collect();
        assert_eq!(carries, [true, false, false, true], "however it is escaped");
        assert!(page.unreadable[0].to_string().contains("0e5b1c2d"));
        assert!(!format!("{page:?}").contains("stafett.relay"));
    }

    #[test]
    fn what_cannot_be_read_is_placed_by_any_date_that_altinn_writes() {
        let second = "2026-11-22T10:00:01";
        for (date, expected) in [
            ("", ""),
            (".5", ".5"),
            (".1234567Z", ".123456"),
            (".1234567", ".123456"),
            ("+00:00", ""),
        ] {
            let json = format!(
                r#"{{"id": 7, "lastChanged": null, "appId": null, "lastChanged": "{second}{date}"}}"#
            );
            let mut page = Page::default();
            page.take(&RawValue::from_string(json).unwrap(), |_| true);
            let changed = Some(at(&format!("{second}{expected}Z")));
            assert_eq!(page.rows, [Row { id: None, changed }], "{date}");
            assert_eq!(page.unreadable.len(), 1);
        }
    }

    #[test]
    fn an_instance_before_an_older_one_is_counted() {
        let rows = |seconds: &[i64]| Page {
            rows: seconds
                .iter()
                .map(|second| Row {
                    id: None,
                    changed: Timestamp::from_second(*second).ok(),
                })
                .collect(),
            ..Page::default()
        };
        for (seconds, drifted) in [(&[][..], 0), (&[1, 2, 2, 3], 0), (&[1, 9, 2, 8, 3], 2)] {
            assert_eq!(rows(seconds).drifted(), drifted, "{seconds:?}");
        }
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
