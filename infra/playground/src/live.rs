//! Tells pages that something has changed (server-sent events): they fetch themselves anew.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::{Stream, stream};

use local_world::deployment::Deployment;

use super::Site;

/// So long changes are gathered into one.
const GATHER: Duration = Duration::from_millis(150);
/// How often is looked for what can be forgotten.
const TIDY: Duration = Duration::from_secs(20);
/// So many requests of a wire are remembered.
const EXCHANGES: usize = 5_000;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/events", get(events))
}

/// Passes the timeline's news on, and forgets what no page shows any more.
pub(super) fn start(site: &Site) {
    let forgetful = site.clone();
    site.spawn(async move {
        loop {
            tokio::time::sleep(TIDY).await;
            tidy(&forgetful.deployment);
        }
    });
    let mut news = site.timeline.news();
    let told = site.clone();
    site.spawn(async move {
        while news.changed().await.is_ok() {
            told.changed();
        }
    });
}

/// A playground may stay open for days.
fn tidy(deployment: &Deployment) {
    for wire in [
        &deployment.altinn_wire,
        &deployment.dynamodb_wire,
        &deployment.sqs_wire,
    ] {
        wire.journal().keep(EXCHANGES);
    }
}

async fn events(State(site): State<Site>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = site.changes.subscribe();
    let stream = stream::unfold(
        (site, changes, true),
        |(site, mut changes, first)| async move {
            // Whoever connects again may have missed something.
            if !first {
                tokio::select! {
                    changed = changes.changed() => changed.ok()?,
                    () = site.stopped() => return None,
                }
                tokio::time::sleep(GATHER).await;
            }
            let count = *changes.borrow_and_update();
            let event = Event::default()
                .event("changed")
                .id(count.to_string())
                .data(count.to_string());
            Some((Ok(event), (site, changes, false)))
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::default())
}
