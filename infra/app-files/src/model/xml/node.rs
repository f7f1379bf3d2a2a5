//! What the reader stands on.

/// An element's or attribute's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Name {
    pub(in crate::model) namespace: String,
    pub(in crate::model) local: String,
}

impl Name {
    pub(in crate::model) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

#[derive(Clone, Debug)]
pub(in crate::model) struct Attribute {
    pub(in crate::model) name: Name,
    pub(in crate::model) value: String,
    pub(in crate::model) at: usize,
}

/// What the reader stands on.
#[derive(Clone, Debug)]
pub(in crate::model) enum Node {
    Element {
        name: Name,
        attributes: Vec<Attribute>,
        is_empty: bool,
    },
    EndElement,
    Text(String),
    Whitespace(String),
    EntityReference(String),
    /// A comment, a processing instruction, the declaration or the document type.
    Other,
    End,
}
