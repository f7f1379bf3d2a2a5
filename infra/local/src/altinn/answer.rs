//! The shapes in which Altinn's services answer.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request that ends before its purpose.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

/// What a handler answers.
pub(crate) type Answer = Result<Response, Refusal>;

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
    with_body(
        status,
        Some("application/problem+json; charset=utf-8"),
        Body::from(value.to_string()),
    )
}

/// What ASP.NET's model binding says to a value it cannot bind.
pub(crate) fn binding_problem(field: &str, message: &str) -> Refusal {
    let value = json!({
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "errors": { field: [message] },
        "traceId": format!("00-{}-{:016x}-00", uuid::Uuid::new_v4().simple(), fastrand::u64(1..)),
    });
    with_body(
        StatusCode::BAD_REQUEST,
        Some("application/problem+json; charset=utf-8"),
        Body::from(value.to_string()),
    )
    .into()
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

/// Adds a header; a value that HTTP cannot carry is left out.
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

/// The status that a number stands for; 500 where it stands for none.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
