//! The tables page: the ledger, the pace of each B app, the queue and the dead-letter queue, and the
//! operator's actions on them.

use std::sync::{Mutex, PoisonError};

use axum::{Form, extract::State, http::StatusCode, response::Response};
use local_aws::{
    QueueId, QueuedMessage,
    lambda::{Function, FunctionError},
};
use local_world::deployment::{CallError, PaceStatus};
use minijinja::{Value, context, value::Serde};
use serde::Deserialize;
use serde_json::json;
use stafett_core::{causes::Causes, id::AppId, relay::Reason, trigger::Trigger};

use super::ledger::{self, Relay, shown, shown_ms};
use crate::{Site, language::Language, page::said, visit::Visit};

const HERE: &str = "/tables";
/// The maximum number of rows per table.
const ROWS: usize = 200;

/// The last response of each operator's function.
#[derive(Debug, Default)]
pub(super) struct FunctionResponses {
    inspected: Kept,
    redriven: Kept,
    reconciled: Kept,
}

/// A response and when it came.
#[derive(Debug, Default)]
struct Kept(Mutex<Option<(String, serde_json::Value)>>);

impl Kept {
    fn keep(&self, at: String, answer: serde_json::Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, answer));
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn shown(&self) -> Option<Value> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = kept.as_ref()?;
        let json = serde_json::to_string_pretty(answer).unwrap_or_default();
        // `Serde` would make a group of every number, because serde_json keeps its text.
        let answer = Value::deserialize(answer).ok()?;
        Some(context! { at, answer, json })
    }
}

pub(super) async fn page(State(site): State<Site>, visit: Visit) -> Response {
    let deployment = &site.deployment;
    let relays = match ledger::relays(deployment).await {
        Ok(relays) => relays,
        Err(error) => {
            tracing::error!(error = %Causes(&error), "the ledger cannot be shown");
            return site.refuse(&visit, StatusCode::INTERNAL_SERVER_ERROR, "error-500");
        }
    };
    let paces = match paces(&site, visit.language).await {
        Ok(paces) => paces,
        Err(error) => {
            tracing::error!(error = %Causes(&error), "the paces cannot be shown");
            return site.refuse(&visit, StatusCode::INTERNAL_SERVER_ERROR, "error-500");
        }
    };
    let resources = deployment.aws.resources();
    let rows: Vec<Value> = relays.iter().take(ROWS).map(relay).collect();
    let operations = &site.operations.responses;
    let content = context! {
        now => shown(deployment.altinn.clock().now()),
        relays => context! { rows, total => relays.len(), left_out => relays.len().saturating_sub(ROWS) },
        paces,
        queue => messages(&site, &resources.queue).await,
        dead => messages(&site, &resources.dead_letter_queue).await,
        routes => site.routes().iter().map(|it| it.name.to_string()).collect::<Vec<_>>(),
        reasons => Reason::ALL.iter().map(|it| it.code()).collect::<Vec<_>>(),
        inspected => operations.inspected.shown(),
        redriven => operations.redriven.shown(),
        reconciled => operations.reconciled.shown(),
    };
    site.page(&visit, "operations_tables.html", content)
}

fn relay(relay: &Relay) -> Value {
    let meaning = relay
        .reason
        .as_deref()
        .and_then(Reason::parse)
        .map(|reason| {
            // Until a relay has failed, nobody has to act.
            if relay.state == "failed" {
                format!("{} {}", reason.meaning(), reason.remedy())
            } else {
                reason.meaning().to_owned()
            }
        });
    context! {
        updated => shown_ms(relay.updated),
        lease_until => relay.lease_until.map(shown_ms),
        meaning,
        ..Value::from(Serde(relay))
    }
}

/// The pace of each B app that the routes name.
async fn paces(site: &Site, language: Language) -> Result<Vec<Value>, CallError> {
    let now = site.deployment.altinn.clock().now();
    let paces = site.deployment.paces(&site.routes()).await?;
    let shown = |(app, pace): (&AppId, &Option<PaceStatus>)| {
        context! {
            app => app.to_string(),
            quiet => pace.is_some_and(|it| it.is_quiet(now)),
            quiet_until => pace.and_then(|it| it.quiet_until).map(shown),
            rate => pace.and_then(|it| it.per_second).map(|rate| decimal(rate, language)),
        }
    };
    Ok(paces.iter().map(shown).collect())
}

/// A number with one digit after the decimal point, as the language writes it.
fn decimal(number: f64, language: Language) -> String {
    let text = format!("{number:.1}");
    match language {
        Language::Bokmal => text.replace('.', ","),
        Language::English => text,
    }
}

/// The messages of a queue that are shown.
async fn messages(site: &Site, queue: &QueueId) -> Value {
    let all = site.deployment.aws.messages(queue).await;
    let rows: Vec<Value> = all.iter().take(ROWS).map(message).collect();
    context! { rows, total => all.len(), left_out => all.len().saturating_sub(ROWS) }
}

fn message(message: &QueuedMessage) -> Value {
    // A message without a trigger may contain anything, so its content is not shown.
    let trigger = Trigger::from_message(&message.body).ok();
    let trigger = trigger.map(|it| {
        context! {
            route => it.route.to_string(), instance => it.instance.to_string(), cause => it.cause.as_str(),
        }
    });
    context! {
        id => message.id.clone(), sent => shown(message.sent), receives => message.receives,
        hidden_until => message.hidden_until.map(shown), trigger,
    }
}

async fn invoke(
    function: &Function,
    request: &serde_json::Value,
) -> Result<serde_json::Value, FunctionError> {
    function.invoke(request).await.inspect_err(|error| {
        let function = &function.settings().name;
        tracing::warn!(%error, function, "an operator's invocation gave no answer");
    })
}

fn now(site: &Site) -> String {
    shown(site.deployment.altinn.clock().now())
}

pub(super) async fn inspect(State(site): State<Site>) -> Response {
    match invoke(&site.deployment.redrive, &json!({ "action": "inspect" })).await {
        Ok(answer) => {
            let total = answer["total"].to_string();
            site.operations.responses.inspected.keep(now(&site), answer);
            site.changed();
            said(HERE, "said-inspected", &[("total", &total)])
        }
        Err(error) => said(HERE, "said-no-answer", &[("error", &error.to_string())]),
    }
}

/// Which messages to send back: those that match both filters, if given.
#[derive(Debug, Deserialize)]
pub(super) struct Redrive {
    #[serde(default)]
    route: String,
    #[serde(default)]
    reason: String,
}

pub(super) async fn redrive(State(site): State<Site>, Form(form): Form<Redrive>) -> Response {
    let mut request = json!({ "action": "redrive" });
    for (field, value) in [("route", &form.route), ("reason", &form.reason)] {
        if !value.is_empty() {
            request[field] = json!(value);
        }
    }
    match invoke(&site.deployment.redrive, &request).await {
        Ok(answer) => {
            let count = |name: &str| answer[name].to_string();
            let (sent, deleted) = (count("sent"), count("deleted"));
            let responses = &site.operations.responses;
            // The inspected messages are no longer there.
            responses.inspected.forget();
            responses.redriven.keep(now(&site), answer);
            site.changed();
            said(
                HERE,
                "said-redriven",
                &[("sent", &sent), ("deleted", &deleted)],
            )
        }
        Err(error) => said(HERE, "said-no-answer", &[("error", &error.to_string())]),
    }
}

/// Whether reconcile enqueues what it finds, or only reports it.
#[derive(Debug, Deserialize)]
pub(super) struct Reconcile {
    #[serde(default)]
    look: Option<String>,
}

pub(super) async fn reconcile(State(site): State<Site>, Form(form): Form<Reconcile>) -> Response {
    let dry_run = form.look.is_some();
    match invoke(&site.deployment.reconcile, &json!({ "dryRun": dry_run })).await {
        Ok(answer) => {
            let found: u64 = answer["routes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(found)
                .sum();
            site.operations
                .responses
                .reconciled
                .keep(now(&site), answer);
            site.changed();
            let key = if dry_run {
                "said-reconcile-would"
            } else {
                "said-reconciled"
            };
            said(HERE, key, &[("found", &found.to_string())])
        }
        Err(error) => said(HERE, "said-no-answer", &[("error", &error.to_string())]),
    }
}

/// How many relays of a route reconcile enqueues.
fn found(report: &serde_json::Value) -> u64 {
    let due = report["due"]
        .as_object()
        .into_iter()
        .flat_map(|due| due.values());
    let counts = due.chain([&report["missing"]]);
    counts.filter_map(serde_json::Value::as_u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_the_language_writes_numbers() {
        assert_eq!(decimal(2.449, Language::Bokmal), "2,4");
        assert_eq!(decimal(2.449, Language::English), "2.4");
        assert_eq!(decimal(100.0, Language::Bokmal), "100,0");
    }

    #[test]
    fn reconcile_finds_missing_and_due_relays() {
        let report = json!({
            "missing": 2, "due": { "claimed": 1, "told": 0, "waiting": 3, "created": 0 }, "done": 9, "failed": 4,
        });
        assert_eq!(found(&report), 6);
        assert_eq!(found(&json!(null)), 0);
    }
}
