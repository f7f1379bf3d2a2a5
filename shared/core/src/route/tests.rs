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
            errors.0.iter().for_each(|error| assert_range(error, route));
            let path = format!("{}/", directory.path().display());
            errors.to_string().replace(&path, "")
        }
    }
}

/// The bytes that an error is about are whole characters of the file, and stand where it says, or
/// behind that.
fn assert_range(error: &RouteError, file: &[u8]) {
    let (Some(range), Ok(text)) = (&error.range, std::str::from_utf8(file)) else {
        return;
    };
    assert!(text.get(range.clone()).is_some(), "{error}: {range:?}");
    let line = text[..range.start].matches('\n').count() as u64 + 1;
    let column = text[..range.start]
        .chars()
        .rev()
        .take_while(|&c| c != '\n')
        .count() as u64
        + 1;
    assert!(
        error.at.is_none_or(|at| at <= (line, column)),
        "{error}: {line}:{column}"
    );
    let word = match &error.mistake {
        Mistake::UnknownKey(words)
        | Mistake::UnknownName(words)
        | Mistake::UnknownFilter(words)
        | Mistake::UnknownTest(words) => &words.word,
        _ => return,
    };
    assert_eq!(&text[range.clone()], word, "{error}");
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
then:
  substatus: { label: Sent to case handling, description: Casework has received your application }
"#,
        r#"{"properties": {"soknad": {"properties": {"referanse": {}, "tittel": {}}}}}"#,
    );
    let route = only(&routes);
    assert_eq!(route.name().as_str(), "permit-to-casework");
    assert_eq!(route.from.to_string(), "ttd/permit");
    assert_eq!(route.gate, Gate::Task("Task_2".into()));
    let since = route.since.unwrap().to_string();
    assert_eq!(since, "2026-11-01T00:00:00Z");
    assert_eq!(
        route.then,
        AfterSteps {
            substatus: Some(Substatus {
                label: "Sent to case handling".into(),
                description: Some("Casework has received your application".into()),
            }),
            complete: false,
        }
    );
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
    let since = route.since.unwrap().to_string();
    assert_eq!(since, "2026-11-01T12:30:00Z");
    assert!(route.then.is_empty());
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
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/routes");
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
        (
            with("due: P30D", "dew: P30D"),
            "route.yaml:20:1: dew: unknown field `dew`, expected one of name, from, to, model, attachments, due, each, key, then",
        ),
        (
            with("due: P30D", "\"dew\": P30D"),
            "route.yaml:20:1: dew: unknown field `dew`, expected one of name, from, to, model, attachments, due, each, key, then",
        ),
        (
            with("  since: 2026", "  sinse: 2026"),
            "route.yaml:5:3: from.sinse: unknown field `sinse`, expected one of app, when, since",
        ),
        (
            with("{ process: completed }", "{ proces: completed }"),
            "route.yaml:4:11: from.when.proces: unknown field `proces`, expected one of process, task",
        ),
        (
            with("  root: melding", "  rot: melding"),
            "route.yaml:10:3: to.rot: unknown field `rot`, expected one of app, owner, dataType, root, schema, mode, stamp",
        ),
        (
            with("{ organisation:", "{ organization:"),
            "route.yaml:8:12: to.owner.organization: unknown field `organization`, expected one of organisation, person, party",
        ),
        (
            with("required: true", "requird: true"),
            "route.yaml:19:43: attachments[0].requird: unknown field `requird`, expected one of from, to, required",
        ),
        (
            with("due: P30D", "then: { complet: true }"),
            "route.yaml:20:9: then.complet: unknown field `complet`, expected one of substatus, complete",
        ),
        (
            with("due: P30D", "then: { substatus: { lable: x } }"),
            "route.yaml:20:22: then.substatus.lable: unknown field `lable`, expected one of label, description",
        ),
    ]);
}

#[test]
fn a_missing_part_is_named() {
    assert_complaints([
        (
            with("name: permit-to-casework\n", ""),
            "route.yaml:19:1: missing field `name`",
        ),
        (
            with(
                "from:\n  app: ttd/permit\n  when: { process: completed }\n  since: 2026-11-01\n",
                "",
            ),
            "route.yaml:16:1: missing field `from`",
        ),
        (
            with("  app: ttd/permit\n", ""),
            "route.yaml:4:3: from: missing field `app`",
        ),
        (
            with("  when: { process: completed }\n", ""),
            "route.yaml:4:3: from: missing field `when`",
        ),
        (
            with("  since: 2026-11-01\n", ""),
            "route.yaml:3:8: from.since: missing: the day before which no A instance is relayed, such as 2026-11-01",
        ),
        (
            with("  app: ttd/casework\n", ""),
            "route.yaml:10:3: to: missing field `app`",
        ),
        (
            with("  owner: { organisation: \"'310075728'\" }\n", ""),
            "route.yaml:10:3: to: missing field `owner`",
        ),
        (
            with("to: vedlegg, ", ""),
            "route.yaml:19:30: attachments[0]: missing field `to`",
        ),
        (
            SOUND[..SOUND.find("model:\n  soknad").unwrap()].to_owned(),
            "route.yaml: model: missing: the fields of B's form, each an expression",
        ),
        (String::new(), "route.yaml:1:1: unexpected end of file"),
    ]);
}

#[test]
fn a_value_that_is_none_of_the_allowed_is_named_with_what_is() {
    assert_complaints([
        (
            with("ttd/permit", "ttd/Permit"),
            "route.yaml:3:8: from.app: not an app id, `{org}/{app}`: lower-case letters, digits and hyphens, such as `ttd/permit`",
        ),
        (
            with("ttd/casework", "casework"),
            "route.yaml:7:8: to.app: not an app id, `{org}/{app}`: lower-case letters, digits and hyphens, such as `ttd/permit`",
        ),
        (
            with("name: permit-to-casework", "name: Permit_1"),
            "route.yaml:1:7: name: not a route name: a lower-case letter, then lower-case letters, digits and hyphens, 63 characters at most",
        ),
        (
            with("name: permit-to-casework", "name: [permit]"),
            "route.yaml:1:7: name: must be a text",
        ),
        (
            with(
                "{ process: completed }",
                "{ process: completed, task: Task_2 }",
            ),
            "route.yaml:4:9: from.when: allowed are `{ process: completed }` and `{ task: Task_2 }`",
        ),
        (
            with("{ process: completed }", "{}"),
            "route.yaml:4:9: from.when: allowed are `{ process: completed }` and `{ task: Task_2 }`",
        ),
        (
            with("{ process: completed }", "{ process: ended }"),
            "route.yaml:4:9: from.when: allowed are `{ process: completed }` and `{ task: Task_2 }`",
        ),
        (
            with("{ process: completed }", "{ task: '' }"),
            "route.yaml:4:9: from.when: allowed are `{ process: completed }` and `{ task: Task_2 }`",
        ),
        (
            with("{ process: completed }", "completed"),
            "route.yaml:4:9: from.when: must be a group, `name: value` each",
        ),
        (
            with("2026-11-01", "november"),
            "route.yaml:5:10: from.since: not a day such as 2026-11-01",
        ),
        (
            with("2026-11-01", "2026-13-01"),
            "route.yaml:5:10: from.since: not a day such as 2026-11-01",
        ),
        (
            with(
                "{ organisation: \"'310075728'\" }",
                "{ organisation: \"'310075728'\", party: 1 }",
            ),
            "route.yaml:8:10: to.owner: give one of `organisation`, `person` and `party`",
        ),
        (
            with("{ organisation: \"'310075728'\" }", "{}"),
            "route.yaml:8:10: to.owner: give one of `organisation`, `person` and `party`",
        ),
        (
            with("{ organisation: \"'310075728'\" }", "{ organisation: [1] }"),
            r#"route.yaml:8:26: to.owner.organisation: must be an expression, such as "'310075728'""#,
        ),
        (
            with("root: melding", "root: 1 melding"),
            "route.yaml:10:9: to.root: not the name of an XML element",
        ),
        (
            with("required: true", "required: always"),
            "route.yaml:19:53: attachments[0].required: must be `true` or `false`",
        ),
        (
            with("due: P30D", "due: soon"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: -P30D"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: 30 days"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: P0D"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: { days: 30 }"),
            "route.yaml:20:6: due: must be a text",
        ),
    ]);
}

#[test]
fn a_schema_must_be_there_and_stand_for_itself() {
    assert_complaints([
        (
            with("casework.schema.json", "no.schema.json"),
            "route.yaml:11:11: to.schema: cannot read the schema no.schema.json: No such file or directory (os error 2)",
        ),
        (
            with("casework.schema.json", "broken.schema.json"),
            "route.yaml:11:11: to.schema: broken.schema.json is not a JSON schema that stands for itself: EOF while parsing an object at line 1 column 1",
        ),
        (
            with("casework.schema.json", "remote.schema.json"),
            "route.yaml:11:11: to.schema: remote.schema.json refers to https://altinn.example/schema.json, which is another document",
        ),
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
            "route.yaml:14:33: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model..tittel"),
            "route.yaml:14:24: model.soknad.tittel: syntax error: unexpected `.`, expected identifier or integer",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model.tittel ~"),
            "route.yaml:14:31: model.soknad.tittel: syntax error: unexpected end of input, expected expression",
        ),
        (
            with("tittel: data.model.tittel", "tittel: (data.model.tittel"),
            "route.yaml:14:25: model.soknad.tittel: syntax error: unexpected end of input, expected `)`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: Søknad om bod"),
            "route.yaml:14:14: model.soknad.tittel: syntax error: unexpected character",
        ),
        // Quoted: after a quote, an escaped quote, and letters of more than one byte.
        (
            with("tittel: data.model.tittel", r#"tittel: "'Søknad' ~ ~ 'x'""#),
            "route.yaml:14:25: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with(
                "tittel: data.model.tittel",
                r#"tittel: "\"Søknad\" ~ ~ 'x'""#,
            ),
            "route.yaml:14:27: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: '''Søknad'' ~ ~ 1'"),
            "route.yaml:14:27: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with("\"'310075728'\"", "\"'310075728' 1\""),
            "route.yaml:8:39: to.owner.organisation: syntax error: unexpected input after expression",
        ),
        // On the second line of a folded scalar its start is what can be told; a literal one is exact.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel\n      ~ ~ 'x'",
            ),
            "route.yaml:14:13: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: |\n      data.model.tittel ~ ~ 'x'",
            ),
            "route.yaml:15:27: model.soknad.tittel: syntax error: unexpected `~`",
        ),
        (
            with(
                "decision in data.model.decisions",
                "decision in data.model.decisions 1",
            ),
            "route.yaml:16:47: model.soknad.vedtak.$each: syntax error: unexpected input after expression",
        ),
        (
            with(
                "decision in data.model.decisions",
                "\"decision in data.model.decisions 1\"",
            ),
            "route.yaml:16:48: model.soknad.vedtak.$each: syntax error: unexpected input after expression",
        ),
        // Where an alias stands there is nothing of the expression.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: &title data.x 1\n    annen: *title",
            ),
            "route.yaml:14:27: model.soknad.tittel: syntax error: unexpected input after expression\nroute.yaml:15:12: model.soknad.annen: syntax error: unexpected input after expression",
        ),
    ]);
}

#[test]
fn a_name_that_means_nothing_is_refused() {
    assert_complaints([
        (
            with("data.model.tittel", "data.model.tittel | upcase"),
            "route.yaml:14:13: model.soknad.tittel: filter upcase is unknown",
        ),
        (
            with("data.model.tittel", "data.model.tittel is emptyish"),
            "route.yaml:14:13: model.soknad.tittel: test emptyish is unknown",
        ),
        (
            with("data.model.tittel", "now()"),
            "route.yaml:14:13: model.soknad.tittel: unknown name `now`, allowed are `instance`, `data`",
        ),
        (
            with("kode: decision.code", "kode: decison.code"),
            "route.yaml:17:13: model.soknad.vedtak.kode: unknown name `decison`, allowed are `instance`, `data`, `decision`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: decision.code"),
            "route.yaml:14:13: model.soknad.tittel: unknown name `decision`, allowed are `instance`, `data`",
        ),
        (
            with("data.model.tittel", "data"),
            "route.yaml:14:13: model.soknad.tittel: `data` must name a data type of A: `data.model`, or `data['my-type']`",
        ),
        (
            with("data.model.tittel", "data[instance.id]"),
            "route.yaml:14:13: model.soknad.tittel: `data` must name a data type of A: `data.model`, or `data['my-type']`",
        ),
        (
            with("data.model.tittel", "model.tittel"),
            "route.yaml:14:13: model.soknad.tittel: unknown name `model`, allowed are `instance`, `data`",
        ),
    ]);
}

#[test]
fn a_repeating_group_is_a_new_name_in_a_list() {
    assert_complaints([
        (
            with("decision in data.model.decisions", "data.model.decisions"),
            "route.yaml:16:14: model.soknad.vedtak.$each: must be `name in list`, such as `decision in data.model.decisions`",
        ),
        (
            with(
                "decision in data.model.decisions",
                "1 in data.model.decisions",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: must be `name in list`, such as `decision in data.model.decisions`",
        ),
        (
            with("decision in data.model.decisions", "[data.model.decisions]"),
            "route.yaml:16:14: model.soknad.vedtak.$each: must be `name in list`, such as `decision in data.model.decisions`",
        ),
        (
            with("decision in data.model.decisions", "decision in"),
            "route.yaml:16:14: model.soknad.vedtak.$each: must be `name in list`, such as `decision in data.model.decisions`",
        ),
        (
            with(
                "decision in data.model.decisions",
                "instance in data.model.decisions",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: `instance` has a meaning here already",
        ),
        (
            with(
                "decision in data.model.decisions",
                "true in data.model.decisions",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: `true` has a meaning here already",
        ),
        (
            with(
                "kode: decision.code",
                "rad:\n        $each: decision in decision.rows\n        x: decision.y",
            ),
            "route.yaml:18:16: model.soknad.vedtak.rad.$each: `decision` has a meaning here already",
        ),
        (
            with("model:\n", "model:\n  $each: x in data.model.rows\n"),
            "route.yaml:13:3: model.$each: `$each` belongs into a field of `model`, not beside it",
        ),
    ]);
}

#[test]
fn the_model_is_made_of_named_groups_and_expressions() {
    assert_complaints([
        (
            with("tittel: data.model.tittel", "tittel: [data.model.tittel]"),
            "route.yaml:14:13: model.soknad.tittel: a list is written as a group with `$each: item in data.model.items`",
        ),
        (
            with("tittel: data.model.tittel", "tittel:"),
            "route.yaml:14:11: model.soknad.tittel: no expression: `none` leaves the element out",
        ),
        (
            with("tittel: data.model.tittel", "tittel: ''"),
            "route.yaml:14:14: model.soknad.tittel: syntax error: unexpected end of input, expected expression",
        ),
        (
            with("tittel: data.model.tittel", "to ord: data.model.tittel"),
            "route.yaml:14:5: model.soknad.to ord: not the name of an XML element: letters, digits, `_`, `-` and `.`, first a letter or `_`",
        ),
        (
            with("tittel: data.model.tittel", "1tittel: data.model.tittel"),
            "route.yaml:14:5: model.soknad.1tittel: not the name of an XML element: letters, digits, `_`, `-` and `.`, first a letter or `_`",
        ),
        (
            with("tittel: data.model.tittel", "x:tittel: data.model.tittel"),
            "route.yaml:14:5: model.soknad.x:tittel: not the name of an XML element: letters, digits, `_`, `-` and `.`, first a letter or `_`",
        ),
        (
            with("due: P30D", "due: P30D\neach: heir in data.model.heirs"),
            "route.yaml:21:7: key: missing: with `each`, what makes a value itself, such as `heir.id`",
        ),
        (
            format!(
                "{}model: data.model\n",
                &SOUND[..SOUND.find("model:\n  soknad").unwrap()]
            ),
            "route.yaml:12:8: model: must be a group of fields",
        ),
        (
            format!(
                "{}model: []\n",
                &SOUND[..SOUND.find("model:\n  soknad").unwrap()]
            ),
            "route.yaml:12:8: model: must be a group of fields",
        ),
    ]);
}

#[test]
fn a_fan_out_is_a_new_name_in_a_list_with_a_key() {
    let heirs = "each: heir in data.model.heirs\nkey: heir.id\n";
    let with_heirs = |old: &str, new: &str| with("due: P30D\n", &heirs.replacen(old, new, 1));
    assert_complaints([
        (with_heirs("", ""), "loads"),
        (
            with_heirs("key: heir.id\n", ""),
            "route.yaml:20:7: key: missing: with `each`, what makes a value itself, such as `heir.id`",
        ),
        (
            with_heirs("each: heir in data.model.heirs\n", ""),
            "route.yaml:20:6: key: belongs to `each`, which is missing",
        ),
        (
            with_heirs("heir in data.model.heirs", "data.model.heirs"),
            "route.yaml:20:7: each: must be `name in list`, such as `decision in data.model.decisions`",
        ),
        (
            with_heirs("data.model.heirs", "data.model.heirs |"),
            "route.yaml:20:32: each: syntax error: unexpected end of input, expected identifier",
        ),
        (
            with_heirs("key: heir.id", "key: hair.id"),
            "route.yaml:21:6: key: unknown name `hair`, allowed are `instance`, `data`, `heir`",
        ),
        (
            with(
                "due: P30D\n",
                "each: decision in data.model.heirs\nkey: decision.id\n",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: `decision` has a meaning here already",
        ),
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
        (
            flat_with(", stamp: soknad.relay", ""),
            "route.yaml:3:46: to.stamp: missing: with `mode: prefill`, the field of B's form that carries the relay's id, which B's dataFields must show",
        ),
        (
            flat_with("mode: prefill, ", ""),
            "route.yaml:3:47: to.stamp: belongs to `mode: prefill`: without it every B is stamped",
        ),
        (
            flat_with("mode: prefill", "mode: create"),
            "route.yaml:3:46: to.mode: the only mode that can be named is `prefill`",
        ),
        (
            flat_with("stamp: soknad.relay", "stamp: soknad..relay"),
            "route.yaml:3:62: to.stamp: not a field of B's form, such as `soknad.relay`",
        ),
        (
            flat_with(
                "tittel: instance.id",
                "rad: { $each: x in data.m.rows, y: x.y }",
            ),
            "route.yaml: model: `mode: prefill` cannot fill a repeating group (`$each`)",
        ),
        (
            format!("{flat}attachments: [{{ from: a, to: b }}]\n"),
            "route.yaml: attachments: `mode: prefill` cannot carry any",
        ),
    ]);
}

#[test]
fn after_steps_that_cannot_work_are_refused() {
    assert_complaints([
        (
            with("due: P30D", "due: P30D\nthen: {}"),
            "route.yaml:21:7: then: says nothing: allowed are `substatus: { label: …, description: … }` and `complete: true`",
        ),
        (
            with(
                "due: P30D",
                "due: P30D\nthen: { substatus: { label: ' ' } }",
            ),
            "route.yaml:21:29: then.substatus.label: empty: Altinn needs a word",
        ),
        (
            with("due: P30D", "due: P30D\nthen: { complete: true }")
                .replace("{ process: completed }", "{ task: Task_2 }"),
            "route.yaml:21:7: then.complete: needs `when: { process: completed }`: Altinn deletes a confirmed instance at once if it is deleted before its process has ended",
        ),
    ]);
}

#[test]
fn a_route_that_completes_a_need_not_say_since_when_but_is_the_only_one() {
    let completing =
        with("due: P30D", "then: { complete: true }").replace("  since: 2026-11-01\n", "");
    let routes = load(&completing, "{}");
    assert!(only(&routes).since.is_none());
    assert!(only(&routes).then.complete);
    let other = completing.replace("name: permit-to-casework", "name: permit-to-archive");
    let directory = directory(&[
        ("a.yaml", other.as_bytes()),
        ("b.yaml", completing.as_bytes()),
        ("casework.schema.json", b"{}"),
    ]);
    let RouteErrors(errors) = Routes::load(directory.path()).unwrap_err();
    let [error] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert!(
        error
            .to_string()
            .contains("yaml completes ttd/permit already"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_sound_yaml_is_refused_where_it_breaks() {
    assert_complaints([
        (
            with("due: P30D", "due: P30D\ndue: P1M"),
            "route.yaml:21:1: duplicate mapping key `due` is not allowed here",
        ),
        (
            with(
                "  since: 2026-11-01",
                "  since: 2026-11-01\n  since: 2026-11-02",
            ),
            "route.yaml:6:3: from: duplicate mapping key `since` is not allowed here",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel\n    tittel: instance.id",
            ),
            "route.yaml:15:5: model: duplicate mapping key `tittel` is not allowed here",
        ),
        (
            with("tittel: data.model.tittel", "value: { a: 1, a: 2 }"),
            "route.yaml:14:20: model: duplicate mapping key `a` is not allowed here",
        ),
        (
            with("{ process: completed }", "{ process: completed"),
            "route.yaml:5:8: from.when: while parsing a flow mapping, did not find expected ',' or '}'",
        ),
        (
            with("    tittel: data", "\ttittel: data"),
            "route.yaml:14:2: model: tabs disallowed within this context (block indentation)",
        ),
        (
            with("tittel: data.model.tittel", "tittel: 'data.model.tittel"),
            "route.yaml:14:13: model: unclosed quote",
        ),
        (
            with("tittel: data.model.tittel", "tittel: a: b"),
            "route.yaml:14:14: model: mapping values are not allowed in this context",
        ),
        (
            with("tittel: data.model.tittel", "tittel: *nowhere"),
            "route.yaml:14:13: model: reference to unknown value",
        ),
        (
            "- permit-to-casework\n".into(),
            "route.yaml:1:1: must be a group, `name: value` each",
        ),
        (
            "permit-to-casework\n".into(),
            "route.yaml:1:1: must be a group, `name: value` each",
        ),
        (
            format!("{SOUND}---\n{SOUND}"),
            "route.yaml:22:1: only single YAML document expected but multiple found",
        ),
    ]);
}

#[test]
fn a_file_that_would_grow_or_nest_without_end_is_refused_at_once() {
    let mut bomb = String::from("model:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (before, this) in ('a'..='i').zip('b'..='j') {
        let ten = format!("*{before},").repeat(10);
        bomb += &format!("  {this}: &{this} [{ten}]\n");
    }
    let flow = format!("{}1{}", "{ a: ".repeat(5_000), " }".repeat(5_000));
    let block: String = (0..40)
        .map(|depth| format!("{}a:\n", " ".repeat(4 + depth)))
        .collect();
    let title = |text: &str| with("data.model.tittel", text);
    assert_complaints([
        (
            with("model:\n", &bomb),
            "route.yaml:18:13: model: too large or too complex, 24 levels of groups at most",
        ),
        (
            title(&flow),
            "route.yaml:14:118: model: too large or too complex, 24 levels of groups at most",
        ),
        (
            with("    tittel: data.model.tittel\n", &block),
            "route.yaml:36:27: model: too large or too complex, 24 levels of groups at most",
        ),
        (
            title(&"(".repeat(1_000)),
            "route.yaml:14:87: model.soknad.tittel: syntax error: template exceeds maximum recursion limits",
        ),
        (
            title(&format!("1{}", " + 1".repeat(50_000))),
            "route.yaml:14:13: model.soknad.tittel: has more than 2000 characters beside its quoted texts: make it simpler",
        ),
        (
            title(&format!("data{}", ".a".repeat(50_000))),
            "route.yaml:14:13: model.soknad.tittel: has more than 2000 characters beside its quoted texts: make it simpler",
        ),
        (title(&format!("data{}", ".a".repeat(998))), "loads"),
        (title(&format!("{}1", "not ".repeat(499))), "loads"),
        (title(&format!("1{}", "|abs".repeat(499))), "loads"),
        (
            title(&format!("\"'{}'\"", "long text ".repeat(5_000))),
            "loads",
        ),
    ]);
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
            "a.yaml:3:8: from.app: not an app id, `{org}/{app}`: lower-case letters, digits and hyphens, such as `ttd/permit`",
            "a.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
            "c.yaml:1:7: name: must be a text",
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
            "{path}: no route file here (*.yaml): a directory of routes has one file per route"
        )
    );
    let missing = Routes::load(&empty.path().join("gone"))
        .unwrap_err()
        .to_string();
    let start = format!("{path}/gone: the directory of routes cannot be read: ");
    assert!(missing.starts_with(&start), "{missing}");
}
