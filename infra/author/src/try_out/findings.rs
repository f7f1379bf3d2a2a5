//! What is wrong, at its place in the route file.

use stafett_core::{
    preflight::Objection,
    route::{EvaluationError, MappingError},
    transform::TransformError,
    xml::XmlError,
};

use super::Written;
use crate::{
    fields,
    finding::{Finding, Place},
    source::Source,
};

/// More findings than anybody reads about one draft.
const MOST: usize = 50;

/// What is in the way of every relay of this A instance.
pub(super) fn of_instance(written: Written<'_>, source: &Source) -> Vec<Finding> {
    let (route, instance) = (written.route, &source.instance);
    let mut found = Vec::new();
    if instance.app != route.from {
        found.push(at(
            written,
            "from.app",
            "other-app",
            format!(
                "the route starts at {}, this instance is of {}",
                route.from, instance.app
            ),
        ));
    }
    if instance.status.is_hard_deleted {
        found.push(Finding::error(
            "source-deleted",
            written.file,
            "the A instance is deleted for good",
        ));
    }
    found
}

/// Why there is no draft at all.
pub(super) fn of_error(written: Written<'_>, error: &TransformError) -> Finding {
    match error {
        TransformError::Mapping { problem, .. } => of_mapping(written, problem),
        TransformError::Owner { kind, problem, .. } => {
            at(written, &format!("to.owner.{kind}"), "owner", problem)
        }
        TransformError::AttachmentMissing(from) => attachment(
            written,
            from,
            "attachment-missing",
            format!("A has no `{from}`, which the route requires: the relay would wait for one"),
        ),
        TransformError::AttachmentScanned(from) => attachment(
            written,
            from,
            "attachment-scanned",
            format!("the virus scan of a `{from}` is not done: the relay would wait"),
        ),
        TransformError::AttachmentInfected(from) => attachment(
            written,
            from,
            "attachment-infected",
            format!("the virus scan found something in a `{from}`"),
        ),
        TransformError::Keys { problem, .. } => at(written, "key", "key", problem),
        TransformError::Due { .. } => at(written, "due", "due", "gives no date"),
    }
}

/// Why one relay has no draft: of the form everything that cannot be filled, where the transform
/// stops at the first.
pub(super) fn of_draft(
    written: Written<'_>,
    source: &Source,
    key: Option<&str>,
    error: &TransformError,
) -> Vec<Finding> {
    let mut found = match error {
        TransformError::Mapping { .. } => of_fields(written, source, key),
        _ => Vec::new(),
    };
    if found.is_empty() {
        found.push(of_error(written, error));
    }
    found
}

fn of_fields(written: Written<'_>, source: &Source, key: Option<&str>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    crate::explain::parts(written.route, source, &mut |part, scope, rows| {
        if part != key || !found.is_empty() {
            return;
        }
        fields::walk(&written.route.model, scope, rows, &mut |field| {
            let Err(error) = &field.value else { return };
            let finding = unfilled(written, field.rule, error);
            // What goes for one row goes for the next, and is said once.
            if found.len() < MOST && !found.contains(&finding) {
                found.push(finding);
            }
        });
    });
    found
}

fn of_mapping(written: Written<'_>, error: &MappingError) -> Finding {
    match error {
        MappingError::Expression { field, problem } => {
            unfilled(written, &fields::without_indexes(field), problem)
        }
        MappingError::TooLarge { field } => at(
            written,
            &fields::without_indexes(field),
            "too-large",
            error.to_string(),
        ),
    }
}

/// A field whose expression gives no value.
fn unfilled(written: Written<'_>, rule: &str, error: &EvaluationError) -> Finding {
    let rule = rule_of(written, rule);
    let (code, place, label): (_, Option<Place>, _) = match error {
        EvaluationError::Missing(path) => (
            "missing",
            written.places.word(&rule, path),
            "A's data has no such field",
        ),
        EvaluationError::Empty(path) => (
            "empty",
            written.places.word(&rule, path),
            "empty in this instance",
        ),
        EvaluationError::TooMuchWork(_) => (
            "too-much-work",
            written.places.value(&rule),
            "too much work",
        ),
        EvaluationError::Failed { .. } => (
            "expression",
            written.places.value(&rule),
            "does not work out here",
        ),
        EvaluationError::NotData(_) => (
            "not-data",
            written.places.value(&rule),
            "no value of a form",
        ),
    };
    Finding::error(code, written.file, format!("{rule}: {error}"))
        .field(rule)
        .at(place)
        .label(label)
}

/// A repeating group's own list stands in its `$each`.
fn rule_of(written: Written<'_>, rule: &str) -> String {
    let list = format!("{rule}.$each");
    if !rule.ends_with("$each") && written.places.has(&list) {
        list
    } else {
        rule.to_owned()
    }
}

/// What B would refuse, at what gives rise to it.
pub(super) fn of_objection(written: Written<'_>, objection: &Objection) -> Finding {
    let route = written.route;
    let message = objection.to_string();
    let in_model = |code, field: &str| {
        at(
            written,
            &fields::without_indexes(field),
            code,
            message.clone(),
        )
    };
    match objection {
        Objection::FormType(_) => at(written, "to.dataType", "refused-form", message),
        Objection::DataType { data_type, .. } => {
            let rule = route
                .attachments
                .iter()
                .position(|rule| rule.to == *data_type);
            let field = rule.map_or_else(
                || "to.dataType".to_owned(),
                |i| format!("attachments[{i}].to"),
            );
            at(written, &field, "refused-element", message)
        }
        Objection::Schema(violation) => in_model("refused-by-schema", &violation.field),
        Objection::Stamp(_) => at(written, "to.stamp", "refused-stamp", message),
        Objection::NotFlat(field) => in_model("not-flat", field),
        Objection::Prefill { field, .. } => in_model("refused-prefill", field),
        Objection::Xml(
            XmlError::Character { field, .. }
            | XmlError::Name { field }
            | XmlError::NestedList { field },
        ) => in_model("not-xml", field),
        Objection::Owner(_) => at(written, "to.owner", "refused-owner", message),
        Objection::TooLarge(_) => at(written, "attachments", "too-large", message),
    }
}

fn attachment(written: Written<'_>, from: &str, code: &'static str, message: String) -> Finding {
    let rule = written
        .route
        .attachments
        .iter()
        .position(|rule| rule.from == from);
    at(
        written,
        &format!("attachments[{}].from", rule.unwrap_or_default()),
        code,
        message,
    )
}

fn at(
    written: Written<'_>,
    field: &str,
    code: &'static str,
    message: impl Into<String>,
) -> Finding {
    Finding::error(
        code,
        written.file,
        format!("{field}: {}", strip(field, message.into())),
    )
    .field(field)
    .at(written.places.value(field))
}

/// A message that begins with the field already need not say it twice.
fn strip(field: &str, message: String) -> String {
    let rest = message
        .strip_prefix(field)
        .and_then(|rest| rest.strip_prefix(": "));
    rest.map(str::to_owned).unwrap_or(message)
}
