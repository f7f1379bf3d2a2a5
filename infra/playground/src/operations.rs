//! What an operator and bad luck do: bad days, the tables and queues, the clock, and the route files.

mod bad_days;
mod clock;
mod days;
mod ledger;
mod route_files;
mod routes;
mod tables;

use axum::{
    Router,
    routing::{get, post},
};
use minijinja::Value;

use super::Site;

pub(super) const TEMPLATES: &[(&str, &str)] = &[
    (
        "operations_clock.html",
        include_str!("templates/operations_clock.html"),
    ),
    (
        "operations_days.html",
        include_str!("templates/operations_days.html"),
    ),
    (
        "operations_finding.html",
        include_str!("templates/operations_finding.html"),
    ),
    (
        "operations_messages.html",
        include_str!("templates/operations_messages.html"),
    ),
    (
        "operations_routes.html",
        include_str!("templates/operations_routes.html"),
    ),
    (
        "operations_state.html",
        include_str!("templates/operations_state.html"),
    ),
    (
        "operations_tables.html",
        include_str!("templates/operations_tables.html"),
    ),
];
pub(super) const TEXTS: &str = include_str!("operations/texts.yaml");

/// What operations keep.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    days: bad_days::BadDays,
    answers: tables::Answers,
    clock: clock::Clock,
    route_files: route_files::RouteFiles,
}

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/days", get(days::page).post(days::begin))
        .route("/days/end", post(days::end))
        .route("/days/good", post(days::end_all))
        .route("/tables", get(tables::page))
        .route("/tables/inspect", post(tables::inspect))
        .route("/tables/redrive", post(tables::redrive))
        .route("/tables/reconcile", post(tables::reconcile))
        .route("/clock", get(clock::page).post(clock::wind))
        .route("/routes", get(routes::page))
}

/// The bad days that every page but their own warns of.
pub(super) fn bad_days(site: &Site, path: &str) -> Vec<Value> {
    if path == days::HERE {
        return Vec::new();
    }
    days::lurking(site)
}

/// Starts what runs beside the pages.
pub(super) fn start(site: &Site) {
    // From the beginning on: what runs by then could not be killed.
    if let Err(error) = site.deployment.instantiate.isolate() {
        tracing::warn!(%error, "instantiate cannot be killed in the middle of its work");
    }
    site.spawn(route_files::watch(site.clone()));
}
