//! A comparison for people to read.

use std::fmt::Write;

use serde_json::Value;
use stafett_core::id::InstanceId;

use super::report::{Example, Failure, FieldChange, Noted, Report};
use crate::words::short;

impl Report {
    /// All of it for people to read, the verdict last.
    #[must_use]
    pub fn text(&self) -> String {
        write(self)
    }
}

fn write(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    for warning in &report.warnings {
        line(format!("!! {warning}"));
    }
    report.schemas.iter().for_each(|it| line(it.clone()));
    let relays = &report.relays;
    if relays.rekeyed > 0 {
        line(format!(
            "!! {} have another key: each would get A SECOND B beside the one that it has.",
            counted(relays.rekeyed, "value of `each`", "values of `each`")
        ));
        relays
            .rekeyed_examples
            .iter()
            .for_each(|it| line(example(it)));
    }
    for (count, examples, what) in [
        (
            relays.appeared,
            &relays.appeared_examples,
            "appears: one more B each",
        ),
        (
            relays.vanished,
            &relays.vanished_examples,
            "vanishes: a B that is there stays, none is made any more",
        ),
    ] {
        if count > 0 {
            line(format!("!! {} {what}", counted(count, "relay", "relays")));
            examples.iter().for_each(|it| line(example(it)));
        }
    }
    noted(
        &mut line,
        &report.gate_opens,
        "the gate is open now and was not",
    );
    noted(
        &mut line,
        &report.gate_closes,
        "the gate was open and is not now",
    );
    if !report.fields.is_empty() {
        line("\nWhat changes in B, by field:".to_owned());
        for change in &report.fields {
            line(format!("  {}: {}", change.field, counts(change)));
            change.examples.iter().for_each(|it| line(example(it)));
        }
    }
    failures(
        &mut line,
        &report.failures,
        "\nWhat fails that did not before:",
    );
    failures(
        &mut line,
        &report.mended,
        "\nWhat failed before and does not any more:",
    );
    for words in &report.on_a {
        line(format!("\nOn A: {words}"));
    }
    if report.of_other_apps > 0 {
        line(format!(
            "\n{} of other apps, not looked at",
            counted(report.of_other_apps, "instance", "instances")
        ));
    }
    if !report.judged {
        line("\nB's metadata or its form's schema is not at hand: what B would refuse is not judged (name their folder with --apps)".to_owned());
    }
    line(format!("\n{}", report.verdict()));
    text.trim_start_matches('\n').to_owned()
}

fn noted(line: &mut dyn FnMut(String), noted: &Noted, what: &str) {
    if noted.count > 0 {
        line(format!(
            "!! {}: {what}",
            counted(noted.count, "instance", "instances")
        ));
        noted
            .examples
            .iter()
            .for_each(|id: &InstanceId| line(format!("      {id}")));
    }
}

fn failures(line: &mut dyn FnMut(String), failures: &[Failure], title: &str) {
    if failures.is_empty() {
        return;
    }
    line(title.to_owned());
    for failure in failures {
        line(format!(
            "  {}: {}",
            counted(failure.relays, "relay", "relays"),
            failure.reason
        ));
        failure.examples.iter().for_each(|it| line(example(it)));
    }
}

fn counts(change: &FieldChange) -> String {
    let parts = [
        (change.added, "added"),
        (change.removed, "removed"),
        (change.changed, "changed"),
        (change.type_changed, "of another type"),
    ];
    let some = parts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} (in {} B)", words.join(", "), change.bs)
}

fn example(example: &Example) -> String {
    let mut text = format!("      {}", example.instance);
    if let Some(key) = &example.key {
        let _ = write!(text, " (key {key})");
    }
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    if example.old.is_some() || example.new.is_some() {
        let _ = write!(text, ": {} → {}", value(&example.old), value(&example.new));
    }
    text
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
