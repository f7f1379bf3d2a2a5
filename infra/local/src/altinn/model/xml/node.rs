//! What the reader stands on.

/// An element's or attribute's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::altinn::model) struct Name {
    pub(in crate::altinn::model) namespace: String,
    pub(in crate::altinn::model) local: String,
}

impl Name {
    pub(in crate::altinn::model) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }
}

#[derive(Clone, Debug)]
pub(in crate::altinn::model) struct Attribute {
    pub(in crate::altinn::model) name: Name,
    pub(in crate::altinn::model) value: String,
    pub(in crate::altinn::model) at: usize,
}

/// What the reader stands on.
#[derive(Clone, Debug)]
pub(in crate::altinn::model) enum Node {
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
