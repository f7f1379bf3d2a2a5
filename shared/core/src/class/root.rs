//! Where the class of a form stands in its JSON schema, and which XML element is its root.
//!
//! In today's schemas the root of the schema is the class. In older ones, and in those that come from Altinn 2, the root only
//! leads to it: by `info.rootNode`, by a property with the message's name, or by a single alternative
//! (Altinn/app-frontend-react: src/utils/schemaUtils.ts; Altinn/altinn-studio: backend/packagesrc/DataModeling).

use std::borrow::Cow;

use serde_json::{Value, json};

/// The name of the message in a schema from Seres.
const MESSAGE: &str = "melding";

/// The part of the schema that describes the class.
#[must_use]
pub fn node(document: &Value) -> &Value {
    let reference = reference(document, None);
    reference
        .and_then(|reference| target(document, &reference))
        .unwrap_or(document)
}

/// The name of the class's XML root element, where the schema tells it.
#[must_use]
pub fn element(document: &Value) -> Option<&str> {
    let named = document["@xsdRootElement"].as_str();
    named.or_else(|| message(document).map(|(name, _)| name))
}

/// The schema with the class as its root. `class` is the class's name, where it is known.
#[must_use]
pub fn rooted(mut document: Value, class: Option<&str>) -> Value {
    let Some(reference) = reference(&document, class) else {
        return document;
    };
    let element = element(&document).map(str::to_owned);
    let is_inside = reference.starts_with("#/properties/");
    let inline = is_inside.then(|| target(&document, &reference).cloned());
    if let Some(fields) = document.as_object_mut() {
        for keyword in ["properties", "required", "type", "oneOf", "anyOf", "allOf"] {
            fields.shift_remove(keyword);
        }
        match inline.flatten() {
            Some(Value::Object(class)) => fields.extend(class),
            _ => drop(fields.insert("$ref".to_owned(), json!(reference))),
        }
        if let Some(element) = element {
            fields.insert("@xsdRootElement".to_owned(), json!(element));
        }
    }
    document
}

/// What a reference within the document leads to. Names may be percent-encoded in it.
pub(crate) fn target<'s>(document: &'s Value, reference: &str) -> Option<&'s Value> {
    let pointer = reference.strip_prefix('#')?;
    document.pointer(pointer).or_else(|| {
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8();
        document.pointer(&decoded.ok()?)
    })
}

/// The reference to the class; `None` if the schema's root is the class.
fn reference(document: &Value, class: Option<&str>) -> Option<String> {
    let leads_on = |reference: &str| {
        target(document, reference)
            .is_some_and(|node| node.is_object() && !std::ptr::eq(node, document))
    };
    let named = document.pointer("/info/rootNode").and_then(Value::as_str);
    if let Some(named) = named.filter(|reference| leads_on(reference)) {
        return Some(named.to_owned());
    }
    if let Some((name, node)) = message(document) {
        return Some(match node["$ref"].as_str() {
            Some(reference) => reference.to_owned(),
            None => format!("#/properties/{}", escaped(name)),
        });
    }
    if document["properties"].is_object() && document["@xsdRootElement"].is_string() {
        return None;
    }
    // What leads nowhere says that the root is the class.
    let class = class.filter(|_| named.is_none());
    let by_name = class.into_iter().flat_map(|class| {
        ["$defs", "definitions"].map(|definitions| format!("#/{definitions}/{}", escaped(class)))
    });
    by_name.into_iter().find(|it| leads_on(it)).or_else(|| {
        let is_class = document["properties"].is_object();
        let only = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|keyword| {
            match document[keyword].as_array()?.as_slice() {
                [only] => only["$ref"].as_str(),
                _ => None,
            }
        });
        only.filter(|it| !is_class && leads_on(it))
            .map(str::to_owned)
    })
}

/// The property that stands for the whole message, with its name.
fn message(document: &Value) -> Option<(&str, &Value)> {
    let properties = document["properties"].as_object()?;
    let named = document
        .pointer("/info/meldingsnavn")
        .and_then(Value::as_str);
    let (name, node) = match named.and_then(|name| properties.get_key_value(name)) {
        Some(found) => found,
        // In a schema from Seres the root's only property is the message.
        None if properties.len() == 1 => {
            let (name, node) = properties.iter().next()?;
            (name == MESSAGE && node["$ref"].is_string()).then_some((name, node))?
        }
        None => return None,
    };
    node.is_object().then_some((name.as_str(), node))
}

/// A name as a JSON pointer has it.
fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        name.replace('~', "~0").replace('/', "~1").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_whose_root_leads_to_the_class_gets_the_class_as_its_root() {
        let class = json!({"type": "object", "properties": {"navn": {"type": "string"}}});
        for (document, name, root) in [
            (
                json!({"info": {"rootNode": "#/$defs/Skjema"}, "properties": {"x": {"$ref": "#/$defs/Skjema"}}, "$defs": {"Skjema": class}}),
                None,
                None,
            ),
            (
                json!({"info": {"rootNode": "#/$defs/S%C3%B8knad"}, "type": "object", "$defs": {"Søknad": class}}),
                None,
                None,
            ),
            (
                json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
                None,
                Some("melding"),
            ),
            (
                json!({"info": {"meldingsnavn": "m/1"}, "properties": {"m/1": class}}),
                None,
                Some("m/1"),
            ),
            (
                json!({"properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
                None,
                Some("melding"),
            ),
            (
                json!({"oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
                None,
                None,
            ),
            (
                json!({"@xsdRootElement": "m", "type": "object", "oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
                None,
                Some("m"),
            ),
            (
                json!({"properties": {"a": {}, "b": {}}, "definitions": {"Skjema": class}}),
                Some("Skjema"),
                None,
            ),
        ] {
            let rooted = rooted(document.clone(), name);
            let found = rooted["$ref"].as_str().and_then(|it| target(&rooted, it));
            assert_eq!(
                found.unwrap_or(&rooted)["properties"],
                class["properties"],
                "{document}"
            );
            assert_eq!(element(&rooted), root, "{document}");
            if name.is_none() {
                assert_eq!(
                    node(&document)["properties"],
                    class["properties"],
                    "{document}"
                );
            }
        }
    }

    #[test]
    fn a_schema_whose_root_is_the_class_is_unchanged() {
        for document in [
            json!({"type": "object", "properties": {"navn": {"type": "string"}}}),
            json!({"info": {"rootNode": ""}, "type": "object", "properties": {}, "$defs": {"model": {}}}),
            json!({"info": {"rootNode": "#/$defs/gone"}, "type": "object", "properties": {}}),
            json!({"@xsdRootElement": "m", "properties": {"a": {}}, "$defs": {"model": {"type": "object"}}}),
        ] {
            for name in [None, Some("model")] {
                assert_eq!(rooted(document.clone(), name), document);
            }
        }
    }
}
