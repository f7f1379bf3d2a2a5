use std::path::Path;

use local_altinn::{App, Config, InstanceFolderReader, LoadError, LocalAltinn, Register};
use serde_json::{Value, json};

use super::support::{Altinn, apps_folder, element};

fn sample(name: &str) -> std::path::PathBuf {
    apps_folder().join("ttd/permit/samples").join(name)
}

#[tokio::test]
async fn the_samples_are_instances_of_the_sample_app() {
    let altinn = Altinn::start().await;
    for (name, owner, measures) in [
        ("two-measures", "51001234", 2),
        ("minimal", "51001236", 1),
        ("characters", "51001235", 2),
    ] {
        let id = altinn.local.import(&sample(name)).unwrap();
        let instance = altinn.app_instance("ttd/permit", &id).await;
        assert_eq!(instance["instanceOwner"]["partyId"], owner);
        assert!(
            instance["process"]["ended"].is_string() && instance["status"]["isArchived"] == true
        );
        assert!(
            element(&instance, "ref-data-as-pdf")["size"]
                .as_u64()
                .unwrap()
                > 500
        );
        let data = element(&instance, "model")["id"].as_str().unwrap();
        let form = altinn
            .get(&format!("/ttd/permit/instances/{id}/data/{data}"))
            .await
            .expect(200)
            .json();
        assert_eq!(form["tiltak"].as_array().unwrap().len(), measures);
        assert_eq!(form["merknad"].is_null(), name == "minimal");
    }
    assert!(altinn.local.events().is_empty());
    let id = altinn.local.instances("ttd/permit")[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    altinn.local.announce(&id).unwrap();
    assert_eq!(
        altinn.local.events()[0]["type"],
        "app.instance.process.completed"
    );
    assert!(
        altinn
            .local
            .import(&sample("minimal"))
            .unwrap_err()
            .to_string()
            .contains("exists already")
    );
}

#[tokio::test]
async fn unusual_characters_of_a_folder_are_kept_in_the_stored_xml() {
    let altinn = Altinn::start().await;
    let id = altinn.local.import(&sample("characters")).unwrap();
    let instance = altinn.app_instance("ttd/permit", &id).await;
    assert_eq!(
        element(&instance, "tegning")["filename"],
        "Fasade mot sør & øst.png"
    );
    assert_eq!(element(&instance, "tegning")["contentType"], "image/png");
    let stored = altinn
        .local
        .bytes(&id, element(&instance, "model")["id"].as_str().unwrap())
        .unwrap();
    let stored = String::from_utf8(stored.to_vec()).unwrap();
    assert!(
        stored.contains("<navn>Åse Øvregård &amp; sønner</navn>")
            && stored.contains("😀")
            && stored.contains("]]&gt;"),
        "{stored}"
    );
}

#[test]
fn the_sample_register_has_only_synthetic_numbers() {
    let register = Register::load(&apps_folder().join("register.yaml")).unwrap();
    let control = |digits: &[u32], weights: &[u32]| {
        let sum: u32 = digits
            .iter()
            .zip(weights)
            .map(|(digit, weight)| digit * weight)
            .sum();
        (11 - sum % 11) % 11
    };
    let digits = |number: &str| -> Vec<u32> {
        number
            .chars()
            .map(|char| char.to_digit(10).unwrap())
            .collect()
    };
    let organisations = register
        .organisations
        .iter()
        .map(|organisation| &organisation.org_number);
    for number in organisations.chain(
        register
            .service_owners
            .iter()
            .map(|owner| &owner.org_number),
    ) {
        let digits = digits(number);
        assert_eq!(
            (digits.len(), control(&digits, &[3, 2, 7, 6, 5, 4, 3, 2])),
            (9, digits[8]),
            "{number}"
        );
    }
    for person in &register.persons {
        let digits = digits(&person.ssn);
        assert_eq!(digits.len(), 11);
        assert!(
            (81..=92).contains(&(digits[2] * 10 + digits[3])),
            "month of a synthetic person"
        );
        assert_eq!(control(&digits, &[3, 7, 6, 1, 8, 9, 4, 5, 2]), digits[9]);
        assert_eq!(
            control(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]),
            digits[10]
        );
        assert!(!format!("{person:?}").contains(&person.ssn));
    }
}

fn write(folder: &Path, instance: &Value, files: &[(&str, &str)]) {
    std::fs::write(folder.join("instance.json"), instance.to_string()).unwrap();
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

fn import(
    local: &LocalAltinn,
    instance: &Value,
    files: &[(&str, &str)],
) -> Result<String, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), instance, files);
    local.import(folder.path())
}

/// Which form a route needs is its own affair; the local Altinn stores none that its app could not.
#[tokio::test]
async fn a_form_that_cannot_be_read_is_told_and_leaves_the_rest_of_the_folder_readable() {
    let reader = InstanceFolderReader::new(Config {
        apps: vec![App::load(&apps_folder().join("ttd/casework")).unwrap()],
        ..Config::default()
    })
    .unwrap();
    let instance = json!({
        "appId": "ttd/casework", "instanceOwner": {"organisationNumber": "310075728"}, "process": {"currentTask": {"elementId": "Task_1"}},
        "data": [{"dataType": "model"}],
    });
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &instance, &[("model.xml", "<feil/>")]);
    let read = reader.read(folder.path()).unwrap();
    assert_eq!(read.instance["data"][0]["dataType"], "model");
    assert!(!read.forms.contains_key("model"));
    let problem = read.unreadable["model"].to_string();
    assert!(problem.contains("model.xml"), "{problem}");
    let altinn = Altinn::start().await;
    assert!(altinn.local.import(folder.path()).is_err());
}

#[tokio::test]
async fn an_invalid_folder_is_refused_with_file_and_field() {
    let altinn = Altinn::start().await;
    let good = json!({
        "appId": "ttd/casework", "instanceOwner": {"organisationNumber": "310075728"}, "process": {"currentTask": {"elementId": "Task_1"}},
        "data": [{"dataType": "model"}],
    });
    const FORM: &str = "<melding><soknad><tittel>x</tittel></soknad></melding>";
    import(&altinn.local, &good, &[("model.xml", FORM)]).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    for (name, instance, files, words) in [
        (
            "no file",
            good.clone(),
            vec![],
            "field `data[0]`: no file for this model element",
        ),
        (
            "bad form",
            good.clone(),
            vec![("model.xml", "<feil/>")],
            "model.xml: There is an error in XML document (1, 2). <feil xmlns=''> was not expected.",
        ),
        (
            "bad value",
            good.clone(),
            vec![(
                "model.xml",
                "<melding><soknad><mottatt>i dag</mottatt></soknad></melding>",
            )],
            "model.xml: line 1, column 44: a value that the model cannot hold",
        ),
        (
            "unknown app",
            with("/appId", json!("ttd/x")),
            vec![],
            "field `appId`: `ttd/x` is not running here; known: ttd/casework, ",
        ),
        (
            "no owner",
            with("/instanceOwner", json!({})),
            vec![],
            "field `instanceOwner`",
        ),
        (
            "no process",
            with("/process", Value::Null),
            vec![],
            "field `process`: is missing",
        ),
        (
            "no point",
            with("/process", json!({})),
            vec![],
            "field `process`: needs either currentTask or ended",
        ),
        (
            "unknown task",
            with("/process/currentTask/elementId", json!("Task_7")),
            vec![],
            "`Task_7` is no task of ttd/casework",
        ),
        ("no list", with("/data", json!({})), vec![], "field `data`"),
        (
            "unknown type",
            with("/data/0/dataType", json!("x")),
            vec![],
            "field `data[0].dataType`: `x` is no data type",
        ),
    ] {
        let error = import(&altinn.local, &instance, &files)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{name}: {error}");
        assert!(
            error.contains("instance.json") || error.contains("model.xml"),
            "{name}: {error}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(
        altinn.local.import(empty.path()),
        Err(LoadError::Read { .. })
    ));
}

#[tokio::test]
async fn files_are_found_by_name_then_type_then_id() {
    let altinn = Altinn::start().await;
    let id = "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301";
    let instance = json!({
        "appId": "ttd/permit", "instanceOwner": {"partyId": 59_123_456}, "process": {"ended": "2026-11-22T10:00:00Z"},
        "data": [
            {"dataType": "tegning", "filename": "a.png"}, {"dataType": "ref-data-as-pdf", "filename": "mangler.pdf"},
            {"dataType": "model", "id": id},
        ],
    });
    let form = r#"{"soker":{"navn":"N"},"tiltak":[]}"#;
    let xml = "<model><soker><navn>I</navn></soker></model>";
    let files = [
        ("a.png", "A"),
        ("ref-data-as-pdf.pdf", "P"),
        ("tegning.png", "T"),
        (id, xml),
    ];
    let imported = import(&altinn.local, &instance, &files).unwrap();
    assert!(imported.starts_with("59123456/"));
    let stored = altinn.app_instance("ttd/permit", &imported).await;
    let text = |data_type: &str| {
        let bytes = altinn
            .local
            .bytes(
                &imported,
                element(&stored, data_type)["id"].as_str().unwrap(),
            )
            .unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    assert_eq!(
        (text("tegning"), text("ref-data-as-pdf"), text("model")),
        ("A".to_owned(), "P".to_owned(), xml.to_owned())
    );
    assert!(stored["instanceOwner"]["party"].is_null());

    let mut again = instance.clone();
    again["id"] = Value::Null;
    let imported = import(
        &altinn.local,
        &again,
        &[
            ("a.png", "A"),
            ("ref-data-as-pdf.pdf", "P"),
            ("model.json", form),
        ],
    )
    .unwrap();
    let stored = altinn.app_instance("ttd/permit", &imported).await;
    assert_eq!(
        element(&stored, "model")["contentType"],
        "application/xml",
        "JSON is stored as the app would"
    );
}

#[test]
fn an_invalid_app_is_refused_with_file_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = |task: &str| {
        json!({"id": "ttd/x", "org": "ttd", "dataTypes": [{"id": "model", "taskId": task, "appLogic": {"classRef": "M"}}]}).to_string()
    };
    let put =
        |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    let error = || App::load(folder.path()).unwrap_err().to_string();
    assert!(error().contains("applicationmetadata.json"));
    put("applicationmetadata.json", &metadata("Task_1"));
    put("app.yaml", "event: true\n");
    assert!(error().contains("app.yaml"));
    assert!(error().contains("event"), "{}", error());
    put("app.yaml", "tasks: []\n");
    std::fs::create_dir(folder.path().join("models")).unwrap();
    put("models/model.schema.json", r#"{"properties": {}}"#);
    assert!(error().contains("process.bpmn"), "{}", error());
    put("app.yaml", "tasks: [{ id: Task_1, type: data, name: N }]\n");
    std::fs::remove_file(folder.path().join("models/model.schema.json")).unwrap();
    assert!(
        error().contains("no models/model.schema.json"),
        "{}",
        error()
    );
    put(
        "models/model.schema.json",
        r##"{"properties": {"a": {"$ref": "#/$defs/none"}}}"##,
    );
    assert!(
        error().contains("models/model.schema.json") && error().contains("points nowhere"),
        "{}",
        error()
    );
}
