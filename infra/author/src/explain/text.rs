//! An explanation for people to read.

use std::{fmt::Write, path::Path};

use super::{Explained, Explanation, Has, Outcome};
use crate::words::short;

pub(super) fn write(explanation: &Explanation, file: &Path) -> String {
    let mut text = String::new();
    for value in &explanation.values {
        write_value(&mut text, value, file);
    }
    if let Some(none) = &explanation.none {
        let _ = writeln!(text, "{}: not in B: {none}", explanation.field);
    }
    if let Some(refused) = &explanation.refused {
        let _ = writeln!(text, "{}: no B: {refused}", explanation.field);
    }
    text
}

fn write_value(text: &mut String, value: &Explained, file: &Path) {
    let of = value.key.iter().map(|key| format!(" (key {key})"));
    let _ = writeln!(text, "{}{}", value.field, of.collect::<String>());
    let mut line = |name: &str, words: &str| {
        let _ = writeln!(text, "  {name:<8} {words}");
    };
    let place = value
        .place
        .iter()
        .map(|place| format!("   {}:{}:{}", file.display(), place.line, place.column));
    line(
        "is",
        &format!("{}{}", value.rule, place.collect::<String>()),
    );
    for item in &value.items {
        line(
            "where",
            &format!("{} is item {} of {}", item.name, item.index, item.list),
        );
    }
    for read in &value.reads {
        let has = match &read.has {
            Has::Value(value) => short(value),
            Has::Empty => "(empty in A)".to_owned(),
        };
        line("reads", &format!("{} = {has}", read.path));
    }
    match &value.outcome {
        Outcome::Value(value) => line("gives", &short(value)),
        Outcome::LeftOut(why) => line("gives", &format!("nothing, left out of B: {why}")),
        Outcome::Refused(why) => line("gives", &format!("no B: {why}")),
    }
    for note in &value.notes {
        line("note", note);
    }
    text.push('\n');
}
