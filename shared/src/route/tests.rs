//! Route files, good and broken.

use std::{fs, path::Path};

use jiff::Span;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;

/// A sound route. Each broken one below is this one with one mistake.
const SOUND: &str = r#"name: permit-to-casework
from:
  app: ttd/permit
  when: { process: completed }
  since: 2026-11-01
to:
  app: ttd/casework
  owner: { organisation: "'310075728'" }
  dataType: model
  root: melding
  schema: casework.schema.json
model:
  soknad:
    tittel: data.model.tittel
    vedtak:
      $each: decision in data.model.decisions
      kode: decision.code
attachments:
  - { from: ref-data-as-pdf, to: vedlegg, required: true }
due: P30D
"#;

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// What loading `route.yaml` with this text says, without the directory.
fn complaint(route: &[u8]) -> String {
    let directory = directory(&[
        ("route.yaml", route),
        ("casework.schema.json", br#"{"type": "object"}"#),
        ("broken.schema.json", b"{"),
        (
            "remote.schema.json",
            br#"{"$ref": "https://altinn.example/schema.json"}"#,
        ),
    ]);
    match Routes::load(directory.path()) {
        Ok(_) => "loads".into(),
        Err(errors) => {
            let path = format!("{}/", directory.path().display());
            errors.to_string().replace(&path, "")
        }
    }
}

/// Asserts every complaint, and shows all that differ at once.
fn assert_complaints(cases: impl IntoIterator<Item = (String, &'static str)>) {
    let mut differing = String::new();
    for (route, expected) in cases {
        let found = complaint(route.as_bytes());
        if found != expected {
            differing += &format!("--- of\n{route}\nexpected: {expected}\nfound:    {found}\n");
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

/// [`SOUND`] with `old` replaced by `new`, once.
fn with(old: &str, new: &str) -> String {
    assert_eq!(SOUND.matches(old).count(), 1, "{old}");
    SOUND.replacen(old, new, 1)
}

fn load(route: &str, schema: &str) -> Routes {
    let directory = directory(&[
        ("route.yaml", route.as_bytes()),
        ("casework.schema.json", schema.as_bytes()),
    ]);
    Routes::load(directory.path()).unwrap()
}

fn only(routes: &Routes) -> &Route {
    assert_eq!(routes.len(), 1);
    routes.iter().next().unwrap()
}

fn scope(route: &Route, instance: Value, model: Value) -> Scope {
    let data = Map::from_iter([("model".to_owned(), model)]);
    Scope::new(instance, data, route.paths().iter().map(String::as_str))
}

#[test]
fn every_part_of_a_route_is_honoured() {
    let routes = load(
        r#"
name: permit-to-casework
from:
  app: ttd/permit
  when: { task: Task_2 }
  since: 2026-11-01
to:
  app: ttd/casework
  owner: { organisation: "'310075728'" }
  dataType: form
  root: melding
  schema: casework.schema.json
model:
  soknad:
    tittel: "'Permit for ' ~ data.model.applicant.name"
    referanse: instance.id
    antall: 2
    haster: true
    vedtak:
      $each: decision in data.model.decisions
      kode: decision.code
attachments:
  - { from: ref-data-as-pdf, to: vedlegg, required: true }
  - { from: drawing, to: tegning }
due: P30D
"#,
        r#"{"properties": {"soknad": {"properties": {"referanse": {}, "tittel": {}}}}}"#,
    );
    let route = only(&routes);
    assert_eq!(route.name().as_str(), "permit-to-casework");
    assert_eq!(route.from.to_string(), "ttd/permit");
    assert_eq!(route.gate, Gate::Task("Task_2".into()));
    assert_eq!(route.since.to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(route.to.app.to_string(), "ttd/casework");
    assert_eq!(route.to.data_type.as_deref(), Some("form"));
    assert_eq!(route.to.root, "melding");
    assert_eq!(route.to.mode, Mode::Complete);
    assert_eq!(
        route.due.map(Span::fieldwise),
        Some(Span::new().days(30).fieldwise())
    );
    assert!(route.each.is_none());
    let rule = |from: &str, to: &str, required| AttachmentRule {
        from: from.into(),
        to: to.into(),
        required,
    };
    assert_eq!(
        route.attachments,
        [
            rule("ref-data-as-pdf", "vedlegg", true),
            rule("drawing", "tegning", false)
        ]
    );
    assert!(
        matches!(&route.to.owner, OwnerRule::Organisation(number) if number.source() == "'310075728'")
    );
    assert_eq!(route.data_types(), BTreeSet::from(["model"]));

    let filled = model::fill(
        &route.model,
        &scope(
            route,
            json!({"id": "1/2"}),
            json!({"applicant": {"name": "Kari"}, "decisions": [{"code": "A"}, {"code": "B"}]}),
        ),
    )
    .unwrap();
    let order: Vec<_> = filled["soknad"].as_object().unwrap().keys().collect();
    assert_eq!(
        order,
        ["tittel", "referanse", "antall", "haster", "vedtak"],
        "as the route names them"
    );
    assert_eq!(
        Value::Object(filled.clone()),
        json!({"soknad": {
            "tittel": "Permit for Kari", "referanse": "1/2", "antall": 2, "haster": true,
            "vedtak": [{"kode": "A"}, {"kode": "B"}],
        }})
    );
    let ordered = route.to.schema.as_ref().unwrap().ordered(filled);
    assert_eq!(
        ordered["soknad"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap(),
        "referanse"
    );
}

#[test]
fn what_a_route_need_not_say_has_its_default() {
    let routes = load(
        "name: r
from: { app: ttd/a, when: { process: completed }, since: 2026-11-01T12:30:00Z }
to: { app: ttd/b, owner: { party: instance.instanceOwner.partyId } }
model: { tittel: instance.id }
",
        "{}",
    );
    let route = only(&routes);
    assert_eq!(route.gate, Gate::Completed);
    assert_eq!(route.since.to_string(), "2026-11-01T12:30:00Z");
    assert_eq!(route.to.data_type, None);
    assert_eq!(route.to.root, "model");
    assert!(route.to.schema.is_none());
    assert!(route.attachments.is_empty());
    assert!(route.due.is_none());
    assert!(matches!(route.to.owner, OwnerRule::Party(_)));
    assert!(route.data_types().is_empty());
}

#[test]
fn a_fan_out_gives_its_value_to_owner_and_model() {
    let routes = load(
        "name: estate-to-heirs
from: { app: ttd/estate, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/heir, owner: { person: heir.ssn } }
each: heir in data.model.heirs
key: heir.id
model:
  navn: heir.name
  boer:
    $each: estate in data.other.estates
    gnr: estate.number ~ heir.id
",
        "{}",
    );
    let route = only(&routes);
    let each = route.each.as_ref().unwrap();
    assert_eq!(each.name, "heir");
    assert_eq!(each.list.source(), "data.model.heirs");
    assert_eq!(each.key.source(), "heir.id");
    assert!(matches!(&route.to.owner, OwnerRule::Person(number) if number.source() == "heir.ssn"));
    assert_eq!(route.data_types(), BTreeSet::from(["model", "other"]));
    let paths = route.paths();
    for path in [
        "data.model.heirs",
        "data.model.heirs.id",
        "data.model.heirs.name",
        "data.model.heirs.ssn",
        "data.other.estates.number",
    ] {
        assert!(paths.contains(path), "{path} in {paths:?}");
    }
}

#[test]
fn the_sample_route_loads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/routes");
    let routes = Routes::load(&directory).unwrap();
    let route = routes.get(&"permit-to-casework".parse().unwrap()).unwrap();
    assert_eq!(route.gate, Gate::Completed);
    assert_eq!(route.attachments.len(), 2);
    let from_permit: Vec<_> = routes
        .for_app(&"ttd/permit".parse().unwrap())
        .map(|route| route.name().as_str())
        .collect();
    assert_eq!(from_permit, ["permit-to-casework"]);
    assert_eq!(routes.for_app(&"ttd/other".parse().unwrap()).count(), 0);
}

#[test]
fn the_sound_route_is_sound() {
    assert_eq!(complaint(SOUND.as_bytes()), "loads");
}

#[test]
fn an_unknown_key_is_named_at_every_level() {
    assert_complaints([
        (with("due: P30D", "dew: P30D"), ""),
        (with("  since: 2026", "  sinse: 2026"), ""),
        (with("{ process: completed }", "{ proces: completed }"), ""),
        (with("  root: melding", "  rot: melding"), ""),
        (with("{ organisation:", "{ organization:"), ""),
        (with("required: true", "requird: true"), ""),
        (with("due: P30D", "then: { complet: true }"), ""),
        (with("due: P30D", "then: { substatus: { lable: x } }"), ""),
    ]);
}

#[test]
fn a_missing_part_is_named() {
    assert_complaints([
        (with("name: permit-to-casework\n", ""), ""),
        (
            with(
                "from:\n  app: ttd/permit\n  when: { process: completed }\n  since: 2026-11-01\n",
                "",
            ),
            "",
        ),
        (with("  app: ttd/permit\n", ""), ""),
        (with("  when: { process: completed }\n", ""), ""),
        (with("  since: 2026-11-01\n", ""), ""),
        (with("  app: ttd/casework\n", ""), ""),
        (with("  owner: { organisation: \"'310075728'\" }\n", ""), ""),
        (with("to: vedlegg, ", ""), ""),
        (
            SOUND[..SOUND.find("model:\n  soknad").unwrap()].to_owned(),
            "",
        ),
        (String::new(), ""),
    ]);
}

#[test]
fn a_value_that_is_none_of_the_allowed_is_named_with_what_is() {
    assert_complaints([
        (with("ttd/permit", "ttd/Permit"), ""),
        (with("ttd/casework", "casework"), ""),
        (with("name: permit-to-casework", "name: Permit_1"), ""),
        (with("name: permit-to-casework", "name: [permit]"), ""),
        (
            with(
                "{ process: completed }",
                "{ process: completed, task: Task_2 }",
            ),
            "",
        ),
        (with("{ process: completed }", "{}"), ""),
        (with("{ process: completed }", "{ process: ended }"), ""),
        (with("{ process: completed }", "{ task: '' }"), ""),
        (with("{ process: completed }", "completed"), ""),
        (with("2026-11-01", "november"), ""),
        (with("2026-11-01", "2026-13-01"), ""),
        (
            with(
                "{ organisation: \"'310075728'\" }",
                "{ organisation: \"'310075728'\", party: 1 }",
            ),
            "",
        ),
        (with("{ organisation: \"'310075728'\" }", "{}"), ""),
        (
            with("{ organisation: \"'310075728'\" }", "{ organisation: [1] }"),
            "",
        ),
        (with("root: melding", "root: 1 melding"), ""),
        (with("required: true", "required: always"), ""),
        (with("due: P30D", "due: soon"), ""),
        (with("due: P30D", "due: -P30D"), ""),
        (with("due: P30D", "due: P0D"), ""),
        (with("due: P30D", "due: { days: 30 }"), ""),
    ]);
}

#[test]
fn a_schema_must_be_there_and_stand_for_itself() {
    assert_complaints([
        (with("casework.schema.json", "no.schema.json"), ""),
        (with("casework.schema.json", "broken.schema.json"), ""),
        (with("casework.schema.json", "remote.schema.json"), ""),
    ]);
}

#[test]
fn a_syntax_error_is_found_where_it_stands_inside_the_expression() {
    assert_complaints([
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel ~ ~ 'x'",
            ),
            "",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model..tittel"),
            "",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model.tittel ~"),
            "",
        ),
        (
            with("tittel: data.model.tittel", "tittel: (data.model.tittel"),
            "",
        ),
        (
            with("tittel: data.model.tittel", "tittel: Søknad om bod"),
            "",
        ),
        // Quoted: after a quote, an escaped quote, and letters of more than one byte.
        (
            with("tittel: data.model.tittel", r#"tittel: "'Søknad' ~ ~ 'x'""#),
            "",
        ),
        (
            with(
                "tittel: data.model.tittel",
                r#"tittel: "\"Søknad\" ~ ~ 'x'""#,
            ),
            "",
        ),
        (
            with("tittel: data.model.tittel", "tittel: '''Søknad'' ~ ~ 1'"),
            "",
        ),
        (with("\"'310075728'\"", "\"'310075728' 1\""), ""),
        // The second line of a folded scalar: its start is what can be told.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel\n      ~ ~ 'x'",
            ),
            "",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: |\n      data.model.tittel ~ ~ 'x'",
            ),
            "",
        ),
        (
            with(
                "decision in data.model.decisions",
                "decision in data.model.decisions 1",
            ),
            "",
        ),
        (
            with(
                "decision in data.model.decisions",
                "\"decision in data.model.decisions 1\"",
            ),
            "",
        ),
        // Where an alias stands there is nothing of the expression.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: &title data.x 1\n    annen: *title",
            ),
            "",
        ),
    ]);
}

#[test]
fn a_name_that_means_nothing_is_refused() {
    assert_complaints([
        (with("data.model.tittel", "data.model.tittel | upcase"), ""),
        (
            with("data.model.tittel", "data.model.tittel is emptyish"),
            "",
        ),
        (with("data.model.tittel", "now()"), ""),
        (with("kode: decision.code", "kode: decison.code"), ""),
        (
            with("tittel: data.model.tittel", "tittel: decision.code"),
            "",
        ),
        (with("data.model.tittel", "data"), ""),
        (with("data.model.tittel", "data[instance.id]"), ""),
        (with("data.model.tittel", "model.tittel"), ""),
    ]);
}

#[test]
fn a_repeating_group_is_a_new_name_in_a_list() {
    assert_complaints([
        (
            with("decision in data.model.decisions", "data.model.decisions"),
            "",
        ),
        (
            with(
                "decision in data.model.decisions",
                "1 in data.model.decisions",
            ),
            "",
        ),
        (
            with("decision in data.model.decisions", "[data.model.decisions]"),
            "",
        ),
        (with("decision in data.model.decisions", "decision in"), ""),
        (
            with(
                "decision in data.model.decisions",
                "instance in data.model.decisions",
            ),
            "",
        ),
        (
            with(
                "decision in data.model.decisions",
                "true in data.model.decisions",
            ),
            "",
        ),
        (
            with(
                "kode: decision.code",
                "rad:\n        $each: decision in decision.rows\n        x: decision.y",
            ),
            "",
        ),
        (
            with("model:\n", "model:\n  $each: x in data.model.rows\n"),
            "",
        ),
    ]);
}

#[test]
fn the_model_is_made_of_named_groups_and_expressions() {
    assert_complaints([
        (
            with("tittel: data.model.tittel", "tittel: [data.model.tittel]"),
            "",
        ),
        (with("tittel: data.model.tittel", "tittel:"), ""),
        (with("tittel: data.model.tittel", "tittel: ''"), ""),
        (
            with("tittel: data.model.tittel", "to ord: data.model.tittel"),
            "",
        ),
        (
            with("tittel: data.model.tittel", "1tittel: data.model.tittel"),
            "",
        ),
        (
            with("tittel: data.model.tittel", "x:tittel: data.model.tittel"),
            "",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: 99999999999999999999999999",
            ),
            "",
        ),
        (
            with("due: P30D", "due: P30D\neach: heir in data.model.heirs"),
            "",
        ),
        (
            format!(
                "{}model: data.model\n",
                &SOUND[..SOUND.find("model:\n  soknad").unwrap()]
            ),
            "",
        ),
        (
            format!(
                "{}model: []\n",
                &SOUND[..SOUND.find("model:\n  soknad").unwrap()]
            ),
            "",
        ),
    ]);
}

#[test]
fn a_fan_out_is_a_new_name_in_a_list_with_a_key() {
    let heirs = "each: heir in data.model.heirs\nkey: heir.id\n";
    let with_heirs = |old: &str, new: &str| with("due: P30D\n", &heirs.replacen(old, new, 1));
    assert_complaints([
        (with_heirs("", ""), "loads"),
        (with_heirs("key: heir.id\n", ""), ""),
        (with_heirs("each: heir in data.model.heirs\n", ""), ""),
        (
            with_heirs("heir in data.model.heirs", "data.model.heirs"),
            "",
        ),
        (with_heirs("data.model.heirs", "data.model.heirs |"), ""),
        (with_heirs("key: heir.id", "key: hair.id"), ""),
        (with_heirs("heir in", "decision in"), ""),
    ]);
}

#[test]
fn the_simplified_request_is_refused_where_it_cannot_carry_the_route() {
    let flat = "name: r
from: { app: ttd/a, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/b, owner: { party: 1 }, mode: prefill, stamp: soknad.relay }
model: { soknad: { tittel: instance.id } }
";
    let flat_with = |old: &str, new: &str| {
        assert_eq!(flat.matches(old).count(), 1, "{old}");
        flat.replacen(old, new, 1)
    };
    assert_complaints([
        (flat.to_owned(), "loads"),
        (flat_with(", stamp: soknad.relay", ""), ""),
        (flat_with("mode: prefill, ", ""), ""),
        (flat_with("mode: prefill", "mode: create"), ""),
        (flat_with("stamp: soknad.relay", "stamp: soknad..relay"), ""),
        (
            flat_with(
                "tittel: instance.id",
                "rad: { $each: x in data.m.rows, y: x.y }",
            ),
            "",
        ),
        (format!("{flat}attachments: [{{ from: a, to: b }}]\n"), ""),
        (
            flat_with(
                "mode: prefill",
                "schema: casework.schema.json, mode: prefill",
            ),
            "",
        ),
    ]);
}

#[test]
fn what_this_version_does_not_run_is_refused_not_ignored() {
    assert_complaints([(with("due: P30D", "due: P30D\nthen: { complete: true }"), "")]);
}

#[test]
fn a_file_that_is_no_sound_yaml_is_refused_where_it_breaks() {
    let nested = format!("model: {}{}", "{a: ".repeat(5_000), "}".repeat(5_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(b'b'..=b'j')
            .map(|letter| {
                let (this, before) = (char::from(letter), char::from(letter - 1));
                let ten = format!("*{before},").repeat(10);
                format!("{this}: &{this} [{ten}]\n")
            })
            .collect::<String>();
    let bombed = |text: &str| with("model:\n", &format!("model:\n{text}"));
    let indented: String = bomb.lines().map(|line| format!("  {line}\n")).collect();
    assert_complaints([
        (with("due: P30D", "due: P30D\ndue: P1M"), ""),
        (
            with(
                "  since: 2026-11-01",
                "  since: 2026-11-01\n  since: 2026-11-02",
            ),
            "",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel\n    tittel: instance.id",
            ),
            "",
        ),
        (
            with("tittel: data.model.tittel", "value: { a: 1, a: 2 }"),
            "",
        ),
        (with("{ process: completed }", "{ process: completed"), ""),
        (with("    tittel: data", "\ttittel: data"), ""),
        (
            with("tittel: data.model.tittel", "tittel: 'data.model.tittel"),
            "",
        ),
        (with("tittel: data.model.tittel", "tittel: a: b"), ""),
        (with("tittel: data.model.tittel", "tittel: *nowhere"), ""),
        ("- permit-to-casework\n".into(), ""),
        ("permit-to-casework\n".into(), ""),
        (format!("{SOUND}---\n{SOUND}"), ""),
    ]);
    for (text, limit) in [(nested, "nest"), (bombed(&indented), "bomb")] {
        let found = complaint(text.as_bytes());
        assert!(found.contains("route.yaml:"), "{limit}: {found}");
        assert!(found.len() < 400, "{limit}: {found}");
        eprintln!("{limit}: {found}");
    }
}

#[test]
fn a_file_that_is_no_text_of_a_routes_size_is_refused() {
    assert_eq!(
        complaint(b"name: \xff\n"),
        "route.yaml: is not UTF-8 text (byte 6)"
    );
    let large = format!("{SOUND}#{}\n", "x".repeat(1024 * 1024));
    assert_eq!(
        complaint(large.as_bytes()),
        format!(
            "route.yaml: has {} bytes, a route file has 1048576 at most",
            large.len()
        )
    );
    let directory = directory(&[]);
    fs::create_dir(directory.path().join("route.yaml")).unwrap();
    let error = Routes::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("route.yaml: cannot be read: "), "{error}");
}

#[test]
fn everything_that_is_wrong_in_any_file_is_told_at_once() {
    let directory = directory(&[
        (
            "a.yaml",
            with("due: P30D", "due: soon")
                .replace("ttd/permit", "permit")
                .as_bytes(),
        ),
        ("b.yml", SOUND.as_bytes()),
        ("c.yaml", b"name: ["),
        ("d.yaml", SOUND.as_bytes()),
        ("casework.schema.json", b"{}"),
        ("readme.txt", b"no route"),
    ]);
    let path = format!("{}/", directory.path().display());
    let errors = Routes::load(directory.path()).unwrap_err();
    let lines: Vec<String> = errors
        .0
        .iter()
        .map(|error| error.to_string().replace(&path, ""))
        .collect();
    assert_eq!(errors.to_string().replace(&path, ""), lines.join("\n"));
    assert_eq!(
        lines,
        [
            "",
            "",
            "",
            "d.yaml: name: b.yml names its route so too: a name belongs to one route",
        ]
    );
}

#[test]
fn a_directory_without_routes_stops_the_start() {
    let empty = directory(&[("casework.schema.json", b"{}")]);
    let path = empty.path().display().to_string();
    assert_eq!(
        Routes::load(empty.path()).unwrap_err().to_string(),
        format!(
            "{path}: no route file here (*.yaml): STAFETT_ROUTES must name a directory with one file per route"
        )
    );
    let missing = Routes::load(&empty.path().join("gone"))
        .unwrap_err()
        .to_string();
    let start = format!("{path}/gone: cannot read the directory of routes (STAFETT_ROUTES): ");
    assert!(missing.starts_with(&start), "{missing}");
}
