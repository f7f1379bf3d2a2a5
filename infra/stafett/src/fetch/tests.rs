use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use serde_json::json;

use super::*;
use app_files::AppFiles;

/// A status, a media type and a body, by path.
type Answers = BTreeMap<&'static str, (u16, &'static str, Vec<u8>)>;
type Asked = Arc<Mutex<Vec<String>>>;

/// A server that gives these answers, and what it was asked.
async fn server(answers: Answers) -> (String, Asked) {
    async fn answer(
        State((answers, asked)): State<(Arc<Answers>, Asked)>,
        request: Request,
    ) -> Response {
        let path = request.uri().path().to_owned();
        asked.lock().unwrap().push(path.clone());
        let (status, media_type, body) =
            answers
                .get(path.as_str())
                .cloned()
                .unwrap_or((404, "text/plain", Vec::new()));
        let response = Response::builder().status(status);
        let response = if (300..400).contains(&status) {
            response.header("location", media_type)
        } else {
            response.header("content-type", media_type)
        };
        response.body(Body::from(body)).unwrap()
    }
    let asked = Asked::default();
    let router = Router::new()
        .fallback(answer)
        .with_state((Arc::new(answers), Arc::clone(&asked)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

const METADATA: &str = "/ttd/permit/api/v1/applicationmetadata";
const PROCESS: &str = "/ttd/permit/api/v1/meta/process";
const POLICY: &str = "/ttd/permit/api/v1/meta/authorizationpolicy";
const SCHEMA: &str = "/ttd/permit/api/jsonschema/model";

fn metadata(forms: &[&str]) -> Vec<u8> {
    let types: Vec<_> = forms
        .iter()
        .map(|id| json!({"id": id, "appLogic": {"classRef": "Model"}}))
        .collect();
    json!({"id": "ttd/permit", "org": "ttd", "dataTypes": types})
        .to_string()
        .into_bytes()
}

fn schema() -> Vec<u8> {
    br#"{"properties": {"x": {"type": "string"}}}"#.to_vec()
}

/// What an app gives that gives everything.
fn whole() -> Answers {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/ttd/permit");
    let file = |name: &str| fs::read(local.join(name)).unwrap();
    [
        (
            METADATA,
            (200, "application/json; charset=utf-8", metadata(&["model"])),
        ),
        (PROCESS, (200, "text/xml", file("process.bpmn"))),
        (POLICY, (200, "text/xml", file("policy.xml"))),
        (SCHEMA, (200, "text/plain", schema())),
    ]
    .into()
}

async fn fetched(answers: Answers) -> (Result<Fetched, FetchError>, tempfile::TempDir, Asked) {
    let (address, asked) = server(answers).await;
    let folder = tempfile::tempdir().unwrap();
    let app = "ttd/permit".parse().unwrap();
    (
        fetch(&address, &app, &folder.path().join("ttd/permit")).await,
        folder,
        asked,
    )
}

/// The files below a folder, hidden ones included.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut due = vec![folder.to_owned()];
    while let Some(next) = due.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                due.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_an_app_gives_is_stored_so_that_it_can_be_read() {
    let (fetched, folder, _) = fetched(whole()).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.stored.len(), fetched.missing), (4, vec![]));
    let app = AppFiles::read(&folder.path().join("ttd/permit")).unwrap();
    assert!(app.tasks.is_some() && app.policy.is_some());
    assert_eq!(
        app.schemas["model"],
        serde_json::from_slice::<Value>(&schema()).unwrap()
    );
}

#[tokio::test]
async fn what_an_app_does_not_give_is_told_and_the_rest_is_stored() {
    let mut answers = whole();
    answers.remove(PROCESS);
    answers.insert(POLICY, (401, "text/plain", Vec::new()));
    answers.insert(SCHEMA, (200, "text/html", b"<html>log in</html>".to_vec()));
    let (fetched, folder, _) = fetched(answers).await;
    let fetched = fetched.unwrap();
    let missing: Vec<_> = fetched
        .missing
        .iter()
        .map(|it| it.file.to_str().unwrap())
        .collect();
    assert_eq!(
        missing,
        ["process.bpmn", "policy.xml", "models/model.schema.json"]
    );
    assert_eq!(
        files(folder.path()),
        ["ttd/permit/applicationmetadata.json"]
    );
}

#[tokio::test]
async fn without_its_metadata_nothing_of_an_app_is_stored() {
    for answer in [
        (404, "text/plain", Vec::new()),
        (200, "application/json", b"{".to_vec()),
        (200, "application/json", br#"{"id": "ttd/other"}"#.to_vec()),
        (200, "application/json", vec![b' '; LARGEST + 1]),
        (200, "text/html", metadata(&["model"])),
        (200, "application/json", b"\"\xff\"".to_vec()),
    ] {
        let (fetched, folder, _) = fetched([(METADATA, answer)].into()).await;
        assert!(
            matches!(fetched, Err(FetchError::Refused { .. })),
            "{fetched:?}"
        );
        assert_eq!(files(folder.path()), [""; 0]);
    }
}

#[tokio::test]
async fn a_schema_that_comes_as_a_json_text_is_stored_as_json() {
    let mut answers = whole();
    let quoted = json!(String::from_utf8(schema()).unwrap())
        .to_string()
        .into_bytes();
    answers.insert(SCHEMA, (200, "application/json", quoted));
    let (fetched, folder, _) = fetched(answers).await;
    assert_eq!(fetched.unwrap().missing, []);
    let stored = fs::read(folder.path().join("ttd/permit/models/model.schema.json")).unwrap();
    assert_eq!(stored, schema());
}

#[tokio::test]
async fn no_data_type_leads_out_of_the_folder_or_to_another_address() {
    let mut answers = whole();
    let hostile = ["../../evil", "a/b", "..", ".hidden", "x?y", "æ", "", "C:x"];
    answers.insert(METADATA, (200, "application/json", metadata(&hostile)));
    let (fetched, folder, asked) = fetched(answers).await;
    assert_eq!(fetched.unwrap().missing.len(), hostile.len());
    assert_eq!(files(folder.path()).len(), 3);
    assert_eq!(*asked.lock().unwrap(), [METADATA, PROCESS, POLICY]);
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_only() {
    let (trap, visits) = server(Answers::new()).await;
    // Another name of the same machine is another host.
    let trap: &'static str = trap.replace("127.0.0.1", "localhost").leak();
    let mut answers = whole();
    let moved = answers.remove(SCHEMA).unwrap();
    answers.insert("/moved", moved);
    answers.insert(SCHEMA, (302, "/moved", Vec::new()));
    answers.insert(POLICY, (302, trap, Vec::new()));
    answers.insert(PROCESS, (302, PROCESS, Vec::new()));
    let (fetched, _folder, _) = fetched(answers).await;
    let fetched = fetched.unwrap();
    let missing: Vec<_> = fetched
        .missing
        .iter()
        .map(|it| it.file.to_str().unwrap())
        .collect();
    assert_eq!(missing, ["process.bpmn", "policy.xml"]);
    assert_eq!(
        visits.lock().unwrap().len(),
        0,
        "the trap must stay unvisited"
    );
}

#[tokio::test]
async fn an_address_that_is_none_of_apps_is_refused_without_its_password() {
    let app = "ttd/permit".parse().unwrap();
    for base in [
        "",
        "apps",
        "ftp://127.0.0.1",
        "file:///etc",
        "http://user:secret@127.0.0.1:1",
        "http://127.0.0.1:1/?x=1",
    ] {
        let error = fetch(base, &app, Path::new("/nowhere")).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Base { .. }),
            "{base}: {error:?}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn the_organisation_stands_where_the_address_wants_it() {
    let app = "ttd/permit".parse().unwrap();
    for (base, expected) in [
        (
            "https://{org}.apps.tt02.altinn.no",
            "https://ttd.apps.tt02.altinn.no/ttd/permit/",
        ),
        (
            "http://127.0.0.1:5005/",
            "http://127.0.0.1:5005/ttd/permit/",
        ),
    ] {
        assert_eq!(address(base, &app).unwrap(), expected);
    }
}
