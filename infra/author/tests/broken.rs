//! What `check` reports about routes with one mistake each: a folder of them, and the expected texts.
//!
//! `UPDATE_GOLDEN=1 cargo test -p author --test broken` writes the expected texts anew: read them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use app_files::Apps;
use author::{
    Finding,
    check::{Report, check},
    render::{self, Look},
};
use jiff::Timestamp;
use stafett_core::route::file_schema;

/// The files and folders with one mistake each.
fn cases() -> Vec<PathBuf> {
    let is_case =
        |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|end| end == "yaml");
    let mut cases: Vec<PathBuf> = fs::read_dir("tests/broken")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_case)
        .collect();
    cases.sort();
    cases
}

fn slug(case: &Path) -> String {
    case.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Whether the mistake only shows when the route is compared with the apps' files.
fn needs_apps(case: &Path) -> bool {
    slug(case).starts_with("fit-")
}

/// What is found in each case; found once for all tests.
static REPORTS: LazyLock<BTreeMap<PathBuf, Report>> = LazyLock::new(|| {
    let apps = Apps::read_all(&["tests/apps".into()]).unwrap();
    let none = Apps::default();
    let of = |case: PathBuf| {
        let apps = if needs_apps(&case) { &apps } else { &none };
        let report = check(&case, apps, now()).unwrap();
        (case, report)
    };
    cases().into_iter().map(of).collect()
});

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn told(report: &Report) -> String {
    let shown = |finding: &Finding| {
        let text = &report.texts[&finding.file];
        render::finding(finding, text, Look::Plain) + "\n"
    };
    report
        .findings
        .iter()
        .map(shown)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn each_mistake_is_reported_in_the_expected_words() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for (case, report) in &*REPORTS {
        let told = told(report);
        let golden = Path::new("tests/broken").join(slug(case) + ".txt");
        if update {
            fs::write(&golden, &told).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if told != expected {
            differing.push(format!(
                "{}\nexpected:\n{expected}\ntold:\n{told}",
                case.display()
            ));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn one_mistake_is_reported_once() {
    let differing: Vec<String> = REPORTS
        .iter()
        .filter(|(_, report)| report.findings.len() != 1)
        .map(|(case, report)| format!("{}:\n{}", case.display(), told(report)))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_expected_text_has_a_case() {
    let cases: BTreeSet<String> = cases().iter().map(|case| slug(case)).collect();
    for entry in fs::read_dir("tests/broken").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "txt") {
            assert!(
                cases.contains(&slug(&path)),
                "{} has no case",
                path.display()
            );
        }
    }
    assert!(cases.len() >= 45, "{}", cases.len());
}

/// Cases whose finding is not in the line that was changed.
const TOLD_ELSEWHERE: [&str; 1] = ["item-never-read"];

/// In a file that lacks a line, the finding is where the line belongs.
#[test]
fn a_mistake_is_reported_in_the_line_that_has_it() {
    let sound = fs::read_to_string("tests/sound.yaml").unwrap();
    for (case, report) in REPORTS
        .iter()
        .filter(|(case, _)| case.is_file() && !needs_apps(case))
    {
        let Ok(text) = fs::read_to_string(case) else {
            continue;
        };
        let place = report.findings[0].place.as_ref();
        let Some(line) = place.map(|place| place.line) else {
            continue;
        };
        let differing: BTreeSet<usize> = text
            .lines()
            .enumerate()
            .filter(|(index, line)| sound.lines().nth(*index) != Some(line))
            .map(|(index, _)| index + 1)
            .collect();
        if TOLD_ELSEWHERE.contains(&slug(case).as_str()) {
            continue;
        }
        let lacks_lines = text.lines().count() < sound.lines().count();
        assert!(
            differing.contains(&line) || lacks_lines,
            "{}: told in line {line}, made in one of {differing:?}",
            case.display()
        );
    }
}

#[test]
fn a_sound_route_gives_no_findings() {
    let report = check(Path::new("tests/sound.yaml"), &Apps::default(), now()).unwrap();
    assert_eq!(told(&report), "");
}

/// The kinds of mistakes in the shape of a file.
const STRUCTURE: [&str; 10] = [
    "contradiction",
    "each-form",
    "element-name",
    "invalid-value",
    "list-in-model",
    "misplaced-each",
    "missing-key",
    "no-expression",
    "unknown-key",
    "wrong-kind",
];

/// Mistakes that the JSON schema cannot express: impossible days, what a prefilled B can carry, and a form that stands twice.
const BEYOND_THE_SCHEMA: [&str; 4] = [
    "due-at-once",
    "forms-with-the-main-one",
    "mode-that-carries-no-attachment",
    "since-on-no-day",
];

/// Mistakes in an expression that its schema sees, too: YAML makes no value of the one, and a space of the other is odd.
const SEEN_BY_THE_SCHEMA: [&str; 2] = ["each-with-an-odd-space", "null-alone"];

#[test]
fn the_json_schema_of_a_route_refuses_exactly_the_files_with_a_wrong_shape() {
    let schema = jsonschema::validator_for(&file_schema()).unwrap();
    let allows = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        schema.is_valid(&value)
    };
    assert!(allows(Path::new("tests/sound.yaml")));
    for entry in fs::read_dir("../routes").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            assert!(allows(&path), "{}", path.display());
        }
    }
    let mut told = Vec::new();
    for (case, report) in REPORTS.iter().filter(|(case, _)| case.is_file()) {
        let code = report.findings[0].code;
        // A schema cannot say anything about what is not YAML.
        let Ok(text) = fs::read_to_string(case) else {
            continue;
        };
        let Ok(value) = serde_saphyr::from_str::<serde_json::Value>(&text) else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        let beyond = BEYOND_THE_SCHEMA.contains(&slug(case).as_str());
        let broken_in_shape = SEEN_BY_THE_SCHEMA.contains(&slug(case).as_str())
            || (STRUCTURE.contains(&code) && !needs_apps(case) && !beyond);
        if schema.is_valid(&value) == broken_in_shape {
            told.push(format!(
                "{}: {code}, allowed: {}",
                slug(case),
                !broken_in_shape
            ));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_stored_json_schema_of_a_route_is_up_to_date() {
    let written = fs::read_to_string("../routes/route.schema.json").unwrap_or_default();
    let generated = format!("{:#}\n", file_schema());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write("../routes/route.schema.json", &generated).unwrap();
        return;
    }
    assert_eq!(
        written, generated,
        "run `cargo run -- schema > infra/routes/route.schema.json`"
    );
}
