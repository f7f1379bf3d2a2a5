//! A B instance as Altinn holds it.

use bytes::Bytes;
use local_altinn::LocalAltinn;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::Value;

/// A B instance.
#[derive(Debug)]
pub struct B {
    /// `{party}/{guid}`.
    pub id: String,
    /// As Storage gives it.
    pub instance: Value,
    /// The form's leaves in their order: `soknad/tittel` and the text.
    pub form: Vec<(String, String)>,
    /// Its files, by data type and name.
    pub attachments: Vec<Attachment>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// Its data type.
    pub data_type: String,
    /// Its name.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its content.
    pub bytes: Bytes,
}

impl B {
    pub(crate) fn new(altinn: &LocalAltinn, instance: &Value) -> Self {
        let id = text(&instance["id"]);
        let mut b = Self {
            id,
            instance: instance.clone(),
            form: Vec::new(),
            attachments: Vec::new(),
        };
        for element in instance["data"].as_array().into_iter().flatten() {
            let bytes = altinn
                .bytes(&b.id, &text(&element["id"]))
                .expect("an element has bytes");
            if element["dataType"] == "model" {
                b.form = leaves(&String::from_utf8_lossy(&bytes));
            } else {
                b.attachments.push(Attachment::new(element, bytes));
            }
        }
        b.attachments.sort();
        b
    }

    /// The texts of one field of the form, in their order.
    #[must_use]
    pub fn field(&self, path: &str) -> Vec<&str> {
        self.form
            .iter()
            .filter(|(at, _)| at == path)
            .map(|(_, text)| text.as_str())
            .collect()
    }
}

impl Attachment {
    pub(crate) fn new(element: &Value, bytes: Bytes) -> Self {
        Self {
            data_type: text(&element["dataType"]),
            filename: text(&element["filename"]),
            content_type: text(&element["contentType"]),
            bytes,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The elements of a document that have no elements in them, with the path below the root.
fn leaves(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut leaves) = (Vec::<String>::new(), Vec::new());
    // The text of the innermost element, as long as no element is in it.
    let mut text: Option<String> = None;
    loop {
        let more = match reader.read_event().expect("B's form is XML") {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                text = Some(String::new());
                continue;
            }
            Event::End(_) => {
                if let Some(text) = text.take() {
                    leaves.push((path[1..].join("/"), text));
                }
                path.pop();
                continue;
            }
            Event::Text(part) => part.xml10_content().into_owned(),
            Event::CData(part) => part.xml10_content().into_owned(),
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().expect("a character of XML") {
                    Some(character) => character.to_string(),
                    None => resolve_predefined_entity(&reference.xml10_content())
                        .expect("an entity of XML itself")
                        .to_owned(),
                }
            }
            Event::Eof => return leaves,
            _ => continue,
        };
        if let Some(text) = &mut text {
            text.push_str(&more);
        }
    }
}
