//! The page of the clock: winds time forward, and shows what that has brought about.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{Form, extract::State, http::StatusCode, response::Response};
use minijinja::{Value, context, value::Serde};
use serde::{Deserialize, Serialize};
use stafett_core::causes::Causes;
use tokio::sync::oneshot;

use super::ledger::{self, Change, shown};
use crate::{Site, guard::Busy, page::said, visit::Visit};

const HERE: &str = "/clock";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// By how much the clock can be wound: the word for it in forms and in the keys of its texts, and seconds.
const SPANS: [(&str, u64); 7] = [
    ("1m", MINUTE),
    ("5m", 5 * MINUTE),
    ("15m", 15 * MINUTE),
    ("30m", 30 * MINUTE),
    ("1h", HOUR),
    ("10h", 10 * HOUR),
    ("1d", 24 * HOUR),
];

/// One of the spans by which the clock can be wound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(usize);

impl Span {
    /// The shortest that is as long as `duration` at least; none where all are shorter.
    pub(super) fn of(duration: Duration) -> Option<Self> {
        let longer = |(_, seconds): &(&str, u64)| *seconds >= duration.as_secs();
        SPANS.iter().position(longer).map(Self)
    }

    fn named(slug: &str) -> Option<Self> {
        SPANS.iter().position(|(known, _)| *known == slug).map(Self)
    }

    /// The word for it.
    pub(super) fn slug(self) -> &'static str {
        SPANS.get(self.0).map_or("", |(slug, _)| slug)
    }

    /// The word and the key of its text, for a template.
    pub(super) fn shown(self) -> Value {
        context! { slug => self.slug(), name => self.key() }
    }

    fn key(self) -> String {
        format!("span-{}", self.slug())
    }

    fn duration(self) -> Duration {
        Duration::from_secs(SPANS.get(self.0).map_or(0, |(_, seconds)| *seconds))
    }
}

/// The last time that the clock was wound, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<Wound>>);

#[derive(Clone, Debug, Serialize)]
struct Wound {
    span: &'static str,
    from: String,
    to: String,
    /// How many messages were delivered meanwhile.
    delivered: usize,
    changes: Vec<Change>,
    /// What kept it from being wound as far as it was to be.
    trouble: Option<String>,
}

impl Clock {
    fn last(&self) -> Option<Wound> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, wound: Wound) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wound);
    }
}

pub(super) async fn page(State(site): State<Site>, visit: Visit) -> Response {
    let clock = site.deployment.altinn.clock();
    let deployment = &site.deployment;
    let content = context! {
        now => shown(clock.now()),
        spans => (0..SPANS.len()).map(|at| Span(at).shown()).collect::<Vec<_>>(),
        last => site.operations.clock.last().map(Serde),
        next_reconcile => deployment.schedule.as_ref().map(|it| shown(it.next())),
        next_message => deployment.aws.outlook(&deployment.aws.resources().queue).await.1.map(shown),
    };
    site.page(&visit, "operations_clock.html", content)
}

/// What is sent to wind it.
#[derive(Debug, Deserialize)]
pub(super) struct Wind {
    span: String,
}

pub(super) async fn wind(
    State(site): State<Site>,
    visit: Visit,
    Form(form): Form<Wind>,
) -> Response {
    let Some(span) = Span::named(&form.span) else {
        return site.refuse(&visit, StatusCode::BAD_REQUEST, "error-no-such-span");
    };
    let Some(turn) = site.begin(Busy::TimePasses) else {
        return site.busy_page(&visit);
    };
    // Time that has begun to pass does so to its end, also when the browser has gone away.
    let (done, outcome) = oneshot::channel();
    let there = site.clone();
    site.spawn(async move {
        let outcome = pass(&there, span).await;
        drop(turn);
        let _ = done.send(outcome);
    });
    let Ok((key, relays)) = outcome.await else {
        return site.busy_page(&visit);
    };
    let name = site.text(&visit, &span.key());
    said(
        HERE,
        key,
        &[("span", &name), ("relays", &relays.to_string())],
    )
}

/// Lets time pass. The key of what to say about it, and how many relays have changed.
async fn pass(site: &Site, span: Span) -> (&'static str, usize) {
    let deployment = &site.deployment;
    let before = ledger::relays(deployment).await.unwrap_or_default();
    let delivered = || {
        let delivered = deployment.mapping.delivered();
        delivered.deleted + delivered.left
    };
    let (from, delivered_before) = (deployment.altinn.clock().now(), delivered());
    let passed = deployment.pass(span.duration()).await;
    let after = ledger::relays(deployment).await.unwrap_or_default();
    let changes = ledger::changes(&before, &after);
    let relays: usize = changes.iter().map(|it| it.count).sum();
    let trouble = passed.err().map(|error| Causes(&error).to_string());
    let key = match (&trouble, relays) {
        (Some(_), _) => "said-wound-not",
        (None, 0) => "said-wound-quiet",
        (None, 1) => "said-wound-one",
        (None, _) => "said-wound",
    };
    site.operations.clock.keep(Wound {
        span: span.slug(),
        from: shown(from),
        to: shown(deployment.altinn.clock().now()),
        delivered: delivered() - delivered_before,
        changes,
        trouble,
    });
    (key, relays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        language::{Catalogue, Language},
        operations::{TEXTS, bad_days::BadDay},
    };

    #[test]
    fn every_recovery_is_a_span_by_which_the_clock_can_be_wound() {
        for day in BadDay::ALL {
            if let Some(recovery) = day.recovery() {
                assert_eq!(Span::of(recovery).map(Span::duration), Some(recovery));
            }
        }
        assert_eq!(Span::of(Duration::from_secs(25 * HOUR)), None);
    }

    #[test]
    fn a_span_is_known_by_its_word() {
        let texts = Catalogue::read(&[TEXTS]).unwrap();
        for (slug, seconds) in SPANS {
            let span = Span::named(slug).unwrap();
            assert_eq!((span.slug(), span.duration().as_secs()), (slug, seconds));
            assert!(texts.text(Language::English, &span.key(), &[]).is_some());
        }
        assert_eq!(Span::named("2m"), None);
    }
}
