//! Form data as an app's generated .NET class holds it: typed, ordered, with explicit nulls.

mod class;
mod path;
mod xml;

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use class::SchemaError;
use class::{Classes, Kind};

/// The attribute (XML) and property (JSON) that identifies a row of a repeating group while its task is open.
const ROW_ID: &str = "altinnRowId";

/// A form data model: the class that Altinn Studio would generate from a JSON schema.
pub(crate) struct Model {
    root: String,
    /// Whether no file of the app tells the root element: any is read then, and `root` is a guess.
    is_root_open: bool,
    classes: Classes,
    schema: Value,
    validator: jsonschema::Validator,
}

/// One value of a model: a JSON object with every property of its class, in class order, absent ones as null.
#[derive(Clone, PartialEq)]
pub(crate) struct Form(Map<String, Value>);

/// Why a document is not a form of this model. Names places, never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FormError {
    #[error("not well-formed: {0}")]
    Malformed(String),
    #[error("{place}: {problem}")]
    Value {
        place: String,
        problem: &'static str,
    },
}

impl Model {
    /// Compiles a JSON schema as Altinn Studio makes them.
    pub(crate) fn compile(root: &str, schema: Value) -> Result<Self, SchemaError> {
        let classes = Classes::of(&schema)?;
        let validator = jsonschema::validator_for(&schema)
            .map_err(|error| SchemaError::Invalid(error.to_string()))?;
        Ok(Self {
            root: root.to_owned(),
            is_root_open: false,
            classes,
            schema,
            validator,
        })
    }

    /// The same model, of an app of which no file tells the XML root element: what an app publishes of itself does not.
    pub(crate) fn with_open_root(self) -> Self {
        Self {
            is_root_open: true,
            ..self
        }
    }

    pub(crate) fn schema(&self) -> &Value {
        &self.schema
    }

    /// What `new Model()` holds.
    pub(crate) fn empty(&self) -> Form {
        Form(self.classes.empty(0))
    }

    /// Reads XML as .NET's XmlSerializer does for classes with explicit element order.
    pub(crate) fn read_xml(&self, document: &[u8]) -> Result<Form, FormError> {
        let root = (!self.is_root_open).then_some(&*self.root);
        xml::read(&self.classes, root, document).map(Form)
    }

    /// Writes XML as .NET's XmlSerializer does.
    pub(crate) fn to_xml(&self, form: &Form) -> Bytes {
        Bytes::from(xml::write(&self.classes, &self.root, &form.0))
    }

    /// Reads JSON as System.Text.Json does with web defaults: names in any case, unknown ones ignored.
    pub(crate) fn read_json(&self, document: &[u8]) -> Result<Form, FormError> {
        let value: Value = serde_json::from_slice(document).map_err(|error| {
            FormError::Malformed(format!(
                "JSON, line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        self.read_value(&value)
    }

    pub(crate) fn read_value(&self, value: &Value) -> Result<Form, FormError> {
        self.classes.read_object(0, value, "$").map(Form)
    }

    /// The form as the app answers it in JSON.
    pub(crate) fn to_json(&self, form: &Form, include_row_id: bool) -> Value {
        let mut value = Value::Object(form.0.clone());
        if !include_row_id {
            walk(&mut value, &mut |object| {
                object.shift_remove(ROW_ID);
            });
        }
        value
    }

    /// Gives every row of a repeating group an id, where it has none.
    pub(crate) fn add_row_ids(&self, form: &mut Form, mut new_id: impl FnMut() -> Uuid) {
        self.classes.each_row(0, &mut form.0, &mut |row| {
            if !row.contains_key(ROW_ID) {
                row.insert(ROW_ID.to_owned(), Value::String(new_id().to_string()));
            }
        });
    }

    /// Takes all row ids away, as happens when a task ends.
    pub(crate) fn remove_row_ids(&self, form: &mut Form) {
        self.classes.each_row(0, &mut form.0, &mut |row| {
            row.shift_remove(ROW_ID);
        });
    }

    /// Sets the property at a dotted path from text, as Altinn's prefill does.
    pub(crate) fn prefill(
        &self,
        form: &mut Form,
        path: &str,
        text: &str,
        overwrite: bool,
    ) -> Result<(), FormError> {
        path::prefill(&self.classes, 0, &mut form.0, path, text, overwrite)
    }

    /// The value at a dotted path as text; none where it is null, absent or not a single value.
    pub(crate) fn text_at(&self, form: &Form, path: &str) -> Option<String> {
        path::text_at(&form.0, path)
    }

    /// Empties the property at a dotted path.
    pub(crate) fn clear(&self, form: &mut Form, path: &str) {
        path::clear(&mut form.0, path);
    }

    /// What the schema finds wrong: the field (dotted path) and what is the matter with it.
    pub(crate) fn violations(&self, form: &Form) -> Vec<(String, String)> {
        let mut value = self.to_json(form, false);
        remove_absent(&mut value);
        self.validator
            .iter_errors(&value)
            .map(|error| {
                let field = error
                    .instance_path()
                    .to_string()
                    .trim_start_matches('/')
                    .replace('/', ".");
                (field, error.masked().to_string())
            })
            .collect()
    }
}

fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values_mut().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

fn remove_absent(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| {
                !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
            });
            object.values_mut().for_each(remove_absent);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_absent),
        _ => {}
    }
}

/// Makes a typed value from the text of XML or of a prefill, as .NET's `XmlConvert` does.
fn parse_text(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    let trimmed = text.trim();
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Boolean => match trimmed {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err("not a boolean"),
        },
        Kind::Integer => trimmed
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| "not an integer"),
        Kind::Number => {
            let digits = trimmed.trim_start_matches(['+', '-']);
            let plain = !digits.is_empty()
                && digits
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.');
            if let Ok(whole) = trimmed.parse::<i64>() {
                return Ok(Value::from(whole));
            }
            match trimmed.parse::<f64>() {
                Ok(number) if plain && number.is_finite() => Ok(Value::from(number)),
                _ => Err("not a decimal number"),
            }
        }
        Kind::Date => trimmed
            .parse::<jiff::civil::Date>()
            .map(|_| Value::from(trimmed))
            .map_err(|_| "not a date"),
        Kind::DateTime => {
            let valid = trimmed.parse::<jiff::Timestamp>().is_ok()
                || trimmed.parse::<jiff::civil::DateTime>().is_ok();
            if valid {
                Ok(Value::from(trimmed))
            } else {
                Err("not a date and time")
            }
        }
        Kind::Class(_) => Err("not a single value"),
    }
}

/// Makes a typed value from JSON; numbers may come as strings (web defaults of System.Text.Json).
fn parse_json(kind: &Kind, value: &Value) -> Result<Value, &'static str> {
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Text, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Number, Value::Number(_)) => Ok(value.clone()),
        (Kind::Integer, Value::Number(number)) if number.is_i64() => Ok(value.clone()),
        (Kind::Number | Kind::Integer | Kind::Date | Kind::DateTime, Value::String(text)) => {
            parse_text(kind, text)
        }
        _ => Err("has the wrong JSON type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model() -> Model {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": { "soknad": { "$ref": "#/$defs/soknad" } },
            "$defs": {
                "soknad": {
                    "type": "object", "required": ["tittel"],
                    "properties": {
                        "tittel": { "type": "string" }, "antall": { "type": "integer" }, "merknad": { "type": ["string", "null"] },
                        "frist": { "type": "string", "format": "date" },
                        "vedtak": { "type": "array", "items": { "$ref": "#/$defs/vedtak" } }, "ja": { "type": "boolean" },
                        "kort-navn": { "type": "string" }
                    }
                },
                "vedtak": { "type": "object", "properties": { "kode": { "type": "string" }, "areal": { "type": "number" } } }
            }
        });
        Model::compile("melding", schema).unwrap()
    }

    fn json_of(xml: &str) -> Value {
        let model = model();
        model.to_json(&model.read_xml(xml.as_bytes()).unwrap(), false)
    }

    fn xml_of(json: &Value) -> String {
        let model = model();
        String::from_utf8(model.to_xml(&model.read_value(json).unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn schemas_made_from_an_xsd_are_models_too() {
        let schema = json!({
            "type": "object",
            "oneOf": [{ "$ref": "#/$defs/Skjema" }],
            "$defs": {
                "Grunnlag": { "type": "object", "properties": { "id": { "const": 7 }, "navn": { "type": "string" } } },
                "Skjema": {
                    "type": "object",
                    "allOf": [
                        { "$ref": "#/$defs/Grunnlag" },
                        { "properties": { "slag": { "enum": ["a", "b"] }, "del": { "$ref": "#/$defs/Grunnlag" } } }
                    ]
                }
            }
        });
        let model = Model::compile("Skjema", schema).unwrap();
        let form = json!({"id": 7, "navn": "N", "slag": "b", "del": {"id": 7, "navn": null}});
        let form = model.read_value(&form).unwrap();
        let xml = String::from_utf8(model.to_xml(&form).to_vec()).unwrap();
        assert!(
            xml.contains("<id>7</id><navn>N</navn><slag>b</slag><del><id>7</id>"),
            "{xml}"
        );
    }

    #[test]
    fn xml_becomes_typed_json_with_nulls_and_lists() {
        let xml = "<?xml version=\"1.0\" encoding=\"utf-8\"?><melding><soknad><tittel>Oppf&#248;lging &amp; mer</tittel><antall>3</antall>\
                   <vedtak><kode>A1</kode></vedtak><vedtak><kode>B7</kode><areal>12.5</areal></vedtak></soknad></melding>";
        assert_eq!(
            json_of(xml),
            json!({"soknad": {"tittel": "Oppfølging & mer", "antall": 3, "merknad": null, "frist": null,
                "vedtak": [{"kode": "A1", "areal": null}, {"kode": "B7", "areal": 12.5}], "ja": null, "kort-navn": null}})
        );
    }

    #[test]
    fn an_element_in_the_wrong_place_takes_all_later_ones_of_its_parent_with_it() {
        for stray in ["<tittel>for sent</tittel>", "<ukjent/>"] {
            let xml = format!(
                "<melding><soknad><tittel>a</tittel><antall>3</antall>{stray}<merknad>borte</merknad></soknad></melding>"
            );
            let json = json_of(&xml);
            assert_eq!(json["soknad"]["tittel"], "a");
            assert_eq!(json["soknad"]["antall"], 3);
            assert_eq!(json["soknad"]["merknad"], Value::Null, "{stray}");
        }
    }

    #[test]
    fn a_stored_document_has_schema_order_and_leaves_nulls_out() {
        let xml = xml_of(
            &json!({"soknad": {"vedtak": [{"kode": "A"}, {"kode": "B"}], "tittel": "x < y", "frist": "2026-08-22", "ja": true}}),
        );
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><melding xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soknad><tittel>x &lt; y</tittel><frist>2026-08-22</frist>\
             <vedtak><kode>A</kode></vedtak><vedtak><kode>B</kode></vedtak><ja>true</ja></soknad></melding>"
        );
    }

    #[test]
    fn every_json_survives_the_way_through_xml() {
        let model = model();
        for text in ["", " ", "æøå “ 🏗️ & < > ' \"", "a\nb\tc", "]]>"] {
            let form = model.read_value(&json!({"soknad": {"tittel": text, "antall": -4, "vedtak": [{"kode": text, "areal": 0.1}]}})).unwrap();
            assert!(
                model.read_xml(&model.to_xml(&form)).unwrap() == form,
                "{text:?}"
            );
        }
    }

    #[test]
    fn documents_that_dotnet_refuses_are_refused() {
        for xml in [
            "",
            "ikke xml",
            "<model><soknad/></model>",
            "<melding xmlns=\"urn:other\"><soknad/></melding>",
            "<melding><soknad></melding>",
            "<melding/><melding/>",
            "<melding><soknad><antall>tre</antall></soknad></melding>",
            "<melding><soknad><antall></antall></soknad></melding>",
            "<melding><soknad><ja>ja</ja></soknad></melding>",
            "<melding><soknad><frist>i morgen</frist></soknad></melding>",
            "<melding><soknad><tittel><b>fet</b></tittel></soknad></melding>",
            "<melding><soknad><tittel>&#0;</tittel></soknad></melding>",
            "<melding><soknad><tittel>\u{1}</tittel></soknad></melding>",
            "<melding><soknad><tittel>&nbsp;</tittel></soknad></melding>",
            "<!DOCTYPE melding []><melding/>",
        ] {
            assert!(model().read_xml(xml.as_bytes()).is_err(), "{xml:?}");
        }
        assert!(model().read_xml(&[b'<', b'm', 0xff]).is_err());
    }

    #[test]
    fn characters_that_xml_cannot_carry_are_replaced_when_the_app_writes() {
        assert!(
            xml_of(&json!({"soknad": {"tittel": "a\u{0}b\u{fffe}"}}))
                .contains("<tittel>a\u{fffd}b\u{fffd}</tittel>")
        );
    }

    #[test]
    fn rows_carry_ids_only_while_their_task_is_open() {
        let model = model();
        let mut form = model
            .read_value(&json!({"soknad": {"vedtak": [{"kode": "A"}]}}))
            .unwrap();
        model.add_row_ids(&mut form, Uuid::nil);
        assert!(
            String::from_utf8_lossy(&model.to_xml(&form))
                .contains("<vedtak altinnRowId=\"00000000-0000-0000-0000-000000000000\">")
        );
        let read_again = model.read_xml(&model.to_xml(&form)).unwrap();
        assert_eq!(
            model.to_json(&read_again, true)["soknad"]["vedtak"][0]["altinnRowId"],
            Uuid::nil().to_string()
        );
        assert_eq!(
            model.to_json(&read_again, false)["soknad"]["vedtak"][0].get("altinnRowId"),
            None
        );
        model.remove_row_ids(&mut form);
        assert!(!String::from_utf8_lossy(&model.to_xml(&form)).contains("altinnRowId"));
    }

    #[test]
    fn prefill_reads_texts_by_the_invariant_culture() {
        let schema = json!({"properties": {
            "belop": {"type": "number"}, "antall": {"type": "integer"}, "ja": {"type": "boolean"}, "tekst": {"type": "string"},
        }});
        let model = Model::compile("kinds", schema).unwrap();
        let prefilled = |path: &str, text: &str| {
            let mut form = model.empty();
            let outcome = model.prefill(&mut form, path, text, false);
            outcome.map(|()| model.to_json(&form, false)[path].clone())
        };
        for (path, text, expected) in [
            ("belop", "12,5", json!(125)),
            ("belop", "1,234.5", json!(1234.5)),
            ("belop", " 3- ", json!(-3)),
            ("ja", "True", json!(true)),
            ("tekst", "12,5", json!("12,5")),
            (
                "tekst",
                "2026-11-20T09:12:45Z",
                json!("11/20/2026 09:12:45"),
            ),
        ] {
            assert_eq!(prefilled(path, text), Ok(expected), "{path} {text}");
        }
        for (path, text) in [
            ("belop", "1 000"),
            ("belop", "1.5,0"),
            ("antall", "12,5"),
            ("ja", "1"),
        ] {
            assert!(prefilled(path, text).is_err(), "{path} {text}");
        }
    }

    #[test]
    fn prefill_follows_property_names_and_fails_only_on_values() {
        let model = model();
        let mut form = model.empty();
        model
            .prefill(&mut form, "Soknad.TITTEL", "a", false)
            .unwrap();
        model
            .prefill(&mut form, "soknad.tittel", "b", false)
            .unwrap();
        model
            .prefill(&mut form, "soknad.kortnavn", "c", false)
            .unwrap();
        model
            .prefill(&mut form, "soknad.finnes.ikke", "d", false)
            .unwrap();
        model
            .prefill(&mut form, "soknad.vedtak.kode", "e", false)
            .unwrap();
        assert!(
            model
                .prefill(&mut form, "soknad.antall", "tre", false)
                .is_err()
        );
        let json = model.to_json(&form, false);
        assert_eq!(
            (
                json["soknad"]["tittel"].as_str(),
                json["soknad"]["kort-navn"].as_str()
            ),
            (Some("a"), Some("c"))
        );
        assert_eq!(json["soknad"]["vedtak"], json!([]));
    }

    #[test]
    fn violations_name_fields_and_hide_values() {
        let model = model();
        let form = model
            .read_value(&json!({"soknad": {"merknad": "hemmelig"}}))
            .unwrap();
        let violations = model.violations(&form);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].0, "soknad");
        assert!(
            violations[0].1.contains("tittel") && !violations[0].1.contains("hemmelig"),
            "{violations:?}"
        );
    }
}
