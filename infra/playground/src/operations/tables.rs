//! The page of tables: the ledger, the queue and the dead-letter queue, and what an operator does with them.

use std::sync::{Mutex, PoisonError};

use axum::{Form, extract::State, http::StatusCode, response::Response};
use minijinja::{Value, context, value::Serde};
use serde::Deserialize;
use serde_json::json;
use stafett_core::{causes::Causes, relay::Reason, trigger::Trigger};

use super::ledger::{self, Relay, shown, shown_ms};
use crate::{Site, page::said, visit::Visit};
use local_aws::{
    QueueId, QueuedMessage,
    lambda::{Function, FunctionError},
};

const HERE: &str = "/tables";
/// How many rows of each table are shown.
const ROWS: usize = 200;

/// What an operator's functions answered last.
#[derive(Debug, Default)]
pub(super) struct Answers {
    inspected: Kept,
    redriven: Kept,
    reconciled: Kept,
}

/// An answer, and when it was given.
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
        Some(context! { at, answer => Serde(answer), json })
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
    let resources = deployment.aws.resources();
    let rows: Vec<Value> = relays.iter().take(ROWS).map(relay).collect();
    let operations = &site.operations.answers;
    let content = context! {
        now => shown(deployment.altinn.clock().now()),
        relays => context! { rows, total => relays.len(), left_out => relays.len().saturating_sub(ROWS) },
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
            // Before a relay has failed, nobody has to do anything.
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

/// The messages of a queue, as far as they are shown.
async fn messages(site: &Site, queue: &QueueId) -> Value {
    let all = site.deployment.aws.messages(queue).await;
    let rows: Vec<Value> = all.iter().take(ROWS).map(message).collect();
    context! { rows, total => all.len(), left_out => all.len().saturating_sub(ROWS) }
}

fn message(message: &QueuedMessage) -> Value {
    // Of what carries no trigger nothing is shown: anybody may have put anything into it.
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
            site.operations.answers.inspected.keep(now(&site), answer);
            site.changed();
            said(HERE, "said-inspected", &[("total", &total)])
        }
        Err(error) => said(HERE, "said-no-answer", &[("error", &error.to_string())]),
    }
}

/// What is sent back: all that these two admit, where they are given.
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
            let answers = &site.operations.answers;
            // What was seen before is not there any more.
            answers.inspected.forget();
            answers.redriven.keep(now(&site), answer);
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

/// Whether reconcile is to enqueue what it finds, or only to say it.
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
            site.operations.answers.reconciled.keep(now(&site), answer);
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
    fn what_reconcile_finds_is_what_is_missing_and_what_stands_still() {
        let report = json!({
            "missing": 2, "due": { "claimed": 1, "waiting": 3, "created": 0 }, "done": 9, "failed": 4,
        });
        assert_eq!(found(&report), 6);
        assert_eq!(found(&json!(null)), 0);
    }
}
