//! The parameters of the query: how they are read, and which rows they match.

use std::ops::Bound;

use app_files::dates;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::like::is_like;
use super::token::{decode_twice, read_token};
use crate::responses::{self, Refusal};
use crate::store::{Place, Row};

/// How many instances a page has where the caller does not say.
const DEFAULT_SIZE: i32 = 100;

/// A query. `None` means that the caller does not filter by the field.
pub(super) struct Query {
    pub(super) org: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) party_id: Option<u32>,
    current_task: Option<String>,
    is_complete: Option<bool>,
    dates: Vec<(DateField, Operator, Limit)>,
    exclude_confirmed_by: Option<String>,
    confirmed: Option<bool>,
    is_archived: Option<bool>,
    is_soft_deleted: Option<bool>,
    is_hard_deleted: Option<bool>,
    search: Option<String>,
    reference: Option<String>,
    pub(super) only_migrated: bool,
    pub(super) with_data: bool,
    pub(super) descending: bool,
    pub(super) size: usize,
    /// The place after which the page begins.
    pub(super) after: Option<Place>,
    /// Whether the continuation token has no `;`. Storage then answers an empty page.
    pub(super) nothing_follows: bool,
}

/// What a filter compares a date with.
enum Limit {
    /// A time in microseconds, the resolution of the columns.
    Time(i64),
    /// A text as the caller sent it.
    Text(String),
}

#[derive(Clone, Copy)]
enum DateField {
    Ended,
    Created,
    LastChanged,
    DueBefore,
    VisibleAfter,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    After,
    NotBefore,
    Before,
    NotAfter,
    At,
}

impl Operator {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gt" => Self::After,
            "gte" => Self::NotBefore,
            "lt" => Self::Before,
            "lte" => Self::NotAfter,
            "eq" => Self::At,
            _ => return None,
        })
    }

    fn holds<T: Ord + ?Sized>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::After => value > limit,
            Self::NotBefore => value >= limit,
            Self::Before => value < limit,
            Self::NotAfter => value <= limit,
            Self::At => value == limit,
        }
    }
}

impl Query {
    pub(super) fn parse(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let first = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let text = |name: &str| {
            first(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        let flag = |name: &str| match first(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(unbound(name, first(name).unwrap_or_default())),
        };
        fn number<T: std::str::FromStr>(
            name: &str,
            value: Option<&str>,
        ) -> Result<Option<T>, Refusal> {
            let parse = |value: &str| value.parse::<T>().map_err(|_| unbound(name, value));
            value
                .filter(|value| !value.is_empty())
                .map(parse)
                .transpose()
        }
        let reference = text("A3Ref");
        if reference
            .as_ref()
            .is_some_and(|reference| reference.len() != 12)
        {
            return Err(bad_request("A3Ref must be 12 characters."));
        }
        let include: Option<i32> = number("mainVersionInclude", first("mainVersionInclude"))?;
        let exclude: Option<i32> = number("mainVersionExclude", first("mainVersionExclude"))?;
        let order = text("order").unwrap_or_else(|| "desc:lastChanged".to_owned());
        let size = number::<i32>("size", first("size"))?.unwrap_or(DEFAULT_SIZE);
        let size =
            usize::try_from(size).map_err(|_| failed("2201W: LIMIT must not be negative"))?;
        let token = text("continuationToken").map(|token| decode_twice(&token));
        let after = match token.as_deref().and_then(|token| token.split_once(';')) {
            None => None,
            Some((ticks, id)) => Some(read_token(ticks, id).ok_or_else(|| {
                exception("System.FormatException: The input string was not in a correct format.")
            })?),
        };
        let app_id = text("appId");
        if app_id.as_ref().is_some_and(|id| !id.contains('/')) {
            return Err(exception(
                "System.ArgumentException: App id can not be null or empty and must contain a slash",
            ));
        }
        Ok(Self {
            org: text("org"),
            app_id,
            party_id: number("instanceOwner.partyId", first("instanceOwner.partyId"))?,
            current_task: text("process.currentTask"),
            is_complete: flag("process.isComplete")?,
            dates: date_filters(pairs)?,
            exclude_confirmed_by: text("excludeConfirmedBy"),
            confirmed: flag("confirmed")?,
            is_archived: flag("status.isArchived")?,
            is_soft_deleted: flag("status.isSoftDeleted")?,
            is_hard_deleted: flag("status.isHardDeleted")?,
            search: text("searchString"),
            reference,
            // All instances here have main version 3; none were migrated from Altinn 2.
            only_migrated: include.is_some_and(|version| version != 3)
                || exclude == Some(3)
                || first("dataValues.A2ArchRef").is_some(),
            with_data: flag("includeDataElements")?.unwrap_or(true),
            descending: order.starts_with("desc:"),
            size,
            nothing_follows: token.is_some() && after.is_none(),
            after,
        })
    }

    /// Where a scan of the rows begins, in the order of the column `lastChanged`.
    pub(super) fn start(&self) -> Bound<Place> {
        let from = self.dates.iter().filter_map(|filter| match filter {
            (DateField::LastChanged, Operator::NotBefore | Operator::After, limit) => match limit {
                Limit::Time(at) => Some(*at),
                Limit::Text(_) => None,
            },
            _ => None,
        });
        from.max()
            .map_or(Bound::Unbounded, |at| Bound::Included((at, i64::MIN)))
    }

    pub(super) fn matches(&self, row: &Row) -> bool {
        let instance = &row.instance;
        let process = instance.process.as_ref();
        let is = |wanted: Option<bool>, actual: bool| wanted.is_none_or(|wanted| wanted == actual);
        let confirmed_by = |stakeholder: &str| {
            instance
                .confirmations
                .iter()
                .any(|known| known.stakeholder == stakeholder)
        };
        let complete = self.is_complete.is_none_or(|wanted| {
            process.is_some_and(|process| {
                if wanted {
                    process.ended.is_some()
                } else {
                    process.current.is_some()
                }
            })
        });
        complete
            && self.org.as_ref().is_none_or(|org| *org == instance.org)
            && self.app_id.as_ref().is_none_or(|id| *id == instance.app_id)
            && self
                .party_id
                .is_none_or(|party| party == instance.owner.party_id)
            && self.current_task.as_ref().is_none_or(|task| {
                instance
                    .current_task()
                    .is_some_and(|current| current.element_id == *task)
            })
            && !self
                .exclude_confirmed_by
                .as_deref()
                .is_some_and(confirmed_by)
            // A row whose column is null matches neither value.
            && self.confirmed.is_none_or(|wanted| row.confirmed == Some(wanted))
            && is(self.is_archived, instance.status.archived.set)
            && is(self.is_soft_deleted, instance.status.soft_deleted.set)
            && is(self.is_hard_deleted, instance.status.hard_deleted.set)
            && self.search.as_ref().is_none_or(|search| {
                instance
                    .presentation_texts
                    .iter()
                    .flat_map(|texts| texts.values())
                    .any(|text| is_like(text, &format!("%{search}%")))
            })
            && self.reference.as_ref().is_none_or(|reference| {
                instance
                    .guid
                    .to_string()
                    .ends_with(&reference.to_lowercase())
            })
            && self
                .dates
                .iter()
                .all(|(field, operator, limit)| holds(row, *field, *operator, limit))
    }
}

/// The date filters of a query. Each field may be filtered once by each operator.
fn date_filters(pairs: &[(String, String)]) -> Result<Vec<(DateField, Operator, Limit)>, Refusal> {
    let mut filters = Vec::new();
    for (name, field) in [
        ("process.ended", DateField::Ended),
        ("created", DateField::Created),
        ("lastChanged", DateField::LastChanged),
        ("dueBefore", DateField::DueBefore),
        ("visibleAfter", DateField::VisibleAfter),
    ] {
        let mut seen = Vec::new();
        for (_, value) in pairs
            .iter()
            .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
        {
            let (operator, limit) = date_expression(field, name, value)?;
            if seen.contains(&operator) {
                return Err(invalid_date(name, value));
            }
            seen.push(operator);
            // Storage silently ignores a filter with an unknown operator.
            if let Some(operator) = Operator::named(operator) {
                filters.push((field, operator, limit));
            }
        }
    }
    Ok(filters)
}

/// `created` and `lastChanged` are columns, and are compared as times. The other dates are compared as the text in the document.
fn holds(row: &Row, field: DateField, operator: Operator, limit: &Limit) -> bool {
    let instance = &row.instance;
    let text = |value: Option<Timestamp>| value.map(|value| value.to_string());
    match (field, limit) {
        (DateField::Created, Limit::Time(limit)) => {
            operator.holds(&instance.created.as_microsecond(), limit)
        }
        (DateField::LastChanged, Limit::Time(limit)) => {
            operator.holds(&row.changed.as_microsecond(), limit)
        }
        (field, Limit::Text(limit)) => {
            let value = match field {
                DateField::Ended => instance.process.as_ref().and_then(|process| process.ended),
                DateField::DueBefore => instance.due_before,
                DateField::VisibleAfter => instance.visible_after,
                DateField::Created | DateField::LastChanged => None,
            };
            text(value).is_some_and(|value| operator.holds(&value, limit))
        }
        (_, Limit::Time(_)) => false,
    }
}

/// Reads `{operator}:{limit}`.
fn date_expression<'v>(
    field: DateField,
    name: &str,
    value: &'v str,
) -> Result<(&'v str, Limit), Refusal> {
    let invalid = || invalid_date(name, value);
    let (operator, rest) = value.split_once(':').ok_or_else(invalid)?;
    let limit = match field {
        DateField::Created | DateField::LastChanged => {
            Limit::Time(dates::parse(rest).ok_or_else(invalid)?.as_microsecond())
        }
        DateField::Ended | DateField::DueBefore | DateField::VisibleAfter => {
            Limit::Text(rest.to_owned())
        }
    };
    Ok((operator, limit))
}

fn invalid_date(name: &str, value: &str) -> Refusal {
    failed(&format!(
        "Invalid date expression: {value} for query key: {name}"
    ))
}

/// A bad request that Storage itself detects: a JSON string (measured, tests/recorded/query-identifier-kind.json).
pub(super) fn bad_request(text: &str) -> Refusal {
    responses::json_string(StatusCode::BAD_REQUEST, text).into()
}

/// A value that ASP.NET cannot bind. The message names the property, not the parameter (measured,
/// tests/recorded/query-bool-text.json); the properties of `status.` have no such prefix.
fn unbound(name: &str, value: &str) -> Refusal {
    let property: String = name
        .trim_start_matches("status.")
        .split('.')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect();
    let message = format!("The value '{value}' is not valid for {property}.");
    responses::binding_problem(name, &message)
}

/// An error with a text of Storage itself.
fn failed(text: &str) -> Refusal {
    responses::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text)).into()
}

/// An exception that the framework reports.
fn exception(text: &str) -> Refusal {
    responses::text(StatusCode::INTERNAL_SERVER_ERROR, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_expressions_are_read_as_storage_reads_them() {
        let read = |value| date_expression(DateField::Created, "created", value);
        let time = |value| match read(value) {
            Ok((operator, Limit::Time(at))) => Some((operator, at)),
            _ => None,
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        assert_eq!(
            time("gte:2026-08-20"),
            Some(("gte", at("2026-08-20T00:00:00Z")))
        );
        assert_eq!(
            time("eq:2026-08-20T10:00:00Z"),
            Some(("eq", at("2026-08-20T10:00:00Z")))
        );
        for ignored in [
            "2026-08-20T10:00:00Z",
            "ge:2026-08-20",
            "2026-08-20T10:10:10",
        ] {
            let (operator, _) = read(ignored).unwrap();
            assert!(Operator::named(operator).is_none(), "{ignored}");
        }
        for failing in [
            "2026-08-20",
            "2026-08-20T10:45:00Z",
            "gte:i dag",
            "gte:2026-08-20T00:00:00 02:00",
        ] {
            assert!(read(failing).is_err(), "{failing}");
        }
        // A limit that is compared as text is not checked.
        let (_, limit) = date_expression(DateField::Ended, "process.ended", "gte:i dag").unwrap();
        assert!(matches!(limit, Limit::Text(text) if text == "i dag"));
    }
}
