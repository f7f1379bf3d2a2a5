//! Responses in the shapes that Altinn's services use.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The response to a request that was refused.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

/// What a handler returns.
pub(crate) type HandlerResult = Result<Response, Refusal>;

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    with_body(status, None, Body::empty())
}

/// A status with plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    with_body(
        status,
        Some("text/plain; charset=utf-8"),
        Body::from(text.into()),
    )
}

/// A status with text, as a controller that produces JSON writes it: a JSON string.
pub(crate) fn json_string(status: StatusCode, text: impl Into<String>) -> Response {
    json_value(status, &Value::String(text.into()))
}

/// ASP.NET's response to an unhandled exception: no body in `Production`, the exception's text elsewhere, and none of the app's headers.
pub(crate) fn unhandled(production: bool, exception: impl Into<String>) -> Response {
    let mut response = if production {
        empty(StatusCode::INTERNAL_SERVER_ERROR)
    } else {
        text(StatusCode::INTERNAL_SERVER_ERROR, exception)
    };
    response.extensions_mut().insert(Unhandled);
    response
}

/// Closes the connection without a response, as Kestrel does when a request ends before its announced length. The response's body fails
/// before its first byte, so this server closes the connection.
pub(crate) fn close_connection() -> Refusal {
    let fails = futures_util::stream::once(async {
        Err::<bytes::Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    Response::new(Body::from_stream(fails)).into()
}

/// Marks the response to an unhandled exception.
#[derive(Clone, Copy)]
pub(crate) struct Unhandled;

/// A client error to which the controller gives no body, so that ASP.NET adds problem details.
pub(crate) fn client_error(status: StatusCode) -> Response {
    let section = match status {
        StatusCode::BAD_REQUEST => "15.5.1",
        StatusCode::FORBIDDEN => "15.5.4",
        StatusCode::NOT_FOUND => "15.5.5",
        StatusCode::CONFLICT => "15.5.10",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "15.5.16",
        _ => return empty(status),
    };
    let value = json!({
        "type": format!("https://tools.ietf.org/html/rfc9110#section-{section}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "traceId": trace_id(),
    });
    problem_value(status, &value)
}

/// The W3C trace id that ASP.NET puts into problem details.
fn trace_id() -> String {
    format!(
        "00-{}-{:016x}-00",
        uuid::Uuid::new_v4().simple(),
        fastrand::u64(1..)
    )
}

fn problem_value(status: StatusCode, value: &Value) -> Response {
    with_body(
        status,
        Some("application/problem+json; charset=utf-8"),
        Body::from(value.to_string()),
    )
}

/// Controllers that declare `application/json` send problem details under that media type, too.
pub(crate) async fn produce_json(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(media_type) = response.headers_mut().get_mut(header::CONTENT_TYPE)
        && media_type
            .as_bytes()
            .starts_with(b"application/problem+json")
    {
        *media_type = HeaderValue::from_static("application/json; charset=utf-8");
    }
    response
}

/// Answers 404 unless the party is a number and the instance a GUID, as the route `…/instances/{party:int}/{guid:guid}` does.
pub(crate) async fn constrain_ids(request: Request, next: Next) -> Response {
    let mut segments = request.uri().path().split('/');
    let ids = segments
        .find(|segment| *segment == "instances")
        .and_then(|_| segments.next().zip(segments.next()));
    let fits = ids.is_none_or(|(party, guid)| {
        party.parse::<i32>().is_ok() && guid.parse::<uuid::Uuid>().is_ok()
    });
    if fits {
        next.run(request).await
    } else {
        empty(StatusCode::NOT_FOUND)
    }
}

/// A status with a JSON value.
pub(crate) fn json_value(status: StatusCode, value: &Value) -> Response {
    with_body(
        status,
        Some("application/json; charset=utf-8"),
        Body::from(value.to_string()),
    )
}

/// RFC 7807 problem details as ASP.NET writes them.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    problem_with(status, title, detail, [])
}

/// Problem details without a title, with one extension member whose value is null.
pub(crate) fn untitled_problem(status: StatusCode, detail: &str, extension: &str) -> Response {
    let value = json!({ "status": status.as_u16(), "detail": detail, extension: null });
    problem_value(status, &value)
}

/// Problem details with extension members.
pub(crate) fn problem_with<const N: usize>(
    status: StatusCode,
    title: &str,
    detail: &str,
    extensions: [(&str, Value); N],
) -> Response {
    let mut value = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    for (name, extension) in extensions {
        value[name] = extension;
    }
    problem_value(status, &value)
}

/// ASP.NET's refusal of a value that model binding cannot bind.
pub(crate) fn binding_problem(field: &str, message: &str) -> Refusal {
    binding_problems(&[(field, message)])
}

/// ASP.NET's refusal of several fields, each with its message.
pub(crate) fn binding_problems(fields: &[(&str, &str)]) -> Refusal {
    let errors: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(field, message)| ((*field).to_owned(), json!([message])))
        .collect();
    let value = json!({
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "errors": errors,
        "traceId": trace_id(),
    });
    problem_value(StatusCode::BAD_REQUEST, &value).into()
}

pub(crate) fn with_body(status: StatusCode, content_type: Option<&str>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(content_type) = content_type.and_then(|name| HeaderValue::from_str(name).ok()) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Adds a header. A value that is not valid in HTTP is left out.
pub(crate) fn with_header(
    mut response: Response,
    name: header::HeaderName,
    value: &str,
) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The status with this code, or 500 if the code is not valid.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
