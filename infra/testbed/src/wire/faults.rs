//! The failures on a wire, and the requests that they apply to.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use regex::Regex;
use tokio::sync::watch;

/// The condition of a rule. It starts with all requests, and every method narrows it.
#[derive(Clone, Default)]
pub struct On {
    method: Option<Method>,
    path: Option<Regex>,
    target: Option<String>,
    predicate: Option<Arc<Predicate>>,
    turn: Turn,
}

type Predicate = dyn Fn(&RequestHead) -> bool + Send + Sync;

#[derive(Clone, Copy, Default)]
enum Turn {
    #[default]
    Always,
    Nth(usize),
    Next(usize),
    Every(usize),
}

impl Turn {
    /// Whether the rule applies to its `count`th match (from 1), after it was applied to `applied` earlier ones.
    fn is(self, count: usize, applied: usize) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(n) => count == n,
            Self::Next(n) => applied < n,
            Self::Every(n) => n != 0 && count.is_multiple_of(n),
        }
    }
}

impl On {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests with this method whose path with query matches `path`, a regular expression.
    ///
    /// # Panics
    ///
    /// When `path` is not a regular expression, which is a mistake in the test.
    #[must_use]
    pub fn request(method: Method, path: &str) -> Self {
        Self {
            method: Some(method),
            ..Self::any()
        }
        .path(path)
    }

    /// AWS calls of this operation, such as `UpdateItem` (the end of the `X-Amz-Target` header).
    #[must_use]
    pub fn operation(name: &str) -> Self {
        Self {
            target: Some(name.to_owned()),
            ..Self::any()
        }
    }

    /// Only requests whose path with query matches `path`, a regular expression.
    ///
    /// # Panics
    ///
    /// When `path` is not a regular expression, which is a mistake in the test.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a mistake in a test, not in its input")]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(Regex::new(path).expect("a rule's path must be a regular expression"));
        self
    }

    /// Only requests that satisfy `predicate`.
    #[must_use]
    pub fn when(
        mut self,
        predicate: impl Fn(&RequestHead) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Only the `n`th match from now on, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.turn = Turn::Nth(n);
        self
    }

    /// Only the next `n` matches. Matches to which another rule's action is applied do not count.
    #[must_use]
    pub fn next(mut self, n: usize) -> Self {
        self.turn = Turn::Next(n);
        self
    }

    /// Only every `n`th match: a steady share of the traffic.
    #[must_use]
    pub fn every(mut self, n: usize) -> Self {
        self.turn = Turn::Every(n);
        self
    }

    /// Whether a request matches, without regard to its turn.
    #[must_use]
    pub fn matches(&self, head: &RequestHead) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| *method == head.method)
            && self
                .path
                .as_ref()
                .is_none_or(|path| path.is_match(&head.path))
            && self
                .target
                .as_ref()
                .is_none_or(|name| head.operation() == Some(name))
            && self
                .predicate
                .as_ref()
                .is_none_or(|predicate| predicate(head))
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On")
            .field("method", &self.method)
            .field("path", &self.path.as_ref().map(Regex::as_str))
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// The head of a request, as rules and hooks see it.
#[derive(Clone)]
pub struct RequestHead {
    /// Number in the journal.
    pub sequence: u64,
    /// Method.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
}

impl RequestHead {
    pub(super) fn new(sequence: u64, parts: &Parts) -> Self {
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", |it| it.as_str())
            .to_owned();
        Self {
            sequence,
            method: parts.method.clone(),
            path,
            headers: parts.headers.clone(),
        }
    }

    /// The AWS service and operation, such as `DynamoDB_20120810.UpdateItem`.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.headers.get("x-amz-target")?.to_str().ok()
    }

    /// The AWS operation, such as `UpdateItem`.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.target()?.rsplit('.').next()
    }
}

// A path may hold a secret and a header a token.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("sequence", &self.sequence)
            .field("method", &self.method)
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

/// What happens to a request that a rule applies to.
#[derive(Clone)]
pub enum Action {
    /// It is forwarded later by this much. Can be combined with another rule's action.
    Latency(Duration),
    /// The connection is reset, and the request is not forwarded.
    ResetBefore,
    /// It is forwarded and answered, but the connection is reset instead of sending the response.
    ResetAfter,
    /// It is not forwarded, but answered with this response.
    Answer(CannedResponse),
    /// It is forwarded and answered, but this response is sent instead.
    AnswerAfter(CannedResponse),
    /// It is forwarded, and this response is sent at once, while the upstream is still working, as by a gateway that times out.
    AnswerMeanwhile(CannedResponse),
    /// It is forwarded, and the connection is reset after this many bytes of the response's body.
    Truncate(usize),
    /// It is forwarded when the gate opens.
    HoldBefore(Gate),
    /// It is forwarded and answered, but the response is sent when the gate opens.
    HoldAfter(Gate),
    /// The hook runs before it is forwarded, and decides whether it is.
    HookBefore(Hook),
    /// It is forwarded and answered. Then the hook runs, and decides whether the response is sent.
    HookAfter(Hook),
}

impl Action {
    /// The action's name in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::ResetBefore => "reset-before",
            Self::ResetAfter => "reset-after",
            Self::Answer(_) => "answer",
            Self::AnswerAfter(_) => "answer-after",
            Self::AnswerMeanwhile(_) => "answer-meanwhile",
            Self::Truncate(_) => "truncate",
            Self::HoldBefore(_) => "hold-before",
            Self::HoldAfter(_) => "hold-after",
            Self::HookBefore(_) => "hook-before",
            Self::HookAfter(_) => "hook-after",
        }
    }

    /// A hook that runs before the request is forwarded.
    pub fn before<F, Fut>(hook: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HookOutcome> + Send + 'static,
    {
        Self::HookBefore(Hook(Arc::new(move |head| Box::pin(hook(head)))))
    }

    /// A hook that runs after the request was forwarded and answered.
    pub fn after<F, Fut>(hook: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HookOutcome> + Send + 'static,
    {
        Self::HookAfter(Hook(Arc::new(move |head| Box::pin(hook(head)))))
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Code of a test that runs while a request is handled, for example to kill the process that sent the request.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn(RequestHead) -> BoxFuture<'static, HookOutcome> + Send + Sync>);

impl Hook {
    pub(super) async fn run(&self, head: RequestHead) -> HookOutcome {
        (self.0)(head).await
    }
}

/// How a request continues after a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It continues as without the hook. If the hook killed the sender, the request has its effect later.
    Continue,
    /// The connection is reset.
    Reset,
}

/// A response that the wire sends instead of the upstream.
#[derive(Clone, Debug)]
pub struct CannedResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl CannedResponse {
    /// A response with only this status.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A gateway's own response, which is HTML.
    #[must_use]
    pub fn gateway(status: StatusCode) -> Self {
        let title = format!(
            "{} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default()
        );
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        let html = HeaderValue::from_static("text/html");
        Self::status(status)
            .header(header::CONTENT_TYPE, html)
            .body(page)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// Holds requests back until it is opened.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<GateState>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(GateState::default())),
        }
    }
}

impl Gate {
    /// Lets all waiting and all later requests pass.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until `count` requests have arrived at the gate.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when fewer have arrived within `deadline`.
    pub async fn arrived(&self, count: usize, deadline: Duration) -> Result<(), NotInTime> {
        let mut state = self.state.subscribe();
        let reached = state.wait_for(|state| state.arrived >= count);
        match tokio::time::timeout(deadline, reached).await {
            Ok(_) => Ok(()),
            Err(_) => Err(NotInTime { deadline }),
        }
    }

    pub(super) async fn pass(&self) {
        let mut state = self.state.subscribe();
        self.state.send_modify(|state| state.arrived += 1);
        // `self` owns the sender, so this ends only when the gate opens.
        let _ = state.wait_for(|state| state.open).await;
    }
}

/// An awaited condition was not met in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it did not happen within {deadline:?}")]
pub struct NotInTime {
    /// The time that was waited.
    pub deadline: Duration,
}

/// The rules of a wire. Clones share them; they may change while requests are under way.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Rules>>,
}

#[derive(Debug, Default)]
struct Rules {
    last_id: u64,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    id: RuleId,
    on: On,
    action: Action,
    matched: usize,
    applied: usize,
}

/// Identifies a rule of [`Faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// The combined effect of all rules on one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) latency: Duration,
    pub(super) action: Option<Action>,
}

impl Plan {
    /// The name of the fault in the journal.
    pub(super) fn name(&self) -> Option<&'static str> {
        match &self.action {
            Some(action) => Some(action.name()),
            None => (!self.latency.is_zero()).then_some("latency"),
        }
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule. The latencies of all rules that apply add up. Of the other actions, that of the rule that was added first is taken.
    pub fn add(&self, on: On, action: Action) -> RuleId {
        let mut rules = self.lock();
        rules.last_id += 1;
        let id = RuleId(rules.last_id);
        rules.rules.push(Rule {
            id,
            on,
            action,
            matched: 0,
            applied: 0,
        });
        id
    }

    /// Removes a rule. Requests to which it was applied already are not changed.
    pub fn remove(&self, id: RuleId) {
        self.lock().rules.retain(|rule| rule.id != id);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// The number of requests to which a rule was applied. 0 if the rule was removed.
    #[must_use]
    pub fn applied(&self, id: RuleId) -> usize {
        self.lock()
            .rules
            .iter()
            .find(|rule| rule.id == id)
            .map_or(0, |rule| rule.applied)
    }

    pub(super) fn plan(&self, head: &RequestHead) -> Plan {
        let mut plan = Plan::default();
        for rule in &mut self.lock().rules {
            if !rule.on.matches(head) {
                continue;
            }
            rule.matched += 1;
            if !rule.on.turn.is(rule.matched, rule.applied) {
                continue;
            }
            match &rule.action {
                Action::Latency(latency) => plan.latency += *latency,
                action if plan.action.is_none() => plan.action = Some(action.clone()),
                _ => continue,
            }
            rule.applied += 1;
        }
        plan
    }
}
