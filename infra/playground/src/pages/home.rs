//! The overview: the solutions, what runs where, and the relays that were seen last.

use author::graph::Graph;
use axum::{extract::State, response::Response};
use minijinja::{Value as Shown, context};

use crate::{Site, visit::Visit};

use super::{relays, title};

/// So many relays are shown.
const LATEST: usize = 8;

pub(super) async fn home(State(site): State<Site>, visit: Visit) -> Response {
    let routes = site.routes();
    let solutions: Vec<Shown> = routes
        .iter()
        .map(|route| {
            let (from, to) = (route.from.to_string(), route.to.app.to_string());
            context! {
                name => route.name.as_str(),
                from_title => title(&site, &visit, &from),
                to_title => title(&site, &visit, &to),
                from,
                to,
                fans_out => route.each.is_some(),
            }
        })
        .collect();
    let deployment = &site.deployment;
    let content = context! {
        solutions,
        graph => Graph::of(routes.iter()).text(),
        relays => relays::latest(&site, LATEST),
        altinn => deployment.altinn_wire.url(),
        api => deployment.api.url(),
        routes_folder => site.shown_folder(),
        now => deployment.altinn.clock().now().strftime("%Y-%m-%d %H:%M").to_string(),
    };
    site.page(&visit, "home.html", content)
}
