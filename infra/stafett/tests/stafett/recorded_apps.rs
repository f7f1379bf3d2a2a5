//! What `check --from` stores of apps that answer as Altinn's own code does, and what works on it afterwards. The apps
//! are the recorded answers, and not the local Altinn.

#[path = "../../../../tests/src/recorded.rs"]
mod recorded;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use recorded::Recording;
use serde_json::{Value, json};
use tempfile::TempDir;

/// For one command, on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(180);
const PERMIT: &str = "app-metadata-permit";
/// The metadata of B on libraries of every age.
const CASEWORKS: [&str; 4] = [
    "app-metadata-casework",
    "v7.15.3-app-metadata-casework",
    "v8.0.0-app-metadata-casework",
    "v9-metadata",
];

/// The answers of some apps, by path.
type Answers = Arc<BTreeMap<String, (String, Vec<u8>)>>;

fn content_type(recording: &Recording) -> String {
    recording.header("content-type").unwrap().to_owned()
}

/// What an app answers everybody: its metadata as it was recorded, the other files as they were in its repository, which
/// an app hands out as they are.
fn answers(metadata: &str, repository: &str) -> BTreeMap<String, (String, Vec<u8>)> {
    let recording = recorded::named(metadata);
    let app = recording.json().unwrap()["id"].as_str().unwrap().to_owned();
    let repository = recorded::folder().join("apps").join(repository).join("App");
    let file = |path: &str| fs::read(repository.join(path)).unwrap();
    let of = |path: &str, named: &str, body: Vec<u8>| {
        (
            format!("/{app}/{path}"),
            (content_type(&recorded::named(named)), body),
        )
    };
    let text = recording.text().unwrap().into_bytes();
    BTreeMap::from([
        of("api/v1/applicationmetadata", metadata, text),
        of(
            "api/v1/meta/process",
            "app-process-definition",
            file("config/process/process.bpmn"),
        ),
        of(
            "api/v1/meta/authorizationpolicy",
            "app-policy",
            file("config/authorization/policy.xml"),
        ),
        of(
            "api/jsonschema/model",
            "app-jsonschema",
            file("models/model.schema.json"),
        ),
    ])
}

async fn answer(State(answers): State<Answers>, uri: Uri) -> Response {
    match answers.get(uri.path()) {
        Some((content_type, body)) => {
            ([(header::CONTENT_TYPE, content_type.clone())], body.clone()).into_response()
        }
        None => {
            let unknown = recorded::named("app-metadata-unknown");
            let status = StatusCode::from_u16(unknown.status().unwrap()).unwrap();
            (status, unknown.text().unwrap()).into_response()
        }
    }
}

/// Serves the apps, and tells their address.
async fn serve(apps: &[(&str, &str)]) -> String {
    let all = apps
        .iter()
        .flat_map(|(metadata, repository)| answers(metadata, repository));
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::new(all.collect::<BTreeMap<_, _>>()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Runs the program without a terminal until it ends by itself.
async fn stafett(arguments: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stafett"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("{arguments:?} does not end: {}", said(&output));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), said(&output))
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The recorded route's directory, with the parties that were known where the apps were recorded.
struct Bench(TempDir);

impl Bench {
    fn new(app_b: &str) -> Self {
        let bench = Self(TempDir::new().unwrap());
        let routes = recorded::folder().join("routes");
        for file in ["casework.schema.json", "permit-to-casework.yaml"] {
            let text = fs::read_to_string(routes.join(file)).unwrap();
            let text = text.replace("app: ttd/casework\n", &format!("app: {app_b}\n"));
            fs::write(bench.path(file), text).unwrap();
        }
        fs::create_dir(bench.path("apps")).unwrap();
        let register = recorded::folder().join("apps/register.yaml");
        fs::copy(register, bench.path("apps/register.yaml")).unwrap();
        bench
    }

    /// The same, with what `check --from` stores of the apps.
    async fn stored() -> Self {
        let bench = Self::new("ttd/casework");
        let url = serve(&[(PERMIT, "permit"), (CASEWORKS[0], "casework")]).await;
        let (code, said) = stafett(&["check", &bench.text(""), "--from", &url]).await;
        assert_eq!(code, 0, "{said}");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// How somebody named the files of an instance's elements.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// As Storage has them, and by data type where it has none.
    Storage,
    /// By the element's id.
    Id,
    /// The same, with an extension.
    IdAndExtension,
}

/// The recorded instance of A in a folder: as Storage gave it, its form as A gave it, and its PDF.
fn instance(folder: &Path, names: Names) {
    let recording = recorded::named("storage-instance-permit-ended");
    let instance = recording.json().unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("instance.json"), instance.to_string()).unwrap();
    let form = recorded::named("app-data-form-permit").text().unwrap();
    let pdf = recorded::named("storage-data-pdf").text().unwrap();
    for element in instance["data"].as_array().unwrap() {
        let data_type = element["dataType"].as_str().unwrap();
        let (content, extension) = match data_type {
            "model" => (&form, "json"),
            _ => (&pdf, "pdf"),
        };
        let id = element["id"].as_str().unwrap();
        let name = match names {
            Names::Storage => element["filename"]
                .as_str()
                .map_or_else(|| format!("{data_type}.{extension}"), str::to_owned),
            Names::Id => id.to_owned(),
            Names::IdAndExtension => format!("{id}.{extension}"),
        };
        fs::write(folder.join(name), content).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_of_a_recorded_app_is_checked_tried_compared_and_run() {
    for casework in CASEWORKS {
        let metadata = recorded::named(casework);
        let bench = Bench::new(metadata.json().unwrap()["id"].as_str().unwrap());
        let url = serve(&[(PERMIT, "permit"), (casework, "casework")]).await;
        let (routes, route) = (bench.text(""), bench.text("permit-to-casework.yaml"));

        let (code, said) = stafett(&["check", &routes, "--from", &url]).await;
        assert_eq!(code, 0, "{casework}: {said}");
        assert_eq!(said.matches(": stored 4 files").count(), 2, "{said}");
        let (code, said) = stafett(&["check", &routes]).await;
        assert_eq!(code, 0, "{casework}: {said}");
        assert!(!said.contains("not at hand"), "{said}");

        let all = [Names::Storage, Names::Id, Names::IdAndExtension];
        for (index, names) in all.into_iter().enumerate() {
            let folder = bench.path(&format!("instances/{index}"));
            instance(&folder, names);
            let folder = folder.display().to_string();
            let (code, said) = stafett(&["try", &route, "--instance", &folder]).await;
            assert_eq!(code, 0, "{casework}, {names:?}: {said}");
            assert!(said.contains("Byggesøknad fra Sophie Salt"), "{said}");
            assert!(
                said.contains("Søknad om tillatelse til tiltak.pdf"),
                "{said}"
            );
        }

        let instances = bench.text("instances");
        let arguments = [
            "compare",
            &route,
            &route,
            "--instances",
            &instances,
            "--format",
            "json",
        ];
        let (code, said) = stafett(&arguments).await;
        assert_eq!(code, 0, "{casework}: {said}");
        let report: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&report["instances"], &report["unread"]["count"]),
            (&json!(3), &json!(0))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_app_is_stored_and_read() {
    let bench = Bench::new("ttd/casework");
    let route = bench.path("permit-to-contract.yaml");
    let text = "name: permit-to-contract
from: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/contract, owner: { person: \"'01039012345'\" }, dataType: model, root: kinds }
model: { tekst: data.model.merknad }
";
    fs::write(&route, text).unwrap();
    let url = serve(&[
        (PERMIT, "permit"),
        (CASEWORKS[0], "casework"),
        ("app-metadata-contract", "contract"),
    ])
    .await;
    let (code, said) = stafett(&["check", &bench.text(""), "--from", &url]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches(": stored 4 files").count(), 3, "{said}");
    let folder = bench.path("instances/one");
    instance(&folder, Names::Storage);
    let (route, folder) = (route.display().to_string(), folder.display().to_string());
    let (code, said) = stafett(&["try", &route, "--instance", &folder]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Nabovarsel"), "{said}");
}

/// In a script nobody ends a program that stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_relayed_between_stored_apps_and_the_program_ends() {
    let bench = Bench::stored().await;
    let folder = bench.path("instances/one");
    instance(&folder, Names::Storage);
    let folder = folder.display().to_string();
    let (routes, apps) = (bench.text(""), bench.text("apps"));
    let arguments = [
        "--input", &folder, "--routes", &routes, "--apps", &apps, "--port", "0",
    ];
    let (code, said) = stafett(&arguments).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Exactly one complete B for each."), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_elements_of_one_name_are_told_apart_by_their_ids_only() {
    let bench = Bench::stored().await;
    let folder = bench.path("instances/one");
    instance(&folder, Names::Storage);
    let file = folder.join("instance.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let ids = [
        "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301",
        "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a302",
    ];
    for id in ids {
        let drawing = json!({"id": id, "dataType": "tegning", "filename": "a b.png", "contentType": "image/png"});
        document["data"].as_array_mut().unwrap().push(drawing);
    }
    fs::write(&file, document.to_string()).unwrap();
    fs::write(folder.join("a b.png"), "one of them").unwrap();
    let route = bench.text("permit-to-casework.yaml");
    let folder_text = folder.display().to_string();
    let arguments = [
        "try",
        &route,
        "--instance",
        &folder_text,
        "--format",
        "json",
    ];
    let (code, said) = stafett(&arguments).await;
    assert_eq!(code, 2, "{said}");
    let told = format!(
        "no file for this tegning element in {folder_text}: name it `{}`",
        ids[0]
    );
    assert!(said.contains(&told), "{said}");

    fs::write(folder.join(ids[0]), "first").unwrap();
    fs::write(folder.join(format!("{}.png", ids[1])), "the second").unwrap();
    let (code, said) = stafett(&arguments).await;
    assert_eq!(code, 0, "{said}");
    let tried: Value = serde_json::from_str(&said).unwrap();
    let attachments = tried["parts"][0]["b"]["attachments"].as_array().unwrap();
    let sizes: Vec<_> = ids
        .iter()
        .map(|id| attachments.iter().find(|it| it["element"] == **id).unwrap()["size"].clone())
        .collect();
    assert_eq!(sizes, [json!(5), json!(10)]);
}
