//! One instance: what is in it, where it comes from, and what its owner does with it.

use axum::{
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use minijinja::{Value as Shown, context};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{Site, form, page::said, visit::Visit};

use super::{instances, party_name, standing, time, title};

/// Types that a browser cannot run.
const HARMLESS: [&str; 4] = ["application/pdf", "image/jpeg", "image/png", "text/plain"];

pub(super) async fn instance(
    State(site): State<Site>,
    visit: Visit,
    Path((party, guid)): Path<(String, String)>,
) -> Response {
    let id = format!("{party}/{guid}");
    let altinn = &site.deployment.altinn;
    let (Some(instance), Some(app)) = (altinn.instance(&id), altinn.app_of(&id)) else {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-instance");
    };
    let elements = instance["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let values = instance["dataValues"].as_object();
    let values: Vec<Shown> = values
        .into_iter()
        .flatten()
        .map(|(name, value)| context! { name, value => value.as_str() })
        .collect();
    let task = &instance["process"]["currentTask"];
    let is_gone =
        instance["status"]["isSoftDeleted"] == true || instance["status"]["isHardDeleted"] == true;
    let content = context! {
        id => id.as_str(),
        party => party.as_str(),
        party_name => party_name(&site, &party),
        app => app.as_str(),
        title => title(&site, &visit, &app),
        standing => standing(&instance),
        substatus => instance["status"]["substatus"]["label"].as_str(),
        substatus_more => instance["status"]["substatus"]["description"].as_str(),
        due => time(&instance["dueBefore"]),
        created => time(&instance["created"]),
        changed => time(&instance["lastChanged"]),
        ended => time(&instance["process"]["ended"]),
        confirmed => instance["completeConfirmations"].as_array().is_some_and(|it| !it.is_empty()),
        values,
        forms => elements.iter().filter_map(|it| form_of(&site, &app, &id, it)).collect::<Vec<_>>(),
        files => elements.iter().filter_map(|it| file_of(&site, &app, it)).collect::<Vec<_>>(),
        source => instance["dataValues"]["stafett.source"].as_str(),
        made => made_of(&site, &visit, &id),
        may_tell => site.routes().iter().any(|route| route.from.to_string() == app),
        may_step => task.is_object() && !is_gone,
        may_reject => task["altinnTaskType"] == "confirmation" && !is_gone,
        is_gone,
    };
    site.page(&visit, "instance.html", content)
}

/// The B instances that were made of this one.
fn made_of(site: &Site, visit: &Visit, id: &str) -> Vec<Shown> {
    instances(site)
        .iter()
        .filter(|(_, instance)| instance["dataValues"]["stafett.source"] == id)
        .map(|(app, instance)| {
            let owner = instance["instanceOwner"]["partyId"]
                .as_str()
                .unwrap_or_default();
            context! {
                id => instance["id"].as_str(),
                title => title(site, visit, app),
                owner => party_name(site, owner),
                standing => standing(instance),
            }
        })
        .collect()
}

fn form_of(site: &Site, app: &str, id: &str, element: &Value) -> Option<Shown> {
    let app = site.deployment.altinn.app(app)?;
    let data_type = element["dataType"].as_str()?;
    let model = app.model(data_type)?;
    let bytes = site.deployment.altinn.bytes(id, element["id"].as_str()?)?;
    let is_json = element["contentType"]
        .as_str()
        .is_some_and(|it| it.contains("json"));
    let read = if is_json {
        model.read_json(&bytes)
    } else {
        model.read_xml(&bytes)
    };
    let fields = form::fields(model.schema());
    let values = read
        .ok()
        .map(|form| form::details(&fields, &model.to_json(&form, false)));
    Some(context! {
        data_type,
        element => element["id"].as_str(),
        values,
        source => String::from_utf8_lossy(&bytes),
        locked => element["locked"] == true,
    })
}

fn file_of(site: &Site, app: &str, element: &Value) -> Option<Shown> {
    let app = site.deployment.altinn.app(app)?;
    let data_type = element["dataType"].as_str()?;
    if app.model(data_type).is_some() {
        return None;
    }
    let id = element["id"].as_str()?;
    Some(context! {
        id,
        data_type,
        name => element["filename"].as_str().unwrap_or(id),
        kind => element["contentType"].as_str(),
        kibibytes => element["size"].as_u64().unwrap_or_default().div_ceil(1024),
    })
}

/// A file of an instance, to keep and never to show: it may be anything.
pub(super) async fn download(
    State(site): State<Site>,
    visit: Visit,
    Path((party, guid, element)): Path<(String, String, String)>,
) -> Response {
    let id = format!("{party}/{guid}");
    let altinn = &site.deployment.altinn;
    let found = altinn.instance(&id).and_then(|instance| {
        let elements = instance["data"].as_array()?;
        let found = elements.iter().find(|it| it["id"] == element.as_str())?;
        Some((found.clone(), altinn.bytes(&id, &element)?))
    });
    let Some((found, bytes)) = found else {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-file");
    };
    let kind = found["contentType"].as_str().unwrap_or_default();
    let kind = HARMLESS.into_iter().find(|it| *it == kind);
    let name = found["filename"].as_str().unwrap_or(&element);
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let headers = [
        (
            header::CONTENT_TYPE,
            kind.unwrap_or("application/octet-stream").to_owned(),
        ),
        // RFC 6266, section 4.1.
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{name}"),
        ),
        (
            HeaderName::from_static("cache-control"),
            "no-store".to_owned(),
        ),
    ];
    let mut response = bytes.into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The owner does something with an instance, or its app tells of it.
pub(super) async fn act(
    State(site): State<Site>,
    visit: Visit,
    Path((party, guid, action)): Path<(String, String, String)>,
) -> Response {
    let id = format!("{party}/{guid}");
    let altinn = &site.deployment.altinn;
    let Some(app) = altinn.app_of(&id) else {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-instance");
    };
    let (done, key) = match action.as_str() {
        "advance" => (altinn.advance(&id).is_ok(), "said-advanced"),
        "reject" => {
            let done = altinn.reject(&id).is_ok();
            // Without a gateway the process goes on as if it were confirmed.
            let instance = altinn.instance(&id).unwrap_or_default();
            let has_ended = !instance["process"]["ended"].is_null();
            let key = if has_ended {
                "said-rejected-ended"
            } else {
                "said-rejected"
            };
            (done, key)
        }
        "delete" => (altinn.delete(&id, false).is_ok(), "said-deleted"),
        "tell" => {
            let answer = site.deployment.trigger(&app, &id).await;
            let accepted = answer.is_ok_and(|it| it.status() == StatusCode::ACCEPTED);
            (accepted, "said-told")
        }
        _ => return site.refuse(&visit, StatusCode::NOT_FOUND, "error-404"),
    };
    site.changed();
    let key = if done { key } else { "said-refused" };
    said(&format!("/instances/{id}"), key, &[])
}
