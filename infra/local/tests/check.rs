//! `stafett check` as its users run it: on directories of all kinds, at a terminal and in a pipe.

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

/// What `check` says of a directory with this one file, and its exit code.
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
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
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
fn what_could_not_be_checked_is_said_with_what_it_takes() {
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
fn a_tool_reads_one_json_document() {
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
        ["routes", "findings", "errors", "warnings", "unchecked"]
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
fn a_directory_that_is_not_there_or_holds_no_route_is_another_exit_code() {
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
        said(&output).contains("/gone: cannot read the directory of routes"),
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
fn a_file_cannot_command_the_terminal() {
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
