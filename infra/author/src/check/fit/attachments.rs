//! The route's `attachments:` against the data types of A and B.

use std::collections::BTreeMap;

use serde_json::Value;
use stafett_core::{metadata::DataType, route::Gate};

use super::{Fit, target::data_type};
use crate::check::words::{known, nearest, quoted};
use app_files::AppFiles;

/// A's PDF of a form, which only the app itself writes (Altinn/app-lib-dotnet:
/// src/Altinn.App.Core/Internal/Pdf/PdfService.cs).
const PDF: &str = "ref-data-as-pdf";

/// Checks every rule, and what B requires that no rule gives.
pub(super) fn check(fit: &mut Fit<'_>, a: Option<&AppFiles>, b: Option<&AppFiles>) {
    let route = fit.route();
    let mut most: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for (index, rule) in route.attachments.iter().enumerate() {
        let theirs = a.and_then(|a| from(fit, a, index));
        let ours = b.and_then(|b| to(fit, b, index));
        if let (Some((a, theirs)), Some(ours)) = (a.zip(theirs), ours) {
            content_types(fit, index, theirs, ours);
            size(fit, index, theirs, ours);
            let sum = most.entry(rule.to.as_str()).or_insert(Some(0));
            *sum = sum
                .zip(count(a, theirs))
                .map(|(sum, count)| sum.saturating_add(count));
            if ours.max_count > 0 && sum.is_none_or(|sum| sum > ours.max_count) {
                let many = match *sum {
                    Some(sum) => format!("A may give {sum} elements to `{}`", ours.id),
                    None => format!("A may have any number of `{}`", theirs.id),
                };
                let message = format!("{many}, and B takes {} at most", ours.max_count);
                let finding = fit
                    .warning("count", &format!("attachments[{index}].to"), message)
                    .help("an instance with more gets no B: raise maxCount of B's data type, or lower that of A's");
                fit.push(finding);
                // One finding per data type is enough.
                *sum = Some(0);
            }
        }
    }
    if let Some(b) = b {
        unfilled(fit, b);
    }
}

/// A's data type of a rule.
fn from<'a>(fit: &mut Fit<'_>, a: &'a AppFiles, index: usize) -> Option<&'a DataType> {
    let rule = fit.route().attachments.get(index)?;
    let field = format!("attachments[{index}].from");
    let types = &a.metadata.data_types;
    let names = || types.iter().map(|it| it.id.as_str());
    let Some(found) = types.iter().find(|it| it.id == rule.from) else {
        let finding = fit
            .error(
                "data-type",
                &field,
                format!("{} has no data type `{}`", a.id, rule.from),
            )
            .help(format!("it has {}", known(names())))
            .suggest(nearest(&rule.from, names()));
        fit.push(finding);
        return None;
    };
    if found.id == PDF {
        pdf(fit, a, &field);
    } else if rule.required && least(&a.document, &found.id) == 0 && !found.is_form() {
        let finding = fit
            .warning(
                "may-be-missing",
                &field,
                format!(
                    "A may have no `{}`, and its relay waits until there is one",
                    found.id
                ),
            )
            .help("leave out `required: true`, or set minCount of A's data type");
        fit.push(finding);
    }
    Some(found)
}

/// Whether there is a PDF when the gate opens: it is made when a task with a form ends.
fn pdf(fit: &mut Fit<'_>, a: &AppFiles, field: &str) {
    let makes_pdf = |it: &&DataType| {
        it.is_form()
            && data_type(&a.document, &it.id)
                .and_then(|it| it.get("enablePdfCreation")?.as_bool())
                .unwrap_or(true)
    };
    if !a.metadata.data_types.iter().any(|it| makes_pdf(&it)) {
        let finding = fit
            .error("no-pdf", field, format!("{} makes no PDF of any of its forms", a.id))
            .help("set enablePdfCreation of a form in A's applicationmetadata.json, or attach something else");
        fit.push(finding);
        return;
    }
    let (Gate::Task(gate), Some(tasks)) = (&fit.route().gate, &a.tasks) else {
        return;
    };
    let Some(position) = tasks.iter().position(|task| task.id == *gate) else {
        return;
    };
    let made_before = tasks.iter().take(position).any(|task| {
        let owns = |it: &&DataType| {
            let owner = data_type(&a.document, &it.id).and_then(|it| it.get("taskId")?.as_str());
            owner == Some(&task.id)
        };
        task.kind == "pdf"
            || a.metadata
                .data_types
                .iter()
                .filter(makes_pdf)
                .any(|it| owns(&it))
    });
    if !made_before {
        let finding = fit
            .warning("no-pdf", field, format!("A makes its PDF when a task with a form ends, and none has when `{gate}` begins"))
            .help("let the relay wait for the end: `when: { process: completed }`");
        fit.push(finding);
    }
}

/// B's data type of a rule.
fn to<'b>(fit: &mut Fit<'_>, b: &'b AppFiles, index: usize) -> Option<&'b DataType> {
    let rule = fit.route().attachments.get(index)?;
    let field = format!("attachments[{index}].to");
    let types = &b.metadata.data_types;
    let is_place = |it: &&DataType| !it.is_form() && it.id != PDF;
    let names = || types.iter().filter(is_place).map(|it| it.id.as_str());
    let help = format!("{} takes attachments as {}", b.id, known(names()));
    let Some(found) = types.iter().find(|it| it.id == rule.to) else {
        let finding = fit
            .error(
                "data-type",
                &field,
                format!("{} has no data type `{}`", b.id, rule.to),
            )
            .help(help)
            .suggest(nearest(&rule.to, names()));
        fit.push(finding);
        return None;
    };
    if !is_place(&found) {
        let what = if found.is_form() {
            "is a form"
        } else {
            "is written by the app itself only"
        };
        let finding = fit
            .error(
                "no-attachment",
                &field,
                format!(
                    "`{}` of {} {what}, and no place for an attachment",
                    found.id, b.id
                ),
            )
            .help(help);
        fit.push(finding);
        return None;
    }
    let ours = format!("org:{}", b.id.org());
    let contributors = &found.allowed_contributors;
    let admitted = |it: &String| it.eq_ignore_ascii_case(&ours) || it.starts_with("orgno:");
    if !contributors.is_empty() && !contributors.iter().any(admitted) {
        let listed = quoted(contributors.iter().map(String::as_str));
        let finding = fit
            .error(
                "contributors",
                &field,
                format!(
                    "{} lets {listed} add a `{}`, and not `{ours}`",
                    b.id, found.id
                ),
            )
            .help(format!(
                "add `{ours}` to allowedContributors of B's data type"
            ));
        fit.push(finding);
    }
    Some(found)
}

fn content_types(fit: &mut Fit<'_>, index: usize, theirs: &DataType, ours: &DataType) {
    let field = format!("attachments[{index}].to");
    let admitted = &ours.allowed_content_types;
    if admitted.is_empty() {
        return;
    }
    let listed = known(admitted.iter().map(String::as_str));
    let given: Vec<&str> = match theirs.id.as_str() {
        PDF => vec!["application/pdf"],
        _ if theirs.is_form() && theirs.allowed_content_types.is_empty() => vec!["application/xml"],
        // An element's media type is compared up to its parameters, exactly and with its case, so one that is
        // allowed with parameters is none that an element can have (Altinn/app-lib-dotnet:
        // src/Altinn.App.Api/Helpers/RequestHandling/DataRestrictionValidation.cs).
        _ => theirs
            .allowed_content_types
            .iter()
            .map(String::as_str)
            .filter(|it| !it.contains(';'))
            .collect(),
    };
    if given.is_empty() {
        let finding = fit
            .warning(
                "content-type",
                &field,
                format!(
                    "A takes any media type as `{}`, and B's `{}` does not",
                    theirs.id, ours.id
                ),
            )
            .help(format!(
                "B takes {listed}: an instance with anything else gets no B"
            ));
        fit.push(finding);
        return;
    }
    let refused: Vec<&str> = given
        .iter()
        .filter(|it| !admitted.iter().any(|known| known == *it))
        .copied()
        .collect();
    if refused.is_empty() {
        return;
    }
    let words = quoted(refused.iter().copied());
    let finding = if refused.len() == given.len() {
        fit.error(
            "content-type",
            &field,
            format!("B refuses every `{}` of A, which is {words}", theirs.id),
        )
    } else {
        fit.warning(
            "content-type",
            &field,
            format!("`{}` of A may be {words}, which B refuses", theirs.id),
        )
    };
    let mut finding = finding.help(format!("`{}` of B takes {listed}", ours.id));
    let differs_by_case = |it: &&str| admitted.iter().any(|known| known.eq_ignore_ascii_case(it));
    if refused.iter().any(differs_by_case) {
        finding =
            finding.help("Altinn compares media types with their case: write them in lower case");
    }
    fit.push(finding);
}

fn size(fit: &mut Fit<'_>, index: usize, theirs: &DataType, ours: &DataType) {
    // What A generates itself is small.
    if ours.max_size == 0 || theirs.id == PDF || (1..=ours.max_size).contains(&theirs.max_size) {
        return;
    }
    let large = match theirs.max_size {
        0 => "may have any size".to_owned(),
        size => format!("may have {size} MiB"),
    };
    let finding = fit
        .warning("size", &format!("attachments[{index}].to"), format!("`{}` {large} in A, and B takes {} MiB at most", theirs.id, ours.max_size))
        .help("an instance with a larger one gets no B: raise maxSize of B's data type, or lower that of A's");
    fit.push(finding);
}

/// How many elements of a type A may have; `None` if there is no limit.
fn count(a: &AppFiles, theirs: &DataType) -> Option<u64> {
    if theirs.id == PDF {
        // There is one per task with a form; only the newest of a task is relayed.
        let tasks = a.tasks.as_ref().map_or(1, Vec::len);
        return u64::try_from(tasks).ok().map(|tasks| tasks.min(1));
    }
    (theirs.max_count > 0).then_some(theirs.max_count)
}

fn least(document: &Value, id: &str) -> u64 {
    data_type(document, id)
        .and_then(|it| it.get("minCount")?.as_u64())
        .unwrap_or(0)
}

/// Elements that B requires, that only its organisation may add, and that the route does not give.
fn unfilled(fit: &mut Fit<'_>, b: &AppFiles) {
    for ours in &b.metadata.data_types {
        let is_given = fit
            .route()
            .attachments
            .iter()
            .any(|rule| rule.to == ours.id);
        let least = least(&b.document, &ours.id);
        if is_given
            || ours.is_form()
            || ours.id == PDF
            || least == 0
            || ours.allowed_contributors.is_empty()
        {
            continue;
        }
        let who = quoted(ours.allowed_contributors.iter().map(String::as_str));
        let finding = fit
            .warning(
                "unfilled",
                "attachments",
                format!(
                    "{} cannot be ended without {least} of `{}`, which the route does not give",
                    b.id, ours.id
                ),
            )
            .help(format!(
                "only {who} may add it: give it by the route, or by something else"
            ));
        fit.push(finding);
    }
}
