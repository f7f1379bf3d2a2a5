//! The page of routes: the files with what is wrong with them, and how they lead from app to app.

use author::graph::Graph;
use axum::{extract::State, response::Response};
use minijinja::{Value, context, value::Serde};

use crate::{Site, visit::Visit};

pub(super) async fn page(State(site): State<Site>, visit: Visit) -> Response {
    let checked = site.operations.route_files.checked();
    let graph = Graph::of(site.routes().iter());
    let content = context! {
        folder => site.shown_folder(),
        checked => checked.as_deref().map(|it| Value::from(Serde(it))),
        graph => graph.text(),
    };
    site.page(&visit, "operations_routes.html", content)
}
