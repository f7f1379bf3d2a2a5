use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use stafett_core::route::{Mode, Route, Routes};

use super::*;
use crate::{finding::Severity, places::Places};
use app_files::Apps;

/// An app with one form of this schema, in a folder of its own.
fn app(folder: &Path, id: &str, schema: &Value) -> AppFiles {
    let metadata = json!({
        "id": id,
        "org": "ttd",
        "dataTypes": [{"id": "model", "appLogic": {"classRef": "Model"}, "maxCount": 1}],
    });
    let folder = folder.join(id);
    std::fs::create_dir_all(folder.join("models")).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("applicationmetadata.json", metadata.to_string());
    write(
        "app.yaml",
        "policy: { serviceOwner: [read, write, instantiate, complete, delete] }".into(),
    );
    write("models/model.schema.json", schema.to_string());
    AppFiles::read(&folder).unwrap()
}

/// A route whose `model:` is this.
fn route(folder: &Path, model: &str) -> (Route, String) {
    let text = format!(
        "name: r\nfrom:\n  app: ttd/a\n  when: {{ process: completed }}\n  since: 2026-11-01\nto:\n  app: ttd/b\n  owner: {{ organisation: \"'310075728'\" }}\nmodel:\n{model}"
    );
    let file = folder.join("r.yaml");
    std::fs::write(&file, &text).unwrap();
    let (mut sound, errors) = Routes::read(&[file]);
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    (sound.remove(0).1, text)
}

fn told(model: &str, a: Value, b: Value) -> Vec<(Severity, &'static str, String, String)> {
    let (found, text) = found(model, a, b, Mode::Complete);
    let shown = |finding: Finding| {
        let place = finding.place.unwrap();
        let range = text[place.range].to_owned();
        (
            finding.severity,
            finding.code,
            finding.field.unwrap(),
            range,
        )
    };
    found.into_iter().map(shown).collect()
}

/// What is found in a route with this `model:`, and its text.
fn found(model: &str, a: Value, b: Value, mode: Mode) -> (Vec<Finding>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (mut route, text) = route(folder.path(), model);
    route.to.mode = mode;
    let places = Places::of(&text);
    let file = Path::new("r.yaml");
    let subject = LocatedRoute {
        route: &route,
        file,
        places: &places,
    };
    let (a, b) = (
        app(folder.path(), "ttd/a", &a),
        app(folder.path(), "ttd/b", &b),
    );
    let found = findings(&subject, Some(&a), Some(&b)).findings;
    (found, text)
}

/// A form of A with a field of each kind.
fn of_each_kind() -> Value {
    let text = json!({"type": "string"});
    let row = json!({"type": "object", "properties": {"navn": text, "sum": {"type": "number"}}});
    json!({"properties": {
        "navn": text, "ja": {"type": "boolean"}, "antall": {"type": "integer"},
        "koder": {"type": "array", "items": text},
        "rader": {"type": "array", "items": row}, "person": row,
    }})
}

#[test]
fn the_way_out_of_a_wrong_type_leads_out() {
    let text = json!({"type": "string"});
    let list = |item: &Value| json!({"type": "array", "items": item});
    let short = json!({"type": "string", "maxLength": 2});
    for (expression, field, help) in [
        ("data.model.ja", &text, "`'ja' if … else 'nei'`"),
        ("data.model.antall", &text, "expression: `| string`"),
        ("data.model.koder", &text, "`| join(', ')`"),
        ("data.model.rader", &text, "`| join(', ', 'navn')`"),
        ("data.model.person", &text, "name one of its fields"),
        (
            "data.model.koder",
            &list(&json!({"type": "integer"})),
            "`| map('int')`",
        ),
        ("data.model.koder", &list(&short), "limit it in A's schema"),
        (
            "data.model.navn",
            &json!({"type": "object", "properties": {"value": text}}),
            "it has `value`",
        ),
        ("data.model.antall-1", &text, "`antall - 1`"),
        ("data.model.nаvn", &text, "Cyrillic letter (U+0430)"),
    ] {
        let b = json!({"properties": {"x": field}});
        let model = format!("  x: {expression}\n");
        let (found, _) = found(&model, of_each_kind(), b, Mode::Complete);
        let helps = || found.iter().flat_map(|finding| &finding.help);
        assert!(
            helps().any(|it| it.contains(help)),
            "{expression}: {found:?}"
        );
    }
}

/// The function refuses these for every A.
#[test]
fn what_prefill_never_carries_is_an_error() {
    let b = json!({"properties": {
        "t": {"type": "string"}, "n": {"type": "number"}, "f": {"type": "boolean"},
        "l": {"type": "array", "items": {"type": "string"}}, "relay": {"type": "string"},
    }});
    for (leaf, refused) in [
        ("t: \"'Åse'\"", None),
        ("t: data.model.navn", None),
        ("n: 12.50", None),
        ("f: true", None),
        ("t: \"'it\\\\'s'\"", Some("refused-prefill")),
        ("t: \"'2026-01-01T00:00:00Z'\"", Some("refused-prefill")),
        ("f: 1", Some("type")),
        ("l: data.model.koder", Some("not-flat")),
    ] {
        let mode = Mode::Prefill {
            stamp: "relay".to_owned(),
        };
        let model = format!("  {leaf}\n");
        let (found, _) = found(&model, of_each_kind(), b.clone(), mode);
        let of_model = found.iter().filter(|finding| {
            let field = finding.field.as_deref().unwrap_or_default();
            field.starts_with("model.") && finding.severity == Severity::Error
        });
        let codes: Vec<_> = of_model.map(|finding| finding.code).collect();
        assert_eq!(codes, Vec::from_iter(refused), "{leaf}");
    }
}

#[test]
fn a_class_without_fields_has_none_of_the_routes() {
    let b = json!({"type": "object", "properties": {}});
    let codes: Vec<_> = told("  x: data.model.navn\n", of_each_kind(), b)
        .into_iter()
        .map(|(_, code, ..)| code)
        .collect();
    assert_eq!(codes, ["target-path"]);
}

#[test]
fn sample_routes_fit_their_apps() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let apps = Apps::read_all(&[infra.join("apps")]).unwrap();
    let (routes, errors) = Routes::read(&Routes::files(&infra.join("routes")).unwrap());
    assert!(errors.is_empty());
    assert!(routes.len() >= 2);
    for (file, route) in &routes {
        let text = std::fs::read_to_string(file).unwrap();
        let places = Places::of(&text);
        let subject = LocatedRoute {
            route,
            file,
            places: &places,
        };
        let found = findings(&subject, apps.get(&route.from), apps.get(&route.to.app)).findings;
        // Whether A's plans may be larger than B allows is up to the apps, and so are a
        // policy and a process as Altinn's template has them.
        let is_known = |finding: &Finding| {
            finding.severity == Severity::Warning
                && matches!(finding.code, "orphans" | "reject" | "size")
        };
        let alarms: Vec<_> = found.iter().filter(|finding| !is_known(finding)).collect();
        assert!(alarms.is_empty(), "{}: {alarms:?}", file.display());
    }
}

/// The metadata of the next version of app-lib has more fields, and nulls (recorded from 9.0.0-preview).
#[test]
fn of_an_app_on_version_9_the_same_is_told_as_of_the_same_app_on_version_8() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let casework = infra.join("apps/ttd/casework");
    let folder = tempfile::tempdir().unwrap();
    let into = |name: &str| folder.path().join(name);
    std::fs::create_dir(into("models")).unwrap();
    for file in [
        "app.yaml",
        "policy.xml",
        "process.bpmn",
        "models/model.schema.json",
    ] {
        std::fs::copy(casework.join(file), into(file)).unwrap();
    }
    let recorded = infra.join("../tests/recorded/v9/v9-metadata.json");
    let recorded = std::fs::read_to_string(recorded).unwrap();
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let mut metadata = recorded["answer"]["body"].clone();
    assert_eq!(metadata["altinnNugetVersion"], "9.0.0.0");
    metadata["id"] = json!("ttd/casework");
    std::fs::write(into("applicationmetadata.json"), metadata.to_string()).unwrap();
    let next = AppFiles::read(folder.path()).unwrap();
    let today = AppFiles::read(&casework).unwrap();

    let file = infra.join("routes/permit-to-casework.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let places = Places::of(&text);
    let (routes, _) = Routes::read(std::slice::from_ref(&file));
    let subject = LocatedRoute {
        route: &routes[0].1,
        file: &file,
        places: &places,
    };
    let permit = AppFiles::read(&infra.join("apps/ttd/permit")).unwrap();
    let told = |b: &AppFiles| -> Vec<String> {
        let found = findings(&subject, Some(&permit), Some(b)).findings;
        found.into_iter().map(|finding| finding.message).collect()
    };
    assert_eq!(told(&next), told(&today));
}

#[test]
fn a_route_without_mistakes_gives_no_findings() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let apps = Apps::read_all(&[tests.join("apps")]).unwrap();
    let file = tests.join("fitting.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (routes, errors) = Routes::read(&[file]);
    assert!(errors.is_empty(), "{errors:?}");
    let (file, route) = &routes[0];
    let places = Places::of(&text);
    let subject = LocatedRoute {
        route,
        file,
        places: &places,
    };
    let (a, b) = (apps.get(&route.from), apps.get(&route.to.app));
    assert!(a.is_some() && b.is_some());
    assert_eq!(findings(&subject, a, b).findings, []);
}

#[test]
fn a_misspelt_path_is_reported_at_its_wrong_piece() {
    let a = json!({"properties": {"rows": {"type": "array", "items": {"properties": {"code": {"type": "string"}}}}}});
    let b = json!({"properties": {"x": {"type": "array", "items": {"properties": {"c": {"type": "string"}}}}}});
    let model =
        "  x:\n    $each: row in data.model.rows | selectattr('code') | list\n    c: row.kode\n";
    let expected = (
        Severity::Error,
        "source-path",
        "model.x.c".to_owned(),
        "kode".to_owned(),
    );
    assert_eq!(told(model, a, b), [expected]);
}

#[test]
fn a_field_that_may_be_empty_is_a_warning_unless_the_expression_has_a_default() {
    let a = || json!({"properties": {"note": {"type": "string", "maxLength": 9}}});
    let b = || json!({"properties": {"x": {"type": "string"}}});
    let expected = (
        Severity::Warning,
        "may-be-empty",
        "model.x".to_owned(),
        "data.model.note".to_owned(),
    );
    assert_eq!(
        told("  x: \"'Note: ' ~ data.model.note\"\n", a(), b()),
        [expected]
    );
    assert_eq!(
        told(
            "  x: \"'Note: ' ~ (data.model.note | default('-'))\"\n",
            a(),
            b(),
        ),
        []
    );
}

#[test]
fn what_b_requires_and_the_route_does_not_fill_is_a_note_unless_b_is_complete() {
    let a = json!({"properties": {"x": {"type": "string"}}});
    let orid = json!({"type": "string", "@xsdType": "XmlAttribute", "const": "7"});
    let b = json!({"properties": {"x": {"type": "string"}, "y": {"type": "string"}, "orid": orid}, "required": ["x", "y", "orid"]});
    let folder = tempfile::tempdir().unwrap();
    let (mut route, text) = route(folder.path(), "  x: data.model.x\n");
    let apps = (
        app(folder.path(), "ttd/a", &a),
        app(folder.path(), "ttd/b", &b),
    );
    for is_complete in [true, false] {
        route.to.complete = is_complete;
        let subject = LocatedRoute {
            route: &route,
            file: Path::new("r.yaml"),
            places: &Places::of(&text),
        };
        let found = findings(&subject, Some(&apps.0), Some(&apps.1));
        let codes: Vec<_> = found.findings.iter().map(|it| it.code).collect();
        let note = "r: B's form requires `y`, which the route does not fill: a person does so in B; if none does, say \
                    `complete: true` in `to:`";
        if is_complete {
            assert_eq!(codes, ["may-be-empty", "required"]);
            assert_eq!(found.notes, Vec::<String>::new());
        } else {
            assert_eq!(codes, Vec::<&str>::new());
            assert_eq!(found.notes, [note]);
        }
    }
}

#[test]
fn failing_for_every_sample_is_an_error_and_for_some_a_warning() {
    let a = || json!({"properties": {"kind": {"enum": ["A", "B"]}, "age": {"type": "string", "maxLength": 3}}, "required": ["kind", "age"]});
    let b = || json!({"properties": {"x": {"enum": ["a", "b"]}, "n": {"type": "integer"}}});
    let codes = |model: &str| {
        let told = told(model, a(), b());
        told.into_iter()
            .map(|(severity, code, ..)| (severity, code))
            .collect::<Vec<_>>()
    };
    assert_eq!(codes("  x: data.model.kind | lower\n"), []);
    assert_eq!(
        codes("  x: data.model.kind ~ ''\n"),
        [(Severity::Error, "enum")]
    );
    assert_eq!(
        codes("  x: \"'a' if data.model.kind == 'A' else 'c'\"\n"),
        [(Severity::Warning, "enum")]
    );
    assert_eq!(
        codes("  n: data.model.age | int\n"),
        [(Severity::Warning, "evaluation")]
    );
    assert_eq!(
        codes("  n: data.model.age ~ ''\n"),
        [(Severity::Warning, "type")]
    );
    assert_eq!(codes("  n: \"'3'\"\n"), []);
    assert_eq!(codes("  n: \"'tre'\"\n"), [(Severity::Error, "type")]);
}

#[test]
fn elements_are_sent_in_the_order_of_the_schema_whatever_the_routes_is() {
    let b = json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}}});
    let model = "  a: \"'1'\"\n  c: \"'3'\"\n  b: \"'2'\"\n";
    assert_eq!(told(model, json!({}), b), []);
}

#[test]
fn an_accepted_warning_is_left_out_and_one_that_is_not_there_is_told() {
    let a = || json!({"properties": {"x": {"type": "string"}}});
    let b = || json!({"properties": {"y": {"type": "string"}}});
    let folder = tempfile::tempdir().unwrap();
    let check = |value: &str| {
        let model = format!(
            "  y:\n    $value: {value}\n    $accept: [may-be-empty]\n    $because: A's page requires it\n"
        );
        let (route, text) = route(folder.path(), &model);
        let places = Places::of(&text);
        let subject = LocatedRoute {
            route: &route,
            file: Path::new("r.yaml"),
            places: &places,
        };
        let (a, b) = (
            app(folder.path(), "ttd/a", &a()),
            app(folder.path(), "ttd/b", &b()),
        );
        let found = findings(&subject, Some(&a), Some(&b)).findings;
        let left = crate::check::accepted::without(&subject, found, true);
        let codes = left.iter().map(|finding| finding.code);
        codes.collect::<Vec<_>>()
    };
    assert_eq!(check("\"'x' ~ data.model.x\""), Vec::<&str>::new());
    assert_eq!(check("data.model.x"), ["not-found"]);
    assert_eq!(check("data.model.x ~ data.model.z"), ["source-path"]);
}

#[test]
fn checking_ends_for_schemas_that_are_cyclic_huge_or_invalid() {
    let cyclic = json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {
        "x": {"type": "string"}, "y": {"$ref": "#/$defs/a"}, "z": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1},
    }, "required": ["y", "z"]}}});
    let fields: Map<String, Value> = (0..30_000)
        .map(|n| (format!("f{n}"), json!({"type": "string"})))
        .collect();
    let huge = json!({"properties": fields});
    let looped = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "anyOf": [{"$ref": "#"}, {"$ref": "#/allOf/0"}]});
    for schema in [cyclic, huge, looped, json!(true), json!(7)] {
        told(
            "  x: data.model.y.x | default('')\n",
            schema.clone(),
            schema,
        );
    }
}

#[test]
fn a_schema_that_cannot_be_used_is_reported_and_the_rest_is_checked() {
    let b = json!({"properties": {"x": {"$ref": "https://example.com/x.json"}, "y": {"type": "integer"}}});
    let told = told("  x:\n    any: \"'1'\"\n  y: \"'en'\"\n", json!({}), b);
    let codes: Vec<_> = told.iter().map(|(_, code, ..)| *code).collect();
    assert_eq!(codes, ["schema", "type"]);
}

/// Pairs of schemas of a scalar in A and in B, which may or may not fit.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_u64..3, 3_u64..20).prop_map(
            |(least, most)| json!({"type": "string", "minLength": least, "maxLength": most})
        ),
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "pattern": "^[0-9]{4}$"})),
        Just(json!({"type": "string", "enum": ["A", "B"]})),
        Just(json!({"type": "string", "enum": ["A", "B", "C"]})),
        (0_i64..5, 5_i64..50).prop_map(
            |(least, most)| json!({"type": "integer", "minimum": least, "maximum": most})
        ),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
    ]
}

/// A form of up to four fields, one group and one list, some of them required.
fn form() -> impl Strategy<Value = Value> {
    let fields = || proptest::collection::btree_map("[a-d]", scalar(), 1..4);
    (fields(), fields(), fields(), any::<[bool; 4]>()).prop_map(|(fields, group, row, required)| {
        let names = |fields: &std::collections::BTreeMap<String, Value>, wanted: bool| {
            if wanted {
                fields.keys().cloned().collect()
            } else {
                Vec::<String>::new()
            }
        };
        let mut top = names(&fields, required[0]);
        if required[1] {
            top.extend(["group".to_owned(), "rows".to_owned()]);
        }
        let group =
            json!({"type": "object", "required": names(&group, required[2]), "properties": group});
        let items =
            json!({"type": "object", "required": names(&row, required[3]), "properties": row});
        let mut all: Map<String, Value> = fields.into_iter().collect();
        all.insert("group".into(), group);
        all.insert(
            "rows".into(),
            json!({"type": "array", "items": items, "maxItems": 3}),
        );
        json!({"type": "object", "required": top, "properties": all})
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// No false alarms: equal fields in A and B fit.
    #[test]
    fn a_field_fits_the_same_field(schema in form()) {
        let names = |schema: &Value| -> Vec<String> { schema["properties"].as_object().unwrap().keys().cloned().collect() };
        let mut model = String::new();
        for name in names(&schema) {
            let below = &schema["properties"][&name];
            model += &match below["type"].as_str() {
                Some("object") => names(below).iter().fold(format!("  {name}:\n"), |text, field| {
                    text + &format!("    {field}: data.model.{name}.{field}\n")
                }),
                Some("array") => names(&below["items"]).iter().fold(format!("  {name}:\n    $each: row in data.model.{name}\n"), |text, field| {
                    text + &format!("    {field}: row.{field}\n")
                }),
                _ => format!("  {name}: data.model.{name}\n"),
            };
        }
        let told = told(&model, schema.clone(), schema.clone());
        // A group without any filled field is left out, and may be required.
        let alarms: Vec<_> = told
            .iter()
            .filter(|(severity, code, ..)| !(*severity == Severity::Warning && matches!(*code, "may-be-empty" | "schema")))
            .collect();
        prop_assert!(alarms.is_empty(), "{alarms:?}\n{model}\n{schema}");
    }
}
