//! JSON of bounded size: Altinn answers with forms of any size, and a function has little memory.

use futures_util::StreamExt;
use reqwest::Response;
use serde_json::Value;

use super::error::AltinnErrorKind;

/// The longest document that is read, in bytes: an instance, form data, metadata, a page of a list.
/// A page is the longest: an instance without its data elements has about 1,200 bytes (measured,
/// tests/recorded/query-page-1.json), and a page that is longer is asked for again with fewer rows.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most brackets, braces, commas and colons outside of texts. Each may belong to a value, and a value in memory
/// takes many times the one or two bytes of its text.
const MAX_MARKS: usize = 500_000;

/// Reads an answer's body as JSON.
pub(super) async fn read(answer: Response) -> Result<Value, AltinnErrorKind> {
    parse(&read_text(answer).await?)
}

/// Reads an answer's body, up to the size of the longest document, without parsing it.
pub(super) async fn read_text(answer: Response) -> Result<Vec<u8>, AltinnErrorKind> {
    read_capped(answer, MAX_BYTES).await
}

/// Parses a document that does not have too many values.
pub(super) fn parse(json: &[u8]) -> Result<Value, AltinnErrorKind> {
    // Most documents are too short to have so many.
    if json.len() > MAX_MARKS && marks(json) > MAX_MARKS {
        return Err(AltinnErrorKind::Malformed("of so few values as are read"));
    }
    // JSON that somebody uploaded may begin with a byte order mark, and A's app gives it as it was stored.
    let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    serde_json::from_slice(json).map_err(|_| AltinnErrorKind::Malformed("JSON"))
}

/// Reads a body of at most `max` bytes.
pub(super) async fn read_capped(answer: Response, max: usize) -> Result<Vec<u8>, AltinnErrorKind> {
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > max {
            return Err(AltinnErrorKind::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How many structural characters (RFC 8259, section 2) a document has, without the closing ones.
fn marks(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' | b',' | b':' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::mpsc,
        thread,
    };

    use proptest::prelude::*;

    use super::*;

    /// A server that answers the first request with `head` and then with `chunk` forever, and tells how many bytes it
    /// could send before the client closed the connection.
    fn endless(head: &'static str, chunk: Vec<u8>) -> (String, mpsc::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (told, sent) = mpsc::channel();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut bytes = 0;
            while stream.write_all(&chunk).is_ok() {
                bytes += chunk.len();
            }
            told.send(bytes).unwrap();
        });
        (url, sent)
    }

    #[test]
    fn a_byte_order_mark_before_json_is_passed_over() {
        let given = parse("\u{feff}{\"navn\": \"Åse\"}".as_bytes()).unwrap();
        assert_eq!(given["navn"], "Åse");
        assert!(parse("{\u{feff}}".as_bytes()).is_err());
    }

    #[test]
    fn reading_an_endless_answer_stops_at_the_limit() {
        let heads = [
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        ];
        for head in heads {
            let (url, sent) = endless(head, vec![b' '; 64 * 1024]);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let refused = runtime.block_on(async {
                let answer = reqwest::get(url).await.unwrap();
                read_capped(answer, 1024 * 1024).await.unwrap_err()
            });
            drop(runtime);
            assert!(matches!(refused, AltinnErrorKind::TooLong), "{refused}");
            // More than was read went out, but no more than the buffers on the way hold.
            let sent = sent.recv().unwrap();
            assert!(sent < 32 * 1024 * 1024, "{sent} bytes");
        }
    }

    #[test]
    fn a_short_document_of_too_many_values_is_not_parsed() {
        let answer = |body: String| Response::from(http::Response::new(body));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let read = |body| runtime.block_on(read(answer(body)));
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count));
        assert!(read(zeros(MAX_MARKS - 1)).is_ok());
        let refused = read(zeros(MAX_MARKS)).unwrap_err();
        assert!(
            matches!(refused, AltinnErrorKind::Malformed(_)),
            "{refused}"
        );
        // Marks within a text do not count.
        assert!(read(format!("[\"{}\"]", "[{\\\",:".repeat(MAX_MARKS))).is_ok());
    }

    fn values(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(values).sum(),
            Value::Object(fields) => fields.values().map(values).sum(),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn a_document_has_at_most_one_value_more_than_marks(
            texts in proptest::collection::vec(".{0,12}", 0..6), pretty: bool
        ) {
            let rows: Vec<_> = texts.iter().map(|text| serde_json::json!({ text: [text, null, {}] })).collect();
            let document = serde_json::json!({ "rows": rows });
            let written = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) };
            prop_assert!(values(&document) <= marks(&written.unwrap()) + 1);
        }
    }
}
