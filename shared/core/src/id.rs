//! The ids of apps, Altinn instances and routes.
//!
//! Each is parsed once, where it enters, by a constructor that accepts only characters that need no
//! escaping in a URL path. URLs are built from nothing else.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The error for a text that is no id of the expected form. It never repeats the text, because
/// the text comes from outside and may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not {kind}: {form}")]
pub struct InvalidId {
    /// What it should be: `an app id`.
    pub kind: &'static str,
    /// How that is written.
    pub form: &'static str,
}

/// An Altinn instance, `{party}/{guid}`: `50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10`.
///
/// Altinn gives ids in this form in the app and in Storage alike
/// (Altinn/altinn-storage: src/Storage.Interface/Models/Instance.cs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId {
    /// The instance owner's party id.
    pub party: u32,
    /// The instance's GUID.
    pub guid: Uuid,
}

impl FromStr for InstanceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            kind: "an instance id, `{party}/{guid}`",
            form: "digits, a slash, a GUID with hyphens",
        };
        let (party, guid) = text.split_once('/').ok_or(invalid)?;
        // No plus sign and no leading zeros: an id has only one spelling.
        let canonical =
            party.bytes().all(|b| b.is_ascii_digit()) && (party == "0" || !party.starts_with('0'));
        // `Uuid` also parses braces, URNs and bare hex; only the hyphenated form is an id.
        if !canonical || guid.len() != 36 {
            return Err(invalid);
        }
        Ok(Self {
            party: party.parse().map_err(|_| invalid)?,
            guid: guid.parse().map_err(|_| invalid)?,
        })
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.party, self.guid)
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.to_string()
    }
}

/// An Altinn app, `{org}/{app}`: `ttd/permit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId {
    org: String,
    app: String,
}

impl AppId {
    /// The owning organisation's code: `ttd`.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }

    /// The app's name within its organisation: `permit`.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }
}

/// Whether `text` has the form of an organisation's code, an app name and a route name.
fn is_slug(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 63
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl FromStr for AppId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('/') {
            Some((org, app)) if is_slug(org) && is_slug(app) => Ok(Self {
                org: org.to_owned(),
                app: app.to_owned(),
            }),
            _ => Err(InvalidId {
                kind: "an app id, `{org}/{app}`",
                form: "lower-case letters, digits and hyphens, such as `ttd/permit`",
            }),
        }
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.app)
    }
}

impl TryFrom<String> for AppId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.to_string()
    }
}

/// A route's name: the first part of each of its relay ids, so never renamed and never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouteName(String);

impl RouteName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RouteName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_slug(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId {
                kind: "a route name",
                form: "a lower-case letter, then lower-case letters, digits and hyphens, 63 characters at most",
            })
        }
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RouteName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RouteName> for String {
    fn from(name: RouteName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_instance_id_is_read_back(party in any::<u32>(), guid in any::<u128>()) {
            let id = InstanceId { party, guid: Uuid::from_u128(guid) };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn ids_consist_of_path_safe_characters(text in "\\PC{0,60}") {
            let safe = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'/');
            prop_assert!(text.parse::<InstanceId>().is_err() || safe(&text));
            prop_assert!(text.parse::<AppId>().is_err() || safe(&text));
            prop_assert!(text.parse::<RouteName>().is_err() || safe(&text));
        }
    }

    #[test]
    fn only_digits_slash_guid_is_an_instance_id() {
        for text in [
            "",
            "50085321",
            "/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "+5/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "50085321/b7c0a9d451e24f3a8d762e9f5c8a4b10",
            "50085321/{b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10}",
            "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10/data",
            "../50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "99999999999/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "050085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "٥٠٠٨٥٣٢١/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "50085321/urn:uuid:b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10",
            "50085321//b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b1",
            "50085321/..%2fb7c0a9d4-51e2-4f3a-8d76-2e9f5c8",
            "50085321/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10\n",
        ] {
            assert!(
                text.parse::<InstanceId>().is_err(),
                "{text:?} must not parse"
            );
        }
    }

    #[test]
    fn an_upper_case_guid_is_the_same_instance() {
        let lower: InstanceId = "1/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10".parse().unwrap();
        let upper: InstanceId = "1/B7C0A9D4-51E2-4F3A-8D76-2E9F5C8A4B10".parse().unwrap();
        assert_eq!(lower, upper);
        assert_eq!(upper.to_string(), "1/b7c0a9d4-51e2-4f3a-8d76-2e9f5c8a4b10");
    }
}
