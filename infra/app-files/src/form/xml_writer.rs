//! Writes a form as XML, as .NET's `XmlSerializer` and app-lib's `XmlWriter` do.

use stafett_core::class::{Class, Classes, Kind, Object, Place, Property, Value};

use super::xml_text_reader::XSI;

/// The namespace that `XmlSerializer` declares on every root, besides [`XSI`].
const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// Writes the root element, without the XML declaration.
pub(super) fn write(classes: &Classes, root: &str, object: &Object) -> String {
    let mut xml = format!("<{root} xmlns:xsi=\"{XSI}\" xmlns:xsd=\"{XSD}\"");
    if !classes.namespace.is_empty() {
        xml.push_str(" xmlns=");
        push_quoted(&classes.namespace, &mut xml);
    }
    write_object(classes, classes.class(0), object, root, &mut xml);
    xml
}

/// Writes an object, from after the name in its start tag to its end tag.
fn write_object(classes: &Classes, class: &Class, object: &Object, name: &str, xml: &mut String) {
    for (index, property) in class.at(Place::Attribute) {
        let value = object.get(index).and_then(|value| text(value));
        if let Some(value) = value.filter(|_| !is_omitted(classes, property, object.get(index))) {
            xml.push_str(&format!(" {}=", property.xml));
            push_quoted(value, xml);
        }
    }
    let mut content = String::new();
    for (index, property) in class.elements() {
        let value = object.get(index).unwrap_or(&Value::Null);
        if is_omitted(classes, property, Some(value)) {
            continue;
        }
        match value {
            Value::List(items) => items
                .iter()
                .for_each(|item| write_element(classes, property, item, &mut content)),
            value => write_element(classes, property, value, &mut content),
        }
    }
    for (index, _) in class.at(Place::Text) {
        push_escaped(
            object.get(index).and_then(text).unwrap_or_default(),
            &mut content,
        );
    }
    if content.is_empty() {
        xml.push_str(" />");
    } else {
        xml.push_str(&format!(">{content}</{name}>"));
    }
}

fn is_omitted(classes: &Classes, property: &Property, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => property.omits_default || !property.nillable,
        Some(value) => {
            property.omits_default
                && !property.nillable
                && *value == classes.default_of(property.kind)
        }
    }
}

fn write_element(classes: &Classes, property: &Property, value: &Value, xml: &mut String) {
    let name = &property.xml;
    match (property.kind, value) {
        (Kind::Class(class), Value::Object(object)) => {
            xml.push_str(&format!("<{name}"));
            write_object(classes, classes.class(class), object, name, xml);
        }
        (_, Value::Null) if property.nillable => {
            xml.push_str(&format!("<{name} xsi:nil=\"true\" />"));
        }
        (_, value) => match text(value) {
            None => {}
            Some("") => xml.push_str(&format!("<{name} />")),
            Some(text) => {
                xml.push_str(&format!("<{name}>"));
                push_escaped(text, xml);
                xml.push_str(&format!("</{name}>"));
            }
        },
    }
}

/// The XML text of a single value.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text),
        Value::Boolean(true) => Some("true"),
        Value::Boolean(false) => Some("false"),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

fn push_quoted(text: &str, xml: &mut String) {
    xml.push('"');
    for piece in text.split_inclusive('"') {
        push_escaped(piece.trim_end_matches('"'), xml);
        if piece.ends_with('"') {
            xml.push_str("&quot;");
        }
    }
    xml.push('"');
}

/// Escapes text. Line breaks stay as they are. Characters that XML forbids or discourages are replaced (measured: C0 and C1
/// controls, U+FEFF).
fn push_escaped(text: &str, xml: &mut String) {
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' | '\r' => xml.push(char),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                xml.push('\u{fffd}');
            }
            char => xml.push(char),
        }
    }
}
