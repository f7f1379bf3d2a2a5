//! The query of a list of instances.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use stafett_core::{id::AppId, instance::Instance};

use crate::{altinn::percent, settings::PAGE_SIZE};

/// A query to Storage. Its text is the query of a URL, already percent-encoded.
///
/// Ascending by `lastChanged`: the descending order skips and repeats instances at page boundaries
/// (Altinn/altinn-storage: src/Storage/Migration/FunctionsAndProcedures/readinstancefromquery.sql).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceQuery {
    /// The app.
    pub app: AppId,
    /// Where the process must be.
    pub process: Option<ProcessFilter>,
    /// Only instances that the app's owner has not confirmed.
    pub unconfirmed: bool,
    /// Created at this moment or later. `created` never changes, so instance and column agree.
    pub created_from: Option<Timestamp>,
    /// Created at this moment or earlier.
    pub created_until: Option<Timestamp>,
    /// The process ended on this day (UTC) or later. Storage compares the texts of the moments, so nothing finer than a
    /// day works (measured on Storage d9364e40: `…33.5Z` sorts before `…33Z`).
    pub ended_from: Option<Date>,
    /// Storage's column `lastChanged` is this moment or later.
    pub changed_from: Option<Timestamp>,
    /// Storage's column `lastChanged` is before this moment.
    pub changed_before: Option<Timestamp>,
    /// The most instances on a page. Storage accepts 20,000 and sets no limit (measured).
    pub size: usize,
}

/// Where a process must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessFilter {
    /// It has ended.
    Ended,
    /// It is in this task.
    InTask(String),
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
            created_until: None,
            ended_from: None,
            changed_from: None,
            changed_before: None,
            size: PAGE_SIZE,
        }
    }

    /// The first filter that `instance` does not satisfy, which means that Storage has ignored it.
    ///
    /// `lastChanged` and `confirmed` are not checked, because Storage filters by columns that can disagree with the
    /// document (measured on Storage d9364e40: a write of data values beside a change of the process sets the column
    /// `lastChanged` back).
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
                let task = percent::encoded(task);
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

/// A moment in whole microseconds, as PostgreSQL's column has it.
pub(super) fn in_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A moment in UTC, cut to the microseconds of PostgreSQL.
struct Moment(Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn permits() -> InstanceQuery {
        InstanceQuery::of("ttd/permit".parse().unwrap())
    }

    #[test]
    fn a_query_is_written_as_storage_reads_it() {
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
    fn a_query_of_a_task_can_hold_any_task_name() {
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
    fn the_query_of_unconfirmed_instances_has_no_lower_end() {
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
    fn filters_by_a_column_are_not_checked_against_the_document() {
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
