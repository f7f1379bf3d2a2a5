//! The page of bad days.

use axum::{Form, extract::State, http::StatusCode, response::Response};
use minijinja::{Value, context};
use serde::Deserialize;
use stafett_core::{causes::Causes, id::AppId};

use super::{
    bad_days::{BadDay, Length, Side},
    clock::Span,
    ledger::shown,
};
use crate::{Site, page::said, visit::Visit};

pub(super) const HERE: &str = "/days";

pub(super) async fn page(State(site): State<Site>, visit: Visit) -> Response {
    let standing = site.operations.days.standing(&site.deployment);
    let standing: Vec<Value> = standing
        .iter()
        .map(|it| {
            context! {
                id => it.id, name => key(it.day, ""), app => it.app.to_string(), length => it.length.slug(),
                since => shown(it.since), struck => it.struck, over => it.is_over(),
            }
        })
        .collect();
    let days = BadDay::ALL.map(|day| {
        let apps: Vec<String> = apps(&site, day.side()).iter().map(ToString::to_string).collect();
        let lengths: Vec<&str> = day.lengths().iter().map(|it| it.slug()).collect();
        context! {
            slug => day.slug(), name => key(day, ""), life => key(day, "-life"), stafett => key(day, "-stafett"),
            here => key(day, "-here"), apps, lengths,
            recovery => day.recovery().and_then(Span::of).map(Span::shown),
        }
    });
    let now = shown(site.deployment.altinn.clock().now());
    site.page(
        &visit,
        "operations_days.html",
        context! { standing, days => days.as_slice(), now },
    )
}

/// The bad days that can strike now.
pub(super) fn lurking(site: &Site) -> Vec<Value> {
    let standing = site.operations.days.standing(&site.deployment);
    let lurking = standing.iter().filter(|it| !it.is_over());
    lurking
        .map(|it| context! { name => key(it.day, ""), app => it.app.to_string() })
        .collect()
}

/// The key of a text about a bad day.
fn key(day: BadDay, of: &str) -> String {
    format!("day-{}{of}", day.slug())
}

/// The apps that a misfortune may befall: those that routes start from, or lead to.
fn apps(site: &Site, side: Side) -> Vec<AppId> {
    let routes = site.routes();
    let mut apps: Vec<AppId> = routes
        .iter()
        .map(|route| match side {
            Side::A => route.from.clone(),
            Side::B => route.to.app.clone(),
        })
        .collect();
    apps.sort();
    apps.dedup();
    apps
}

/// What is sent to switch one on.
#[derive(Debug, Deserialize)]
pub(super) struct Begin {
    day: String,
    app: String,
    length: String,
}

pub(super) async fn begin(
    State(site): State<Site>,
    visit: Visit,
    Form(form): Form<Begin>,
) -> Response {
    let day = BadDay::named(&form.day);
    let length = Length::named(&form.length);
    let (Some(day), Some(length)) = (day, length) else {
        return site.refuse(&visit, StatusCode::BAD_REQUEST, "error-no-such-day");
    };
    let app = apps(&site, day.side())
        .into_iter()
        .find(|app| app.to_string() == form.app)
        .filter(|_| day.lengths().contains(&length));
    let Some(app) = app else {
        return site.refuse(&visit, StatusCode::BAD_REQUEST, "error-no-such-day");
    };
    match site
        .operations
        .days
        .begin(&site.deployment, day, &app, length)
    {
        Ok(is_new) => {
            site.changed();
            let text = if is_new {
                "said-day-begun"
            } else {
                "said-day-is-on"
            };
            let name = site.text(&visit, &key(day, ""));
            said(HERE, text, &[("day", &name), ("app", &form.app)])
        }
        Err(error) => {
            tracing::error!(error = %Causes(&error), "a bad day cannot be switched on");
            site.refuse(&visit, StatusCode::INTERNAL_SERVER_ERROR, "error-500")
        }
    }
}

/// What is sent to switch one off.
#[derive(Debug, Deserialize)]
pub(super) struct End {
    id: u64,
}

pub(super) async fn end(State(site): State<Site>, visit: Visit, Form(form): Form<End>) -> Response {
    let Some(day) = site.operations.days.end(&site.deployment, form.id) else {
        return said(HERE, "said-day-was-off", &[]);
    };
    site.changed();
    let name = site.text(&visit, &key(day, ""));
    said(HERE, "said-day-ended", &[("day", &name)])
}

pub(super) async fn end_all(State(site): State<Site>) -> Response {
    let ended = site.operations.days.end_all(&site.deployment);
    site.changed();
    said(HERE, "said-good-day", &[("count", &ended.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        language::{Catalogue, Language},
        operations::TEXTS,
    };

    #[test]
    fn every_day_says_what_it_is_in_both_languages() {
        let texts = Catalogue::read(&[TEXTS]).unwrap();
        for (day, of) in BadDay::ALL
            .into_iter()
            .flat_map(|day| ["", "-life", "-stafett", "-here"].map(|of| (day, of)))
        {
            let key = key(day, of);
            let [bokmal, english] = [Language::Bokmal, Language::English]
                .map(|language| texts.text(language, &key, &[]).unwrap_or_default());
            assert!(!bokmal.is_empty() && !english.is_empty(), "{key}");
            assert_ne!(bokmal, english, "{key}");
        }
    }
}
