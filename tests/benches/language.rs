//! What a route costs: reading the sample route, a draft of 200 fields, and the check of a route of 1,000 fields against both apps.
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

    let large = tempfile::tempdir().expect("a temporary folder");
    let apps = large_route(large.path());
    let file = large.path().join("large.yaml");
    report("check a route of 1,000 fields against its apps", 11, || {
        let report = check(&file, &apps, Timestamp::UNIX_EPOCH).expect("a report");
        assert_eq!(report.findings, []);
        report
    });
}

/// Two apps with forms of 1,000 fields in forty groups, and a route that fills all of them.
fn large_route(folder: &Path) -> Apps {
    // A's field, B's field and the expression between them.
    let kinds = [
        (
            json!({"type": "string", "maxLength": 80}),
            json!({"type": "string", "maxLength": 100}),
            "(FIELD | upper)[:100]",
        ),
        (
            json!({"type": "number", "minimum": 0, "maximum": 1000, "multipleOf": 0.01}),
            json!({"type": "number", "minimum": 0, "multipleOf": 0.01}),
            "(FIELD * 1.25) | round(2)",
        ),
        (
            json!({"type": "string", "format": "date"}),
            json!({"type": "string", "maxLength": 10}),
            "FIELD | format_date('dd.MM.yyyy')",
        ),
        (
            json!({"type": "string", "enum": ["ja", "nei"]}),
            json!({"type": "boolean"}),
            "true if FIELD == 'ja' else false",
        ),
        (
            json!({"type": "integer", "minimum": 0, "maximum": 9}),
            json!({"type": "integer", "maximum": 9}),
            "FIELD",
        ),
    ];
    let (mut a, mut b, mut route) = (Map::new(), Map::new(), Map::new());
    for group in 0..40 {
        let group = format!("gruppe{group}");
        let (mut of_a, mut of_b, mut of_route) = (Map::new(), Map::new(), Map::new());
        for (field, (in_a, in_b, expression)) in (0..25).zip(kinds.iter().cycle()) {
            let field = format!("felt{field}");
            of_a.insert(field.clone(), in_a.clone());
            of_b.insert(field.clone(), in_b.clone());
            let path = format!("data.model.{group}.{field}");
            of_route.insert(field, expression.replace("FIELD", &path).into());
        }
        for (form, fields) in [(&mut a, of_a), (&mut b, of_b)] {
            let required: Vec<&String> = fields.keys().collect();
            let schema = json!({"type": "object", "required": required, "properties": fields});
            form.insert(group.clone(), schema);
        }
        route.insert(group, of_route.into());
    }
    let write = |file: &Path, text: String| std::fs::write(file, text).expect("a file");
    for (name, form) in [("a", &a), ("b", &b)] {
        let app = folder.join("apps").join(name);
        std::fs::create_dir_all(app.join("models")).expect("a folder");
        let metadata = json!({
            "id": format!("ttd/{name}"), "org": "ttd",
            "dataTypes": [{"id": "model", "appLogic": {"classRef": "Model"}, "maxCount": 1}],
        });
        let groups: Vec<&String> = form.keys().collect();
        let schema = json!({"type": "object", "required": groups, "properties": form});
        write(&app.join("applicationmetadata.json"), metadata.to_string());
        write(
            &app.join("app.yaml"),
            "policy: { serviceOwner: [read, write, instantiate, complete, delete] }\ntasks: [{ id: Task_1, name: Utfylling, type: data }]\n".to_owned(),
        );
        write(&app.join("models/model.schema.json"), schema.to_string());
        write(
            &folder.join(format!("{name}.schema.json")),
            schema.to_string(),
        );
    }
    write(
        &folder.join("large.yaml"),
        format!(
            "name: large\nfrom: {{ app: ttd/a, when: {{ process: completed }}, since: 1970-01-01 }}\nto: {{ app: ttd/b, owner: {{ organisation: \"'310075728'\" }}, schema: b.schema.json }}\nmodel: {}\n",
            Value::Object(route)
        ),
    );
    Apps::read_all(&[folder.join("apps")]).expect("the apps")
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
