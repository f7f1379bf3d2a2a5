//! Who has which instances.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use minijinja::{Value as Shown, context};
use serde_json::Value;

use crate::{Site, visit::Visit};

use super::{instances, kind, party_name, standing, time, title};

pub(super) async fn all(State(site): State<Site>, visit: Visit) -> Response {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, instance) in instances(&site) {
        *counts.entry(owner(&instance).to_owned()).or_default() += 1;
    }
    let register = site.deployment.altinn.register();
    let mut known = BTreeSet::new();
    let mut parties: Vec<Shown> = register
        .parties()
        .map(|party| {
            let id = party.party_id().to_string();
            let count = counts.get(&id).copied().unwrap_or_default();
            known.insert(id.clone());
            context! { id, name => party.name(), kind => kind(party.person_number()), count }
        })
        .collect();
    // Owners of imported instances may be in no register.
    let strangers = counts.iter().filter(|(id, _)| !known.contains(*id));
    parties.extend(
        strangers.map(|(id, count)| context! { id, name => id, kind => "stranger", count }),
    );
    site.page(&visit, "inbox.html", context! { parties })
}

pub(super) async fn of_party(
    State(site): State<Site>,
    visit: Visit,
    Path(party): Path<String>,
) -> Response {
    let is_known = party.parse::<u32>().is_ok();
    let own: Vec<Shown> = instances(&site)
        .iter()
        .filter(|(_, instance)| owner(instance) == party)
        .map(|(app, instance)| entry(&site, &visit, app, instance))
        .collect();
    if !is_known {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-party");
    }
    let content = context! { name => party_name(&site, &party), party, instances => own };
    site.page(&visit, "inbox_party.html", content)
}

fn owner(instance: &Value) -> &str {
    instance["instanceOwner"]["partyId"]
        .as_str()
        .unwrap_or_default()
}

fn entry(site: &Site, visit: &Visit, app: &str, instance: &Value) -> Shown {
    let texts = instance["presentationTexts"].as_object();
    let presented: Vec<&str> = texts
        .into_iter()
        .flat_map(|texts| texts.values())
        .filter_map(Value::as_str)
        .collect();
    context! {
        id => instance["id"].as_str(),
        app,
        title => title(site, visit, app),
        presented => presented.join(", "),
        standing => standing(instance),
        substatus => instance["status"]["substatus"]["label"].as_str(),
        due => time(&instance["dueBefore"]),
        changed => time(&instance["lastChanged"]),
        is_relayed => instance["dataValues"]["stafett.relay"].is_string(),
    }
}
