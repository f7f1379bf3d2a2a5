//! The nodes of a document.

/// The name of an element or attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::form) struct Name {
    pub(in crate::form) namespace: String,
    pub(in crate::form) local: String,
}

impl Name {
    pub(in crate::form) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

#[derive(Clone, Debug)]
pub(in crate::form) struct Attribute {
    pub(in crate::form) name: Name,
    pub(in crate::form) value: String,
    pub(in crate::form) at: usize,
}

/// A node of a document.
#[derive(Clone, Debug)]
pub(in crate::form) enum Node {
    Element {
        name: Name,
        attributes: Vec<Attribute>,
        is_empty: bool,
    },
    EndElement,
    Text(String),
    Whitespace(String),
    EntityReference(String),
    /// A comment, a processing instruction, the XML declaration or the document type.
    Other,
    /// The end of the document.
    End,
}
