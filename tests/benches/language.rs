//! What a route costs: reading the sample route, a draft of 200 fields, and the check of a route of 1,000 fields.
//!
//! `cargo bench --profile dev -p tests --bench language`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};

use app_files::Apps;
use author::check::check;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use stafett_core::{
    instance::Instance,
    route::{Route, Routes},
    transform,
};

const ROUNDS: usize = 101;

fn main() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra");
    let sample = infra.join("routes/permit-to-casework.yaml");
    report("read the sample route", ROUNDS, || {
        Route::read(&sample).expect("the sample route")
    });

    let folder = tempfile::tempdir().expect("a temporary folder");
    let route = written(folder.path(), 200);
    let instance =
        std::fs::read_to_string(infra.join("apps/ttd/permit/samples/minimal/instance.json"));
    let instance = serde_json::from_str(&instance.expect("the sample")).expect("JSON");
    let instance = Instance::from_json(instance).expect("an instance");
    let rows: Vec<Value> = (0..50)
        .map(|row| json!({"kode": "TB", "areal": row}))
        .collect();
    let data = json!({"model": {
        "soker": {"navn": "Kari Bygger", "fodselsnummer": "12837832290"}, "tiltak": rows, "merknad": null,
    }});
    let Value::Object(data): Value = data else {
        return;
    };
    let data: Map<String, Value> = data;
    report("make a draft of 200 fields", ROUNDS, || {
        let drafts = transform::drafts(&route, &instance, &data, Timestamp::UNIX_EPOCH);
        assert!(drafts.is_ok_and(|drafts| drafts.iter().all(|draft| draft.draft.is_ok())));
    });

    let _ = written(folder.path(), 1_000);
    let apps = Apps::read_all(&[infra.join("apps")]).expect("the sample apps");
    report("check a route of 1,000 fields", 11, || {
        check(folder.path(), &apps, Timestamp::UNIX_EPOCH).expect("a report")
    });
}

/// A route with so many fields, of a few kinds of expressions.
fn written(folder: &Path, fields: usize) -> Route {
    const KINDS: [&str; 5] = [
        "data.model.soker.navn",
        "\"'Fra ' ~ data.model.soker.navn\"",
        "data.model.merknad | default('ingen')",
        "data.model.tiltak | map(attribute='areal') | sum",
        "\"'ja' if data.model.merknad is defined else 'nei'\"",
    ];
    let mut text = String::from(
        "name: many\nfrom: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }\nto: { app: ttd/casework, owner: { organisation: \"'310075728'\" } }\nmodel:\n",
    );
    for (field, kind) in (0..fields).zip(KINDS.iter().cycle()) {
        let _ = writeln!(text, "  f{field}: {kind}");
    }
    std::fs::write(folder.join("many.yaml"), text).expect("a file can be written");
    let (mut routes, errors) = Routes::read(&[folder.join("many.yaml")]);
    assert!(errors.is_empty(), "{errors:?}");
    routes.remove(0).1
}

/// Prints the median time of `work`.
fn report<T>(what: &str, rounds: usize, mut work: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            drop(std::hint::black_box(work()));
            started.elapsed()
        })
        .collect();
    times.sort();
    let median = times.get(rounds / 2).copied().unwrap_or_default();
    println!(
        "{what}: {:.3} ms (p50 of {rounds})",
        median.as_secs_f64() * 1e3
    );
}
