//! The errors of invalid routes.

use super::*;

#[test]
fn the_valid_route_loads() {
    assert_eq!(errors_of(VALID.as_bytes()), "loads");
}

#[test]
fn an_error_names_an_unknown_key_at_every_level() {
    assert_errors([
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
            "route.yaml:10:3: to.rot: unknown field `rot`, expected one of app, owner, dataType, root, schema, order, complete, forms, mode, stamp, verify, pace",
        ),
        (
            with("{ organisation:", "{ organization:"),
            "route.yaml:8:12: to.owner.organization: unknown field `organization`, expected one of organisation, person, party",
        ),
        (
            with("required: true", "requird: true"),
            "route.yaml:19:43: attachments[0].requird: unknown field `requird`, expected one of from, to, required, tag, filename",
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
fn an_error_names_a_missing_key() {
    assert_errors([
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
            VALID[..VALID.find("model:\n  soknad").unwrap()].to_owned(),
            "route.yaml: model: missing: the fields of B's form, each an expression",
        ),
        (String::new(), "route.yaml:1:1: unexpected end of file"),
    ]);
}

#[test]
fn an_error_names_an_invalid_value_and_the_allowed_ones() {
    assert_errors([
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
        // Nothing that stands behind the day is dropped.
        (
            with("2026-11-01", "2026-11-01T23:30:00"),
            "route.yaml:5:10: from.since: not a day such as 2026-11-01: a moment has seconds and an offset, such as 2026-11-01T12:30:00+01:00",
        ),
        (
            with("2026-11-01", "2026-11-01T23:30:00+01:00[Europe/Paris]"),
            "route.yaml:5:10: from.since: not a day such as 2026-11-01: a moment has seconds and an offset, such as 2026-11-01T12:30:00+01:00",
        ),
        (
            with("2026-11-01", "2026-11-01 (in UTC)"),
            "route.yaml:5:10: from.since: not a day such as 2026-11-01: a moment has seconds and an offset, such as 2026-11-01T12:30:00+01:00",
        ),
        (
            with("2026-11-01", "20261101"),
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
            with("due: P30D", "due: P1DT"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: P1.5D"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: p30d"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: P30d"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: P30D or later"),
            "route.yaml:20:6: due: not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
        ),
        (
            with("due: P30D", "due: PT0.0000000019S"),
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
fn a_schema_must_exist_and_be_complete_in_its_file() {
    assert_errors([
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
fn a_syntax_error_is_located_inside_the_expression() {
    assert_errors([
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel ~ ~ 'x'",
            ),
            "route.yaml:14:33: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model..tittel"),
            "route.yaml:14:24: model.soknad.tittel: `.` stands here, and the name of a field is needed: a name follows a point; another name stands in brackets: `['my name']`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: data.model.tittel ~"),
            "route.yaml:14:32: model.soknad.tittel: the expression ends where a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: (data.model.tittel"),
            "route.yaml:14:31: model.soknad.tittel: the expression ends here, and `)` is needed: what begins with `(` ends with `)`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: Søknad om bod"),
            "route.yaml:14:13: model.soknad.tittel: unknown name `Søknad`, allowed are `instance`, `data`: a text stands in quotes within quotes: \"'Søknad om bod'\"",
        ),
        // Quoted, with an escaped quote and characters of several bytes before the error.
        (
            with("tittel: data.model.tittel", r#"tittel: "'Søknad' ~ ~ 'x'""#),
            "route.yaml:14:25: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with(
                "tittel: data.model.tittel",
                r#"tittel: "\"Søknad\" ~ ~ 'x'""#,
            ),
            "route.yaml:14:27: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with("tittel: data.model.tittel", "tittel: '''Søknad'' ~ ~ 1'"),
            "route.yaml:14:27: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with("\"'310075728'\"", "\"'310075728' 1\""),
            "route.yaml:8:39: to.owner.organisation: `1` stands here, where the expression should end: an operator is missing before it: `~` joins texts, and a text stands in quotes",
        ),
        // On a later line, folded or not.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: data.model.tittel\n      ~ ~ 'x'",
            ),
            "route.yaml:15:9: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: |\n      data.model.tittel ~ ~ 'x'",
            ),
            "route.yaml:15:27: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with(
                "decision in data.model.decisions",
                "decision in data.model.decisions 1",
            ),
            "route.yaml:16:47: model.soknad.vedtak.$each: `1` stands here, where the expression should end: an operator is missing before it: `~` joins texts, and a text stands in quotes",
        ),
        (
            with(
                "decision in data.model.decisions",
                "\"decision in data.model.decisions 1\"",
            ),
            "route.yaml:16:48: model.soknad.vedtak.$each: `1` stands here, where the expression should end: an operator is missing before it: `~` joins texts, and a text stands in quotes",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: \"'S\\u00f8knad' \\\n\n      ~ ~ 'x'\"",
            ),
            "route.yaml:16:9: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with(
                "tittel: data.model.tittel",
                "tittel: >-\n      data.model.tittel\n      ~ ~ 'x'",
            ),
            "route.yaml:16:9: model.soknad.tittel: `~` stands here, and a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        // At an alias the text of the expression is elsewhere.
        (
            with(
                "tittel: data.model.tittel",
                "tittel: &title data.x 1\n    annen: *title",
            ),
            "route.yaml:14:27: model.soknad.tittel: `1` stands here, where the expression should end: an operator is missing before it: `~` joins texts, and a text stands in quotes\nroute.yaml:15:12: model.soknad.annen: `1` stands here, where the expression should end: an operator is missing before it: `~` joins texts, and a text stands in quotes",
        ),
    ]);
}

#[test]
fn an_unknown_name_is_refused() {
    assert_errors([
        (
            with("data.model.tittel", "data.model.tittel | upcase"),
            "route.yaml:14:13: model.soknad.tittel: unknown filter `upcase`",
        ),
        (
            with("data.model.tittel", "data.model.tittel is emptyish"),
            "route.yaml:14:13: model.soknad.tittel: unknown test `emptyish`",
        ),
        (
            with("data.model.tittel", "now()"),
            "route.yaml:14:13: model.soknad.tittel: there is no function `now`: there are no functions, only filters: `value | filter`",
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
            "route.yaml:14:13: model.soknad.tittel: `data` must name a data type of A: `data.model`, or `data['my type']`",
        ),
        (
            with("data.model.tittel", "data[instance.id]"),
            "route.yaml:14:13: model.soknad.tittel: `data` must name a data type of A: `data.model`, or `data['my type']`",
        ),
        (
            with("data.model.tittel", "model.tittel"),
            "route.yaml:14:13: model.soknad.tittel: unknown name `model`, allowed are `instance`, `data`",
        ),
    ]);
}

#[test]
fn a_repeating_group_has_a_new_name_and_a_list() {
    assert_errors([
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
            "route.yaml:16:25: model.soknad.vedtak.$each: the expression ends where a value is needed: such as `data.model.name`, `'text'`, `12.50` or `none`",
        ),
        (
            with(
                "decision in data.model.decisions",
                "instance in data.model.decisions",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: `instance` has a meaning here already: give the item another name",
        ),
        (
            with(
                "decision in data.model.decisions",
                "true in data.model.decisions",
            ),
            "route.yaml:16:14: model.soknad.vedtak.$each: `true` has a meaning here already: give the item another name",
        ),
        (
            with(
                "kode: decision.code",
                "rad:\n        $each: decision in decision.rows\n        x: decision.y",
            ),
            "route.yaml:18:16: model.soknad.vedtak.rad.$each: `decision` has a meaning here already: give the item another name",
        ),
        (
            with("model:\n", "model:\n  $each: x in data.model.rows\n"),
            "route.yaml:13:3: model.$each: `$each` belongs into a field of `model`, not beside it",
        ),
    ]);
}

#[test]
fn the_model_consists_of_named_groups_and_expressions() {
    assert_errors([
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
            "route.yaml:14:14: model.soknad.tittel: is empty: `none` leaves the element out, and `''` is an empty text",
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
                &VALID[..VALID.find("model:\n  soknad").unwrap()]
            ),
            "route.yaml:12:8: model: must be a group of fields",
        ),
        (
            format!(
                "{}model: []\n",
                &VALID[..VALID.find("model:\n  soknad").unwrap()]
            ),
            "route.yaml:12:8: model: must be a group of fields",
        ),
    ]);
}

#[test]
fn a_fan_out_has_a_new_name_a_list_and_a_key() {
    let heirs = "each: heir in data.model.heirs\nkey: heir.id\n";
    let with_heirs = |old: &str, new: &str| with("due: P30D\n", &heirs.replacen(old, new, 1));
    assert_errors([
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
            "route.yaml:20:33: each: the expression ends here, and the name of a filter is needed: such as `| upper` or `| default('…')`",
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
            "route.yaml:16:14: model.soknad.vedtak.$each: `decision` has a meaning here already: give the item another name",
        ),
    ]);
}

#[test]
fn the_simplified_request_excludes_fields_that_it_cannot_send() {
    let flat = "name: r
from: { app: ttd/a, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/b, owner: { party: 1 }, mode: prefill, stamp: soknad.relay }
model: { soknad: { tittel: instance.id } }
";
    let flat_with = |old: &str, new: &str| {
        assert_eq!(flat.matches(old).count(), 1, "{old}");
        flat.replacen(old, new, 1)
    };
    assert_errors([
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
        (
            flat_with("tittel:", "relay:"),
            "route.yaml: model.soknad.relay: is the field of `to.stamp`, and gets the relay's id: leave it out of `model`, or name another field in `to.stamp`",
        ),
        (
            flat_with(
                "{ soknad: { tittel: instance.id } }",
                "{ Soknad: instance.id }",
            ),
            "route.yaml: model.soknad.relay: is the field of `to.stamp`, and gets the relay's id: leave it out of `model`, or name another field in `to.stamp`",
        ),
    ]);
}

#[test]
fn after_steps_that_cannot_work_are_refused() {
    assert_errors([
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
fn a_route_that_completes_a_needs_no_since_but_is_the_only_one_for_its_app() {
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
fn a_yaml_error_is_located() {
    assert_errors([
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
            format!("{VALID}---\n{VALID}"),
            "route.yaml:22:1: only single YAML document expected but multiple found",
        ),
    ]);
}

#[test]
fn a_file_with_too_many_levels_or_aliases_is_refused_quickly() {
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
    assert_errors([
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
            "route.yaml:14:13: model.soknad.tittel: has more than 96 levels: make it simpler",
        ),
        (
            title(&format!("1{}", " + 1".repeat(50_000))),
            "route.yaml:14:13: model.soknad.tittel: has more than 1000 names, values and signs: make it simpler",
        ),
        (
            title(&format!("data{}", ".a".repeat(50_000))),
            "route.yaml:14:13: model.soknad.tittel: has more than 1000 names, values and signs: make it simpler",
        ),
        (title(&format!("data{}", ".a".repeat(149))), "loads"),
        (title(&format!("{}1", "not ".repeat(30))), "loads"),
        (title(&format!("1{}", "|abs".repeat(149))), "loads"),
        (
            title(&format!("\"'{}'\"", "long text ".repeat(5_000))),
            "loads",
        ),
    ]);
}

#[test]
fn a_file_that_is_too_large_or_not_utf_8_is_refused() {
    assert_eq!(
        errors_of(b"name: \xff\n"),
        "route.yaml: is not UTF-8 text (byte 6)"
    );
    let large = format!("{VALID}#{}\n", "x".repeat(1024 * 1024));
    assert_eq!(
        errors_of(large.as_bytes()),
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
fn the_errors_of_all_files_are_reported_at_once() {
    let directory = directory(&[
        (
            "a.yaml",
            with("due: P30D", "due: soon")
                .replace("ttd/permit", "permit")
                .as_bytes(),
        ),
        ("b.yml", VALID.as_bytes()),
        ("c.yaml", b"name: ["),
        ("d.yaml", VALID.as_bytes()),
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
            "d.yaml: name: b.yml has a route with the same name: each name belongs to one route",
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
