//! XML in and out, with the habits of .NET's XmlSerializer.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use serde_json::{Map, Value};

use super::class::{Classes, Kind, Property};
use super::{FormError, ROW_ID, parse_text};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const DEEPEST: usize = 128;

/// An element without namespace, or a marker that it has one (then it is none of ours).
struct Node {
    name: Option<String>,
    nil: bool,
    row_id: Option<String>,
    children: Vec<Node>,
    text: String,
}

/// Reads a form whose root element is `root`; without it, whatever the root is called.
pub(super) fn read(
    classes: &Classes,
    root: Option<&str>,
    document: &[u8],
) -> Result<Map<String, Value>, FormError> {
    let node = parse(document)?;
    match node.name.as_deref() {
        Some(name) if root.is_none_or(|root| root == name) => read_class(classes, 0, &node, name),
        _ => Err(FormError::Value {
            place: "the root element".to_owned(),
            problem: "is not the model's",
        }),
    }
}

/// Explicit order makes XmlSerializer's reader a state machine that only moves forward: a single element advances it whether it
/// matched or not, a list stays until something else comes, and whatever finds no state any more is dropped
/// (dotnet/runtime: pull request 129493).
fn read_class(
    classes: &Classes,
    class: usize,
    node: &Node,
    place: &str,
) -> Result<Map<String, Value>, FormError> {
    let mut object = classes.empty(class);
    let mut states = classes.properties(class).iter().peekable();
    for child in &node.children {
        while let Some(property) = states.peek().copied() {
            let matches = child.name.as_deref() == Some(&property.name);
            if !(matches && property.list) {
                states.next();
            }
            if matches {
                let place = format!("{place}/{}", property.name);
                let value = read_value(classes, property, child, &place)?;
                match object.get_mut(&property.name) {
                    Some(Value::Array(items)) => items.push(value),
                    Some(slot) => *slot = value,
                    None => {}
                }
                break;
            }
        }
    }
    if let Some(id) = &node.row_id {
        if id.parse::<uuid::Uuid>().is_err() {
            return Err(FormError::Value {
                place: format!("{place}/@{ROW_ID}"),
                problem: "is not a GUID",
            });
        }
        object.insert(ROW_ID.to_owned(), Value::String(id.clone()));
    }
    Ok(object)
}

fn read_value(
    classes: &Classes,
    property: &Property,
    node: &Node,
    place: &str,
) -> Result<Value, FormError> {
    if node.nil {
        return Ok(Value::Null);
    }
    match property.kind {
        Kind::Class(class) => read_class(classes, class, node, place).map(Value::Object),
        _ if !node.children.is_empty() => Err(FormError::Value {
            place: place.to_owned(),
            problem: "has elements where text belongs",
        }),
        kind => parse_text(&kind, &node.text).map_err(|problem| FormError::Value {
            place: place.to_owned(),
            problem,
        }),
    }
}

fn parse(document: &[u8]) -> Result<Node, FormError> {
    let malformed = |what: &str| FormError::Malformed(what.to_owned());
    let text = std::str::from_utf8(document).map_err(|_| malformed("not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.chars().all(is_xml_char) {
        return Err(malformed("a character that XML 1.0 does not allow"));
    }
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|_| malformed("a syntax error in the XML"))?;
        match event {
            Event::Start(start) => {
                if root.is_some() || open.len() >= DEEPEST {
                    return Err(malformed("more than one root element, or nested too deep"));
                }
                open.push(node(&reader, &start)?);
            }
            Event::Empty(start) => {
                let node = node(&reader, &start)?;
                close(&mut open, &mut root, node)?;
            }
            Event::End(_) => {
                let node = open
                    .pop()
                    .ok_or_else(|| malformed("an end tag without start"))?;
                close(&mut open, &mut root, node)?;
            }
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let resolved = match reference
                    .resolve_char_ref()
                    .map_err(|_| malformed("a bad character reference"))?
                {
                    Some(char) => char,
                    None => match &*reference.xml10_content() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return Err(malformed("an unknown entity")),
                    },
                };
                if !is_xml_char(resolved) {
                    return Err(malformed(
                        "a reference to a character that XML 1.0 does not allow",
                    ));
                }
                append(&mut open, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => {
                return Err(malformed("a document type definition, which is prohibited"));
            }
            Event::Decl(declaration) => {
                let encoding = declaration
                    .encoding()
                    .transpose()
                    .map_err(|_| malformed("a bad XML declaration"))?;
                if encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
                    return Err(malformed("not declared as UTF-8"));
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(malformed("the document ends too early")),
    }
}

fn node(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Node, FormError> {
    let (namespace, local) = reader.resolver().resolve_element(start.name());
    let name = matches!(namespace, ResolveResult::Unbound).then(|| local.as_ref().to_owned());
    let mut node = Node {
        name,
        nil: false,
        row_id: None,
        children: Vec::new(),
        text: String::new(),
    };
    for attribute in start.attributes() {
        let bad = |_| FormError::Malformed("a bad attribute".to_owned());
        let attribute =
            attribute.map_err(|_| FormError::Malformed("a bad attribute".to_owned()))?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Explicit1_0)
            .map_err(bad)?;
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        match (namespace, local.as_ref()) {
            (ResolveResult::Bound(namespace), "nil") if namespace.as_ref() == XSI => {
                node.nil = matches!(value.trim(), "true" | "1");
            }
            (ResolveResult::Unbound, ROW_ID) => node.row_id = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok(node)
}

fn close(open: &mut [Node], root: &mut Option<Node>, node: Node) -> Result<(), FormError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None if root.is_none() => *root = Some(node),
        None => {
            return Err(FormError::Malformed(
                "more than one root element".to_owned(),
            ));
        }
    }
    Ok(())
}

fn append(open: &mut [Node], text: &str) -> Result<(), FormError> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => {
            return Err(FormError::Malformed(
                "text outside the root element".to_owned(),
            ));
        }
    }
    Ok(())
}

pub(super) fn write(classes: &Classes, root: &str, object: &Map<String, Value>) -> Vec<u8> {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><{root} xmlns:xsi=\"{XSI}\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
    );
    write_content(classes, 0, object, root, &mut xml);
    xml.into_bytes()
}

/// Writes from the end of the start tag's attributes to the end tag.
fn write_content(
    classes: &Classes,
    class: usize,
    object: &Map<String, Value>,
    name: &str,
    xml: &mut String,
) {
    let mut content = String::new();
    for property in classes.properties(class) {
        match object.get(&property.name) {
            Some(Value::Array(items)) => items
                .iter()
                .for_each(|item| write_element(classes, property, item, &mut content)),
            Some(value) => write_element(classes, property, value, &mut content),
            None => {}
        }
    }
    if content.is_empty() {
        xml.push_str(" />");
    } else {
        xml.push('>');
        xml.push_str(&content);
        xml.push_str(&format!("</{name}>"));
    }
}

fn write_element(classes: &Classes, property: &Property, value: &Value, xml: &mut String) {
    let name = &property.name;
    let text = match (property.kind, value) {
        (Kind::Class(class), Value::Object(object)) => {
            xml.push_str(&format!("<{name}"));
            if let Some(id) = object.get(ROW_ID).and_then(Value::as_str) {
                xml.push_str(&format!(" {ROW_ID}=\"{id}\""));
            }
            return write_content(classes, class, object, name, xml);
        }
        // An item of a list cannot be left out without moving its neighbours.
        (_, Value::Null) if property.list => {
            return xml.push_str(&format!("<{name} xsi:nil=\"true\" />"));
        }
        (_, Value::Null) => return,
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    };
    if text.is_empty() {
        return xml.push_str(&format!("<{name} />"));
    }
    xml.push_str(&format!("<{name}>"));
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\r' => xml.push_str("&#xD;"),
            char if is_xml_char(char) => xml.push(char),
            _ => xml.push('\u{fffd}'),
        }
    }
    xml.push_str(&format!("</{name}>"));
}

/// XML 1.0, production [2] Char.
fn is_xml_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}
