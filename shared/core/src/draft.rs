//! A draft: what B shall be. A pure function of the route and A's data.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What B shall be. Holds personal data, and so does not print it.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// Who owns B.
    pub owner: Owner,
    /// B's form, in the order of the route's `model:`.
    pub model: Map<String, Value>,
    /// The elements of A that B gets.
    pub attachments: Vec<Attachment>,
    /// When B is due.
    pub due: Option<Timestamp>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("attachments", &self.attachments.len())
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// Who owns an instance. Does not print a number.
#[derive(Clone, PartialEq, Eq)]
pub enum Owner {
    /// A nine-digit organisation number.
    Organisation(String),
    /// An eleven-digit national identity number.
    Person(String),
    /// A party id.
    Party(u32),
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Organisation(_) => "Organisation",
            Self::Person(_) => "Person",
            Self::Party(_) => "Party",
        })
    }
}

impl Owner {
    /// The `instanceOwner` of an instance template.
    #[must_use]
    pub fn template(&self) -> Value {
        match self {
            Self::Organisation(number) => json!({"organisationNumber": number}),
            Self::Person(number) => json!({"personNumber": number}),
            // Altinn wants the party id of an owner as text.
            Self::Party(id) => json!({"partyId": id.to_string()}),
        }
    }
}

/// An element of A that B gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The element of A.
    pub element: Uuid,
    /// B's data type.
    pub data_type: String,
    /// Its name in B.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its size in bytes.
    pub size: u64,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("element", &self.element)
            .field("data_type", &self.data_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A filename as B stores it: what no file system takes becomes `_`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Api/Helpers/RequestHandling/MultipartRequestReader.cs).
#[must_use]
pub fn storable(filename: &str) -> String {
    let illegal = |c: char| {
        c.is_control() || matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?' | '\\' | '/')
    };
    filename
        .trim_matches('"')
        .chars()
        .map(|c| if illegal(c) { '_' } else { c })
        .collect()
}
