//! Shows findings: to people in the style of rustc's messages, to tools as JSON.

use std::path::{Path, PathBuf};

use annotate_snippets::{
    AnnotationKind, Group, Level, Patch, Renderer, Snippet, normalize_untrusted_str,
};
use serde_json::{Value, json};

use crate::{
    check::Report,
    finding::{Finding, Place, Severity},
};

/// Whether a text has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// No escape sequences.
    Plain,
    /// Coloured by ANSI escape sequences.
    Styled,
}

/// One finding, shown with its place in `text`, the text of its file.
#[must_use]
pub fn finding(finding: &Finding, text: &str, look: Look) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = shown(&finding.file);
    let mut group = level
        .primary_title(normalize_untrusted_str(&finding.message))
        .id(finding.code)
        .elements(Vec::<annotate_snippets::Element<'_>>::new());
    let range = finding.place.as_ref().map(|place| first_line(text, place));
    group = match range.clone() {
        Some(range) => group.element(
            Snippet::source(text).path(file).annotation(
                AnnotationKind::Primary
                    .span(range)
                    .label(finding.label.as_deref().map(normalize_untrusted_str)),
            ),
        ),
        None => group.element(annotate_snippets::Origin::path(file)),
    };
    for help in &finding.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    let mut groups = vec![group];
    if let (Some(suggestion), Some(range)) = (&finding.suggestion, range) {
        groups.push(
            Group::with_title(Level::HELP.secondary_title("you may have meant")).element(
                Snippet::source(text).patch(Patch::new(range, normalize_untrusted_str(suggestion))),
            ),
        );
    }
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Styled => Renderer::styled(),
    };
    renderer.render(&groups)
}

/// A whole report, with a summary in the last line.
#[must_use]
pub fn text(report: &Report, look: Look) -> String {
    let mut whole = String::new();
    for found in &report.findings {
        let text = report.texts.get(&found.file).map_or("", String::as_str);
        whole.push_str(&finding(found, text, look));
        whole.push_str("\n\n");
    }
    for line in [&report.compared, &report.notes, &report.unchecked]
        .into_iter()
        .flatten()
    {
        whole.push_str(&format!("note: {}\n", normalize_untrusted_str(line)));
    }
    if !(report.compared.is_empty() && report.notes.is_empty() && report.unchecked.is_empty()) {
        whole.push('\n');
    }
    whole.push_str(&summary(report));
    whole.push('\n');
    whole
}

/// `3 routes: 1 error, 2 warnings`.
fn summary(report: &Report) -> String {
    let counted = |count: usize, one: &str| match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    let files = report.texts.len();
    format!(
        "{}: {}, {}",
        counted(files, "route"),
        counted(report.count(Severity::Error), "error"),
        counted(report.count(Severity::Warning), "warning"),
    )
}

/// A report for tools: `routes` (the names of those that load), `findings`, how many `errors` and
/// `warnings` they are, by which schemas they were `compared`, `notes`, and what is `unchecked`.
#[must_use]
pub fn json(report: &Report) -> Value {
    json!({
        "routes": report.routes,
        "findings": report.findings,
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "compared": report.compared,
        "notes": report.notes,
        "unchecked": report.unchecked,
    })
}

/// The part of a place on its first line; one character for a point.
fn first_line(text: &str, place: &Place) -> std::ops::Range<usize> {
    let start = place.range.start.min(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
    let wanted = place.range.len().min(line);
    let one = rest
        .chars()
        .next()
        .filter(|c| !c.is_control())
        .map_or(0, char::len_utf8);
    let end = start + wanted.max(one);
    start..end
}

/// A path as it is shown: with slashes, without `./` and without control characters.
fn shown(file: &Path) -> String {
    let file: PathBuf = file.components().collect();
    normalize_untrusted_str(&file.display().to_string())
}
