//! Drafts of several forms.

use proptest::prelude::*;

use super::{schema::ordering_schema, *};

/// [`valid`] with a second form of this model.
fn two(model: Value) -> Case {
    let mut case = valid();
    case.target.forms.main.data_type = Some("model".into());
    case.metadata["dataTypes"].as_array_mut().unwrap().push(json!({
        "id": "vurdering", "allowedContentTypes": ["application/xml"], "appLogic": {"classRef": "Vurdering"}, "maxCount": 1,
    }));
    case.target.forms.further.push(FormRule {
        data_type: Some("vurdering".into()),
        is_further: true,
        root: "vurdering".into(),
        schema: None,
        order: Order::Schema,
        model: Vec::new(),
    });
    let model = model.as_object().unwrap().clone();
    case.draft.models.further.push(model);
    case
}

/// What B would refuse of [`two`] after a change.
fn refused(model: Value, change: impl FnOnce(&mut Case)) -> String {
    let mut case = two(model);
    change(&mut case);
    case.checked()
        .map_or_else(|objections| objections.to_string(), |_| String::new())
}

fn serve_second(case: &mut Case, document: Value) {
    let schema = Schema::compile(document, "the schema of the second".to_owned()).map(Arc::new);
    case.schemas.insert("vurdering".to_owned(), schema);
}

#[test]
fn each_form_is_held_to_its_own_schema_and_data_type() {
    let schema = || json!({"required": ["svar"], "properties": {"svar": {"type": "integer"}, "dato": {"type": "string"}}, "additionalProperties": false});
    let second = |model: Value| {
        refused(model, |case| {
            serve_second(case, schema());
            case.serve(ordering_schema());
        })
    };
    assert_eq!(second(json!({"svar": 1})), "");
    for (model, field) in [
        (json!({"svar": "ja"}), "to.forms.vurdering.model.svar: "),
        (json!({"svar": 1, "x": 1}), "to.forms.vurdering.model.x: "),
        (json!({"dato": "i dag"}), "to.forms.vurdering.model"),
        (
            json!({"svar": 1, "dato": "\u{1}"}),
            "to.forms.vurdering.model.dato: has the character U+0001",
        ),
    ] {
        let told = second(model);
        assert!(told.starts_with(field) && !told.contains("; "), "{told}");
    }
    let data_type = |change: fn(&mut Value)| {
        refused(json!({"svar": 1}), |case| {
            change(
                case.metadata["dataTypes"]
                    .as_array_mut()
                    .unwrap()
                    .last_mut()
                    .unwrap(),
            );
        })
    };
    assert_eq!(
        data_type(|it| it["allowedContentTypes"] = json!(["application/json"])),
        "data type `vurdering`: B takes application/json, this is application/xml"
    );
    assert_eq!(
        data_type(|it| it["appLogic"] = Value::Null),
        "data type `vurdering`: B takes it for an attachment: it has no appLogic.classRef"
    );
    let remote = json!({"$ref": "https://altinn.example/schema.json"});
    assert!(
        refused(json!({}), |case| serve_second(case, remote))
            .ends_with("name a file with B's schema in to.forms.vurdering.schema")
    );
}

#[test]
fn a_person_may_fill_in_the_rest_of_each_form_unless_b_is_complete() {
    let required = json!({"required": ["svar"], "properties": {"svar": {"type": "integer"}}});
    for complete in [true, false] {
        let told = refused(json!({}), |case| {
            serve_second(case, required.clone());
            case.target.complete = complete;
        });
        assert_eq!(told.is_empty(), !complete, "{told}");
    }
}

#[test]
fn an_unnamed_form_cannot_be_among_the_further_ones() {
    let told = refused(json!({}), |case| {
        case.metadata["dataTypes"].as_array_mut().unwrap().remove(0);
        case.target.forms.main.data_type = None;
    });
    assert_eq!(
        told,
        "data type `vurdering`: the route fills it twice: by `model`, and in to.forms"
    );
}

#[test]
fn all_forms_count_for_the_size_of_the_request() {
    let mut case = two(json!({"svar": "x".repeat(10_000)}));
    let limit = 2000 * 1024 * 1024;
    case.data_type()["maxSize"] = json!(0);
    case.attachment().size = limit - 10_000;
    assert!(
        case.checked()
            .unwrap_err()
            .to_string()
            .contains("the request would have")
    );
}

proptest! {
    /// So what holds for the XML of one form holds for that of each.
    #[test]
    fn a_further_form_is_written_as_it_would_be_alone(
        values in prop::collection::btree_map("[a-f]", "[a-zæøå<& ]{1,9}", 0..5), order in any::<bool>(),
    ) {
        let schema = json!({"properties": {"f": {"type": "string"}, "b": {"type": "string"}, "a": {"type": "string"}}});
        let model = json!(values);
        let order = if order { Order::Route } else { Order::Schema };
        let mut both = two(model.clone());
        serve_second(&mut both, schema.clone());
        both.target.forms.further[0].order = order;
        let mut alone = valid();
        alone.serve(schema);
        alone.target.forms.main.order = order;
        alone.target.forms.main.root = "vurdering".into();
        alone.draft.models.main = model.as_object().unwrap().clone();
        let written = |case: Case, index: usize| {
            case.checked().map(|it| it.xml_forms().nth(index).unwrap().1.to_owned()).map_err(|_| ())
        };
        prop_assert_eq!(written(both, 1), written(alone, 0));
    }
}
