//! The body of a creation: reading its parts, and checking them against the app's metadata before the instance is created.
//!
//! Rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Helpers/RequestHandling/MultipartRequestReader.cs, RequestPartValidator.cs.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::AppRequest;
use crate::app::AppDefinition;
use crate::content_disposition::ContentDisposition;
use crate::responses::{self, Refusal};

/// The default limits of ASP.NET's multipart reader.
const MOST_HEADERS: usize = 16;
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// 2000 MiB.
pub(super) const LARGEST_REQUEST: usize = 2000 * 1024 * 1024;

pub(super) struct Part {
    /// `None` for a body that is not multipart.
    pub(super) name: Option<String>,
    pub(super) filename: Option<String>,
    /// The unchanged header, including its parameters.
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// Reads the body of a creation. A body that is not multipart is one part without a name.
pub(super) async fn read(request: &AppRequest, body: Body) -> Result<Vec<Part>, Refusal> {
    let content_type = match request
        .headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str())
    {
        Some(Ok(value)) => value.to_owned(),
        _ => String::new(),
    };
    let body = http_body_util::Limited::new(body, LARGEST_REQUEST);
    if !content_type.to_ascii_lowercase().starts_with("multipart/") {
        let bytes = body
            .collect()
            .await
            .map_err(|_| broken("IOException while reading the request body"))?
            .to_bytes();
        if bytes.is_empty() && content_type.is_empty() {
            return Ok(Vec::new());
        }
        return Ok(vec![Part {
            name: None,
            filename: None,
            content_type,
            bytes,
        }]);
    }
    let boundary = multer::parse_boundary(&content_type).map_err(|_| {
        request.exception(
            "System.Exception: Could not retrieve boundary value from Content-Type header",
        )
    })?;
    // The whole body is received first, so that a body that ends before its announced length creates nothing.
    let bytes = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(broken("Request body too large."));
        }
        Err(_) => return Err(responses::close_connection()),
    };
    read_parts(bytes, boundary).await
}

/// Reads the parts of a multipart body.
async fn read_parts(bytes: Bytes, boundary: String) -> Result<Vec<Part>, Refusal> {
    let whole = futures_util::stream::once(async move { Ok::<_, Infallible>(bytes) });
    let mut multipart = multer::Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    loop {
        let number = parts.len() + 1;
        let field = match multipart.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return Ok(parts),
            Err(multer::Error::ReadHeaderFailed(_)) => {
                return Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
            }
            Err(_) => {
                return Err(broken(CUT_OFF));
            }
        };
        let headers = field.headers();
        let header_bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if headers.len() > MOST_HEADERS || header_bytes > MOST_HEADER_BYTES {
            return Err(responses::empty(StatusCode::INTERNAL_SERVER_ERROR).into());
        }
        let Some(disposition) = headers
            .get(header::CONTENT_DISPOSITION)
            .and_then(ContentDisposition::parse)
        else {
            return Err(broken(&format!(
                "Part number {number} doesn't have a content disposition"
            )));
        };
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let Some(content_type) = content_type.filter(|value| !value.is_empty()) else {
            return Err(broken(&format!(
                "Part number {number} doesn't have a content type"
            )));
        };
        let bytes = field.bytes().await.map_err(|_| broken(CUT_OFF))?;
        parts.push(Part {
            name: disposition.name,
            filename: disposition.filename,
            content_type,
            bytes,
        });
    }
}

/// The text for a multipart body without its closing boundary (measured, tests/recorded/create-cut-off.json).
const CUT_OFF: &str = "IOException while reading a section of the request: Unexpected end of Stream, the content may have already been read by another component. ";

/// The refusal of a body that arrives more slowly than 240 bytes a second after a grace period of 5 s (Kestrel's
/// `MinRequestBodyDataRate`).
pub(super) fn too_slow() -> Refusal {
    broken(
        "IOException while reading a section of the request: Reading the request body timed out due to data arriving too slowly. \
         See MinRequestBodyDataRate. ",
    )
}

fn broken(detail: &str) -> Refusal {
    responses::problem(StatusCode::BAD_REQUEST, "Error reading request", detail).into()
}

/// Removes and returns the first part with a reserved name (`instance`, `notification`). A JSON body without name counts as `instance`.
pub(super) fn take(parts: &mut Vec<Part>, name: &str) -> Option<Part> {
    let is_it = |part: &Part| match &part.name {
        Some(given) => given == name,
        None => name == "instance" && part.content_type.contains("application/json"),
    };
    parts
        .iter()
        .position(is_it)
        .map(|index| parts.remove(index))
}

/// Compares the parts with the app's metadata, in the app's order and with its texts.
pub(super) fn validate(app: &AppDefinition, parts: &[Part]) -> Result<(), Refusal> {
    for part in parts {
        if let Some(problem) = problem_of(app, part) {
            return Err(mismatch(&problem));
        }
    }
    for data_type in &app.metadata.data_types {
        let count = parts
            .iter()
            .filter(|part| part.name.as_ref() == Some(&data_type.id))
            .count();
        if data_type.max_count().is_some_and(|most| count > most) {
            let problem = format!(
                "The list of parts contains more elements of type '{}' than the element type allows.",
                data_type.id
            );
            return Err(mismatch(&problem));
        }
    }
    Ok(())
}

fn problem_of(app: &AppDefinition, part: &Part) -> Option<String> {
    let name = part.name.as_deref().unwrap_or_default();
    // A second part named `instance` passes this check. Only after the instance was created, it is refused as an unknown data type.
    if name == "instance" {
        return None;
    }
    let Some(data_type) = app.data_type(name) else {
        return Some(format!(
            "Multipart section named, '{name}' does not correspond to an element type in application metadata"
        ));
    };
    let media_type = part.content_type.split(';').next().unwrap_or_default();
    if data_type
        .allowed_content_types()
        .is_some_and(|allowed| !allowed.iter().any(|allowed| allowed == media_type))
    {
        return Some(format!(
            "The multipart section named {name} has a Content-Type '{}' which is invalid for element type '{name}'",
            part.content_type
        ));
    }
    if part.bytes.is_empty() {
        return Some(format!(
            "The multipart section named {name} has no data. Cannot process empty part."
        ));
    }
    if data_type
        .max_bytes()
        .is_some_and(|most| part.bytes.len() as u64 > most)
    {
        return Some(format!(
            "The multipart section named {name} exceeds the size limit of element type '{name}'"
        ));
    }
    None
}

fn mismatch(problem: &str) -> Refusal {
    let text = format!("Error when comparing content to application metadata: {problem}");
    responses::json_string(StatusCode::BAD_REQUEST, text).into()
}
