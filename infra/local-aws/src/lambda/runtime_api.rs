//! The HTTP interface through which a function's process gets invocations and answers them.
//!
//! AWS: "Using the Lambda runtime API" (`/2018-06-01/runtime/…`) and "Lambda Extensions API"
//! (`/2020-01-01/extension/…`), the latter as far as an extension without events needs it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use uuid::Uuid;

use super::{FunctionError, Invocation, PAYLOAD_LIMIT};

pub(super) type Reply = oneshot::Sender<Result<Value, FunctionError>>;

/// One invocation on its way to the process.
pub(super) struct Work {
    pub(super) invocation: Invocation,
    pub(super) payload: String,
    pub(super) reply: Reply,
}

/// What the process has told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// How often it has asked for an invocation.
    pub(super) asked: u64,
    /// Why it could not start.
    pub(super) init_error: Option<String>,
}

/// The state of one container's runtime API.
pub(super) struct RuntimeApi {
    function: String,
    // One process asks, one invocation at a time.
    work: AsyncMutex<mpsc::Receiver<Work>>,
    /// Its request id, and who waits for its answer.
    running: Mutex<Option<(String, Reply)>>,
    progress: watch::Sender<Progress>,
    extensions: Mutex<HashSet<String>>,
}

impl RuntimeApi {
    pub(super) fn new(function: &str) -> (Arc<Self>, mpsc::Sender<Work>) {
        let (sender, work) = mpsc::channel(1);
        let api = Self {
            function: function.to_owned(),
            work: AsyncMutex::new(work),
            running: Mutex::default(),
            progress: watch::Sender::default(),
            extensions: Mutex::default(),
        };
        (Arc::new(api), sender)
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(extension_next))
            .with_state(self)
    }

    fn lock_extensions(&self) -> MutexGuard<'_, HashSet<String>> {
        self.extensions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the running invocation its result; refuses any other id, as Lambda does.
    fn finish(&self, id: &str, result: Result<Value, FunctionError>) -> Response {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.take_if(|(running, _)| running == id) {
            Some((_, reply)) => {
                // Nobody waits any more when the invocation has timed out.
                let _ = reply.send(result);
                accepted()
            }
            None => refused(
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID",
            ),
        }
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    (
        status,
        Json(json!({ "errorType": kind, "errorMessage": message })),
    )
        .into_response()
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let mut work = api.work.lock().await;
    api.progress.send_modify(|it| it.asked += 1);
    let Some(Work {
        invocation,
        payload,
        reply,
    }) = work.recv().await
    else {
        return refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Stopped",
            "the container is stopping",
        );
    };
    *api.running.lock().unwrap_or_else(PoisonError::into_inner) =
        Some((invocation.request_id.clone(), reply));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.request_id),
        (
            "lambda-runtime-deadline-ms",
            invocation.deadline_ms.to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            invocation.function_arn,
        ),
        ("lambda-runtime-trace-id", invocation.trace_id),
    ];
    (headers, payload).into_response()
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, PAYLOAD_LIMIT).await else {
        let kind = "Function.ResponseSizeTooLarge".to_owned();
        let message = format!("the answer is larger than {PAYLOAD_LIMIT} bytes");
        let _ = api.finish(&id, Err(FunctionError::Reported { kind, message }));
        let message = "Exceeded maximum allowed payload size";
        return refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            message,
        );
    };
    let answer = if body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&body)
    };
    let result = answer.map_err(|error| FunctionError::Reported {
        kind: "InvalidResponse".to_owned(),
        message: format!("the answer is not JSON: {error}"),
    });
    api.finish(&id, result)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Diagnostic {
    error_type: String,
    error_message: String,
}

impl Default for Diagnostic {
    fn default() -> Self {
        Self {
            error_type: "Unknown".to_owned(),
            error_message: String::new(),
        }
    }
}

async fn diagnostic(body: Body) -> Diagnostic {
    let body = to_bytes(body, PAYLOAD_LIMIT).await.unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}

async fn error(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, body: Body) -> Response {
    let Diagnostic {
        error_type: kind,
        error_message: message,
    } = diagnostic(body).await;
    api.finish(&id, Err(FunctionError::Reported { kind, message }))
}

async fn init_error(State(api): State<Arc<RuntimeApi>>, body: Body) -> Response {
    let Diagnostic {
        error_type,
        error_message,
    } = diagnostic(body).await;
    api.progress
        .send_modify(|it| it.init_error = Some(format!("{error_type}: {error_message}")));
    accepted()
}

const EXTENSION_ID: &str = "lambda-extension-identifier";

#[derive(Deserialize)]
struct Registration {
    events: Vec<String>,
}

async fn register(
    State(api): State<Arc<RuntimeApi>>,
    headers: HeaderMap,
    Json(registration): Json<Registration>,
) -> Response {
    if !headers.contains_key("lambda-extension-name") {
        let message = "Lambda-Extension-Name is missing";
        return refused(
            StatusCode::FORBIDDEN,
            "Extension.InvalidExtensionName",
            message,
        );
    }
    if !registration.events.is_empty() {
        let message = "the local Lambda sends extensions no events";
        return refused(StatusCode::BAD_REQUEST, "InvalidEventType", message);
    }
    let id = Uuid::new_v4().to_string();
    api.lock_extensions().insert(id.clone());
    let body = json!({
        "functionName": api.function,
        "functionVersion": "$LATEST",
        "handler": "bootstrap",
    });
    ([(EXTENSION_ID, id)], Json(body)).into_response()
}

async fn extension_next(State(api): State<Arc<RuntimeApi>>, headers: HeaderMap) -> Response {
    let id = headers
        .get(EXTENSION_ID)
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    if !api.lock_extensions().contains(id) {
        let message = "Lambda-Extension-Identifier is unknown";
        return refused(
            StatusCode::FORBIDDEN,
            "Extension.InvalidExtensionIdentifier",
            message,
        );
    }
    // It has no events to wait for: it waits until its process ends.
    std::future::pending().await
}
