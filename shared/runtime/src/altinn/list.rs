//! Lists of instances: Storage's query, a page at a time.
//!
//! Storage silently drops a filter that it does not understand, and lists deleted instances as well
//! (Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs). So a query is built only from filters that
//! are known to work, and can be checked against the instances that came. [`super::cursor`] continues a list.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use jiff::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use stafett_core::{
    id::InstanceId,
    instance::Instance,
    tolerant::{self, Tolerant},
};
use uuid::Uuid;

use super::{
    budget::Budget,
    client::Altinn,
    error::{AltinnError, AltinnErrorKind, Call},
    json,
};

mod query;

use query::in_microseconds;
pub use query::{InstanceQuery, ProcessFilter};

/// A page of Storage's query.
#[derive(Debug, Default)]
pub struct Page {
    /// The instances, in the order of the list.
    pub instances: Vec<Instance>,
    /// The elements of the list that cannot be read as an instance.
    pub unreadable: Vec<Unreadable>,
    /// All elements in the order of the list, also those that the reader did not keep.
    pub(super) rows: Vec<Row>,
    /// The query of the next page, verbatim. A page without instances may have one as well.
    pub next: Option<String>,
}

/// An element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: Option<Uuid>,
    /// `lastChanged` as the document has it, in whole microseconds like Storage's column.
    pub(super) changed: Option<Timestamp>,
}

/// An element of a list that cannot be read as an instance. It holds personal data, which it does not print.
pub struct Unreadable {
    /// Its id, where it has one.
    pub id: Option<InstanceId>,
    raw: Box<RawValue>,
}

impl Unreadable {
    /// Whether any text or name in it contains `text`.
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
        // Parsed, so that a text is found even if it is escaped.
        json.contains(text) || json::parse(json.as_bytes()).is_ok_and(|value| within(&value, text))
    }
}

#[cfg(test)]
impl Unreadable {
    /// An element of a list with this text.
    pub(super) fn of(text: &str) -> Self {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Self { id: None, raw }
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
    /// Which instance it is.
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

/// The fields of an element that cannot be read as a whole. If a field appears twice, the last one counts.
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
        tolerant::timestamp(Tolerant(&self.get("lastChanged")?))
            .ok()
            .flatten()
    }
}

impl Altinn {
    /// One page of a list: the first one of `query`, or the one that the page before gave as `next`. It has those
    /// instances for which `keep` is true.
    ///
    /// # Errors
    /// [`AltinnError`]. An instance that cannot be read is not an error, but appears in the page as [`Unreadable`].
    pub async fn page(
        &self,
        budget: &Budget,
        call: &Call,
        query: &InstanceQuery,
        next: Option<&str>,
        keep: impl Fn(&Instance) -> bool + Sync,
    ) -> Result<Page, AltinnError> {
        let malformed = |what| AltinnError::new(call, AltinnErrorKind::Malformed(what));
        let asked = next.map_or_else(|| query.to_string(), str::to_owned);
        let url = format!("{}?{asked}", self.storage("instances"));
        let request = || self.platform_request(Method::GET, &url);
        let text = self.read_text(budget, call, request).await?;
        let wire: Wire<'_> =
            serde_json::from_slice(&text).map_err(|_| malformed("a page of instances"))?;
        let mut page = Page::default();
        // One by one, since a parsed page takes many times the memory of its text.
        for raw in wire.instances {
            page.take(raw, &keep);
        }
        page.next = match wire.next {
            None => None,
            Some(next) => {
                // Only its query is used, unchanged. Its host is never called.
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
    /// Removes the instances that are known already. Its rows stay, because they show where the list continues.
    pub(super) fn drop_known(&mut self, known: impl Iterator<Item = Uuid>) {
        let known: HashSet<Uuid> = known.collect();
        self.instances.retain(|it| !known.contains(&it.id.guid));
        self.unreadable
            .retain(|it| it.id.is_none_or(|id| !known.contains(&id.guid)));
    }

    /// How many instances come before one whose document is older, so that their document is newer than their place.
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
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_unreadable_instance_keeps_its_place_in_the_page_and_affects_no_other() {
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
    fn an_unreadable_instance_is_placed_by_any_date_that_altinn_writes() {
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
}
