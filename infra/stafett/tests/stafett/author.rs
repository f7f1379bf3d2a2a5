//! `stafett try`, `compare` and `graph` as a route author runs them: the built program, on files
//! and with an Altinn.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use local_altinn::{Config, LocalAltinn};
use local_world::deployment::{SERVICE_OWNER, sample_apps};
use serde_json::Value;
use tempfile::TempDir;
use testbed::wire::Wire;
use tokio::net::TcpListener;

pub(super) const SAMPLE: &str = "permit-to-casework";

/// The command's output and exit code.
pub(super) struct Said {
    /// Standard output.
    pub(super) out: String,
    /// Standard error.
    err: String,
    code: Option<i32>,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub(super) fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(super) fn says(&self, words: &str) -> &Self {
        assert!(
            self.out.contains(words),
            "no {words:?} in\n{}{}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    pub(super) fn complains(&self, words: &str) -> &Self {
        assert!(
            self.err.contains(words),
            "no {words:?} in\n{}{}",
            self.err,
            self.out
        );
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

pub(super) fn stafett(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    Said::of(&output)
}

pub(super) fn sample(name: &str) -> String {
    let folder = sample_apps().join("ttd/permit/samples").join(name);
    folder.display().to_string()
}

pub(super) fn apps() -> String {
    sample_apps().display().to_string()
}

/// A directory of the sample routes, for changes.
pub(super) struct Bench(TempDir);

impl Bench {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        for entry in fs::read_dir(local_world::deployment::sample_routes()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
        Self(directory)
    }

    pub(super) fn path(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }

    /// Replaces a piece of the sample route's text.
    pub(super) fn changed(old: &str, new: &str) -> Self {
        let bench = Self::new();
        let file = bench.path("permit-to-casework.yaml");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old}");
        fs::write(&file, text.replacen(old, new, 1)).unwrap();
        bench
    }

    pub(super) fn route(&self) -> String {
        self.path("permit-to-casework.yaml")
    }

    pub(super) fn write(&self, file: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(file);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Copies a sample instance, with `change` applied to its `instance.json`.
    fn instance(&self, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let from = PathBuf::from(sample(name));
        let to = PathBuf::from(self.path("instances")).join(name);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        let file = to.join("instance.json");
        let mut instance = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        change(&mut instance);
        fs::write(&file, instance.to_string()).unwrap();
        to.display().to_string()
    }
}

#[test]
fn an_author_sees_b_before_anything_is_sent() {
    let said = stafett(&["try", SAMPLE, "--instance", &sample("two-measures")]);
    said.ends(0)
        .says("gate         open since 2026-11-20T09:12:45.1Z")
        .says("owner        organisationNumber 310075728")
        .says("due          2026-12-20T09:12:45.1Z")
        .says("ref-data-as-pdf → vedlegg: permit.pdf (application/pdf, 900 bytes)")
        .says("\"tittel\": \"Byggesøknad fra Kari Bygger\"")
        .says("<melding><soknad><tittel>Byggesøknad fra Kari Bygger</tittel>")
        .says("stafett.relay = permit-to-casework:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77")
        .says("B's files have nothing against it");
}

#[test]
fn a_form_in_json_gives_the_same_kind_of_b_as_one_in_xml() {
    let tried = stafett(&[
        "try",
        SAMPLE,
        "--instance",
        &sample("characters"),
        "--format",
        "json",
    ]);
    let tried = tried.ends(0).json();
    let b = &tried["parts"][0]["b"];
    assert_eq!(tried["parts"][0]["verdict"], "taken");
    assert!(
        b["xml"]
            .as_str()
            .unwrap()
            .starts_with("<?xml version=\"1.0\""),
        "{tried:#}"
    );
    assert!(
        b["model"]["soknad"]["tittel"].is_string() && b["stamps"]["stafett.source"].is_string()
    );
}

#[test]
fn an_author_asks_where_a_value_came_from() {
    let explain = |field: &str| {
        stafett(&[
            "try",
            SAMPLE,
            "--instance",
            &sample("two-measures"),
            "--explain",
            field,
        ])
    };
    explain("model.soknad.vedtak[1].kode")
        .ends(0)
        .says("permit-to-casework.yaml:")
        .says("tiltak is item 1 of data.model.tiltak")
        .says("tiltak.kode = \"GA\"")
        .says("gives    \"GA\"");
    explain("owner").ends(0).says("gives    \"310075728\"");
    explain("model.soknad.titel")
        .ends(2)
        .complains("did you mean `model.soknad.tittel`?");
}

#[test]
fn a_mapping_that_cannot_work_is_refused_where_the_file_says_it() {
    let bench = Bench::changed("data.model.merknad ", "data.model.merknad | upper ");
    let said = stafett(&[
        "try",
        &bench.route(),
        "--instance",
        &sample("minimal"),
        "--apps",
        &apps(),
    ]);
    said.ends(1)
        .says("error[empty]")
        .says("permit-to-casework.yaml:19:14")
        .says("^^^^^^^^^^^^^^^^^^")
        .says("refused: nothing would be sent");
    assert!(!said.out.contains('\u{1b}'), "a pipe gets no colours");
    // The message contains no value from A.
    assert!(!said.out.contains("Ola Minst"));
}

#[test]
fn what_b_would_refuse_is_refused_here() {
    let bench = Bench::changed(
        "to: vedlegg, required: true",
        "to: vedleggg, required: true",
    );
    let said = stafett(&[
        "try",
        &bench.route(),
        "--instance",
        &sample("minimal"),
        "--apps",
        &apps(),
    ]);
    said.ends(1)
        .says("error[refused-element]")
        .says("B has none of this id");
}

#[test]
fn a_closed_gate_is_reported_and_nothing_would_be_sent() {
    let bench = Bench::new();
    let folder = bench.instance("minimal", |instance| {
        instance["process"] = serde_json::json!({"started": "2026-11-20T09:01:10Z", "currentTask": {"elementId": "Task_1"}});
    });
    stafett(&["try", SAMPLE, "--instance", &folder])
        .ends(1)
        .says("closed: A's process stands in Task_1");
}

#[test]
fn without_bs_files_the_author_is_told_that_b_is_not_checked() {
    let bench = Bench::new();
    let only_a = sample_apps().join("ttd/permit").display().to_string();
    stafett(&[
        "try",
        &bench.route(),
        "--instance",
        &sample("minimal"),
        "--apps",
        &only_a,
    ])
    .ends(2)
    .says("not judged")
    .complains("whether ttd/casework takes it could not be told");
    stafett(&["try", &bench.route(), "--instance", &sample("minimal")])
        .ends(2)
        .complains("the files of ttd/permit are not at hand");
}

#[tokio::test]
async fn files_that_the_apps_serve_are_enough_to_try_a_route() {
    let altinn = LocalAltinn::start(Config::from_folder(&sample_apps()).unwrap())
        .await
        .unwrap();
    let bench = Bench::new();
    let routes = bench.0.path().display().to_string();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(["check", &routes, "--from", &altinn.url()])
        .env_clear()
        .output()
        .await
        .unwrap();
    Said::of(&output).ends(0).says("by the schema ");
    let permit = bench.0.path().join("apps/ttd/permit");
    assert!(permit.join("models/model.schema.json").is_file());
    assert!(!permit.join("app.yaml").exists(), "nothing tells the root");

    let tried = |route: &str| {
        let sample = sample("two-measures");
        stafett(&["try", route, "--instance", &sample, "--format", "json"])
    };
    let (theirs, ours) = (tried(&bench.route()), tried(SAMPLE));
    assert_eq!(theirs.ends(0).json()["parts"], ours.ends(0).json()["parts"]);
    // If a file names the root element, a form with another root is not the app's.
    fs::write(permit.join("app.yaml"), "roots: { model: skjema }").unwrap();
    tried(&bench.route())
        .ends(2)
        .complains("<model xmlns=''> was not expected.");
}

#[test]
fn an_impossible_try_is_reported_in_one_line() {
    let tried = |route: &str, instance: &str| stafett(&["try", route, "--instance", instance]);
    tried(SAMPLE, "/no/such/folder")
        .ends(2)
        .complains("no such folder");
    tried("permit-to-nowhere", &sample("minimal"))
        .ends(2)
        .complains(SAMPLE);
    let estate = sample_apps().join("ttd/estate/samples");
    let first = fs::read_dir(estate)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    tried(SAMPLE, &first.display().to_string())
        .ends(2)
        .complains("this instance is of ttd/estate");

    let bench = Bench::new();
    let folder = bench.instance("minimal", |_| {});
    bench.write(
        "instances/minimal/model.xml",
        b"<model><soker>\xff</soker></model>",
    );
    tried(SAMPLE, &folder).ends(2).complains("model.xml");
    let sound = fs::read_to_string(PathBuf::from(&folder).join("instance.json")).unwrap();
    bench.write(
        "instances/minimal/instance.json",
        format!("\u{feff}{sound}"),
    );
    tried(SAMPLE, &folder).ends(2).complains("model.xml");
    bench.write("instances/minimal/instance.json", b"\xff\xfe");
    tried(SAMPLE, &folder).ends(2).complains("instance.json");
    let binary = bench.write("binary.yaml", b"name: \xff\n");
    tried(&binary, &folder).ends(2).complains("UTF-8");
    let broken = bench.write("broken.yaml", "name: x\nfrm: {}\n");
    tried(&broken, &folder).ends(2).complains("frm");
}

#[test]
fn an_instance_in_altinn_takes_the_functions_settings_which_are_named() {
    let id = "51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    stafett(&["try", SAMPLE, "--instance", id])
        .ends(2)
        .complains("ALTINN_APPS_URL is not set; set it to");
}

#[tokio::test]
async fn an_instance_in_altinn_gives_the_same_b_as_its_folder_and_altinn_is_only_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire::start(&format!("http://{}", listener.local_addr().unwrap()))
        .await
        .unwrap();
    let mut config = Config::from_folder(&sample_apps()).unwrap();
    config.public_url = Some(wire.url().to_owned());
    let altinn = LocalAltinn::start_on(listener, config).unwrap();
    let id = altinn.import(Path::new(&sample("two-measures"))).unwrap();
    let scopes = "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";
    let client = altinn.development_client(SERVICE_OWNER, scopes).unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(["try", SAMPLE, "--instance", &id, "--format", "json"])
        .env_clear()
        .env("ALTINN_PLATFORM_URL", wire.url())
        .env("ALTINN_APPS_URL", wire.url())
        .env("MASKINPORTEN_ISSUER", altinn.issuer())
        .env("MASKINPORTEN_CLIENT_ID", &client.client_id)
        .env("MASKINPORTEN_JWK", &client.jwk)
        .output()
        .await
        .unwrap();
    let from_altinn = Said::of(&output);
    let from_folder = stafett(&[
        "try",
        SAMPLE,
        "--instance",
        &sample("two-measures"),
        "--format",
        "json",
    ]);
    assert_eq!(from_altinn.ends(0).json(), from_folder.ends(0).json());
    let calls = wire.journal().all();
    let is_token =
        |path: &str| path.starts_with("/maskinporten/") || path.starts_with("/authentication/");
    let of_altinn: Vec<_> = calls.iter().filter(|call| !is_token(call.path())).collect();
    assert!(
        of_altinn.len() >= 3,
        "the instance, its form and B's metadata"
    );
    assert!(
        of_altinn
            .iter()
            .all(|call| call.method() == reqwest::Method::GET),
        "{of_altinn:?}"
    );
    assert_eq!(altinn.creations().len(), 1);
}

#[test]
fn an_author_sees_what_a_changed_mapping_changes_before_it_is_deployed() {
    let bench = Bench::changed("'Byggesøknad fra '", "'Søknad fra '");
    let compare = |more: &[&str]| {
        let route = bench.route();
        let instances = apps();
        let mut arguments = vec!["compare", SAMPLE, &route, "--instances", &instances];
        arguments.extend(more);
        stafett(&arguments)
    };
    let said = compare(&[]);
    said.ends(1)
        .says("model.soknad.tittel: 3 changed (in 3 B)")
        .says("\"Byggesøknad fra Kari Bygger\" → \"Søknad fra Kari Bygger\"")
        .says("instances of other apps")
        .says("3 of 3 instances give another B; 0 fail that did not before.");
    assert!(said.err.is_empty(), "no progress in a pipe: {}", said.err);
    let json = compare(&["--format", "json", "--examples", "1"])
        .ends(1)
        .json();
    assert_eq!(json["fields"][0]["changed"], 3);
    assert_eq!(
        json["fields"][0]["examples"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_route_that_stays_the_same_changes_no_b() {
    let bench = Bench::changed("# empty in A, left out in B", "# a comment");
    let said = stafett(&["compare", SAMPLE, &bench.route(), "--instances", &apps()]);
    said.ends(0).says("No B changes.");
}

#[test]
fn another_name_is_said_loudly() {
    let bench = Bench::changed("name: permit-to-casework ", "name: permit-to-cases ");
    let said = stafett(&["compare", SAMPLE, &bench.route(), "--instances", &apps()]);
    said.ends(1)
        .says("!! The route's name changes")
        .says("3 of 3 instances give another B");
}

#[test]
fn a_comparison_without_all_instances_gives_no_result() {
    let bench = Bench::new();
    bench.instance("minimal", |_| {});
    bench.instance("two-measures", |instance| instance["data"] = "none".into());
    let said = stafett(&[
        "compare",
        SAMPLE,
        &bench.route(),
        "--apps",
        &apps(),
        "--instances",
        &bench.path("instances"),
    ]);
    said.ends(2)
        .says("No B changes.")
        .complains("1 instances could not be read")
        .complains("field `data`");
    let empty = TempDir::new().unwrap();
    stafett(&[
        "compare",
        SAMPLE,
        SAMPLE,
        "--instances",
        &empty.path().display().to_string(),
    ])
    .ends(2)
    .complains("no instance of ttd/permit");
    stafett(&["compare", SAMPLE, SAMPLE, "--instances", "/no/such/folder"])
        .ends(2)
        .complains("no such folder");
}

#[test]
fn the_sample_routes_are_drawn_and_no_cycle_is_found() {
    stafett(&["graph"])
        .ends(0)
        .says("ttd/permit\n└─ permit-to-casework → ttd/casework   [when completed]\n");
}

#[test]
fn a_route_that_leads_back_is_flagged_as_a_cycle() {
    let bench = Bench::new();
    let back = "name: casework-to-permit
from: { app: ttd/casework, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/permit, owner: { party: 1 } }
model: { x: instance.id }
";
    bench.write("back.yaml", back);
    let directory = bench.0.path().display().to_string();
    stafett(&["graph", &directory])
        .ends(1)
        .says("↺ cycle")
        .says("cycle: casework-to-permit (ttd/casework → ttd/permit), permit-to-casework");
    stafett(&["graph", &directory, "--format", "mermaid"])
        .ends(1)
        .says("flowchart LR\n")
        .says("|\"casework-to-permit (cycle)<br>when completed\"|");
    stafett(&["graph", &directory, "--format", "dot"])
        .ends(1)
        .says("digraph routes {\n")
        .says("style=dashed");
    fs::write(bench.path("broken.yaml"), "name: [").unwrap();
    stafett(&["graph", &directory])
        .ends(2)
        .complains("broken.yaml:1");
}
