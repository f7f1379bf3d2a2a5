//! What is wrong, at its place in the route file.

use std::ops::ControlFlow;

use stafett_core::{
    language::{EvaluationError, Scope},
    preflight::Objection,
    prepare::{InstanceData, Obstacle},
    route::{
        FormRule, MappingError,
        model::{self, Outcome},
    },
    transform::{self, EachValue, TransformError},
};

use crate::{
    fields,
    finding::{Finding, Place},
    located_route::LocatedRoute,
};

/// The most findings about one draft.
const MOST: usize = 50;

/// Why no relay of this A instance gets a draft. `None` while the gate is closed, and for a draft that B would refuse: its
/// objections tell more.
pub(super) fn of_instance(located: LocatedRoute<'_>, obstacle: &Obstacle) -> Option<Finding> {
    match obstacle {
        Obstacle::GateClosed | Obstacle::Refused(_) => None,
        Obstacle::OtherApp { .. } => {
            let message = obstacle.to_string();
            Some(at(located, "from.app", "other-app", message))
        }
        Obstacle::NoDraft(error) => Some(of_error(located, error)),
        Obstacle::Deleted => Some(Finding::error(
            "source-deleted",
            located.file,
            obstacle.to_string(),
        )),
    }
}

/// Why there is no draft at all.
pub(super) fn of_error(located: LocatedRoute<'_>, error: &TransformError) -> Finding {
    match error {
        TransformError::Mapping { problem, .. } => of_mapping(located, problem),
        TransformError::Owner { kind, problem, .. } => {
            at(located, &format!("to.owner.{kind}"), "owner", problem)
        }
        TransformError::AttachmentMissing(from) => attachment(
            located,
            from,
            "attachment-missing",
            format!("A has no `{from}`, which the route requires: the relay would wait for one"),
        ),
        TransformError::AttachmentScanned(from) => attachment(
            located,
            from,
            "attachment-scanned",
            format!("the virus scan of a `{from}` is not done: the relay would wait"),
        ),
        TransformError::AttachmentInfected(from) => attachment(
            located,
            from,
            "attachment-infected",
            format!("the virus scan found something in a `{from}`"),
        ),
        TransformError::SeveralForms(_) => {
            at(located, "from.app", "several-forms", error.to_string())
        }
        TransformError::Keys { problem, .. } => at(located, "key", "key", problem.to_string()),
        TransformError::Due { .. } => at(located, "due", "due", "gives no date"),
    }
}

/// Why one relay has no draft: every field that cannot be filled, although the transform
/// stops at the first.
pub(super) fn of_draft(
    located: LocatedRoute<'_>,
    source: &InstanceData,
    key: Option<&str>,
    obstacle: &Obstacle,
) -> Vec<Finding> {
    let mut found = match obstacle {
        Obstacle::NoDraft(TransformError::Mapping { .. }) => of_fields(located, source, key),
        _ => Vec::new(),
    };
    if found.is_empty() {
        found.extend(of_instance(located, obstacle));
    }
    found
}

fn of_fields(located: LocatedRoute<'_>, source: &InstanceData, key: Option<&str>) -> Vec<Finding> {
    let route = located.route;
    let scope = Scope::new(&source.instance.raw, source.data());
    let values = transform::each_values(route, &scope).unwrap_or_default();
    let is_wanted = |value: &EachValue<'_>| value.key.as_ref().is_ok_and(|it| it.as_deref() == key);
    let mut found: Vec<Finding> = Vec::new();
    if let Some(value) = values.into_iter().find(is_wanted) {
        // The walk goes on after a failure; its result is the failure that the transform reported already.
        for form in route.to.forms.iter() {
            let _ = model::walk(form, &value.scope, &mut |field| {
                if let Outcome::Failed(error) = field.outcome {
                    let finding = unfilled(located, &field.rule(), error);
                    // The same mistake in several items is reported once.
                    if !found.contains(&finding) {
                        found.push(finding);
                    }
                }
                if found.len() < MOST {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        }
    }
    found
}

fn of_mapping(located: LocatedRoute<'_>, error: &MappingError) -> Finding {
    let rule = fields::without_indexes(error.field());
    match error {
        MappingError::Expression { problem, .. } => unfilled(located, &rule, problem),
        MappingError::TooLarge { .. } => at(located, &rule, "too-large", error.problem()),
    }
}

/// A field whose expression gives no value.
fn unfilled(located: LocatedRoute<'_>, rule: &str, error: &EvaluationError) -> Finding {
    let rule = rule_of(located, rule);
    let (code, label) = match error {
        EvaluationError::Empty { .. } => ("empty", "empty in this instance"),
        EvaluationError::TooMuchWork(_) => ("too-much-work", "too much work"),
        EvaluationError::Unsuitable { .. } => ("expression", "does not work out here"),
    };
    let place: Option<Place> = match error.place() {
        Some(piece) => located.places.within(&rule, piece),
        None => located.places.value(&rule),
    };
    Finding::error(code, located.file, format!("{rule}: {error}"))
        .field(rule)
        .at(place)
        .label(label)
}

/// The list of a repeating group stands in its `$each`.
fn rule_of(located: LocatedRoute<'_>, rule: &str) -> String {
    let list = format!("{rule}.$each");
    if !rule.ends_with("$each") && located.places.has(&list) {
        list
    } else {
        rule.to_owned()
    }
}

/// What B would refuse, at the part of the route that causes it.
pub(super) fn of_objection(located: LocatedRoute<'_>, objection: &Objection) -> Finding {
    let route = located.route;
    let message = objection.problem();
    let in_model = |code, field: &str| {
        let rule = fields::without_indexes(field);
        // In a repeating group the message names the item.
        let message = if rule == field {
            message.clone()
        } else {
            objection.to_string()
        };
        at(located, &rule, code, message)
    };
    match objection {
        Objection::FormType(_) => at(located, "to.dataType", "refused-form", message),
        Objection::DataType { data_type, .. } => {
            let rule = route
                .attachments
                .iter()
                .position(|rule| rule.to == *data_type);
            let is_it = |form: &&FormRule| form.data_type.as_ref() == Some(data_type);
            let form = route.to.forms.iter().find(is_it);
            let form = form.unwrap_or(&route.to.forms.main);
            let field =
                rule.map_or_else(|| form.says_data_type(), |i| format!("attachments[{i}].to"));
            at(located, &field, "refused-element", message)
        }
        Objection::Schema(violation) => in_model("refused-by-schema", &violation.field),
        Objection::NoSchema { says, .. } => at(located, says, "schema", message),
        Objection::Stamp(_) => at(located, "to.stamp", "refused-stamp", message),
        Objection::NotFlat(field) => in_model("not-flat", field),
        Objection::Prefill { field, .. } => in_model("refused-prefill", field),
        Objection::Xml(error) => in_model("not-xml", error.field()),
        Objection::Owner(_) => at(located, "to.owner", "refused-owner", message),
        Objection::TooLarge(_) => at(located, "attachments", "too-large", message),
    }
}

fn attachment(
    located: LocatedRoute<'_>,
    from: &str,
    code: &'static str,
    message: String,
) -> Finding {
    let rule = located
        .route
        .attachments
        .iter()
        .position(|rule| rule.from == from);
    at(
        located,
        &format!("attachments[{}].from", rule.unwrap_or_default()),
        code,
        message,
    )
}

fn at(
    located: LocatedRoute<'_>,
    field: &str,
    code: &'static str,
    message: impl Into<String>,
) -> Finding {
    Finding::error(code, located.file, format!("{field}: {}", message.into()))
        .field(field)
        .at(located.places.value(field))
}
