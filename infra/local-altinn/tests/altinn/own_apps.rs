//! An app that is loaded from its repository.

use std::path::{Path, PathBuf};

use local_altinn::{FormContent, Stage, Submission, SubmissionOwner};
use local_world::deployment::{OwnApps, Plan};
use reqwest::Method;
use serde_json::json;
use stafett_core::route::Routes;

use super::support::{Altinn, KARI, SCOPES, element, file, model, part, read};

const APP: &str = "kyst/batplass";
const FORM: &str = "<batplass><eier>Kari Bygger</eier><bater><navn>Terna</navn></bater></batplass>";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repository")
}

/// A route from the repository's app to an app without files.
fn routes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let route = "name: plass
from: { app: kyst/batplass, when: { process: completed }, since: 2026-11-01 }
to: { app: kyst/kai, owner: { person: data.model.eier }, root: kai }
model: { eier: data.model.eier }
";
    std::fs::write(folder.path().join("plass.yaml"), route).unwrap();
    folder
}

fn plan() -> (Plan, OwnApps) {
    let folder = routes();
    let routes = Routes::load(folder.path()).unwrap();
    Plan::with_apps(&[repository()], folder.path(), &routes).unwrap()
}

/// An Altinn with only the repository's app, and a token of the app's owner.
async fn running() -> Altinn {
    let (plan, _) = plan();
    let owner = plan.service_owner.clone();
    let mut altinn = Altinn::with(|config| *config = plan.altinn).await;
    altinn.token = altinn.token_of(&owner, SCOPES).await;
    altinn
}

fn template() -> String {
    json!({ "instanceOwner": { "personNumber": KARI } }).to_string()
}

#[test]
fn the_user_is_told_which_settings_are_assumed_missing_or_ignored() {
    let (plan, own) = plan();
    let [owner] = &own.made_up[..] else {
        panic!("{:?}", own.made_up)
    };
    assert_eq!(owner.org, "kyst");
    assert_eq!(plan.service_owner, owner.org_number, "Stafett acts for it");
    let told = own.to_string();
    for line in [
        "kyst is a service owner here, with the made-up organisation number",
        "kyst/kai does not run here",
        "LengsteBat.cs: C# is not run here: IDataProcessor",
        "Program.cs: C# is not run here: registers IDataProcessor, LengsteBat",
        "process.bpmn: the conditions of `Gateway_1` are not evaluated",
        "process.bpmn: the service task `Task_pdf` (pdf) is not run",
        "policy.xml: it permits `write` in `Task_1` only",
        "model.prefill.json: no prefill from `UserProfile`",
    ] {
        assert!(told.contains(line), "{line} in\n{told}");
    }
    assert!(!told.contains("model.cs"), "the model is honoured:\n{told}");
}

#[tokio::test]
async fn its_policy_decides_who_may_create() {
    let mut altinn = running().await;
    let template = template();
    let parts = [
        part("instance", "application/json", template.as_bytes()),
        model(FORM),
    ];
    altinn.create(APP, &parts).await.expect(201);
    altinn.token = altinn.token_of("312456788", SCOPES).await;
    altinn.create(APP, &parts).await.expect(403);
}

#[tokio::test]
async fn its_policy_forbids_the_owner_to_delete() {
    let altinn = running().await;
    let template = template();
    let parts = [
        part("instance", "application/json", template.as_bytes()),
        model(FORM),
    ];
    let id = altinn.create(APP, &parts).await.expect(201).json();
    let id = id["id"].as_str().unwrap().to_owned();
    let url = format!("/{APP}/instances/{id}?hard=true");
    read(altinn.request(Method::DELETE, &url)).await.expect(403);
}

#[tokio::test]
async fn its_data_types_limit_uploads() {
    let altinn = running().await;
    let template = template();
    let instance = part("instance", "application/json", template.as_bytes());
    let picture = file("tegning", "bat.png", "image/png", b"\x89PNG");
    let refused = altinn
        .create(APP, &[instance.clone(), model(FORM), picture])
        .await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let wrong_root = model("<model><eier>Kari</eier></model>");
    let refused = altinn.create(APP, &[instance, wrong_root]).await;
    assert_ne!(refused.status, 201, "{}", refused.text());
}

#[tokio::test]
async fn a_user_completes_its_process_and_its_form_is_validated() {
    let altinn = running().await;
    let submit = |length: f64, until: Stage| {
        altinn.local.submit(&Submission {
            app: APP.to_owned(),
            owner: SubmissionOwner::Person(KARI.to_owned()),
            forms: vec![(
                "model".to_owned(),
                FormContent::Json(
                    json!({ "eier": "K", "bater": [{ "navn": "Terna", "lengde": length }] }),
                ),
            )],
            attachments: Vec::new(),
            until,
        })
    };
    let too_long = submit(15.5, Stage::Ended).unwrap_err().to_string();
    assert!(too_long.contains("lengde"), "{too_long}");
    let id = submit(7.5, Stage::Task("Task_2".to_owned())).unwrap();
    let instance = altinn.app_instance(APP, &id).await;
    let task = &instance["process"]["currentTask"];
    assert_eq!(task["name"], "Bekreft");
    assert_eq!(task["altinnTaskType"], "confirmation");
    altinn.local.advance(&id).unwrap();
    let instance = altinn.app_instance(APP, &id).await;
    assert!(instance["process"]["ended"].is_string());
    element(&instance, "ref-data-as-pdf");
    let form = element(&instance, "model")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = altinn.local.bytes(&id, &form).unwrap();
    let form = String::from_utf8_lossy(&form);
    assert!(form.contains("<batplass"), "{form}");
}

#[tokio::test]
async fn its_files_are_public() {
    let altinn = running().await;
    let original = |name: &str| {
        let text = std::fs::read_to_string(repository().join("App").join(name)).unwrap();
        text.trim_start_matches('\u{feff}').to_owned()
    };
    for (endpoint, name) in [
        ("api/v1/meta/process", "config/process/process.bpmn"),
        (
            "api/v1/meta/authorizationpolicy",
            "config/authorization/policy.xml",
        ),
    ] {
        let url = format!("{}/{APP}/{endpoint}", altinn.local.url());
        let answer = altinn.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), original(name));
    }
    for endpoint in ["api/v1/applicationmetadata", "api/jsonschema/model"] {
        let url = format!("{}/{APP}/{endpoint}", altinn.local.url());
        let answer = altinn.http.get(url).send().await.unwrap();
        assert!(
            answer
                .json::<serde_json::Value>()
                .await
                .unwrap()
                .is_object()
        );
    }
}
