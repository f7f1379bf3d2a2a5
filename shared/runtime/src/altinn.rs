//! The Altinn client: tokens, reads, the search for a stamp, and the one request that creates B.
//!
//! Every address is built from settings and parsed ids; `selfLinks` are never
//! followed, and redirects are off. Errors carry no URL and no body.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::{HeaderMap, StatusCode, header};
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    metadata::ApplicationMetadata,
};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    settings::AltinnSettings,
    tls::{self, HttpError},
};

pub mod after;
mod connection;
pub mod create;
pub mod cursor;
mod json;
pub mod list;
pub mod process;
mod refusal;
pub mod repair;
pub mod search;
pub mod sentence;
pub mod subscriptions;
pub mod token;

pub use connection::Connection;
pub use token::{TokenError, Tokens};

/// The longest that a read may take (Altinn's own clients wait 100 s; nobody waits that long for a read).
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an app's metadata is believed.
const METADATA_AGE: Duration = Duration::from_secs(300);
/// A read is sent again at once this often; patience beyond that is the queue's.
const QUICK_RETRIES: usize = 2;

/// What one relay may spend, and has spent: time until `until`, and calls to Altinn.
#[derive(Debug)]
pub struct Budget {
    until: Instant,
    calls: AtomicU32,
    waited_us: AtomicU64,
}

impl Budget {
    /// A budget that ends after `left`.
    #[must_use]
    pub fn new(left: Duration) -> Self {
        Self {
            until: Instant::now() + left,
            calls: AtomicU32::new(0),
            waited_us: AtomicU64::new(0),
        }
    }

    /// The time that is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Calls to Altinn so far; tokens are the container's, not the relay's, and do not count.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How long Altinn took to answer these calls, one after the other.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }

    /// Counts a call, and the time until it is answered.
    async fn count<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let answer = call.await;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited_us.fetch_add(took, Ordering::Relaxed);
        answer
    }
}

/// A call to Altinn that did not give what was asked for.
#[derive(Debug, Error)]
#[error("cannot {doing}: {trouble}")]
pub struct AltinnError {
    /// What was being done, to what, without personal data.
    pub doing: String,
    /// What came instead.
    #[source]
    pub trouble: Trouble,
}

/// What came instead of an answer, by what can be done about it.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The lease leaves no time: nothing was sent.
    #[error("no time is left within the lease")]
    OutOfTime,
    /// No token: nothing was sent.
    #[error("no token: {0}")]
    Token(#[from] TokenError),
    /// No connection, reset, or time-out.
    #[error("no answer ({})", transport(.0))]
    NoAnswer(#[source] reqwest::Error),
    /// An answer with another status than success.
    #[error("status {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// How long to wait, if Altinn said so.
        retry_after: Option<Duration>,
    },
    /// An answer of another form than Altinn's.
    #[error("the answer is not {0}")]
    Malformed(&'static str),
    /// An answer of more bytes than are read.
    #[error("the answer is not of a size that is read")]
    TooLong,
}

fn transport(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "broken off"
    } else {
        "connection lost"
    }
}

impl AltinnError {
    pub(crate) fn new(doing: &str, trouble: impl Into<Trouble>) -> Self {
        Self {
            doing: doing.to_owned(),
            trouble: trouble.into(),
        }
    }

    /// The status that Altinn answered with, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.trouble {
            Trouble::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long Altinn asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.trouble {
            Trouble::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same call can work a moment later, so that a safe one is worth repeating at once.
    fn is_passing(&self) -> bool {
        match &self.trouble {
            Trouble::NoAnswer(error) => !error.is_timeout(),
            Trouble::Status {
                status,
                retry_after,
            } => {
                retry_after.is_none()
                    && (status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT)
            }
            _ => false,
        }
    }
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::NoAnswer(error.without_url())
    }
}

/// The client for one Altinn environment. Cloning it is cheap.
#[derive(Clone)]
pub struct Altinn(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    platform: Url,
    apps: String,
    key: Option<SecretString>,
    tokens: Tokens,
    metadata: Mutex<HashMap<AppId, (Instant, Arc<ApplicationMetadata>)>>,
}

impl fmt::Debug for Altinn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Altinn")
    }
}

/// An HTTP client as every call of ours needs it.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client, HttpError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config()?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        // A frozen container's connections are dead when it thaws.
        .pool_idle_timeout(Duration::from_secs(20))
        .user_agent(concat!("stafett/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
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
            metadata: Mutex::default(),
        }))
    }

    /// An address below Storage: `{platform}/storage/api/v1/{path}`.
    fn storage(&self, path: &str) -> String {
        let platform = self.0.platform.as_str().trim_end_matches('/');
        format!("{platform}/storage/api/v1/{path}")
    }

    /// An address below an app: `{apps}/{org}/{app}/{path}`.
    fn app(&self, app: &AppId, path: &str) -> String {
        format!("{}/{app}/{path}", self.0.apps.replace("{org}", app.org()))
    }

    /// A request to Storage, which the gateway may want a subscription key for.
    fn platform_request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.0.http.request(method, url);
        match &self.0.key {
            Some(key) => request.header("Ocp-Apim-Subscription-Key", key.expose_secret()),
            None => request,
        }
    }

    /// Sends with a token, and once more with a fresh one after a 401: for requests that are safe to repeat.
    async fn send(
        &self,
        budget: &Budget,
        doing: &str,
        longest: Duration,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, AltinnError> {
        let answer = self.ask(budget, doing, longest, request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        Err(AltinnError::new(
            doing,
            Trouble::Status {
                status,
                retry_after,
            },
        ))
    }

    /// The same, where a refusal's body counts: gives an answer of any status.
    async fn ask(
        &self,
        budget: &Budget,
        doing: &str,
        longest: Duration,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, AltinnError> {
        let failed = |trouble: Trouble| AltinnError::new(doing, trouble);
        let mut refused: Option<SecretString> = None;
        loop {
            let left = budget.left();
            if left.is_zero() {
                return Err(failed(Trouble::OutOfTime));
            }
            if let Some(token) = &refused {
                self.0.tokens.forget(token).await;
            }
            let token = self
                .0
                .tokens
                .get(Duration::from_secs(60), left)
                .await
                .map_err(|e| failed(e.into()))?;
            let request = request()
                .bearer_auth(token.expose_secret())
                .timeout(budget.left().min(longest))
                .send();
            let answer = budget
                .count(request)
                .await
                .map_err(|error| failed(error.into()))?;
            if answer.status() == StatusCode::UNAUTHORIZED && refused.is_none() {
                refused = Some(token);
                continue;
            }
            return Ok(answer);
        }
    }

    /// Reads JSON, patiently for a moment.
    async fn read_json(
        &self,
        budget: &Budget,
        doing: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Value, AltinnError> {
        quickly(|| async {
            let answer = self.send(budget, doing, READ_TIMEOUT, &request).await?;
            json::read(answer)
                .await
                .map_err(|trouble| AltinnError::new(doing, trouble))
        })
        .await
    }

    /// Reads JSON that is unfolded piece by piece.
    async fn read_text(
        &self,
        budget: &Budget,
        doing: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Vec<u8>, AltinnError> {
        quickly(|| async {
            let answer = self.send(budget, doing, READ_TIMEOUT, &request).await?;
            json::read_text(answer)
                .await
                .map_err(|trouble| AltinnError::new(doing, trouble))
        })
        .await
    }

    /// Reads an instance from Storage, which finds it by its GUID alone: what party whoever told of it
    /// has named is no matter, the instance's own id counts from here on.
    ///
    /// # Errors
    /// [`AltinnError`]. Storage answers 404 also on any failure of its own
    /// (Altinn/altinn-storage: src/Storage/Controllers/InstancesController.cs, Get).
    pub async fn instance(&self, budget: &Budget, id: InstanceId) -> Result<Instance, AltinnError> {
        let doing = format!("read instance {id} from Storage");
        let url = self.storage(&format!("instances/{id}"));
        let json = self
            .read_json(budget, &doing, || self.platform_request(Method::GET, &url))
            .await?;
        let instance = Instance::from_json(json)
            .ok()
            .filter(|instance| instance.id.guid == id.guid);
        instance.ok_or_else(|| AltinnError::new(&doing, Trouble::Malformed("that instance")))
    }

    /// Reads form data through its app, as JSON: typed, lists as lists.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn form_data(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        element: Uuid,
    ) -> Result<Value, AltinnError> {
        let doing = format!("read form data {element} of instance {id} through {app}");
        let url = self.app(app, &format!("instances/{id}/data/{element}"));
        self.read_json(budget, &doing, || {
            self.0
                .http
                .get(&url)
                .header(header::ACCEPT, "application/json")
        })
        .await
    }

    /// Opens an attachment in Storage: its bytes, as they were stored.
    ///
    /// # Errors
    /// [`AltinnError`], also within the stream.
    pub async fn attachment(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<impl Stream<Item = Result<Bytes, AltinnError>> + Send + use<>, AltinnError> {
        let doing = format!("read data element {element} of instance {id} from Storage");
        let url = self.storage(&format!("instances/{id}/data/{element}"));
        // However large it is, it must be read whole within what is left.
        let answer = quickly(|| {
            self.send(budget, &doing, Duration::MAX, || {
                self.platform_request(Method::GET, &url)
            })
        })
        .await?;
        Ok(answer
            .bytes_stream()
            .map_err(move |error| AltinnError::new(&doing, error)))
    }

    /// An app's metadata, at most five minutes old. The app gives it to everybody.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn metadata(
        &self,
        budget: &Budget,
        app: &AppId,
    ) -> Result<Arc<ApplicationMetadata>, AltinnError> {
        if let Some((read_at, metadata)) = self.metadata_cache().get(app)
            && read_at.elapsed() < METADATA_AGE
        {
            return Ok(metadata.clone());
        }
        let doing = format!("read the metadata of {app}");
        let url = self.app(app, "api/v1/applicationmetadata");
        let json = self
            .read_json(budget, &doing, || self.0.http.get(&url))
            .await?;
        let metadata = ApplicationMetadata::from_json(&json)
            .map_err(|_| AltinnError::new(&doing, Trouble::Malformed("application metadata")))?;
        let metadata = Arc::new(metadata);
        self.metadata_cache()
            .insert(app.clone(), (Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    /// Forgets an app's metadata, after the app refused what it seemed to admit.
    pub fn forget_metadata(&self, app: &AppId) {
        self.metadata_cache().remove(app);
    }

    fn metadata_cache(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<AppId, (Instant, Arc<ApplicationMetadata>)>> {
        // A panic while the map was held cannot leave it half-changed.
        self.0
            .metadata
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Repeats a safe call at once, a few times, where that can help.
async fn quickly<T, F>(call: impl FnMut() -> F) -> Result<T, AltinnError>
where
    F: Future<Output = Result<T, AltinnError>>,
{
    let backoff = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_times(QUICK_RETRIES);
    call.retry(backoff).when(AltinnError::is_passing).await
}

/// `Retry-After` in seconds; its other form, a date, is not used by Altinn's gateway.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
