//! Checks whether A is still there when the route reads it: an app can delete its instances, or elements of a data type, at
//! the end of the process.
//!
//! (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/EventHandlers/EndEventEventHandler.cs.)

use serde_json::Value;
use stafett_core::route::Gate;

use super::{Fit, target::data_type};
use app_files::AppFiles;

const FLAG: &str = "autoDeleteOnProcessEnd";

pub(super) fn check(fit: &mut Fit<'_>, a: &AppFiles) {
    let is_ended = fit.route().gate == Gate::Completed;
    let field = if is_ended {
        "from.when.process"
    } else {
        "from.when.task"
    };
    if is_set(&a.document) {
        let (message, help) = if is_ended {
            (
                format!(
                    "{} deletes each instance for good at the end of its process, and the relay begins then: no B is ever made",
                    a.id
                ),
                format!("set {FLAG} to false in A's applicationmetadata.json"),
            )
        } else {
            (
                format!(
                    "{} deletes each instance for good at the end of its process: one that ends before it is relayed gets no B",
                    a.id
                ),
                format!(
                    "set {FLAG} to false in A's applicationmetadata.json, or let nobody end the task before B is there"
                ),
            )
        };
        push(fit, is_ended, field, message, help);
        return;
    }
    let route = fit.route();
    let forms = route.data_types().into_iter();
    let forms = forms.map(|form| (form.to_owned(), "from.app".to_owned()));
    let attached = route.attachments.iter().enumerate();
    let attached = attached.map(|(i, rule)| (rule.from.clone(), format!("attachments[{i}].from")));
    for (id, field) in forms.chain(attached).collect::<Vec<_>>() {
        let logic = data_type(&a.document, &id).and_then(|it| it.get("appLogic"));
        if !logic.is_some_and(is_set) {
            continue;
        }
        let when = if is_ended {
            "and the route reads it then: it always finds none"
        } else {
            "and an instance that ends before it is relayed has none"
        };
        let message = format!(
            "{} deletes its `{id}` at the end of the process, {when}",
            a.id
        );
        let help =
            format!("set appLogic.{FLAG} of `{id}` to false in A's applicationmetadata.json");
        push(fit, is_ended, &field, message, help);
    }
}

fn push(fit: &mut Fit<'_>, is_error: bool, field: &str, message: String, help: String) {
    let finding = if is_error {
        fit.error("auto-delete", field, message)
    } else {
        fit.warning("auto-delete", field, message)
    };
    fit.push(finding.help(help));
}

fn is_set(holder: &Value) -> bool {
    holder.get(FLAG).and_then(Value::as_bool).unwrap_or(false)
}
