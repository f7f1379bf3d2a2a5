//! The documents that .NET's `XmlSerializer` was given, with its results (tests/xmlserializer).

use std::collections::BTreeMap;

use jiff::Timestamp;
use quick_xml::events::{BytesStart, Event};
use serde::Deserialize;
use serde_json::json;

use super::*;

const CASES: &str = include_str!("../../../../tests/xmlserializer/cases.jsonl");
const CLASSES: &str = include_str!("../../../../tests/xmlserializer/Program.cs");

/// The one case whose result depends on the date of the recording.
const TIME_OF_DAY: (&str, &str) = ("DateTime '10:11:12'", "2026-11-29");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    case: String,
    model: String,
    xml: String,
    taken: bool,
    stored: Option<String>,
    cannot_be_stored: Option<String>,
    error: Option<String>,
}

/// The models of the classes in `Program.cs`, built as an app's models are.
fn models() -> BTreeMap<&'static str, Model> {
    let mut csharp = CsharpModels::default();
    csharp.add(CLASSES);
    let model = |class| {
        let root = csharp.root(class).expect("Program.cs has the class");
        assert!(csharp.classes(class).is_some(), "{class} is not understood");
        let schema = json!({"type": "object", "properties": {}});
        let model = Model::compile(root, schema).unwrap();
        (class, model.with_class(&csharp, class))
    };
    ["Ordered", "Unordered", "Plain", "Named"].map(model).into()
}

/// The document without what may differ: the order of attributes, the XML declaration, the declarations of xsi and xsd.
fn canonical(xml: &str) -> Vec<String> {
    let tag = |start: &BytesStart<'_>| {
        let mut attributes: Vec<String> = start
            .attributes()
            .map(|attribute| attribute.unwrap())
            .filter(|attribute| !matches!(attribute.key.as_ref(), "xmlns:xsi" | "xmlns:xsd"))
            .map(|attribute| format!("{}={}", attribute.key.as_ref(), &*attribute.value))
            .collect();
        attributes.sort();
        format!("<{} {}", start.name().as_ref(), attributes.join(" "))
    };
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut found: Vec<String> = Vec::new();
    loop {
        let piece = match reader.read_event().unwrap() {
            Event::Start(start) => tag(&start),
            Event::End(_) => ">".to_owned(),
            Event::Text(text) => format!("{text:?}"),
            Event::GeneralRef(reference) => format!("{reference:?}"),
            Event::Decl(_) => continue,
            Event::Eof => return found,
            other => panic!("{other:?}"),
        };
        found.push(piece);
    }
}

#[test]
fn every_document_is_accepted_refused_and_stored_as_by_dotnet() {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let models = models();
    let mut wrong = Vec::new();
    let mut run = 0;
    for line in CASES.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let model = &models[case.model.as_str()];
        let read = model.read_xml(case.xml.as_bytes());
        run += 1;
        let outcome = match (&read, case.taken) {
            (Ok(form), true) => {
                let stored = String::from_utf8(model.to_xml(form).to_vec()).unwrap();
                match (&case.stored, &case.cannot_be_stored) {
                    (Some(expected), _) => {
                        let mut expected = expected.clone();
                        if case.case == TIME_OF_DAY.0 {
                            expected = expected.replace(TIME_OF_DAY.1, &today.to_string());
                        }
                        canonical(&stored) == canonical(&expected)
                    }
                    // The serializer alone fails; app-lib's writer replaces the character.
                    (None, Some(_)) => stored.contains('\u{fffd}'),
                    (None, None) => false,
                }
            }
            (Err(error), false) => Some(error.to_string()) == case.error,
            _ => false,
        };
        if !outcome {
            let got = match read {
                Ok(form) => String::from_utf8_lossy(&model.to_xml(&form)).into_owned(),
                Err(error) => error.to_string(),
            };
            wrong.push(format!(
                "{}: {}\n  expected {}\n  got      {got}",
                case.case,
                case.xml,
                case.stored.or(case.error).unwrap_or_default(),
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {run}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(run, 185);
}

#[test]
fn a_stored_form_is_read_again_without_loss() {
    let models = models();
    for line in CASES.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let model = &models[case.model.as_str()];
        let Ok(form) = model.read_xml(case.xml.as_bytes()) else {
            continue;
        };
        let stored = model.to_xml(&form);
        let again = model.read_xml(&stored).unwrap();
        assert_eq!(model.to_xml(&again), stored, "{}", case.case);
        // JSON has no NaN and no infinity.
        let json = model.to_json_text(&form, true);
        if !json.contains("NaN") && !json.contains("INF") {
            let again = model.read_json(json.as_bytes()).unwrap();
            assert_eq!(model.to_json_text(&again, true), json, "{}", case.case);
        }
    }
}
