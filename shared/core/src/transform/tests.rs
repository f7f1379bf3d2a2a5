//! Drafts from routes and A's data.

use std::fs;

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::route::Routes;

mod any_form;

/// The parts of a route that differ between tests.
#[derive(Clone, Copy)]
struct Text<'a> {
    when: &'a str,
    owner: (&'a str, &'a str),
    /// B's only field.
    title: &'a str,
    /// More lines of the file.
    rest: &'a str,
}

const TEXT: Text = Text {
    when: "process: completed",
    owner: ("organisation", "'310075728'"),
    title: "instance.id",
    rest: "",
};

fn load(text: Text) -> Routes {
    load_with_model(text, json!({"soknad": {"tittel": text.title}}))
}

/// As [`load`], with the whole `model` as JSON, which is valid YAML.
fn load_with_model(text: Text, model: Value) -> Routes {
    let Text {
        when,
        owner: (kind, owner),
        rest,
        ..
    } = text;
    let owner = json!(owner);
    let file = format!(
        "name: permit-to-casework
from: {{ app: ttd/permit, when: {{ {when} }}, since: 2026-11-01 }}
to: {{ app: ttd/casework, owner: {{ {kind}: {owner} }} }}
model: {model}
{rest}
"
    );
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("route.yaml"), file).unwrap();
    Routes::load(directory.path()).unwrap()
}

/// An A instance whose process has ended.
fn ended() -> Value {
    json!({
        "id": "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10", "appId": "ttd/permit",
        "instanceOwner": {"partyId": "50085321"},
        "created": "2027-01-02T08:00:00Z",
        "process": {"started": "2027-01-02T08:00:00Z", "ended": "2027-01-31T10:15:30Z", "currentTask": null},
        "data": [],
    })
}

/// An A instance whose current task is Task_2.
fn in_task_2() -> Value {
    let mut instance = ended();
    instance["process"] =
        json!({"currentTask": {"elementId": "Task_2", "started": "2027-01-20T07:00:00Z"}});
    instance
}

fn with_elements(elements: Value) -> Value {
    let mut instance = ended();
    instance["data"] = elements;
    instance
}

/// A data element that was created at this second.
fn element(number: u8, data_type: &str, second: u8) -> Value {
    json!({
        "id": id(number), "dataType": data_type, "filename": format!("fil-{number}.pdf"),
        "contentType": "application/pdf", "size": 100 + u32::from(number),
        "created": format!("2027-01-31T10:15:{second:02}Z"), "fileScanResult": "Clean",
    })
}

fn id(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

fn all(routes: &Routes, source: Value, form: Value) -> Result<Vec<KeyedDraft>, TransformError> {
    let route = routes.iter().next().unwrap();
    let source = Instance::from_json(source).unwrap();
    let since = open_since(&route.gate, &source).expect("the gate is open");
    drafts(
        route,
        &source,
        &Map::from_iter([("model".to_owned(), form)]),
        since,
    )
}

fn drafted(text: Text, source: Value, form: Value) -> Result<Draft, TransformError> {
    let mut drafts = all(&load(text), source, form)?;
    assert_eq!(drafts.len(), 1);
    let only = drafts.remove(0);
    assert_eq!(only.key, None);
    only.draft
}

/// The owner that `expression` gives for a form with this `owner` field, or the error.
fn owned(kind: &str, expression: &str, owner: Value) -> Result<Owner, String> {
    let text = Text {
        owner: (kind, expression),
        ..TEXT
    };
    drafted(text, ended(), json!({"owner": owner, "empty": null}))
        .map(|draft| draft.owner)
        .map_err(|error| {
            assert!(!error.is_transient());
            let problem = error.failure();
            assert_eq!(problem.reason, Reason::MappingFailed);
            assert_eq!(problem.detail.as_deref(), Some(error.to_string().as_str()));
            error.to_string()
        })
}

fn titled(title: &str, form: Value) -> Result<Value, String> {
    let text = Text { title, ..TEXT };
    drafted(text, ended(), form)
        .map(|draft| draft.models.main.into())
        .map_err(|error| {
            assert_eq!(error.failure().reason, Reason::MappingFailed);
            error.to_string()
        })
}

/// The attachments that `rules` select from the elements.
fn attached(rules: &str, elements: Value) -> Result<Vec<Attachment>, TransformError> {
    let rest = format!("attachments: [{rules}]");
    let text = Text {
        rest: &rest,
        ..TEXT
    };
    drafted(text, with_elements(elements), json!({})).map(|draft| draft.attachments)
}

fn numbers(attachments: &[Attachment]) -> Vec<u128> {
    attachments.iter().map(|a| a.element.as_u128()).collect()
}

#[test]
fn an_organisation_is_nine_digits_as_text_or_number() {
    let number = || Owner::Organisation("310075728".into());
    for form in [json!("310075728"), json!(" 310075728 "), json!(310_075_728)] {
        assert_eq!(
            owned("organisation", "data.model.owner", form),
            Ok(number())
        );
    }
    for form in [
        json!("31007572"),
        json!("3100757280"),
        json!("31007572a"),
        json!("٣١٠٠٧٥٧٢٨"),
        json!(-31_007_572),
        json!(310_075_728.5),
        json!(["310075728"]),
        json!({"number": "310075728"}),
        json!(true),
        json!(""),
    ] {
        assert_eq!(
            owned("organisation", "data.model.owner", form.clone()),
            Err("route permit-to-casework: to.owner.organisation: not nine digits".into()),
            "{form}"
        );
    }
}

#[test]
fn a_person_is_eleven_digits_as_text_because_a_number_loses_its_leading_zero() {
    assert_eq!(
        owned("person", "data.model.owner", json!("01017012345")),
        Ok(Owner::Person("01017012345".into()))
    );
    for form in [
        json!(12_837_832_290_u64),
        json!(1_017_012_345),
        json!("1017012345"),
        json!("010170 12345"),
        json!(["01017012345"]),
    ] {
        assert_eq!(
            owned("person", "data.model.owner", form.clone()),
            Err("route permit-to-casework: to.owner.person: not a text of eleven digits".into()),
            "{form}"
        );
    }
}

#[test]
fn a_party_is_a_number_or_its_text() {
    for form in [json!("50085321"), json!(50_085_321), json!(" 50085321 ")] {
        assert_eq!(
            owned("party", "data.model.owner", form),
            Ok(Owner::Party(50_085_321))
        );
    }
    assert_eq!(
        owned("party", "instance.instanceOwner.partyId", json!(null)),
        Ok(Owner::Party(50_085_321))
    );
    for form in [
        json!(-1),
        json!(4_294_967_296_u64),
        json!(1.5),
        json!("fifty"),
        json!(""),
        json!({}),
    ] {
        assert_eq!(
            owned("party", "data.model.owner", form.clone()),
            Err("route permit-to-casework: to.owner.party: not a party id".into()),
            "{form}"
        );
    }
}

#[test]
fn a_missing_owner_is_an_error_that_names_route_field_and_path() {
    for (expression, problem) in [
        (
            "data.model.empty",
            "`data.model.empty` is empty in A's data: say what then with `| default(…)`",
        ),
        (
            "none",
            "`none` is empty in A's data: say what then with `| default(…)`",
        ),
        (
            "data.model.eier",
            "`data.model.eier` is empty in A's data: say what then with `| default(…)`",
        ),
    ] {
        assert_eq!(
            owned("organisation", expression, json!(1)),
            Err(format!(
                "route permit-to-casework: to.owner.organisation: {problem}"
            ))
        );
    }
}

#[test]
fn an_error_names_route_field_and_what_it_was_about() {
    let rows = || Value::from(vec![json!({"a": 1}); 60_000]);
    for (title, form, problem) in [
        (
            "'Fra ' ~ data.model.soker.navn",
            json!({"soker": {"navn": null}}),
            "`data.model.soker.navn` is empty in A's data: say what then with `| default(…)`",
        ),
        (
            "'Fra ' ~ data.other.navn",
            json!({}),
            "`data.other.navn` is empty in A's data: say what then with `| default(…)`",
        ),
        (
            "data.model.antall + 1",
            json!({"antall": "tre"}),
            "`data.model.antall` is a text, and a number is needed: `| number` reads 1234.50, `| norwegian_number` 1 234,50, and `~` joins texts",
        ),
        (
            "[data.model.rader, data.model.rader]",
            json!({"rader": rows()}),
            "the form would have more than 100000 elements",
        ),
    ] {
        assert_eq!(
            titled(title, form),
            Err(format!(
                "route permit-to-casework: model.soknad.tittel: {problem}"
            )),
            "{title}"
        );
    }
}

#[test]
fn an_element_is_omitted_if_its_value_is_none_or_empty() {
    for title in [
        "none",
        "data.model.merknad",
        "data.model.merknad | default(none)",
        "data.model.nothing | default(none)",
        "data.model.gruppe.felt",
        "'x' if data.model.antall > 3 else none",
    ] {
        let form = json!({"merknad": null, "gruppe": null, "antall": 3});
        assert_eq!(titled(title, form), Ok(json!({})), "{title}");
    }
}

#[test]
fn an_element_is_omitted_if_its_list_or_group_is_empty_or_null() {
    let routes = load_with_model(
        TEXT,
        json!({
            "vedtak": {"$each": "row in data.model.rader", "kode": "row.kode"},
            "tiltak": {"$each": "row in data.model.rader | default([])", "kode": "row.kode"},
            "gruppe": "data.model.gruppe",
            "navn": "data.model.gruppe.navn",
        }),
    );
    for rows in [json!(null), json!([])] {
        let drafts = all(&routes, ended(), json!({"rader": rows, "gruppe": null})).unwrap();
        let draft = drafts[0].draft.as_ref().unwrap();
        assert_eq!(Value::from(draft.models.main.clone()), json!({}), "{rows}");
    }
    let form = json!({"rader": [{"kode": "A"}, {"kode": null}], "gruppe": {"navn": "x"}});
    let drafts = all(&routes, ended(), form).unwrap();
    assert_eq!(
        Value::from(drafts[0].draft.as_ref().unwrap().models.main.clone()),
        json!({
            "vedtak": [{"kode": "A"}, {}], "tiltak": [{"kode": "A"}, {}], "gruppe": {"navn": "x"}, "navn": "x",
        })
    );
}

#[test]
fn a_value_keeps_its_type() {
    for (title, value) in [
        ("data.model.antall", json!(3)),
        ("data.model.areal", json!(12.5)),
        ("data.model.ja", json!(true)),
        ("data.model.navn", json!("Kari & Ola")),
        ("data.model.liste", json!(["a", "b"])),
        ("data.model.merknad | default('ingen')", json!("ingen")),
        ("data.model.antall ~ ''", json!("3")),
    ] {
        let form = json!({
            "antall": 3, "areal": 12.5, "ja": true, "navn": "Kari & Ola", "liste": ["a", "b"], "merknad": null,
        });
        assert_eq!(
            titled(title, form),
            Ok(json!({"soknad": {"tittel": value}})),
            "{title}"
        );
    }
}

#[test]
fn a_completed_gate_opens_when_the_process_ends() {
    let at = |instance: Value| {
        let source = Instance::from_json(instance).unwrap();
        open_since(&Gate::Completed, &source).map(|since| since.to_string())
    };
    assert_eq!(at(ended()).as_deref(), Some("2027-01-31T10:15:30Z"));
    assert_eq!(at(in_task_2()), None);
}

#[test]
fn a_task_gate_opens_with_its_task_and_stays_open_when_the_process_has_ended() {
    let at = |task: &str, instance: Value| {
        let source = Instance::from_json(instance).unwrap();
        open_since(&Gate::Task(task.into()), &source).map(|since| since.to_string())
    };
    assert_eq!(
        at("Task_2", in_task_2()).as_deref(),
        Some("2027-01-20T07:00:00Z")
    );
    assert_eq!(at("Task_1", in_task_2()), None);
    assert_eq!(
        at("Task_2", ended()).as_deref(),
        Some("2027-01-31T10:15:30Z")
    );
    let mut of_unknown_start = in_task_2();
    of_unknown_start["process"]["currentTask"]["started"] = json!(null);
    assert_eq!(
        at("Task_2", of_unknown_start).as_deref(),
        Some("2027-01-02T08:00:00Z")
    );
    let mut nowhere = ended();
    nowhere["process"] = json!(null);
    assert_eq!(at("Task_2", nowhere), None);
}

#[test]
fn the_due_date_counts_from_when_the_gate_opened() {
    let due = |when, rest, source| {
        let text = Text { when, rest, ..TEXT };
        let draft = drafted(text, source, json!({})).map_err(|error| error.to_string())?;
        Ok(draft.due.map(|due| due.to_string()))
    };
    let completed = "process: completed";
    for (when, rest, source, expected) in [
        (
            completed,
            "due: P30D",
            ended(),
            Some("2027-03-02T10:15:30Z"),
        ),
        (completed, "due: P1M", ended(), Some("2027-02-28T10:15:30Z")),
        (
            completed,
            "due: P1M2DT3H",
            ended(),
            Some("2027-03-02T13:15:30Z"),
        ),
        (
            "task: Task_2",
            "due: P1M",
            in_task_2(),
            Some("2027-02-20T07:00:00Z"),
        ),
        (completed, "", ended(), None),
    ] {
        assert_eq!(
            due(when, rest, source),
            Ok(expected.map(str::to_owned)),
            "{rest}"
        );
    }
    assert_eq!(
        due(completed, "due: P9000Y", ended()),
        Err("route permit-to-casework: due: gives no date".to_owned())
    );
}

#[test]
fn the_newest_pdf_of_each_task_and_all_elements_of_other_types_are_selected() {
    let pdf = |number, task: &str, second| {
        let mut pdf = element(number, "ref-data-as-pdf", second);
        pdf["references"] =
            json!([{"value": task, "relation": "GeneratedFrom", "valueType": "Task"}]);
        pdf
    };
    let elements = json!([
        pdf(1, "Task_1", 30),
        pdf(2, "Task_1", 10),
        pdf(3, "Task_2", 20),
        element(4, "tegning", 5),
        element(5, "tegning", 1),
        element(6, "annet", 1),
    ]);
    let attachments = attached(
        "{ from: tegning, to: vedlegg }, { from: ref-data-as-pdf, to: kvittering }",
        elements,
    )
    .unwrap();
    assert_eq!(numbers(&attachments), [5, 4, 1, 3]);
    let first = &attachments[2];
    assert_eq!(first.data_type, "kvittering");
    assert_eq!(first.filename, "fil-1.pdf");
    assert_eq!(first.content_type, "application/pdf");
    assert_eq!(first.size, 101);
}

#[test]
fn only_the_newest_of_the_pdfs_without_a_task_is_selected() {
    let elements = json!([
        element(1, "ref-data-as-pdf", 1),
        element(2, "ref-data-as-pdf", 2),
    ]);
    let attachments = attached("{ from: ref-data-as-pdf, to: vedlegg }", elements).unwrap();
    assert_eq!(numbers(&attachments), [2]);
}

#[test]
fn a_missing_required_attachment_is_a_transient_error_and_an_optional_one_is_none() {
    let none = || json!([element(1, "annet", 1)]);
    assert_eq!(
        attached("{ from: tegning, to: vedlegg }", none()),
        Ok(vec![])
    );
    let mut deleted = element(2, "tegning", 1);
    deleted["deleteStatus"] = json!({"isHardDeleted": true});
    for elements in [none(), json!([deleted])] {
        let error = attached("{ from: tegning, to: vedlegg, required: true }", elements);
        let error = error.unwrap_err();
        assert_eq!(error, TransformError::AttachmentMissing("tegning".into()));
        assert_eq!(
            error.to_string(),
            "A has no `tegning`, which the route requires"
        );
        assert!(error.is_transient());
        assert_eq!(error.failure().reason, Reason::AttachmentMissing);
    }
}

#[test]
fn an_unfinished_virus_scan_is_a_transient_error_and_an_infection_is_not() {
    let scanned = |results: &[Value]| {
        let elements: Value = results
            .iter()
            .zip(1..)
            .map(|(result, number)| {
                let mut element = element(number, "tegning", number);
                element["fileScanResult"] = result.clone();
                element
            })
            .collect();
        attached("{ from: tegning, to: vedlegg }", elements)
    };
    for pending in [json!("Pending"), json!(1)] {
        let error = scanned(&[json!("Clean"), pending]).unwrap_err();
        assert_eq!(error, TransformError::AttachmentScanned("tegning".into()));
        assert!(error.is_transient());
        assert_eq!(error.failure().reason, Reason::AttachmentScanned);
    }
    for infected in [json!("Infected"), json!(3)] {
        let error = scanned(&[json!("Pending"), infected]).unwrap_err();
        assert_eq!(error, TransformError::AttachmentInfected("tegning".into()));
        assert!(!error.is_transient());
        assert_eq!(error.failure().reason, Reason::AttachmentInfected);
    }
    let clean = [
        json!("Clean"),
        json!("NotApplicable"),
        json!(0),
        json!(2),
        json!(null),
    ];
    assert_eq!(scanned(&clean).unwrap().len(), 5);
}

#[test]
fn attachments_are_chosen_by_tag_and_by_the_form_of_their_file_name() {
    let uploaded = |number: u8, filename: &str, tags: Value| {
        let mut element = element(number, "brev", 1);
        element["filename"] = json!(filename);
        element["tags"] = tags;
        element
    };
    let elements = json!([
        uploaded(1, "Vedtak 1.PDF", json!(["ut"])),
        uploaded(2, "vedtak 2.docx", json!(["inn", "UT"])),
        uploaded(3, "svar.pdf", json!([])),
        uploaded(4, "vedtak.pdf", json!(null)),
    ]);
    for (filter, expected) in [
        (
            "",
            vec!["Vedtak 1.PDF", "vedtak 2.docx", "svar.pdf", "vedtak.pdf"],
        ),
        (", tag: ut", vec!["Vedtak 1.PDF", "vedtak 2.docx"]),
        (
            ", filename: 'vedtak*.pdf'",
            vec!["Vedtak 1.PDF", "vedtak.pdf"],
        ),
        (", filename: 'vedtak*.pdf', tag: ut", vec!["Vedtak 1.PDF"]),
        (", filename: svar.pdf", vec!["svar.pdf"]),
        (", tag: nei", vec![]),
    ] {
        let rule = format!("{{ from: brev, to: vedlegg{filter} }}");
        let attachments = attached(&rule, elements.clone()).unwrap();
        let names: Vec<&str> = attachments.iter().map(|it| it.filename.as_str()).collect();
        assert_eq!(names, expected, "{filter}");
    }
    let required = attached(
        "{ from: brev, to: vedlegg, required: true, tag: nei }",
        elements,
    );
    assert_eq!(
        required,
        Err(TransformError::AttachmentMissing("brev".into()))
    );
}

proptest! {
    /// A pattern of parts of the name matches it, whatever stands between them.
    #[test]
    fn a_pattern_matches_what_it_was_made_from(parts in proptest::collection::vec("[a-zæøå.]{0,4}", 1..5), between in "[a-zæøå.]{0,4}") {
        let pattern = crate::route::NamePattern::new(&parts.join("*"));
        prop_assert!(pattern.matches(&parts.join(&between)));
        prop_assert!(pattern.matches(&parts.join("").to_uppercase()));
    }
}

#[test]
fn an_attachment_always_has_a_filename_with_an_extension() {
    for (filename, content_type, expected) in [
        (json!("plan.pdf"), json!("application/pdf"), "plan.pdf"),
        (json!("plan"), json!("application/pdf"), "plan.pdf"),
        (json!(null), json!("image/png"), "tegning.png"),
        (json!(null), json!(null), "tegning.bin"),
        (json!("søknad"), json!("text/plain"), "søknad.txt"),
        (json!("x"), json!("application/json"), "x.json"),
        (json!("x"), json!("text/xml"), "x.xml"),
        (json!("x"), json!("image/jpeg"), "x.jpg"),
        (
            json!("brev"),
            json!("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            "brev.docx",
        ),
        (
            json!("notat"),
            json!("text/plain; charset=utf-8"),
            "notat.txt",
        ),
        (json!(".htaccess"), json!("text/plain"), ".htaccess"),
        (
            json!("plan: \"nord\"/<1>\r\n.pdf"),
            json!("application/pdf"),
            "plan_ _nord___1___.pdf",
        ),
    ] {
        let mut element = element(1, "tegning", 1);
        element["filename"] = filename;
        element["contentType"] = content_type.clone();
        let attachments = attached("{ from: tegning, to: vedlegg }", json!([element])).unwrap();
        assert_eq!(attachments[0].filename, expected);
        assert_eq!(
            attachments[0].content_type,
            content_type.as_str().unwrap_or("application/octet-stream")
        );
    }
}

#[test]
fn a_fan_out_gives_one_draft_per_value_and_an_error_affects_only_its_own_draft() {
    let text = Text {
        owner: ("person", "heir.ssn"),
        title: "heir.name",
        rest: "each: heir in data.model.heirs\nkey: heir.id",
        ..TEXT
    };
    let heirs = json!({"heirs": [
        {"id": 1, "ssn": "01017012345", "name": "Kari"},
        {"id": " b ", "ssn": null, "name": "Ola"},
        {"id": "c", "ssn": "01017012346", "name": null},
    ]});
    let drafts = all(&load(text), ended(), heirs).unwrap();
    let keys: Vec<_> = drafts.iter().map(|draft| draft.key.as_deref()).collect();
    assert_eq!(keys, [Some("1"), Some("b"), Some("c")]);
    assert_eq!(
        drafts[0].draft.as_ref().unwrap().owner,
        Owner::Person("01017012345".into())
    );
    assert_eq!(
        drafts[1].draft.as_ref().unwrap_err().to_string(),
        "route permit-to-casework: to.owner.person: `heir.ssn` is empty in A's data: say what then with `| default(…)`"
    );
    assert!(drafts[2].draft.as_ref().unwrap().models.main.is_empty());
    assert!(!format!("{drafts:?}").contains("0101701"));
}

#[test]
fn missing_or_repeated_keys_give_no_draft_at_all() {
    let text = Text {
        title: "heir.id",
        rest: "each: heir in data.model.heirs\nkey: heir.id",
        ..TEXT
    };
    let routes = load(text);
    for (heirs, problem) in [
        (
            json!([{"id": "a"}, {"id": "b"}, {"id": "a "}]),
            "values 0 and 2 of `each` have the same key",
        ),
        (
            json!([{"id": "1"}, {"id": 1}]),
            "values 0 and 1 of `each` have the same key",
        ),
        (
            json!([{"id": 1}, {"id": 1.0}]),
            "values 0 and 1 of `each` have the same key",
        ),
        (
            json!([{"id": "a"}, {"id": ""}]),
            "value 1 of `each` has no key: a text or a number is needed",
        ),
        (
            json!([{"id": null}]),
            "value 0 of `each` has no key: a text or a number is needed",
        ),
        (
            json!([{"id": [1]}]),
            "value 0 of `each` has no key: a text or a number is needed",
        ),
        (
            json!([{"navn": "x"}]),
            "value 0 of `each` has no key: a text or a number is needed",
        ),
        (
            json!("one"),
            "`data.model.heirs` is a text, and a list is needed",
        ),
    ] {
        let error = all(&routes, ended(), json!({"heirs": heirs})).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("route permit-to-casework: key: {problem}")
        );
        assert_eq!(error.failure().reason, Reason::KeysAmbiguous);
    }
    assert!(
        all(&routes, ended(), json!({"heirs": null}))
            .unwrap()
            .is_empty()
    );
    assert!(
        all(&routes, ended(), json!({"heirs": []}))
            .unwrap()
            .is_empty()
    );
}
