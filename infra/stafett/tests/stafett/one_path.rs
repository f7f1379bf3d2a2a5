//! `try`, `compare` and `--input` as parts of one path: what stops one of them stops the others, and what cannot be compared
//! stops none.

use std::{fs, path::Path};

use local_world::deployment::sample_apps;
use serde_json::{Value, json};

use super::author::{Bench, SAMPLE, apps, sample, stafett};

#[test]
fn what_check_calls_an_error_stops_try_and_compare_with_the_same_finding() {
    let bench = Bench::changed("root: melding", "root: meldinga");
    let (route, apps) = (bench.route(), apps());
    let checked = stafett(&["check", &route, "--apps", &apps]);
    checked.ends(1).says("error[root]");
    let sample = sample("two-measures");
    let tried = stafett(&["try", &route, "--instance", &sample, "--apps", &apps]);
    tried
        .ends(1)
        .says("error[root]")
        .says("<meldinga>")
        .says("not to be sent: the route has an error");
    assert!(!tried.out.contains("would be sent"), "{}", tried.out);
    let folder = Path::new(&sample).parent().unwrap().display().to_string();
    let compare = |old: &str, new: &str| {
        stafett(&["compare", old, new, "--instances", &folder, "--apps", &apps])
    };
    compare(SAMPLE, &route).ends(2).complains("error[root]");
    // A broken route that is deployed can be compared with its mended version.
    compare(&route, SAMPLE).ends(1).says("to.root");
}

/// Copies the sample apps, with a form of A of which no class can be made, and without A's process.
fn incomplete_apps(bench: &Bench) -> String {
    let into = bench.path("apps/ttd");
    for app in ["permit", "casework"] {
        copy(
            &sample_apps().join("ttd").join(app),
            &Path::new(&into).join(app),
        );
    }
    let file = Path::new(&into).join("permit/applicationmetadata.json");
    let mut metadata: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let types = metadata["dataTypes"].as_array_mut().unwrap();
    types.push(json!({"id": "odd", "maxCount": 1, "appLogic": {"classRef": "Odd"}}));
    fs::write(&file, metadata.to_string()).unwrap();
    let schema = json!({"properties": {"a": {"$ref": "other.json#/x"}}});
    bench.write("apps/ttd/permit/models/odd.schema.json", schema.to_string());
    fs::remove_file(Path::new(&into).join("permit/process.bpmn")).unwrap();
    bench.path("apps")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn an_odd_form_and_a_missing_process_stop_neither_try_nor_the_playground() {
    let bench = Bench::new();
    let apps = incomplete_apps(&bench);
    let sample = sample("two-measures");
    let tried = stafett(&[
        "try",
        &bench.route(),
        "--instance",
        &sample,
        "--apps",
        &apps,
    ]);
    tried
        .ends(0)
        .complains("ttd/permit: its form `odd` cannot be read or written here")
        .complains("ttd/permit: it has no process.bpmn");
    let routes = bench.path("routes");
    fs::create_dir(&routes).unwrap();
    fs::copy(bench.route(), Path::new(&routes).join("permit.yaml")).unwrap();
    // Without a terminal it ends by itself.
    let played = stafett(&[
        "--routes", &routes, "--apps", &apps, "--input", &sample, "--port", "0",
    ]);
    played
        .ends(0)
        .says("ttd/permit: its form `odd` cannot be read or written here")
        .says("ttd/permit: it has no process.bpmn: its process is one task here, Task_1")
        .says("Exactly one complete B for each.");
}

#[test]
fn a_form_of_which_no_class_can_be_made_is_named_if_the_route_reads_it() {
    let bench = Bench::changed("data.model.merknad ", "data.odd.a ");
    let apps = incomplete_apps(&bench);
    let sample = sample("two-measures");
    stafett(&[
        "try",
        &bench.route(),
        "--instance",
        &sample,
        "--apps",
        &apps,
    ])
    .ends(2)
    .complains("its form `odd` cannot be read or written here")
    .complains("the route reads it");
}

#[test]
fn a_set_of_relays_has_exactly_one_complete_b_for_each() {
    let heirs = sample_apps().join("ttd/estate/samples/three-heirs");
    let heirs = heirs.display().to_string();
    stafett(&["--input", &heirs, "--port", "0"])
        .ends(0)
        .says("Exactly one complete B for each.");
}
