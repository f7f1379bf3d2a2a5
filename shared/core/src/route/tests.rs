//! Route files, valid and invalid.

use std::fs;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::language::Scope;

mod forms;
mod invalid;
mod leaves;
mod valid;

/// A valid route. Most invalid routes below are this one with one mistake.
const VALID: &str = r#"name: permit-to-casework
from:
  app: ttd/permit
  when: { process: completed }
  since: 2026-11-01
to:
  app: ttd/casework
  owner: { organisation: "'310075728'" }
  dataType: model
  root: melding
  schema: casework.schema.json
model:
  soknad:
    tittel: data.model.tittel
    vedtak:
      $each: decision in data.model.decisions
      kode: decision.code
attachments:
  - { from: ref-data-as-pdf, to: vedlegg, required: true }
due: P30D
"#;

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// The errors of loading `route.yaml` with this text, without the directory; `loads` if there are none.
fn errors_of(route: &[u8]) -> String {
    let directory = directory(&[
        ("route.yaml", route),
        ("casework.schema.json", br#"{"type": "object"}"#),
        ("broken.schema.json", b"{"),
        (
            "remote.schema.json",
            br#"{"$ref": "https://altinn.example/schema.json"}"#,
        ),
    ]);
    match Routes::load(directory.path()) {
        Ok(_) => "loads".into(),
        Err(errors) => {
            errors.0.iter().for_each(|error| assert_range(error, route));
            let path = format!("{}/", directory.path().display());
            errors.to_string().replace(&path, "")
        }
    }
}

/// Asserts that the range of an error consists of whole characters, and begins at or after its line and column.
fn assert_range(error: &RouteError, file: &[u8]) {
    let (Some(range), Ok(text)) = (&error.range, std::str::from_utf8(file)) else {
        return;
    };
    assert!(text.get(range.clone()).is_some(), "{error}: {range:?}");
    let line = text[..range.start].matches('\n').count() as u64 + 1;
    let column = text[..range.start]
        .chars()
        .rev()
        .take_while(|&c| c != '\n')
        .count() as u64
        + 1;
    assert!(
        error.at.is_none_or(|at| at <= (line, column)),
        "{error}: {line}:{column}"
    );
    let word = match &error.mistake {
        Mistake::UnknownKey(words)
        | Mistake::UnknownName(words)
        | Mistake::UnknownFilter(words)
        | Mistake::UnknownTest(words) => &words.word,
        _ => return,
    };
    let found = &text[range.clone()];
    // Where a text lacks quotes, the whole scalar is meant.
    let is_fixed_text = error.suggestion.is_some() && found.contains(word.as_str());
    assert!(found == word || is_fixed_text, "{error}: {found}");
}

/// Asserts the errors of each route, and shows all differences at once.
fn assert_errors(cases: impl IntoIterator<Item = (String, &'static str)>) {
    let mut differing = String::new();
    for (route, expected) in cases {
        let found = errors_of(route.as_bytes());
        if found != expected {
            differing += &format!("--- of\n{route}\nexpected: {expected}\nfound:    {found}\n");
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

/// [`VALID`] with `old` replaced by `new`, once.
fn with(old: &str, new: &str) -> String {
    assert_eq!(VALID.matches(old).count(), 1, "{old}");
    VALID.replacen(old, new, 1)
}

fn load(route: &str, schema: &str) -> Routes {
    let directory = directory(&[
        ("route.yaml", route.as_bytes()),
        ("casework.schema.json", schema.as_bytes()),
    ]);
    Routes::load(directory.path()).unwrap()
}

fn only(routes: &Routes) -> &Route {
    assert_eq!(routes.len(), 1);
    routes.iter().next().unwrap()
}

/// What the route's model becomes for an A instance with this form.
fn filled(route: &Route, instance: Value, model: Value) -> Map<String, Value> {
    let data = Map::from_iter([("model".to_owned(), model)]);
    model::fill(&route.to.forms.main, &Scope::new(&instance, &data)).unwrap()
}
