//! A draft: what the B instance will contain. It depends only on the route and A's data.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::forms::Forms;

/// What the B instance will contain. `Debug` omits the data, which may be personal.
#[derive(Clone, PartialEq)]
pub struct Draft {
    /// Who owns B.
    pub owner: Owner,
    /// B's forms, each in the order of the route's `model:`.
    pub models: Forms<Map<String, Value>>,
    /// The elements of A that are copied to B.
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

/// The owner of an instance. `Debug` omits the number, which may be personal.
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
    /// The `instanceOwner` for the request that creates the instance.
    #[must_use]
    pub fn template(&self) -> Value {
        match self {
            Self::Organisation(number) => json!({"organisationNumber": number}),
            Self::Person(number) => json!({"personNumber": number}),
            // Altinn expects the party id as text.
            Self::Party(id) => json!({"partyId": id.to_string()}),
        }
    }
}

/// An element of A that is copied to B.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The id of the element in A.
    pub element: Uuid,
    /// The data type in B.
    pub data_type: String,
    /// Its filename in B.
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

/// The filename under which B stores a file: characters that file systems do not allow become `_`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Api/Helpers/RequestHandling/MultipartRequestReader.cs).
#[must_use]
pub fn storable_filename(filename: &str) -> String {
    let illegal = |c: char| {
        c.is_control() || matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?' | '\\' | '/')
    };
    filename
        .trim_matches('"')
        .chars()
        .map(|c| if illegal(c) { '_' } else { c })
        .collect()
}
