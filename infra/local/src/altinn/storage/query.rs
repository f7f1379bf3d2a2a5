//! The instance query with all its traps.
//!
//! Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs, src/Storage/Repository/PgInstanceRepository.cs,
//! src/Storage/Migration/FunctionsAndProcedures/readinstancefromquery.sql.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::altinn::answer::{self, Answer, Refusal};
use crate::altinn::clock::ticks;
use crate::altinn::dates;
use crate::altinn::instance::Instance;
use crate::altinn::token::Caller;
use crate::altinn::world::World;

const READ_SCOPE: &str = "altinn:serviceowner/instances.read";
const DEFAULT_SIZE: usize = 100;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/storage/api/v1/instances", get(query))
}

struct Query {
    org: Option<String>,
    app_id: Option<String>,
    party_id: Option<u32>,
    current_task: Option<String>,
    is_complete: Option<bool>,
    moments: Vec<(MomentField, Operator, Timestamp)>,
    exclude_confirmed_by: Option<String>,
    confirmed: Option<bool>,
    is_archived: Option<bool>,
    is_soft_deleted: Option<bool>,
    is_hard_deleted: Option<bool>,
    search: Option<String>,
    reference: Option<String>,
    only_migrated: bool,
    with_data: bool,
    descending: bool,
    size: usize,
    /// Microseconds and internal id after which the page begins.
    after: Option<(i64, i64)>,
    /// A continuation token that says nothing.
    nothing_follows: bool,
}

#[derive(Clone, Copy)]
enum MomentField {
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

async fn query(
    State(world): State<Arc<World>>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let caller = Caller::of(&world, &headers)?;
    let raw = raw.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect();
    let Some(org) = caller.org.clone() else {
        return Err(answer::empty(StatusCode::BAD_REQUEST).into());
    };
    if !caller.has_scope(READ_SCOPE) {
        return Err(answer::empty(StatusCode::FORBIDDEN).into());
    }
    let identifier = headers
        .get("x-ai-instanceowneridentifier")
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut query = Query::parse(&pairs)?;
    if query.org.is_none() && query.app_id.is_none() {
        return Err(bad("Org or AppId must be defined."));
    }
    if let Some(identifier) = identifier {
        if query.party_id.is_some() {
            return Err(bad(
                "Both InstanceOwner.PartyId and InstanceOwnerIdentifier cannot be present at the same time.",
            ));
        }
        match find_owner(&world, &identifier)? {
            Some(party) => query.party_id = Some(party),
            None => {
                return Ok(answer::json_value(
                    StatusCode::OK,
                    &json!({ "count": 0, "instances": [] }),
                ));
            }
        }
    }
    let foreign_org = query.org.as_deref().is_some_and(|asked| asked != org);
    let foreign_app = query
        .app_id
        .as_deref()
        .and_then(|id| id.split_once('/'))
        .is_some_and(|(owner, _)| owner != org);
    if foreign_org || foreign_app {
        let app = query.app_id.as_deref().and_then(|id| world.app_by_id(id));
        if !app.is_some_and(|app| world.permits(&app, &caller, "read")) {
            return Err(answer::empty(StatusCode::FORBIDDEN).into());
        }
    }
    let (mut instances, is_full, last) = page(&world, &query);
    instances.iter_mut().for_each(|view| {
        if query.with_data {
            world.shuffle_data(view)
        } else {
            view["data"] = json!([])
        }
    });
    let base = format!("{}/storage/api/v1/instances", world.public_url);
    let plain: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut response =
        json!({ "count": instances.len(), "self": format!("{base}?{}", plain.join("&")) });
    if let (true, Some(token)) = (is_full, last) {
        let mut encoded: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("continuationToken"))
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        encoded.push(format!(
            "continuationToken={}",
            encode(&encode(&token).to_lowercase())
        ));
        response["next"] = json!(format!("{base}?{}", encoded.join("&")));
    }
    response["instances"] = Value::Array(instances);
    Ok(answer::json_value(StatusCode::OK, &response))
}

fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// One page, whether it is full (before anything is filtered by authorization), and the continuation after it.
fn page(world: &World, query: &Query) -> (Vec<Value>, bool, Option<String>) {
    if query.nothing_follows || query.only_migrated {
        return (Vec::new(), false, None);
    }
    let store = world.store.lock();
    let mut rows: Vec<&Instance> = store
        .instances()
        .filter(|instance| query.matches(instance))
        .collect();
    if query.descending {
        // Ties are in ascending order of the id, yet the continuation below asks for smaller ids: the real one's bug.
        rows.sort_by_key(|instance| (std::cmp::Reverse(sort_key(instance)), instance.internal_id));
    } else {
        rows.sort_by_key(|instance| (sort_key(instance), instance.internal_id));
    }
    let follows = |instance: &&Instance| match (query.after, query.descending) {
        (None, _) => true,
        (Some(after), false) => (sort_key(instance), instance.internal_id) > after,
        (Some(after), true) => (sort_key(instance), instance.internal_id) < after,
    };
    let rows: Vec<&Instance> = rows.into_iter().filter(follows).take(query.size).collect();
    let is_full = !rows.is_empty() && rows.len() == query.size;
    let last = rows.last().map(|last| {
        let changed = Timestamp::from_microsecond(sort_key(last)).unwrap_or(last.last_changed);
        format!("{};{}", ticks(changed), last.internal_id)
    });
    (
        rows.into_iter()
            .map(|instance| instance.storage_view(&world.public_url))
            .collect(),
        is_full,
        last,
    )
}

/// The sort column is PostgreSQL's timestamp: microseconds.
fn sort_key(instance: &Instance) -> i64 {
    instance.last_changed.as_microsecond()
}

impl Query {
    fn parse(pairs: &[(String, String)]) -> Result<Self, Refusal> {
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
            Some(_) => Err(answer::binding_problem(name, "The value is not valid.")),
        };
        fn number<T: std::str::FromStr>(
            name: &str,
            value: Option<&str>,
        ) -> Result<Option<T>, Refusal> {
            let parse = |value: &str| {
                value
                    .parse::<T>()
                    .map_err(|_| answer::binding_problem(name, "The value is not valid."))
            };
            value
                .filter(|value| !value.is_empty())
                .map(parse)
                .transpose()
        }
        let mut moments = Vec::new();
        for (name, field) in [
            ("process.ended", MomentField::Ended),
            ("created", MomentField::Created),
            ("lastChanged", MomentField::LastChanged),
            ("dueBefore", MomentField::DueBefore),
            ("visibleAfter", MomentField::VisibleAfter),
        ] {
            let mut seen = Vec::new();
            for (_, value) in pairs
                .iter()
                .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            {
                if let Some((operator, at)) = date_expression(name, value)? {
                    if seen.contains(&operator) {
                        return Err(failed("An item with the same key has already been added."));
                    }
                    seen.push(operator);
                    moments.push((field, operator, at));
                }
            }
        }
        let reference = text("A3Ref");
        if reference
            .as_ref()
            .is_some_and(|reference| reference.len() != 12)
        {
            return Err(bad("A3Ref must be 12 characters."));
        }
        let include: Option<i32> = number("mainVersionInclude", first("mainVersionInclude"))?;
        let exclude: Option<i32> = number("mainVersionExclude", first("mainVersionExclude"))?;
        let order = text("order").unwrap_or_else(|| "desc:lastChanged".to_owned());
        let size = number::<usize>("size", first("size"))?.unwrap_or(DEFAULT_SIZE);
        let token = text("continuationToken").map(|token| decode_twice(&token));
        let after = token.as_deref().and_then(|token| {
            let (ticks, id) = token.split_once(';')?;
            let microseconds = (ticks.parse::<i128>().ok()? - 621_355_968_000_000_000) / 10;
            Some((i64::try_from(microseconds).ok()?, id.parse().ok()?))
        });
        Ok(Self {
            org: text("org"),
            app_id: text("appId"),
            party_id: number("instanceOwner.partyId", first("instanceOwner.partyId"))?,
            current_task: text("process.currentTask"),
            is_complete: flag("process.isComplete")?,
            moments,
            exclude_confirmed_by: text("excludeConfirmedBy"),
            confirmed: flag("confirmed")?,
            is_archived: flag("status.isArchived")?,
            is_soft_deleted: flag("status.isSoftDeleted")?,
            is_hard_deleted: flag("status.isHardDeleted")?,
            search: text("searchString"),
            reference,
            // Everything here is of main version 3, and nothing was migrated from Altinn 2.
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

    fn matches(&self, instance: &Instance) -> bool {
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
            && is(self.confirmed, confirmed_by(&instance.org))
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
                .moments
                .iter()
                .all(|(field, operator, limit)| holds(instance, *field, *operator, *limit))
    }
}

/// `created` and `lastChanged` are compared as times, the others as the text that stands in the document.
fn holds(instance: &Instance, field: MomentField, operator: Operator, limit: Timestamp) -> bool {
    let as_text = |value: Option<Timestamp>| {
        value.is_some_and(|value| operator.holds(&value.to_string(), &limit.to_string()))
    };
    match field {
        MomentField::Created => operator.holds(&instance.created, &limit),
        MomentField::LastChanged => operator.holds(&instance.last_changed, &limit),
        MomentField::Ended => as_text(instance.process.as_ref().and_then(|process| process.ended)),
        MomentField::DueBefore => as_text(instance.due_before),
        MomentField::VisibleAfter => as_text(instance.visible_after),
    }
}

/// Operator and time. None where the operator is none that Storage knows: the filter is then dropped without a word.
fn date_expression(name: &str, value: &str) -> Result<Option<(Operator, Timestamp)>, Refusal> {
    let invalid = || failed(&format!("Invalid date expression: {name}={value}"));
    let (operator, rest) = value.split_once(':').ok_or_else(invalid)?;
    let at = dates::parse(rest).ok_or_else(invalid)?;
    Ok(Operator::named(operator).map(|operator| (operator, at)))
}

/// The framework has decoded the query once; two more rounds make every level of encoding work.
fn decode_twice(token: &str) -> String {
    let once = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    once(&once(token))
}

fn find_owner(world: &World, identifier: &str) -> Result<Option<u32>, Refusal> {
    let malformed = || bad("Invalid instance owner identifier");
    let (kind, number) = identifier.split_once(':').ok_or_else(malformed)?;
    let digits =
        |count: usize| number.len() == count && number.bytes().all(|byte| byte.is_ascii_digit());
    let party = match kind.to_ascii_lowercase().as_str() {
        "person" if digits(11) => world.register.by_person_number(number),
        "organisation" if digits(9) => world.register.by_organisation_number(number),
        _ => return Err(malformed()),
    };
    Ok(party.map(|party| party.party_id()))
}

/// SQL's ILIKE: any case, `%` and `_` as wildcards.
fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    // Positions of the pattern that the text read so far can have reached.
    let mut reached = vec![false; pattern.len() + 1];
    let spread = |reached: &mut Vec<bool>| {
        for (index, char) in pattern.iter().enumerate() {
            if *char == '%' && reached[index] {
                reached[index + 1] = true;
            }
        }
    };
    reached[0] = true;
    spread(&mut reached);
    for char in text {
        let mut next = vec![false; pattern.len() + 1];
        for (index, wanted) in pattern.iter().enumerate() {
            if reached[index] {
                match wanted {
                    '%' => next[index] = true,
                    '_' => next[index + 1] = true,
                    wanted => next[index + 1] |= *wanted == char,
                }
            }
        }
        reached = next;
        spread(&mut reached);
    }
    reached.last().copied().unwrap_or(false)
}

fn bad(text: &str) -> Refusal {
    answer::text(StatusCode::BAD_REQUEST, text).into()
}

fn failed(text: &str) -> Refusal {
    answer::text(StatusCode::INTERNAL_SERVER_ERROR, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_expressions_have_the_traps_of_storage() {
        let read = |value| {
            date_expression("created", value).map(|found| found.map(|(_, at)| at.to_string()))
        };
        assert_eq!(
            read("gte:2026-08-20").unwrap().as_deref(),
            Some("2026-08-20T00:00:00Z")
        );
        assert_eq!(
            read("eq:2026-08-20T10:00:00Z").unwrap().as_deref(),
            Some("2026-08-20T10:00:00Z")
        );
        for dropped in [
            "2026-08-20T10:00:00Z",
            "ge:2026-08-20",
            "2026-08-20T10:10:10",
        ] {
            assert_eq!(read(dropped).unwrap(), None, "{dropped}");
        }
        for failing in [
            "2026-08-20",
            "2026-08-20T10:45:00Z",
            "gte:i dag",
            "gte:2026-08-20T00:00:00 02:00",
        ] {
            assert!(read(failing).is_err(), "{failing}");
        }
    }

    #[test]
    fn ilike_knows_its_wildcards() {
        for (text, pattern, like) in [
            ("Oppfølging", "%FØLG%", true),
            ("abc", "a_c", true),
            ("abc", "a%", true),
            ("abc", "b%", false),
            ("", "%", true),
            ("a", "", false),
            ("aab", "%ab", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }

    #[test]
    fn a_token_may_be_encoded_up_to_twice() {
        for token in ["1;2", "1%3b2", "1%253b2"] {
            assert_eq!(decode_twice(token), "1;2");
        }
    }
}
