//! What the route makes of imagined instances of A.

use std::collections::BTreeMap;

use serde_json::Value;
use stafett_core::route::{EvaluationError, Route, Scope, model};

use super::{
    Fit,
    admit::{Misfit, Target},
    mapping::{Leaf, shortened},
    samples::Sample,
};
use crate::fields::{self, without_indexes};

/// Rows of a fan-out that are tried.
const MAX_ROWS: usize = 2;

/// What became of one field in all trials.
#[derive(Default)]
struct Outcome {
    source: String,
    runs: usize,
    empty: usize,
    failed: usize,
    refused: usize,
    failure: Option<EvaluationError>,
    misfit: Option<Misfit>,
}

/// Tries every field that is left to be tried.
pub(super) fn fields<'b>(
    fit: &mut Fit<'_>,
    samples: &[Sample],
    leaves: &BTreeMap<String, Leaf<'b>>,
    target: Option<Target<'_, 'b>>,
) {
    let route = fit.route();
    let paths = route.paths();
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    for sample in samples {
        let whole = Scope::new(
            sample.instance.clone(),
            sample.data.clone(),
            paths.iter().map(String::as_str),
        );
        for scope in rows(route, whole) {
            fields::walk(&route.model, &scope, &[], &mut |field| {
                let Some(leaf) = leaves.get(field.rule) else {
                    return;
                };
                let outcome = outcomes.entry(field.rule.to_owned()).or_default();
                if outcome.runs == 0 {
                    outcome.source = field.expression.source().trim().to_owned();
                }
                outcome.runs += 1;
                match field.value {
                    Err(error) => {
                        outcome.failed += 1;
                        outcome.failure.get_or_insert(error);
                    }
                    Ok(None) => outcome.empty += 1,
                    Ok(Some(Value::Array(items))) if field.is_list && items.is_empty() => {
                        outcome.empty += 1
                    }
                    Ok(Some(value)) => {
                        let misfit = match (target, &leaf.node) {
                            (Some(target), Some(node)) if !leaf.is_path => {
                                target.refuses(node, &value)
                            }
                            _ => None,
                        };
                        if let Some(misfit) = misfit {
                            outcome.refused += 1;
                            outcome.misfit.get_or_insert(misfit);
                        }
                    }
                }
            });
        }
    }
    for (field, outcome) in outcomes {
        if let Some(leaf) = leaves.get(&field) {
            tell(fit, &field, leaf, &outcome);
        }
    }
}

/// The scope of each relay of an instance.
fn rows(route: &Route, whole: Scope) -> Vec<Scope> {
    match &route.each {
        None => vec![whole],
        Some(each) => {
            let mut rows = each.list.each(&each.name, &whole).unwrap_or_default();
            rows.truncate(MAX_ROWS);
            rows
        }
    }
}

fn tell(fit: &mut Fit<'_>, field: &str, leaf: &Leaf<'_>, outcome: &Outcome) {
    let source = shortened(&outcome.source);
    let always = |count: usize| count == outcome.runs;
    // What the field alone told is not told again.
    if fit.has(field) {
        return;
    }
    if let Some(failure) = &outcome.failure {
        let finding = match failure {
            EvaluationError::Missing(path) | EvaluationError::Empty(path) => {
                let message = if always(outcome.failed) {
                    format!("`{path}` is empty in every instance, and no B is made then")
                } else {
                    format!("`{path}` may be empty in A, and no B is made then")
                };
                let finding = if always(outcome.failed) {
                    fit.error("may-be-empty", field, message)
                } else {
                    fit.warning("may-be-empty", field, message)
                };
                finding.at(fit.subject.places.word(field, path)).help(
                    "say what then, such as `| default('…')`, or require the field in A's schema",
                )
            }
            failure if always(outcome.failed) => {
                fit.error("evaluation", field, failure.to_string())
            }
            failure => fit
                .warning(
                    "evaluation",
                    field,
                    format!("depends on A's data: {failure}"),
                )
                .help("no B is made of an instance for which it fails"),
        };
        fit.push(finding);
        return;
    }
    if let Some(misfit) = &outcome.misfit {
        // Of what is typed freely in A no trial tells what it will be.
        let is_certain =
            leaf.is_exhausted || matches!(misfit.code, "type" | "length" | "target-path");
        let message = |verb: &str| match misfit.below.as_str() {
            "" => format!("`{source}` {verb}{}", misfit.what),
            below => format!("`{below}` in `{source}` {verb}{}", misfit.what),
        };
        let mut finding = if always(outcome.refused) && is_certain {
            fit.error(misfit.code, field, message(""))
        } else {
            fit.warning(
                misfit.code,
                field,
                message("depends on A's data: for some it "),
            )
        };
        finding.help.extend(misfit.help.clone());
        fit.push(finding);
        return;
    }
    if leaf.is_required && outcome.empty > 0 {
        let finding = if always(outcome.empty) {
            fit.error(
                "required",
                field,
                format!("`{source}` is always empty, and B requires this field"),
            )
        } else {
            fit.warning(
                "may-be-empty",
                field,
                format!("`{source}` may be empty, and B requires this field"),
            )
            .help("say what then, such as `| default('…')`")
        };
        fit.push(finding);
    }
}

/// Fills in whole forms, and tells what the route's own schema has against them that no field told.
pub(super) fn forms(fit: &mut Fit<'_>, samples: &[Sample]) {
    let route = fit.route();
    let Some(schema) = &route.to.schema else {
        return;
    };
    let paths = route.paths();
    let (mut runs, mut refused) = (0, BTreeMap::<String, (String, usize)>::new());
    for sample in samples {
        let paths = paths.iter().map(String::as_str);
        let whole = Scope::new(sample.instance.clone(), sample.data.clone(), paths);
        for scope in rows(route, whole) {
            // What keeps a form from being filled in is told of its field already.
            let Ok(form) = model::fill(&route.model, &scope) else {
                continue;
            };
            runs += 1;
            let mut fields = BTreeMap::new();
            for violation in schema.violations(&form) {
                fields.insert(without_indexes(&violation.field), violation.problem);
            }
            for (field, problem) in fields {
                refused.entry(field).or_insert((problem, 0)).1 += 1;
            }
        }
    }
    for (field, (problem, count)) in refused {
        if fit.has_near(&field) {
            continue;
        }
        let finding = if count >= runs {
            fit.error(
                "schema",
                &field,
                format!("B's schema does not admit it: {problem}"),
            )
        } else {
            fit.warning(
                "schema",
                &field,
                format!("depends on A's data: for some B's schema does not admit it: {problem}"),
            )
        };
        fit.push(finding);
    }
}
