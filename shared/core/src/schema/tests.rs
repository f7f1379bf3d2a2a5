//! What a schema refuses of a draft, and how it orders it.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

use super::*;

fn compile(document: Value) -> Result<Schema, SchemaError> {
    Schema::compile(document, "form.schema.json")
}

fn schema() -> Schema {
    compile(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [{"$ref": "#/$defs/Form"}],
        "$defs": {
            "Form": {"type": "object", "properties": {
                "title": {"type": "string", "maxLength": 10},
                "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
                "self": {"$ref": "#/$defs/Form"},
            }, "required": ["title"]},
            "Row": {"type": "object", "properties": {"code": {"enum": ["A", "B"]}, "area": {"type": "number"}}},
        },
    }))
    .unwrap()
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        unreachable!()
    };
    map
}

/// XSD's and .NET's dialects have signs that others lack; B's app reads no pattern.
#[test]
fn a_pattern_that_is_not_understood_is_left_out_and_the_rest_of_the_schema_holds() {
    for pattern in [r"^[a-z-[aeiou]]+\i$", "(", r"\p{IsBasicLatin}+"] {
        let schema = compile(json!({"properties": {
            "code": {"type": "string", "pattern": pattern, "maxLength": 3},
            "zip": {"type": "string", "pattern": "^[0-9]{4}$"},
        }}))
        .unwrap();
        assert!(!is_pattern_read(pattern), "{pattern}");
        let violations = |code: &str, zip: &str| {
            let model = map(json!({"code": code, "zip": zip}));
            let found = schema.violations(&model, false);
            found.into_iter().map(|it| it.field).collect::<Vec<_>>()
        };
        assert_eq!(violations("abc", "0150"), Vec::<String>::new());
        assert_eq!(violations("abcd", "0150"), ["model.code"]);
        assert_eq!(violations("abc", "150"), ["model.zip"]);
        assert_eq!(schema.document()["properties"]["code"]["pattern"], pattern);
    }
}

#[test]
fn elements_are_ordered_by_the_schema_at_every_level() {
    let model = map(
        json!({"rows": [{"area": 1, "code": "A"}], "self": {"rows": [], "title": "x"}, "title": "y"}),
    );
    assert_eq!(
        serde_json::to_string(&schema().ordered(model)).unwrap(),
        r#"{"title":"y","rows":[{"code":"A","area":1}],"self":{"title":"x","rows":[]}}"#
    );
}

#[test]
fn a_violation_names_the_field_and_the_rule_but_no_value() {
    let model = map(
        json!({"title": "hemmelig hemmelig", "rows": [{"code": "hemmelig"}], "titel": "hemmelig"}),
    );
    let found = schema().violations(&model, true);
    let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
    for field in ["model.title", "model.rows[0].code", "model.titel"] {
        assert!(fields.contains(&field), "{field} in {found:?}");
    }
    assert!(
        found.iter().all(|v| !v.to_string().contains("hemmelig")),
        "{found:?}"
    );
    assert_eq!(schema().violations(&map(json!({"title": "ok"})), true), []);
}

#[test]
fn the_type_of_a_field_is_found_through_references_and_combined_schemas() {
    let schema = compile(json!({
        "allOf": [{"$ref": "#/$defs/Form"}],
        "$defs": {
            "Form": {"properties": {
                "group": {"$ref": "#/$defs/Group"}, "any": {},
            }},
            "Group": {"properties": {
                "text": {"type": ["string", "null"]}, "date": {"type": "string", "format": "date"}, "moment": {"$ref": "#/$defs/Moment"},
                "number": {"type": "number"}, "several": {"type": ["number", "string"]}, "whole": {"type": "integer"}, "flag": {"type": "boolean"}, "code": {"enum": ["A", "B"]},
            }},
            "Moment": {"type": "string", "format": "date-time"},
        },
    }))
    .unwrap();
    for (name, expected) in [
        ("text", FieldType::Text),
        ("date", FieldType::Date),
        ("moment", FieldType::DateTime),
        ("number", FieldType::Number),
        ("whole", FieldType::Integer),
        ("flag", FieldType::Boolean),
        ("code", FieldType::Text),
        ("several", FieldType::Text),
        ("gone", FieldType::Unknown),
    ] {
        assert_eq!(schema.field_type(&["group", name]), expected, "{name}");
    }
    for unknown in ["any", "group"] {
        assert_eq!(
            schema.field_type(&[unknown]),
            FieldType::Unknown,
            "{unknown}"
        );
    }
}

/// A form with one field, whose JSON is as it is given here.
fn form(number: &str) -> Map<String, Value> {
    serde_json::from_str(&format!(r#"{{"n": {number}}}"#)).unwrap()
}

/// A schema with one field, whose keywords are as they are given here.
fn number_schema(keywords: &str) -> Schema {
    let document = format!(r#"{{"properties": {{"n": {{{keywords}}}}}}}"#);
    compile(serde_json::from_str(&document).unwrap()).unwrap()
}

#[test]
fn a_number_that_b_would_round_is_a_violation() {
    for (keywords, held, rounded) in [
        (
            r#""type": "number""#,
            vec![
                "12345678901234567.89",
                "922337203685477.5807",
                "79228162514264337593543950335",
                "1.00000000000000000000000000000000",
                "1e28",
            ],
            vec![
                "79228162514264337593543950336",
                "0.12345678901234567890123456789",
                "1e29",
                "1e-29",
                "1e400",
            ],
        ),
        (
            r#""type": ["integer", "null"]"#,
            vec!["18446744073709551616", "3.0"],
            vec!["79228162514264337593543950336", "1e999999999"],
        ),
        (
            r#""type": "number", "@xsdType": "double""#,
            vec!["1E+300", "0.1", "1.2345678901234567E+19"],
            vec!["12345678901234567.89", "1e400"],
        ),
        (r#""type": ["string", "number"]"#, vec!["1e300"], vec![]),
    ] {
        let schema = number_schema(keywords);
        for number in held {
            assert_eq!(schema.violations(&form(number), true), [], "{number}");
        }
        for number in rounded {
            let found = schema.violations(&form(number), true);
            let [only] = &found[..] else {
                unreachable!("{number}: {found:?}")
            };
            assert_eq!(only.field, "model.n", "{number}");
            assert!(only.problem.contains("digits than .NET's"), "{found:?}");
            assert!(!only.problem.contains(number), "{found:?}");
        }
    }
}

/// What is wrong with each field of a draft; the schema has these properties.
fn found(properties: Value, draft: Value, complete: bool) -> Vec<(String, String)> {
    let schema = compile(json!({"properties": properties, "required": ["t"]})).unwrap();
    let found = schema.violations(&map(draft), complete).into_iter();
    found.map(|it| (it.field, it.problem)).collect()
}

#[test]
fn a_value_that_b_reads_as_the_same_is_taken_and_another_one_is_named_with_its_rule() {
    let date = json!({"type": "string", "format": "date"});
    let moment = json!({"type": "string", "format": "date-time"});
    let time = json!({"type": "string", "format": "time"});
    let of = |xsd: &str| json!({"type": "integer", "@xsdType": xsd});
    let clock = "is a time without a day, of which B would make that time of the current day";
    let no_moment = "is no date and time of the form 2026-11-20T09:12:45Z";
    for (field, value, problem) in [
        (&date, json!("2026-12-31"), None),
        (
            &date,
            json!("31.12.2026"),
            Some("is no date of the form 2026-11-20"),
        ),
        (
            &date,
            json!("2026-02-30"),
            Some("is no date of the form 2026-11-20"),
        ),
        (&time, json!("12:30:00"), None),
        (
            &time,
            json!("halv ett"),
            Some("is no time of the form 12:30:00"),
        ),
        (&moment, json!("2026-12-31"), None),
        (&moment, json!("2026-12-31T10:00:00.1234567+01:00"), None),
        (
            &moment,
            json!("2026-12-31T10:00:00.12345678"),
            Some("has more than 7 decimals of a second, which B would round"),
        ),
        (&moment, json!("2026-11-28 10:00"), Some(no_moment)),
        (&moment, json!("2026-11-28T10:00"), Some(no_moment)),
        (&moment, json!("2026"), Some(no_moment)),
        (&moment, json!("10:11:12"), Some(clock)),
        (&of("short"), json!(32767), None),
        (
            &of("short"),
            json!(32768),
            Some("is beyond the range of B's field (short, from -32768 to 32767)"),
        ),
        (
            &of("int"),
            json!(-2_147_483_649_i64),
            Some("is beyond the range of B's field (int, from -2147483648 to 2147483647)"),
        ),
        (
            &of("long"),
            json!(9_223_372_036_854_775_808_u64),
            Some(
                "is beyond the range of B's field (long, from -9223372036854775808 to 9223372036854775807)",
            ),
        ),
        (
            &of("int"),
            json!(1.5),
            Some("is a number with a fraction, and B's field takes a whole number"),
        ),
        (&of("int"), json!("7"), None),
        (
            &of("int"),
            json!("7,5"),
            Some("is a text, and B's field takes a whole number of the form -1234"),
        ),
        (&json!({"type": "number"}), json!("7.5"), None),
        (
            &json!({"type": "number"}),
            json!("7,5"),
            Some("is a text, and B's field takes a number of the form -1234.5"),
        ),
        (
            &json!({"type": "number", "minimum": 8}),
            json!("7.5"),
            Some("value is less than the minimum of 8"),
        ),
        (&json!({"type": "boolean"}), json!(1), None),
        (&json!({"type": "boolean"}), json!("true"), None),
        (
            &json!({"type": "boolean"}),
            json!("ja"),
            Some("is a text, and B's field takes true or false"),
        ),
        (
            &json!({"type": "string"}),
            json!({"a": 1}),
            Some("is a group of fields, and B's field takes a text"),
        ),
        (
            &json!({"type": "string"}),
            json!(["a"]),
            Some("is a list, and B's field takes a text"),
        ),
    ] {
        let found = found(json!({"f": field}), json!({"f": value}), false);
        let expected = problem.map(|problem| ("model.f".to_owned(), problem.to_owned()));
        assert_eq!(found, Vec::from_iter(expected), "{field} {value}");
    }
}

#[test]
fn only_a_complete_b_needs_its_required_fields_and_none_that_its_class_sets() {
    let rows = json!({"type": "array", "minItems": 2, "items": {"type": "string"}});
    let code = json!({"type": "object", "required": ["value", "orid"], "properties": {
        "value": {"type": "string", "@xsdText": true}, "orid": {"type": "string", "@xsdType": "XmlAttribute", "const": "7"},
    }});
    let properties = json!({"t": {"type": "string"}, "rows": rows, "code": code});
    let draft = json!({"rows": ["a"], "code": {"value": "x"}});
    assert_eq!(found(properties.clone(), draft.clone(), false), []);
    let fields: Vec<_> = found(properties.clone(), draft, true)
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(fields, ["model", "model.rows"]);
    let wrong = found(
        properties,
        json!({"code": {"value": "x", "orid": "8"}}),
        false,
    );
    let fields: Vec<_> = wrong.into_iter().map(|it| it.0).collect();
    assert_eq!(fields, ["model.code.orid"]);
}

#[test]
fn a_violation_is_found_in_the_alternative_that_the_class_has() {
    let class = json!({"type": "object", "required": ["g"], "properties": {
        "t": {"type": "string"}, "g": {"oneOf": [{"$ref": "#/$defs/g"}, {"type": "null"}]},
    }});
    let group = json!({"type": "object", "required": ["b"], "properties": {"b": {"anyOf": [{"maxLength": 2, "type": "string"}, {"type": "null"}]}}});
    for root in [
        json!({"type": "object", "oneOf": [{"$ref": "#/$defs/m"}]}),
        json!({"properties": {"melding": {"$ref": "#/$defs/m"}}}),
        json!({"info": {"rootNode": "#/$defs/m"}}),
    ] {
        let mut document = root;
        document["$defs"] = json!({"m": class, "g": group});
        let schema = compile(document).unwrap();
        let draft = map(json!({"t": 5, "g": {"b": "hemmelig"}, "x": 1}));
        let told: Vec<_> = schema
            .violations(&draft, true)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "model.x: B's schema has no such field, B would drop it silently",
                "model.t: value is not of type \"string\"",
                "model.g.b: value is longer than 2 characters",
            ]
        );
    }
}

#[test]
fn a_whole_number_loses_its_fraction_of_zero_and_no_other_number_does() {
    let schema = compile(json!({"properties": {
        "whole": {"$ref": "#/$defs/whole"}, "list": {"type": "array", "items": {"type": "integer"}},
        "amount": {"type": "number"}, "any": {},
    }, "$defs": {"whole": {"type": "integer"}}}))
    .unwrap();
    let model =
        r#"{"whole":3.00,"list":[1e3,-2.0,18446744073709551616.0],"amount":100.00,"any":3.0}"#;
    let ordered = schema.ordered(serde_json::from_str(model).unwrap());
    assert_eq!(
        serde_json::to_string(&ordered).unwrap(),
        r#"{"whole":3,"list":[1000,-2,18446744073709551616],"amount":100.00,"any":3.0}"#
    );
}

#[test]
fn an_allowed_value_may_be_written_in_any_way() {
    let schema = number_schema(r#""enum": [1.5, 100]"#);
    for number in ["1.5", "1.50", "15e-1", "100", "100.00", "1E+2"] {
        assert_eq!(schema.violations(&form(number), true), [], "{number}");
    }
    for number in ["1.5000000000000000000000001", "100.01"] {
        assert_eq!(schema.violations(&form(number), true).len(), 1, "{number}");
    }
}

prop_compose! {
    fn any_decimal()(mantissa in any::<i128>(), shift in 32..127_u32, scale in 0..=28_u32) -> Decimal {
        Decimal::from_i128_with_scale(mantissa >> shift, scale)
    }
}

/// A number and another one that is near it or far away.
fn two_decimals() -> impl Strategy<Value = (Decimal, Decimal)> {
    let near = (any_decimal(), -1..=1_i128).prop_map(|(one, step)| {
        let other = Decimal::try_from_i128_with_scale(one.mantissa() + step, one.scale());
        (one, other.unwrap_or(one))
    });
    let whole = any_decimal().prop_map(|one| (one, one.ceil()));
    prop_oneof![near, whole, (any_decimal(), any_decimal())]
}

proptest! {
    #[test]
    fn limits_are_compared_exactly((number, limit) in two_decimals()) {
        for (keyword, holds) in [
            ("minimum", number >= limit),
            ("maximum", number <= limit),
            ("exclusiveMinimum", number > limit),
            ("exclusiveMaximum", number < limit),
            ("const", number == limit),
        ] {
            let schema = number_schema(&format!(r#""type": "number", "{keyword}": {limit}"#));
            let found = schema.violations(&form(&number.to_string()), true);
            prop_assert_eq!(found.is_empty(), holds, "{} {}", keyword, number);
        }
    }

    #[test]
    fn multiples_are_compared_exactly(
        factor in 1..=u64::MAX, step in 2..1_000_000_000_u64, scale in 0..=28_u32, extra in 0..2_u64, written in 0..=28_u32
    ) {
        let mantissa = i128::from(factor) * i128::from(step) + i128::from(extra);
        let number = Decimal::from_i128_with_scale(mantissa, scale);
        let mut step = Decimal::from_i128_with_scale(step.into(), scale);
        step.rescale(written.max(scale));
        let schema = number_schema(&format!(r#""type": "number", "multipleOf": {step}"#));
        let found = schema.violations(&form(&number.to_string()), true);
        prop_assert_eq!(found.is_empty(), extra == 0, "{} {}", number, step);
    }
}

#[test]
fn a_limit_of_draft_4_may_be_excluded() {
    for (keywords, held, refused) in [
        (r#""minimum": 1, "exclusiveMinimum": true"#, "1.1", "1.0"),
        (r#""minimum": 1, "exclusiveMinimum": false"#, "1.0", "0.9"),
        (r#""maximum": 1, "exclusiveMaximum": true"#, "0.9", "1.0"),
        (r#""maximum": 1, "exclusiveMaximum": false"#, "1.0", "1.1"),
    ] {
        let document = format!(
            r#"{{"$schema": "http://json-schema.org/draft-04/schema#", "properties": {{"n": {{{keywords}}}}}}}"#
        );
        let schema = compile(serde_json::from_str(&document).unwrap()).unwrap();
        assert_eq!(schema.violations(&form(held), true), [], "{keywords}");
        assert_eq!(
            schema.violations(&form(refused), true).len(),
            1,
            "{keywords}"
        );
    }
}

#[test]
fn a_number_that_is_no_multiple_is_a_violation_without_its_value() {
    for (step, number, wrong) in [
        ("2", "1125899916924484.1", true),
        ("0.01", "12345678901234567.891", true),
        ("0.01", "12345678901234567.89", false),
        ("1e-30", "1", false),
        ("7", "1e300", true),
    ] {
        let schema = number_schema(&format!(r#""multipleOf": {step}"#));
        let expected = Violation {
            field: "model.n".to_owned(),
            problem: format!("value is not a multiple of {step}"),
        };
        let found = schema.violations(&form(number), true);
        assert_eq!(found, Vec::from_iter(wrong.then_some(expected)), "{number}");
    }
}

#[test]
fn a_schema_that_refers_to_itself_terminates() {
    let cyclic = compile(
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}),
    );
    if let Ok(schema) = cyclic {
        assert_eq!(schema.ordered(map(json!({"x": 1}))), map(json!({"x": 1})));
    }
}

#[test]
fn a_remote_reference_is_refused_and_nothing_is_fetched() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let remote = json!({"$ref": format!("http://{address}/schema.json")});
    assert!(compile(remote).is_err());
    assert!(listener.accept().is_err(), "nothing may be fetched");
}
