//! What an HTTP API makes of a request and of a function's answer: payload format version 2.0.
//!
//! AWS: "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway". Where that is silent:
//! `rawPath` is decoded (aws/aws-lambda-dotnet, pull request 1901), and a body is text only for
//! `text/*`, JSON, XML and JavaScript, without `+json` (ministackorg/ministack, pull request 766;
//! both found out against the real service).

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::ACCOUNT;

const API_ID: &str = "local";

/// Where a request came in and where it goes.
pub(super) struct Routed<'a> {
    /// The route's key, as `POST /events/{secret}`.
    pub(super) key: &'a str,
    /// The values of its path parameters, encoded as they came.
    pub(super) parameters: &'a [(String, String)],
    pub(super) source: IpAddr,
}

/// The event that the function gets.
pub(super) fn event(parts: &Parts, body: &Bytes, routed: &Routed<'_>) -> Value {
    let now = Timestamp::now();
    let path = decoded(parts.uri.path());
    let host = header_text(parts, &header::HOST).unwrap_or("localhost");
    let agent = header_text(parts, &header::USER_AGENT).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": routed.key,
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers(parts, routed.source, now),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split('.').next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": routed.source.to_string(),
                "userAgent": agent,
            },
            "requestId": Uuid::new_v4().simple().to_string(),
            "routeKey": routed.key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<Value> = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| Value::from(cookie.trim()))
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = Value::from(cookies);
    }
    if let Some(query) = parts.uri.query().filter(|it| !it.is_empty()) {
        event["queryStringParameters"] = joined(query.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decoded(name), form_decoded(value))
        }));
    }
    if !routed.parameters.is_empty() {
        event["pathParameters"] = joined(
            routed
                .parameters
                .iter()
                .map(|(name, value)| (name.clone(), decoded(value))),
        );
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(parts) => event["body"] = Value::from(text),
            _ => {
                event["body"] = Value::from(BASE64_STANDARD.encode(body));
                event["isBase64Encoded"] = Value::Bool(true);
            }
        }
    }
    event
}

fn header_text<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn form_decoded(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

/// A JSON object in which values of the same name are joined with commas.
fn joined(pairs: impl Iterator<Item = (String, String)>) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs {
        match object.get_mut(&name) {
            Some(Value::String(all)) => {
                all.push(',');
                all.push_str(&value);
            }
            _ => {
                object.insert(name, Value::from(value));
            }
        }
    }
    Value::Object(object)
}

/// Headers as the function sees them: names in lower case, cookies apart, the gateway's own added.
fn headers(parts: &Parts, source: IpAddr, now: Timestamp) -> Value {
    let own = [
        ("x-forwarded-for", source.to_string()),
        ("x-forwarded-port", "443".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
        (
            "x-amzn-trace-id",
            format!(
                "Root=1-{:08x}-{}",
                now.as_second(),
                &Uuid::new_v4().simple().to_string()[..24]
            ),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let hop_by_hop = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::UPGRADE,
        header::COOKIE,
    ];
    let sent = parts
        .headers
        .iter()
        .filter(|(name, _)| !hop_by_hop.contains(name))
        .filter(|(name, _)| own.iter().all(|(own, _)| name.as_str() != own))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
    joined(sent.chain(own.iter().cloned()))
}

fn is_text(parts: &Parts) -> bool {
    let kind = header_text(parts, &header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(
            kind.as_str(),
            "application/json" | "application/xml" | "application/javascript"
        )
}

/// The HTTP answer that a function's answer stands for; none when it stands for none.
///
/// An answer without `statusCode` is the body of a 200 with JSON.
pub(super) fn answer(answer: &Value) -> Option<Response<Bytes>> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    if answer.get("statusCode").is_none() {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        *response.body_mut() = Bytes::from(answer.to_string());
        return Some(response);
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        headers.append(
            name.parse::<HeaderName>().ok()?,
            value.parse::<HeaderValue>().ok()?,
        );
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie.as_str()?.parse().ok()?);
    }
    // The gateway frames the message itself.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    let status = &answer["statusCode"];
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    if let Some(body) = answer["body"].as_str() {
        *response.body_mut() = if answer["isBase64Encoded"] == true {
            Bytes::from(BASE64_STANDARD.decode(body).ok()?)
        } else {
            Bytes::from(body.to_owned())
        };
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;

    use super::*;

    fn make(request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let routed = Routed {
            key: "POST /events/{secret}",
            parameters: &[("secret".to_owned(), "s%20t".to_owned())],
            source: Ipv4Addr::LOCALHOST.into(),
        };
        event(&parts, &Bytes::copy_from_slice(body), &routed)
    }

    #[test]
    fn the_event_has_every_part_of_the_request() {
        let event = make(
            Request::post("http://x/events/s%20t?a=1&a=2&b=x+y%26")
                .header("Host", "api.example.no")
                .header("User-Agent", "curl")
                .header("X-Note", "one")
                .header("X-Note", "two")
                .header("Cookie", "a=1; b=2")
                .header("Content-Type", "application/json; charset=utf-8")
                .header("Connection", "keep-alive"),
            b"{\"a\":1}",
        );
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "POST /events/{secret}");
        assert_eq!(event["rawPath"], "/events/s t");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=x+y%26");
        assert_eq!(
            event["queryStringParameters"],
            json!({ "a": "1,2", "b": "x y&" })
        );
        assert_eq!(event["pathParameters"], json!({ "secret": "s t" }));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["x-note"], "one,two");
        assert_eq!(event["headers"]["x-forwarded-for"], "127.0.0.1");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["headers"].get("connection"), None);
        assert_eq!(event["body"], "{\"a\":1}");
        assert_eq!(event["isBase64Encoded"], false);
        let context = &event["requestContext"];
        assert_eq!(context["stage"], "$default");
        assert_eq!(context["http"]["method"], "POST");
        assert_eq!(context["http"]["userAgent"], "curl");
        assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
        assert_eq!(context["domainPrefix"], "api");
    }

    #[test]
    fn only_a_few_content_types_are_text() {
        let encoded = |kind: Option<&str>, body: &[u8]| {
            let request = Request::post("http://x/");
            let request = match kind {
                Some(kind) => request.header("content-type", kind),
                None => request,
            };
            make(request, body)["isBase64Encoded"] == true
        };
        for kind in [
            "text/plain",
            "application/json",
            "Application/XML",
            "text/csv; header=x",
        ] {
            assert!(!encoded(Some(kind), b"{}"), "{kind}");
        }
        for kind in ["application/cloudevents+json", "application/octet-stream"] {
            assert!(encoded(Some(kind), b"{}"), "{kind}");
        }
        assert!(encoded(None, b"{}"));
        assert!(encoded(Some("application/json"), &[0xff, 0xfe]), "no UTF-8");
        assert!(!encoded(None, b""), "no body");
    }

    #[test]
    fn the_event_reads_as_the_request_that_functions_use() {
        let event = make(
            Request::post("http://x/events/s?q=1").header("content-type", "application/x+json"),
            b"{\"a\":1}",
        );
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri().path(), "/events/s");
        assert_eq!(request.body().as_ref(), b"{\"a\":1}");
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let response = answer(&json!({
            "statusCode": 202,
            "headers": { "content-type": "application/json", "x-a": "1", "content-length": "99" },
            "cookies": ["a=1", "b=2"],
            "body": "e30=",
            "isBase64Encoded": true,
        }))
        .unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(response.headers().get("content-length"), None);
        assert_eq!(response.body().as_ref(), b"{}");
    }

    #[test]
    fn an_answer_without_a_status_is_a_json_body() {
        let response = answer(&json!({ "a": 1 })).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.body().as_ref(), b"{\"a\":1}");
    }

    #[test]
    fn an_answer_that_is_no_response_is_none() {
        for bad in [
            json!({ "statusCode": 99 }),
            json!({ "statusCode": "many" }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
        ] {
            assert!(answer(&bad).is_none(), "{bad}");
        }
    }
}
