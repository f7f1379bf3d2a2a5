//! What the core writes for a draft that passes its check is read here with every leaf and the same value.

use jiff::{Timestamp, civil::DateTime};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use stafett_core::{schema::Schema, xml};

use super::Model;

mod xsd;

/// A field of a random model: its schema, and the values that a draft may give it.
#[derive(Debug, Clone)]
enum Field {
    Single(Value, BoxedStrategy<Value>),
    Group(Group),
    Rows(Group),
    Values(Value, BoxedStrategy<Value>),
    /// An element with text content and attributes.
    Content(Value, BoxedStrategy<Value>, bool),
}

#[derive(Debug, Clone)]
struct Group {
    fields: Vec<(String, Field)>,
    /// Attributes, the second one fixed.
    attributes: usize,
}

fn text() -> BoxedStrategy<Value> {
    prop_oneof![
        "[ -~æøåÆØÅ\t\n\r]{0,12}",
        Just("]]> & <b> \"'".to_owned()),
        any::<String>(),
    ]
    .prop_map(Value::from)
    .boxed()
}

fn number(pattern: &str) -> BoxedStrategy<Value> {
    let number = proptest::string::string_regex(pattern).expect("a pattern");
    (number, any::<bool>())
        .prop_filter_map("a number", |(text, quoted)| match quoted {
            true => Some(Value::from(text)),
            false => serde_json::from_str(&text).ok(),
        })
        .boxed()
}

fn whole() -> BoxedStrategy<Value> {
    number(r"-?(0|[1-9][0-9]{0,20})(\.0)?")
}

fn single() -> impl Strategy<Value = (Value, BoxedStrategy<Value>)> {
    let date = "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]";
    let moment =
        format!("{date}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{{1,8}})?(Z|[+-]0[0-9]:00)?");
    let texts = |pattern: &str| {
        let pattern = proptest::string::string_regex(pattern).expect("a pattern");
        pattern.prop_map(Value::from).boxed()
    };
    let dates = prop_oneof![texts(date), text()].boxed();
    let moments = prop_oneof![
        texts(&moment),
        texts(date),
        texts("[0-2][0-9]:00:00"),
        texts("20[0-9]{2}(-0[1-9])?"),
        text()
    ];
    let flags = prop::sample::select(vec![
        json!(true),
        json!(false),
        json!(1),
        json!(0),
        json!("true"),
        json!("0"),
        json!("ja"),
        json!(2),
    ]);
    let codes = prop::sample::select(vec![
        json!("A"),
        json!("b c"),
        json!("Æ"),
        json!("C"),
        json!(""),
    ]);
    let decimals = number(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,12})?");
    let doubles = number(r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?");
    prop::sample::select(vec![
        (json!({"type": "string"}), text()),
        (json!({"type": ["string", "null"], "maxLength": 8}), text()),
        (json!({"type": "string", "format": "date"}), dates),
        (
            json!({"type": "string", "format": "date-time"}),
            moments.boxed(),
        ),
        (json!({"type": "integer", "@xsdType": "short"}), whole()),
        (json!({"type": "integer", "@xsdType": "int"}), whole()),
        (json!({"type": "integer", "@xsdType": "long"}), whole()),
        (
            json!({"type": "integer", "@xsdType": "positiveInteger"}),
            whole(),
        ),
        (json!({"type": "number"}), decimals.clone()),
        (json!({"type": "number", "minimum": 0}), decimals),
        (json!({"type": "number", "@xsdType": "double"}), doubles),
        (json!({"type": "boolean"}), flags.boxed()),
        (json!({"enum": ["A", "b c", "Æ"]}), codes.boxed()),
    ])
}

fn group(depth: u32) -> BoxedStrategy<Group> {
    (prop::collection::vec(field(depth), 1..5), 0..3_usize)
        .prop_map(|(fields, attributes)| {
            let names = (0..).map(|index| format!("{}{index}", ["felt", "Æ-", "_x"][index % 3]));
            Group {
                fields: names.zip(fields).collect(),
                attributes,
            }
        })
        .boxed()
}

fn field(depth: u32) -> BoxedStrategy<Field> {
    let leaf = prop_oneof![
        4 => single().prop_map(|(schema, values)| Field::Single(schema, values)),
        1 => single().prop_map(|(schema, values)| Field::Values(schema, values)),
        1 => (single(), any::<bool>()).prop_map(|((schema, values), old)| Field::Content(schema, values, old)),
    ];
    match depth.checked_sub(1) {
        None => leaf.boxed(),
        Some(deeper) => prop_oneof![
            3 => leaf,
            1 => group(deeper).prop_map(Field::Group),
            1 => group(deeper).prop_map(Field::Rows),
        ]
        .boxed(),
    }
}

impl Group {
    /// The schema; `old` is how older schemas mark attributes.
    fn schema(&self, old: bool) -> Value {
        let mut properties = Map::new();
        for (index, name) in ["orid", "merke"].iter().enumerate().take(self.attributes) {
            let mut attribute = match old {
                true => json!({"type": "string", "@xsdType": "XmlAttribute"}),
                false => json!({"type": "string", "@xsdAttribute": true}),
            };
            if index == 0 {
                attribute["const"] = json!("19022");
            }
            properties.insert((*name).to_owned(), attribute);
        }
        for (name, field) in &self.fields {
            properties.insert(name.clone(), field.schema(old));
        }
        json!({"type": "object", "properties": properties, "required": [self.fields[0].0]})
    }

    /// A draft, with its fields in any order and some left out.
    fn draft(&self) -> BoxedStrategy<Value> {
        let attribute = prop::option::of(prop_oneof![Just(json!("19022")), text()]);
        let attributes = prop::collection::vec(attribute, self.attributes);
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, field)| {
                let value = prop_oneof![1 => Just(Value::Null), 6 => field.draft()];
                (Just(name.clone()), value)
            })
            .collect();
        (attributes, fields)
            .prop_map(|(attributes, fields)| {
                let attributes = ["orid", "merke"].into_iter().zip(attributes);
                let attributes =
                    attributes.filter_map(|(name, value)| Some((name.to_owned(), value?)));
                fields.into_iter().chain(attributes).collect::<Vec<_>>()
            })
            .prop_shuffle()
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
            .boxed()
    }
}

impl Field {
    fn schema(&self, old: bool) -> Value {
        match self {
            Self::Single(schema, _) => schema.clone(),
            Self::Group(group) => match old {
                true => json!({"oneOf": [group.schema(old)]}),
                false => group.schema(old),
            },
            Self::Rows(group) => json!({"type": "array", "items": group.schema(old)}),
            Self::Values(schema, _) => json!({"type": "array", "items": schema}),
            Self::Content(schema, _, _) => {
                let mut value = schema.clone();
                value["@xsdText"] = json!(true);
                let orid = json!({"type": "string", "@xsdType": "XmlAttribute", "const": "7"});
                json!({"type": "object", "@xsdType": "XmlSimpleContentExtension", "properties": {"value": value, "orid": orid}})
            }
        }
    }

    fn draft(&self) -> BoxedStrategy<Value> {
        match self {
            Self::Single(_, values) => values.clone(),
            Self::Values(_, values) => prop::collection::vec(values.clone(), 0..3)
                .prop_map(Value::from)
                .boxed(),
            Self::Group(group) => group.draft(),
            Self::Rows(group) => prop::collection::vec(group.draft(), 0..3)
                .prop_map(Value::from)
                .boxed(),
            Self::Content(_, values, sends) => {
                let sends = *sends;
                values
                    .clone()
                    .prop_map(move |value| match sends {
                        true => json!({"orid": "7", "value": value}),
                        false => json!({"value": value}),
                    })
                    .boxed()
            }
        }
    }
}

/// The schema in one of its forms.
fn document(class: Value, form: u8) -> Value {
    match form {
        0 => class,
        1 => json!({"oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
        2 => {
            json!({"info": {"rootNode": "#/definitions/Skjema"}, "properties": {"Skjema": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}})
        }
        _ => {
            json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}})
        }
    }
}

/// The draft without the fields that the check refuses, and its XML.
fn sendable(
    schema: &Schema,
    mut draft: Map<String, Value>,
) -> Option<(Map<String, Value>, String)> {
    for _ in 0..100 {
        let found = schema.violations(&draft, false);
        let refused = match (
            found.first(),
            xml::write("melding", Some(schema), &schema.ordered(draft.clone())),
        ) {
            (Some(violation), _) => violation.field.clone(),
            (None, Err(error)) => error.field().to_owned(),
            (None, Ok(sent)) => return Some((draft, sent)),
        };
        let path = refused
            .strip_prefix("model.")?
            .replace(['.', '['], "/")
            .replace(']', "");
        let mut whole = Value::Object(draft);
        *whole.pointer_mut(&format!("/{path}"))? = Value::Null;
        let Value::Object(left) = whole else {
            return None;
        };
        draft = left;
    }
    None
}

/// What the draft says, and the reader must have: `sent` with only what is not empty.
fn assert_kept(sent: &Value, read: &Value, path: &str) -> Result<(), TestCaseError> {
    match (sent, read) {
        (Value::Null, _) => {}
        (Value::Object(sent), Value::Object(read)) => {
            for (name, value) in sent {
                assert_kept(value, &read[name], &format!("{path}.{name}"))?;
            }
        }
        // An element whose text is empty is left out, with the attribute that B's class sets.
        (Value::Object(sent), Value::Null) => {
            let empty = |value: &Value| value.is_null() || value == "";
            let is_empty = sent
                .iter()
                .all(|(name, value)| name == "orid" || empty(value));
            prop_assert!(is_empty, "{}", path);
        }
        (Value::Array(sent), Value::Array(read)) => {
            let sent: Vec<_> = sent.iter().filter(|item| !item.is_null()).collect();
            prop_assert_eq!(sent.len(), read.len(), "{}", path);
            for (sent, read) in sent.into_iter().zip(read) {
                assert_kept(sent, read, path)?;
            }
        }
        // Nothing and no text are the same as the content of an element.
        (Value::String(text), Value::Null) => {
            prop_assert!(text.is_empty() && path.ends_with(".value"), "{}", path)
        }
        (Value::String(sent), Value::String(read)) if sent == read => {}
        (sent, read) => {
            let text = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let (sent, read) = (text(sent), text(read));
            let number = |text: &str| {
                let text = text.trim().trim_start_matches('+');
                text.parse()
                    .ok()
                    .map(|number| stafett_core::number::normalized(&number))
            };
            let moment = |text: &str| match text.parse::<Timestamp>() {
                Ok(instant) => Some(instant.to_string()),
                Err(_) => text.parse::<DateTime>().ok().map(|it| it.to_string()),
            };
            let flag = |text: &str| match text {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            };
            let same = number(&sent).is_some() && number(&sent) == number(&read)
                || moment(&sent).is_some() && moment(&sent) == moment(&read)
                || flag(&sent).is_some() && flag(&sent) == flag(&read);
            prop_assert!(same, "{}: {} became {}", path, sent, read);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 200_000, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_draft_that_passes_the_check_arrives_with_every_leaf(
        (schema, draft) in (group(2), any::<bool>(), 0..4_u8).prop_flat_map(|(group, old, form)| {
            (Just(document(group.schema(old), form)), group.draft())
        })
    ) {
        let Value::Object(draft) = draft else { unreachable!() };
        let checked = Schema::compile(schema.clone(), "model.schema.json").unwrap();
        let Some((draft, sent)) = sendable(&checked, draft) else {
            return Err(TestCaseError::reject("nothing is left"));
        };
        let model = Model::compile("melding", schema).unwrap();
        let read = model.read_xml(sent.as_bytes());
        prop_assert!(read.is_ok(), "{}", sent);
        let read = model.to_json(&read.unwrap(), false);
        assert_kept(&Value::Object(draft), &read, "model")?;
    }
}
