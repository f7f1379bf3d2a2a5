//! Which schema counts, and in which order it lets the form be sent.

use super::*;

/// A schema of B whose order is not that of the fields' names.
pub(super) fn ordering_schema() -> Value {
    json!({"properties": {"soknad": {
        "properties": {"antall": {"type": "integer"}, "tittel": {"type": "string"}}, "required": ["tittel"],
    }}})
}

#[test]
fn the_schema_that_bs_app_serves_counts_and_not_the_file_of_the_route() {
    let other = json!({"properties": {"sak": {"type": "string"}}, "additionalProperties": false});
    let file = Schema::compile(other.clone(), "b.schema.json".to_owned());
    let mut case = valid();
    case.target.forms.main.schema = Some(file.unwrap());
    assert!(case.checked().is_err(), "the app serves none");

    let mut case = valid();
    case.target.forms.main.schema =
        Some(Schema::compile(other, "b.schema.json".to_owned()).unwrap());
    case.serve(ordering_schema());
    case.checked().unwrap();
}

#[test]
fn a_schema_that_cannot_be_used_stops_the_relay_unless_the_route_names_a_file() {
    let remote = || json!({"$ref": "https://altinn.example/schema.json"});
    assert_eq!(
        objections(|case| case.serve(remote())),
        "the schema of B refers to https://altinn.example/schema.json, which is another document; name a file with B's \
         schema in to.schema"
    );
    assert_eq!(
        objections(|case| {
            case.serve(remote());
            let file = Schema::compile(ordering_schema(), "b.schema.json".to_owned());
            case.target.forms.main.schema = Some(file.unwrap());
        }),
        ""
    );
}

#[test]
fn the_fields_keep_the_order_of_a_route_that_says_so() {
    let form = |order: Order| {
        let mut case = valid();
        case.serve(json!({"properties": {"rad": {"type": "array", "items": ordering_schema()}}}));
        case.target.forms.main.order = order;
        let row = json!({"soknad": read(r#"{"tittel": "Bod", "antall": 2.0}"#)});
        case.draft.models.main = json!({"rad": [row.clone(), row]})
            .as_object()
            .unwrap()
            .clone();
        match case.checked().unwrap().forms.main.content {
            Content::Xml(xml) => xml,
            Content::Prefill { .. } => panic!("no XML"),
        }
    };
    let (title, count) = ("<tittel>Bod</tittel>", "<antall>2</antall>");
    assert_eq!(
        form(Order::Schema)
            .matches(&format!("{count}{title}"))
            .count(),
        2
    );
    assert_eq!(
        form(Order::Route)
            .matches(&format!("{title}{count}"))
            .count(),
        2
    );
}

#[test]
fn the_schema_orders_and_validates_the_form() {
    let checked = |soknad: Value| {
        let mut case = valid();
        case.serve(ordering_schema());
        case.draft.models.main["soknad"] = soknad;
        case.checked()
    };
    let ordered = checked(json!({"tittel": "Bod", "antall": 2})).unwrap();
    let Content::Xml(form) = ordered.forms.main.content else {
        panic!("no XML")
    };
    assert!(
        form.contains("<antall>2</antall><tittel>Bod</tittel>"),
        "{form}"
    );
    let refused = checked(json!({"antall": "hemmelig", "navn": "hemmelig"}))
        .unwrap_err()
        .to_string();
    for field in [
        "model.soknad.antall: ",
        "model.soknad: ",
        "model.soknad.navn: ",
    ] {
        assert!(refused.contains(field), "{field} in {refused}");
    }
    assert!(!refused.contains("hemmelig"), "{refused}");
}
