//! Sending requests with a token: addresses, time limits, and what is sent again.

use std::{fmt, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use http::StatusCode;
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stafett_core::id::AppId;
use tokio::time::Instant;

use super::{
    app::AppsSaid,
    budget::Budget,
    error::{AltinnError, AltinnErrorKind, Call},
    json,
    token::Tokens,
};
use crate::settings::AltinnSettings;

/// The longest that a read may take. Altinn's own clients wait 100 s, which is too long for a read.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that a request may take that creates or changes B: as long as Altinn asks of its clients (some 120 s, since
/// B's app works on parts and PDF meanwhile), and no longer, because it holds a container.
const LONGEST_CHANGE: Duration = Duration::from_secs(120);
/// A safe call is repeated at once this often; later retries are the queue's.
const QUICK_RETRIES: usize = 2;
/// How much longer than its request a token must live: Altinn checks it without leeway, also at the end.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// The client for one Altinn environment. Cloning it is cheap.
#[derive(Clone)]
pub struct Altinn(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) http: reqwest::Client,
    pub(super) platform: Url,
    apps: String,
    key: Option<SecretString>,
    tokens: Tokens,
    pub(super) apps_said: AppsSaid,
}

impl fmt::Debug for Altinn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Altinn")
    }
}

/// An answer of any status.
struct Answered {
    response: Response,
    /// The token that was sent.
    token: SecretString,
    /// How long the answer took.
    took: Duration,
}

impl Altinn {
    /// A client that sends `tokens` with each call.
    #[must_use]
    pub fn new(settings: &AltinnSettings, http: reqwest::Client, tokens: Tokens) -> Self {
        Self(Arc::new(Inner {
            http,
            platform: settings.platform_url.clone(),
            apps: settings.apps_url.clone(),
            key: settings.subscription_key.clone(),
            tokens,
            apps_said: AppsSaid::default(),
        }))
    }

    /// An address below Storage: `{platform}/storage/api/v1/{path}`.
    pub(super) fn storage(&self, path: &str) -> String {
        let platform = self.0.platform.as_str().trim_end_matches('/');
        format!("{platform}/storage/api/v1/{path}")
    }

    /// An address below an app: `{apps}/{org}/{app}/{path}`.
    pub(super) fn app(&self, app: &AppId, path: &str) -> String {
        format!("{}/{app}/{path}", self.0.apps.replace("{org}", app.org()))
    }

    /// A request to the platform, whose gateway may want a subscription key.
    pub(super) fn platform_request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.0.http.request(method, url);
        match &self.0.key {
            Some(key) => request.header("Ocp-Apim-Subscription-Key", key.expose_secret()),
            None => request,
        }
    }

    /// Sends a request with a token that lives for `lifetime` at least.
    async fn attempt(
        &self,
        budget: &Budget,
        lifetime: Duration,
        longest: Duration,
        request: RequestBuilder,
    ) -> Result<Answered, AltinnErrorKind> {
        let left = budget.left();
        if left.is_zero() {
            return Err(AltinnErrorKind::OutOfTime);
        }
        let token = self.0.tokens.get(lifetime, left).await?;
        let request = request
            .bearer_auth(token.expose_secret())
            .timeout(budget.left().min(longest))
            .send();
        let began = Instant::now();
        let response = budget.count(request).await?;
        Ok(Answered {
            response,
            token,
            took: began.elapsed(),
        })
    }

    /// Sends a request that must not be repeated, within what is left of the budget and [`LONGEST_CHANGE`], and returns an answer of any status and how long it took. After a
    /// 401 the next call fetches a new token.
    pub(super) async fn send_once(
        &self,
        budget: &Budget,
        request: RequestBuilder,
    ) -> Result<(Response, Duration), AltinnErrorKind> {
        let lifetime = budget.left().min(LONGEST_CHANGE) + TOKEN_MARGIN;
        let answered = self
            .attempt(budget, lifetime, LONGEST_CHANGE, request)
            .await?;
        if answered.response.status() == StatusCode::UNAUTHORIZED {
            self.0.tokens.forget(&answered.token).await;
        }
        Ok((answered.response, answered.took))
    }

    /// Sends a request that is safe to repeat, and repeats it once with a new token after a 401. Returns an answer of
    /// any status.
    pub(super) async fn ask(
        &self,
        budget: &Budget,
        call: &Call,
        longest: Duration,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, AltinnError> {
        let failed = |kind: AltinnErrorKind| AltinnError::new(call, kind);
        let attempt = || self.attempt(budget, TOKEN_MARGIN, longest, request());
        let first = attempt().await.map_err(failed)?;
        if first.response.status() != StatusCode::UNAUTHORIZED {
            return Ok(first.response);
        }
        self.0.tokens.forget(&first.token).await;
        let second = attempt().await.map_err(failed)?;
        Ok(second.response)
    }

    /// The same, but a status other than success is an error.
    pub(super) async fn send(
        &self,
        budget: &Budget,
        call: &Call,
        longest: Duration,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, AltinnError> {
        let answer = self.ask(budget, call, longest, request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(AltinnError::new(call, AltinnErrorKind::of_status(&answer)))
    }

    /// Reads JSON, with quick retries.
    pub(super) async fn read_json(
        &self,
        budget: &Budget,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Value, AltinnError> {
        quickly(|| async {
            let answer = self.send(budget, call, READ_TIMEOUT, &request).await?;
            json::read(answer)
                .await
                .map_err(|kind| AltinnError::new(call, kind))
        })
        .await
    }

    /// Reads the text of a JSON document, with quick retries, for a caller that parses it in parts.
    pub(super) async fn read_text(
        &self,
        budget: &Budget,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<u8>, AltinnError> {
        quickly(|| async {
            let answer = self.send(budget, call, READ_TIMEOUT, &request).await?;
            json::read_text(answer)
                .await
                .map_err(|kind| AltinnError::new(call, kind))
        })
        .await
    }
}

/// Repeats a safe call at once, a few times, if its error may pass.
pub(super) async fn quickly<T, F>(call: impl FnMut() -> F) -> Result<T, AltinnError>
where
    F: Future<Output = Result<T, AltinnError>>,
{
    let backoff = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_times(QUICK_RETRIES);
    call.retry(backoff).when(AltinnError::is_passing).await
}
