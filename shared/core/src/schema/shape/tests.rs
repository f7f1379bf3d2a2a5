use std::borrow::Cow;

use serde_json::json;

use super::*;

/// The shape at a dotted path; `*` are a list's items.
fn at<'a>(form: &FormSchema<'a>, path: &str) -> Option<Rc<Shape<'a>>> {
    let mut node = form.root();
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        let shape = form.shape(&node);
        node = match segment {
            "*" => shape.items.clone()?,
            name => shape.field(name)?.clone(),
        };
    }
    Some(form.shape(&node))
}

#[test]
fn fields_are_found_through_references_and_combinations_in_the_order_of_the_schema() {
    let document = json!({
        "oneOf": [{"$ref": "#/$defs/Form"}],
        "$defs": {
            "Form": {"allOf": [
                {"properties": {"b": {"type": "string", "maxLength": 9}, "a": {"type": ["string", "null"]}}, "required": ["b"]},
                {"properties": {"b": {"maxLength": 5}, "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}}}},
            ]},
            "Row": {"properties": {"code": {"enum": ["A", null, "B"]}}},
        },
    });
    let form = FormSchema::new(&document);
    let root = at(&form, "").unwrap();
    assert_eq!(root.names().collect::<Vec<_>>(), ["b", "a", "rows"]);
    assert!(root.is_group() && root.required.contains("b"));
    assert_eq!(at(&form, "b").unwrap().limits.max_length, Some(5));
    assert_eq!(at(&form, "a").unwrap().words(), "a text");
    assert!(at(&form, "rows").unwrap().is_list());
    let code = at(&form, "rows.*.code").unwrap();
    assert_eq!(
        code.limits.admitted,
        Some(vec![Cow::Owned(json!("A")), Cow::Owned(json!("B"))])
    );
}

#[test]
fn a_value_that_any_alternative_allows_is_allowed() {
    let document = json!({"properties": {"x": {"anyOf": [
        {"type": "string", "maxLength": 3}, {"type": "integer"}, {"type": "null"},
    ]}, "y": {"oneOf": [
        {"properties": {"k": {"type": "string"}}, "required": ["k"]},
        {"properties": {"k": {"type": "number"}, "l": {}}, "required": ["k", "l"]},
    ]}}});
    let form = FormSchema::new(&document);
    let x = at(&form, "x").unwrap();
    assert_eq!(x.words(), "a text or a whole number");
    assert_eq!(x.limits, Limits::default());
    assert_eq!(at(&form, "y").unwrap().required, BTreeSet::from(["k"]));
    assert_eq!(at(&form, "y.k").unwrap().words(), "a text or a number");
}

#[test]
fn reading_ends_for_schemas_that_refer_to_themselves() {
    for document in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "properties": {"a": {"$ref": "#"}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}}}),
        json!({"properties": {"tree": {"type": "array", "items": {"$ref": "#"}}}}),
    ] {
        let form = FormSchema::new(&document);
        form.shape(&form.root());
        assert_eq!(dangling(&form), BTreeMap::new());
    }
}

#[test]
fn what_is_no_schema_says_nothing() {
    for document in [
        json!(true),
        json!(false),
        json!(null),
        json!([1]),
        json!({"type": 7, "properties": [], "required": "x", "items": 3, "oneOf": {}}),
    ] {
        let form = FormSchema::new(&document);
        let shape = form.shape(&form.root());
        assert!(shape.kinds.is_empty() && !shape.is_closed(), "{document}");
    }
}

#[test]
fn references_that_cannot_be_followed_are_reported_with_their_field() {
    let document = json!({"properties": {
        "a": {"properties": {"b": {"$ref": "https://example.com/x.json#/y"}}}, "c": {"$ref": "#/$defs/none"},
    }});
    let told = dangling(&FormSchema::new(&document));
    assert_eq!(
        told,
        BTreeMap::from([
            ("#/$defs/none".to_owned(), ("c".to_owned(), false)),
            (
                "https://example.com/x.json#/y".to_owned(),
                ("a.b".to_owned(), true)
            ),
        ])
    );
}

#[test]
fn the_form_of_an_older_schema_is_found() {
    for document in [
        json!({"info": {"rootNode": "#/definitions/Skjema"}, "definitions": {"Skjema": {"properties": {"x": {}}}}}),
        json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": {"properties": {"x": {}}}}}),
        json!({"info": {"rootNode": ""}, "properties": {"x": {}}}),
    ] {
        let form = FormSchema::new(&document);
        assert!(at(&form, "x").is_some(), "{document}");
    }
}
