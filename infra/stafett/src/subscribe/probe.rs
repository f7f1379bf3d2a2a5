//! Why Altinn may not have validated an address: the same call, made from here.

use std::fmt;

use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use stafett_runtime::settings::ApiSettings;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What the events address did with a validation that did not come from Altinn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It accepts it.
    Accepts,
    /// It knows no such path: another secret.
    Unknown,
    /// It answers something else.
    Answers(StatusCode),
    /// It does not answer.
    Silent,
}

impl Finding {
    /// Calls the address as Altinn does to validate it; the function passes that event over.
    pub(super) async fn of(api: &ApiSettings, secret: &SecretString) -> Self {
        let Ok(http) = stafett_runtime::altinn::http_client() else {
            return Self::Silent;
        };
        let base = api.url.as_str().trim_end_matches('/');
        let event = json!({
            "id": uuid::Uuid::new_v4(), "source": "urn:stafett:subscribe", "specversion": "1.0",
            "type": "platform.events.validatesubscription",
        });
        let sent = http
            .post(format!("{base}/events/{}", secret.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(event.to_string())
            .timeout(TIMEOUT)
            .send();
        match sent.await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Self::Accepts,
            Ok(StatusCode::NOT_FOUND) => Self::Unknown,
            Ok(status) => Self::Answers(status),
            Err(_) => Self::Silent,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepts => f.write_str(
                "From here the events address accepts the validation. Altinn tries for a while and \
                 then gives up: run this again, which makes it try anew. If that does not help, see \
                 that Altinn's own addresses are let through.",
            ),
            Self::Unknown => f.write_str(
                "From here the events address answers 404: the deployed function has another secret, \
                 or STAFETT_API_URL is another deployment's. After a rotation, deploy anew: the \
                 function reads its secret when it starts.",
            ),
            Self::Answers(status) => write!(
                f,
                "From here the events address answers {}: see the logs of the function receive.",
                status.as_u16()
            ),
            Self::Silent => f.write_str(
                "From here the events address does not answer: see that the stack is deployed, and \
                 that STAFETT_API_URL is its output ApiUrl.",
            ),
        }
    }
}
