//! The instance query with all its traps.
//!
//! Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs, src/Storage/Repository/PgInstanceRepository.cs,
//! src/Storage/Migration/FunctionsAndProcedures/readinstancefromquery.sql.

use std::ops::Bound;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Refusal};
use crate::store::{Place, Row};
use crate::token::Caller;
use crate::world::World;
use app_files::dates;
use testbed::clock::ticks;

const READ_SCOPE: &str = "altinn:serviceowner/instances.read";
const DEFAULT_SIZE: i32 = 100;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/storage/api/v1/instances", get(query))
}

struct Query {
    org: Option<String>,
    app_id: Option<String>,
    party_id: Option<u32>,
    current_task: Option<String>,
    is_complete: Option<bool>,
    moments: Vec<(MomentField, Operator, Limit)>,
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
    after: Option<Place>,
    /// A continuation token that says nothing.
    nothing_follows: bool,
}

/// What a moment is held against.
enum Limit {
    /// A time. The columns have microseconds.
    Moment(i64),
    /// A text, as it was sent.
    Text(String),
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
        // Users query their own parties in the portal, and not here.
        return Err(match &caller.user {
            Some(_) => {
                bad("Either InstanceOwnerPartyId or InstanceOwnerIdentifier need to be defined.")
            }
            None => answer::with_header(
                answer::client_error(StatusCode::BAD_REQUEST),
                header::CONTENT_TYPE,
                "application/json; charset=utf-8",
            )
            .into(),
        });
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
                    &json!({ "count": 0, "self": null, "next": null, "instances": [] }),
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
    let (mut instances, token) = page(&world, &query);
    instances.iter_mut().for_each(|view| {
        if query.with_data {
            world.shuffle_data(view)
        } else {
            view["data"] = json!([])
        }
    });
    let base = format!("{}/storage/api/v1/instances", world.public_url);
    let is_token = |name: &str| name.eq_ignore_ascii_case("continuationToken");
    let mut encoded: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| !is_token(name))
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    // What goes on is written encoded, its token twice.
    let own = match pairs.iter().find(|(name, _)| is_token(name)) {
        Some((_, token)) => {
            let token = encode_token(&decode_twice(token));
            format!("{}&continuationToken={token}", encoded.join("&"))
        }
        None => raw,
    };
    let next = token.map(|token| {
        encoded.push(format!("continuationToken={}", encode_token(&token)));
        format!("{base}?{}", encoded.join("&"))
    });
    let response = json!({
        "count": instances.len(), "self": format!("{base}?{own}"), "next": next, "instances": instances,
    });
    Ok(answer::json_value(StatusCode::OK, &response))
}

fn encode_token(token: &str) -> String {
    encode(&encode(token).to_lowercase())
}

fn encode(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// One page, and the continuation after it where the page is full (before anything is filtered by authorization).
fn page(world: &World, query: &Query) -> (Vec<Value>, Option<String>) {
    if query.size == 0 {
        return (Vec::new(), Some("0;-1".to_owned()));
    }
    if query.nothing_follows || query.only_migrated {
        return (Vec::new(), None);
    }
    let store = world.store.lock();
    let follows = |row: &&Row| match (query.after, query.descending) {
        (None, _) => true,
        (Some(after), false) => row.place() > after,
        // Ties are in ascending order of the id, yet smaller ids are asked for: the real one's bug.
        (Some(after), true) => row.place() < after,
    };
    // Each page scans from the filter on, not from the continuation (measured: the deeper, the slower).
    let listed = store
        .rows(query.begins())
        .filter(follows)
        .filter(|row| query.matches(row));
    let rows: Vec<&Row> = if query.descending {
        let mut rows: Vec<&Row> = listed.collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.place().0), row.place().1));
        rows.truncate(query.size);
        rows
    } else {
        listed.take(query.size).collect()
    };
    // It is made of the document, and compared with the column.
    let token = rows
        .last()
        .filter(|_| rows.len() == query.size)
        .map(|last| {
            let changed = last.instance.last_changed;
            format!("{};{}", ticks(changed), last.instance.internal_id)
        });
    let views = rows
        .into_iter()
        .map(|row| row.instance.storage_view(&world.public_url));
    (views.collect(), token)
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
                let (operator, limit) = date_expression(field, name, value)?;
                if seen.contains(&operator) {
                    return Err(invalid_date(name, value));
                }
                seen.push(operator);
                // A filter by an operator that Storage does not know is dropped without a word.
                if let Some(operator) = Operator::named(operator) {
                    moments.push((field, operator, limit));
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
        let size = number::<i32>("size", first("size"))?.unwrap_or(DEFAULT_SIZE);
        let size =
            usize::try_from(size).map_err(|_| failed("2201W: LIMIT must not be negative"))?;
        let token = text("continuationToken").map(|token| decode_twice(&token));
        let after = match token.as_deref().and_then(|token| token.split_once(';')) {
            None => None,
            Some((ticks, id)) => Some(read_token(ticks, id).ok_or_else(|| {
                broken("System.FormatException: The input string was not in a correct format.")
            })?),
        };
        let app_id = text("appId");
        if app_id.as_ref().is_some_and(|id| !id.contains('/')) {
            return Err(broken(
                "System.ArgumentException: App id can not be null or empty and must contain a slash",
            ));
        }
        Ok(Self {
            org: text("org"),
            app_id,
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

    /// Where a scan in the order of the column begins.
    fn begins(&self) -> Bound<Place> {
        let from = self.moments.iter().filter_map(|moment| match moment {
            (MomentField::LastChanged, Operator::NotBefore | Operator::After, limit) => match limit
            {
                Limit::Moment(at) => Some(*at),
                Limit::Text(_) => None,
            },
            _ => None,
        });
        from.max()
            .map_or(Bound::Unbounded, |at| Bound::Included((at, i64::MIN)))
    }

    fn matches(&self, row: &Row) -> bool {
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
            // A null is in neither list.
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
                .moments
                .iter()
                .all(|(field, operator, limit)| holds(row, *field, *operator, limit))
    }
}

/// `created` and `lastChanged` are columns and are compared as times, the others as the text that stands in the document.
fn holds(row: &Row, field: MomentField, operator: Operator, limit: &Limit) -> bool {
    let instance = &row.instance;
    let text = |value: Option<Timestamp>| value.map(|value| value.to_string());
    match (field, limit) {
        (MomentField::Created, Limit::Moment(limit)) => {
            operator.holds(&instance.created.as_microsecond(), limit)
        }
        (MomentField::LastChanged, Limit::Moment(limit)) => {
            operator.holds(&row.changed.as_microsecond(), limit)
        }
        (field, Limit::Text(limit)) => {
            let value = match field {
                MomentField::Ended => instance.process.as_ref().and_then(|process| process.ended),
                MomentField::DueBefore => instance.due_before,
                MomentField::VisibleAfter => instance.visible_after,
                MomentField::Created | MomentField::LastChanged => None,
            };
            text(value).is_some_and(|value| operator.holds(&value, limit))
        }
        (_, Limit::Moment(_)) => false,
    }
}

/// Operator and limit.
fn date_expression<'v>(
    field: MomentField,
    name: &str,
    value: &'v str,
) -> Result<(&'v str, Limit), Refusal> {
    let invalid = || invalid_date(name, value);
    let (operator, rest) = value.split_once(':').ok_or_else(invalid)?;
    let limit = match field {
        MomentField::Created | MomentField::LastChanged => {
            Limit::Moment(dates::parse(rest).ok_or_else(invalid)?.as_microsecond())
        }
        MomentField::Ended | MomentField::DueBefore | MomentField::VisibleAfter => {
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

/// Microseconds and internal id.
fn read_token(ticks: &str, id: &str) -> Option<Place> {
    let microseconds = (ticks.parse::<i128>().ok()? - 621_355_968_000_000_000).div_euclid(10);
    Some((i64::try_from(microseconds).ok()?, id.parse().ok()?))
}

/// The framework has decoded the query once; two more rounds make every level of encoding work.
fn decode_twice(token: &str) -> String {
    let once = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    once(&once(token))
}

fn find_owner(world: &World, identifier: &str) -> Result<Option<u32>, Refusal> {
    let (kind, number) = identifier
        .split_once(':')
        .ok_or_else(|| bad("Invalid InstanceOwnerIdentifier."))?;
    let digits =
        |count: usize| number.len() == count && number.bytes().all(|byte| byte.is_ascii_digit());
    let party = match kind.to_ascii_lowercase().as_str() {
        "person" if digits(11) => world.register.by_person_number(number),
        "person" => return Err(bad("Person number needs to be exactly 11 digits.")),
        "organisation" if digits(9) => world.register.by_organisation_number(number),
        "organisation" => return Err(bad("Organisation number needs to be exactly 9 digits.")),
        _ => return Err(bad("Invalid InstanceOwnerIdentifier.")),
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

/// A refusal of Storage's own: a JSON string (measured, tests/recorded/query-identifier-kind.json).
fn bad(text: &str) -> Refusal {
    answer::sentence(StatusCode::BAD_REQUEST, text).into()
}

/// A value that ASP.NET cannot bind. It names the property, and not the parameter (measured,
/// tests/recorded/query-bool-text.json). Those of `status.` have names without it.
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
    answer::binding_problem(name, &message)
}

/// What Storage says itself.
fn failed(text: &str) -> Refusal {
    answer::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text)).into()
}

/// What the framework says for it.
fn broken(text: &str) -> Refusal {
    answer::text(StatusCode::INTERNAL_SERVER_ERROR, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_expressions_have_the_traps_of_storage() {
        let read = |value| date_expression(MomentField::Created, "created", value);
        let time = |value| match read(value) {
            Ok((operator, Limit::Moment(at))) => Some((operator, at)),
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
        for dropped in [
            "2026-08-20T10:00:00Z",
            "ge:2026-08-20",
            "2026-08-20T10:10:10",
        ] {
            let (operator, _) = read(dropped).unwrap();
            assert!(Operator::named(operator).is_none(), "{dropped}");
        }
        for failing in [
            "2026-08-20",
            "2026-08-20T10:45:00Z",
            "gte:i dag",
            "gte:2026-08-20T00:00:00 02:00",
        ] {
            assert!(read(failing).is_err(), "{failing}");
        }
        // What is compared as text is not looked at.
        let (_, limit) = date_expression(MomentField::Ended, "process.ended", "gte:i dag").unwrap();
        assert!(matches!(limit, Limit::Text(text) if text == "i dag"));
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
