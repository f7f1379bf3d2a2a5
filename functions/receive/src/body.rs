//! The body of a call: one JSON object of at most 64 KiB, and its fields.

use lambda_http::{Request, http::header::CONTENT_TYPE};
use serde_json::{Map, Value, error::Category};
use stafett_core::id::InvalidId;
use thiserror::Error;

/// The longest body that is read, in bytes after decoding.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A body that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLarge,
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A body that is not what the call takes. The text names fields, never their values.
#[derive(Debug, Error)]
pub(crate) enum Malformed {
    #[error("the body must be sent as JSON, with the header Content-Type: application/json")]
    ContentType,
    #[error("the body is not JSON, see line {line}, column {column}")]
    Syntax { line: usize, column: usize },
    #[error("the body is empty or ends too early, see line {line}, column {column}")]
    Incomplete { line: usize, column: usize },
    #[error("the body must be one JSON object")]
    NotAnObject,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` must be a text")]
    NotText(&'static str),
    #[error("`{field}` is {error}")]
    Id {
        field: &'static str,
        error: InvalidId,
    },
    #[error("`{field}` must be {expected}")]
    Other {
        field: &'static str,
        expected: &'static str,
    },
}

/// The JSON object that the call carries.
pub(crate) fn object(request: &Request) -> Result<Object, BodyError> {
    let body: &[u8] = request.body().as_ref();
    if body.len() > MAX_BODY {
        return Err(BodyError::TooLarge);
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    if content_type.is_some_and(|value| !is_json(value.to_str().unwrap_or_default())) {
        return Err(Malformed::ContentType.into());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields.into()),
        Ok(_) => Err(Malformed::NotAnObject.into()),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(match error.classify() {
                Category::Eof => Malformed::Incomplete { line, column },
                _ => Malformed::Syntax { line, column },
            }
            .into())
        }
    }
}

/// `application/json`, `application/cloudevents+json` and the like, with any parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, name)) = essence.split_once('/') else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    matches!(kind.to_ascii_lowercase().as_str(), "application" | "text")
        && (name == "json" || name.ends_with("+json"))
}

/// A JSON object. Fields that are not asked for are ignored.
pub(crate) struct Object(Map<String, Value>);

impl Object {
    /// The text of a field that may be left out, or be null.
    pub(crate) fn optional(&self, field: &'static str) -> Result<Option<&str>, Malformed> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Malformed::NotText(field)),
        }
    }

    pub(crate) fn text(&self, field: &'static str) -> Result<&str, Malformed> {
        self.optional(field)?.ok_or(Malformed::Missing(field))
    }
}

/// Reads an id out of the field's text.
pub(crate) fn id<T>(field: &'static str, text: &str) -> Result<T, Malformed>
where
    T: std::str::FromStr<Err = InvalidId>,
{
    text.parse().map_err(|error| Malformed::Id { field, error })
}

impl From<Map<String, Value>> for Object {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use proptest::prelude::*;

    use super::*;

    fn read(content_type: &str, body: impl Into<Body>) -> Result<Object, BodyError> {
        let mut request = Request::new(body.into());
        let value = content_type.parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, value);
        object(&request)
    }

    #[test]
    fn every_content_type_of_json_is_accepted() {
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON;charset=UTF-8",
            "application/cloudevents+json",
            "text/json",
        ] {
            assert!(read(content_type, "{}").is_ok(), "{content_type}");
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "json",
            "",
        ] {
            let refused = read(content_type, "{}").err().unwrap();
            assert!(
                refused.to_string().contains("Content-Type"),
                "{content_type}"
            );
        }
        assert!(
            object(&Request::new("{}".into())).is_ok(),
            "without a content type"
        );
    }

    #[test]
    fn a_body_of_64_kib_is_read_and_one_more_byte_is_refused() {
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert!(read("application/json", padded(65_536)).is_ok());
        let refused = read("application/json", padded(65_537)).err().unwrap();
        assert!(matches!(refused, BodyError::TooLarge));
        let refused = read("application/json", padded(65_537).into_bytes()).err();
        assert!(matches!(refused, Some(BodyError::TooLarge)));
    }

    proptest! {
        #[test]
        fn no_body_panics_and_no_refusal_repeats_it(body in "\\PC{0,40}") {
            for body in [format!("{{\"app\":\"hemmelig{body}"), format!("[\"hemmelig\",{body}]"), body] {
                if let Err(refused) = read("application/json", body) {
                    prop_assert!(!refused.to_string().contains("hemmelig"));
                }
            }
        }
    }
}
