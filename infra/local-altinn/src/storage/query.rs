//! The instance query. It ignores, drops and delays what Storage ignores, drops and delays.
//!
//! Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs, src/Storage/Repository/PgInstanceRepository.cs,
//! src/Storage/Migration/FunctionsAndProcedures/readinstancefromquery.sql.

mod filter;
mod like;
mod token;

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use serde_json::{Value, json};

use crate::responses::{self, HandlerResult, Refusal};
use crate::store::Row;
use crate::token::Caller;
use crate::world::World;
use filter::{Query, bad_request};
use token::{decode_twice, encode, encode_token, token_after};

const READ_SCOPE: &str = "altinn:serviceowner/instances.read";

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/storage/api/v1/instances", get(query))
}

async fn query(
    State(world): State<Arc<World>>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> HandlerResult {
    let caller = world.caller(&headers)?;
    let raw = raw.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect();
    let org = require_organisation(&caller)?;
    let mut query = Query::parse(&pairs)?;
    if query.org.is_none() && query.app_id.is_none() {
        return Err(bad_request("Org or AppId must be defined."));
    }
    let identifier = headers
        .get("x-ai-instanceowneridentifier")
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if let Some(identifier) = identifier {
        if query.party_id.is_some() {
            return Err(bad_request(
                "Both InstanceOwner.PartyId and InstanceOwnerIdentifier cannot be present at the same time.",
            ));
        }
        match find_owner(&world, &identifier)? {
            Some(party) => query.party_id = Some(party),
            None => {
                return Ok(responses::json_value(
                    StatusCode::OK,
                    &json!({ "count": 0, "self": null, "next": null, "instances": [] }),
                ));
            }
        }
    }
    require_access(&world, &caller, org, &query)?;
    let (mut instances, next_token) = page(&world, &query);
    for view in &mut instances {
        if query.with_data {
            world.shuffle_data(view);
        } else {
            view["data"] = json!([]);
        }
    }
    let (own, next) = links(&world, raw, &pairs, next_token);
    let response =
        json!({ "count": instances.len(), "self": own, "next": next, "instances": instances });
    Ok(responses::json_value(StatusCode::OK, &response))
}

/// The organisation of a caller that may query. Users cannot query here: they query their own parties in the portal.
fn require_organisation(caller: &Caller) -> Result<&str, Refusal> {
    let Some(org) = &caller.org else {
        return Err(match &caller.user {
            Some(_) => bad_request(
                "Either InstanceOwnerPartyId or InstanceOwnerIdentifier need to be defined.",
            ),
            None => responses::with_header(
                responses::client_error(StatusCode::BAD_REQUEST),
                header::CONTENT_TYPE,
                "application/json; charset=utf-8",
            )
            .into(),
        });
    };
    if !caller.has_scope(READ_SCOPE) {
        return Err(responses::empty(StatusCode::FORBIDDEN).into());
    }
    Ok(org)
}

/// Another organisation's instances are listed only by app, and only if the app's policy permits it.
fn require_access(world: &World, caller: &Caller, org: &str, query: &Query) -> Result<(), Refusal> {
    let foreign_org = query.org.as_deref().is_some_and(|asked| asked != org);
    let foreign_app = query
        .app_id
        .as_deref()
        .and_then(|id| id.split_once('/'))
        .is_some_and(|(owner, _)| owner != org);
    if !foreign_org && !foreign_app {
        return Ok(());
    }
    let app = query.app_id.as_deref().and_then(|id| world.app_by_id(id));
    if app.is_some_and(|app| world.permits(&app, caller, "read")) {
        Ok(())
    } else {
        Err(responses::empty(StatusCode::FORBIDDEN).into())
    }
}

/// The links `self` and `next`. Storage encodes the parameters of a continued query, and its token twice.
fn links(
    world: &World,
    raw: String,
    pairs: &[(String, String)],
    next_token: Option<String>,
) -> (String, Option<String>) {
    let base = format!("{}/storage/api/v1/instances", world.public_url);
    let is_token = |name: &str| name.eq_ignore_ascii_case("continuationToken");
    let mut encoded: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| !is_token(name))
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let own = match pairs.iter().find(|(name, _)| is_token(name)) {
        Some((_, token)) => {
            let token = encode_token(&decode_twice(token));
            format!("{}&continuationToken={token}", encoded.join("&"))
        }
        None => raw,
    };
    let next = next_token.map(|token| {
        encoded.push(format!("continuationToken={}", encode_token(&token)));
        format!("{base}?{}", encoded.join("&"))
    });
    (format!("{base}?{own}"), next)
}

/// One page, and the continuation token after it if the page is full.
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
        // Rows of the same time are sorted by ascending id, but Storage continues with smaller ids. This is a bug of Storage.
        (Some(after), true) => row.place() < after,
    };
    // Each page scans from the filter on, not from the continuation token (measured: later pages are slower).
    let listed = store
        .rows(query.start())
        .filter(follows)
        .filter(|row| query.matches(row));
    let rows: Vec<&Row> = if query.descending {
        let mut rows: Vec<&Row> = listed.collect();
        rows.sort_by_key(|row| (Reverse(row.place().0), row.place().1));
        rows.truncate(query.size);
        rows
    } else {
        listed.take(query.size).collect()
    };
    let last = rows.last().filter(|_| rows.len() == query.size);
    let next_token = last.map(|last| token_after(last));
    let views = rows
        .into_iter()
        .map(|row| row.instance.storage_view(&world.public_url));
    (views.collect(), next_token)
}

fn find_owner(world: &World, identifier: &str) -> Result<Option<u32>, Refusal> {
    let (kind, number) = identifier
        .split_once(':')
        .ok_or_else(|| bad_request("Invalid InstanceOwnerIdentifier."))?;
    let digits =
        |count: usize| number.len() == count && number.bytes().all(|byte| byte.is_ascii_digit());
    let party = match kind.to_ascii_lowercase().as_str() {
        "person" if digits(11) => world.register.by_person_number(number),
        "person" => return Err(bad_request("Person number needs to be exactly 11 digits.")),
        "organisation" if digits(9) => world.register.by_organisation_number(number),
        "organisation" => {
            return Err(bad_request(
                "Organisation number needs to be exactly 9 digits.",
            ));
        }
        _ => return Err(bad_request("Invalid InstanceOwnerIdentifier.")),
    };
    Ok(party.map(|party| party.party_id()))
}
