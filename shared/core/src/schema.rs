//! B's JSON schema, which validates the draft and gives the order of its elements.

mod keywords;
pub mod limits;
mod rooted;
pub mod shape;

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    path::Path,
};

use jsonschema::{ReferencingError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::number;
pub use rooted::rooted;

/// A compiled JSON schema of a form.
pub struct Schema {
    document: Value,
    digest: String,
    validator: Validator,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// There is no such file.
    #[error("cannot read the schema {file}: {problem}")]
    NotFound {
        /// The file.
        file: String,
        /// What the operating system says.
        problem: String,
    },
    /// The file cannot be read.
    #[error("cannot read the schema {file}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// The schema refers to another document. Nothing is ever fetched.
    #[error("{file} refers to {reference}, which is another document")]
    Remote {
        /// The file.
        file: String,
        /// The other document.
        reference: String,
    },
    /// The file is not JSON, or not a JSON schema that is complete in one file.
    #[error("{file} is not a JSON schema that stands for itself: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
}

/// A draft that B's schema does not allow. Names the field and the rule, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct Violation {
    /// The field, as a dotted path.
    pub field: String,
    /// Which rule it breaks.
    pub problem: String,
}

/// The type of a field's value, as far as a schema gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// A text.
    Text,
    /// A date, which is a string in Altinn's classes.
    Date,
    /// A date and time.
    DateTime,
    /// A number, which is a `decimal` in Altinn's classes.
    Number,
    /// A number that is a `double` in the class: `"@xsdType": "double"`.
    Double,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// The schema does not give a single type.
    Unknown,
}

impl FieldType {
    /// Why a field of this type does not hold a number exactly. `digits` is the number in plain notation, or `None` if it is
    /// beyond the range of a double.
    pub(crate) fn rounds(self, digits: Option<&str>) -> Option<&'static str> {
        match self {
            Self::Number | Self::Integer if digits.and_then(number::decimal).is_none() => Some(
                "has more digits than .NET's decimal holds (28, or 29 up to 79228162514264337593543950335): B would round or \
                 refuse the number",
            ),
            Self::Double if !digits.is_some_and(number::is_double) => Some(
                "has more digits than .NET's double holds (15, or up to 17): B would round or refuse the number",
            ),
            _ => None,
        }
    }
}

impl Schema {
    /// The type of the field at this path.
    #[must_use]
    pub fn field_type(&self, path: &[&str]) -> FieldType {
        let mut schema = &self.document;
        for name in path {
            let properties = self.properties(schema);
            let Some((_, found)) = properties.into_iter().find(|(known, _)| known == name) else {
                return FieldType::Unknown;
            };
            schema = found;
        }
        self.value_type(schema)
    }

    /// The type of a value with this schema.
    fn value_type(&self, schema: &Value) -> FieldType {
        let (mut types, mut format, mut is_double) = (HashSet::new(), None, false);
        self.subschemas(schema, &mut |part| {
            match part.get("type") {
                Some(Value::String(one)) => drop(types.insert(one.as_str())),
                Some(Value::Array(several)) => {
                    types.extend(several.iter().filter_map(Value::as_str));
                }
                // In schemas made from an XSD an `enum` has no `type`.
                _ => {
                    let listed = part.get("enum").and_then(Value::as_array);
                    if listed.is_some_and(|values| values.iter().all(Value::is_string)) {
                        types.insert("string");
                    }
                }
            }
            format = format.or_else(|| part.get("format").and_then(Value::as_str));
            is_double |= part.get("@xsdType").and_then(Value::as_str) == Some("double");
        });
        types.remove("null");
        let mut types = types.into_iter();
        match (types.next(), types.next(), format) {
            (Some("string"), None, Some("date")) => FieldType::Date,
            (Some("string"), None, Some("date-time")) => FieldType::DateTime,
            (Some("string"), None, _) => FieldType::Text,
            (Some("number"), None, _) if is_double => FieldType::Double,
            (Some("number"), None, _) => FieldType::Number,
            (Some("integer"), None, _) => FieldType::Integer,
            (Some("boolean"), None, _) => FieldType::Boolean,
            _ => FieldType::Unknown,
        }
    }

    /// Reads and compiles a schema. Only references within the document are resolved; nothing is fetched.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        let file = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| {
            let (file, problem) = (file.clone(), error.to_string());
            match error.kind() {
                io::ErrorKind::NotFound => SchemaError::NotFound { file, problem },
                _ => SchemaError::Unreadable { file, problem },
            }
        })?;
        // The files of apps often begin with a byte order mark.
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
        match serde_json::from_slice(text) {
            Ok(document) => Self::compile(document, file),
            Err(error) => Err(SchemaError::Invalid {
                file,
                problem: error.to_string(),
            }),
        }
    }

    /// Compiles a schema. Only references within the document are resolved; nothing is fetched. `file` is what errors call it.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn compile(document: Value, file: String) -> Result<Self, SchemaError> {
        let built = keywords::KEYWORDS
            .into_iter()
            .fold(jsonschema::options(), |options, (keyword, factory)| {
                options.with_keyword(keyword, factory)
            })
            .build(&document);
        let validator = built.map_err(|error| match error.kind() {
            ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) => {
                SchemaError::Remote {
                    file,
                    reference: uri.clone(),
                }
            }
            _ => SchemaError::Invalid {
                file,
                problem: error.to_string(),
            },
        })?;
        Ok(Self {
            digest: digest(&document),
            document,
            validator,
        })
    }

    /// The JSON of the schema.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What tells this schema from others: the first twelve hex digits of the SHA-256 of its JSON without white space.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Everything in `model` that the schema does not allow. That includes what B would drop or round silently: unknown fields,
    /// and digits of a number that its type does not hold.
    #[must_use]
    pub fn violations(&self, model: &Map<String, Value>) -> Vec<Violation> {
        let value = Value::Object(model.clone());
        let mut found: Vec<Violation> = self
            .validator
            .iter_errors(&value)
            .map(|error| Violation {
                field: dotted(error.instance_path().as_str()),
                problem: error.masked().to_string(),
            })
            .collect();
        self.losses(&value, &self.document, "model", &mut found);
        found
    }

    /// `model` as B reads it: with the fields of every group in the schema's order, and whole numbers without a fraction of
    /// zero. To a JSON schema `3.0` is an integer; to .NET it is not.
    #[must_use]
    pub fn ordered(&self, model: Map<String, Value>) -> Map<String, Value> {
        match self.order(Value::Object(model), &self.document) {
            Value::Object(model) => model,
            _ => Map::new(),
        }
    }

    fn order(&self, value: Value, schema: &Value) -> Value {
        match value {
            Value::Object(mut fields) => {
                let mut ordered = Map::new();
                for (name, schema) in self.properties(schema) {
                    if let Some(value) = fields.shift_remove(name) {
                        ordered.insert(name.to_owned(), self.order(value, schema));
                    }
                }
                ordered.extend(fields);
                ordered.into()
            }
            Value::Array(items) => {
                let schema = self.items(schema);
                items
                    .into_iter()
                    .map(|item| self.order(item, schema))
                    .collect()
            }
            Value::Number(given) if self.value_type(schema) == FieldType::Integer => {
                let whole = number::whole(&given).and_then(|text| text.parse().ok());
                Value::Number(whole.unwrap_or(given))
            }
            other => other,
        }
    }

    /// Adds what B would lose without an error: fields that the schema does not know, and digits of a number.
    fn losses(&self, value: &Value, schema: &Value, path: &str, found: &mut Vec<Violation>) {
        match value {
            Value::Object(fields) => {
                let properties = self.properties(schema);
                // A schema without `properties` allows any field.
                if properties.is_empty() {
                    return;
                }
                let properties: HashMap<&str, &Value> = properties.into_iter().collect();
                for (name, value) in fields {
                    let field = format!("{path}.{name}");
                    match properties.get(name.as_str()) {
                        Some(schema) => self.losses(value, schema, &field, found),
                        None => found.push(Violation {
                            field,
                            problem: "B's schema has no such field, B would drop it silently"
                                .into(),
                        }),
                    }
                }
            }
            Value::Array(items) => {
                let schema = self.items(schema);
                for (index, item) in items.iter().enumerate() {
                    self.losses(item, schema, &format!("{path}[{index}]"), found);
                }
            }
            Value::Number(number) => {
                let digits = number::plain(number);
                if let Some(problem) = self.value_type(schema).rounds(digits.as_deref()) {
                    found.push(Violation {
                        field: path.to_owned(),
                        problem: problem.to_owned(),
                    });
                }
            }
            _ => {}
        }
    }

    /// The fields of a schema in its order, including those from `$ref`, `allOf`, `anyOf` and `oneOf`.
    fn properties<'a>(&'a self, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let mut found: Vec<(&str, &Value)> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        self.subschemas(schema, &mut |part| {
            for (name, schema) in part
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if known.insert(name) {
                    found.push((name, schema));
                }
            }
        });
        found
    }

    /// The schema of a list's items.
    fn items<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut items = &Value::Null;
        self.subschemas(schema, &mut |part| {
            if let Some(found) = part.get("items") {
                items = found;
            }
        });
        items
    }

    /// Visits the schema and every schema that it refers to or combines, each once.
    fn subschemas<'a>(&'a self, schema: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
        let mut seen: Vec<&Value> = Vec::new();
        let mut due = vec![schema];
        while let Some(part) = due.pop() {
            if seen.iter().any(|known| std::ptr::eq(*known, part)) {
                continue;
            }
            seen.push(part);
            visit(part);
            for keyword in ["oneOf", "anyOf", "allOf"] {
                due.extend(
                    part.get(keyword)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .rev(),
                );
            }
            let target = part
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| reference.strip_prefix('#'))
                .and_then(|pointer| self.document.pointer(pointer));
            due.extend(target);
        }
    }
}

/// The first twelve hex digits of the SHA-256 of a document without white space.
fn digest(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string());
    let digits = digest.iter().take(6);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

/// Converts a JSON pointer to a dotted path, as used in the other messages.
fn dotted(pointer: &str) -> String {
    let mut path = String::from("model");
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{segment}]"));
        } else {
            path.push('.');
            path.push_str(segment);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use serde_json::json;

    use super::*;

    fn compile(document: Value) -> Result<Schema, SchemaError> {
        Schema::compile(document, "form.schema.json".to_owned())
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
        let found = schema().violations(&model);
        let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
        for field in ["model.title", "model.rows[0].code", "model.titel"] {
            assert!(fields.contains(&field), "{field} in {found:?}");
        }
        assert!(
            found.iter().all(|v| !v.to_string().contains("hemmelig")),
            "{found:?}"
        );
        assert_eq!(schema().violations(&map(json!({"title": "ok"}))), []);
    }

    #[test]
    fn the_type_of_a_field_is_found_through_references_and_combined_schemas() {
        let schema = compile(json!({
            "allOf": [{"$ref": "#/$defs/Form"}],
            "$defs": {
                "Form": {"properties": {
                    "group": {"$ref": "#/$defs/Group"}, "several": {"type": ["string", "number"]}, "any": {},
                }},
                "Group": {"properties": {
                    "text": {"type": ["string", "null"]}, "date": {"type": "string", "format": "date"}, "moment": {"$ref": "#/$defs/Moment"},
                    "number": {"type": "number"}, "whole": {"type": "integer"}, "flag": {"type": "boolean"}, "code": {"enum": ["A", "B"]},
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
            ("gone", FieldType::Unknown),
        ] {
            assert_eq!(schema.field_type(&["group", name]), expected, "{name}");
        }
        for unknown in ["several", "any", "group"] {
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
                assert_eq!(schema.violations(&form(number)), [], "{number}");
            }
            for number in rounded {
                let found = schema.violations(&form(number));
                let [only] = &found[..] else {
                    unreachable!("{number}: {found:?}")
                };
                assert_eq!(only.field, "model.n", "{number}");
                assert!(only.problem.contains("digits than .NET's"), "{found:?}");
                assert!(!only.problem.contains(number), "{found:?}");
            }
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
            assert_eq!(schema.violations(&form(number)), [], "{number}");
        }
        for number in ["1.5000000000000000000000001", "100.01"] {
            assert_eq!(schema.violations(&form(number)).len(), 1, "{number}");
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
                let found = schema.violations(&form(&number.to_string()));
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
            let found = schema.violations(&form(&number.to_string()));
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
            assert_eq!(schema.violations(&form(held)), [], "{keywords}");
            assert_eq!(schema.violations(&form(refused)).len(), 1, "{keywords}");
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
            let found = schema.violations(&form(number));
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
}
