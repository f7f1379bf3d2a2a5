//! The XML schemas of random models, for a validator that is not ours.

use std::{fmt::Write as _, path::PathBuf};

use proptest::{strategy::ValueTree, test_runner::TestRunner};

use super::*;

/// The environment variable that names the folder for the files; `.ci/forms` validates them.
const FOLDER: &str = "STAFETT_WRITTEN_FORMS";
const MODELS: usize = 60;

/// The types of a model, each with a name.
#[derive(Default)]
struct Types(Vec<String>);

impl Types {
    fn add(&mut self, body: &str) -> String {
        let name = format!("T{}", self.0.len());
        let (kind, body) = body.split_once(' ').expect("a kind and a body");
        self.0
            .push(format!("<xs:{kind} name=\"{name}\">{body}</xs:{kind}>"));
        name
    }

    fn single(&mut self, schema: &Value) -> String {
        if let Some(listed) = schema["enum"].as_array() {
            let values = listed.iter().filter_map(Value::as_str);
            let values: String = values
                .map(|value| format!("<xs:enumeration value=\"{value}\"/>"))
                .collect();
            return self.add(&format!(
                "simpleType <xs:restriction base=\"xs:string\">{values}</xs:restriction>"
            ));
        }
        if schema["format"] == "date-time" {
            return self.add("simpleType <xs:union memberTypes=\"xs:date xs:dateTime\"/>");
        }
        if let Some(most) = schema["maxLength"].as_u64() {
            return self.add(&format!("simpleType <xs:restriction base=\"xs:string\"><xs:maxLength value=\"{most}\"/></xs:restriction>"));
        }
        let xsd_type = schema["@xsdType"].as_str();
        let name = match (schema["type"].as_str(), xsd_type) {
            (Some("integer"), Some("positiveInteger")) => "integer",
            (Some("integer"), Some(name)) => name,
            (Some("number"), Some("double")) => "double",
            (Some("number"), _) => "decimal",
            (Some("boolean"), _) => "boolean",
            _ if schema["format"] == "date" => "date",
            _ => "string",
        };
        format!("xs:{name}")
    }

    fn group(&mut self, group: &Group) -> String {
        let mut elements = String::new();
        for (name, field) in &group.fields {
            let (named, most) = match field {
                Field::Single(schema, _) => (self.single(schema), "1"),
                Field::Values(schema, _) => (self.single(schema), "unbounded"),
                Field::Group(group) => (self.group(group), "1"),
                Field::Rows(group) => (self.group(group), "unbounded"),
                Field::Content(schema, ..) => (self.content(schema), "1"),
            };
            let _ = write!(
                elements,
                "<xs:element name=\"{name}\" type=\"{named}\" minOccurs=\"0\" maxOccurs=\"{most}\"/>"
            );
        }
        let attributes: String = ["orid\" fixed=\"19022", "merke"]
            .iter()
            .take(group.attributes)
            .map(|name| format!("<xs:attribute type=\"xs:string\" name=\"{name}\"/>"))
            .collect();
        self.add(&format!(
            "complexType <xs:sequence>{elements}</xs:sequence>{attributes}"
        ))
    }

    fn content(&mut self, schema: &Value) -> String {
        let base = self.single(schema);
        self.add(&format!(
            "complexType <xs:simpleContent><xs:extension base=\"{base}\"><xs:attribute type=\"xs:string\" name=\"orid\" \
             fixed=\"7\"/></xs:extension></xs:simpleContent>"
        ))
    }
}

/// Writes a schema and a form of each model for a validator, if somebody asks for it.
#[test]
fn forms_are_written_for_a_validator_with_the_schemas_of_their_models() {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let mut runner = TestRunner::deterministic();
    let mut written = 0;
    while written < MODELS {
        let group = group(2).new_tree(&mut runner).unwrap().current();
        let draft = group.draft().new_tree(&mut runner).unwrap().current();
        let Value::Object(draft) = draft else {
            unreachable!()
        };
        let schema = Schema::compile(group.schema(written % 2 == 0), "model.schema.json").unwrap();
        let Some((_, sent)) = sendable(&schema, draft) else {
            continue;
        };
        let mut types = Types::default();
        let root = types.group(&group);
        let xsd = format!(
            "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">{}<xs:element name=\"melding\" type=\"{root}\"/></xs:schema>",
            types.0.concat()
        );
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{written}.xsd")), xsd).unwrap();
            std::fs::write(folder.join(format!("{written}.xml")), sent).unwrap();
        }
        written += 1;
    }
}
