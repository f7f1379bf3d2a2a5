//! What goes wrong on the wire, and when.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use regex::Regex;
use tokio::sync::watch;

/// Which requests a rule is about. Starts as all of them; every call narrows it.
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
    /// Whether the `count`th match (from 1) is meant, when `applied` of those before it were hit.
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

    /// Requests with this method, and a path with query in which `path`, a regular expression, is
    /// found.
    ///
    /// # Panics
    ///
    /// When `path` is not a regular expression: that is a mistake in the test that wrote it.
    #[must_use]
    pub fn request(method: Method, path: &str) -> Self {
        Self {
            method: Some(method),
            ..Self::any()
        }
        .path(path)
    }

    /// AWS calls of this operation, as `UpdateItem` (the end of the `X-Amz-Target` header).
    #[must_use]
    pub fn operation(name: &str) -> Self {
        Self {
            target: Some(name.to_owned()),
            ..Self::any()
        }
    }

    /// Only where `path`, a regular expression, is found in the path with query.
    ///
    /// # Panics
    ///
    /// When `path` is not a regular expression: that is a mistake in the test that wrote it.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a mistake in a test, not in its input")]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(Regex::new(path).expect("a rule's path must be a regular expression"));
        self
    }

    /// Only what `predicate` says.
    #[must_use]
    pub fn when(
        mut self,
        predicate: impl Fn(&RequestHead) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Only the `n`th match from now on, from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.turn = Turn::Nth(n);
        self
    }

    /// Only the next `n` matches, those not counted at which another rule's action is taken.
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

    /// Whether a request is meant, its turn aside.
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

    /// The AWS service and operation, as `DynamoDB_20120810.UpdateItem`.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.headers.get("x-amz-target")?.to_str().ok()
    }

    /// The AWS operation, as `UpdateItem`.
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

/// What happens to a request that a rule hits.
#[derive(Clone)]
pub enum Action {
    /// It is passed on later by this much. Goes together with another rule's action.
    Latency(Duration),
    /// The connection is reset; nothing is passed on.
    ResetBefore,
    /// It is passed on and answered, but the connection is reset instead of giving the answer.
    ResetAfter,
    /// It is not passed on; this is the answer.
    Answer(CannedResponse),
    /// It is passed on and answered, but this answer is given instead.
    AnswerAfter(CannedResponse),
    /// It is passed on, and this answer is given at once, while the upstream is still at work: a gateway has lost patience.
    AnswerMeanwhile(CannedResponse),
    /// It is passed on, and the connection is reset after so many bytes of the answer's body.
    Truncate(usize),
    /// It is passed on only when the gate opens.
    HoldBefore(Gate),
    /// It is passed on and answered, but the answer is given only when the gate opens.
    HoldAfter(Gate),
    /// The hook runs before it is passed on, and decides whether it is.
    HookBefore(Hook),
    /// It is passed on and answered; the hook runs then, and decides whether the answer is given.
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

    /// A hook that runs before the request is passed on.
    pub fn before<F, Fut>(hook: F) -> Self
    where
        F: Fn(RequestHead) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HookOutcome> + Send + 'static,
    {
        Self::HookBefore(Hook(Arc::new(move |head| Box::pin(hook(head)))))
    }

    /// A hook that runs after the request was passed on and answered.
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

/// What a test does at one moment of a request, such as to kill the process that sent it.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn(RequestHead) -> BoxFuture<'static, HookOutcome> + Send + Sync>);

impl Hook {
    pub(super) async fn run(&self, head: RequestHead) -> HookOutcome {
        (self.0)(head).await
    }
}

/// How a request goes on after a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// As if there had been none. After a kill, this is an effect that comes late.
    Continue,
    /// The connection is reset.
    Reset,
}

/// An answer that the upstream did not give.
#[derive(Clone, Debug)]
pub struct CannedResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl CannedResponse {
    /// An answer with this status and nothing else.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A gateway's own answer, which is HTML.
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

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With this body.
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
    /// Lets all pass that wait, and all that come later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until `count` requests have come to the gate.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when they have not within `deadline`.
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
        // The sender lives in `self`, so this ends only by opening.
        let _ = state.wait_for(|state| state.open).await;
    }
}

/// What was waited for did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it did not happen within {deadline:?}")]
pub struct NotInTime {
    /// How long was waited.
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

/// Names a rule of [`Faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// What the rules say about one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) latency: Duration,
    pub(super) action: Option<Action>,
}

impl Plan {
    /// What the journal says was done.
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

    /// Adds a rule. Latencies of all rules that hit add up; of other actions the first rule's is
    /// taken, in the order in which they were added.
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

    /// Takes a rule away. Requests that it has hit already are not changed.
    pub fn remove(&self, id: RuleId) {
        self.lock().rules.retain(|rule| rule.id != id);
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// How many requests a rule has been applied to; 0 for a rule that was taken away.
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
