//! Sends recorded requests over a plain TCP connection, so that no client library changes them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::placeholders::Bindings;
use super::{Part, Request};

/// The first bytes of every recorded file.
const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
/// Longer than any response takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A response that was read to its end.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// `None` if the connection ended without a response.
    pub status: Option<u16>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes).ok()
    }
}

/// Sends a recorded request to `address` (`host:port`), with placeholders filled in and the caller's token.
pub async fn send(
    address: &str,
    request: &Request,
    token: Option<&str>,
    bindings: &mut Bindings,
) -> Reply {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), bindings.fill(value)))
        .collect();
    let has = |headers: &[(String, String)], name: &str| headers.iter().any(|(n, _)| n == name);
    let body = match (&request.parts, &request.body) {
        (Some(parts), _) => {
            let (media_type, body) = multipart(parts, request.no_end.is_some(), bindings);
            if !has(&headers, "content-type") {
                headers.push(("content-type".into(), media_type));
            }
            Some(body)
        }
        (None, Some(Value::String(text))) => Some(content(text, bindings)),
        (None, Some(body)) => {
            if !has(&headers, "content-type") {
                headers.push(("content-type".into(), "application/json".into()));
            }
            Some(bindings.fill(&body.to_string()).into_bytes())
        }
        (None, None) => None,
    };
    if !has(&headers, "accept") {
        headers.push(("accept".into(), "*/*".into()));
    }
    if let Some(token) = token
        && !has(&headers, "authorization")
    {
        headers.push(("authorization".into(), format!("Bearer {token}")));
    }
    let announced = match &body {
        Some(body) if request.cut.is_some() => Some(body.len() + 1000),
        Some(body) => Some(body.len()),
        None => (request.method != "GET").then_some(0),
    };
    if let Some(length) = announced {
        headers.push(("content-length".into(), length.to_string()));
    }
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n",
        request.method,
        bindings.fill(&request.path)
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let talk = exchange(
        address,
        head,
        body.unwrap_or_default(),
        request.cut.is_some(),
    );
    tokio::time::timeout(PATIENCE, talk)
        .await
        .unwrap_or_else(|_| panic!("no answer to {} {}", request.method, request.path))
}

/// The content of a body. `{123 bytes}` stands for a file of that length.
fn content(text: &str, bindings: &mut Bindings) -> Vec<u8> {
    let length = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix(" bytes}"))
        .and_then(|length| length.parse().ok());
    match length {
        Some(length) => {
            let mut bytes = PDF.as_bytes().to_vec();
            bytes.resize(length, b' ');
            bytes
        }
        None => bindings.fill(text).into_bytes(),
    }
}

fn multipart(parts: &[Part], no_end: bool, bindings: &mut Bindings) -> (String, Vec<u8>) {
    let boundary = "recorded-0123456789abcdef";
    let mut body = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b"\r\n");
        }
        let mut head = format!("--{boundary}\r\n");
        let disposition = part.disposition.clone().unwrap_or_else(|| {
            let parameter = |name: &str, value: &Option<String>| {
                value
                    .as_ref()
                    .map(|value| format!("; {name}=\"{value}\""))
                    .unwrap_or_default()
            };
            Some(format!(
                "form-data{}{}",
                parameter("name", &part.name),
                parameter("filename", &part.filename)
            ))
        });
        if let Some(disposition) = disposition {
            head.push_str(&format!("Content-Disposition: {disposition}\r\n"));
        }
        if let Some(media_type) = &part.media_type {
            head.push_str(&format!("Content-Type: {media_type}\r\n"));
        }
        for (name, value) in &part.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n");
        let text = part.body.as_str().expect("the body of a part is text");
        body.extend(content(text, bindings));
    }
    if !no_end {
        if !parts.is_empty() {
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    }
    (format!("multipart/form-data; boundary={boundary}"), body)
}

async fn exchange(address: &str, head: String, body: Vec<u8>, cut: bool) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    // A server that refuses a body may respond before it has received it.
    let writer = tokio::spawn(async move {
        writing.write_all(head.as_bytes()).await?;
        writing.write_all(&body).await?;
        if cut {
            writing.shutdown().await?;
        }
        io::Result::Ok(writing)
    });
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match reading.read(&mut chunk).await {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("reading from {address}: {error}"),
        }
    }
    writer.abort();
    parse(&received)
}

fn parse(received: &[u8]) -> Reply {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Reply::default();
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    if status == Some(100) {
        return parse(&received[end + 4..]);
    }
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &received[end + 4..];
    let bytes = if headers
        .get("transfer-encoding")
        .is_some_and(|encoding| encoding == "chunked")
    {
        joined(body)
    } else {
        body.to_vec()
    };
    Reply {
        status,
        headers,
        bytes,
    }
}

/// The content of a chunked body.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&body[..end]);
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = body.get(end + 2..end + 2 + size).filter(|_| size > 0) else {
            break;
        };
        bytes.extend_from_slice(chunk);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    bytes
}
