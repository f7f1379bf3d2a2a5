//! Reading an answer other than success.

use std::time::Duration;

use http::header;
use reqwest::Response;
use stafett_core::relay::answer::Refusal;

use super::{error::retry_after, json::read_capped};

/// The largest refusal that is read, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;

/// Reads an answer that came after `elapsed`.
pub(super) async fn read(answer: Response, elapsed: Duration) -> Refusal {
    let status = answer.status();
    let retry_after = retry_after(answer.headers());
    let media_type = answer.headers().get(header::CONTENT_TYPE);
    let html = media_type.is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
    let body = read_capped(answer, MAX_REFUSAL).await.ok();
    Refusal::new(status, retry_after, elapsed, body.as_deref(), html)
}
