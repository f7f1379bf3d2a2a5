//! Who may ask, and what every answer carries.
//!
//! The playground listens on the loopback, where every page that the developer's browser shows can send
//! requests to it: so it answers to its own names only, and changes nothing for another origin.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Site, visit::Visit};

/// No script or style but our own, nothing from elsewhere, and in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
/// Seconds after which it is worth while to ask again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("3");

/// What goes on that lets nobody change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The samples are played.
    Samples,
    /// The clock is wound forward.
    TimePasses,
}

impl Busy {
    /// The key of what to say about it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Samples => "busy-samples",
            Self::TimePasses => "busy-time",
        }
    }
}

pub(super) async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let visit = Visit::new(request.uri(), request.headers());
    let mut response = match admit(request.method(), request.headers()) {
        Err(status) => site.refuse(&visit, status, error_key(status)),
        Ok(()) if !is_reading(request.method()) && site.busy().is_some() => site.busy_page(&visit),
        Ok(()) => tokio::select! {
            response = next.run(request) => response,
            // Whoever waits for an answer must not keep the playground from stopping.
            () = site.stopped() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    };
    // What axum itself says to a request that it cannot read is for nobody's eyes.
    let said = response.headers().get(header::CONTENT_TYPE);
    let is_bare = said.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && is_bare {
        response = site.refuse(&visit, status, error_key(status));
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn error_key(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "error-404",
        StatusCode::FORBIDDEN => "error-403",
        StatusCode::METHOD_NOT_ALLOWED => "error-405",
        StatusCode::PAYLOAD_TOO_LARGE => "error-413",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "error-415",
        StatusCode::MISDIRECTED_REQUEST => "error-421",
        status if status.is_server_error() => "error-500",
        _ => "error-400",
    }
}

/// Whether a request is for us, and, where it changes something, from our own page or from no browser.
fn admit(method: &Method, headers: &HeaderMap) -> Result<(), StatusCode> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST)
        .filter(|host| is_loopback(host))
        .ok_or(StatusCode::MISDIRECTED_REQUEST)?;
    if is_reading(method) {
        return Ok(());
    }
    let from_here = match headers.get(header::ORIGIN) {
        Some(origin) => origin.as_bytes() == format!("http://{host}").as_bytes(),
        None => text(HeaderName::from_static("sec-fetch-site"))
            .is_none_or(|site| matches!(site, "same-origin" | "none")),
    };
    if !from_here {
        return Err(StatusCode::FORBIDDEN);
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_form = ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known));
    if is_form {
        Ok(())
    } else {
        Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }
}

/// Whether a header `Host` names the loopback. A name of somebody else's that leads here does not.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost")
}

impl Site {
    /// What is said while somebody else has the turn.
    pub(crate) fn busy_page(&self, visit: &Visit) -> Response {
        let key = self.busy().map_or("busy-over", Busy::key);
        let mut response = self.refuse(visit, StatusCode::SERVICE_UNAVAILABLE, key);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn post(headers: &[(&'static str, &str)]) -> Result<(), StatusCode> {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        admit(&Method::POST, &headers.collect())
    }

    #[test]
    fn a_form_of_our_own_is_admitted_and_one_of_a_stranger_is_not() {
        let host = ("host", "127.0.0.1:8686");
        let kind = ("content-type", FORM);
        assert_eq!(
            post(&[host, kind, ("origin", "http://127.0.0.1:8686")]),
            Ok(())
        );
        assert_eq!(post(&[host, kind]), Ok(()), "no browser");
        for origin in [
            "null",
            "http://127.0.0.1:8687",
            "https://127.0.0.1:8686",
            "http://localhost:8686",
            "http://127.0.0.1:8686.example.com",
            "",
        ] {
            assert_eq!(
                post(&[host, kind, ("origin", origin)]),
                Err(StatusCode::FORBIDDEN),
                "{origin}"
            );
        }
        let elsewhere = ("sec-fetch-site", "cross-site");
        assert_eq!(post(&[host, kind, elsewhere]), Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn only_the_loopbacks_own_names_are_answered() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8686",
            "localhost:1",
            "LOCALHOST",
            "[::1]:8686",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com:8686",
            "127.0.0.1.example.com",
            "127.0.0.2:8686",
            "127.0.0.1:x",
            "::1",
            "evil:8686:127.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
            assert_eq!(
                post(&[("host", host), ("content-type", FORM)]),
                Err(StatusCode::MISDIRECTED_REQUEST)
            );
        }
    }

    #[test]
    fn what_no_form_sends_is_not_read() {
        let host = ("host", "localhost:8686");
        for kind in ["text/plain", "application/json", "multipart/mixed", ""] {
            assert_eq!(
                post(&[host, ("content-type", kind)]),
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                "{kind}"
            );
        }
        assert_eq!(
            post(&[host, ("content-type", "multipart/form-data; boundary=x")]),
            Ok(())
        );
    }
}
