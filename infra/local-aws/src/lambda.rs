//! The Lambda service on one machine: functions, the event source mapping of a queue, and the HTTP
//! API.
//!
//! A [`Function`] runs either in this process, or in its own processes behind a real runtime API.
//! Both kinds get Lambda's timeout, invocation context and errors.

mod container;
mod event_source;
mod http_api;
mod http_event;
mod processes;
mod program;
mod runtime_api;
mod sandbox;
mod schedule;
mod sqs_event;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use lambda_runtime::{Context, LambdaEvent, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::{ACCOUNT, FunctionSettings, REGION};

pub use event_source::{Delivered, EventSourceMapping};
pub use http_api::{HttpApi, HttpApiError};
pub use processes::Processes;
pub use program::{LogLine, Program, Stream};
pub use schedule::Schedule;

use sandbox::Sandbox;

/// Lambda's limit for the payload and the response of a synchronous invocation, in bytes.
///
/// AWS: "Lambda quotas", invocation payload 6 MB each for request and response.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// The exit status of a killed process; a killed function in this process reports the same.
const KILLED: &str = "signal: 9 (SIGKILL)";

/// Why an invocation returned no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The function reported an error.
    #[error("the function reported {kind}: {message}")]
    Reported {
        /// The error's type, as the function names it.
        kind: String,
        /// The error's message.
        message: String,
    },
    /// The function ran longer than its timeout.
    #[error("the function timed out after {0:?}")]
    TimedOut(Duration),
    /// The function's process ended during the invocation.
    #[error("the function's process ended during the invocation: {0}")]
    Exited(String),
    /// The function's process ended before it asked for an invocation.
    #[error("the function did not start: {0}")]
    Init(String),
    /// The payload or the response exceeds Lambda's limit.
    #[error("{0} bytes are more than Lambda takes as payload or answer")]
    TooLarge(usize),
    /// The function has been stopped.
    #[error("the function has been stopped")]
    Stopped,
}

/// A Lambda function: takes a JSON payload and returns a JSON response. Clones refer to the same
/// function.
#[derive(Clone)]
pub struct Function {
    settings: Arc<FunctionSettings>,
    code: Code,
}

#[derive(Clone)]
enum Code {
    InProcess(Handler, Sandbox),
    Processes(Processes),
}

type Handler =
    Arc<dyn Fn(String, Context) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync>;

impl Function {
    /// A function that runs in this process, such as `service_fn(handler)`.
    ///
    /// Every invocation runs on a clone of `service`. A panic becomes a function error. At the
    /// timeout the invocation's future is dropped.
    pub fn in_process<A, S>(settings: FunctionSettings, service: S) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        S: Service<LambdaEvent<A>> + Clone + Send + 'static,
        S::Response: Serialize,
        S::Error: fmt::Display,
        S::Future: Send + 'static,
    {
        let service = Mutex::new(service);
        let handler: Handler = Arc::new(move |payload, context| {
            let mut service = service
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            Box::pin(async move {
                let payload = serde_json::from_str(&payload)
                    .map_err(|error| reported("DeserializeError", &error))?;
                std::future::poll_fn(|it| service.poll_ready(it))
                    .await
                    .map_err(|error| reported(std::any::type_name::<S::Error>(), &error))?;
                let answer = service
                    .call(LambdaEvent::new(payload, context))
                    .await
                    .map_err(|error| reported(std::any::type_name::<S::Error>(), &error))?;
                serde_json::to_value(answer).map_err(|error| reported("SerializeError", &error))
            })
        });
        Self {
            settings: Arc::new(settings),
            code: Code::InProcess(handler, Sandbox::default()),
        }
    }

    /// A function that runs in this process and takes HTTP requests.
    pub fn http<F, Fut, R, E>(settings: FunctionSettings, handler: F) -> Self
    where
        F: Fn(lambda_http::Request) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        R: lambda_http::IntoResponse + Send + Sync + 'static,
        E: fmt::Display + Send + 'static,
    {
        let adapter = lambda_http::Adapter::from(lambda_runtime::service_fn(handler));
        Self::in_process(settings, adapter)
    }

    /// A function that runs in its own processes, started on demand.
    #[must_use]
    pub fn process(settings: FunctionSettings, program: Program) -> Self {
        let settings = Arc::new(settings);
        let processes = Processes::new(Arc::clone(&settings), program);
        Self {
            settings,
            code: Code::Processes(processes),
        }
    }

    /// The function's settings.
    #[must_use]
    pub fn settings(&self) -> &FunctionSettings {
        &self.settings
    }

    /// The function's processes; none when it runs in this process.
    #[must_use]
    pub fn processes(&self) -> Option<&Processes> {
        match &self.code {
            Code::InProcess(..) => None,
            Code::Processes(processes) => Some(processes),
        }
    }

    /// Invokes the function and waits for its response.
    ///
    /// # Errors
    ///
    /// Any [`FunctionError`].
    pub async fn invoke(&self, payload: &Value) -> Result<Value, FunctionError> {
        let payload = payload.to_string();
        if payload.len() > PAYLOAD_LIMIT {
            return Err(FunctionError::TooLarge(payload.len()));
        }
        match &self.code {
            Code::Processes(processes) => processes.invoke(payload).await,
            Code::InProcess(handler, sandbox) => {
                let invocation = Invocation::new(&self.settings);
                let running = sandbox.spawn(handler(payload, invocation.context(&self.settings)));
                let _stop_when_dropped = AbortOnDrop(running.abort_handle());
                match tokio::time::timeout(self.settings.timeout, running).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(end)) if end.is_cancelled() => {
                        Err(FunctionError::Exited(KILLED.to_owned()))
                    }
                    Ok(Err(panic)) => Err(reported("Panic", &panic)),
                    Err(_) => Err(FunctionError::TimedOut(self.settings.timeout)),
                }
            }
        }
    }

    /// Runs later invocations on a runtime of their own, so that [`kill`](Self::kill) can end them.
    /// Does nothing for a function that has its own processes.
    ///
    /// # Errors
    ///
    /// When the system cannot start another thread.
    pub fn isolate(&self) -> io::Result<()> {
        match &self.code {
            Code::Processes(_) => Ok(()),
            Code::InProcess(_, sandbox) => sandbox.close(),
        }
    }

    /// Ends all running invocations at once, as SIGKILL does: their connections break, their tasks
    /// stop, and their callers get [`FunctionError::Exited`]. The next invocation starts fresh. For
    /// a function in this process, this kills only invocations that began after
    /// [`isolate`](Self::isolate).
    ///
    /// # Errors
    ///
    /// When the system cannot start another thread.
    pub async fn kill(&self) -> io::Result<()> {
        match &self.code {
            Code::Processes(processes) => {
                processes.kill_all().await;
                Ok(())
            }
            Code::InProcess(_, sandbox) => sandbox.kill().await,
        }
    }

    /// Stops the function's processes, if it has any, as Lambda does: SIGTERM, then SIGKILL.
    pub async fn stop(&self) {
        if let Some(processes) = self.processes() {
            processes.stop().await;
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.settings.name)
            .finish_non_exhaustive()
    }
}

fn reported(kind: &str, error: &impl fmt::Display) -> FunctionError {
    FunctionError::Reported {
        kind: kind.to_owned(),
        message: error.to_string(),
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The context of one invocation.
struct Invocation {
    request_id: String,
    deadline_ms: u64,
    function_arn: String,
    trace_id: String,
}

impl Invocation {
    fn new(settings: &FunctionSettings) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let trace = Uuid::new_v4().simple().to_string();
        Self {
            request_id: Uuid::new_v4().to_string(),
            deadline_ms: u64::try_from((now + settings.timeout).as_millis()).unwrap_or(u64::MAX),
            function_arn: format!(
                "arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}",
                settings.name
            ),
            trace_id: format!(
                "Root=1-{:08x}-{};Parent={};Sampled=0",
                now.as_secs(),
                &trace[..24],
                &trace[16..]
            ),
        }
    }

    fn context(&self, settings: &FunctionSettings) -> Context {
        let mut context = Context::default();
        context.request_id.clone_from(&self.request_id);
        context.deadline = self.deadline_ms;
        context.invoked_function_arn.clone_from(&self.function_arn);
        context.xray_trace_id = Some(self.trace_id.clone());
        context.env_config = Arc::new(lambda_runtime::Config {
            function_name: settings.name.clone(),
            memory: i32::try_from(settings.memory_mb).unwrap_or(i32::MAX),
            version: "$LATEST".to_owned(),
            log_stream: String::new(),
            log_group: String::new(),
        });
        context
    }
}

#[cfg(test)]
mod tests;
