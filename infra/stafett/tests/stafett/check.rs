//! `stafett check` as its users run it: on all kinds of directories, at a terminal and in a pipe.

use std::{
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const ROUTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../routes");

const SOUND: &str = "name: permit-to-casework
from: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/casework, owner: { organisation: \"'310075728'\" } }
model: { soknad: { tittel: data.model.soker.navn } }
";

fn stafett(arguments: &[&str]) -> Output {
    stafett_with(arguments, &[])
}

fn stafett_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(arguments)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The output of `check` for a directory with this one file, and its exit code.
fn checked(route: &[u8], arguments: &[&str]) -> (String, i32) {
    let directory = directory(route);
    let path = directory.path().display().to_string();
    let output = stafett(&[&["check", &path], arguments].concat());
    (said(&output), output.status.code().unwrap())
}

fn directory(route: &[u8]) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("route.yaml"), route).unwrap();
    directory
}

fn said(output: &Output) -> String {
    [output.stdout.as_slice(), &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

#[test]
fn the_sample_routes_are_sound_against_the_sample_apps() {
    let output = stafett(&["check", ROUTES]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("routes: no errors"), "{said}");
    assert!(!said.contains("not at hand"), "{said}");
}

#[test]
fn a_mistake_is_underlined_and_the_exit_code_tells() {
    let (said, code) = checked(SOUND.replace("from: { app", "from: { ap").as_bytes(), &[]);
    assert_eq!(code, 1, "{said}");
    for part in [
        "error[unknown-key]: unknown key `ap` in `from`",
        "route.yaml:2:9",
        "^^",
        "allowed here: `app`, `when`, `since`",
        "1 route: 1 error, no warnings",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_warning_alone_is_no_error_unless_it_is_told_to_be() {
    let ahead = SOUND.replace("2026-11-01", "2199-11-01");
    let (said, code) = checked(ahead.as_bytes(), &[]);
    assert!(code == 0 && said.contains("warning[since-ahead]"), "{said}");
    let (said, code) = checked(ahead.as_bytes(), &["--deny-warnings"]);
    assert!(code == 1 && said.contains("warning[since-ahead]"), "{said}");
}

#[test]
fn unchecked_parts_are_reported_with_what_is_needed() {
    let (said, code) = checked(SOUND.as_bytes(), &[]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "the files of ttd/permit are not at hand",
        "--apps DIR",
        "--from URL",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn the_json_format_prints_one_document() {
    let broken = SOUND.replace("due", "").replace("model: {", "modell: {");
    let directory = directory(broken.as_bytes());
    let path = directory.path().display().to_string();
    let output = stafett(&["check", &path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "routes",
            "findings",
            "errors",
            "warnings",
            "compared",
            "notes",
            "unchecked"
        ]
    );
    assert_eq!(
        (&report["errors"], &report["warnings"]),
        (&1.into(), &0.into())
    );
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["code"], "unknown-key");
    assert_eq!(finding["suggestion"], "model");
    assert_eq!(
        (&finding["line"], &finding["column"], &finding["length"]),
        (&4.into(), &1.into(), &6.into())
    );
    let file = Path::new(finding["file"].as_str().unwrap());
    assert_eq!(file, directory.path().join("route.yaml"));
}

#[test]
fn a_missing_or_empty_directory_has_its_own_exit_code() {
    let empty = TempDir::new().unwrap();
    let path = empty.path().display().to_string();
    let output = stafett(&["check", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("no route file here (*.yaml)"),
        "{}",
        said(&output)
    );
    let output = stafett(&["check", &format!("{path}/gone")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("/gone: the directory of routes cannot be read"),
        "{}",
        said(&output)
    );
    for usage in [["check", "--colour"], ["check", "--format=xml"]] {
        assert_eq!(stafett(&usage).status.code(), Some(2));
    }
    let output = stafett(&["check", ROUTES, "--apps", &format!("{path}/gone")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_route_that_is_far_too_large_is_refused_without_reading_it() {
    let large = format!("{SOUND}#{}\n", "x".repeat(10 * 1024 * 1024));
    let started = Instant::now();
    let (said, code) = checked(large.as_bytes(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[too-large]"), "{said}");
    assert!(said.contains("a route file has 1048576 at most"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(said.len() < 1_000, "{}", said.len());
}

#[test]
fn a_yaml_bomb_is_refused_before_it_grows() {
    let mut bomb = format!("{SOUND}x:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (before, this) in ('a'..='y').zip('b'..='z') {
        let ten = format!("*{before},").repeat(10);
        writeln!(bomb, "  {this}: &{this} [{ten}]").unwrap();
    }
    let bomb = bomb
        .replace("x:\n", "")
        .replace(" { soknad: { tittel: data.model.soker.navn } }", "");
    let started = Instant::now();
    let (said, code) = checked(bomb.as_bytes(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[too-large]"), "{said}");
    assert!(said.contains("too large or too complex"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_file_that_is_no_utf_8_is_refused_where_it_is_none() {
    let (said, code) = checked(b"name: permit\nfrom: \xe6\n", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("error[not-utf-8]: the file is not UTF-8 text"),
        "{said}"
    );
    assert!(said.contains("route.yaml:2:7"), "{said}");
}

#[test]
fn a_files_content_cannot_control_the_terminal() {
    let (said, code) = checked(b"\x1b[31mname: x\n\"\\e]0;title\\a\": 1\n", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(!said.contains('\x1b') && !said.contains('\x07'), "{said:?}");
}

#[test]
fn colours_are_for_terminals_that_have_them() {
    let directory = directory(b"name: x\n");
    let path = directory.path().display().to_string();
    let escapes = |environment: &[(&str, &str)]| {
        said(&stafett_with(&["check", &path], environment)).contains('\x1b')
    };
    assert!(!escapes(&[]));
    assert!(!escapes(&[("TERM", "dumb")]));
    assert!(escapes(&[("CLICOLOR_FORCE", "1")]));
    assert!(!escapes(&[("NO_COLOR", "1")]));
}

#[test]
fn the_schema_of_a_route_is_printed_for_editors() {
    let output = stafett(&["schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "Route");
    for entry in fs::read_dir(ROUTES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let route = fs::read_to_string(&path).unwrap();
            let first = route.lines().next();
            assert_eq!(
                first,
                Some("# yaml-language-server: $schema=route.schema.json")
            );
        }
    }
    assert!(Path::new(ROUTES).join("route.schema.json").is_file());
}

#[test]
fn the_reader_of_the_output_may_close_the_pipe() {
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps");
    let sample = apps.join("ttd/permit/samples/minimal");
    let (apps, sample) = (apps.display().to_string(), sample.display().to_string());
    let route = "permit-to-casework";
    let commands: [&[&str]; 7] = [
        &["check", ROUTES],
        &["check", ROUTES, "--format", "json"],
        &["schema"],
        &["graph", ROUTES],
        &["try", route, "--instance", &sample],
        &["try", route, "--instance", &sample, "--format", "json"],
        &["compare", route, route, "--instances", &apps],
    ];
    for arguments in commands {
        // The reader has closed the pipe before the first output.
        let (_, out) = std::io::pipe().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_stafett"))
            .args(arguments)
            .stdout(out)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?} {}",
            said(&output)
        );
        assert!(output.stderr.is_empty(), "{arguments:?} {}", said(&output));
    }
    let (_, nowhere) = std::io::pipe().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(["check", "/no/such/folder"])
        .stderr(nowhere)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn an_endless_file_is_reported_and_not_read() {
    let directory = directory(SOUND.as_bytes());
    let endless = directory.path().join("endless.yaml");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let path = directory.path().display().to_string();
    let output = stafett(&["check", &path]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("error[unreadable]"),
        "{}",
        said(&output)
    );
    let endless = endless.display().to_string();
    let output = stafett(&["try", &endless, "--instance", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("no file with text in it"),
        "{}",
        said(&output)
    );
}

#[cfg(unix)]
#[test]
fn a_files_name_cannot_control_the_terminal() {
    let directory = directory(b"name: x\n");
    let route = directory.path().join("route.yaml");
    let named = directory.path().join("r\x1b[2Joute.yaml");
    fs::rename(route, &named).unwrap();
    let path = directory.path().display().to_string();
    for arguments in [
        vec!["check", &path],
        vec!["check", "/no/such/\x1b[2J"],
        vec!["try", "\x1b[2J", "--instance", "x"],
        vec!["graph", &path],
    ] {
        let output = stafett_with(&arguments, &[("CLICOLOR_FORCE", "1")]);
        assert!(!said(&output).contains("\x1b[2J"), "{:?}", said(&output));
    }
    let output = stafett(&["check", &path, "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = Path::new(report["findings"][0]["file"].as_str().unwrap());
    assert_eq!(file, named, "a tool gets the name as it is");
}

#[test]
fn an_app_with_missing_files_is_reported_as_unchecked() {
    let directory = directory(SOUND.as_bytes());
    let write = |app: &str, file: &str, text: &str| {
        let file = directory.path().join("apps/ttd").join(app).join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    for app in ["permit", "casework"] {
        let metadata = format!(
            r#"{{"id": "ttd/{app}", "org": "ttd", "dataTypes": [{{"id": "model", "appLogic": {{"classRef": "M"}}, "maxCount": 1}}]}}"#
        );
        write(app, "applicationmetadata.json", &metadata);
    }
    write("permit", "models/model.schema.json", "{}");
    let path = directory.path().display().to_string();
    let output = stafett(&["check", &path, "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unchecked: Vec<&str> = report["unchecked"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let absent = [
        (
            "casework",
            "models/model.schema.json: the fields of its form `model`",
        ),
        ("casework", "policy.xml: what its policy permits"),
        ("permit", "policy.xml: what its policy permits"),
    ];
    let (roots, unchecked): (Vec<&str>, Vec<&str>) = unchecked
        .into_iter()
        .partition(|line| line.starts_with("no file of ttd/casework tells the XML root element"));
    assert_eq!(roots.len(), 1, "{unchecked:#?}");
    assert_eq!(unchecked.len(), absent.len(), "{unchecked:#?}");
    for (line, (app, rest)) in unchecked.iter().zip(absent) {
        assert!(
            line.starts_with(&format!("ttd/{app} has no file ")),
            "{line}"
        );
        assert!(line.contains(rest), "{line}");
    }
}

#[test]
fn a_due_date_beyond_all_calendars_and_a_day_beyond_them_are_refused() {
    let (said, code) = checked(format!("{SOUND}due: P9999Y\n").as_bytes(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[due]: due: gives no date"), "{said}");
    let beyond = SOUND.replace("2026-11-01", "9999-12-31");
    let (said, code) = checked(beyond.as_bytes(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(!said.contains("you may have meant"), "{said}");
}
