//! What there is to see and to submit.

mod apply;
mod home;
mod inbox;
mod instance;
mod relays;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use local_altinn::App;
use minijinja::{Value as Shown, context};
use serde_json::Value;

use super::{Site, visit::Visit};

/// For a form with its files, in bytes: what an app takes (Kestrel's default limit).
const UPLOAD_LIMIT: usize = 30_000_000;

pub(super) const TEMPLATES: &[(&str, &str)] = &[
    ("apply.html", include_str!("templates/apply.html")),
    ("apply_new.html", include_str!("templates/apply_new.html")),
    ("home.html", include_str!("templates/home.html")),
    ("inbox.html", include_str!("templates/inbox.html")),
    (
        "inbox_party.html",
        include_str!("templates/inbox_party.html"),
    ),
    ("instance.html", include_str!("templates/instance.html")),
    ("relay.html", include_str!("templates/relay.html")),
    ("relays.html", include_str!("templates/relays.html")),
    (
        "relays_table.html",
        include_str!("templates/relays_table.html"),
    ),
];

pub(super) fn routes() -> Router<Site> {
    let upload = post(apply::submit).layer(DefaultBodyLimit::max(UPLOAD_LIMIT));
    Router::new()
        .route("/", get(home::home))
        .route("/apply", get(apply::list))
        .route("/apps/{org}/{app}/new", get(apply::new).merge(upload))
        .route("/inbox", get(inbox::all))
        .route("/inbox/{party}", get(inbox::of_party))
        .route("/instances/{party}/{guid}", get(instance::instance))
        .route(
            "/instances/{party}/{guid}/data/{element}",
            get(instance::download),
        )
        .route("/instances/{party}/{guid}/{action}", post(instance::act))
        .route("/relays", get(relays::all))
        .route("/relays/{party}/{guid}", get(relays::one))
}

/// An app's title, or its id where it has none.
fn title(site: &Site, visit: &Visit, app: &str) -> String {
    let known = site.deployment.altinn.app(app);
    let title = known
        .as_ref()
        .and_then(|app| app.title(visit.language.tag()));
    title.unwrap_or(app).to_owned()
}

/// The parties that may own instances of an app.
fn parties(site: &Site, app: &App, chosen: Option<u32>) -> Vec<Shown> {
    let register = site.deployment.altinn.register();
    let may = register
        .parties()
        .filter(|party| app.may_be_owned_by(party));
    may.map(|party| {
        let id = party.party_id();
        context! { id, name => party.name(), kind => kind(party.person_number()), chosen => chosen == Some(id) }
    })
    .collect()
}

/// The key of what a party is.
fn kind(person_number: Option<&str>) -> &'static str {
    if person_number.is_some() {
        "person"
    } else {
        "organisation"
    }
}

/// A party's name; its number where the register does not know it.
fn party_name(site: &Site, id: &str) -> String {
    let register = site.deployment.altinn.register();
    let party = id.parse().ok().and_then(|id| register.by_party_id(id));
    party.map_or_else(|| id.to_owned(), |party| party.name().to_owned())
}

/// Every instance that there is, the newest first, with its app.
fn instances(site: &Site) -> Vec<(String, Value)> {
    let altinn = &site.deployment.altinn;
    let creations = altinn.creations();
    let created = creations.into_iter().rev();
    created
        .filter_map(|it| Some((it.app, altinn.instance(&it.instance)?)))
        .collect()
}

/// Where an instance stands: the key of a text, the name of the task in it, and how it looks.
fn standing(instance: &Value) -> Shown {
    let status = &instance["status"];
    let task = &instance["process"]["currentTask"];
    let (key, look) = if status["isHardDeleted"] == true {
        ("state-deleted", "bad")
    } else if status["isSoftDeleted"] == true {
        ("state-binned", "bad")
    } else if task.is_object() {
        ("state-task", "wait")
    } else if instance["process"]["ended"].is_string() {
        ("state-ended", "good")
    } else {
        ("state-none", "plain")
    };
    let task = task["name"].as_str().or_else(|| task["elementId"].as_str());
    context! { key, look, task }
}

/// A time as people read it: date, hour, minute and second.
fn time(value: &Value) -> Option<String> {
    let at: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
