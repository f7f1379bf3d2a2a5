//! A port of .NET's `XmlTextReader`, which accepts and refuses the same documents with the same messages and positions.
//!
//! An app's response contains the reader's position when a value is refused, and the reader looks no further than one node
//! ahead (it never sees text that follows a comment after the root). No parser on crates.io does both.
//! (dotnet/runtime: src/libraries/System.Private.Xml/src/System/Xml/Core/XmlTextReaderImpl.cs, with `Normalization` off.)

mod chars;
mod doctype;
mod fault;
mod node;
mod tags;

use std::collections::BTreeMap;

use chars::is_space;
pub(super) use fault::{Fault, FaultKind, line_and_column};
use fault::{check_chars, end_of_file, unexpected};
use node::Name;
pub(super) use node::{Attribute, Node};

/// The namespace of XML Schema's attributes in instance documents, such as `xsi:nil`.
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The maximum number of bytes from expanded entities, as in .NET.
const MAX_FROM_ENTITIES: usize = 10_000_000;

/// An element whose end tag has not been read.
struct OpenElement<'t> {
    /// The name with its prefix.
    name: &'t str,
    at: usize,
    namespaces: Vec<(&'t str, String)>,
}

/// A pull parser with a current node.
pub(super) struct Reader<'t> {
    text: &'t str,
    next: usize,
    node: Node,
    at: usize,
    open: Vec<OpenElement<'t>>,
    has_root: bool,
    has_doctype: bool,
    entities: BTreeMap<&'t str, &'t str>,
    from_entities: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            next: 0,
            node: Node::Other,
            at: 0,
            open: Vec::new(),
            has_root: false,
            has_doctype: false,
            entities: BTreeMap::new(),
            from_entities: 0,
        }
    }

    /// The current node.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// A fault at the current position. For a value that was just read this is the node after it.
    pub(super) fn refuse(&self, kind: FaultKind, reason: String) -> Fault {
        Fault {
            at: Some(self.at),
            reason,
            kind,
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.next..).unwrap_or_default()
    }

    /// Makes `node`, at byte `at`, the current node. Reading continues at byte `next`.
    fn set_node(&mut self, node: Node, at: usize, next: usize) -> Result<(), Fault> {
        (self.node, self.at, self.next) = (node, at, next);
        Ok(())
    }

    /// Moves to the next node.
    pub(super) fn read(&mut self) -> Result<(), Fault> {
        match &self.node {
            Node::EndElement => {
                self.open.pop();
            }
            Node::Element { is_empty: true, .. } => {
                self.open.pop();
            }
            _ => {}
        }
        if self.open.is_empty() {
            self.read_outside()
        } else {
            self.read_content()
        }
    }

    /// Reads a node before or after the root element.
    fn read_outside(&mut self) -> Result<(), Fault> {
        let (rest, start) = (self.rest(), self.next);
        if start == 0
            && let Some(inner) = rest.strip_prefix("<?xml")
            && inner.starts_with(is_space)
        {
            let end = tags::declaration(self.text)?;
            return self.set_node(Node::Other, 2, end);
        }
        let blanks = rest.len() - rest.trim_start_matches(is_space).len();
        if blanks > 0 {
            let blank = rest.get(..blanks).unwrap_or_default().to_owned();
            return self.set_node(Node::Whitespace(blank), start, start + blanks);
        }
        if rest.is_empty() {
            if self.has_root {
                return self.set_node(Node::End, start, start);
            }
            return Err(Fault {
                at: None,
                reason: "Root element is missing.".to_owned(),
                kind: FaultKind::Syntax,
            });
        }
        if rest.starts_with("<?") || rest.starts_with("<!--") {
            return self.read_comment_or_instruction();
        }
        if rest.starts_with("<!DOCTYPE") {
            if self.has_root || self.has_doctype {
                return Err(Fault::syntax(start + 2, "Unexpected DTD declaration."));
            }
            self.has_doctype = true;
            let (entities, end) = doctype::read(self.text, start)?;
            self.entities = entities;
            return self.set_node(Node::Other, start + "<!DOCTYPE".len(), end);
        }
        match rest.strip_prefix('<') {
            Some(inner) if inner.starts_with('/') => {
                Err(Fault::syntax(start + 2, "Unexpected end tag."))
            }
            Some(inner) if !inner.starts_with('!') => {
                if self.has_root {
                    return Err(Fault::syntax(
                        start + 1,
                        "There are multiple root elements.",
                    ));
                }
                self.has_root = true;
                self.read_element()
            }
            _ => Err(Fault::syntax(start, "Data at the root level is invalid.")),
        }
    }

    fn read_content(&mut self) -> Result<(), Fault> {
        let (rest, start) = (self.rest(), self.next);
        if rest.is_empty() {
            let open: Vec<&str> = self.open.iter().rev().map(|open| open.name).collect();
            let reason = format!(
                "Unexpected end of file has occurred. The following elements are not closed: {}.",
                open.join(", ")
            );
            return Err(Fault::syntax(start, reason));
        }
        if rest.starts_with("<?") || rest.starts_with("<!--") {
            return self.read_comment_or_instruction();
        }
        if let Some(inner) = rest.strip_prefix("<![CDATA[") {
            let begin = start + "<![CDATA[".len();
            let end = inner
                .find("]]>")
                .ok_or_else(|| end_of_file(self.text, "CDATA"))?;
            let text = inner.get(..end).unwrap_or_default();
            check_chars(text, begin)?;
            return self.set_node(Node::Text(text.to_owned()), begin, begin + end + 3);
        }
        if rest.starts_with("</") {
            return self.read_end();
        }
        if rest.starts_with("<!") {
            return Err(unexpected(self.text, start + 2, "'--' or '[CDATA['"));
        }
        if rest.starts_with('<') {
            return self.read_element();
        }
        self.read_text()
    }

    /// Reads a comment or a processing instruction.
    fn read_comment_or_instruction(&mut self) -> Result<(), Fault> {
        let (rest, start) = (self.rest(), self.next);
        if let Some(inner) = rest.strip_prefix("<!--") {
            let begin = start + "<!--".len();
            let end = inner
                .find("--")
                .ok_or_else(|| end_of_file(self.text, "Comment"))?;
            check_chars(inner.get(..end).unwrap_or_default(), begin)?;
            if !inner.get(end..).is_some_and(|rest| rest.starts_with("-->")) {
                let reason =
                    "An XML comment cannot contain '--', and '-' cannot be the last character.";
                return Err(Fault::syntax(begin + end, reason));
            }
            return self.set_node(Node::Other, begin, begin + end + 3);
        }
        let begin = start + "<?".len();
        let target = tags::name(self.text, begin)?;
        if target == "xml" {
            let reason = "Unexpected XML declaration. The XML declaration must be the first node in the document, and no whitespace \
                          characters are allowed to appear before it.";
            return Err(Fault::syntax(begin, reason));
        }
        if target.eq_ignore_ascii_case("xml") {
            let reason = format!("'{target}' is an invalid name for processing instructions.");
            return Err(Fault::syntax(begin, reason));
        }
        let inner = self.text.get(begin..).unwrap_or_default();
        let end = inner
            .find("?>")
            .ok_or_else(|| end_of_file(self.text, "PI"))?;
        check_chars(inner.get(..end).unwrap_or_default(), begin)?;
        self.set_node(Node::Other, begin, begin + end + 2)
    }

    fn read_element(&mut self) -> Result<(), Fault> {
        let tag = tags::start(self.text, self.next + 1)?;
        let mut namespaces = Vec::new();
        for attribute in &tag.attributes {
            match attribute.name.split_once(':') {
                Some(("xmlns", prefix)) => namespaces.push((prefix, attribute.value.clone())),
                None if attribute.name == "xmlns" => namespaces.push(("", attribute.value.clone())),
                _ => {}
            }
        }
        self.open.push(OpenElement {
            name: tag.name,
            at: tag.at,
            namespaces,
        });
        let name = self.resolve(tag.name, tag.at, true)?;
        let mut attributes: Vec<Attribute> = Vec::with_capacity(tag.attributes.len());
        for attribute in tag.attributes {
            let name = self.resolve(attribute.name, attribute.at, false)?;
            if attributes.iter().any(|known| known.name == name) {
                let reason = format!("'{}' is a duplicate attribute name.", attribute.name);
                return Err(Fault::syntax(attribute.at, reason));
            }
            attributes.push(Attribute {
                name,
                value: attribute.value,
                at: attribute.at,
            });
        }
        let node = Node::Element {
            name,
            attributes,
            is_empty: tag.is_empty,
        };
        self.set_node(node, tag.at, tag.end)
    }

    fn resolve(&self, name: &str, at: usize, is_element: bool) -> Result<Name, Fault> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let bound = self
            .open
            .iter()
            .rev()
            .flat_map(|open| &open.namespaces)
            .find(|(known, _)| *known == prefix)
            .map(|(_, namespace)| namespace.clone());
        let namespace = match (prefix, bound) {
            ("xmlns", _) => XMLNS.to_owned(),
            ("", _) if !is_element && name == "xmlns" => XMLNS.to_owned(),
            ("", bound) => bound.filter(|_| is_element).unwrap_or_default(),
            ("xml", _) => "http://www.w3.org/XML/1998/namespace".to_owned(),
            (_, Some(namespace)) => namespace,
            (prefix, None) => {
                let reason = format!("'{prefix}' is an undeclared prefix.");
                return Err(Fault::syntax(at, reason));
            }
        };
        Ok(Name {
            namespace,
            local: local.to_owned(),
        })
    }

    fn read_end(&mut self) -> Result<(), Fault> {
        let begin = self.next + 2;
        let name = tags::name(self.text, begin)?;
        if let Some(open) = self.open.last()
            && open.name != name
        {
            let (line, column) = line_and_column(self.text, open.at);
            let reason = format!(
                "The '{}' start tag on line {line} position {column} does not match the end tag of '{name}'.",
                open.name
            );
            return Err(Fault::syntax(begin, reason));
        }
        let after = begin + name.len();
        let rest = self.text.get(after..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches(is_space).len();
        let end = after + blanks;
        if !self
            .text
            .get(end..)
            .is_some_and(|rest| rest.starts_with('>'))
        {
            return Err(unexpected(self.text, end, "'>'"));
        }
        self.set_node(Node::EndElement, begin, end + 1)
    }

    fn read_text(&mut self) -> Result<(), Fault> {
        let start = self.next;
        let mut text = String::new();
        let mut next = start;
        while let Some(rest) = self.text.get(next..).filter(|rest| !rest.is_empty()) {
            let plain = rest.find(['<', '&']).unwrap_or(rest.len());
            let piece = rest.get(..plain).unwrap_or_default();
            check_chars(piece, next)?;
            if let Some(end) = piece.find("]]>") {
                let reason = "']]>' is not allowed in character data.";
                return Err(Fault::syntax(next + end, reason));
            }
            text.push_str(piece);
            next += plain;
            if !rest.get(plain..).is_some_and(|rest| rest.starts_with('&')) {
                break;
            }
            match tags::reference(self.text, next)? {
                (tags::Reference::Char(char), end) => {
                    text.push(char);
                    next = end;
                }
                (tags::Reference::Entity(name), end) if text.is_empty() => {
                    let node = Node::EntityReference(name.to_owned());
                    return self.set_node(node, start + 1, end);
                }
                (tags::Reference::Entity(_), _) => break,
            }
        }
        let node = if text.trim_start_matches(is_space).is_empty() {
            Node::Whitespace(text)
        } else {
            Node::Text(text)
        };
        self.set_node(node, start, next)
    }

    /// Skips white space, comments and the like.
    pub(super) fn move_to_content(&mut self) -> Result<(), Fault> {
        while matches!(self.node, Node::Whitespace(_) | Node::Other) {
            self.read()?;
        }
        Ok(())
    }

    /// Skips the current node with its content.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        if let Node::Element {
            is_empty: false, ..
        } = self.node
        {
            let depth = self.open.len();
            while self.open.len() > depth || !matches!(self.node, Node::EndElement) {
                self.read()?;
            }
        }
        self.read()
    }

    /// Reads an element that contains only text, and moves to the node after it (`ReadElementContentAsString`).
    pub(super) fn element_text(&mut self) -> Result<String, Fault> {
        let is_empty = matches!(self.node, Node::Element { is_empty: true, .. });
        self.read()?;
        let mut text = String::new();
        if is_empty {
            return Ok(text);
        }
        loop {
            match &self.node {
                Node::Text(more) | Node::Whitespace(more) => text.push_str(more),
                Node::Other => {}
                Node::EntityReference(name) => {
                    let name = name.clone();
                    self.expand(&name, &mut Vec::new(), &mut text)?;
                }
                Node::EndElement => break,
                Node::Element { .. } | Node::End => return Err(self.has_children()),
            }
            self.read()?;
        }
        self.read()?;
        Ok(text)
    }

    fn has_children(&self) -> Fault {
        Fault::syntax(
            self.at,
            "ReadElementContentAs() methods cannot be called on an element that has child elements.",
        )
    }

    /// Reads the current text node and those directly after it (`ReadString`).
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        while let Node::Text(more) | Node::Whitespace(more) = &self.node {
            text.push_str(more);
            self.read()?;
        }
        Ok(text)
    }

    /// Appends the replacement text of an entity to `text`. `within` are the entities that are being expanded.
    fn expand(
        &mut self,
        name: &str,
        within: &mut Vec<String>,
        text: &mut String,
    ) -> Result<(), Fault> {
        let Some(replacement) = self.entities.get(name).copied() else {
            let reason = format!("Reference to undeclared entity '{name}'.");
            return Err(Fault::syntax(self.at, reason));
        };
        if within.iter().any(|known| known == name) {
            let reason =
                format!("General entity '{name}' references itself directly or indirectly.");
            return Err(Fault::syntax(self.at, reason));
        }
        self.from_entities += replacement.len();
        if self.from_entities > MAX_FROM_ENTITIES {
            let reason =
                "The input document has exceeded a limit set by MaxCharactersFromEntities.";
            return Err(Fault::syntax(self.at, reason));
        }
        within.push(name.to_owned());
        let mut next = 0;
        while let Some(rest) = replacement.get(next..).filter(|rest| !rest.is_empty()) {
            let plain = rest.find(['<', '&']).unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            next += plain;
            match rest.get(plain..).and_then(|rest| rest.chars().next()) {
                Some('&') => {
                    let here = |mut fault: Fault| {
                        fault.at = Some(self.at);
                        fault
                    };
                    let (reference, end) = tags::reference(replacement, next).map_err(here)?;
                    match reference {
                        tags::Reference::Char(char) => text.push(char),
                        tags::Reference::Entity(name) => self.expand(name, within, text)?,
                    }
                    next = end;
                }
                Some(_) => return Err(self.has_children()),
                None => {}
            }
        }
        within.pop();
        Ok(())
    }
}
