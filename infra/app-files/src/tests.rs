//! Reads folders of apps in each layout.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::*;

const METADATA: &str = r#"{"id": "ttd/bod", "org": "ttd", "dataTypes": [
  {"id": "model", "taskId": "Task_1", "appLogic": {"classRef": "Altinn.App.Models.Bod"}},
  {"id": "vedlegg", "taskId": "Task_9", "allowedContentTypes": ["application/pdf"]}]}"#;
const SCHEMA: &str = r#"{"type": "object", "properties": {"navn": {"type": "string"}}}"#;
const BPMN: &str = r#"<definitions xmlns:altinn="http://altinn.no/process"><process>
<startEvent id="S"/><task id="Task_1" altinn:tasktype="data"/><endEvent id="E"/>
<sequenceFlow sourceRef="S" targetRef="Task_1"/><sequenceFlow sourceRef="Task_1" targetRef="E"/>
</process></definitions>"#;
const CLASS: &str = r#"[XmlRoot(ElementName = "bod")] public class Bod { public string navn; }"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

#[test]
fn a_repository_describes_the_whole_app_and_its_code_is_reported_as_unsupported() {
    let folder = folder(&[
        (
            "App/config/applicationmetadata.json",
            &format!("\u{feff}{METADATA}"),
        ),
        ("App/config/process/process.bpmn", BPMN),
        ("App/models/Bod.schema.json", SCHEMA),
        ("App/models/Bod.cs", CLASS),
        (
            "App/models/model.prefill.json",
            r#"{"allowOverwrite": true, "DSF": {"Name": "navn"}, "UserProfile": {"Email": "navn"}}"#,
        ),
        (
            "App/appsettings.json",
            r#"{"AppSettings": {"RegisterEventsWithEventsComponent": true}}"#,
        ),
        (
            "App/logic/Prefill.cs",
            "public class Prefill : IInstantiationProcessor {}",
        ),
        ("App/obj/Made.cs", "public class Made {}"),
    ]);
    let app = AppFiles::read(folder.path()).unwrap();
    assert_eq!(app.id.to_string(), "ttd/bod");
    assert_eq!(app.tasks.as_ref().unwrap()[0].id, "Task_1");
    assert_eq!(app.roots["model"], "bod");
    assert!(app.schema_files["model"].ends_with("Bod.schema.json"));
    assert_eq!(app.prefill["model"].person["Name"], "navn");
    assert_eq!(app.events, Some(true));
    assert_eq!(app.policy, None, "no file describes it");
    let told: Vec<String> = app
        .unsupported
        .iter()
        .map(|it| format!("{}: {}", it.file.file_name().unwrap().display(), it.what))
        .collect();
    let [metadata, code, prefill] = &told[..] else {
        panic!("{told:#?}")
    };
    assert!(
        metadata.contains("`vedlegg` belongs to the task `Task_9`"),
        "{metadata}"
    );
    assert_eq!(
        code,
        "Prefill.cs: C# is not run here: IInstantiationProcessor"
    );
    assert!(prefill.contains("`UserProfile`"), "{prefill}");
}

#[test]
fn app_yaml_completes_a_flat_folder() {
    let folder = folder(&[
        ("applicationmetadata.json", METADATA),
        ("process.bpmn", BPMN),
        ("models/model.schema.json", SCHEMA),
        (
            "app.yaml",
            "roots: { model: melding }\npolicy: { serviceOwner: [read] }\ntasks: []\n",
        ),
    ]);
    let app = AppFiles::read(folder.path()).unwrap();
    assert_eq!(app.roots["model"], "melding");
    assert_eq!(app.tasks.unwrap().len(), 1, "process.bpmn takes precedence");
    assert_eq!(
        app.policy.unwrap().service_owner,
        ["read".to_owned()].into()
    );
    assert_eq!(app.events, None);
}

#[test]
fn apps_are_found_in_their_own_folder_and_up_to_two_levels_above() {
    let folder = folder(&[
        ("ttd/bod/applicationmetadata.json", METADATA),
        ("ttd/.git/applicationmetadata.json", METADATA),
    ]);
    for found in ["", "ttd", "ttd/bod"] {
        let apps = Apps::read_all(&[folder.path().join(found)]).unwrap();
        assert_eq!(apps.len(), 1, "{found}");
    }
    let error = Apps::read_all(&[folder.path().join("ttd/bod/models")]).unwrap_err();
    assert!(matches!(error, AppFilesError::Read { .. }), "{error}");
}

#[test]
fn the_same_app_twice_in_a_folder_is_refused_and_of_two_folders_the_first_is_used() {
    let other = METADATA.replace("Task_1", "Task_2");
    let both = folder(&[
        ("a/applicationmetadata.json", METADATA),
        ("b/applicationmetadata.json", &other),
    ]);
    let error = Apps::read_all(&[both.path().to_owned()]).unwrap_err();
    assert!(matches!(error, AppFilesError::Duplicate { .. }), "{error}");
    let apps = Apps::read_all(&[both.path().join("b"), both.path().join("a")]).unwrap();
    let app = apps.iter().next().unwrap();
    assert!(app.folder.ends_with("b"), "{}", app.folder.display());
}

#[test]
fn an_error_names_the_file_and_the_line() {
    for (name, content, told) in [
        (
            "applicationmetadata.json",
            "{\n\"id\": \"x\"}",
            "applicationmetadata.json:2: field `id`",
        ),
        (
            "applicationmetadata.json",
            "{\n,}",
            "applicationmetadata.json:2: not JSON",
        ),
        (
            "process.bpmn",
            "<a>\n</b>",
            "process.bpmn:2: not well-formed XML",
        ),
        (
            "policy.xml",
            "\n<Other/>",
            "policy.xml:2: a `Policy` of XACML is expected",
        ),
        (
            "models/model.schema.json",
            "{",
            "models/model.schema.json:1: not JSON",
        ),
        (
            "models/model.prefill.json",
            "[]",
            "models/model.prefill.json:1: not prefill",
        ),
        (
            "app.yaml",
            "event: true",
            "app.yaml:1: unknown field `event`",
        ),
        ("app.yaml", "events: true\ntasks: 1\n", "app.yaml:2: "),
        ("applicationmetadata.json", "[]", "no JSON object"),
        ("policy.xml", "", "policy.xml:1: not XML"),
    ] {
        let folder = folder(&[("applicationmetadata.json", METADATA), (name, content)]);
        let error = AppFiles::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let latin = folder(&[("applicationmetadata.json", METADATA)]);
    fs::write(latin.path().join("process.bpmn"), b"<a>\n\xe6</a>").unwrap();
    let error = AppFiles::read(latin.path()).unwrap_err().to_string();
    assert!(error.contains("process.bpmn:2: not UTF-8"), "{error}");
}

#[test]
fn missing_files_are_listed_unless_another_file_has_their_content() {
    let missing = |files: &[(&str, &str)]| {
        let folder = folder(files);
        let app = AppFiles::read(folder.path()).unwrap();
        let name = |it: &MissingFile| it.file.file_name().map(ToOwned::to_owned).unwrap();
        app.missing.iter().map(name).collect::<Vec<_>>()
    };
    let metadata = ("applicationmetadata.json", METADATA);
    assert_eq!(
        missing(&[metadata]),
        ["model.schema.json", "process.bpmn", "policy.xml"]
    );
    let told = "policy: {}\ntasks: [{ id: Task_1, type: data, name: Task }]\n";
    let schema = ("models/model.schema.json", SCHEMA);
    assert!(missing(&[metadata, ("app.yaml", told), schema]).is_empty());
}

#[test]
fn a_long_document_is_parsed_in_linear_time() {
    let long = format!("<a>{}</a>", "<b/>\n".repeat(100_000));
    let started = Instant::now();
    let root = xml_tree::parse(Path::new("policy.xml"), &long).unwrap();
    assert_eq!(root.children.last().map(|it| it.line), Some(100_000));
    // Counting the lines from the start for each element would take minutes.
    assert!(started.elapsed() < Duration::from_secs(30));
}
