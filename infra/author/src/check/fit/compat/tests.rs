use serde_json::json;

use super::*;
use crate::finding::Severity;

fn codes(a: &Value, b: &Value, is_validated: bool) -> Vec<(Severity, &'static str)> {
    let (a, b) = (FormSchema::new(a), FormSchema::new(b));
    let target = FormTarget {
        form: &b,
        is_validated,
        is_complete: is_validated,
    };
    let given = Type::given(&a, &a.root(), false);
    let found = target.misfits(&given, &b.root());
    found
        .iter()
        .map(|misfit| (misfit.severity, misfit.code))
        .collect()
}

#[test]
fn the_values_of_a_field_of_a_are_compared_with_what_b_takes() {
    use Severity::{Error, Warning};
    let cases = [
        (
            json!({"type": "string"}),
            json!({"type": "number"}),
            Some((Warning, "type")),
        ),
        (json!({"type": "integer"}), json!({"type": "number"}), None),
        (
            json!({"type": "number"}),
            json!({"type": "integer"}),
            Some((Warning, "type")),
        ),
        (
            json!({"type": ["string", "null"]}),
            json!({"type": "string"}),
            None,
        ),
        (
            json!({"type": "array"}),
            json!({"type": "string"}),
            Some((Error, "type")),
        ),
        (
            json!({"type": "string", "maxLength": 9}),
            json!({"type": "string", "maxLength": 10}),
            None,
        ),
        (
            json!({"type": "string", "maxLength": 11}),
            json!({"type": "string", "maxLength": 10}),
            Some((Warning, "length")),
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "maxLength": 10}),
            Some((Warning, "length")),
        ),
        (
            json!({"type": "string", "pattern": "^[0-9]{4}$"}),
            json!({"type": "string", "maxLength": 4}),
            None,
        ),
        (
            json!({"enum": ["A", "B"]}),
            json!({"enum": ["B", "A", "C"]}),
            None,
        ),
        (
            json!({"enum": ["A", "B"]}),
            json!({"enum": ["B", "C"]}),
            Some((Warning, "enum")),
        ),
        (
            json!({"enum": ["A"]}),
            json!({"enum": ["C"]}),
            Some((Error, "enum")),
        ),
        (
            json!({"enum": ["A", "BB"]}),
            json!({"type": "string", "maxLength": 1}),
            Some((Warning, "length")),
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "format": "date"}),
            Some((Warning, "format")),
        ),
        (
            json!({"type": "string", "format": "date"}),
            json!({"type": "string", "format": "date-time"}),
            None,
        ),
        (
            json!({"type": "integer", "minimum": 0}),
            json!({"type": "integer", "minimum": 1}),
            Some((Warning, "range")),
        ),
        (json!({}), json!({"type": "string", "maxLength": 1}), None),
    ];
    for (a, b, expected) in cases {
        assert_eq!(
            codes(&a, &b, true),
            expected.into_iter().collect::<Vec<_>>(),
            "{a} into {b}"
        );
    }
}

#[test]
fn a_number_fits_a_text_if_the_draft_is_not_validated() {
    let (number, text) = (json!({"type": "number"}), json!({"type": "string"}));
    assert_eq!(codes(&number, &text, false), []);
    assert_eq!(codes(&number, &text, true), [(Severity::Error, "type")]);
}

#[test]
fn a_group_as_a_whole_is_compared_field_by_field() {
    let a = json!({"properties": {"x": {"type": "string"}, "y": {"properties": {"z": {"type": "boolean"}}}}});
    let b = json!({"properties": {"y": {"properties": {"z": {"type": "integer"}}}}});
    let (a, b) = (FormSchema::new(&a), FormSchema::new(&b));
    let given = Type::given(&a, &a.root(), false);
    let found = FormTarget {
        form: &b,
        is_validated: true,
        is_complete: true,
    }
    .misfits(&given, &b.root());
    let places: Vec<_> = found
        .iter()
        .map(|misfit| (misfit.below.as_str(), misfit.code))
        .collect();
    assert_eq!(places, [("x", "target-path"), ("y.z", "type")]);
}

#[test]
fn comparing_groups_that_contain_themselves_ends() {
    let tree = json!({"properties": {"below": {"$ref": "#"}, "also": {"$ref": "#"}}});
    assert_eq!(codes(&tree, &tree, true), []);
}

#[test]
fn no_misfit_repeats_the_value() {
    let b = json!({"properties": {"x": {"enum": ["A"]}, "y": {"maxLength": 1}, "z": {"pattern": "^a$"}}});
    let b = FormSchema::new(&b);
    let target = FormTarget {
        form: &b,
        is_validated: true,
        is_complete: true,
    };
    for field in ["x", "y", "z", "none"] {
        let misfit = target
            .refuses(&b.root(), &json!({field: "hemmelig"}))
            .unwrap();
        assert!(!format!("{misfit:?}").contains("hemmelig"), "{misfit:?}");
        assert_eq!(misfit.below, field);
    }
}
