//! The root of a form's schema: the model's class.

use serde_json::{Value, json};

/// The schema with the model's class as its root. In older schemas the root only refers to the class
/// (Altinn/app-frontend-react: src/utils/schemaUtils.ts). `class` is the name of the class, without its namespace.
#[must_use]
pub fn rooted(mut document: Value, class: &str) -> Value {
    let Some(root) = class_reference(&document, class) else {
        return document;
    };
    if let Some(document) = document.as_object_mut() {
        for keyword in ["properties", "required", "type", "oneOf", "anyOf", "allOf"] {
            document.shift_remove(keyword);
        }
        document.insert("$ref".to_owned(), json!(root));
    }
    document
}

/// The reference to the model's class in the schema; `None` if the root is the class.
fn class_reference(document: &Value, class: &str) -> Option<String> {
    let exists = |reference: &String| {
        reference
            .strip_prefix("#/")
            .and_then(|rest| document.pointer(&format!("/{rest}")))
            .is_some()
    };
    let info = &document["info"];
    if let Some(root) = info["rootNode"].as_str() {
        return Some(root.to_owned()).filter(exists);
    }
    let message = info["meldingsnavn"]
        .as_str()
        .and_then(|name| document["properties"].get(name)?["$ref"].as_str());
    if let Some(reference) = message {
        return Some(reference.to_owned()).filter(exists);
    }
    if document["properties"].is_object() && document["@xsdRootElement"].is_string() {
        return None;
    }
    ["$defs", "definitions"]
        .map(|definitions| format!("#/{definitions}/{class}"))
        .into_iter()
        .find(exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_whose_root_refers_to_the_class_gets_the_class_as_its_root() {
        let class = json!({"type": "object", "properties": {"navn": {"type": "string"}}});
        for document in [
            json!({"info": {"rootNode": "#/$defs/Skjema"}, "properties": {"x": {"$ref": "#/$defs/Skjema"}}, "$defs": {"Skjema": class}}),
            json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
            json!({"oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
        ] {
            let rooted = rooted(document.clone(), "Skjema");
            let reference = rooted["$ref"].as_str().unwrap_or_default();
            assert!(reference.ends_with("/Skjema"), "{document}");
            assert_eq!(rooted["properties"], Value::Null, "{document}");
        }
    }

    #[test]
    fn a_schema_whose_root_is_the_class_is_unchanged() {
        for document in [
            json!({"type": "object", "properties": {"navn": {"type": "string"}}}),
            json!({"info": {"rootNode": ""}, "type": "object", "properties": {}, "$defs": {"model": {}}}),
            json!({"info": {"rootNode": "#/$defs/gone"}, "type": "object", "properties": {}}),
        ] {
            assert_eq!(rooted(document.clone(), "model"), document);
        }
    }
}
