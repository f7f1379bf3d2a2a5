//! Tries a route on sample instances of A.

use std::{collections::BTreeMap, ops::ControlFlow};

use serde_json::Value;
use stafett_core::{
    route::{EvaluationError, Route, Scope, model},
    transform::{self, each_values},
};

use super::{
    Fit,
    compat::{FormTarget, Misfit},
    mapping::{Leaf, shortened},
    samples::Sample,
};
use crate::fields::{self, without_indexes};

/// How many values of a fan-out are tried.
const MAX_ROWS: usize = 2;

/// The results of one field in all trials.
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

/// Tries every field that must be tried with data.
pub(super) fn fields<'b>(
    fit: &mut Fit<'_>,
    samples: &[Sample],
    leaves: &BTreeMap<String, Leaf<'b>>,
    target: Option<FormTarget<'_, 'b>>,
) {
    let route = fit.route();
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    for sample in samples {
        for scope in scopes(route, sample) {
            // Every field is tried, whatever becomes of the others.
            let _ = model::walk(&route.model, &scope, &mut |field| {
                let rule = field.rule();
                let Some(leaf) = leaves.get(&rule) else {
                    return ControlFlow::Continue(());
                };
                let outcome = outcomes.entry(rule).or_default();
                if outcome.runs == 0 {
                    outcome.source = field.expression.source().trim().to_owned();
                }
                outcome.runs += 1;
                match fields::value(field) {
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
                ControlFlow::Continue(())
            });
        }
    }
    for (field, outcome) in outcomes {
        if let Some(leaf) = leaves.get(&field) {
            tell(fit, &field, leaf, &outcome);
        }
    }
}

/// What the expressions of each relay of an instance see. A list that cannot be evaluated is reported elsewhere.
fn scopes(route: &Route, sample: &Sample) -> impl Iterator<Item = Scope> {
    let whole = transform::scope(route, sample.instance.clone(), sample.data.clone());
    let values = each_values(route, whole).unwrap_or_default();
    values.into_iter().take(MAX_ROWS).map(|value| value.scope)
}

fn tell(fit: &mut Fit<'_>, field: &str, leaf: &Leaf<'_>, outcome: &Outcome) {
    let source = shortened(&outcome.source);
    let always = |count: usize| count == outcome.runs;
    // Something about this field was reported already.
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
        // No trial shows what people will type into a free text.
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

/// Fills in whole forms, and reports what the route's own schema refuses and no field has reported.
pub(super) fn forms(fit: &mut Fit<'_>, samples: &[Sample]) {
    let route = fit.route();
    let Some(schema) = &route.to.schema else {
        return;
    };
    let (mut runs, mut refused) = (0, BTreeMap::<String, (String, usize)>::new());
    for sample in samples {
        for scope in scopes(route, sample) {
            // A field that cannot be filled in was reported already.
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
