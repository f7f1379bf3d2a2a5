use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use local_world::deployment::sample_apps;

/// The form schemas of all sample apps.
fn samples() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut folders = vec![sample_apps()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(data_type) = name.strip_suffix(".schema.json") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((data_type.to_owned(), serde_json::from_str(&text).unwrap()));
            }
        }
    }
    assert!(found.len() >= 2, "the sample apps have forms");
    found
}

/// What a browser sends for a form as it is shown: each control by its name.
fn sent(shown: &minijinja::Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for field in shown.try_iter().unwrap() {
        let of = |name: &str| field.get_attr(name).unwrap();
        let name = of("name").to_string();
        match of("kind").as_str().unwrap() {
            "group" => pairs.extend(sent(&of("fields"))),
            "rows" => {
                pairs.push((format!("{name}.rows"), of("count").to_string()));
                pairs.extend(sent(&of("rows")));
            }
            "boolean" if of("ticked").is_true() => pairs.push((name, "true".to_owned())),
            "boolean" => {}
            // As browsers do.
            _ => pairs.push((name, of("value").to_string().replace('\n', "\r\n"))),
        }
    }
    pairs
}

/// Values as a user could enter them: an absent one is a field that is left empty.
fn value(field: &Field) -> BoxedStrategy<Option<Value>> {
    let present = match &field.kind {
        Kind::Group(fields) => {
            let required = field.required;
            return group(fields)
                .prop_map(move |group| {
                    let is_empty = group.as_object().is_none_or(serde_json::Map::is_empty);
                    (required || !is_empty).then_some(group)
                })
                .boxed();
        }
        Kind::Rows { item, least, .. } => {
            let item = value(item).prop_map(|it| it.unwrap_or_else(|| json!("")));
            let least = *least;
            return proptest::collection::vec(item, least..least + 3)
                .prop_map(|rows| (!rows.is_empty()).then_some(Value::Array(rows)))
                .boxed();
        }
        Kind::Choice(choices) => {
            let values: Vec<Value> = choices.iter().map(|(value, _)| value.clone()).collect();
            proptest::sample::select(values).boxed()
        }
        Kind::Boolean => {
            return if field.required {
                any::<bool>().prop_map(|it| Some(json!(it))).boxed()
            } else {
                any::<bool>()
                    .prop_map(|it| it.then_some(json!(true)))
                    .boxed()
            };
        }
        Kind::Integer => any::<i64>().prop_map(|it| json!(it)).boxed(),
        Kind::Number => prop_oneof![
            any::<i64>().prop_map(|it| json!(it)),
            (-1_000_000i32..1_000_000).prop_map(|it| json!(f64::from(it) / 8.0 + 0.0625)),
        ]
        .boxed(),
        Kind::Date => "[12][0-9]{3}-[01][0-9]-[0-3][0-9]"
            .prop_map(Value::from)
            .boxed(),
        Kind::Text { .. } => "[\\PC\n]{0,30}[^\\s\\pC][\\PC\n]{0,10}"
            .prop_map(Value::from)
            .boxed(),
    };
    proptest::option::of(present).boxed()
}

fn group(fields: &[Field]) -> BoxedStrategy<Value> {
    let values: Vec<_> = fields
        .iter()
        .map(|field| {
            let name = field.name.clone();
            value(field).prop_map(move |value| (name.clone(), value))
        })
        .collect();
    values
        .prop_map(|values| {
            let present = values
                .into_iter()
                .filter_map(|(name, it)| Some((name, it?)));
            Value::Object(present.collect())
        })
        .boxed()
}

fn any_sample_form() -> impl Strategy<Value = (Vec<Field>, String, Value)> {
    proptest::sample::select(samples()).prop_flat_map(|(data_type, schema)| {
        let fields = fields(&schema);
        let form = group(&fields);
        (Just(fields), Just(data_type), form)
    })
}

proptest! {
    #[test]
    fn what_a_form_shows_comes_back_as_it_was((fields, data_type, form) in any_sample_form()) {
        let shown = show(&fields, &data_type, &form, &[]);
        let filled = Filled::new(sent(&shown));
        prop_assert_eq!(read(&fields, &data_type, &filled, None), form);
    }

    #[test]
    fn whatever_is_sent_becomes_some_form(pairs in proptest::collection::vec((".{0,40}", ".{0,20}"), 0..20)) {
        for (data_type, schema) in samples() {
            let fields = fields(&schema);
            let filled = Filled::new(pairs.clone());
            prop_assert!(read(&fields, &data_type, &filled, None).is_object());
        }
    }
}

const SCHEMA: &str = r##"{
    "type": "object", "required": ["who", "parts"],
    "properties": {
        "who": { "$ref": "#/$defs/who" },
        "parts": { "type": "array", "title": "Part", "minItems": 1, "maxItems": 2,
            "items": { "type": "object", "required": ["code"], "properties": {
                "code": { "type": "string", "title": "Code", "maxLength": 3 },
                "size": { "type": "number", "title": "Size", "minimum": 0 } } } },
        "colour": { "enum": ["red", "blue"], "title": "Colour" }
    },
    "$defs": { "who": { "type": "object", "title": "Who", "required": ["name"], "properties": {
        "name": { "type": "string", "title": "Name" },
        "self": { "$ref": "#/$defs/who" } } } }
}"##;

fn schema() -> (Vec<Field>, Validator) {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    (fields(&schema), jsonschema::validator_for(&schema).unwrap())
}

fn filled(pairs: &[(&str, &str)]) -> Filled {
    Filled::new(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

#[test]
fn a_schema_that_contains_itself_has_an_end() {
    let (fields, _) = schema();
    assert!(format!("{fields:?}").len() < 20_000);
}

#[test]
fn rows_are_added_and_taken_away_where_the_button_stands() {
    let (fields, _) = schema();
    let pairs = [
        ("m.parts.rows", "2"),
        ("m.parts[0].code", "a"),
        ("m.parts[1].code", "b"),
    ];
    let parts = |button: &str| {
        let change = RowChange::read(button);
        read(&fields, "m", &filled(&pairs), change.as_ref())["parts"].clone()
    };
    assert_eq!(
        parts("add m.parts"),
        json!([{ "code": "a" }, { "code": "b" }, {}])
    );
    assert_eq!(parts("remove m.parts 0"), json!([{ "code": "b" }]));
    assert_eq!(parts("remove m.parts 7"), parts("submit"));
    assert_eq!(parts("add elsewhere"), parts("submit"));
}

#[test]
fn a_million_rows_are_not_shown() {
    let (fields, _) = schema();
    let form = read(&fields, "m", &filled(&[("m.parts.rows", "1000000")]), None);
    assert!(form["parts"].as_array().unwrap().len() <= 200);
}

#[test]
fn what_is_wrong_is_said_at_the_field_that_mends_it() {
    let (fields, validator) = schema();
    let pairs = [
        ("m.parts.rows", "1"),
        ("m.parts[0].code", "abcd"),
        ("m.parts[0].size", "big"),
        ("m.colour", "green"),
    ];
    let form = read(&fields, "m", &filled(&pairs), None);
    let mut found: Vec<_> = violations(&validator, &fields, "m", &form)
        .into_iter()
        .map(|it| {
            (
                it.place.clone(),
                it.entry().get_attr("key").unwrap().to_string(),
            )
        })
        .collect();
    found.sort();
    let expected = [
        ("m.colour", "wrong-choice"),
        ("m.parts[0].code", "wrong-longer"),
        ("m.parts[0].size", "wrong-type"),
        ("m.who.name", "wrong-required"),
    ];
    assert_eq!(
        found,
        expected.map(|(place, key)| (place.to_owned(), key.to_owned()))
    );
    // Typed text is shown again as it was.
    let shown = show(&fields, "m", &form, &[]);
    assert!(sent(&shown).contains(&("m.parts[0].size".to_owned(), "big".to_owned())));
}

#[test]
fn a_schema_that_contains_itself_many_times_over_has_an_end_soon() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let properties: serde_json::Map<_, _> = names
        .map(|name| (name.to_owned(), json!({ "$ref": "#" })))
        .into_iter()
        .collect();
    let fields = fields(&json!({ "type": "object", "properties": properties }));
    assert!(count(&fields) <= 5_000);
}

fn count(fields: &[Field]) -> usize {
    let within = |field: &Field| match &field.kind {
        Kind::Group(fields) => count(fields),
        _ => 0,
    };
    fields.iter().map(|field| 1 + within(field)).sum()
}
