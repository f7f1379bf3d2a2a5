//! Parses an app's XML files into a tree, with a depth limit. Document type definitions are refused, so that a file can
//! make the parser neither fetch nor expand anything.

use std::{collections::HashMap, path::Path};

use quick_xml::{
    XmlVersion,
    events::{BytesStart, Event},
    reader::NsReader,
};

use crate::{error::AppFilesError, text};

const MAX_DEPTH: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its prefix: in Altinn's files a local name means the same in every namespace.
    pub(super) name: String,
    /// By name, without its prefix.
    attributes: HashMap<String, String>,
    pub(super) children: Vec<Element>,
    /// Its own character data, without its children's.
    text: String,
    /// The 1-based line where its start tag ends.
    pub(super) line: usize,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The children with this name.
    pub(super) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child with this name.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Its own text, trimmed.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }
}

/// Parses a document and returns its root element.
pub(super) fn parse(path: &Path, document: &str) -> Result<Element, AppFilesError> {
    let mut reader = NsReader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let event = reader.read_event();
        let end = usize::try_from(reader.buffer_position()).unwrap_or(document.len());
        // Only what was read since the last event: counting from the start each time would take quadratic time.
        let read = document.as_bytes().get(counted..end).unwrap_or_default();
        line += text::last_line(read) - 1;
        counted = end.max(counted);
        let wrong = |problem: &str| AppFilesError::content(path, Some(line), problem);
        let event = event.map_err(|error| wrong(&format!("not well-formed XML: {error}")))?;
        let text = match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return Err(wrong("nested too deep"));
                }
                open.push(element(&start, line).map_err(|problem| wrong(&problem))?);
                continue;
            }
            Event::End(_) => {
                let closed = open
                    .pop()
                    .ok_or_else(|| wrong("an end tag without start"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => return Ok(closed),
                }
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(reference) => {
                let character = reference
                    .resolve_char_ref()
                    .map_err(|_| wrong("a bad character reference"))?;
                match (character, &*reference.xml10_content()) {
                    (Some(character), _) => character.to_string(),
                    (None, "amp") => "&".to_owned(),
                    (None, "lt") => "<".to_owned(),
                    (None, "gt") => ">".to_owned(),
                    (None, "quot") => "\"".to_owned(),
                    (None, "apos") => "'".to_owned(),
                    (None, _) => return Err(wrong("an entity that XML does not know")),
                }
            }
            Event::DocType(_) => {
                return Err(wrong("a document type definition, which is not read"));
            }
            Event::Eof => return Err(wrong("not XML: it ends before its root element does")),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
        };
        if let Some(parent) = open.last_mut() {
            parent.text.push_str(&text);
        }
    }
}

fn element(start: &BytesStart<'_>, line: usize) -> Result<Element, String> {
    let mut attributes = HashMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("not well-formed XML: {error}"))?;
        let name = attribute.key.local_name().as_ref().to_owned();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| format!("the attribute `{name}`: {error}"))?;
        attributes.insert(name, value.into_owned());
    }
    Ok(Element {
        name: start.local_name().as_ref().to_owned(),
        attributes,
        children: Vec::new(),
        text: String::new(),
        line,
    })
}
