//! Recorded forms of an app: which are accepted, how they are stored and returned (tests/recorded).

use std::path::{Path, PathBuf};

use app_files::AppFiles;
use local_altinn::{App, AppSettings};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Altinn, KARI, element, model, part, read};

const CONTRACT: &str = "ttd/contract";

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/recorded")
        .join(name)
}

fn recording(name: &str) -> Value {
    let text = std::fs::read_to_string(recorded(&format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The recorded app twice: with its C# classes, and with the model from its JSON schema.
fn apps() -> [App; 2] {
    let folder = recorded("apps/contract");
    let files = AppFiles::read(&folder).unwrap();
    let settings = AppSettings::from(&files);
    let of_schema = App::new(files.document, settings, files.schemas).unwrap();
    [App::load(&folder).unwrap(), of_schema]
}

/// The form of a recorded creation.
fn form_of(creation: &Value) -> Option<&str> {
    let parts = creation["request"]["parts"].as_array()?;
    let mut forms = parts.iter().filter(|part| part["name"] == "model");
    let form = forms.next().filter(|_| forms.next().is_none())?;
    form["body"].as_str().filter(|body| !body.is_empty())
}

async fn create(altinn: &Altinn, form: &str) -> super::support::Reply {
    let template = json!({"instanceOwner": {"personNumber": KARI}}).to_string();
    let template = part("instance", "application/json", template.as_bytes());
    altinn.create(CONTRACT, &[template, model(form)]).await
}

/// Creates an instance with this form. Returns its id and the form's element.
async fn created(altinn: &Altinn, form: &str) -> (String, Value) {
    let instance = create(altinn, form).await.expect(201).json();
    let id = instance["id"].as_str().unwrap().to_owned();
    (id, element(&instance, "model").clone())
}

async fn answered(altinn: &Altinn, path: &str, accept: &str) -> String {
    let request = altinn.request(Method::GET, path).header("accept", accept);
    read(request).await.expect(200).text()
}

/// Replaces the placeholders of a recording by the row ids of a response.
fn with_ids_of(recorded: &str, answered: &str) -> String {
    let ids = answered.split("altinnRowId").skip(1).map(|rest| {
        let begin = rest.find(|char: char| char.is_ascii_hexdigit()).unwrap();
        &rest[begin..begin + 36]
    });
    ids.enumerate()
        .fold(recorded.to_owned(), |text, (index, id)| {
            text.replace(&format!("{{guid{}}}", index + 1), id)
        })
}

#[tokio::test]
async fn a_recorded_form_is_refused_with_the_same_text() {
    for app in apps() {
        let altinn = Altinn::with_apps(vec![app]).await;
        let mut refused = 0;
        for entry in std::fs::read_dir(recorded("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = name
                .strip_suffix(".json")
                .filter(|name| name.starts_with("create-form-"))
            else {
                continue;
            };
            let creation = recording(name);
            let answer = &creation["answer"];
            let Some(detail) = answer["body"]["detail"].as_str() else {
                continue;
            };
            let reply = create(&altinn, form_of(&creation).unwrap()).await;
            assert_eq!(u64::from(reply.status), answer["status"], "{name}");
            assert_eq!(reply.json()["title"], answer["body"]["title"], "{name}");
            assert_eq!(reply.json()["detail"], detail, "{name}");
            refused += 1;
        }
        assert_eq!(refused, 7);
    }
}

#[tokio::test]
async fn a_recorded_form_is_stored_with_the_same_size() {
    for app in apps() {
        let altinn = Altinn::with_apps(vec![app]).await;
        for name in [
            "create-full",
            "create-attributes",
            "create-form-charset",
            "create-form-nil",
            "create-form-too-long",
            "create-form-unknown-element",
            "create-form-wrong-order",
        ] {
            let creation = recording(name);
            let (id, form) = created(&altinn, form_of(&creation).unwrap()).await;
            let expected = element(&creation["answer"]["body"], "model")["size"].clone();
            let data = form["id"].as_str().unwrap();
            let path = format!("/storage/api/v1/instances/{id}/data/{data}");
            let stored = answered(&altinn, &path, "*/*").await;
            assert_eq!(form["size"], expected, "{name}: {stored}");
            assert_eq!(json!(stored.len()), expected, "{name}: {stored}");
        }
    }
}

#[tokio::test]
async fn a_recorded_form_is_stored_and_returned_unchanged() {
    let full = recording("create-full");
    let attributes = recording("create-attributes");
    let large = "<kinds><antall>2147483647</antall><belop>12345678901234567.89</belop>\
                 <tidspunkt>2026-11-20T10:15:30+01:00</tidspunkt></kinds>";
    let full = form_of(&full).unwrap();
    let answers = [
        (full, "app-data-form", "application/json"),
        (full, "app-data-form-any", "*/*"),
        (full, "app-data-form-row-ids", "application/json"),
        (full, "app-data-form-xml", "application/xml"),
        (
            form_of(&attributes).unwrap(),
            "app-data-form-attributes",
            "application/json",
        ),
        (large, "app-data-form-large-number", "application/json"),
    ];
    for app in apps() {
        let altinn = Altinn::with_apps(vec![app]).await;
        for (form, name, accept) in answers {
            let (id, element) = created(&altinn, form).await;
            let data = element["id"].as_str().unwrap();
            let answer = &recording(name)["answer"];
            let query = if name.ends_with("row-ids") {
                "?includeRowId=true"
            } else {
                ""
            };
            let path = format!("/{CONTRACT}/instances/{id}/data/{data}{query}");
            let text = answered(&altinn, &path, accept).await;
            let expected = [&answer["exact"], &answer["text"]]
                .into_iter()
                .find_map(Value::as_str)
                .map_or_else(|| answer["body"].to_string(), str::to_owned);
            assert_eq!(text, with_ids_of(&expected, &text), "{name}");
        }
        let (id, element) = created(&altinn, full).await;
        let data = element["id"].as_str().unwrap();
        let path = format!("/storage/api/v1/instances/{id}/data/{data}");
        let stored = answered(&altinn, &path, "*/*").await;
        let expected = recording("storage-data-form")["answer"]["text"].clone();
        assert_eq!(stored, with_ids_of(expected.as_str().unwrap(), &stored));
    }
}

#[tokio::test]
async fn a_prefill_turns_text_into_numbers_as_dotnet_converts_it() {
    let [app, _] = apps();
    let altinn = Altinn::with_apps(vec![app]).await;
    let prefill = json!({"belop": "12,5", "antall": "4", "bekreftet": "true"});
    let body = json!({"instanceOwner": {"personNumber": KARI}, "prefill": prefill});
    let path = format!("/{CONTRACT}/instances/create");
    let instance = altinn.send(Method::POST, &path, &body).await.expect(201);
    let instance = instance.json();
    let path = format!(
        "/{CONTRACT}/instances/{}/data/{}",
        instance["id"].as_str().unwrap(),
        element(&instance, "model")["id"].as_str().unwrap()
    );
    let form = altinn.get(&path).await.expect(200).json();
    assert_eq!(form["belop"], 125);
    assert_eq!(
        (&form["antall"], &form["bekreftet"]),
        (&json!(4), &json!(true))
    );
}

#[tokio::test]
async fn a_patch_leaves_the_digits_of_other_numbers_alone() {
    let [app, _] = apps();
    let altinn = Altinn::with_apps(vec![app]).await;
    let form = "<kinds><belop>24.50</belop><rad><verdi>79228162514264337593543950335</verdi></rad></kinds>";
    let (id, element) = created(&altinn, form).await;
    let path = format!(
        "/{CONTRACT}/instances/{id}/data/{}",
        element["id"].as_str().unwrap()
    );
    let patch = json!([{"op": "add", "path": "/tekst", "value": "ny"}]);
    let body = json!({"patch": patch, "ignoredValidators": []});
    altinn.send(Method::PATCH, &path, &body).await.expect(200);
    let patched = answered(&altinn, &path, "application/json").await;
    assert!(
        patched.starts_with(r#"{"tekst":"ny","antall":null,"belop":24.50,"#),
        "{patched}"
    );
    assert!(
        patched.contains(r#""verdi":79228162514264337593543950335}"#),
        "{patched}"
    );
}
