//! Further forms of B.

use super::*;

/// [`VALID`] with this below `to`.
fn with_forms(forms: &str) -> String {
    let schema = "  schema: casework.schema.json\n";
    assert!(VALID.contains(schema));
    VALID.replacen(schema, &format!("{schema}{forms}"), 1)
}

const FORMS: &str = "  forms:
    vurdering:
      root: vurdering
      order: route
      model:
        sak: { tittel: data.other.title }
        rader:
          $each: row in data.other.rows
          kode: { $value: row.code, $accept: [may-be-empty], $because: B takes it }
    annet: { schema: casework.schema.json, model: { tekst: \"'x'\" } }
";

#[test]
fn each_form_has_its_own_root_schema_order_and_model() {
    let routes = load(&with_forms(FORMS), "{}");
    let route = only(&routes);
    let forms: Vec<&FormRule> = route.to.forms.iter().collect();
    let names: Vec<_> = forms
        .iter()
        .map(|form| form.data_type.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["model", "vurdering", "annet"]);
    let roots: Vec<_> = forms.iter().map(|form| form.root.as_str()).collect();
    assert_eq!(roots, ["melding", "vurdering", "model"]);
    let orders: Vec<_> = forms.iter().map(|form| form.order).collect();
    assert_eq!(orders, [Order::Schema, Order::Route, Order::Schema]);
    let schemas: Vec<_> = forms.iter().map(|form| form.schema.is_some()).collect();
    assert_eq!(schemas, [true, false, true]);
    let models: Vec<_> = forms.iter().map(|form| form.says("model")).collect();
    assert_eq!(
        models,
        ["model", "to.forms.vurdering.model", "to.forms.annet.model"]
    );
    assert!(route.data_types().contains("other"));
    assert_eq!(
        route.accepted[0].field,
        "to.forms.vurdering.model.rader.kode"
    );
}

#[test]
fn a_field_that_cannot_be_filled_has_its_whole_name() {
    let forms = FORMS.replace("data.other.title", "data.other.title | upper");
    let routes = load(&with_forms(&forms), "{}");
    let form = &only(&routes).to.forms.further[0];
    let error = model::fill(form, &Scope::new(&Value::Null, &Map::new())).unwrap_err();
    assert_eq!(error.field(), "to.forms.vurdering.model.sak.tittel");
}

#[test]
fn what_is_wrong_with_a_form_is_named_with_its_place() {
    for (forms, expected) in [
        (
            FORMS.replace("root: vurdering", "rot: vurdering"),
            "route.yaml:14:7: to.forms.vurdering.rot: unknown field `rot`, expected one of root, schema, order, model",
        ),
        (
            FORMS.replace("root: vurdering", "root: 1x"),
            "route.yaml:14:13: to.forms.vurdering.root: not the name of an XML element",
        ),
        (
            FORMS.replace("order: route", "order: random"),
            "route.yaml:15:14: to.forms.vurdering.order: must be `schema` or `route`",
        ),
        (
            FORMS.replace("schema: casework.schema.json", "schema: no.schema.json"),
            "route.yaml:21:22: to.forms.annet.schema: cannot read the schema no.schema.json: No such file or directory (os error 2)",
        ),
        (
            FORMS.replace(", model: { tekst: \"'x'\" }", ""),
            "route.yaml:21:12: to.forms.annet.model: missing: the fields of B's form, each an expression",
        ),
        (
            FORMS.replace("{ tekst: \"'x'\" }", "x"),
            "route.yaml:21:51: to.forms.annet.model: must be a group of fields",
        ),
        (
            FORMS.replace("tekst: \"'x'\"", "tekst: [1]"),
            "route.yaml:21:60: to.forms.annet.model.tekst: a list is written as a group with `$each: item in data.model.items`",
        ),
        (
            FORMS.replace("tekst: \"'x'\"", "tekst:"),
            "route.yaml:21:58: to.forms.annet.model.tekst: no expression: `none` leaves the element out",
        ),
        (
            FORMS.replace("annet:", "model:"),
            "route.yaml:21:12: to.forms.model: is B's form of `to.dataType` already: say what it is filled with once: in `model` beside `to`, or here",
        ),
        (
            FORMS.replace("annet:", "vurdering:"),
            "route.yaml:21:5: to.forms: duplicate mapping key `vurdering` is not allowed here",
        ),
        (
            FORMS.replace(
                "{ schema: casework.schema.json, model: { tekst: \"'x'\" } }",
                "x",
            ),
            "route.yaml:21:12: to.forms.annet: must be a group, `name: value` each",
        ),
        (
            "  forms: vurdering\n".to_owned(),
            "route.yaml:12:10: to.forms: must be a group, `name: value` each",
        ),
    ] {
        assert_eq!(
            errors_of(with_forms(&forms).as_bytes()),
            expected,
            "{forms}"
        );
    }
}

#[test]
fn the_simplified_request_has_no_place_for_further_forms() {
    let forms = format!("  mode: prefill\n  stamp: soknad.relay\n{FORMS}");
    let errors = errors_of(with_forms(&forms).as_bytes());
    assert!(
        errors.contains(
            "route.yaml:15:5: to.forms: `mode: prefill` sends one form only: leave out `mode` and `stamp`: B is then made by the request that carries all forms"
        ),
        "{errors}"
    );
}
